"""Everything one supervisor needs to decide one hold: why, the evidence, customer and order."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from orders.admin.board.rows import BoardRow, board_row
from orders.admin.board.tabs import BoardView
from orders.admin.facts_shown import (
    Contact,
    CustomerSummary,
    ShownLine,
    contact_of,
    customer_summary,
    shown_coupons,
    shown_lines,
    traits,
)
from orders.models import Hold, StopRequest
from orders.status import BEFORE_DISPATCH, HoldOwner, HoldState, OrderState
from orders.timeline import TimelineItem, timeline_of
from rules.models import Rule

RELEASE_REASONS = (
    gettext_lazy("Confirmed with the customer"),
    gettext_lazy("Address checked and correct"),
    gettext_lazy("Known good customer"),
    gettext_lazy("Approved by the person in charge"),
    gettext_lazy("False alarm"),
)
UPHOLD_REASONS = (
    gettext_lazy("Address has to be corrected"),
    gettext_lazy("Waiting for the customer's answer"),
    gettext_lazy("Suspected malicious purchase"),
    gettext_lazy("Cannot be delivered there"),
    gettext_lazy("Purchase limit exceeded"),
)
TIMELINE_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Powers:
    """What this person may do with this hold now; a refusal carries its reason."""

    decide: bool
    release_refusal: str
    note: bool
    reveal: bool
    hold_again: str
    """stop: the warehouse is asked; keep: nothing has left yet; empty: not offered."""


@dataclass(frozen=True, slots=True)
class Pane:
    row: BoardRow
    view: BoardView
    powers: Powers
    contact: Contact
    customer: CustomerSummary
    lines: list[ShownLine]
    coupons: list[dict[str, Any]]
    traits: list[str]
    others: list[BoardRow]
    timeline: list[TimelineItem]
    stop: StopRequest | None


def read_pane(
    hold: Hold, view: BoardView, user: User, now: datetime, *, revealed: bool = False
) -> Pane:
    """The pane; `hold` comes with what rows.SHOWN names."""
    order = hold.order
    stop = order.stop_requests.order_by("-id").first()
    others = order.holds.select_related("order", "claimed_by").exclude(pk=hold.pk).order_by("id")
    return Pane(
        row=board_row(hold, user, now),
        view=view,
        powers=_powers(hold, user, stop),
        contact=contact_of(order, revealed=revealed),
        customer=customer_summary(order, now),
        lines=shown_lines(order),
        coupons=shown_coupons(order),
        traits=traits(order),
        others=[board_row(other, user, now) for other in others],
        timeline=list(timeline_of(order))[-TIMELINE_SHOWN:][::-1],
        stop=stop,
    )


def _powers(hold: Hold, user: User, stop: StopRequest | None) -> Powers:
    is_open = hold.state == HoldState.OPEN
    decide = is_open and user.has_perm("orders.decide_hold")
    return Powers(
        decide=decide,
        release_refusal=release_refusal(hold, user) if decide else "",
        note=user.has_perm("orders.note_order"),
        reveal=user.has_perm("orders.reveal_order"),
        hold_again=hold_again(hold, stop) if user.has_perm("orders.stop_order") else "",
    )


def release_refusal(hold: Hold, user: User) -> str:
    """Why this person may not release alone; empty when they may. The act itself asks again."""
    version = hold.ruleset_version
    if settings.AUTHOR_MAY_RELEASE or hold.owner != HoldOwner.RULE or version is None:
        return ""
    wrote = Rule.objects.filter(ruleset__version=version, key=hold.rule_key, author=user).exists()
    return _("You wrote this rule, so somebody else has to release what it held.") if wrote else ""


def hold_again(hold: Hold, stop: StopRequest | None) -> str:
    """How a released order can still be stopped: ask the warehouse, or just keep it."""
    if hold.state != HoldState.RELEASED:
        return ""
    if hold.order.state == OrderState.DISPATCHED:
        return "" if stop and stop.state == StopRequest.State.WAITING else "stop"
    held = hold.order.state in BEFORE_DISPATCH and hold.order.state != OrderState.ON_HOLD
    return "keep" if held else ""
