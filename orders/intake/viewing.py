"""A checked order as the facts, the stock and the dispatch look at it; pure."""

from datetime import date, datetime
from zoneinfo import ZoneInfo

from orders.intake.checks import CheckedOrder
from orders.intake.views import Buyer, FactLine, OrderView, UsedCoupon


def needs_of(order: CheckedOrder) -> dict[int, int]:
    """Units by SKU id that the order takes from stock."""
    needs: dict[int, int] = {}
    for sku, line in zip(order.skus, order.document.lines, strict=True):
        needs[sku.id] = needs.get(sku.id, 0) + line.quantity
    return needs


def fact_line(order: CheckedOrder, index: int) -> FactLine:
    """A line with the settlement price of the order's channel."""
    line, sku = order.document.lines[index], order.skus[index]
    return FactLine(
        sku, line.quantity, line.unit_price, line.is_gift, sku.settlement.get(order.channel_id)
    )


def view_of(order: CheckedOrder, buyer: Buyer) -> OrderView:
    """The order as the facts need it."""
    document, ship_to = order.document, order.document.ship_to
    return OrderView(
        channel=document.channel,
        placed_at=document.placed_at,
        paid_at=document.paid_at,
        goods_total=document.goods_total,
        discount_total=document.discount_total,
        shipping_total=document.shipping_total,
        grand_total=document.grand_total,
        urgent=document.urgent,
        presale=document.presale,
        livestream_room=document.livestream_room or "",
        is_gift=document.gift_for is not None,
        is_child=document.parent is not None,
        buyer_remark=document.buyer_remark,
        seller_remark=document.seller_remark,
        invoice_title=document.invoice_title,
        delivery_slot=document.delivery_slot or "",
        coupons=tuple(
            UsedCoupon(coupon.code, coupon.type, coupon.discount) for coupon in document.coupons
        ),
        ship_name=ship_to.name,
        ship_phone=order.phone.comparable,
        province=order.place.province,
        city=order.place.city,
        district=order.place.district,
        street=ship_to.street,
        lines=tuple(fact_line(order, index) for index in range(len(order.skus))),
        buyer=buyer,
    )


def dispatch_after(order: CheckedOrder, today: date, zone: ZoneInfo) -> datetime | None:
    """The start of the latest presale ship date, shop time; None when nothing is on presale."""
    days = [
        sku.presale_ship_date
        for sku in order.skus
        if sku.presale_ship_date is not None and sku.presale_ship_date > today
    ]
    if not days:
        return None
    latest = max(days)
    return datetime(latest.year, latest.month, latest.day, tzinfo=zone)
