"""Which lines of an order may still be returned, how many units of each, and until when; pure."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from enum import Enum

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class Obstacle(Enum):
    """Why nothing of a line may be returned."""

    NOT_DELIVERED = "not_delivered"
    NOTHING_LEFT = "nothing_left"
    TOO_LATE = "too_late"

    @property
    def message(self) -> str | Promise:
        return _MESSAGES[self]


_MESSAGES = {
    Obstacle.NOT_DELIVERED: _("Not delivered yet."),
    Obstacle.NOTHING_LEFT: _("Every unit is in a return already."),
    Obstacle.TOO_LATE: _("The time for returning it is over."),
}


@dataclass(frozen=True, slots=True)
class LineStanding:
    """What became of one order line: units bought and delivered, and units in live returns."""

    position: int
    bought: int
    delivered: int
    returning: int
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Eligibility:
    """`units` may be returned until `until`; none when there is an obstacle."""

    units: int
    until: datetime | None = None
    obstacle: Obstacle | None = None


def returnable_until(delivered_at: datetime, window_days: int, zone: tzinfo) -> datetime:
    """Last instant a return may be requested.

    Whole days in the shop's zone: what is delivered late keeps its last day to midnight.
    Raises ValueError for a naive datetime.
    """
    if delivered_at.tzinfo is None:
        raise ValueError("delivered_at must carry its zone")
    last_day = delivered_at.astimezone(zone).date() + timedelta(days=window_days)
    return datetime.combine(last_day, time.max, tzinfo=zone)


def eligibility(
    standing: LineStanding, *, window_days: int, now: datetime, zone: tzinfo
) -> Eligibility:
    """How many units may be asked back now; of a line in several parcels, by its last parcel."""
    if standing.delivered_at is None or not standing.delivered:
        return Eligibility(0, None, Obstacle.NOT_DELIVERED)
    until = returnable_until(standing.delivered_at, window_days, zone)
    if now > until:
        return Eligibility(0, until, Obstacle.TOO_LATE)
    units = min(standing.bought, standing.delivered) - standing.returning
    if units < 1:
        return Eligibility(0, until, Obstacle.NOTHING_LEFT)
    return Eligibility(units, until)
