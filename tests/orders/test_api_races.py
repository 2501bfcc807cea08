"""Many at once through the API: one order for one key, and never more sold than there is."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, connections
from django.db.models import Sum

from orders.api import intake
from orders.lifecycle import stock as stock_acts
from orders.lifecycle.dispatching import dispatch_ready
from orders.lifecycle.placing import place_order
from orders.models import Customer, Hold, Order, Stock, StockEntry, TimelineEntry
from tests.factories import make_sku, order_document
from tests.orders.calling import Caller

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


@pytest.fixture
def many_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Threads that share nothing but the database, as processes do."""
    monkeypatch.setattr(intake, "place_together", place_order)


@pytest.fixture(params=["one process", "many processes"])
def anywhere(request: pytest.FixtureRequest) -> None:
    """Callers of one process, whose orders are stored together, and callers of many."""
    if request.param == "many processes":
        request.getfixturevalue("many_processes")


def at_once(count: int, act: Callable[[int], Any]) -> list[Any]:
    """What `count` threads answer that start together, each with a connection of its own."""
    gate = threading.Barrier(count)
    answers: list[Any] = [None] * count

    def run(index: int) -> None:
        try:
            gate.wait()
            answers[index] = act(index)
        except Exception as error:
            answers[index] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=90)
    return answers


def require_truthful_stock() -> None:
    """The ledger's sums are the stock figures, and nothing is sold that does not exist."""
    for row in Stock.objects.all():
        sums = row.entries.aggregate(on_hand=Sum("on_hand_delta"), reserved=Sum("reserved_delta"))
        assert (row.on_hand, row.reserved) == (sums["on_hand"] or 0, sums["reserved"] or 0)
        assert 0 <= row.reserved <= row.on_hand, "oversold"


def buy_the_last_ten(shop: Caller) -> list[Any]:
    documents = [order_document(f"RACE-{n}", lines=[("LAST", 1, "9.90")]) for n in range(50)]
    return at_once(50, lambda n: shop.place(documents[n], Idempotency_Key=f"k-{n}"))


def test_the_same_order_twenty_times_at_once_is_one_order(world: None, anywhere: None) -> None:
    shop, document = Caller(), order_document("ONCE-1")

    answers = at_once(20, lambda n: shop.place(document, Idempotency_Key="the-key"))

    assert Counter(answer.status_code for answer in answers) == {201: 1, 200: 19}
    assert len({answer.json()["number"] for answer in answers}) == 1
    assert Order.objects.count() == 1
    assert Customer.objects.count() == 1
    assert StockEntry.objects.filter(move="reserve").count() == 1
    require_truthful_stock()


def test_one_key_with_twenty_bodies_at_once_is_one_order(world: None, anywhere: None) -> None:
    shop = Caller()
    documents = [order_document(f"BODY-{n}") for n in range(20)]

    answers = at_once(20, lambda n: shop.place(documents[n], Idempotency_Key="the-key"))

    assert Counter(answer.status_code for answer in answers) == {201: 1, 409: 19}
    assert Order.objects.count() == 1
    require_truthful_stock()


def test_fifty_buyers_of_the_last_ten_units(world: None, anywhere: None) -> None:
    make_sku("LAST", units=10, warehouses=("EAST-1",))
    shop = Caller()

    answers = buy_the_last_ten(shop)

    assert Counter(answer.status_code for answer in answers) == {201: 50}
    states = Counter(answer.json()["state"] for answer in answers)
    assert states == {"ready": 10, "on_hold": 40}
    assert Hold.objects.filter(owner="stock", reason="stock_short", state="open").count() == 40
    row = Stock.objects.get(sku__code="LAST")
    assert (row.on_hand, row.reserved) == (10, 10)
    assert Order.objects.filter(stock_warehouse=row.warehouse).count() == 10
    require_truthful_stock()


def test_buyers_of_two_skus_in_either_order_never_deadlock(world: None, anywhere: None) -> None:
    make_sku("LEFT", units=15, warehouses=("EAST-1",))
    make_sku("RIGHT", units=15, warehouses=("EAST-1",))
    shop = Caller()
    pair = [("LEFT", 1, "1.00"), ("RIGHT", 1, "1.00")]
    documents = [order_document(lines=pair if n % 2 else pair[::-1]) for n in range(30)]

    answers = at_once(30, lambda n: shop.place(documents[n]))

    states = Counter(answer.json()["state"] for answer in answers)
    assert states == {"ready": 15, "on_hold": 15}
    require_truthful_stock()


def test_of_ten_changes_to_one_version_one_is_made(world: None) -> None:
    shop = Caller()
    make_sku("RARE", units=0)
    shop.place(order_document("DY-1", lines=[("RARE", 1, "1.00")]))

    answers = at_once(
        10,
        lambda n: shop.patch("orders/DY-1/", {"invoice_title": f"title {n}"}, If_Match='"1"'),
    )

    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 9}
    [made] = [answer.json() for answer in answers if answer.status_code == 200]
    current = {answer.json()["current_version"] for answer in answers if answer.status_code == 409}
    order = Order.objects.get()
    assert (order.invoice_title, order.version) == (made["invoice_title"], made["version"])
    assert current == {order.version}


def test_of_ten_who_release_a_hold_one_does(world: None) -> None:
    make_sku("LAST", units=0, warehouses=("EAST-1",))
    callers = [Caller(source=f"s{n}") for n in range(10)]
    body = callers[0].place(order_document("DY-1", lines=[("LAST", 1, "1.00")])).json()
    path = f"orders/DY-1/holds/{body['holds'][0]['id']}/release/"

    answers = at_once(10, lambda n: callers[n].post(path, {"reason": f"reason {n}"}))

    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 9}
    first = next(n for n, answer in enumerate(answers) if answer.status_code == 200)
    hold = Hold.objects.get(pk=body["holds"][0]["id"])
    assert (hold.resolved_by, hold.resolution) == (callers[first].actor, f"reason {first}")


def test_a_report_sent_ten_times_at_once_has_one_effect(world: None) -> None:
    shop = Caller()
    shop.place(order_document("DY-1"))
    dispatch_ready()
    report = {"event": "shipped", "event_id": "e-1", "waybill": "SF1"}

    answers = at_once(10, lambda n: shop.post("shipments/DY-1-1/events/", report))

    assert Counter(answer.status_code for answer in answers) == {200: 10}
    assert {answer.json()["state"] for answer in answers} == {"shipped"}
    assert TimelineEntry.objects.filter(act="shipped").count() == 1
    assert StockEntry.objects.filter(move="consume").count() == 1
    require_truthful_stock()


@pytest.fixture
def numbers_may_repeat() -> Iterator[None]:
    """Orders as they must not be: no unique number, no unique key."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint JOIN pg_attribute a ON a.attrelid = conrelid"
            " AND a.attnum = ANY(conkey) WHERE conrelid = 'orders_order'::regclass"
            " AND contype = 'u' AND attname = 'number'"
        )
        [name] = [row[0] for row in cursor.fetchall()]
        cursor.execute(f"ALTER TABLE orders_order DROP CONSTRAINT {name}")
    yield
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE orders_order CASCADE")
        cursor.execute(f"ALTER TABLE orders_order ADD CONSTRAINT {name} UNIQUE (number)")


def test_without_unique_numbers_the_race_stores_several(
    world: None, many_processes: None, numbers_may_repeat: None
) -> None:
    shop, document = Caller(), order_document("ONCE-1")

    at_once(20, lambda n: shop.place(document))

    assert Order.objects.filter(number="ONCE-1").count() > 1


@pytest.fixture
def unguarded_stock(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Reserving as it must not be: no row lock, no condition, no constraint; and slow thinking."""
    choose = stock_acts.choose_warehouse

    def slowly(*args: Any) -> int | None:
        chosen = choose(*args)
        time.sleep(0.2)
        return chosen

    monkeypatch.setattr(stock_acts, "_LOCK", stock_acts._LOCK.replace("FOR NO KEY UPDATE", ""))
    monkeypatch.setattr(
        stock_acts,
        "_RESERVE",
        stock_acts._RESERVE.replace("AND s.on_hand - s.reserved >= d.units", ""),
    )
    monkeypatch.setattr(stock_acts, "choose_warehouse", slowly)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders_stock DROP CONSTRAINT stock_never_oversold")
    yield
    with connection.cursor() as cursor:
        cursor.execute("UPDATE orders_stock SET reserved = 0")
        cursor.execute(
            "ALTER TABLE orders_stock ADD CONSTRAINT stock_never_oversold"
            " CHECK (reserved >= 0 AND reserved <= on_hand)"
        )


def test_without_its_guards_the_race_oversells_and_is_caught(
    world: None, many_processes: None, unguarded_stock: None
) -> None:
    make_sku("LAST", units=10, warehouses=("EAST-1",))

    buy_the_last_ten(Caller())

    assert Stock.objects.get(sku__code="LAST").reserved > 10
    with pytest.raises(AssertionError, match="oversold"):
        require_truthful_stock()
