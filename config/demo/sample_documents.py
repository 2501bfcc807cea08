"""Turns a real invoice into the order document that a shop platform would send."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from config.demo.sample_clock import shifted
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
from config.demo.sample_lists import (
    BLOCKED_ADDRESSES,
    BLOCKED_PHONES,
    EMBARGOED,
    LIMITED_PROVINCES,
)
from config.demo.sample_people import (
    company_of,
    draw,
    home_of,
    masked,
    pick,
    place_in,
    platform_hash,
    street_of,
)
from config.demo.sample_roles import GAP_CHANNEL, LIMITED_SKU, Role, cast
from orders.divisions import Place
from orders.phones import mask_name

Document = dict[str, Any]

# Served from the southern warehouse, which never holds what runs short.
SOUTHERN_PROVINCES = ("广东省", "广西壮族自治区", "海南省")
XINJIANG = "新疆维吾尔自治区"
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
ROOMS = ("liveroom-618", "liveroom-1111", "liveroom-newyear")
MASKED_PERCENT, MASKING_CHANNELS = 35, ("douyin", "tmall")
REMARKS = (
    "请工作日送货",
    "不要放快递柜，谢谢",
    "送朋友的生日礼物，请附贺卡",
    "周末送达，电话联系",
    "外包装请完好",
)
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")
INTERVALS = (7, 14, 28)


class Writer:
    """Writes one document an invoice; the same seed and dates give the same bytes."""

    def __init__(self, seed: int, days: int) -> None:
        self.seed = seed
        self.days = days
        self.cast = cast(seed)
        self.customers = customers(seed, days)
        self.invoices = {invoice.number: invoice for invoice in read_invoices()}
        self.scarce_buyers = self.cast.scarce_buyers
        self.limited_buyers = {i.customer for i in read_invoices() if LIMITED_SKU in i.skus}

    def document(self, invoice: Invoice) -> Document:
        role = self.cast.role(invoice)
        lines = invoice.lines + self._own_goods(invoice, role)
        goods = sum((line.quantity * line.unit_price for line in lines), Decimal("0.00"))
        place, street = self._address(invoice, role)
        coupons = self._coupons(invoice, role, goods, place)
        discount = sum((coupon["discount"] for coupon in coupons), Decimal("0.00"))
        shipping = Decimal("0.00") if role.kind == "gift" else _shipping(goods)
        at = small_hours(invoice, self.seed) if role.kind == "lens" else invoice.at
        placed_at = shifted(at, self.days)
        paid_at = placed_at + timedelta(seconds=15 + self._draw(585, "paid", invoice))
        return {
            "number": self._number(invoice),
            "channel": self._channel(invoice),
            "placed_at": placed_at.isoformat(),
            "paid_at": paid_at.isoformat(),
            "currency": "CNY",
            "urgent": role.kind == "urgent",
            "presale": role.kind == "presale",
            "livestream_room": self._room(invoice, role),
            "parent": self._main(role, "child"),
            "gift_for": self._main(role, "gift"),
            **self._people(invoice, role, place, street),
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
            "buyer_remark": self._seldom(8, "remark", invoice) and pick(REMARKS, invoice.number),
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

    def _address(self, invoice: Invoice, role: Role) -> tuple[Place, str]:
        key = (self.seed, invoice.number)
        street = street_of(self.seed, invoice.customer)
        if role.kind == "xinjiang-coupon":
            return place_in(XINJIANG, *key), street
        if role.kind == "embargo-region":
            return place_in(pick(EMBARGOED, *key), *key), street
        if role.kind == "regional-limit":
            return place_in(pick(LIMITED_PROVINCES, *key), *key), street
        if role.kind == "blocklist-address":
            place, blocked = pick(BLOCKED_ADDRESSES, *key)
            return place, _spelt_differently(blocked, self._draw(3, "spelling", invoice))
        without: tuple[str, ...] = ()
        if invoice.customer in self.limited_buyers:
            without += LIMITED_PROVINCES
        if invoice.customer in self.scarce_buyers:
            without += SOUTHERN_PROVINCES
        return home_of(self.seed, invoice.customer, without=without), street

    def _people(self, invoice: Invoice, role: Role, place: Place, street: str) -> Document:
        buyer = self.customers[external_id(invoice)]
        own = {"name": buyer.name, "phone": buyer.phone}
        recipient = dict(own)
        if role.kind == "blocklist-phone":
            recipient["phone"] = pick(BLOCKED_PHONES, self.seed, invoice.number)
        hides = self._channel(invoice) in MASKING_CHANNELS
        if hides and self._seldom(MASKED_PERCENT, "masked", invoice):
            own, recipient = _hidden(own), _hidden(recipient)
        else:
            way = self._draw(8, "phone", invoice)
            recipient["phone"] = _dialled_differently(recipient["phone"], way)
        registered = {"registered_at": buyer.registered_at.isoformat()}
        grade = {"crm_grade": buyer.crm_grade}
        written = self._written(place, invoice)
        return {
            "customer": {"external_id": buyer.external_id, **own, **registered, **grade},
            "ship_to": {**recipient, **written, "street": street},
        }

    def _written(self, place: Place, invoice: Invoice) -> dict[str, str]:
        """The place as buyers write it: one in eight leaves out the endings."""
        province, city, district = place
        if not self._draw(8, "spelt short", invoice):
            province = province.removesuffix("省")
            city = city.removesuffix("市") if len(city) > 2 else city
        return {"province": province, "city": city, "district": district}

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


def _hidden(person: dict[str, str]) -> dict[str, str]:
    phone = person["phone"]
    return {
        "name": mask_name(person["name"]),
        "phone": masked(phone),
        "phone_hash": platform_hash(phone),
    }


def _dialled_differently(phone: str, way: int) -> str:
    digits = phone.removeprefix("+86")
    ways = (digits, f"{digits[:3]} {digits[3:7]} {digits[7:]}", digits.translate(FULL_WIDTH))
    return ways[way] if way < len(ways) else phone


def _spelt_differently(street: str, way: int) -> str:
    return (street, street.translate(FULL_WIDTH), street.replace("路", "路 ").replace("号", " 号"))[
        way
    ]
