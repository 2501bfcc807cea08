"""Giving new stock to the orders that were short of it."""

from django.db import transaction
from django.db.models import Exists, F, OuterRef

from changefeed.clock import database_now
from orders.actors import SYSTEM
from orders.lifecycle.holds import go_on
from orders.lifecycle.reading import locked_order, units_to_send
from orders.lifecycle.stock import StockRequest, reserve_stock
from orders.lifecycle.timeline import note
from orders.models import Hold, OrderLine, Stock, Warehouse
from orders.status import HoldOwner, OrderState


def fill_short(limit: int = 200) -> int:
    """Reserve for short orders, first paid first, and lift their stock holds; returns how many.

    Orders whose goods are still missing do not stand in the way of the others.
    """
    enough = Stock.objects.filter(
        sku=OuterRef("sku"),
        warehouse__is_active=True,
        on_hand__gte=OuterRef("quantity") + F("reserved"),
    )
    missing = OrderLine.objects.filter(~Exists(enough), order=OuterRef("order"))
    waiting = (
        Hold.objects.open()
        .filter(~Exists(missing), owner=HoldOwner.STOCK, order__state=OrderState.ON_HOLD)
        .order_by("order__paid_at", "order_id")
        .values_list("order_id", flat=True)[:limit]
    )
    return sum(_fill(order_id) for order_id in list(waiting))


@transaction.atomic
def _fill(order_id: int) -> bool:
    SYSTEM.begin()
    order = locked_order(order_id)
    hold = order.holds.open().filter(owner=HoldOwner.STOCK).first()
    if hold is None or order.state != OrderState.ON_HOLD:
        return False
    if order.stock_warehouse_id is None:
        every = list(Warehouse.objects.filter(is_active=True).values_list("pk", flat=True))
        tried = [order.warehouse_id] if order.warehouse_id else every
        request = StockRequest(order.number, units_to_send(order), tried)
        order.stock_warehouse_id = reserve_stock([request], SYSTEM.name)[0]
    if order.stock_warehouse_id is None:
        return False
    order.save(update_fields=["stock_warehouse"])
    hold.mark_released(by=SYSTEM.name, at=database_now(), reason="")
    hold.save()
    note(order, "stock_filled", SYSTEM)
    go_on(order, SYSTEM)
    return True
