"""Who an order of the sample goes to, and the ways in which a platform or a buyer writes that."""

from typing import Any

from config.demo.sample_customers import customers, external_id
from config.demo.sample_goods import Invoice, read_invoices
from config.demo.sample_lists import (
    BLOCKED_ADDRESSES,
    BLOCKED_PHONES,
    EMBARGOED,
    LIMITED_PROVINCES,
)
from config.demo.sample_people import (
    draw,
    home_of,
    masked,
    pick,
    place_in,
    platform_hash,
    street_of,
)
from config.demo.sample_roles import LIMITED_SKU, cast
from orders.divisions import Place
from orders.phones import mask_name

Document = dict[str, Any]

XINJIANG = "新疆维吾尔自治区"
# Served from the southern warehouse, which never holds what runs short.
SOUTHERN_PROVINCES = ("广东省", "广西壮族自治区", "海南省")
MASKED_PERCENT = 35
FULL_WIDTH = str.maketrans("0123456789", "０１２３４５６７８９")


class Contacts:
    """Recipients and addresses of the sample's invoices."""

    def __init__(self, seed: int, days: int) -> None:
        self.seed = seed
        self.cast = cast(seed)
        self.customers = customers(seed, days)
        self.scarce_buyers = self.cast.scarce_buyers
        self.limited_buyers = {i.customer for i in read_invoices() if LIMITED_SKU in i.skus}

    def _draw(self, below: int, purpose: str, invoice: Invoice) -> int:
        return draw(below, self.seed, purpose, invoice.number)

    def address(self, invoice: Invoice) -> tuple[Place, str]:
        """The district and street to which the order goes."""
        role = self.cast.role(invoice)
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

    def document(self, invoice: Invoice, place: Place, street: str, *, hides: bool) -> Document:
        """The members `customer` and `ship_to`; `hides` where the platform masks some buyers."""
        role = self.cast.role(invoice)
        buyer = self.customers[external_id(invoice)]
        own = {"name": buyer.name, "phone": buyer.phone}
        recipient = dict(own)
        if role.kind == "blocklist-phone":
            recipient["phone"] = pick(BLOCKED_PHONES, self.seed, invoice.number)
        if hides and self._draw(100, "masked", invoice) < MASKED_PERCENT:
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
