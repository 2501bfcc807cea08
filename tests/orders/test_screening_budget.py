"""Screening that cannot finish in time, or at all, holds the order: never passed, never a 500."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import Mock

import pytest
from django.db import connection, connections
from pytest_django.fixtures import Settings

from orders import screening
from orders.lifecycle import batches
from orders.lifecycle.placing import Outcome, place_order, place_orders
from orders.lifecycle.screening import rescreen_order
from orders.models import Order, ScreeningDecision
from rules import live
from rules.models import ReferenceList
from tests.factories import order_document
from tests.orders.acting import CRM, SHOP, XINJIANG, hold_rule, placed, publish_rules, state

pytestmark = pytest.mark.django_db


@contextmanager
def locked(*tables: str) -> Iterator[None]:
    """Another connection keeps the tables to itself, as a long migration would."""
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with connection.cursor() as cursor:
                cursor.execute("BEGIN")
                for table in tables:
                    cursor.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
                entered.set()
                leave.wait(timeout=30)
                cursor.execute("ROLLBACK")
        finally:
            connections.close_all()

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(timeout=10)
    try:
        yield
    finally:
        leave.set()
        thread.join()


def reasons(order: Order) -> list[tuple[str, str]]:
    return list(order.holds.order_by("id").values_list("owner", "reason"))


@pytest.fixture(autouse=True)
def promised(settings: Settings) -> None:
    """The budget as it is in production."""
    settings.SCREENING_BUDGET_MS = 500


@pytest.fixture
def quick(settings: Settings) -> None:
    """A budget that tests can wait for."""
    settings.SCREENING_BUDGET_MS = 60


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["rules_ruleset", "rules_referencelist", "rules_rulesnooze"])
def test_rules_that_cannot_be_read_in_time_hold_the_order(
    world: None, quick: None, table: str
) -> None:
    live.forget()
    with locked(table):
        answer = place_order(order_document("N-1"), actor=SHOP)

    order = Order.objects.get()
    assert (answer.outcome, answer.state) == (Outcome.CREATED, "on_hold")
    assert reasons(order) == [("screening", "screening_late")]
    decision = ScreeningDecision.objects.get()
    assert (decision.ruleset_version, decision.facts["order.channel"]) == (0, "douyin")


@pytest.mark.django_db(transaction=True)
def test_a_history_that_cannot_be_read_in_time_holds_the_order(world: None, quick: None) -> None:
    with locked("orders_returnrecord"):
        answers = place_orders([order_document(), order_document()], actor=SHOP)

    assert [answer.state for answer in answers] == ["on_hold", "on_hold"]
    assert [reasons(order) for order in Order.objects.order_by("id")] == [
        [("screening", "screening_late")]
    ] * 2


@pytest.mark.django_db(transaction=True)
def test_once_all_is_well_again_screening_lifts_its_own_hold(world: None, quick: None) -> None:
    live.forget()
    with locked("rules_ruleset"):
        place_order(order_document("N-1"), actor=SHOP)
    live.forget()
    order = Order.objects.get()

    rescreen_order(order.pk, actor=CRM)

    assert state(order) == "ready"
    assert list(order.holds.values_list("state", flat=True)) == ["released"]


@pytest.mark.django_db(transaction=True)
def test_a_new_screening_that_is_late_holds_what_was_ready(world: None, quick: None) -> None:
    order = placed()
    assert state(order) == "ready"

    with locked("orders_returnrecord"):
        rescreen_order(order.pk, actor=CRM)

    assert state(order) == "on_hold"
    assert reasons(order) == [("screening", "screening_late")]


@pytest.mark.django_db(transaction=True)
def test_a_short_stumble_is_bridged_with_the_rules_at_hand(
    world: None, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.current()
    now = live.time.monotonic()
    monkeypatch.setattr(live.time, "monotonic", lambda: now + 1.5)
    with locked("rules_ruleset"):
        assert place_order(order_document(), actor=SHOP).state == "ready"

    monkeypatch.setattr(live.time, "monotonic", lambda: now + 2.6)
    with locked("rules_ruleset"):
        assert place_order(order_document(), actor=SHOP).state == "on_hold"


@pytest.mark.django_db(transaction=True)
def test_who_comes_right_after_a_failed_look_does_not_wait_for_another(
    world: None, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.forget()
    looks = Mock(side_effect=live.read_stamps)
    monkeypatch.setattr(live, "read_stamps", looks)
    now = live.time.monotonic()
    monkeypatch.setattr(live.time, "monotonic", lambda: now)
    with locked("rules_ruleset"):
        states = [place_order(order_document(), actor=SHOP).state for _turn in range(6)]
        assert (states, looks.call_count) == (["on_hold"] * 6, 1)

        now += live.RETRY_SECONDS + 0.1
        assert place_order(order_document(), actor=SHOP).state == "on_hold"
        assert looks.call_count == 2


def test_an_answer_that_comes_too_late_holds_the_order(
    world: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(1000))
    monkeypatch.setattr(screening.time, "perf_counter", lambda: next(ticks) * 0.3)

    order = placed()

    assert reasons(order) == [("screening", "screening_late")]
    assert order.decisions.get().outcome["dispatch"] is True
    assert state(order) == "on_hold"


def test_a_rule_that_held_is_told_beside_the_lateness(
    monkeypatch: pytest.MonkeyPatch, world: None
) -> None:
    publish_rules(hold_rule("big", "order.grand_total", "gte", 1))
    ticks = iter(range(1000))
    monkeypatch.setattr(screening.time, "perf_counter", lambda: next(ticks) * 0.3)

    assert reasons(placed()) == [("rule", "big"), ("screening", "screening_late")]


def test_a_list_that_is_gone_holds_every_order_and_is_named(world: None) -> None:
    live.forget()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM rules_listentry")
        cursor.execute("DELETE FROM rules_referencelist WHERE key = 'blocklist'")

    hold = placed().holds.get()

    assert (hold.owner, hold.reason, hold.inputs) == (
        "screening",
        "list_missing",
        [{"detail": "blocklist"}],
    )


def test_a_list_that_only_a_disabled_rule_names_may_be_gone(world: None) -> None:
    rule = hold_rule("listed", "ship_to.phone", "in_list", "blocklist") | {"status": "disabled"}
    publish_rules(rule)
    ReferenceList.objects.filter(key="blocklist").delete()
    live.forget()

    assert state(placed()) == "ready"


@pytest.mark.parametrize("where", ["order_facts", "units_missing"])
def test_facts_that_cannot_be_worked_out_hold_the_order(
    world: None, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(batches, where, fail)

    order = placed(ship_to=XINJIANG)

    assert reasons(order)[0] == ("screening", "screening_failed")
    assert state(order) == "on_hold"


def test_a_broken_look_leaves_the_transaction_usable(
    world: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before, the error left the transaction aborted, and intake answered 500."""

    def fail() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 / 0")

    live.forget()
    monkeypatch.setattr(live, "read_stamps", fail)

    assert reasons(placed()) == [("screening", "screening_failed")]


def test_the_time_limit_ends_with_the_look(world: None) -> None:
    def limit() -> str:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('statement_timeout')")
            return str(cursor.fetchone()[0])

    live.forget()
    before = limit()
    live.current()
    assert limit() == before

    order = placed()
    assert limit() == before
    rescreen_order(order.pk, actor=CRM)
    assert limit() == before


def test_wall_clock_jumps_make_no_order_late(world: None, monkeypatch: pytest.MonkeyPatch) -> None:
    wall = screening.time.time()
    for jump in (-3600, 3600):
        monkeypatch.setattr(screening.time, "time", lambda jump=jump: wall + jump)
        assert state(placed()) == "ready"
