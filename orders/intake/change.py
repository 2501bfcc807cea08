"""The shape and the checks of a change to key fields; pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Protocol

from django.utils.translation import gettext as _
from pydantic import Field, ValidationError

from orders.divisions import Place, UnknownPlace, normalise_place
from orders.errors import FieldError, InvalidOrder
from orders.intake.checks import CLOCK_TOLERANCE, ContactPhone, check_phone
from orders.intake.document import (
    Document,
    Filled40,
    Filled120,
    Filled255,
    Instant,
    Text40,
    Text60,
    Text120,
    Text128,
    Text2000,
    field_error,
)
from orders.phones import mask_phone

PLAIN = ("invoice_title", "delivery_slot", "buyer_remark", "seller_remark", "urgent", "paid_at")
KEY_FIELDS = frozenset({"ship_to", "invoice_title", "delivery_slot"})
"""What a warehouse works by: once it has the order, it is asked to stop before these change."""


class HasFields(Protocol):
    placed_at: datetime
    paid_at: datetime | None
    ship_name: str
    ship_phone: str
    ship_phone_masked: str
    ship_phone_hash: str
    province: str
    city: str
    district: str
    street: str


class AddressChange(Document):
    """Any part of the address or the recipient; parts left out stay as they are."""

    name: Filled120 = ""
    phone: Text40 = ""
    phone_hash: Text128 = ""
    province: Filled40 = ""
    city: Text60 = ""
    district: Text60 = ""
    street: Filled255 = ""


class ChangeDocument(Document):
    """The key fields that may be changed; a field left out stays as it is."""

    ship_to: AddressChange | None = None
    invoice_title: Text120 = ""
    delivery_slot: Text60 = ""
    buyer_remark: Text2000 = ""
    seller_remark: Text2000 = ""
    urgent: bool = False
    paid_at: Instant | None = Field(default=None)

    def address_values(self, order: HasFields) -> dict[str, str]:
        """The order's address columns that the change names, with their new values.

        A masked phone that hides the number on record says nothing new. Raises InvalidOrder.
        """
        given = self.ship_to.model_fields_set if self.ship_to is not None else frozenset[str]()
        if self.ship_to is None or not given:
            return {}
        values: dict[str, str] = {}
        if given & {"province", "city", "district"}:
            values |= self._resolved_place(order)._asdict()
        if "street" in given:
            values["street"] = self.ship_to.street
        if "name" in given:
            values["ship_name"] = self.ship_to.name
        if given & {"phone", "phone_hash"}:
            phone = self._resolved_phone(order)
            values |= {
                "ship_phone": phone.number,
                "ship_phone_masked": phone.masked,
                "ship_phone_hash": phone.hash,
            }
        return values

    def differing(self, order: HasFields) -> dict[str, Any]:
        """The fields, as JSON, whose values are not what the order has already.

        Raises InvalidOrder for a place, a phone or a time of payment that cannot be.
        """
        wanted = self.model_dump(mode="json", exclude_unset=True)
        result = {}
        for name, value in wanted.items():
            if name == "ship_to":
                new = self.address_values(order)
                changed = any(getattr(order, column) != item for column, item in new.items())
            else:
                changed = getattr(self, name) != getattr(order, name)
            if changed:
                result[name] = value
        return result

    def check_payment(self, order: HasFields, now: datetime) -> None:
        """Raises InvalidOrder for a payment in the future or before the order was placed."""
        if self.paid_at is None:
            return
        if self.paid_at > now + CLOCK_TOLERANCE:
            message = _("The time lies in the future; check clock and time zone.")
            raise InvalidOrder([FieldError("paid_at", "future", message)])
        if self.paid_at < order.placed_at:
            message = _("Paid before it was placed.")
            raise InvalidOrder([FieldError("paid_at", "before_placed", message)])

    def _resolved_place(self, order: HasFields) -> Place:
        assert self.ship_to is not None
        given = self.ship_to.model_fields_set
        parts = [
            getattr(self.ship_to if name in given else order, name)
            for name in ("province", "city", "district")
        ]
        try:
            return normalise_place(*parts)
        except UnknownPlace as unknown:
            path = f"ship_to.{unknown.field}"
            raise InvalidOrder([FieldError(path, unknown.code, str(unknown.message))]) from None

    def _resolved_phone(self, order: HasFields) -> ContactPhone:
        assert self.ship_to is not None
        on_record = ContactPhone(order.ship_phone, order.ship_phone_masked, order.ship_phone_hash)
        if "phone" not in self.ship_to.model_fields_set:
            return ContactPhone(on_record.number, on_record.masked, self.ship_to.phone_hash)
        errors: list[FieldError] = []
        platform_hash = self.ship_to.phone_hash or order.ship_phone_hash
        phone = check_phone("ship_to.phone", self.ship_to.phone, self.ship_to.phone_hash, errors)
        if errors:
            raise InvalidOrder(errors)
        if phone.masked and phone.masked in (on_record.masked, mask_phone(on_record.number)):
            return ContactPhone(on_record.number, on_record.masked, platform_hash)
        return phone


def read_change(raw: Mapping[str, Any]) -> ChangeDocument:
    """The change in `raw` (decoded JSON). Raises InvalidOrder naming every bad field."""
    try:
        return ChangeDocument.model_validate(dict(raw))
    except ValidationError as error:
        raise InvalidOrder(
            [field_error(item) for item in error.errors(include_url=False, include_input=False)]
        ) from None
