"""How long to wait after a failure: pure arithmetic, seconds in and out."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LANE_BASE_SECONDS = 1.0
UNANSWERED_CAP_SECONDS = 60.0
REFUSED_CAP_SECONDS = 600.0
BREAKER_BASE_SECONDS = 1.0
BREAKER_CAP_SECONDS = 60.0
RETRY_AFTER_CAP_SECONDS = 3600.0
_MOST_DOUBLINGS = 30

Draw = Callable[[float, float], float]
draw: Draw = random.uniform
"""How the dispatchers of this process draw their waits."""


def lane_ceiling(attempts: int, cap: float = UNANSWERED_CAP_SECONDS) -> float:
    """Longest wait before the next try, after this many failed ones (1 or more)."""
    doubled: float = LANE_BASE_SECONDS * 2 ** min(max(attempts - 1, 0), _MOST_DOUBLINGS)
    return min(cap, doubled)


def lane_delay(
    attempts: int, cap: float = UNANSWERED_CAP_SECONDS, draw: Draw = random.uniform
) -> float:
    """Full jitter: anything between nothing and the ceiling, so that lanes spread out."""
    return draw(0.0, lane_ceiling(attempts, cap))


def breaker_delay(openings: int, draw: Draw = random.uniform) -> float:
    """Wait before the next probe of an endpoint opened this many times in a row before.

    Between half of the ceiling and the ceiling: a probe must not come at once.
    """
    doubled: float = BREAKER_BASE_SECONDS * 2 ** min(openings, _MOST_DOUBLINGS)
    ceiling = min(BREAKER_CAP_SECONDS, doubled)
    return draw(ceiling / 2, ceiling)


def retry_after(header: str | None, now: datetime) -> float | None:
    """Seconds asked for by a Retry-After header, capped at an hour; None when it says nothing.

    Both forms of RFC 9110 are read: a number of seconds and a date.
    """
    if not header:
        return None
    header = header.strip()
    if header.isascii() and header.isdigit():
        return min(float(header[:9]), RETRY_AFTER_CAP_SECONDS)
    try:
        moment = parsedate_to_datetime(header)
    except (ValueError, OverflowError):  # a year or an hour of thirty digits is the latter
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max((moment - now).total_seconds(), 0.0), RETRY_AFTER_CAP_SECONDS)
