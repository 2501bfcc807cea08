"""Past orders as the rules may look at them: streams, counts, amounts and verdicts."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import orjson
import pytest

from orders import past_decisions
from orders.actors import user_actor
from orders.lifecycle.cancelling import cancel_order
from orders.lifecycle.holds import release_hold, uphold_hold
from orders.lifecycle.screening import rescreen_order
from orders.models import Hold, Order, ScreeningDecision
from orders.status import FollowUp
from rules import history
from rules.lifecycle import import_document, publish
from tests.factories import make_user, make_world, order_document
from tests.orders.acting import SHOP, place_order
from tests.rules.documents import document, row, rule

START = datetime(2024, 6, 1, tzinfo=UTC)
END = START + timedelta(days=1)


def place(number: str, at: datetime, price: str = "99.00") -> int:
    """The id of the first decision on an order, made at that time."""
    place_order(order_document(number, lines=[("TEA-1", 1, price)]), actor=SHOP)
    first = ScreeningDecision.objects.filter(order__number=number, cause="intake").get()
    ScreeningDecision.objects.filter(pk=first.pk).update(at=at)
    return first.pk


def publish_big_order_rule() -> None:
    big = rule("big", when=[[row("order.grand_total", "gte", 500)]])
    publish(import_document(document(big), "system"), "system")


@pytest.fixture
def past(db: None) -> list[int]:
    """Three orders of a day, and one before and after it."""
    make_world()
    publish_big_order_rule()
    place("BEFORE", START - timedelta(microseconds=1))
    middle = [
        place("LATER", START + timedelta(hours=2)),
        place("FIRST", START),
        place("LAST", END - timedelta(microseconds=1), "700.00"),
    ]
    place("AFTER", END)
    return [middle[1], middle[0], middle[2]]


def test_a_stream_has_the_orders_of_the_period_oldest_first(past, monkeypatch):
    monkeypatch.setattr(past_decisions, "BATCH", 2)

    batches = list(history.source().stream(START, END))

    assert [[record.id for record in batch] for batch in batches] == [past[:2], past[2:]]
    (record,) = batches[1]
    stored = ScreeningDecision.objects.get(pk=past[2])
    assert record.at == END - timedelta(microseconds=1)
    assert orjson.loads(record.facts) == stored.facts
    assert history.source().count(START, END) == 3


def test_a_later_screening_of_an_order_is_not_another_case(past):
    order = Order.objects.get(number="FIRST")
    rescreen_order(order.pk, actor=SHOP)
    ScreeningDecision.objects.filter(order=order, cause="change").update(at=START)

    assert [r.id for batch in history.source().stream(START, END) for r in batch] == past


def test_amounts_are_what_the_orders_are_worth(past):
    amounts = history.source().amounts([past[0], past[2], 0])

    assert amounts == {past[0]: Decimal("99.00"), past[2]: Decimal("700.00")}
    assert history.source().amounts([]) == {}


@pytest.mark.django_db(transaction=True)
def test_outside_a_transaction_another_connection_reads_and_this_one_stays_free(monkeypatch):
    monkeypatch.setattr(past_decisions, "BATCH", 1)
    make_world()
    publish_big_order_rule()
    found = [place(f"O-{n}", START + timedelta(minutes=n)) for n in range(3)]

    seen = []
    stream = history.source().stream(START, END)
    for batch in stream:
        seen += [record.id for record in batch]
        assert history.source().count(START, END) == 3
        if len(seen) == 2:
            break
    stream.close()  # type: ignore[attr-defined]

    assert seen == found[:2]
    assert [r.id for batch in history.source().stream(START, END) for r in batch] == found
    facts = [r.facts for batch in history.source().stream(START, END) for r in batch]
    assert orjson.loads(facts[0]) == ScreeningDecision.objects.get(pk=found[0]).facts


def test_only_what_people_judged_is_a_verdict(db):
    make_world()
    publish_big_order_rule()
    boss = user_actor(make_user("supervisor"))
    cases = {name: place(name, START, "900.00") for name in ("FINE", "RIGHT", "GONE", "OPEN")}
    late = place("LATE", END, "900.00")
    holds = {hold.order.number: hold for hold in Hold.objects.select_related("order")}
    release_hold(holds["FINE"].pk, actor=boss, reason="known customer")
    uphold_hold(holds["RIGHT"].pk, actor=boss, reason="fraud", follow_up=FollowUp.CANCEL)
    uphold_hold(holds["LATE"].pk, actor=boss, reason="fraud", follow_up=FollowUp.CANCEL)
    cancel_order("GONE", actor=boss, reason="the customer asked")

    verdicts = list(history.source().verdicts(START, END))

    assert [(v.case_id, v.rule_key, v.was_fine) for v in verdicts] == [
        (cases["FINE"], "big", True),
        (cases["RIGHT"], "big", False),
    ]
    assert verdicts[0].resolved_at >= verdicts[0].opened_at
    (other,) = history.source().verdicts(END, END + timedelta(days=1))
    assert (other.case_id, other.was_fine) == (late, False)
