"""Which group may do what with returns; whoever is in no group may do nothing."""

from typing import Any

from django.contrib.auth.management import create_permissions
from django.contrib.auth.models import Group, Permission

_VIEW = ("view_returnrequest", "view_returnline")
_DECIDE = (*_VIEW, "add_returnrequest", "decide_returnrequest")
GRANTS: dict[str, tuple[str, ...]] = {
    "agent": _DECIDE,
    "supervisor": _DECIDE,
    "warehouse": (*_VIEW, "receive_returnrequest"),
    "operations": _VIEW,
}


def grant_permissions(sender: Any, using: str, **kwargs: Any) -> None:
    """Give each group its permissions; after every migrate, adding what is missing."""
    create_permissions(sender, verbosity=0, using=using)
    for name, codenames in GRANTS.items():
        group, _is_new = Group.objects.using(using).get_or_create(name=name)
        permissions = Permission.objects.using(using).filter(
            content_type__app_label="returns", codename__in=codenames
        )
        group.permissions.add(*permissions)
