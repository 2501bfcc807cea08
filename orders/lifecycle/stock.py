"""Acts on stock: receive, count, reserve, give back, ship out; each with its ledger entries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import F

from orders.actors import Actor
from orders.errors import OutOfStock
from orders.models import Order, Sku, Stock, StockEntry, Warehouse
from orders.sql import Rows, Statement, copy, fetch, gather, records
from orders.status import StockMove

_LOCK = """
SELECT id, sku_id, warehouse_id, on_hand - reserved FROM orders_stock
WHERE sku_id = ANY(%s::bigint[]) ORDER BY id FOR NO KEY UPDATE
"""
_LOCK_CHOSEN = """
SELECT FROM orders_stock s
JOIN unnest(%s::bigint[], %s::bigint[]) AS d(sku_id, warehouse_id) USING (sku_id, warehouse_id)
ORDER BY s.id FOR NO KEY UPDATE OF s
"""
_RESERVE = """
WITH wanted AS MATERIALIZED (
    SELECT s.id, d.units, d.order_number FROM json_to_recordset(%s::json)
        AS d(sku_id bigint, warehouse_id bigint, units integer, order_number text)
    JOIN orders_stock s USING (sku_id, warehouse_id)),
entered AS (
    INSERT INTO orders_stockentry (stock_id, move, on_hand_delta, reserved_delta, order_number,
        actor, at)
    SELECT id, 'reserve', 0, units, order_number, %s, now() FROM wanted)
UPDATE orders_stock s SET reserved = s.reserved + d.units
FROM (SELECT id, sum(units) AS units FROM wanted GROUP BY id) d
WHERE s.id = d.id AND s.on_hand - s.reserved >= d.units
RETURNING s.id
"""
_LOCK_PAIRS = """
SELECT s.id, s.sku_id FROM orders_stock s
WHERE s.warehouse_id = %s AND s.sku_id = ANY(%s::bigint[]) ORDER BY s.id FOR NO KEY UPDATE
"""
_SHIFT = """
UPDATE orders_stock s SET on_hand = s.on_hand + d.on_hand, reserved = s.reserved + d.reserved
FROM unnest(%s::bigint[], %s::int[], %s::int[]) AS d(id, on_hand, reserved) WHERE s.id = d.id
"""
AMPLE = 8
"""Stock is ample where what a batch leaves is so many times what it takes: as much as the threads
of two web processes may take beside it, as a rule. Misjudging it costs a second attempt."""
_LEDGER = ("stock_id", "move", "on_hand_delta", "reserved_delta", "order_number", "actor")


@dataclass(frozen=True, slots=True)
class StockRequest:
    """Units by SKU id that one order needs, and the warehouse ids to try, best first."""

    order_number: str
    needs: Mapping[int, int]
    warehouses: Sequence[int]


def read_available(sku_ids: Sequence[int]) -> dict[tuple[int, int], int]:
    """Units free by (SKU id, warehouse id), without a lock: good enough for a fact."""
    return {
        (sku, warehouse): free
        for sku, warehouse, free in fetch(
            "SELECT sku_id, warehouse_id, on_hand - reserved FROM orders_stock"
            " WHERE sku_id = ANY(%s::bigint[])",
            list(sku_ids),
        )
    }


def choose_warehouse(
    free: Mapping[tuple[int, int], int], needs: Mapping[int, int], warehouses: Sequence[int]
) -> int | None:
    """The first warehouse that holds everything, or None."""
    for warehouse in warehouses:
        for sku, units in needs.items():
            if free.get((sku, warehouse), 0) < units:
                break
        else:
            return warehouse
    return None


def units_missing(
    free: Mapping[tuple[int, int], int], needs: Mapping[int, int], warehouses: Sequence[int]
) -> int:
    """How many units the warehouse that comes closest lacks; 0 when one holds everything."""
    if choose_warehouse(free, needs, warehouses) is not None:
        return 0
    return min(
        (
            sum(max(0, units - free.get((sku, warehouse), 0)) for sku, units in needs.items())
            for warehouse in warehouses
        ),
        default=sum(needs.values()),
    )


class StockGone(Exception):
    """Units that were free when a reservation was planned were taken meanwhile."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """The warehouse id chosen for each request, None where stock is short.

    `statements` reserve the units and belong at the end of the transaction that chose: the rows
    they lock are those that others wait for. The last one answers the ids of the stock rows from
    which `pairs` (SKU id, warehouse id) were taken.
    """

    chosen: list[int | None]
    statements: list[Statement]
    pairs: int = 0

    def confirm(self, taken: Rows) -> None:
        """Raise StockGone unless the last statement's rows say that everything was reserved."""
        if len(taken) != self.pairs:
            raise StockGone


def foresee_reservation(
    requests: Sequence[StockRequest], free: Mapping[tuple[int, int], int], actor: str
) -> Reservation | None:
    """Choose from units that were free (by SKU and warehouse id) when read without a lock.

    None where stock is so near its end that others might take it meanwhile; then
    `prepare_reservation` decides under a lock.
    """
    reservation, left = _choose(requests, free, actor)
    if None in reservation.chosen:
        return None
    for pair, units in left.items():
        if units < AMPLE * (free[pair] - units):
            return None
    return reservation


def prepare_reservation(requests: Sequence[StockRequest], actor: str) -> Reservation:
    """Choose for each request, in their order, one warehouse that has all its units, or none.

    Rows are locked in the order of their ids, so that concurrent buyers wait for each other and
    never deadlock. What is free is read under those locks.
    """
    rows = fetch(_LOCK, sorted({sku for request in requests for sku in request.needs}))
    return _choose(requests, {(sku, house): units for _id, sku, house, units in rows}, actor)[0]


def _choose(
    requests: Sequence[StockRequest], free: Mapping[tuple[int, int], int], actor: str
) -> tuple[Reservation, dict[tuple[int, int], int]]:
    """The reservation, and what it leaves of the stock that it takes from."""
    left = dict(free)
    chosen: list[int | None] = []
    ledger: list[tuple[int, int, int, str]] = []
    for request in requests:
        warehouse = choose_warehouse(left, request.needs, request.warehouses)
        chosen.append(warehouse)
        if warehouse is None:
            continue
        for sku, units in request.needs.items():
            left[sku, warehouse] -= units
            ledger.append((sku, warehouse, units, request.order_number))
    pairs = {(sku, warehouse) for sku, warehouse, _units, _number in ledger}
    statements: list[Statement] = []
    if ledger:
        entries = records(("sku_id", "warehouse_id", "units", "order_number"), ledger)
        statements = [
            (_LOCK_CHOSEN, *map(list, zip(*pairs, strict=True))),
            (_RESERVE, entries, actor),
        ]
    return Reservation(chosen, statements, len(pairs)), {pair: left[pair] for pair in pairs}


def reserve_stock(requests: Sequence[StockRequest], actor: str) -> list[int | None]:
    """Reserve for each request all its units in one warehouse, or nothing; see Reservation."""
    reservation = prepare_reservation(requests, actor)
    if reservation.statements:
        reservation.confirm(gather(*reservation.statements)[-1])
    return reservation.chosen


def _shift(
    order_number: str,
    warehouse_id: int,
    units: Mapping[int, int],
    move: StockMove,
    on_hand: int,
    reserved: int,
    actor: str,
) -> None:
    """Apply on_hand/reserved signs times units to the stock rows of one warehouse."""
    rows = {sku: row for row, sku in fetch(_LOCK_PAIRS, warehouse_id, sorted(units))}
    ids = [rows[sku] for sku in units]
    fetch(
        _SHIFT,
        ids,
        [on_hand * count for count in units.values()],
        [reserved * count for count in units.values()],
    )
    copy(
        "orders_stockentry",
        _LEDGER,
        [
            (row, move.value, on_hand * count, reserved * count, order_number, actor)
            for row, count in zip(ids, units.values(), strict=True)
        ],
    )


def release_reservation(order: Order, actor: str) -> None:
    """Give back what the order still holds; the caller holds its lock and saves the order."""
    if order.stock_warehouse_id is None:
        return
    if units := reserved_units(order):
        _shift(order.number, order.stock_warehouse_id, units, StockMove.RELEASE, 0, -1, actor)
    order.stock_warehouse_id = None


def consume_reservation(order: Order, units: Mapping[int, int], actor: str) -> None:
    """Take shipped units (by SKU id) out of the warehouse they were reserved in."""
    if order.stock_warehouse_id is not None:
        _shift(order.number, order.stock_warehouse_id, units, StockMove.CONSUME, -1, -1, actor)


def reserved_units(order: Order) -> dict[int, int]:
    """Units by SKU id that the ledger says the order still holds at its warehouse."""
    return dict(
        fetch(
            "SELECT s.sku_id, sum(e.reserved_delta)::int FROM orders_stockentry e"
            " JOIN orders_stock s ON s.id = e.stock_id"
            " WHERE e.order_number = %s AND s.warehouse_id = %s"
            " GROUP BY s.sku_id HAVING sum(e.reserved_delta) > 0 ORDER BY s.sku_id",
            order.number,
            order.stock_warehouse_id,
        )
    )


@transaction.atomic
def receive_stock(
    sku: Sku, warehouse: Warehouse, units: int, *, actor: Actor, order_number: str = ""
) -> Stock:
    """Add units to a warehouse. Raises ValueError unless units is positive."""
    if units < 1:
        raise ValueError("units must be positive")
    actor.begin()
    stock, _created = Stock.objects.get_or_create(sku=sku, warehouse=warehouse)
    Stock.objects.filter(pk=stock.pk).update(on_hand=F("on_hand") + units)
    StockEntry.objects.create(
        stock=stock,
        move=StockMove.RETURN if order_number else StockMove.RECEIVE,
        on_hand_delta=units,
        order_number=order_number,
        actor=actor.name,
    )
    stock.refresh_from_db()
    return stock


@transaction.atomic
def count_stock(stock_id: int, on_hand: int, *, actor: Actor) -> Stock:
    """Set what was counted. Raises OutOfStock below what is reserved already."""
    actor.begin()
    stock = Stock.objects.select_for_update().get(pk=stock_id)
    if on_hand < stock.reserved:
        raise OutOfStock
    if delta := on_hand - stock.on_hand:
        stock.on_hand = on_hand
        stock.save(update_fields=["on_hand"])
        StockEntry.objects.create(
            stock=stock, move=StockMove.ADJUST, on_hand_delta=delta, actor=actor.name
        )
    return stock
