"""Parcels of dispatched orders: planned, stored, stopped for a while and sent on again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from orders.deliveries import PlannedLine, spread_units
from orders.models import Order, OrderLine, Shipment
from orders.sql import copy, fetch
from orders.status import ShipmentState

BATCH_LEAD = timedelta(days=1)
"""A subscription batch is released to the warehouse this long before its delivery date."""

_COLUMNS = (
    *("id", "order_id", "number", "state", "deliver_on", "warehouse_id", "courier_id"),
    *("packaging_id", "lane", "print_priority", "waybill", "released_at", "freeze_reason"),
    "freeze_answer",
)


@dataclass(slots=True)
class Parcel:
    """A parcel to be stored with (order line id, units)."""

    shipment: Shipment
    contents: list[tuple[int, int]] = field(default_factory=list)


def shop_day(now: datetime) -> date:
    """The date of an instant where the shop is."""
    return now.astimezone(ZoneInfo(settings.SHOP_TIME_ZONE)).date()


def is_due(shipment: Shipment, now: datetime) -> bool:
    """Whether the warehouse is to know of the parcel already."""
    return shipment.deliver_on is None or shipment.deliver_on - BATCH_LEAD <= shop_day(now)


def plan_parcels(order: Order, lines: Sequence[OrderLine], now: datetime) -> list[Parcel]:
    """One parcel, or one per delivery date of a subscription; those not yet due stay planned."""
    contents = [[(line.pk, line.quantity) for line in lines]]
    days: list[date | None] = [None]
    if order.deliveries:
        planned = [PlannedLine(line.pk, line.sku.code, line.quantity) for line in lines]
        contents = spread_units(order.deliveries, planned)
        days = [date.fromisoformat(delivery["date"]) for delivery in order.deliveries]
    parcels = []
    for sequence, (day, content) in enumerate(zip(days, contents, strict=True), start=1):
        shipment = Shipment(order_id=order.pk, number=f"{order.number}-{sequence}", deliver_on=day)
        _take_routing(shipment, order)
        if is_due(shipment, now):
            shipment.mark_released(now)
        parcels.append(Parcel(shipment, content))
    return parcels


def _take_routing(shipment: Shipment, order: Order) -> None:
    warehouse_id = order.warehouse_id or order.stock_warehouse_id
    assert warehouse_id is not None  # nothing leaves without stock, and stock lies somewhere
    shipment.warehouse_id = warehouse_id
    shipment.courier_id, shipment.packaging_id = order.courier_id, order.packaging_id
    shipment.lane, shipment.print_priority = order.lane, order.print_priority


def store_parcels(parcels: Sequence[Parcel]) -> None:
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
        _COLUMNS,
        [tuple(getattr(parcel.shipment, column) for column in _COLUMNS) for parcel in parcels],
    )


def resume_parcels(orders: Sequence[Order], now: datetime, *, reroute: bool) -> None:
    """Let stopped parcels of these locked orders go on: released when due, else planned again."""
    by_id = {order.pk: order for order in orders}
    frozen = Shipment.objects.select_for_update(of=("self",)).filter(
        order__in=by_id, state=ShipmentState.FROZEN
    )
    for shipment in frozen.order_by("id") if by_id else ():
        if reroute:
            _take_routing(shipment, by_id[shipment.order_id])
        if is_due(shipment, now):
            shipment.mark_released(now)
        else:
            shipment.mark_planned()
        shipment.save()
