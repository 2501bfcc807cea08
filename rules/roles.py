"""Which group may do what with rules and lists; whoever is in no group may do nothing."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission

_VIEW = ("view_ruleset", "view_rule", "view_referencelist", "view_listentry")
GRANTS: dict[str, tuple[str, ...]] = {
    "operations": (
        *_VIEW,
        "change_ruleset",
        "add_rule",
        "change_rule",
        "delete_rule",
        "add_referencelist",
        "change_referencelist",
        "add_listentry",
        "change_listentry",
        "delete_listentry",
    ),
    "supervisor": (*_VIEW, "publish_ruleset"),
}


def grant_permissions(sender: Any, using: str, **kwargs: Any) -> None:
    """Give each group its permissions; after every migrate, adding what is missing."""
    create_permissions(sender, verbosity=0, using=using)
    for name, codenames in GRANTS.items():
        group, _is_new = Group.objects.using(using).get_or_create(name=name)
        permissions = Permission.objects.using(using).filter(
            content_type__app_label="rules", codename__in=codenames
        )
        group.permissions.add(*permissions)
