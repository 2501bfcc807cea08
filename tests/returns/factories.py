"""Delivered orders for tests of returns, made through the real acts or directly."""

from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from orders.actors import SYSTEM, Actor, user_actor
from orders.lifecycle.placing import place_order
from orders.models import Order, Shipment, ShipmentLine, Warehouse
from orders.status import OrderState, ShipmentState
from returns.lifecycle import RequestedLine, request_return
from returns.models import ReturnRequest
from tests.factories import make_user, order_document

SHOP = Actor("key:shop", "shop")


def agent_actor(group: str = "agent") -> Actor:
    return user_actor(make_user(group))


def make_delivered(
    number: str = "",
    *,
    delivered_at: datetime | None = None,
    state: OrderState = OrderState.DELIVERED,
    **document: Any,
) -> Order:
    """An order taken in through intake, then put into `state` with one parcel holding it all."""
    placed = place_order(order_document(number, **document), actor=SHOP)
    order = Order.objects.get(number=placed.number)
    order.holds.all().delete()
    moment = delivered_at or timezone.now() - timedelta(hours=2)
    Order.objects.filter(pk=order.pk).update(state=state, dispatched_at=moment)
    shipment = Shipment.objects.create(
        order=order,
        number=f"P-{order.number}",
        state=ShipmentState.DELIVERED if state == OrderState.DELIVERED else ShipmentState.SHIPPED,
        warehouse=Warehouse.objects.get(code="EAST-1"),
        delivered_at=moment if state == OrderState.DELIVERED else None,
    )
    ShipmentLine.objects.bulk_create(
        ShipmentLine(shipment=shipment, order_line=line, quantity=line.quantity)
        for line in order.lines.all()
    )
    return Order.objects.get(pk=order.pk)


def make_return(
    order: Order | None = None,
    *lines: tuple[int, int],
    kind: str = "return_refund",
    actor: Actor = SYSTEM,
    **given: Any,
) -> ReturnRequest:
    """A request for the lines (position, units); the first line's one unit if none are given."""
    return request_return(
        (order or make_delivered()).number,
        [RequestedLine(*line) for line in lines or ((1, 1),)],
        kind=kind,
        reason=given.pop("reason", "too small"),
        actor=actor,
        **given,
    )
