"""Facts over time: the same for a batch as one by one, and at the same cost for any number."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import psycopg
import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from orders.actors import Actor
from orders.intake import histories as reading
from orders.intake.histories import HistoryKey
from orders.intake.moving import MOST_ORDERS, Visit, address_changes
from orders.lifecycle.cancelling import cancel_order
from orders.lifecycle.changing import change_order
from orders.lifecycle.placing import place_orders
from orders.models import Customer, Order, ReturnRecord, ScreeningDecision
from orders.sql import gather
from rules import live
from tests.factories import make_sku, order_document

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
NOW = datetime.now(UTC) - timedelta(hours=1)
WINDOWED = (
    "ship_to.orders_24h",
    "customer.is_new",
    "customer.orders_total",
    "customer.orders_24h",
    "customer.orders_30d",
    "customer.cancelled_30d",
    "customer.address_changes_30d",
    "customer.lifetime_spend",
    "customer.return_rate_180d",
    "customer.returns_30d",
)


def bought(number: str, customer: str, ago: timedelta, place: int = 1, **changes: Any) -> Any:
    placed = (NOW - ago).isoformat()
    changes.setdefault("paid_at", placed)
    return order_document(
        number,
        placed_at=placed,
        customer={"external_id": customer, "registered_at": (NOW - 400 * DAY).isoformat()},
        ship_to={"street": f"文一西路 {place} 号"},
        **changes,
    )


def facts_of(number: str) -> dict[str, Any]:
    decisions = ScreeningDecision.objects.filter(order__number=number).order_by("-at", "-id")
    found: dict[str, Any] = decisions.values_list("facts", flat=True)[0]
    return found


def windowed(number: str) -> dict[str, Any]:
    return {key: value for key, value in facts_of(number).items() if key in WINDOWED}


@pytest.mark.usefixtures("world")
def test_what_a_customer_did_before_is_counted_by_its_window(wms: Actor) -> None:
    place_orders(
        [
            bought("A-1", "C-1", 200 * DAY),
            bought("A-2", "C-1", 100 * DAY),
            bought("A-3", "C-1", 29 * DAY, place=2),
            bought("A-4", "C-1", timedelta(hours=23), place=3),
            bought("A-5", "C-1", timedelta(hours=22), place=3),
            bought("A-6", "C-2", timedelta(hours=21), place=3),
        ],
        actor=wms,
    )
    customer = Customer.objects.get(external_id="C-1")
    for number, ago in (("R-1", 170 * DAY), ("R-2", 29 * DAY), ("R-3", 181 * DAY)):
        ReturnRecord.objects.create(customer=customer, reference=number, at=NOW - ago)
    cancel_order("A-5", actor=wms, reason="不要了")

    place_orders([bought("A-7", "C-1", timedelta(0), place=3)], actor=wms)

    assert windowed("A-7") == {
        "ship_to.orders_24h": "3",
        "customer.is_new": False,
        "customer.orders_total": "4",
        "customer.orders_24h": "1",
        "customer.orders_30d": "2",
        "customer.cancelled_30d": "1",
        "customer.address_changes_30d": "1",
        "customer.lifetime_spend": "396",
        "customer.return_rate_180d": "0.666667",
        "customer.returns_30d": "1",
    }


@pytest.mark.usefixtures("world")
def test_the_first_order_of_a_customer_is_new(wms: Actor) -> None:
    place_orders([bought("A-1", "C-1", DAY), bought("A-2", "C-1", timedelta(0))], actor=wms)

    assert (windowed("A-1")["customer.is_new"], windowed("A-1")["customer.orders_total"]) == (
        True,
        "0",
    )
    assert (windowed("A-2")["customer.is_new"], windowed("A-2")["customer.orders_total"]) == (
        False,
        "1",
    )


@pytest.mark.usefixtures("world")
def test_an_edit_of_the_address_is_a_change_and_another_edit_is_none(wms: Actor) -> None:
    place_orders([bought("A-1", "C-1", DAY, paid_at=None)], actor=wms)
    change_order("A-1", version=None, fields={"seller_remark": "放门口"}, actor=wms)
    change_order("A-1", version=None, fields={"ship_to": {"name": "王芳"}}, actor=wms)
    change_order("A-1", version=None, fields={"ship_to": {"street": "文一西路 １ 号"}}, actor=wms)
    assert windowed("A-1")["customer.address_changes_30d"] == "0"

    change_order("A-1", version=None, fields={"ship_to": {"street": "文二西路 8 号"}}, actor=wms)
    assert windowed("A-1")["customer.address_changes_30d"] == "1"

    place_orders([bought("A-2", "C-1", timedelta(0), place=3)], actor=wms)
    assert windowed("A-2")["customer.address_changes_30d"] == "2"


def visits(*places: str, edits: int = 0) -> list[Visit]:
    return [
        Visit(NOW - DAY * (len(places) - index), place, edits) for index, place in enumerate(places)
    ]


@pytest.mark.parametrize(
    ("earlier", "own", "edits", "changes"),
    [
        ([], "a", 0, 0),
        ([], "a", 2, 2),
        (visits("a", "a"), "a", 0, 0),
        (visits("a", "a", "b"), "a", 0, 2),
        (visits("b", edits=1), "b", 0, 1),
        (visits("a"), "b", 1, 1),
        ([Visit(NOW - 30 * DAY, "a")], "b", 0, 0),
        ([Visit(NOW - 30 * DAY + timedelta(seconds=1), "a")], "b", 0, 1),
        ([Visit(NOW + DAY, "a")], "b", 0, 0),
        ([Visit(NOW - DAY, "b"), Visit(NOW - 2 * DAY, "a")], "b", 0, 1),
        ([Visit(NOW - DAY, f"{number}") for number in range(200)], "x", 0, MOST_ORDERS),
    ],
)
def test_address_changes(earlier: list[Visit], own: str, edits: int, changes: int) -> None:
    assert address_changes(earlier, Visit(NOW, own, edits)) == changes


@given(st.lists(st.sampled_from("ab"), max_size=20))
def test_without_edits_the_changes_are_the_steps_to_another_place(places: list[str]) -> None:
    steps = sum(first != then for first, then in pairwise(places))
    assert not places or address_changes(visits(*places[:-1]), Visit(NOW, places[-1])) == steps


class Statements(list[str]):
    """The texts of the statements that reached the database."""


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[Statements]:
    seen = Statements()
    execute = psycopg.Cursor.execute

    def counting(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(str(query))
        return execute(self, query, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Cursor, "execute", counting)
        yield seen


def reads(statements: Statements) -> list[str]:
    return [text for text in statements if text.strip().upper().startswith("SELECT")]


@pytest.mark.usefixtures("world")
def test_one_order_and_two_hundred_cost_the_same_statements(
    wms: Actor, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.current()
    make_sku("TEA-2", units=10_000)
    with counted(monkeypatch) as one:
        place_orders([bought("B-0", "C-0", timedelta(0))], actor=wms)
    batch = [
        bought(f"B-{n}", f"C-{n % 60}", n * timedelta(hours=5), n % 7, lines=[("TEA-2", 1, "9.00")])
        for n in range(1, 201)
    ]
    with counted(monkeypatch) as many:
        place_orders(batch, actor=wms)

    assert Order.objects.count() == 201
    assert len(reads(many)) == len(reads(one))
    assert sum("orders_returnrecord" in text for text in many) == 1
    assert sum("orders_timelineentry" in text for text in many) == 1
    assert sum("orders_channelcoupon" in text for text in many) == 1


@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("seed", range(3))
def test_a_batch_is_told_what_its_orders_would_be_told_one_by_one(wms: Actor, seed: int) -> None:
    rng = random.Random(seed)
    make_sku("TEA-2", units=10_000)
    documents = [
        bought(
            f"S-{n}",
            f"C-{rng.randrange(5)}",
            timedelta(hours=rng.randrange(24 * 60)),
            rng.randrange(4),
            lines=[("TEA-2", 1, f"{rng.randrange(1, 500)}.00")],
        )
        for n in range(60)
    ]
    before, then = documents[:20], documents[20:]
    place_orders(before, actor=wms)
    change_order("S-3", version=None, fields={"ship_to": {"street": "文三路 9 号"}}, actor=wms)
    cancel_order("S-5", actor=wms, reason="不要了")

    sids = [f"S-{n}" for n in range(20, 60)]
    batch: dict[str, Any] = {}
    single: dict[str, Any] = {}
    for answers, calls in ((batch, [then]), (single, [[document] for document in then])):
        point = transaction.savepoint()
        for call in calls:
            place_orders(call, actor=wms)
        answers.update({number: windowed(number) for number in sids})
        transaction.savepoint_rollback(point)

    assert batch == single
    assert len({str(answer) for answer in batch.values()}) > 20


@pytest.mark.usefixtures("world")
def test_the_order_itself_is_no_part_of_its_history(wms: Actor) -> None:
    place_orders([bought("A-1", "C-1", DAY), bought("A-2", "C-1", timedelta(0), 2)], actor=wms)
    order = Order.objects.select_related("customer").get(number="A-2")
    own = HistoryKey(order.address_key, "C-1", order.placed_at, order.pk)
    stranger = HistoryKey("none", "C-unknown", order.placed_at)

    with transaction.atomic():
        rows = gather(reading.histories([own, stranger]))[0]
    mine, theirs = reading.histories_in(rows, [own, stranger])

    assert (mine.orders_total, mine.address_orders_24h, mine.address_changes_30d) == (1, 0, 1)
    assert (theirs.orders_total, theirs.lifetime_spend) == (0, Decimal(0))
