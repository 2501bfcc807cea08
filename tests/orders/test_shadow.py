"""Shadow rules on live traffic: stored beside the decision, counted, and never acted on."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orders import shadowing
from orders.lifecycle.placing import place_order, place_orders
from orders.lifecycle.screening import rescreen_order
from orders.models import Hold, Order, ScreeningDecision
from orders.status import OrderState
from rules import history, lifecycle, live
from rules.watching import Shadow
from tests.factories import order_document
from tests.orders.acting import CRM, SHOP, assign_rule, hold_rule, placed, publish_rules, state

pytestmark = pytest.mark.django_db

BIG = hold_rule("big", "order.grand_total", "gte", 500)


@pytest.fixture(autouse=True)
def never_paused(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(shadowing, "_paused_until", 0.0)
    yield
    shadowing._paused_until = 0.0


def watch_version(*rules: dict[str, Any]) -> Any:
    """A shadow version of these rules and the one that sends paid orders on."""
    from tests.orders.acting import PAID

    document = {"rules": [{"priority": 10, "name": rule["key"]} | rule for rule in (*rules, PAID)]}
    return lifecycle.start_shadow(lifecycle.import_document(document, "system"), "system")


def seen(order: Order) -> Any:
    return ScreeningDecision.objects.filter(order=order).latest("id").shadow


def order_of(amount: str, **fields: Any) -> dict[str, Any]:
    return order_document(lines=[("TEA-1", 1, amount)], **fields)


def test_when_nothing_watches_nothing_is_stored(world: None) -> None:
    publish_rules()

    assert seen(placed()) is None


def test_a_shadow_rule_that_matches_is_stored_and_the_order_goes_on(world: None) -> None:
    publish_rules(BIG | {"status": "shadow"})

    order = placed(lines=[("TEA-1", 1, "900.00")])

    assert state(order) == OrderState.READY
    assert not Hold.objects.exists()
    stored = seen(order)
    assert stored.pop("took_us") >= 0
    assert stored == {"rules": ["big"], "version": None, "outcome": None}


def test_shadow_rules_match_each_on_its_own_whatever_holds_or_wins(world: None) -> None:
    publish_rules(
        hold_rule("live", "order.grand_total", "gte", 1),
        BIG | {"status": "shadow", "priority": 99},
        assign_rule("lane-a", "SF", slot="courier") | {"status": "shadow"},
        assign_rule("lane-b", "ZTO", slot="courier") | {"status": "shadow", "priority": 99},
    )

    order = placed(lines=[("TEA-1", 1, "900.00")])

    assert seen(order)["rules"] == ["lane-a", "big", "lane-b"]
    assert Order.objects.get(pk=order.pk).courier_id is None


def test_a_shadow_version_never_acts_in_any_layer(world: None) -> None:
    publish_rules()
    version = watch_version(
        BIG,
        assign_rule("cold", "COLD-1"),
        {
            "key": "t",
            "layer": "tag",
            "when": [[{"fact": "order.is_paid", "op": "is_true"}]],
            "then": [{"do": "tag", "tag": "VIP"}, {"do": "effect", "key": "voucher"}],
        },
    )

    big, small = placed(lines=[("TEA-1", 1, "900.00")]), placed()

    for order in (big, small):
        order.refresh_from_db()
        assert (order.state, order.tags) == ("ready", [])
        assert order.warehouse_id is None
        assert not order.effects.exists()
    assert seen(big)["outcome"] | {"took_us": 0} == {
        "held": "big",
        "slots": {},
        "tags": [],
        "dispatch": False,
        "change": "hold",
        "took_us": 0,
    }
    assert (seen(small)["version"], seen(small)["outcome"]["change"]) == (version.version, "route")
    assert seen(small)["outcome"]["slots"] == {"warehouse": "COLD-1"}


def test_a_new_screening_and_a_batch_store_it_too(world: None) -> None:
    publish_rules(BIG | {"status": "shadow"})
    order = placed(lines=[("TEA-1", 1, "900.00")])

    rescreen_order(order.pk, actor=CRM)
    place_orders([order_of("900.00") for _number in range(120)], actor=SHOP)

    assert seen(order)["rules"] == ["big"]
    assert ScreeningDecision.objects.filter(shadow__rules=["big"]).count() == 122


def test_a_shadow_that_fails_harms_no_order(world: None, monkeypatch: pytest.MonkeyPatch) -> None:
    publish_rules(BIG | {"status": "shadow"})

    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Shadow, "look", fail)

    order = placed()

    assert state(order) == OrderState.READY
    assert seen(order)["failed"] is True


def test_a_slow_shadow_pauses_and_its_time_is_not_the_decisions(
    world: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish_rules(BIG | {"status": "shadow"})
    calls = []

    def slow(*_args: Any, **_kwargs: Any) -> dict[str, Any]:
        calls.append(1)
        time.sleep(shadowing.SLOW_SECONDS * 1.5)
        return {"rules": [], "version": None, "outcome": None}

    monkeypatch.setattr(Shadow, "look", slow)

    first, *others = [placed() for _number in range(4)]

    assert len(calls) == 1
    decision = first.decisions.get()
    stored: Any = decision.shadow
    assert stored["took_us"] >= shadowing.SLOW_SECONDS * 1_000_000
    assert decision.took_us < stored["took_us"]
    assert [seen(order) for order in others] == [None] * 3
    assert state(first) == OrderState.READY


def test_a_snooze_and_a_waiver_hold_for_what_watches_too(world: None) -> None:
    publish_rules(BIG)
    watch_version(BIG)
    lifecycle.snooze_rule("big", "C-88", timezone.now() + timedelta(days=1), "r", "user:a")

    order = placed(lines=[("TEA-1", 1, "900.00")], customer={"external_id": "C-88"})
    other = placed(lines=[("TEA-1", 1, "900.00")], customer={"external_id": "C-89"})

    assert (state(order), state(other)) == ("ready", "on_hold")
    assert (seen(order)["outcome"]["change"], seen(other)["outcome"]["change"]) == ("same", "same")


def test_what_a_version_would_have_changed_is_counted_with_examples(world: None) -> None:
    publish_rules(hold_rule("gifted", "order.urgent", "is_true"))
    begin = timezone.now() - timedelta(minutes=1)
    version = watch_version(BIG)
    big = [placed(lines=[("TEA-1", 1, "900.00")]) for _number in range(7)]
    urgent = placed(urgent=True)
    placed()

    report = history.source().shadow_version(
        version.version, begin, timezone.now() + timedelta(minutes=1)
    )

    assert report.counts == {"hold": 7, "pass": 1, "same": 1}
    assert report.total == 9
    cases = history.source().cases(report.examples["hold"])
    assert [case.reference for case in cases] == [order.number for order in big[:1:-1]]
    (passed,) = history.source().cases(report.examples["pass"])
    assert passed.reference == urgent.number


def test_how_often_a_shadow_rule_matched_is_counted(world: None) -> None:
    publish_rules(
        hold_rule("gifted", "order.urgent", "is_true"),
        BIG | {"status": "shadow"},
    )
    begin = timezone.now() - timedelta(minutes=1)
    placed(lines=[("TEA-1", 1, "900.00")])
    placed(lines=[("TEA-1", 1, "900.00")], urgent=True)
    placed()

    def report(slots: dict[str, str]) -> dict[str, int]:
        until = timezone.now() + timedelta(minutes=1)
        version = live.current().version
        return history.source().shadow_rule("big", version, slots, begin, until).counts

    assert report({}) == {"match": 1, "held": 1, "silent": 1}
    assert report({"courier": "SF"}) == {"route": 1, "held": 1, "silent": 1}


def test_orders_before_and_after_the_run_do_not_count(world: None) -> None:
    publish_rules()
    version = watch_version(BIG)
    order = place_order(order_of("900.00"), actor=SHOP)
    moment = ScreeningDecision.objects.get(order__number=order.number).at

    assert history.source().shadow_version(version.version, moment, moment).total == 0
    later = moment + timedelta(seconds=1)
    assert history.source().shadow_version(version.version, moment, later).total == 1
