"""Orders of the database as screening needs them: locked, with lines and references."""

from collections.abc import Iterable
from decimal import Decimal

from django.db.models import QuerySet

from orders.errors import NotFound
from orders.intake.checks import SkuRef
from orders.intake.views import Buyer, FactLine, OrderView, UsedCoupon
from orders.models import Hold, Order, OrderLine, ShipmentLine
from orders.status import OrderState, ShipmentState


def locked_order(order_id: int) -> Order:
    """The order under its row lock. Raises NotFound."""
    return _locked(Order.objects.filter(pk=order_id))


def locked_order_by_number(number: str) -> Order:
    """The order under its row lock. Raises NotFound."""
    return _locked(Order.objects.filter(number=number))


def _locked(found: QuerySet[Order]) -> Order:
    """A child's parent is locked before the child: its state follows its children's."""
    key = found.values_list("pk", "parent_number").first()
    if key is None:
        raise NotFound
    if key[1]:
        split_parent(key[1])
    return Order.objects.select_for_update(of=("self",)).get(pk=key[0])


def split_parent(number: str) -> Order | None:
    """The order of that number under its row lock, if it was split here."""
    parents = Order.objects.select_for_update(of=("self",))
    return parents.filter(number=number, split_into__gt=0).first()


def child_orders(order: Order) -> QuerySet[Order]:
    """The orders that this one was split into and that are not cancelled; locked when read."""
    children = Order.objects.select_for_update(of=("self",)).order_by("id")
    if not order.split_into:
        return children.none()
    return children.filter(parent_number=order.number).exclude(state=OrderState.CANCELLED)


def followers(order: Order) -> QuerySet[Order]:
    """The orders that travel in this one's parcel and are not cancelled; locked when read."""
    merged = Order.objects.select_for_update(of=("self",)).order_by("id")
    return merged.filter(merged_into_number=order.number).exclude(state=OrderState.CANCELLED)


def blocking_holds(order: Order) -> QuerySet[Hold]:
    """What keeps the order from shipping: its own holds and those of its parent order."""
    numbers = [order.number, *([order.parent_number] if order.parent_number else [])]
    return Hold.objects.blocking().filter(order__number__in=numbers)


def units_needed(lines: Iterable[OrderLine]) -> dict[int, int]:
    """Units by SKU id."""
    needs: dict[int, int] = {}
    for line in lines:
        needs[line.sku_id] = needs.get(line.sku_id, 0) + line.quantity
    return needs


def units_to_send(order: Order) -> dict[int, int]:
    """Units by SKU id that have not left yet."""
    needs = units_needed(order.lines.all())
    gone = ShipmentLine.objects.filter(
        order_line__order=order,
        shipment__state__in=[ShipmentState.SHIPPED, ShipmentState.DELIVERED],
    )
    for sku, units in gone.values_list("order_line__sku_id", "quantity"):
        needs[sku] -= units
    return {sku: units for sku, units in needs.items() if units}


def order_view(order: Order, lines: list[OrderLine]) -> OrderView:
    """The stored order as the facts need it; lines with their SKUs."""
    customer = order.customer
    return OrderView(
        channel=order.channel.code,
        placed_at=order.placed_at,
        paid_at=order.paid_at,
        goods_total=order.goods_total,
        discount_total=order.discount_total,
        shipping_total=order.shipping_total,
        grand_total=order.grand_total,
        urgent=order.urgent,
        presale=order.presale,
        livestream_room=order.livestream_room,
        is_gift=bool(order.gift_for_number),
        is_child=bool(order.parent_number),
        buyer_remark=order.buyer_remark,
        seller_remark=order.seller_remark,
        invoice_title=order.invoice_title,
        delivery_slot=order.delivery_slot,
        coupons=tuple(
            UsedCoupon(coupon["code"], coupon["type"], Decimal(coupon["discount"]))
            for coupon in order.coupons
        ),
        ship_name=order.ship_name,
        ship_phone=order.ship_phone or order.ship_phone_hash,
        province=order.province,
        city=order.city,
        district=order.district,
        street=order.street,
        lines=tuple(_fact_line(line) for line in lines),
        buyer=Buyer(
            customer.external_id,
            customer.registered_at,
            customer.crm_grade,
            customer.is_employee,
            customer.sign_for_rate,
        ),
    )


def _fact_line(line: OrderLine) -> FactLine:
    sku = line.sku
    return FactLine(
        SkuRef(
            id=sku.pk,
            code=sku.code,
            category=sku.category,
            temperature=sku.temperature,
            is_fragile=sku.is_fragile,
            high_price_threshold=sku.high_price_threshold,
            presale_ship_date=sku.presale_ship_date,
            is_active=sku.is_active,
            settlement={},
            free={},
        ),
        line.quantity,
        line.unit_price,
        line.is_gift,
        line.settlement_price,
    )
