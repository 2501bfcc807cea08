"""Reading the orders and parcels that an address names, in a bounded number of queries."""

from django.db.models import Prefetch, QuerySet

from orders.errors import NotFound
from orders.intake.document import CODE
from orders.models import Hold, Order, OrderLine, Shipment, ShipmentLine, StopRequest

LONGEST_NUMBER = 80


def rows() -> QuerySet[Order]:
    """Orders with what a list shows."""
    return Order.objects.select_related("channel", "customer", "warehouse", "courier", "packaging")


def whole_order(number: str) -> Order:
    """The order with lines, holds, parcels and stop requests, by six queries. Raises NotFound."""
    orders = rows().prefetch_related(
        Prefetch("lines", OrderLine.objects.select_related("sku").order_by("position")),
        Prefetch("holds", Hold.objects.order_by("id")),
        Prefetch("shipments", _parcels()),
        Prefetch("stop_requests", StopRequest.objects.order_by("id")),
    )
    return _only(orders, number)


def order_key(number: str) -> int:
    """The order's id. Raises NotFound."""
    return _only(Order.objects.only("id"), number).pk


def whole_shipment(number: str) -> Shipment:
    """The active parcel of this number, else the latest cancelled one. Raises NotFound."""
    require_readable(number)
    parcels = sorted(
        _parcels().filter(number=number).order_by("id"),
        key=lambda parcel: (parcel.state != "cancelled", parcel.pk),
    )
    if not parcels:
        raise NotFound
    return parcels[-1]


def _parcels() -> QuerySet[Shipment]:
    contents = ShipmentLine.objects.select_related("order_line__sku").order_by("id")
    return (
        Shipment.objects.select_related("order", "warehouse", "courier", "packaging")
        .prefetch_related(Prefetch("lines", contents))
        .order_by("number", "id")
    )


def _only(orders: QuerySet[Order], number: str) -> Order:
    require_readable(number)
    try:
        return orders.get(number=number)
    except Order.DoesNotExist:
        raise NotFound from None


def require_readable(number: str) -> None:
    """Raises NotFound for a text that cannot be a number of ours, before the database sees it."""
    if len(number) > LONGEST_NUMBER or not CODE.fullmatch(number):
        raise NotFound
