"""Advisory locks are told apart by their numbers alone, so no two may have the same one."""

from changefeed import restored, retention, watching
from changefeed.dispatch import database
from orders import stop_watch
from orders.lifecycle import tallying
from rules.lifecycle import common


def test_no_two_locks_have_one_number():
    numbers = [
        watching._WATCH_LOCK,
        restored._SETTLE_LOCK,
        retention._KEEP_LOCK,
        stop_watch._WATCH_LOCK,
        tallying._LOCK,
        common._LOCK,
    ]
    assert len(set(numbers)) == 6
    # Two-part numbers are a space of their own.
    assert database._PLACE_LOCK != database.LANE_MARK
