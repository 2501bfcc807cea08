"""Waits after failures stay in their band; Retry-After is read in both forms."""

from datetime import UTC, datetime

import pytest

from changefeed.dispatch import backoff
from changefeed.dispatch.verdicts import REFUSALS_TO_PARK, after_failure, ready
from changefeed.models import AttemptOutcome

NOW = datetime(2026, 11, 11, 2, 13, 0, tzinfo=UTC)


def most(_low: float, high: float) -> float:
    return high


def least(low: float, _high: float) -> float:
    return low


@pytest.mark.parametrize(
    ("attempts", "ceiling"),
    [(0, 1.0), (1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (500, 60.0)],
)
def test_a_lane_waits_anything_up_to_a_doubling_ceiling(attempts, ceiling):
    assert backoff.lane_delay(attempts, draw=most) == ceiling
    assert backoff.lane_delay(attempts, draw=least) == 0.0
    assert all(0.0 <= backoff.lane_delay(attempts) <= ceiling for _ in range(200))


@pytest.mark.parametrize(("openings", "ceiling"), [(0, 1.0), (1, 2.0), (5, 32.0), (6, 60.0)])
def test_a_breaker_waits_at_least_half_its_ceiling(openings, ceiling):
    assert backoff.breaker_delay(openings, most) == ceiling
    assert backoff.breaker_delay(openings, least) == ceiling / 2


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None),
        ("", None),
        ("7", 7.0),
        (" 7 ", 7.0),
        ("999999999999", 3600.0),
        ("Wed, 11 Nov 2026 02:13:30 GMT", 30.0),
        ("Wed, 11 Nov 2026 02:12:30 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("７", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(header, seconds):
    assert backoff.retry_after(header, NOW) == seconds


def test_refusals_park_a_lane_and_other_failures_never_do():
    verdict = ready()
    for _ in range(REFUSALS_TO_PARK - 1):
        verdict = after_failure(
            AttemptOutcome.REJECTED, verdict.attempts, verdict.rejections, None, most
        )
        assert verdict.state == "backoff"
    parked = after_failure(
        AttemptOutcome.REJECTED, verdict.attempts, verdict.rejections, None, most
    )
    assert (parked.state, parked.rejections) == ("parked", REFUSALS_TO_PARK)
    for outcome in (AttemptOutcome.FAILED, AttemptOutcome.THROTTLED):
        assert after_failure(outcome, 10_000, 11, None, most).state == "backoff"


def test_a_lane_waits_at_least_as_long_as_it_was_asked_to():
    assert after_failure(AttemptOutcome.THROTTLED, 0, 0, 90.0, least).delay == 90.0
