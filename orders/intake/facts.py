"""From a checked order and its history to the facts that the rules see; pure."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from orders.intake.addresses import EMBARGO, REMOTE, is_listed, is_unparseable
from orders.intake.checks import SkuRef
from orders.intake.views import Circumstances, FactLine, History, OrderView

MILLIONTH = Decimal("0.000001")
"""Shares and hours are kept this exactly, so that their stored text is read back as it was."""


def order_facts(
    order: OrderView, history: History, around: Circumstances, *, units_short: int
) -> dict[str, object]:
    """Facts by key; what is not known is absent. `units_short` are missing wherever it is sent.

    Which facts are there for every order is stated in orders.facts (`always`).
    """
    facts: dict[str, object] = {
        **_order_facts(order, around.zone),
        **_coupon_facts(order, around.linked),
        **_goods_facts(order.lines, around.today),
        **_address_facts(order, history, around),
        **_customer_facts(order, history),
        "stock.shortage": units_short > 0,
        "stock.units_short": units_short,
    }
    for key, text in (
        ("order.livestream_room", order.livestream_room),
        ("order.invoice_title", order.invoice_title),
        ("order.delivery_slot", order.delivery_slot),
        ("order.buyer_remark", order.buyer_remark),
        ("order.seller_remark", order.seller_remark),
        ("ship_to.city", order.city),
        ("ship_to.district", order.district),
        ("ship_to.phone", order.ship_phone),
        ("customer.crm_grade", order.buyer.crm_grade),
    ):
        if text:
            facts[key] = text
    return facts


def _order_facts(order: OrderView, zone: ZoneInfo) -> dict[str, object]:
    lines, placed = order.lines, order.placed_at.astimezone(zone)
    facts: dict[str, object] = {
        "order.channel": order.channel,
        "order.grand_total": order.grand_total,
        "order.goods_total": order.goods_total,
        "order.discount_total": order.discount_total,
        "order.shipping_total": order.shipping_total,
        "order.placed_hour": _hour(placed),
        "order.placed_weekday": str(placed.isoweekday()),
        "order.is_paid": order.paid_at is not None,
        "order.urgent": order.urgent,
        "order.presale": order.presale,
        "order.is_gift": order.is_gift,
        "order.is_child": order.is_child,
        "order.line_count": len(lines),
        "order.unit_count": sum(line.quantity for line in lines),
        "order.max_unit_price": max(line.unit_price for line in lines),
        "order.max_line_quantity": max(line.quantity for line in lines),
        "order.has_remark": bool(order.buyer_remark or order.seller_remark),
    }
    if order.paid_at is not None:
        paid = order.paid_at.astimezone(zone)
        facts["order.paid_hour"] = _hour(paid)
        facts["order.paid_weekday"] = str(paid.isoweekday())
    if order.goods_total:
        facts["order.discount_share"] = _share(order.discount_total, order.goods_total)
    if gaps := price_gaps(lines):
        facts["order.price_gap"] = max(map(abs, gaps))
        facts["order.price_gap_above"] = max(0, *gaps)
        facts["order.price_gap_below"] = max(0, *(-gap for gap in gaps))
    return facts


def _coupon_facts(order: OrderView, linked: Mapping[str, frozenset[str]]) -> dict[str, object]:
    coupons = order.coupons
    facts: dict[str, object] = {
        "coupon.types": frozenset(coupon.type for coupon in coupons),
        "coupon.codes": frozenset(coupon.code for coupon in coupons),
        "coupon.count": len(coupons),
        "coupon.discount_total": sum((coupon.discount for coupon in coupons), Decimal(0)),
    }
    if (known := linked.get(order.channel)) is not None:
        facts["stock.coupon_unlinked"] = any(coupon.code not in known for coupon in coupons)
    return facts


def _goods_facts(lines: Iterable[FactLine], today: date) -> dict[str, object]:
    return {
        "goods.skus": frozenset(line.sku.code for line in lines),
        "goods.categories": frozenset(line.sku.category for line in lines if line.sku.category),
        "goods.temperature_classes": frozenset(line.sku.temperature for line in lines),
        "goods.fragile": any(line.sku.is_fragile for line in lines),
        "goods.presale": any(_is_presale(line.sku, today) for line in lines),
        "goods.high_price": any(_is_high_priced(line) for line in lines),
        "goods.gift_units": sum(line.quantity for line in lines if line.is_gift),
    }


def _address_facts(order: OrderView, history: History, around: Circumstances) -> dict[str, object]:
    place = (order.province, order.city, order.district)
    facts: dict[str, object] = {
        "ship_to.province": order.province,
        "ship_to.address": "".join(place) + order.street,
        "ship_to.street": order.street,
        "ship_to.name": order.ship_name,
        "ship_to.unparseable": is_unparseable(*place, order.street),
        "ship_to.orders_24h": history.address_orders_24h,
    }
    for key, name in (("ship_to.embargoed", EMBARGO), ("ship_to.remote", REMOTE)):
        if (listed := around.lists.get(name)) is not None:
            facts[key] = is_listed(listed, *place, around.now)
    return facts


def _customer_facts(order: OrderView, history: History) -> dict[str, object]:
    buyer = order.buyer
    facts: dict[str, object] = {
        "customer.external_id": buyer.external_id,
        "customer.employee": buyer.is_employee,
        "customer.is_new": not history.orders_total,
        "customer.orders_total": history.orders_total,
        "customer.orders_24h": history.customer_orders_24h,
        "customer.orders_30d": history.orders_30d,
        "customer.cancelled_30d": history.cancelled_30d,
        "customer.address_changes_30d": history.address_changes_30d,
        "customer.lifetime_spend": history.lifetime_spend,
        "customer.returns_30d": history.returns_30d,
    }
    if buyer.registered_at is not None:
        age = order.placed_at - buyer.registered_at
        # Who registers while buying has an account of no age, not of a negative one.
        facts["customer.account_age_hours"] = max(0, int(age.total_seconds()) // 3600)
    if history.orders_180d:
        returned = Decimal(history.returns_180d)
        facts["customer.return_rate_180d"] = _share(returned, history.orders_180d)
    if buyer.sign_for_rate is not None:
        facts["customer.sign_for_rate"] = buyer.sign_for_rate
    return facts


def _hour(local: datetime) -> Decimal:
    return (Decimal(local.hour * 60 + local.minute) / 60).quantize(MILLIONTH)


def _share(part: Decimal, whole: Decimal | int) -> Decimal:
    return (part / whole).quantize(MILLIONTH)


def price_gaps(lines: Iterable[FactLine]) -> list[Decimal]:
    """How far each paid unit price lies above (+) its channel's settlement price; gifts aside."""
    return [
        line.unit_price - line.settlement_price
        for line in lines
        if line.settlement_price is not None and not line.is_gift
    ]


def _is_presale(sku: SkuRef, today: date) -> bool:
    return sku.presale_ship_date is not None and sku.presale_ship_date > today


def _is_high_priced(line: FactLine) -> bool:
    threshold = line.sku.high_price_threshold
    return threshold is not None and line.unit_price >= threshold
