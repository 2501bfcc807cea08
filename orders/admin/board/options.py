"""The choices of the board's filters: causes that hold something now, and channels."""

from typing import Any

from django.db.models import Count, Max

from orders.models import Channel, Hold
from orders.status import HoldOwner


def cause_options() -> list[tuple[str, Any]]:
    """(owner or owner:rule key, label with its number of open holds), most frequent first."""
    found = (
        Hold.objects.open()
        .values("owner", "rule_key")
        .annotate(count=Count("id"), name=Max("rule_name"))
    )
    names: dict[str, Any] = {}
    totals: dict[str, int] = {}
    for row in found:
        is_rule = row["owner"] == HoldOwner.RULE
        key = f"{row['owner']}:{row['rule_key']}" if is_rule else row["owner"]
        names[key] = (row["name"] or row["rule_key"]) if is_rule else HoldOwner(row["owner"]).label
        totals[key] = totals.get(key, 0) + row["count"]
    by_frequency = sorted(totals, key=lambda key: (-totals[key], key))
    return [(key, f"{names[key]} ({totals[key]})") for key in by_frequency]


def channel_options() -> list[tuple[str, str]]:
    return list(Channel.objects.values_list("code", "name"))
