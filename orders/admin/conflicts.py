"""What somebody else changed on an order since a form was opened, as the feed recorded it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from changefeed.models import Change

NAMES = {
    "ship_to": _("address"),
    "recipient": _("recipient"),
    "invoice_title": _("invoice title"),
    "delivery_slot": _("delivery slot"),
    "routing": _("routing"),
    "state": _("state"),
    "lines": _("order lines"),
}
OPEN_FIELDS = ("invoice_title", "delivery_slot", "state")
"""Fields whose values may be shown; the others are personal or long."""


@dataclass(frozen=True, slots=True)
class OtherChange:
    """One field that changed meanwhile; values only where they are not personal."""

    field: Any
    actor: str
    at: datetime
    old: str
    new: str


def changes_since(number: str, version: int) -> list[OtherChange]:
    """Changes of the order after `version`, oldest first."""
    rows = Change.objects.filter(
        subject_kind="order", subject_id=number, subject_version__gt=version
    ).order_by("seq")
    return [
        OtherChange(
            NAMES[row.field],
            row.actor,
            row.at,
            str(row.old or "") if row.field in OPEN_FIELDS else "",
            str(row.new or "") if row.field in OPEN_FIELDS else "",
        )
        for row in rows[:50]
        if row.field in NAMES
    ]
