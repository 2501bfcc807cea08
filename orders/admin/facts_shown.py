"""What the board's pane and the order page tell of an order and its customer; a few reads each."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Count, Sum
from django.utils.translation import gettext as _

from orders.display import money, span
from orders.models import Customer, Order, OrderLine, ReturnRecord
from orders.phones import mask_name, mask_phone
from orders.status import OrderState

RETURN_WINDOW = timedelta(days=180)


@dataclass(frozen=True, slots=True)
class CustomerSummary:
    """A buyer in figures: orders and spend without cancelled ones, returns of 180 days."""

    orders: int
    spend: str
    returns: int
    return_share: str
    account_age: str


@dataclass(frozen=True, slots=True)
class Contact:
    """Name, phone and street, masked unless they were revealed."""

    name: str
    phone: str
    street: str
    customer_name: str
    customer_phone: str
    is_revealed: bool


@dataclass(frozen=True, slots=True)
class ShownLine:
    """A line with its amounts; `gap` is what its price is above (+) or below the settlement."""

    line: OrderLine
    unit_price: str
    total: str
    gap: str


def customer_summary(order: Order, now: datetime) -> CustomerSummary:
    return customer_figures(order.customer, now, order.currency)


def customer_figures(customer: Customer, now: datetime, currency: str = "") -> CustomerSummary:
    """Three reads of the customer's index; cancelled orders do not count."""
    currency = currency or settings.CURRENCY
    placed = Order.objects.filter(customer=customer).exclude(state=OrderState.CANCELLED)
    figures = placed.aggregate(orders=Count("id"), spend=Sum("grand_total"))
    returns = ReturnRecord.objects.filter(customer=customer, at__gte=now - RETURN_WINDOW).count()
    recent = placed.filter(placed_at__gte=now - RETURN_WINDOW).count()
    share = f"{returns / recent:.0%}" if recent else ""
    age = span(now - customer.registered_at) if customer.registered_at else ""
    return CustomerSummary(
        figures["orders"],
        money(figures["spend"] or Decimal(0), currency),
        returns,
        share,
        age,
    )


def contact_of(order: Order, *, revealed: bool) -> Contact:
    customer = order.customer
    phone = order.ship_phone or order.ship_phone_masked
    if revealed:
        return Contact(
            order.ship_name, phone, order.street, customer.name, customer.phone, is_revealed=True
        )
    return Contact(
        mask_name(order.ship_name),
        mask_phone(phone),
        mask_street(order.street),
        mask_name(customer.name),
        mask_phone(customer.phone),
        is_revealed=False,
    )


def mask_street(street: str) -> str:
    """The street without what leads to the door: the first six characters."""
    return f"{street[:6]}***" if len(street) > 6 else f"{street[:2]}***"


def shown_lines(order: Order) -> list[ShownLine]:
    return [
        ShownLine(
            line,
            money(line.unit_price, order.currency),
            money(line.unit_price * line.quantity, order.currency),
            _gap(line, order.currency),
        )
        for line in order.lines.select_related("sku").order_by("position")
    ]


def _gap(line: OrderLine, currency: str) -> str:
    if line.settlement_price is None or line.settlement_price == line.unit_price:
        return ""
    difference = line.unit_price - line.settlement_price
    sign = "+" if difference > 0 else "−"
    return sign + money(abs(difference), currency)


def shown_coupons(order: Order) -> list[dict[str, Any]]:
    return [
        {
            "type": coupon.get("type", ""),
            "code": coupon.get("code", ""),
            "discount": money(Decimal(str(coupon.get("discount", "0"))), order.currency),
        }
        for coupon in order.coupons
        if isinstance(coupon, dict)
    ]


def traits(order: Order) -> list[str]:
    """What makes the order other than ordinary, in words."""
    found = []
    if order.urgent:
        found.append(_("urgent"))
    if order.presale:
        found.append(_("presale"))
    if order.livestream_room:
        found.append(_("livestream"))
    if order.gift_for_number:
        found.append(_("gift"))
    if order.parent_number:
        found.append(_("child order"))
    return found
