"""What the facts of an order are made from, whether it just arrived or lies in the database."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from orders.intake.checks import SkuRef
from rules.conditions import ListSnapshot


@dataclass(slots=True)
class History:
    """What happened before, in counts and in the shop's currency.

    `orders_…` and `lifetime_spend` leave cancelled orders out; for the address changes see
    orders.intake.moving.
    """

    address_orders_24h: int = 0
    customer_orders_24h: int = 0
    orders_180d: int = 0
    lifetime_spend: Decimal = Decimal(0)
    returns_180d: int = 0
    returns_30d: int = 0
    orders_30d: int = 0
    orders_total: int = 0
    cancelled_30d: int = 0
    address_changes_30d: int = 0


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
class UsedCoupon:
    code: str
    type: str
    discount: Decimal


@dataclass(frozen=True, slots=True)
class OrderView:
    """An order as the facts need it."""

    channel: str
    placed_at: datetime
    paid_at: datetime | None
    goods_total: Decimal
    discount_total: Decimal
    shipping_total: Decimal
    grand_total: Decimal
    urgent: bool
    presale: bool
    livestream_room: str
    is_gift: bool
    is_child: bool
    buyer_remark: str
    seller_remark: str
    invoice_title: str
    delivery_slot: str
    coupons: tuple[UsedCoupon, ...]
    ship_name: str
    ship_phone: str
    province: str
    city: str
    district: str
    street: str
    lines: tuple[FactLine, ...]
    buyer: Buyer


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known beside the order itself, the same for all orders of a batch.

    `zone` is the shop's, `today` its date, `now` the database's time; `lists` are the lists of
    regions that exist. `linked` maps the code of each channel that ties coupons to main stock to
    those of its coupons that were asked about.
    """

    zone: ZoneInfo
    now: datetime
    today: date
    lists: Mapping[str, ListSnapshot] = field(default_factory=dict)
    linked: Mapping[str, frozenset[str]] = field(default_factory=dict)
