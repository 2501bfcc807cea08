"""One page of the board: holds in the order of their time left, ready to be shown."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet
from django.utils.text import capfirst
from django.utils.translation import gettext as _

from orders.admin.board.reasons import Why, why_held
from orders.admin.board.tabs import BoardView
from orders.display import exact, money, person, span
from orders.models import Hold
from orders.phones import mask_name
from orders.status import FollowUp, HoldState
from rules.wording import RISK_LABELS

PAGE = 40
SHOWN = (*("order__channel", "order__customer", "order__warehouse", "claimed_by"),)


@dataclass(frozen=True, slots=True)
class Clock:
    """Time left or over, in words; `level` is ok, soon (a quarter left) or over."""

    text: str
    level: str
    due: datetime


@dataclass(frozen=True, slots=True)
class BoardRow:
    """A hold as its row shows it."""

    hold: Hold
    why: Why
    clock: Clock
    amount: str
    customer: str
    claim: str
    claimed_by_me: bool
    outcome: str

    @property
    def risk_label(self) -> str:
        return capfirst(str(RISK_LABELS[self.hold.risk]))


@dataclass(frozen=True, slots=True)
class Page:
    """Rows and the cursor of the next page, empty on the last."""

    rows: list[BoardRow]
    after: str


def read_page(view: BoardView, user: User, now: datetime, after: str = "") -> Page:
    """A page that begins behind the cursor; open holds by due time, others newest first."""
    holds = _ordered(view, view.holds(user, now).select_related(*SHOWN), _cursor(after))
    read = list(holds[: PAGE + 1])
    rows = [board_row(hold, user, now) for hold in read[:PAGE]]
    more = len(read) > PAGE
    return Page(rows, _cursor_of(view, rows[-1].hold) if more else "")


def next_hold(view: BoardView, hold: Hold, user: User, now: datetime) -> int | None:
    """The hold that follows this one in the view, else the view's first; None when it is empty."""
    others = view.holds(user, now).exclude(pk=hold.pk).filter(state=HoldState.OPEN)
    following = _ordered(view, others, (_key(view, hold), hold.pk))
    first = _ordered(view, others, None)
    return (
        following.values_list("pk", flat=True).first() or first.values_list("pk", flat=True).first()
    )


def board_row(hold: Hold, user: User, now: datetime) -> BoardRow:
    claimed = hold.claimed_by_id is not None and (hold.claimed_until or now) > now
    return BoardRow(
        hold=hold,
        why=why_held(hold),
        clock=clock_of(hold, now),
        amount=money(hold.order.grand_total, hold.order.currency),
        customer=mask_name(hold.order.ship_name),
        claim=claim_text(hold) if claimed else "",
        claimed_by_me=claimed and hold.claimed_by_id == user.pk,
        outcome=outcome_text(hold),
    )


def clock_of(hold: Hold, now: datetime) -> Clock:
    left = hold.due_at - now
    if left.total_seconds() <= 0:
        return Clock(_("overdue by %(span)s") % {"span": span(left)}, "over", hold.due_at)
    level = "soon" if left < (hold.due_at - hold.opened_at) / 4 else "ok"
    return Clock(_("%(span)s left") % {"span": span(left)}, level, hold.due_at)


def claim_text(hold: Hold) -> str:
    """Who works on it, and until when."""
    if hold.claimed_by is None or hold.claimed_until is None:
        return ""
    return _("%(who)s until %(when)s") % {
        "who": hold.claimed_by.get_username(),
        "when": exact(hold.claimed_until)[11:],
    }


def outcome_text(hold: Hold) -> str:
    """What was decided, by whom and when; empty while the hold is open."""
    if hold.state == HoldState.OPEN:
        return ""
    if hold.state == HoldState.RELEASED:
        what = _("Released")
    elif hold.follow_up == FollowUp.CANCEL:
        what = _("Upheld, order cancelled")
    elif not hold.follow_up:
        what = _("Ended, order cancelled")
    else:
        what = _("Upheld, corrected") if hold.corrected_at else _("Upheld, waiting for correction")
    return _("%(what)s · %(who)s at %(when)s") % {
        "what": what,
        "who": person(hold.resolved_by),
        "when": exact(hold.resolved_at)[11:16] if hold.resolved_at else "",
    }


def _key(view: BoardView, hold: Hold) -> Any:
    return hold.due_at if view.tab.of_open else hold.resolved_at or hold.due_at


def _ordered(
    view: BoardView, holds: "QuerySet[Hold]", after: tuple[datetime, int] | None
) -> "QuerySet[Hold]":
    if view.tab.of_open:
        if after:
            holds = holds.filter(Q(due_at__gt=after[0]) | Q(due_at=after[0], id__gt=after[1]))
        return holds.order_by("due_at", "id")
    if after:
        holds = holds.filter(Q(resolved_at__lt=after[0]) | Q(resolved_at=after[0], id__lt=after[1]))
    return holds.order_by("-resolved_at", "-id")


def _cursor_of(view: BoardView, hold: Hold) -> str:
    moment = _key(view, hold).astimezone(UTC)
    return f"{moment:%Y%m%d%H%M%S%f}-{hold.pk}"


def _cursor(text: str) -> tuple[datetime, int] | None:
    """The place that a cursor names; None for anything else."""
    stamp, _dash, key = text.partition("-")
    if not (key.isascii() and key.isdecimal() and len(key) < 19):
        return None
    try:
        return datetime.strptime(stamp, "%Y%m%d%H%M%S%f").replace(tzinfo=UTC), int(key)
    except ValueError:
        return None
