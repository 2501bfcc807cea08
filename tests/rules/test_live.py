"""The rules in force: cached, rechecked once a second, never half a version."""

import threading
import time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from rules import lifecycle, live
from rules.lifecycle import NewEntry
from tests.rules.documents import AT, LIVE_FACTS, LIVE_RULE, document, row
from tests.rules.documents import rule as plain_rule

pytestmark = pytest.mark.django_db

LISTED = plain_rule("listed", when=[[row("ship_to.phone", "in_list", "blocklist")]])


@pytest.fixture
def clock(monkeypatch):
    """A monotonic clock that the test moves."""

    class Clock:
        now = 1_000.0

        def pass_seconds(self, seconds: float) -> None:
            self.now += seconds

    clock = Clock()
    monkeypatch.setattr(live.time, "monotonic", lambda: clock.now)
    return clock


def readings(queries):
    """How many of the queries read tables; the others set the time limit of the look."""
    return sum("rules_" in query["sql"] for query in queries)


def publish(*rules):
    return lifecycle.publish(lifecycle.import_document(document(*rules), "system"), "system")


def publish_elsewhere(*rules):
    """Publish as another process would: this one is not told."""
    held = live._held
    published = publish(*rules)
    live._held = held
    return published


def test_nothing_published_decides_nothing():
    rules = live.current()

    assert (rules.version, rules.list_versions) == (0, {})
    decision = rules.compiled.decide(LIVE_FACTS, AT)
    assert (decision.intercept, decision.dispatch) == (None, False)


def test_the_published_version_decides():
    published = publish(LIVE_RULE)

    rules = live.current()

    assert rules.version == published.version
    assert rules.compiled.decide(LIVE_FACTS, AT).intercept is not None


def test_a_version_published_elsewhere_appears_within_a_second(clock):
    publish(LIVE_RULE)
    assert live.current().version == 1
    publish_elsewhere(LIVE_RULE, LISTED | {"when": LIVE_RULE["when"]})

    clock.pass_seconds(0.99)
    before = live.current().version
    clock.pass_seconds(0.02)

    assert (before, live.current().version) == (1, 2)


def test_a_second_costs_one_query_at_most(clock):
    publish(LIVE_RULE)
    live.current()

    with CaptureQueriesContext(connection) as within:
        for _turn in range(100):
            live.current()
    clock.pass_seconds(1.5)
    with CaptureQueriesContext(connection) as after:
        for _turn in range(100):
            live.current()

    assert (len(within), readings(after)) == (0, 1)


def test_a_list_changed_elsewhere_counts_within_a_second(clock):
    blocklist = lifecycle.create_list("blocklist", "黑名单", "system")
    publish(LISTED)
    facts = {"ship_to.phone": "+8613800000000"}
    assert live.current().compiled.decide(facts, AT).intercept is None
    held = live._held
    lifecycle.add_list_entries(blocklist, [NewEntry("+86 138 0000 0000")], "system")
    live._held = held

    clock.pass_seconds(1.1)
    rules = live.current()

    assert rules.list_versions == {"blocklist": 1}
    assert rules.compiled.decide(facts, AT).intercept is not None


def test_only_the_list_that_changed_is_read_again(clock):
    blocklist = lifecycle.create_list("blocklist", "黑名单", "system")
    lifecycle.create_list("other", "other", "system")
    publish(LISTED, plain_rule("o", when=[[row("ship_to.name", "in_list", "other")]]))
    live.current()
    held = live._held
    lifecycle.add_list_entries(blocklist, ["x"], "system")
    live._held = held
    clock.pass_seconds(1.1)

    with CaptureQueriesContext(connection) as queries:
        live.current()

    assert readings(queries) == 2


def test_the_versions_pinned_are_those_of_the_lists_named():
    for key in ("blocklist", "unused"):
        lifecycle.create_list(key, key, "system")
    publish(LISTED)

    assert live.current().list_versions == {"blocklist": 0}
    assert live.list_name("unused") == "unused"


def test_a_clock_jump_changes_nothing(monkeypatch):
    publish(LIVE_RULE)
    live.current()
    publish_elsewhere(LIVE_RULE, LIVE_RULE | {"key": "second"})

    for jump in (-3600, 3600):
        wall = time.time() + jump
        monkeypatch.setattr(time, "time", lambda wall=wall: wall)
        assert live.current().version == 1


def test_while_one_thread_looks_the_others_go_on(clock, monkeypatch):
    publish(LIVE_RULE)
    held = live.current()
    clock.pass_seconds(1.5)
    entered, leave = threading.Event(), threading.Event()

    def slow_refresh(limit):
        entered.set()
        leave.wait(timeout=10)
        return held

    monkeypatch.setattr(live, "_refresh", slow_refresh)
    looking = threading.Thread(target=live.current)
    looking.start()
    entered.wait(timeout=10)

    assert live.current() is held

    leave.set()
    looking.join()


@pytest.mark.django_db(transaction=True)
def test_the_keeper_brings_newer_rules_without_an_order_looking(monkeypatch):
    publish(LIVE_RULE)
    monkeypatch.setattr(live, "KEEP_SECONDS", 0.05)
    live.forget()
    live.keep_fresh()
    try:
        first = kept()
        live.keep_fresh()
        newer = publish(LIVE_RULE | {"priority": 11})
        while kept().version != newer.version:
            time.sleep(0.01)
        with CaptureQueriesContext(connection) as queries:
            assert live.current().version == newer.version
    finally:
        live.stop_keeping()

    assert first.version < newer.version
    assert len(queries) == 0
    assert live._keeper is not None
    assert not live._keeper.is_alive()


def kept() -> live.LiveRules:
    """What the keeper has brought; this thread itself never looks."""
    ends = time.monotonic() + 20
    while live._held is None:
        assert time.monotonic() < ends, "the keeper brought nothing"
        time.sleep(0.01)
    return live._held.rules
