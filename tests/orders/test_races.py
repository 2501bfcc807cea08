"""Two connections at once: one wins, the other is told, and every lock is shown to be needed."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pytest
from django.db import Error, IntegrityError, connection, connections, transaction
from django.db.models import QuerySet
from django_fsm import ConcurrentTransition

from changefeed.models import Change
from orders.errors import AlreadyDone, OrderError
from orders.lifecycle import batches, dispatching, holds, placing, reading, stock
from orders.lifecycle.cancelling import cancel_order
from orders.lifecycle.dispatching import dispatch_ready
from orders.lifecycle.holds import claim_hold, release_hold
from orders.lifecycle.placing import Placed, place_order
from orders.lifecycle.splitting import split_order
from orders.models import (
    Effect,
    Hold,
    Order,
    Shipment,
    Stock,
    StockEntry,
    TimelineEntry,
    Waiver,
    Warehouse,
)
from orders.sql import gather
from orders.status import OrderState
from rules import live
from tests.factories import make_sku, make_user, make_world, order_document
from tests.orders.acting import (
    SHOP,
    assert_ledger_agrees,
    held,
    nothing_changes,
    parcels,
    placed,
    publish_rules,
    state,
    supervisor,
)
from tests.orders.acting import stock as stock_of

pytestmark = pytest.mark.django_db(transaction=True)
WAIT = 20.0


@pytest.fixture(autouse=True)
def _world() -> Iterator[None]:
    make_world()
    publish_rules()
    yield
    live.forget()


def at_once(*acts: Callable[[], Any]) -> list[Any]:
    """Each act in a thread and connection of its own, begun together; results or errors."""
    results: list[Any] = [None] * len(acts)
    gate = threading.Barrier(len(acts))

    def run(index: int) -> None:
        try:
            gate.wait(WAIT)
            results[index] = acts[index]()
        except Exception as error:
            results[index] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT * 2)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    return results


@contextmanager
def meeting(
    monkeypatch: pytest.MonkeyPatch, module: Any, name: str, parties: int = 2
) -> Iterator[None]:
    """Threads that reach `module.name` go on only when all have reached it, or after a while.

    With the lock in place only one gets there at a time, so it waits in vain and goes on; without
    it they all do what only one may.
    """
    original, gate = getattr(module, name), threading.Barrier(parties)

    def wait_then_go(*args: Any, **kwargs: Any) -> Any:
        with suppress(threading.BrokenBarrierError):
            gate.wait(0.7)
        return original(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, wait_then_go)
        yield


def without_row_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QuerySet, "select_for_update", lambda self, *args, **kwargs: self)


def held_order() -> tuple[Order, Hold]:
    order = placed()
    hold = holds.hold_order(order.pk, actor=supervisor(), reason="wait")
    return order, hold


# --- two supervisors ---


def _release_twice(monkeypatch: pytest.MonkeyPatch, hold: Hold) -> tuple[list[Any], set[str]]:
    actors = [supervisor(), supervisor()]
    with meeting(monkeypatch, holds, "_require_second_person"):
        results = at_once(
            *(partial(release_hold, hold.pk, actor=one, reason="fine") for one in actors)
        )
    return results, {actor.name.removeprefix("user:") for actor in actors}


def test_two_releases_of_one_hold_one_wins_and_the_other_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    order, hold = held_order()

    results, names = _release_twice(monkeypatch, hold)

    [loser] = [one for one in results if isinstance(one, AlreadyDone)]
    [winner] = [one for one in results if isinstance(one, Hold)]
    winner_name = winner.resolved_by.removeprefix("user:")
    assert winner_name in names
    assert winner_name in loser.message
    assert parcels(order) == [(f"{order.number}-1", "released")]
    assert Effect.objects.count() == 1
    assert TimelineEntry.objects.filter(act="hold_released").count() == 1
    assert Change.objects.filter(kind="hold.released").count() == 1


def test_without_the_row_lock_the_second_release_is_not_told_who_was_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The negative control: the optimistic guard still saves the data, but with a crash."""
    _order, hold = held_order()
    without_row_locks(monkeypatch)

    results, _names = _release_twice(monkeypatch, hold)

    assert not any(isinstance(one, AlreadyDone) for one in results)
    assert any(isinstance(one, ConcurrentTransition | Error) for one in results)


def _claim_twice(monkeypatch: pytest.MonkeyPatch, hold: Hold) -> list[Any]:
    users = [make_user("supervisor"), make_user("supervisor")]
    with meeting(monkeypatch, holds, "_require_open"):
        return at_once(*(partial(claim_hold, hold.pk, user=one) for one in users))


def test_two_claims_of_one_hold_one_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    _order, hold = held_order()
    results = _claim_twice(monkeypatch, hold)
    assert Counter(type(one) for one in results) == {Hold: 1, AlreadyDone: 1}


def test_without_the_row_lock_both_believe_that_they_claimed_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _order, hold = held_order()
    without_row_locks(monkeypatch)
    assert Counter(type(one) for one in _claim_twice(monkeypatch, hold)) == {Hold: 2}


def test_release_and_cancel_at_once_leave_one_outcome() -> None:
    for _round in range(5):
        order, hold = held_order()
        released, cancelled = at_once(
            partial(release_hold, hold.pk, actor=supervisor(), reason="fine"),
            partial(cancel_order, order.number, actor=SHOP, reason="no"),
        )
        assert not isinstance(cancelled, Exception)
        outcome = (state(order), order.stop_requests.count(), len(parcels(order)))
        if isinstance(released, AlreadyDone):
            assert outcome == ("cancelled", 0, 0)
        else:
            assert outcome == ("dispatched", 1, 1)  # the warehouse is asked
    assert_ledger_agrees()


# --- dispatch ---


def test_workers_that_dispatch_together_send_each_order_once() -> None:
    numbers = [placed().number for _number in range(40)]

    results = at_once(*(lambda: sum(dispatch_ready(limit=7) for _round in range(8)),) * 4)

    assert sum(results) == 40
    assert {*Shipment.objects.values_list("number", flat=True)} == {f"{one}-1" for one in numbers}
    assert Effect.objects.filter(key="dispatch").count() == 40
    assert Change.objects.filter(kind="order.dispatched").count() == 40
    assert not Order.objects.exclude(state=OrderState.DISPATCHED).exists()


def test_without_the_row_lock_two_workers_take_the_same_orders(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for _number in range(3):
        placed()
    without_row_locks(monkeypatch)
    with meeting(monkeypatch, dispatching, "dispatch_locked"):
        results = at_once(dispatch_ready, dispatch_ready)
    claimed = [one for one in results if isinstance(one, int)]
    assert sum(claimed) == 6 or any(isinstance(one, Error) for one in results)


def _insert_hold(order: Order) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO orders_hold (order_id, owner, rule_key, rule_name, reason, risk, inputs,
                fingerprint, state, due_at, resolved_by, resolution, follow_up)
            VALUES (%s, 'manual', '', '', 'x', 'low', '[]', '', 'open', now(), '', '', '')""",
            [order.pk],
        )


def test_a_hold_written_by_sql_during_dispatch_is_refused_by_the_database() -> None:
    order = placed()
    locked, inserted = threading.Event(), threading.Event()

    def dispatch() -> int:
        with transaction.atomic():
            count = dispatch_ready()
            locked.set()
            inserted.wait(0.5)  # the insert waits for this transaction, so this runs out
            return count

    def hold() -> None:
        locked.wait(WAIT)
        try:
            _insert_hold(order)
        finally:
            inserted.set()

    sent, refused = at_once(dispatch, hold)

    assert sent == 1
    assert isinstance(refused, IntegrityError)
    assert (state(order), Hold.objects.count()) == ("dispatched", 0)


def test_a_dispatch_during_a_hold_by_sql_sends_nothing_and_harms_no_other() -> None:
    order, other = placed(), placed()
    inserted, dispatched = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            _insert_hold(order)
            inserted.set()
            dispatched.wait(WAIT)

    def dispatch() -> int:
        inserted.wait(WAIT)
        try:
            return dispatch_ready()  # passes over the order that is locked
        finally:
            dispatched.set()

    _none, sent = at_once(hold, dispatch)
    assert sent == 1
    assert (state(order), state(other)) == ("ready", "dispatched")

    assert dispatch_ready() == 0
    assert (state(order), parcels(order)) == ("on_hold", [])


def test_without_the_trigger_a_held_order_would_leave() -> None:
    """The negative control of the database's own rule."""
    order = placed()
    _insert_hold(order)
    sent = "UPDATE orders_order SET state = 'dispatched', dispatched_at = now()"
    with pytest.raises(IntegrityError), connection.cursor() as cursor:
        cursor.execute(sent)
    assert state(order) == "ready"
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders_order DISABLE TRIGGER USER")
        try:
            cursor.execute(sent)
        finally:
            cursor.execute("ALTER TABLE orders_order ENABLE TRIGGER USER")
    assert (state(order), Hold.objects.filter(state="open").count()) == ("dispatched", 1)


# --- intake ---


def test_the_same_order_twenty_times_at_once_is_one_order() -> None:
    document = order_document("N-1")

    results = at_once(*(lambda: place_order(document, actor=SHOP, key="k"),) * 20)

    outcomes = Counter(one.outcome.value if isinstance(one, Placed) else one for one in results)
    assert outcomes == {"created": 1, "replayed": 19}
    assert (Order.objects.count(), stock_of("TEA-1")) == (1, (1000, 1))
    assert Change.objects.filter(kind="order.received").count() == 1
    assert_ledger_agrees()


def test_one_key_with_two_bodies_at_once_takes_one() -> None:
    documents = [order_document(f"N-{number}") for number in range(8)]
    results = at_once(*(partial(place_order, one, actor=SHOP, key="k") for one in documents))
    outcomes = Counter(one.outcome.value if isinstance(one, Placed) else one for one in results)
    assert outcomes == {"created": 1, "conflict": 7}


def _fifty_buyers() -> Counter[str]:
    documents = [order_document(lines=[("HOT", 1, "9.00")]) for _number in range(50)]
    results = at_once(*(partial(place_order, one, actor=SHOP) for one in documents))
    return Counter(one.state if isinstance(one, Placed) else type(one).__name__ for one in results)


def test_fifty_buyers_of_the_last_ten_never_oversell() -> None:
    make_sku("HOT", units=10, warehouses=("EAST-1",))

    assert _fifty_buyers() == {"ready": 10, "on_hold": 40}

    assert stock_of("HOT") == (10, 10)
    assert Hold.objects.filter(owner="stock", state="open").count() == 40
    assert StockEntry.objects.filter(move="reserve", stock__sku__code="HOT").count() == 10
    assert_ledger_agrees()


def test_stock_that_becomes_scarce_while_many_buy_is_sold_to_the_last_unit() -> None:
    make_sku("HOT", units=40, warehouses=("EAST-1",))

    assert _fifty_buyers() == {"ready": 40, "on_hold": 10}

    assert stock_of("HOT") == (40, 40)
    assert Hold.objects.filter(owner="stock", state="open").count() == 10
    assert_ledger_agrees()


def test_units_taken_since_they_were_read_are_not_sold_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sku = make_sku("HOT", units=100, warehouses=("EAST-1",))
    house = Warehouse.objects.get(code="EAST-1")
    foresee = batches.foresee_reservation
    foreseen: list[stock.Reservation | None] = []

    @transaction.atomic
    def take_most() -> None:
        stock.reserve_stock([stock.StockRequest("OTHER-1", {sku.pk: 97}, [house.pk])], SHOP.name)

    def overtaken(*given: Any) -> Any:
        foreseen.append(foresee(*given))
        assert at_once(take_most) == [None]
        return foreseen[-1]

    monkeypatch.setattr(batches, "foresee_reservation", overtaken)
    documents = [order_document(lines=[("HOT", 1, "9.00")]) for _number in range(5)]

    answers = placing.place_orders(documents, actor=SHOP)

    [reservation] = foreseen
    assert reservation is not None
    assert reservation.chosen == [house.pk] * 5
    assert [answer.state for answer in answers] == ["ready"] * 3 + ["on_hold"] * 2
    assert stock_of("HOT") == (100, 100)
    assert Order.objects.count() == Change.objects.filter(kind="order.received").count() == 5
    assert [hold["owner"] for answer in answers for hold in answer.holds] == ["stock"] * 2
    assert_ledger_agrees()


def test_a_batch_waits_for_stock_only_when_everything_else_is_stored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Others wait for a batch's stock until it commits, so it takes its stock last."""
    sku = make_sku("HOT", units=100, warehouses=("EAST-1",))
    locked, stored, sold = threading.Event(), threading.Event(), threading.Event()
    append = batches.store_orders

    def note(*given: Any, **named: Any) -> Any:
        *earlier, lock, take = named["then"]
        append(*given, then=earlier)
        stored.set()
        return [[], *gather(lock, take)]

    @transaction.atomic
    def keep_others_waiting() -> bool:
        Stock.objects.select_for_update().get(sku=sku)
        locked.set()
        return stored.wait(WAIT) and not sold.wait(0.2)

    def buy() -> str:
        assert locked.wait(WAIT)
        answer = place_order(order_document(lines=[("HOT", 1, "9.00")]), actor=SHOP)
        sold.set()
        return answer.state

    monkeypatch.setattr(batches, "store_orders", note)
    assert at_once(keep_others_waiting, buy) == [True, "ready"]
    assert stock_of("HOT") == (100, 1)


def test_without_the_condition_the_last_ten_would_be_sold_more_than_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The negative control: no row lock, no condition, no constraint."""
    make_sku("HOT", units=10, warehouses=("EAST-1",))
    for lock in ("_LOCK", "_LOCK_CHOSEN"):
        open_to_all = getattr(stock, lock).replace("FOR NO KEY UPDATE", "--")
        monkeypatch.setattr(stock, lock, open_to_all)
    monkeypatch.setattr(
        stock, "_RESERVE", stock._RESERVE.replace("AND s.on_hand - s.reserved >= d.units", "")
    )
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE orders_stock DROP CONSTRAINT stock_never_oversold")
    try:
        with meeting(monkeypatch, stock, "choose_warehouse", parties=30):
            _fifty_buyers()
        assert stock_of("HOT")[1] > 10
    finally:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE orders_stock SET reserved = 0")
            cursor.execute(
                "ALTER TABLE orders_stock ADD CONSTRAINT stock_never_oversold"
                " CHECK (reserved >= 0 AND reserved <= on_hand)"
            )


def test_batches_of_the_same_goods_in_any_order_do_not_deadlock() -> None:
    for code in ("A", "B", "C"):
        make_sku(code, units=500, warehouses=("EAST-1",))

    def buy(codes: str) -> Any:
        return lambda: [
            place_order(order_document(lines=[(code, 1, "1.00") for code in codes]), actor=SHOP)
            for _round in range(5)
        ]

    results = at_once(*(buy(codes) for codes in ("ABC", "CBA", "BCA", "CAB")))

    assert all(isinstance(one, list) for one in results), results
    assert [stock_of(code) for code in "ABC"] == [(500, 20)] * 3
    assert_ledger_agrees()


def test_an_act_on_a_child_and_one_on_its_parent_do_not_deadlock() -> None:
    for _round in range(4):
        order = placed(lines=[("TEA-1", 2, "9.00")])
        hold = holds.hold_order(order.pk, actor=supervisor(), reason="wait")
        first, _second = split_order(order.number, [[(1, 1)], [(1, 1)]], actor=SHOP)
        results = at_once(
            partial(release_hold, hold.pk, actor=supervisor(), reason="fine"),
            partial(cancel_order, first.number, actor=SHOP, reason="no"),
            dispatch_ready,
        )
        errors = [one for one in results if isinstance(one, Exception)]
        assert all(isinstance(one, OrderError) for one in errors), errors
    assert_ledger_agrees()


def test_the_parent_is_locked_before_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    original = reading.split_parent

    def told(number: str) -> Order | None:
        seen.append(number)
        return original(number)

    monkeypatch.setattr(reading, "split_parent", told)
    placed("P-1")
    child = placed("P-1-X", parent="P-1")
    with transaction.atomic():
        reading.locked_order(child.pk)
    assert seen == ["P-1"]


def test_a_release_that_fails_on_the_way_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    publish_rules({"key": "h", "layer": "intercept", "when": [[HELD]], "then": [HOLD]})
    _order, hold = held(ship_to={"street": "x"}, coupons=[])
    actor = supervisor()

    def fail(*_args: Any) -> None:
        raise RuntimeError("power cut")

    monkeypatch.setattr(dispatching, "store_parcels", fail)
    with nothing_changes(), pytest.raises(RuntimeError):
        release_hold(hold.pk, actor=actor, reason="fine")
    assert not Waiver.objects.exists()


HELD = {"fact": "order.line_count", "op": "gte", "value": 1}
HOLD = {"do": "hold", "reason": "x", "risk": "low"}
