"""How often rules acted: exact by day of the shop, the same whether summed or counted."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from orders.lifecycle import tallying
from orders.lifecycle.holds import release_hold, uphold_hold
from orders.lifecycle.tallying import tally_rules
from orders.models import Hold, Order, RuleDay, ScreeningDecision
from orders.rule_activity import activity, bounds, flow, judgements, shop_day, standing
from orders.tasks import tally_rules as tally_task
from rules.history import DayFlow, Judgement, RuleActivity
from tests.factories import make_world
from tests.orders.acting import held, placed, publish_rules, supervisor
from tests.orders.test_races import at_once

pytestmark = pytest.mark.django_db

DAY = date(2026, 11, 11)
NOON = datetime(2026, 11, 11, 4, tzinfo=UTC)
"""Noon of DAY in the shop, which is eight hours ahead."""
TODAY = NOON + timedelta(days=2)


def decision(
    at: datetime,
    *matches: tuple[str, str],
    slots: dict[str, str] | None = None,
    watched: tuple[str, ...] = (),
    cause: str = "intake",
    version: int = 1,
) -> ScreeningDecision:
    """A stored decision in which these (layer, rule) acted."""
    found = [{"rule": rule, "name": rule, "layer": layer} for layer, rule in matches]
    stopped = next((each for each in found if each["layer"] == "intercept"), None)
    outcome = {
        "intercept": stopped,
        "slots": {slot: {"value": "x", "rule": rule} for slot, rule in (slots or {}).items()},
        "matches": found,
    }
    return ScreeningDecision.objects.create(
        order=Order.objects.get(),
        at=at,
        cause=cause,
        ruleset_version=version,
        facts={},
        outcome=outcome,
        shadow={"rules": list(watched), "version": None, "outcome": None} if watched else None,
    )


@pytest.fixture
def order(db: None) -> Order:
    """The order that all decisions are about; its own decision is put aside."""
    make_world()
    publish_rules()
    order = placed("A")
    ScreeningDecision.objects.all().delete()
    return order


@pytest.fixture
def three_days(order: Order) -> None:
    """Decisions of DAY, the day after it and TODAY."""
    decision(NOON, ("intercept", "a"))
    decision(NOON + timedelta(hours=1), ("intercept", "a"), watched=("s",))
    decision(NOON + timedelta(hours=2), ("tag", "b"), ("dispatch", "c"), cause="routing")
    decision(NOON + timedelta(days=1), ("intercept", "a"))
    decision(TODAY, ("tag", "b"))


ALL = (bounds(DAY)[0], TODAY + timedelta(hours=1))


def shown(since: datetime, until: datetime) -> dict[str, RuleActivity]:
    return {each.rule_key: each for each in activity(since, until)}


EXPECTED = {
    "a": RuleActivity(
        "a",
        3,
        0,
        NOON + timedelta(days=1),
        {DAY: 2, DAY + timedelta(days=1): 1},
    ),
    "b": RuleActivity("b", 2, 0, TODAY, {DAY: 1, DAY + timedelta(days=2): 1}),
    "c": RuleActivity("c", 1, 0, NOON + timedelta(hours=2), {DAY: 1}),
    "s": RuleActivity("s", 0, 1, NOON + timedelta(hours=1), {DAY: 0}),
}


# --- sums and counts ----------------------------------------------------------------------------


@pytest.mark.usefixtures("three_days")
def test_counted_and_summed_are_the_same() -> None:
    assert shown(*ALL) == EXPECTED

    tally_rules(TODAY)

    assert shown(*ALL) == EXPECTED


@pytest.mark.usefixtures("three_days")
def test_a_day_is_summed_once_closed_and_the_present_one_never() -> None:
    assert tally_rules(TODAY)[:2] == [DAY + timedelta(days=1), DAY]

    columns = ("rule_key", "layer", "hits", "shadow_hits", "last_at")
    assert list(RuleDay.objects.filter(day=DAY).order_by("rule_key").values_list(*columns)) == [
        ("", "", 3, 0, NOON + timedelta(hours=2)),
        ("a", "intercept", 2, 0, NOON + timedelta(hours=1)),
        ("b", "tag", 1, 0, NOON + timedelta(hours=2)),
        ("c", "dispatch", 1, 0, NOON + timedelta(hours=2)),
        ("s", "", 0, 1, NOON + timedelta(hours=1)),
    ]
    assert not RuleDay.objects.filter(day=shop_day(TODAY)).exists()
    assert RuleDay.objects.filter(rule_key="").count() == 35
    quiet = RuleDay.objects.get(day=DAY - timedelta(days=1))
    assert (quiet.hits, quiet.last_at) == (0, None)


@pytest.mark.usefixtures("three_days")
def test_summing_again_repairs_the_last_days_and_leaves_older_ones() -> None:
    tally_rules(TODAY)
    RuleDay.objects.filter(day=DAY, rule_key="a").update(hits=99)
    RuleDay.objects.create(day=DAY, rule_key="gone", hits=7)
    old = DAY - timedelta(days=20)
    RuleDay.objects.create(day=old, rule_key="kept", hits=5)

    assert tally_rules(TODAY) == [DAY + timedelta(days=1), DAY]

    assert RuleDay.objects.get(day=DAY, rule_key="a").hits == 2
    assert not RuleDay.objects.filter(rule_key="gone").exists()
    assert RuleDay.objects.get(day=old, rule_key="kept").hits == 5


@pytest.mark.usefixtures("three_days")
def test_the_day_turns_at_the_shops_midnight() -> None:
    ScreeningDecision.objects.all().delete()
    midnight = bounds(DAY)[1]
    decision(midnight - timedelta(microseconds=1), ("tag", "before"))
    decision(midnight, ("tag", "after"))

    tally_rules(TODAY)

    assert midnight == datetime(2026, 11, 11, 16, tzinfo=UTC)
    days = dict(RuleDay.objects.exclude(rule_key="").values_list("rule_key", "day"))
    assert days == {"before": DAY, "after": DAY + timedelta(days=1)}


@pytest.mark.usefixtures("three_days")
def test_a_period_includes_its_start_and_not_its_end() -> None:
    tally_rules(TODAY)

    part = shown(NOON + timedelta(hours=1), NOON + timedelta(hours=2))

    assert (part["a"].hits, part["s"].shadow_hits, "b" in part) == (1, 1, False)


@pytest.mark.usefixtures("three_days")
def test_when_a_rule_last_acted_is_known_beyond_the_period() -> None:
    tally_rules(TODAY)

    late = shown(TODAY, TODAY + timedelta(hours=1))

    assert late["c"] == RuleActivity("c", 0, 0, NOON + timedelta(hours=2))
    assert late["b"].by_day == {shop_day(TODAY): 1}


def test_a_task_run_twice_is_one(three_days: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tallying, "database_now", lambda: TODAY)

    assert (tally_task(), tally_task()) == (35, 2)
    assert shown(*ALL) == EXPECTED


# --- the day's way through the layers -----------------------------------------------------------


def test_a_day_goes_through_the_layers(order: Order) -> None:
    decision(NOON, ("intercept", "a"))
    decision(NOON, ("allocate", "w"), ("tag", "t"), ("dispatch", "d"), slots={"warehouse": "w"})
    decision(NOON, ("allocate", "w"), slots={"warehouse": "w", "courier": "w"})
    decision(NOON, ("tag", "t"), ("tag", "u"))
    decision(NOON, version=0)
    decision(NOON, ("tag", "t"), cause="routing")
    decision(TODAY, ("tag", "t"))

    assert flow(DAY) == [
        DayFlow("intercept", 5, {"a": 1}),
        DayFlow("allocate", 3, {"w": 1}, "courier"),
        DayFlow("allocate", 3, {"w": 2}, "warehouse"),
        DayFlow("tag", 3, {"t": 2, "u": 1}),
        DayFlow("dispatch", 3, {"d": 1}),
    ]


def test_a_day_without_orders_is_empty(order: Order) -> None:
    assert flow(DAY) == [
        DayFlow("intercept", 0, {}),
        DayFlow("allocate", 0, {}),
        DayFlow("tag", 0, {}),
        DayFlow("dispatch", 0, {}),
    ]
    assert [each.cases for each in standing(DAY)] == [0, 0, 0, 0]


@pytest.mark.usefixtures("world")
def test_where_the_orders_of_a_day_stand() -> None:
    placed("SENT")
    held("STOPPED")
    placed("UNPAID", paid_at=None)

    rows = standing(shop_day(ScreeningDecision.objects.latest("at").at))

    assert {each.key: each.cases for each in rows} == {
        "gone": 0,
        "waiting": 2,
        "held": 1,
        "cancelled": 0,
    }


# --- verdicts -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("world")
def test_verdicts_are_summed_with_the_median_wait_of_releases() -> None:
    minutes = (1, 4, 30)
    for number, wait in enumerate(minutes):
        _order, hold = held(f"R{number}")
        release_hold(hold.pk, actor=supervisor(), reason="fine")
        resolved = Hold.objects.get(pk=hold.pk).resolved_at
        assert resolved is not None
        Hold.objects.filter(pk=hold.pk).update(opened_at=resolved - timedelta(minutes=wait))
    _order, hold = held("U")
    uphold_hold(hold.pk, actor=supervisor(), reason="fraud", follow_up="cancel")
    held("OPEN")
    now = datetime.now(UTC) + timedelta(days=1)

    found = list(judgements(now - timedelta(days=30), now))

    assert found == [Judgement(hold.rule_key, 3, 1, timedelta(minutes=4))]
    assert list(judgements(now, now + timedelta(days=1))) == []


# --- cost ---------------------------------------------------------------------------------------


def test_a_day_of_6200_decisions_is_summed_in_one_statement(order: Order) -> None:
    matches = [{"rule": f"rule-{n}", "name": "n", "layer": "tag"} for n in range(8)]
    outcome = json.dumps({"intercept": None, "slots": {}, "matches": matches})
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO orders_screeningdecision (order_id, at, cause, ruleset_version,"
            " list_versions, facts, outcome, took_us) SELECT %s, %s, 'intake', 1, '{}', '{}',"
            " %s, 0 FROM generate_series(1, 6200)",
            (order.pk, NOON, outcome),
        )
    decision(NOON, ("intercept", "a"), watched=("s",))

    with CaptureQueriesContext(connection) as queries:
        assert tallying._sum(DAY)

    sums = [each["sql"] for each in queries if "orders_screeningdecision" in each["sql"]]
    assert len(sums) == 1
    assert dict(RuleDay.objects.values_list("rule_key", "hits")) == {
        "": 6201,
        "a": 1,
        "s": 0,
        **{f"rule-{n}": 6200 for n in range(8)},
    }


@pytest.mark.usefixtures("three_days")
def test_the_queries_do_not_grow_with_days_or_rules(django_assert_num_queries: Any) -> None:
    tally_rules(TODAY)

    with django_assert_num_queries(4):
        list(activity(bounds(DAY - timedelta(days=28))[0], TODAY + timedelta(hours=1)))


# --- two at once --------------------------------------------------------------------------------


@contextmanager
def impatient() -> Iterator[None]:
    """Within it, whoever waits for a lock gives up at once."""
    with connection.cursor() as cursor:
        cursor.execute("SET lock_timeout = '200ms'")
    yield


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("locked", [True, False])
def test_one_at_a_time_sums_a_day(
    order: Order, monkeypatch: pytest.MonkeyPatch, locked: bool
) -> None:
    decision(NOON, ("tag", "t"))
    if not locked:
        monkeypatch.setattr(tallying, "TAKE", "SELECT true, %s")

    def second() -> bool:
        with impatient():
            return tallying._sum(DAY)

    with transaction.atomic():
        assert tallying._sum(DAY)
        (answer,) = at_once(second)

    # Without the lock the second waits for the rows of the first.
    assert answer is False if locked else isinstance(answer, OperationalError)
    assert dict(RuleDay.objects.values_list("rule_key", "hits")) == {"": 1, "t": 1}


@pytest.mark.django_db(transaction=True)
def test_two_workers_leave_the_same_sums_as_one(order: Order) -> None:
    for number in range(20):
        decision(NOON, ("tag", f"t{number}"))

    results = at_once(lambda: tally_rules(TODAY), lambda: tally_rules(TODAY))

    assert all(isinstance(each, list) for each in results), results
    tally_rules(TODAY)
    assert RuleDay.objects.filter(day=DAY).exclude(rule_key="").count() == 20
    assert RuleDay.objects.get(day=DAY, rule_key="").hits == 20
