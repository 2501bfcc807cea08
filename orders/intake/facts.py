"""From a checked order and its history to the facts that the rules see; pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from orders.intake.checks import SkuRef


@dataclass(slots=True)
class History:
    """What happened before, in counts and in the shop's currency."""

    address_orders_24h: int = 0
    customer_orders_24h: int = 0
    orders_180d: int = 0
    lifetime_spend: Decimal = Decimal(0)
    returns_180d: int = 0
    returns_30d: int = 0


@dataclass(frozen=True, slots=True)
class Buyer:
    external_id: str
    registered_at: datetime | None
    crm_grade: str
    is_employee: bool
    sign_for_rate: Decimal | None


@dataclass(frozen=True, slots=True)
class FactLine:
    sku: SkuRef
    quantity: int
    unit_price: Decimal
    is_gift: bool
    settlement_price: Decimal | None


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order as the facts need it, whether it just arrived or lies in the database."""

    channel: str
    placed_at: datetime
    paid_at: datetime | None
    goods_total: Decimal
    discount_total: Decimal
    grand_total: Decimal
    urgent: bool
    presale: bool
    livestream_room: str
    is_gift: bool
    is_child: bool
    buyer_remark: str
    seller_remark: str
    invoice_title: str
    coupons: tuple[tuple[str, str], ...]
    ship_name: str
    ship_phone: str
    province: str
    city: str
    district: str
    street: str
    lines: tuple[FactLine, ...]
    buyer: Buyer


MILLIONTH = Decimal("0.000001")
"""Shares and hours are kept this exactly, so that their stored text is read back as it was."""


def _hour(moment: datetime, zone: ZoneInfo) -> Decimal:
    local = moment.astimezone(zone)
    return (Decimal(local.hour * 60 + local.minute) / 60).quantize(MILLIONTH)


def _share(part: Decimal, whole: Decimal | int) -> Decimal:
    return (part / whole).quantize(MILLIONTH)


def order_facts(
    order: OrderView, history: History, *, shortage: bool, zone: ZoneInfo, today: date
) -> dict[str, object]:
    """Facts by key; what is not known is absent. `zone` is the shop's, `today` its date."""
    lines, buyer = order.lines, order.buyer
    facts: dict[str, object] = {
        "order.channel": order.channel,
        "order.grand_total": order.grand_total,
        "order.goods_total": order.goods_total,
        "order.discount_total": order.discount_total,
        "order.placed_hour": _hour(order.placed_at, zone),
        "order.is_paid": order.paid_at is not None,
        "order.urgent": order.urgent,
        "order.presale": order.presale,
        "order.is_gift": order.is_gift,
        "order.is_child": order.is_child,
        "order.line_count": len(lines),
        "order.unit_count": sum(line.quantity for line in lines),
        "order.max_unit_price": max(line.unit_price for line in lines),
        "order.max_line_quantity": max(line.quantity for line in lines),
        "coupon.types": frozenset(kind for _code, kind in order.coupons),
        "coupon.codes": frozenset(code for code, _kind in order.coupons),
        "coupon.count": len(order.coupons),
        "goods.skus": frozenset(line.sku.code for line in lines),
        "goods.categories": frozenset(line.sku.category for line in lines if line.sku.category),
        "goods.temperature_classes": frozenset(line.sku.temperature for line in lines),
        "goods.fragile": any(line.sku.is_fragile for line in lines),
        "goods.presale": any(_is_presale(line.sku, today) for line in lines),
        "goods.high_price": any(_is_high_priced(line) for line in lines),
        "ship_to.province": order.province,
        "ship_to.address": order.province + order.city + order.district + order.street,
        "ship_to.street": order.street,
        "ship_to.name": order.ship_name,
        "ship_to.orders_24h": history.address_orders_24h,
        "customer.external_id": buyer.external_id,
        "customer.employee": buyer.is_employee,
        "customer.orders_24h": history.customer_orders_24h,
        "customer.lifetime_spend": history.lifetime_spend,
        "customer.returns_30d": history.returns_30d,
        "stock.shortage": shortage,
    }
    for key, text in (
        ("order.livestream_room", order.livestream_room),
        ("order.invoice_title", order.invoice_title),
        ("order.buyer_remark", order.buyer_remark),
        ("order.seller_remark", order.seller_remark),
        ("ship_to.city", order.city),
        ("ship_to.district", order.district),
        ("ship_to.phone", order.ship_phone),
        ("customer.crm_grade", buyer.crm_grade),
    ):
        if text:
            facts[key] = text
    if order.paid_at is not None:
        facts["order.paid_hour"] = _hour(order.paid_at, zone)
    if order.goods_total:
        facts["order.discount_share"] = _share(order.discount_total, order.goods_total)
    if (gap := price_gap(lines)) is not None:
        facts["order.price_gap"] = gap
    if buyer.registered_at is not None:
        age = order.placed_at - buyer.registered_at
        facts["customer.account_age_hours"] = int(age.total_seconds()) // 3600
    if history.orders_180d:
        returned = Decimal(history.returns_180d)
        facts["customer.return_rate_180d"] = _share(returned, history.orders_180d)
    if buyer.sign_for_rate is not None:
        facts["customer.sign_for_rate"] = buyer.sign_for_rate
    return facts


def price_gap(lines: Iterable[FactLine]) -> Decimal | None:
    """Largest distance of a paid unit price from its channel's settlement price; gifts aside."""
    return max(
        (
            abs(line.unit_price - line.settlement_price)
            for line in lines
            if line.settlement_price is not None and not line.is_gift
        ),
        default=None,
    )


def _is_presale(sku: SkuRef, today: date) -> bool:
    return sku.presale_ship_date is not None and sku.presale_ship_date > today


def _is_high_priced(line: FactLine) -> bool:
    threshold = line.sku.high_price_threshold
    return threshold is not None and line.unit_price >= threshold
