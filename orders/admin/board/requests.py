"""What the board's views read from a request and say of a row."""

from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils import timezone

from orders.admin.base import person_of
from orders.admin.board.rows import board_row
from orders.lifecycle.holds import claim_hold
from orders.models import Hold
from orders.status import HoldState

REASON_LENGTH = 500


def require(request: HttpRequest, *permissions: str) -> None:
    """Raises PermissionDenied unless the person holds all these permissions of the orders app."""
    if not all(request.user.has_perm(f"orders.{name}") for name in permissions):
        raise PermissionDenied


def wants_json(request: HttpRequest) -> bool:
    """Whether the board's script asks, and not a plain form."""
    return "application/json" in request.headers.get("Accept", "")


def reason_in(request: HttpRequest) -> str:
    """What was typed, else the quick reason that was picked."""
    typed = request.POST.get("reason", "").replace("\x00", "").strip()
    return (typed or request.POST.get("quick", "").replace("\x00", "").strip())[:REASON_LENGTH]


def is_key(text: str) -> bool:
    """Whether the text can be a primary key: ASCII digits that fit a bigint."""
    return text.isascii() and text.isdecimal() and len(text) < 19


def leave_to_claimant(hold: Hold, request: HttpRequest) -> None:
    """An open hold that somebody else works on is left to them. Raises AlreadyDone."""
    if hold.state == HoldState.OPEN and hold.claimed_by_id not in (None, request.user.pk):
        claim_hold(hold.pk, user=person_of(request))


def row_state(request: HttpRequest, hold: Hold) -> dict[str, Any]:
    """What the script needs to bring a row up to date."""
    row = board_row(hold, person_of(request), timezone.now())
    return {
        "id": hold.pk,
        "state": hold.state,
        "claim": row.claim,
        "mine": row.claimed_by_me,
        "outcome": row.outcome,
        "clock": row.clock.text,
        "level": row.clock.level,
    }
