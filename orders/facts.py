"""The facts an order carries into the rules: keys, types, labels, units and sources."""

from collections.abc import Iterable

from django.utils.translation import gettext_lazy as _

from orders.status import Temperature
from rules.facts import Fact, FactType, catalogue

YUAN, HOUR, PIECES = _("yuan"), _("o'clock"), _("pieces")
ORDER, ADDRESS, CUSTOMER, GOODS = _("order"), _("address"), _("customer"), _("goods")


def _channels() -> Iterable[tuple[str, str]]:
    from orders.models import Channel

    return Channel.objects.values_list("code", "name")


def _categories() -> Iterable[tuple[str, str]]:
    from orders.models import Sku

    found = Sku.objects.exclude(category="").order_by("category").values_list("category", flat=True)
    return [(name, name) for name in found.distinct()]


FACTS = (
    Fact("order.channel", FactType.CHOICE, _("sales channel"), source=ORDER, choices=_channels),
    Fact("order.grand_total", FactType.MONEY, _("amount paid"), YUAN, ORDER),
    Fact("order.goods_total", FactType.MONEY, _("goods total"), YUAN, ORDER),
    Fact("order.discount_total", FactType.MONEY, _("discount"), YUAN, ORDER),
    Fact("order.discount_share", FactType.NUMBER, _("discount as share of goods"), "", ORDER),
    Fact("order.placed_hour", FactType.NUMBER, _("time of day when placed"), HOUR, ORDER),
    Fact("order.paid_hour", FactType.NUMBER, _("time of day when paid"), HOUR, ORDER),
    Fact("order.is_paid", FactType.BOOL, _("paid"), source=ORDER),
    Fact("order.livestream_room", FactType.TEXT, _("livestream room"), source=ORDER),
    Fact("order.urgent", FactType.BOOL, _("urgent"), source=ORDER),
    Fact("order.presale", FactType.BOOL, _("presale order"), source=ORDER),
    Fact("order.is_gift", FactType.BOOL, _("gift order"), source=ORDER),
    Fact("order.is_child", FactType.BOOL, _("child order"), source=ORDER),
    Fact("order.line_count", FactType.NUMBER, _("number of lines"), "", ORDER),
    Fact("order.unit_count", FactType.NUMBER, _("number of units"), PIECES, ORDER),
    Fact("order.max_unit_price", FactType.MONEY, _("highest unit price"), YUAN, ORDER),
    Fact("order.max_line_quantity", FactType.NUMBER, _("most units of one SKU"), PIECES, ORDER),
    Fact(
        "order.price_gap",
        FactType.MONEY,
        _("largest gap to the channel's settlement price"),
        YUAN,
        _("settlement prices"),
    ),
    Fact("order.invoice_title", FactType.TEXT, _("invoice title"), source=ORDER),
    Fact("order.buyer_remark", FactType.TEXT, _("buyer's remark"), source=ORDER),
    Fact("order.seller_remark", FactType.TEXT, _("seller's remark"), source=ORDER),
    Fact("coupon.types", FactType.SET, _("coupon types"), source=ORDER),
    Fact("coupon.codes", FactType.SET, _("coupon codes"), source=ORDER),
    Fact("coupon.count", FactType.NUMBER, _("number of coupons"), "", ORDER),
    Fact("goods.skus", FactType.SET, _("SKUs"), source=GOODS),
    Fact("goods.categories", FactType.SET, _("categories"), source=GOODS, choices=_categories),
    Fact(
        "goods.temperature_classes",
        FactType.SET,
        _("temperature classes"),
        source=GOODS,
        choices=tuple(Temperature.choices),
    ),
    Fact("goods.fragile", FactType.BOOL, _("contains fragile goods"), source=GOODS),
    Fact("goods.presale", FactType.BOOL, _("contains presale goods"), source=GOODS),
    Fact("goods.high_price", FactType.BOOL, _("contains high-priced goods"), source=GOODS),
    Fact("ship_to.province", FactType.TEXT, _("province"), source=ADDRESS),
    Fact("ship_to.city", FactType.TEXT, _("city"), source=ADDRESS),
    Fact("ship_to.district", FactType.TEXT, _("district"), source=ADDRESS),
    Fact("ship_to.street", FactType.TEXT, _("street address"), source=ADDRESS, personal=True),
    Fact("ship_to.address", FactType.TEXT, _("whole address"), source=ADDRESS, personal=True),
    Fact("ship_to.name", FactType.TEXT, _("recipient"), source=ADDRESS, personal=True),
    Fact("ship_to.phone", FactType.TEXT, _("recipient's phone"), source=ADDRESS, personal=True),
    Fact(
        "ship_to.orders_24h",
        FactType.NUMBER,
        _("orders to this address in 24 hours"),
        "",
        _("order history"),
    ),
    Fact("customer.external_id", FactType.TEXT, _("customer number"), source=CUSTOMER),
    Fact("customer.account_age_hours", FactType.NUMBER, _("account age"), _("hours"), CUSTOMER),
    Fact("customer.crm_grade", FactType.CHOICE, _("CRM grade"), source=CUSTOMER),
    Fact("customer.employee", FactType.BOOL, _("employee"), source=CUSTOMER),
    Fact(
        "customer.orders_24h",
        FactType.NUMBER,
        _("the customer's orders in 24 hours"),
        "",
        _("order history"),
    ),
    Fact("customer.lifetime_spend", FactType.MONEY, _("lifetime spend"), YUAN, _("order history")),
    Fact(
        "customer.return_rate_180d",
        FactType.NUMBER,
        _("return rate of 180 days"),
        "",
        _("return history"),
    ),
    Fact("customer.returns_30d", FactType.NUMBER, _("returns in 30 days"), "", _("return history")),
    Fact("customer.sign_for_rate", FactType.NUMBER, _("courier sign-for rate"), "", CUSTOMER),
    Fact("stock.shortage", FactType.BOOL, _("stock is short"), source=_("stock")),
)


def register_facts() -> None:
    """Make the facts known to the rules; called once when the app is ready."""
    for fact in FACTS:
        catalogue.register(fact)
