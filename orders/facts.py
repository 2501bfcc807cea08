"""The facts an order carries into the rules: keys, types, labels, units and sources."""

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext_lazy

from orders import fact_choices as known
from orders.region_lists import watch_region_lists
from orders.status import Temperature
from rules.facts import Fact, FactType, catalogue

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

YUAN, HOUR, HOURS, PIECES = _("yuan"), _("o'clock"), _("hours"), _("pieces")
ORDERS, LINES = pgettext_lazy("unit", "orders"), pgettext_lazy("unit", "lines")
COUPONS = pgettext_lazy("unit", "coupons")
CHANGES, RETURNS = pgettext_lazy("unit", "changes"), pgettext_lazy("unit", "returns")
ORDER, ADDRESS, CUSTOMER, GOODS = _("order"), _("address"), _("customer"), _("goods")
ORDER_HISTORY, RETURN_HISTORY = _("order history"), _("return history")
PRICES, STOCK, REGIONS = _("settlement prices"), _("stock"), _("address and lists")
LINKED = _("order and linked coupons")

_NOTHING, _DAY = Decimal(0), Decimal(24)


def _money(
    key: str, label: "StrOrPromise", source: "StrOrPromise" = ORDER, *, always: bool = True
) -> Fact:
    """An amount in the shop's currency, never negative."""
    return Fact(key, FactType.MONEY, label, YUAN, source, least=_NOTHING, always=always)


def _count(
    key: str,
    label: "StrOrPromise",
    unit: "StrOrPromise" = "",
    source: "StrOrPromise" = ORDER,
    *,
    least: int = 0,
) -> Fact:
    """A whole number from `least` up, known of every order."""
    bound = Decimal(least)
    return Fact(key, FactType.NUMBER, label, unit, source, whole=True, least=bound, always=True)


def _share(
    key: str, label: "StrOrPromise", source: "StrOrPromise", most: Decimal | None = None
) -> Fact:
    """A part of a whole: 0.25 is a quarter."""
    return Fact(key, FactType.NUMBER, label, "", source, least=_NOTHING, most=most)


def _clock(key: str, label: "StrOrPromise", *, always: bool) -> Fact:
    """A time of day in the shop, in hours: 2.5 is half past two."""
    return Fact(
        key,
        FactType.NUMBER,
        label,
        HOUR,
        ORDER,
        least=_NOTHING,
        most=_DAY,
        always=always,
        widget="clock",
    )


def _weekday(key: str, label: "StrOrPromise", *, always: bool) -> Fact:
    return Fact(
        key,
        FactType.CHOICE,
        label,
        source=ORDER,
        choices=known.WEEKDAY_CHOICES,
        always=always,
    )


def _bool(
    key: str, label: "StrOrPromise", source: "StrOrPromise" = ORDER, *, always: bool = True
) -> Fact:
    return Fact(key, FactType.BOOL, label, source=source, always=always)


def _region(
    key: str,
    label: "StrOrPromise",
    choices: Callable[[], Iterable[tuple[str, str]]],
    unknown: Callable[[frozenset[str]], frozenset[str]],
    *,
    always: bool = False,
) -> Fact:
    """A province, city or district by its official name."""
    return Fact(
        key,
        FactType.TEXT,
        label,
        source=ADDRESS,
        choices=choices,
        unknown=unknown,
        always=always,
        widget="region",
    )


_text = partial(Fact, type=FactType.TEXT, source=ORDER)
_personal = partial(Fact, type=FactType.TEXT, source=ADDRESS, personal=True)
_set = partial(Fact, type=FactType.SET, always=True)

FACTS = (
    Fact(
        "order.channel",
        FactType.CHOICE,
        _("sales channel"),
        source=ORDER,
        choices=known.channels,
        unknown=known.unknown_channels,
        always=True,
    ),
    _money("order.grand_total", _("amount paid")),
    _money("order.goods_total", _("goods total")),
    _money("order.discount_total", _("discount")),
    _money("order.shipping_total", _("shipping fee")),
    _share("order.discount_share", _("discount as share of goods"), ORDER),
    _clock("order.placed_hour", _("time of day when placed"), always=True),
    _clock("order.paid_hour", _("time of day when paid"), always=False),
    _weekday("order.placed_weekday", _("weekday when placed"), always=True),
    _weekday("order.paid_weekday", _("weekday when paid"), always=False),
    _bool("order.is_paid", _("paid")),
    _text("order.livestream_room", label=_("livestream room")),
    _bool("order.urgent", _("urgent")),
    _bool("order.presale", _("presale order")),
    _bool("order.is_gift", _("gift order")),
    _bool("order.is_child", _("child order")),
    _count("order.line_count", _("number of lines"), LINES, least=1),
    _count("order.unit_count", _("number of units"), PIECES, least=1),
    _money("order.max_unit_price", _("highest unit price")),
    _count("order.max_line_quantity", _("most units of one SKU"), PIECES, least=1),
    _money(
        "order.price_gap",
        _("largest gap to the channel's settlement price"),
        PRICES,
        always=False,
    ),
    _money(
        "order.price_gap_below",
        _("most below the channel's settlement price"),
        PRICES,
        always=False,
    ),
    _money(
        "order.price_gap_above",
        _("most above the channel's settlement price"),
        PRICES,
        always=False,
    ),
    _text("order.invoice_title", label=_("invoice title")),
    _text("order.delivery_slot", label=_("delivery slot")),
    _bool("order.has_remark", _("has a remark")),
    _text("order.buyer_remark", label=_("buyer's remark")),
    _text("order.seller_remark", label=_("seller's remark")),
    _set("coupon.types", label=_("coupon types"), source=ORDER),
    _set("coupon.codes", label=_("coupon codes"), source=ORDER),
    _count("coupon.count", _("number of coupons"), COUPONS),
    _money("coupon.discount_total", _("taken off by coupons")),
    _set("goods.skus", label=_("SKUs"), source=GOODS, unknown=known.unknown_skus),
    _set(
        "goods.categories",
        label=_("categories"),
        source=GOODS,
        choices=known.categories,
        unknown=known.unknown_categories,
    ),
    _set(
        "goods.temperature_classes",
        label=_("temperature classes"),
        source=GOODS,
        choices=tuple(Temperature.choices),
    ),
    _bool("goods.fragile", _("contains fragile goods"), GOODS),
    _bool("goods.presale", _("contains presale goods"), GOODS),
    _bool("goods.high_price", _("contains high-priced goods"), GOODS),
    _count("goods.gift_units", _("units that are gifts"), PIECES, GOODS),
    _region(
        "ship_to.province", _("province"), known.provinces, known.unknown_provinces, always=True
    ),
    _region("ship_to.city", _("city"), known.cities, known.unknown_cities),
    _region("ship_to.district", _("district"), known.districts, known.unknown_districts),
    _personal("ship_to.street", label=_("street address"), always=True),
    _personal("ship_to.address", label=_("whole address"), always=True),
    _personal("ship_to.name", label=_("recipient"), always=True),
    _personal("ship_to.phone", label=_("recipient's phone")),
    _bool("ship_to.embargoed", _("embargoed region"), REGIONS, always=False),
    _bool("ship_to.remote", _("remote region"), REGIONS, always=False),
    _bool("ship_to.unparseable", _("address that cannot be read"), ADDRESS),
    _count("ship_to.orders_24h", _("orders to this address in 24 hours"), ORDERS, ORDER_HISTORY),
    Fact(
        "customer.external_id",
        FactType.TEXT,
        _("customer number"),
        source=CUSTOMER,
        always=True,
    ),
    Fact(
        "customer.account_age_hours",
        FactType.NUMBER,
        _("account age"),
        HOURS,
        CUSTOMER,
        whole=True,
        least=_NOTHING,
    ),
    Fact(
        "customer.crm_grade",
        FactType.CHOICE,
        _("CRM grade"),
        source=CUSTOMER,
        choices=known.crm_grades,
    ),
    _bool("customer.employee", _("employee"), CUSTOMER),
    _bool("customer.is_new", _("first order of the customer"), ORDER_HISTORY),
    _count("customer.orders_total", _("the customer's earlier orders"), ORDERS, ORDER_HISTORY),
    _count("customer.orders_24h", _("the customer's orders in 24 hours"), ORDERS, ORDER_HISTORY),
    _count("customer.orders_30d", _("the customer's orders in 30 days"), ORDERS, ORDER_HISTORY),
    _count("customer.cancelled_30d", _("cancelled orders of 30 days"), ORDERS, ORDER_HISTORY),
    _count("customer.address_changes_30d", _("address changes in 30 days"), CHANGES, ORDER_HISTORY),
    _money("customer.lifetime_spend", _("lifetime spend"), ORDER_HISTORY),
    _share("customer.return_rate_180d", _("return rate of 180 days"), RETURN_HISTORY),
    _count("customer.returns_30d", _("returns in 30 days"), RETURNS, RETURN_HISTORY),
    _share("customer.sign_for_rate", _("courier sign-for rate"), CUSTOMER, Decimal(1)),
    _bool("stock.shortage", _("stock is short"), STOCK),
    _count("stock.units_short", _("units that are short"), PIECES, STOCK),
    _bool("stock.coupon_unlinked", _("coupon not tied to stock"), LINKED, always=False),
)


def register_facts() -> None:
    """Make the facts known to the rules; called once when the app is ready."""
    for fact in FACTS:
        catalogue.register(fact)
    watch_region_lists()
