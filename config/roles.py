"""What the four groups may do; written into the database after every migrate, and safe to repeat.

Everything is denied that is not named here. Verbs beside Django's own four stand in ACTS.
"""

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q

ACTS = {
    "orders": {
        "decide_hold": ("hold", "Can release and uphold holds"),
        "edit_order": ("order", "Can correct address, recipient, invoice title and slot"),
        "stop_order": ("order", "Can hold, cancel and recall orders"),
        "route_order": ("order", "Can choose slots, dispatch, split and merge orders"),
        "note_order": ("order", "Can write notes on orders"),
        "reveal_order": ("order", "Can see full names and phone numbers"),
        "answer_shipment": ("shipment", "Can answer freeze requests"),
        "move_stock": ("stock", "Can receive and count stock"),
    }
}
"""App → permission → (model, name)."""

CATALOGUE = ("channel", "sku", "warehouse", "courier", "packaging")

ROLES: dict[str, dict[str, tuple[str, ...]]] = {
    "supervisor": {
        "orders": (
            *("view_*", "decide_hold", "edit_order", "stop_order", "route_order"),
            *("note_order", "reveal_order", "answer_shipment", "change_customer"),
        ),
        "rules": ("view_*", "publish_ruleset", "add_rulesnooze"),
        "returns": ("view_*", "add_*", "change_*", "decide_*", "receive_*"),
        "changefeed": ("view_change", "view_endpoint", "view_feedlane"),
    },
    "operations": {
        "orders": (
            *("view_*", "edit_order", "route_order", "note_order", "move_stock"),
            *(f"{verb}_{model}" for model in CATALOGUE for verb in ("add", "change")),
            *("add_settlementprice", "change_settlementprice", "delete_settlementprice"),
            *("add_channelcoupon", "change_channelcoupon", "delete_channelcoupon"),
        ),
        "rules": ("*",),
        "returns": ("view_*",),
        "changefeed": ("view_*", "change_feedlane"),
    },
    "agent": {
        "orders": ("view_*", "edit_order", "stop_order", "note_order", "reveal_order"),
        "rules": ("view_*",),
        "returns": ("view_*", "add_*", "change_*", "decide_*"),
    },
    "warehouse": {
        "orders": (
            *("view_hold", "view_order", "view_orderline", "view_shipment", "view_shipmentline"),
            *("view_stock", "view_stockentry", "view_sku", "view_warehouse", "view_courier"),
            *("view_packaging", "note_order", "answer_shipment", "move_stock"),
        ),
        "returns": ("view_*", "receive_*"),
    },
}
"""Group → app → permissions; a trailing * stands for every permission that begins so."""


def grant(app_label: str) -> None:
    """Make the acts of one app and give each group exactly what stands above, no more."""
    for codename, (model, name) in ACTS.get(app_label, {}).items():
        content_type = ContentType.objects.get(app_label=app_label, model=model)
        Permission.objects.update_or_create(
            content_type=content_type, codename=codename, defaults={"name": name}
        )
    for group_name, apps in ROLES.items():
        group, _created = Group.objects.get_or_create(name=group_name)
        wanted = set(_permissions(app_label, apps.get(app_label, ())))
        held = set(group.permissions.filter(content_type__app_label=app_label))
        group.permissions.add(*(wanted - held))
        group.permissions.remove(*(held - wanted))


def _permissions(app_label: str, patterns: tuple[str, ...]) -> Any:
    if not patterns:
        return Permission.objects.none()
    named = Q()
    for pattern in patterns:
        if pattern.endswith("*"):
            named |= Q(codename__startswith=pattern.removesuffix("*"))
        else:
            named |= Q(codename=pattern)
    return Permission.objects.filter(named, content_type__app_label=app_label)


def grant_after_migrate(sender: AppConfig, **_kwargs: Any) -> None:
    """Receiver of post_migrate, once per app."""
    if sender.label in {"orders", "rules", "returns", "changefeed"}:
        grant(sender.label)
