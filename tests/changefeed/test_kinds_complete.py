"""The catalogue is complete: what triggers and code can record is what is registered."""

import pytest

from changefeed import kinds
from tests.changefeed.recorded_kinds import by_calls, by_sql_in_code, by_triggers

pytestmark = pytest.mark.django_db


def test_everything_that_can_be_recorded_is_registered_and_nothing_else():
    recorded = by_triggers() | by_calls() | by_sql_in_code()

    assert recorded == {kind.name for kind in kinds.known()}


def test_the_scan_reads_each_of_the_three_ways():
    """The negative control: a scan that finds nothing would prove nothing."""
    assert {"order.held", "hold.inherited", "shipment.frozen", "return.goods_received"} <= (
        by_triggers()
    )
    assert {"lane.skipped", "ruleset.promoted", "list.entries_replaced", "snooze.ended"} <= (
        by_calls()
    )
    assert by_sql_in_code() == {"order.effect_caused"}
    assert "hold.open" not in by_triggers(), "no act leads back to it"
