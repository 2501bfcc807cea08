"""Routing and dispatch: parcels are planned, the warehouse is told, each effect happens once."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from orders.actors import SYSTEM, Actor
from orders.errors import WrongState
from orders.intake.holding import HoldDraft
from orders.lifecycle.reading import blocking_holds, locked_order, units_needed
from orders.lifecycle.screening import open_hold
from orders.lifecycle.stock import StockRequest, release_reservation, reserve_stock
from orders.models import Hold, Order, OrderLine, ScreeningDecision, Shipment
from orders.querysets import OrderQuerySet
from orders.sql import copy, fetch
from orders.status import HoldOwner, HoldReason, OrderState, Risk, ShipmentState

BATCH_LEAD = timedelta(days=1)
"""A subscription batch is released to the warehouse this long before its delivery date."""

AT_WAREHOUSE = (OrderState.DISPATCHED, OrderState.SHIPPED, OrderState.DELIVERED)
DISPATCH = "dispatch"

_CAUSE_EFFECTS = """
INSERT INTO orders_effect (order_id, key, rule_key, at)
SELECT d.order_id, d.key, d.rule_key, now()
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS d(order_id, key, rule_key)
ORDER BY d.order_id, d.key
ON CONFLICT (order_id, key) DO NOTHING RETURNING order_id, key
"""
_ANNOUNCE = """
INSERT INTO changefeed_change (subject_kind, subject_id, subject_version, kind, field, new)
SELECT 'order', o.number, o.version, 'order.effect_caused', d.key,
    jsonb_build_object('effect', d.key, 'rule', d.rule_key, 'customer', c.external_id)
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS d(order_id, key, rule_key)
JOIN orders_order o ON o.id = d.order_id JOIN orders_customer c ON c.id = o.customer_id
ORDER BY o.id, d.key
"""
_SHIPMENT_COLUMNS = (
    *("id", "order_id", "number", "state", "deliver_on", "warehouse_id", "courier_id"),
    *("packaging_id", "lane", "print_priority", "waybill", "released_at", "freeze_reason"),
    "freeze_answer",
)


@dataclass(slots=True)
class _Parcel:
    shipment: Shipment
    contents: list[tuple[int, int]] = field(default_factory=list)


@transaction.atomic
def dispatch_order(order_id: int, *, actor: Actor) -> Order:
    """Dispatch one ready order now. Raises WrongState naming what it waits for."""
    actor.begin()
    order = locked_order(order_id)
    if order.state != OrderState.READY:
        raise WrongState
    dispatch_locked([order], actor)
    order.refresh_from_db()
    return order


def dispatch_ready(limit: int = 200) -> int:
    """Dispatch a batch of waiting orders, oldest first; returns how many left.

    Orders that another worker holds are passed over, so any number of workers may run.
    """
    with transaction.atomic():
        SYSTEM.begin()
        now = timezone.now()
        chosen = list(
            travelling_alone(Order.objects.awaiting_dispatch(now))
            .select_for_update(skip_locked=True, of=("self",))
            .order_by("id")[:limit]
        )
        return len(dispatch_locked(chosen, SYSTEM)) if chosen else 0


def travelling_alone(orders: OrderQuerySet) -> OrderQuerySet:
    """Without gifts whose main order has not gone, and without main orders waiting for a gift."""
    main = Order.objects.filter(number=OuterRef("gift_for_number"))
    waiting_gift = Order.objects.filter(
        gift_for_number=OuterRef("number"), state__in=[OrderState.RECEIVED, OrderState.ON_HOLD]
    )
    held_parent = Hold.objects.blocking().filter(order__number=OuterRef("parent_number"))
    return orders.filter(
        Q(gift_for_number="") | Exists(main.filter(state__in=AT_WAREHOUSE)),
        ~Exists(waiting_gift),
        Q(parent_number="") | ~Exists(held_parent),
    )


def try_dispatch(order: Order, actor: Actor) -> None:
    """Dispatch a locked ready order if nothing else makes it wait; else leave it ready."""
    now = timezone.now()
    waiting = travelling_alone(Order.objects.awaiting_dispatch(now).filter(pk=order.pk))
    if waiting.exists():
        dispatch_locked([order], actor)
        order.refresh_from_db()


def dispatch_locked(orders: Sequence[Order], actor: Actor) -> list[Order]:
    """Dispatch locked ready orders with what travels along; returns those that left.

    An order whose named warehouse is short is held for stock instead.
    """
    now = timezone.now()
    leaving = [order for order in orders if _has_stock(order, now, actor)]
    if not leaving:
        return []
    leaving += [order for order in _companions(leaving) if _has_stock(order, now, actor)]
    lines: dict[int, list[OrderLine]] = defaultdict(list)
    for line in OrderLine.objects.filter(order__in=leaving).select_related("sku"):
        lines[line.order_id].append(line)
    effects = _effects_of(leaving)
    first_time = {
        order_id
        for order_id, key in fetch(_CAUSE_EFFECTS, *map(list, zip(*effects, strict=True)))
        if key == DISPATCH
    }
    _announce(effects, first_time)
    today = now.astimezone(ZoneInfo(settings.SHOP_TIME_ZONE)).date()
    new_parcels = [
        parcel
        for order in leaving
        if order.pk in first_time and not order.merged_into_number
        for parcel in _plan(order, _all_lines(order, leaving, lines), today, now)
    ]
    for order in leaving:
        order.warehouse_id = order.warehouse_id or order.stock_warehouse_id
        order.mark_dispatched(now)
    _store(new_parcels)
    Order.objects.bulk_update(leaving, ["state", "dispatched_at", "warehouse"])
    _release_stopped([order for order in leaving if order.pk not in first_time], now)
    return leaving


def _companions(orders: Sequence[Order]) -> list[Order]:
    """The ready orders that travel along: merged into one of these, or a gift of one; locked."""
    numbers = [order.number for order in orders]
    return list(
        Order.objects.filter(state=OrderState.READY)
        .filter(Q(merged_into_number__in=numbers) | Q(gift_for_number__in=numbers))
        .exclude(pk__in=[order.pk for order in orders])
        .select_for_update(of=("self",))
        .order_by("id")
    )


def _has_stock(order: Order, now: datetime, actor: Actor) -> bool:
    """Whether the order's units are reserved where it is packed, moving them there if need be."""
    wanted = order.warehouse_id or order.stock_warehouse_id
    if order.stock_warehouse_id is not None and order.stock_warehouse_id == wanted:
        return True
    lines = list(order.lines.select_related("sku"))
    release_reservation(order, actor.name)
    request = StockRequest(order.number, units_needed(lines), [wanted] if wanted else [])
    order.stock_warehouse_id = reserve_stock([request], actor.name)[0]
    if order.stock_warehouse_id is None:
        inputs: list[dict[str, object]] = [
            {"sku": line.sku.code, "quantity": line.quantity} for line in lines
        ]
        open_hold(
            order,
            HoldDraft(
                HoldOwner.STOCK, HoldReason.STOCK_SHORT.value, Risk.MEDIUM.value, inputs=inputs
            ),
            now,
        )
        order.mark_held()
        order.save()
        return False
    order.save(update_fields=["stock_warehouse"])
    return True


def _effects_of(orders: Sequence[Order]) -> list[tuple[int, str, str]]:
    """(order id, effect key, rule key) of each order's latest decision, dispatch first."""
    decided = (
        ScreeningDecision.objects.filter(order__in=orders)
        .order_by("order_id", "-at", "-id")
        .distinct("order_id")
        .values_list("order_id", "outcome")
    )
    outcomes = dict(decided)
    effects = []
    for order in orders:
        effects.append((order.pk, DISPATCH, ""))
        for effect in outcomes.get(order.pk, {}).get("effects", []):
            effects.append((order.pk, effect["key"], effect["rule"]))
    return effects


def _announce(effects: Sequence[tuple[int, str, str]], first_time: set[int]) -> None:
    news = [effect for effect in effects if effect[0] in first_time and effect[1] != DISPATCH]
    if news:
        fetch(_ANNOUNCE, *map(list, zip(*news, strict=True)))


def _all_lines(
    order: Order, leaving: Sequence[Order], lines: dict[int, list[OrderLine]]
) -> list[OrderLine]:
    """The order's lines and those of the orders merged into it."""
    merged = [other for other in leaving if other.merged_into_number == order.number]
    return [line for one in (order, *merged) for line in lines[one.pk]]


def _plan(order: Order, lines: list[OrderLine], today: date, now: datetime) -> list[_Parcel]:
    """One parcel, or one per delivery date of a subscription; later ones stay planned."""
    if not order.deliveries:
        parcel = _Parcel(_shipment(order, f"{order.number}-1", None))
        parcel.contents = [(line.pk, line.quantity) for line in lines]
        parcel.shipment.mark_released(now)
        return [parcel]
    parcels = []
    for sequence, delivery in enumerate(order.deliveries, start=1):
        day = date.fromisoformat(delivery["date"])
        parcel = _Parcel(_shipment(order, f"{order.number}-{sequence}", day))
        parcel.contents = batch_contents(delivery, lines, len(order.deliveries))
        if day - BATCH_LEAD <= today:
            parcel.shipment.mark_released(now)
        parcels.append(parcel)
    return parcels


def batch_contents(
    delivery: dict[str, object], lines: Sequence[OrderLine], batches: int
) -> list[tuple[int, int]]:
    """(order line id, units) of one delivery: as it names them, else an even share of each line."""
    named = delivery.get("lines")
    if not isinstance(named, list) or not named:
        return [(line.pk, line.quantity // batches) for line in lines]
    contents = []
    for item in named:
        line = next(line for line in lines if line.sku.code == item["sku"])
        contents.append((line.pk, item["quantity"]))
    return contents


def _shipment(order: Order, number: str, deliver_on: date | None) -> Shipment:
    return Shipment(
        order_id=order.pk,
        number=number,
        deliver_on=deliver_on,
        warehouse_id=order.warehouse_id or order.stock_warehouse_id,
        courier_id=order.courier_id,
        packaging_id=order.packaging_id,
        lane=order.lane,
        print_priority=order.print_priority,
    )


def _store(parcels: Sequence[_Parcel]) -> None:
    """Append shipments, their lines first, so that the first event carries the contents."""
    if not parcels:
        return
    ids = fetch(
        "SELECT nextval(pg_get_serial_sequence('orders_shipment', 'id'))"
        " FROM generate_series(1, %s::int)",
        len(parcels),
    )
    for (key,), parcel in zip(ids, parcels, strict=True):
        parcel.shipment.pk = key
    copy(
        "orders_shipmentline",
        ("shipment_id", "order_line_id", "quantity"),
        [(parcel.shipment.pk, *item) for parcel in parcels for item in parcel.contents],
    )
    copy(
        "orders_shipment",
        _SHIPMENT_COLUMNS,
        [
            tuple(getattr(parcel.shipment, column) for column in _SHIPMENT_COLUMNS)
            for parcel in parcels
        ],
    )


def _release_stopped(orders: Sequence[Order], now: datetime) -> None:
    """Let parcels that were frozen go on, of orders dispatched a second time."""
    frozen = Shipment.objects.select_for_update().filter(
        order__in=orders, state=ShipmentState.FROZEN
    )
    for shipment in frozen.order_by("id") if orders else ():
        order = next(order for order in orders if order.pk == shipment.order_id)
        shipment.warehouse_id = order.warehouse_id or shipment.warehouse_id
        shipment.courier_id, shipment.packaging_id = order.courier_id, order.packaging_id
        shipment.lane, shipment.print_priority = order.lane, order.print_priority
        shipment.mark_released(now)
        shipment.save()


def release_due_batches(limit: int = 500) -> int:
    """Send the warehouse the subscription batches whose day has come; returns how many."""
    with transaction.atomic():
        SYSTEM.begin()
        now = timezone.now()
        today = now.astimezone(ZoneInfo(settings.SHOP_TIME_ZONE)).date()
        due = Shipment.objects.filter(
            state=ShipmentState.PLANNED,
            deliver_on__lte=today + BATCH_LEAD,
            order__state__in=AT_WAREHOUSE,
        )
        orders = Order.objects.filter(pk__in=due.values("order_id")).order_by("id")
        locked = {order.pk: order for order in orders.select_for_update(skip_locked=True)[:limit]}
        released = 0
        for shipment in due.filter(order__in=locked).order_by("id").select_for_update(of=("self",)):
            if not blocking_holds(locked[shipment.order_id]).exists():
                shipment.mark_released(now)
                shipment.save()
                released += 1
        return released
