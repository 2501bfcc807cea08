"""Which units of a line may be returned, and until when."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from returns.eligibility import LineStanding, Obstacle, eligibility, returnable_until

SHANGHAI = ZoneInfo("Asia/Shanghai")
DELIVERED = datetime(2026, 11, 11, 23, 50, tzinfo=SHANGHAI)


@pytest.mark.parametrize(
    ("now", "bought", "delivered", "returning", "units", "obstacle"),
    [
        ("2026-11-12T00:00:00+08:00", 3, 3, 0, 3, None),
        ("2026-11-18T23:59:59+08:00", 3, 3, 0, 3, None),
        ("2026-11-18T15:59:59+00:00", 3, 3, 0, 3, None),
        ("2026-11-19T00:00:00+08:00", 3, 3, 0, 0, Obstacle.TOO_LATE),
        ("2026-11-12T00:00:00+08:00", 3, 2, 0, 2, None),
        ("2026-11-12T00:00:00+08:00", 3, 3, 2, 1, None),
        ("2026-11-12T00:00:00+08:00", 3, 3, 3, 0, Obstacle.NOTHING_LEFT),
        ("2026-11-12T00:00:00+08:00", 3, 2, 2, 0, Obstacle.NOTHING_LEFT),
        ("2026-11-12T00:00:00+08:00", 3, 0, 0, 0, Obstacle.NOT_DELIVERED),
        ("2026-11-12T00:00:00+08:00", 1, 5, 0, 1, None),
    ],
)
def test_units_that_may_be_returned(now, bought, delivered, returning, units, obstacle):
    standing = LineStanding(1, bought, delivered, returning, DELIVERED if delivered else None)
    answer = eligibility(standing, window_days=7, now=datetime.fromisoformat(now), zone=SHANGHAI)
    assert (answer.units, answer.obstacle) == (units, obstacle)


def test_the_last_day_is_whole_in_the_shops_zone():
    assert returnable_until(DELIVERED.astimezone(UTC), 7, SHANGHAI) == datetime(
        2026, 11, 18, 23, 59, 59, 999999, tzinfo=SHANGHAI
    )


def test_a_naive_time_is_refused():
    with pytest.raises(ValueError, match="zone"):
        returnable_until(datetime(2026, 11, 11), 7, SHANGHAI)


@given(
    at=st.datetimes(datetime(2025, 1, 1), datetime(2026, 12, 31), timezones=st.timezones()),
    days=st.integers(0, 30),
    zone=st.timezones(),
)
def test_the_window_never_closes_early_nor_a_day_late(at, days, zone):
    until = returnable_until(at, days, zone)
    local = at.astimezone(zone)
    passed = until.replace(tzinfo=None) - local.replace(tzinfo=None)
    assert timedelta(days=days) <= passed < timedelta(days=days + 1)
