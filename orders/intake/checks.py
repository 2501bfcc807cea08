"""Whether an order document makes sense: amounts, times, address, phones, references."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from django.utils.translation import gettext as _

from orders.divisions import Place, UnknownPlace, normalise_place
from orders.errors import FieldError
from orders.intake.document import OrderDocument
from orders.phones import InvalidPhone, parse_phone
from orders.totals import goods_total
from rules.normalization import skeleton

CLOCK_TOLERANCE = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class SkuRef:
    """What intake needs of a SKU.

    `settlement` maps a channel's id to its settlement price, `free` a warehouse's id to the units
    that were free when it was read, without a lock.
    """

    id: int
    code: str
    category: str
    temperature: str
    is_fragile: bool
    high_price_threshold: Decimal | None
    presale_ship_date: date | None
    is_active: bool
    settlement: Mapping[int, Decimal]
    free: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class References:
    """The records that a batch of documents may name.

    `linked_coupons` has each channel that ties coupons to main stock, by its code, and those of
    its coupons that a document names.
    """

    channels: Mapping[str, int]
    skus: Mapping[str, SkuRef]
    warehouses: Mapping[str, int]
    couriers: Mapping[str, int]
    packagings: Mapping[str, int]
    currency: str
    linked_coupons: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContactPhone:
    """A phone for storage: exactly one of number and masked is set, or neither."""

    number: str = ""
    masked: str = ""
    hash: str = ""

    @property
    def comparable(self) -> str:
        """What lists are compared with: the number, or the platform's hash when it is masked."""
        return self.number or self.hash


@dataclass(frozen=True, slots=True)
class CheckedOrder:
    """A document that may be stored, with its address, phones and references resolved."""

    document: OrderDocument
    body_hash: str
    channel_id: int
    place: Place
    phone: ContactPhone
    customer_phone: ContactPhone
    address_key: str
    skus: tuple[SkuRef, ...]


def _add(found: list[FieldError], path: str, code: str, message: object) -> None:
    found.append(FieldError(path, code, str(message)))


def address_key(place: Place, street: str) -> str:
    """One key for all spellings of one address, 32 hex digits."""
    text = skeleton("".join(place) + street)
    return hashlib.sha256("".join(filter(str.isalnum, text)).encode()).hexdigest()[:32]


def check_order(
    document: OrderDocument, body_hash: str, references: References, now: datetime
) -> CheckedOrder | list[FieldError]:
    """The order ready for storage, or everything that is wrong with it."""
    found: list[FieldError] = []
    _check_times(document, now, found)
    _check_amounts(document, references.currency, found)
    place = _check_place(document, found)
    phone = check_phone("ship_to.phone", document.ship_to.phone, document.ship_to.phone_hash, found)
    customer_phone = check_phone(
        "customer.phone", document.customer.phone, document.customer.phone_hash, found
    )
    channel_id = references.channels.get(document.channel)
    if channel_id is None:
        _add(found, "channel", "unknown_channel", _("There is no such sales channel."))
    skus = _check_skus(document, references, found)
    _check_links(document, found)
    _check_deliveries(document, found)
    if found or channel_id is None or place is None:
        return found
    return CheckedOrder(
        document=document,
        body_hash=body_hash,
        channel_id=channel_id,
        place=place,
        phone=phone,
        customer_phone=customer_phone,
        address_key=address_key(place, document.ship_to.street),
        skus=skus,
    )


def _check_times(document: OrderDocument, now: datetime, found: list[FieldError]) -> None:
    latest = now + CLOCK_TOLERANCE
    for path, moment in (
        ("placed_at", document.placed_at),
        ("paid_at", document.paid_at),
        ("customer.registered_at", document.customer.registered_at),
    ):
        if moment is not None and moment > latest:
            _add(
                found, path, "future", _("The time lies in the future; check clock and time zone.")
            )
        elif moment is not None and moment.year < 2000:
            _add(found, path, "too_old", _("The time lies before the year 2000."))
    if document.paid_at is not None and document.paid_at < document.placed_at:
        _add(found, "paid_at", "before_placed", _("Paid before it was placed."))


def _check_amounts(document: OrderDocument, currency: str, found: list[FieldError]) -> None:
    if document.currency != currency:
        _add(
            found,
            "currency",
            "currency_mismatch",
            _("This shop sells in %(currency)s.") % {"currency": currency},
        )
    goods = goods_total((line.quantity, line.unit_price) for line in document.lines)
    if goods != document.goods_total:
        _add(
            found,
            "goods_total",
            "does_not_add_up",
            _("The lines add up to %(sum)s.") % {"sum": goods},
        )
    grand = document.goods_total - document.discount_total + document.shipping_total
    if grand < 0:
        _add(found, "discount_total", "too_large", _("The discount exceeds goods and shipping."))
    elif grand != document.grand_total:
        _add(
            found,
            "grand_total",
            "does_not_add_up",
            _("Goods less discount plus shipping is %(sum)s.") % {"sum": grand},
        )
    coupons = sum((coupon.discount for coupon in document.coupons), Decimal(0))
    if coupons > document.discount_total:
        _add(
            found,
            "discount_total",
            "does_not_add_up",
            _("The coupons alone take off %(sum)s.") % {"sum": coupons},
        )


def _check_place(document: OrderDocument, found: list[FieldError]) -> Place | None:
    ship_to = document.ship_to
    try:
        return normalise_place(ship_to.province, ship_to.city, ship_to.district)
    except UnknownPlace as unknown:
        _add(found, f"ship_to.{unknown.field}", unknown.code, unknown.message)
        return None


def check_phone(path: str, text: str, platform_hash: str, found: list[FieldError]) -> ContactPhone:
    """The phone as it is stored; what is neither a number nor masked is added to `found`."""
    if not text:
        return ContactPhone(hash=platform_hash)
    try:
        phone = parse_phone(text)
    except InvalidPhone as invalid:
        _add(found, path, invalid.code, invalid.message)
        return ContactPhone()
    if phone.is_masked:
        return ContactPhone(masked=phone.value, hash=platform_hash)
    value = f"{phone.value}-{phone.extension}" if phone.extension else phone.value
    return ContactPhone(number=value, hash=platform_hash)


def _check_skus(
    document: OrderDocument, references: References, found: list[FieldError]
) -> tuple[SkuRef, ...]:
    skus = []
    for index, line in enumerate(document.lines):
        sku = references.skus.get(line.sku)
        if sku is None:
            _add(found, f"lines[{index}].sku", "unknown_sku", _("There is no such SKU."))
        elif not sku.is_active:
            _add(found, f"lines[{index}].sku", "inactive_sku", _("This SKU is no longer sold."))
        else:
            skus.append(sku)
    return tuple(skus)


def _check_links(document: OrderDocument, found: list[FieldError]) -> None:
    for path, number in (("parent", document.parent), ("gift_for", document.gift_for)):
        if number == document.number:
            _add(found, path, "itself", _("An order cannot name itself."))


def _check_deliveries(document: OrderDocument, found: list[FieldError]) -> None:
    ordered: dict[str, int] = {}
    for line in document.lines:
        ordered[line.sku] = ordered.get(line.sku, 0) + line.quantity
    days = [delivery.date for delivery in document.deliveries]
    if len(set(days)) != len(days):
        _add(found, "deliveries", "same_day_twice", _("Two deliveries have the same date."))
    if days and min(days) < document.placed_at.date():
        message = _("A delivery lies before the day the order was placed.")
        _add(found, "deliveries", "before_placed", message)
    named = [bool(delivery.lines) for delivery in document.deliveries]
    if not days:
        return
    if any(named) and not all(named):
        _add(
            found, "deliveries", "lines_missing", _("Give the lines of every delivery, or of none.")
        )
    elif any(named):
        planned: dict[str, int] = {}
        for delivery in document.deliveries:
            for share in delivery.lines:
                planned[share.sku] = planned.get(share.sku, 0) + share.quantity
        if planned != ordered:
            _add(
                found,
                "deliveries",
                "does_not_add_up",
                _("The deliveries together must hold exactly the units ordered."),
            )
    elif any(quantity % len(days) for quantity in ordered.values()):
        _add(
            found,
            "deliveries",
            "does_not_divide",
            _("The units cannot be spread evenly; give the lines of each delivery."),
        )
