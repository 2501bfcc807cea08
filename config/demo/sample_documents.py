"""Turns a real invoice into the order document that a shop platform would send."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from config.demo.sample_clock import shifted
from config.demo.sample_contacts import XINJIANG, Contacts
from config.demo.sample_customers import customers, external_id, small_hours
from config.demo.sample_goods import (
    LENS,
    LENS_PRICE,
    MILK,
    MILK_PRICE,
    Invoice,
    InvoiceLine,
    is_fragile,
    read_invoices,
    temperature,
)
from config.demo.sample_people import (
    company_of,
    draw,
    pick,
)
from config.demo.sample_roles import GAP_CHANNEL, Role, cast
from orders.divisions import Place

Document = dict[str, Any]

SPREE_COUPON = {"code": "M299-100", "type": "满299减100", "discount": Decimal(100)}
SHIPPING, FREE_SHIPPING_FROM = Decimal("8.00"), Decimal(99)
PREFIXES = {"douyin": "DY", "tmall": "TM", "jd": "JD", "app": "APP", "subscription": "SUB"}
# In per cent of the orders whose part does not decide the channel.
CHANNEL_SHARES = ["douyin"] * 38 + ["tmall"] * 27 + ["jd"] * 20 + ["app"] * 15
ROLE_CHANNELS = {
    "livestream": "douyin",
    "subscription": "subscription",
    "employee-purchase": "app",
    "employee": "app",
    "price-gap": GAP_CHANNEL,
}
MASKING_CHANNELS = ("douyin", "tmall")
ROOMS = ("liveroom-618", "liveroom-1111", "liveroom-newyear")
REMARKS = (
    "请工作日送货",
    "不要放快递柜，谢谢",
    "送朋友的生日礼物，请附贺卡",
    "周末送达，电话联系",
    "外包装请完好",
)
INTERVALS = (7, 14, 28)


class Writer:
    """Writes one document an invoice; the same seed and dates give the same bytes."""

    def __init__(self, seed: int, days: int) -> None:
        self.seed = seed
        self.days = days
        self.cast = cast(seed)
        self.customers = customers(seed, days)
        self.invoices = {invoice.number: invoice for invoice in read_invoices()}
        self.contacts = Contacts(seed, days)

    def document(self, invoice: Invoice) -> Document:
        role = self.cast.role(invoice)
        lines = invoice.lines + self._own_goods(invoice, role)
        goods = sum((line.quantity * line.unit_price for line in lines), Decimal("0.00"))
        place, street = self.contacts.address(invoice)
        channel = self._channel(invoice)
        coupons = self._coupons(invoice, role, goods, place)
        discount = sum((coupon["discount"] for coupon in coupons), Decimal("0.00"))
        shipping = Decimal("0.00") if role.kind == "gift" else _shipping(goods)
        at = small_hours(invoice, self.seed) if role.kind == "lens" else invoice.at
        placed_at = shifted(at, self.days)
        paid_at = placed_at + timedelta(seconds=15 + self._draw(585, "paid", invoice))
        return {
            "number": self._number(invoice),
            "channel": channel,
            "placed_at": placed_at.isoformat(),
            "paid_at": paid_at.isoformat(),
            "currency": "CNY",
            "urgent": role.kind == "urgent",
            "presale": role.kind == "presale",
            "livestream_room": self._room(invoice, role),
            "parent": self._main(role, "child"),
            "gift_for": self._main(role, "gift"),
            **self.contacts.document(invoice, place, street, hides=channel in MASKING_CHANNELS),
            "lines": [
                {
                    "sku": line.sku,
                    "quantity": line.quantity,
                    "unit_price": _money(line.unit_price),
                    "is_gift": role.kind == "gift",
                }
                for line in lines
            ],
            "coupons": [coupon | {"discount": _money(coupon["discount"])} for coupon in coupons],
            "goods_total": _money(goods),
            "discount_total": _money(discount),
            "shipping_total": _money(shipping),
            "grand_total": _money(goods - discount + shipping),
            "buyer_remark": self._seldom(8, "remark", invoice)
            and pick(REMARKS, self.seed, invoice.number),
            "seller_remark": "",
            "invoice_title": self._seldom(6, "invoice", invoice)
            and company_of(place, self.seed, invoice.customer),
            "delivery_slot": None,
            "deliveries": self._deliveries(invoice, role, placed_at),
        }

    def _draw(self, below: int, purpose: str, invoice: Invoice) -> int:
        return draw(below, self.seed, purpose, invoice.number)

    def _seldom(self, percent: int, purpose: str, invoice: Invoice) -> str:
        """A truthy text in so many of a hundred orders, else the empty one."""
        return purpose if self._draw(100, purpose, invoice) < percent else ""

    def _channel(self, invoice: Invoice) -> str:
        role = self.cast.role(invoice)
        if role.main:
            return self._channel(self.invoices[role.main])
        if role.kind in ROLE_CHANNELS:
            return ROLE_CHANNELS[role.kind]
        channel = CHANNEL_SHARES[self._draw(100, "channel", invoice)]
        if channel == GAP_CHANNEL and self.cast.gap_sku in invoice.skus:
            return "app"
        return channel

    def _number(self, invoice: Invoice) -> str:
        return f"{PREFIXES[self._channel(invoice)]}-{invoice.number}"

    def _main(self, role: Role, kind: str) -> str | None:
        return self._number(self.invoices[role.main]) if role.kind == kind else None

    def _room(self, invoice: Invoice, role: Role) -> str | None:
        return pick(ROOMS, self.seed, invoice.number) if role.kind == "livestream" else None

    def _own_goods(self, invoice: Invoice, role: Role) -> tuple[InvoiceLine, ...]:
        """The brand's own lens or milk powder, added to a real order."""
        if role.kind == "lens":
            return (InvoiceLine(LENS, 1, LENS_PRICE),)
        if role.kind == "milk":
            return (InvoiceLine(MILK, 1 + self._draw(4, "milk", invoice), MILK_PRICE),)
        return ()

    def _coupons(
        self, invoice: Invoice, role: Role, goods: Decimal, place: Place
    ) -> list[dict[str, Any]]:
        if role.kind == "gift":
            return [{"code": "GIFT", "type": "赠品券", "discount": goods}]
        if role.kind == "xinjiang-coupon":
            return [dict(SPREE_COUPON)]
        if role.kind == "too-many-coupons":
            return [_shop_coupon(n) for n in range(5)]
        if role.kind == "employee" or (
            role.kind == "employee-purchase" and self._is_guest(invoice)
        ):
            return [{"code": "STAFF", "type": "内购", "discount": Decimal(1)}]
        if role.kind == "employee-purchase":
            return []
        if role.kind == "livestream" and goods >= 60:
            return [{"code": "LIVE10", "type": "直播券", "discount": Decimal(10)}]
        if not self._seldom(35, "coupon", invoice):
            return []
        if goods >= 299 and place.province != XINJIANG:
            return [dict(SPREE_COUPON)]
        return [
            _shop_coupon(n) for n in range(1 + self._draw(2, "coupons", invoice)) if goods >= 60
        ]

    def _is_guest(self, invoice: Invoice) -> bool:
        return not self.customers[external_id(invoice)].is_employee

    def _deliveries(self, invoice: Invoice, role: Role, placed_at: datetime) -> list[Document]:
        """Batches still to come; the units of each line are spread over them."""
        if role.kind != "subscription":
            return []
        count, interval = 2 + self._draw(3, "batches", invoice), pick(INTERVALS, invoice.number)
        today = shifted(read_invoices()[-1].at, self.days).date()
        first = max(today, placed_at.date()) + timedelta(days=3 + self._draw(7, "first", invoice))
        return [
            {
                "date": (first + timedelta(days=n * interval)).isoformat(),
                "lines": [
                    {"sku": line.sku, "quantity": _share(line.quantity, count, n)}
                    for line in invoice.lines
                ],
            }
            for n in range(count)
        ]


def lane_of(document: Document) -> str:
    """The lane that the starter rules assign, once nothing holds the order."""
    skus = [line["sku"] for line in document["lines"]]
    lanes = (
        ("presale", document["presale"]),
        ("cold_chain", any(temperature(sku) != "ambient" for sku in skus)),
        ("urgent", document["urgent"]),
        ("gift", document["gift_for"]),
        ("livestream", document["livestream_room"]),
        ("fragile", any(map(is_fragile, skus))),
    )
    return next((lane for lane, applies in lanes if applies), "standard")


def _money(amount: Decimal) -> str:
    return f"{amount:.2f}"


def _shipping(goods: Decimal) -> Decimal:
    return Decimal("0.00") if goods >= FREE_SHIPPING_FROM else SHIPPING


def _shop_coupon(n: int) -> dict[str, Any]:
    return {"code": f"SHOP-{n + 1}", "type": "店铺券", "discount": Decimal(5)}


def _share(units: int, parts: int, n: int) -> int:
    """Part n of the units, the first parts taking what does not divide."""
    return units // parts + (n < units % parts)
