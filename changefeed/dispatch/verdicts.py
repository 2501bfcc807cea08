"""What an answer means for its lane: pure, from the lane's counts to its next state."""

from dataclasses import dataclass

from changefeed.dispatch.backoff import (
    REFUSED_CAP_SECONDS,
    UNANSWERED_CAP_SECONDS,
    Draw,
    lane_delay,
)
from changefeed.models import AttemptOutcome, LaneState

REFUSALS_TO_PARK = 12


@dataclass(frozen=True, slots=True)
class Verdict:
    """Next state of a lane, the seconds until it is due, and its counts."""

    state: LaneState
    delay: float
    attempts: int
    rejections: int


def ready() -> Verdict:
    """All that was sent arrived."""
    return Verdict(LaneState.READY, 0.0, 0, 0)


def untouched(attempts: int, rejections: int) -> Verdict:
    """Nothing more was tried; whoever comes next goes on."""
    return Verdict(LaneState.READY, 0.0, attempts, rejections)


def after_failure(
    outcome: AttemptOutcome,
    attempts: int,
    rejections: int,
    retry_after: float | None,
    draw: Draw,
) -> Verdict:
    """Back off, or park after REFUSALS_TO_PARK refusals of the same change.

    An endpoint that is unreachable, overloaded or gone never parks a lane: that says nothing
    about the change. `attempts` and `rejections` are the counts before this failure.
    """
    attempts += 1
    if outcome is AttemptOutcome.GONE:
        return Verdict(LaneState.READY, 0.0, attempts, rejections)
    if outcome is AttemptOutcome.REJECTED:
        rejections += 1
        if rejections >= REFUSALS_TO_PARK:
            return Verdict(LaneState.PARKED, 0.0, attempts, rejections)
        delay = lane_delay(attempts, REFUSED_CAP_SECONDS, draw)
    else:
        delay = lane_delay(attempts, UNANSWERED_CAP_SECONDS, draw)
    return Verdict(LaneState.BACKOFF, max(delay, retry_after or 0.0), attempts, rejections)
