"""The story of one order for people: who did what, when and why."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from orders.models import Order, ScreeningDecision, StopRequest

TITLES: dict[str, str | Promise] = {
    "received": _("Received"),
    "screened": _("Screened"),
    "held": _("Held by hand"),
    "hold_opened": _("Held"),
    "hold_released": _("Hold released"),
    "hold_upheld": _("Hold upheld"),
    "escalated": _("Escalated: past its due time"),
    "dispatched": _("Dispatched to the warehouse"),
    "picked": _("Picked"),
    "shipped": _("Shipped"),
    "delivered": _("Delivered"),
    "cancelled": _("Cancelled"),
    "changed": _("Changed"),
    "stop_requested": _("Warehouse asked to stop"),
    "stop_asked_again": _("Warehouse asked again to stop"),
    "warehouse_stopped": _("Warehouse stopped it"),
    "warehouse_refused": _("Warehouse had picked it already"),
    "stop_came_too_late": _("The stop came too late"),
    "slots_chosen": _("Routing chosen by hand"),
    "split": _("Split into child orders"),
    "split_off": _("Split off from its parent order"),
    "merged": _("Merged"),
    "unmerged": _("Travels by itself again"),
    "stock_filled": _("Stock came in"),
    "return_requested": _("Return requested"),
    "return_approved": _("Return approved"),
    "return_refused": _("Return refused"),
    "return_received": _("Returned goods received"),
    "return_closed": _("Return closed"),
    "return_withdrawn": _("Return withdrawn"),
    "revealed": _("Personal data shown"),
    "note": _("Note"),
}


@dataclass(frozen=True, slots=True)
class TimelineItem:
    """One line of the story; `act` is the stable key behind the translated `title`."""

    at: datetime
    act: str
    actor: str
    title: str
    source: str = ""
    reason: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def notes(self) -> list[str]:
        """What the act was about, in words: fields, a purpose, a parcel and its waybill."""
        purpose = self.detail.get("purpose")
        named = [field_word(name) for name in self.detail.get("fields", ())]
        if purpose in StopRequest.Purpose.values:
            named.append(str(StopRequest.Purpose(purpose).label))
        return named + [
            str(self.detail[key]) for key in ("parcel", "waybill") if key in self.detail
        ]


def field_word(name: str) -> str:
    """What a key field of a change is called."""
    if name == "ship_to":
        return gettext("address or recipient")
    try:
        return str(Order._meta.get_field(name).verbose_name)
    except FieldDoesNotExist:
        return name


def timeline_of(order: Order) -> list[TimelineItem]:
    """Everything that happened to the order, oldest first; three queries."""
    items = [_item(order.received_at, "received", "", order.source)]
    for decision in order.decisions.defer("facts"):
        items.append(_screened(decision))
    for hold in order.holds.all():
        detail = {"hold": hold.pk, "rule": hold.rule_key, "owner": hold.owner}
        items.append(_item(hold.opened_at, "hold_opened", "system", "", hold.reason_text, detail))
    for entry in order.timeline.all():
        items.append(
            _item(entry.at, entry.act, entry.actor, entry.source, entry.reason, entry.detail)
        )
    return sorted(items, key=lambda item: item.at)


def _item(
    at: datetime,
    act: str,
    actor: str,
    source: str = "",
    reason: str = "",
    detail: dict[str, Any] | None = None,
) -> TimelineItem:
    title = str(TITLES.get(act, act))
    return TimelineItem(at, act, actor, title, source, reason, detail or {})


def _screened(decision: ScreeningDecision) -> TimelineItem:
    outcome = decision.outcome
    rules = [match["name"] for match in outcome["matches"]]
    return _item(
        decision.at,
        "screened",
        "system",
        reason=gettext("Rule set %(version)s") % {"version": decision.ruleset_version},
        detail={"cause": decision.cause, "rules": rules, "decision": decision.pk},
    )
