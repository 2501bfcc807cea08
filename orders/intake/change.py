"""The shape and the checks of a change to key fields; pure."""

from collections.abc import Mapping
from typing import Any, Protocol

from pydantic import Field, ValidationError

from orders.divisions import Place, UnknownPlace, normalise_place
from orders.errors import FieldError, InvalidOrder
from orders.intake.checks import ContactPhone, check_phone
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


class HasPlace(Protocol):
    province: str
    city: str
    district: str


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

    def resolved_place(self, order: HasPlace) -> Place:
        """The official place after the change. Raises InvalidOrder when its parts do not fit."""
        ship_to = self.ship_to
        given = ship_to.model_fields_set if ship_to is not None else frozenset()
        if ship_to is None or not given & {"province", "city", "district"}:
            return Place(order.province, order.city, order.district)
        parts = [
            getattr(ship_to if name in given else order, name)
            for name in ("province", "city", "district")
        ]
        try:
            return normalise_place(*parts)
        except UnknownPlace as unknown:
            path = f"ship_to.{unknown.field}"
            raise InvalidOrder([FieldError(path, unknown.code, str(unknown.message))]) from None

    def resolved_phone(self) -> ContactPhone:
        """The phone as it is stored. Raises InvalidOrder."""
        if self.ship_to is None:
            return ContactPhone()
        errors: list[FieldError] = []
        phone = check_phone("ship_to.phone", self.ship_to.phone, self.ship_to.phone_hash, errors)
        if errors:
            raise InvalidOrder(errors)
        return phone


def read_change(raw: Mapping[str, Any]) -> ChangeDocument:
    """The change in `raw` (decoded JSON). Raises InvalidOrder naming every bad field."""
    try:
        return ChangeDocument.model_validate(dict(raw))
    except ValidationError as error:
        raise InvalidOrder(
            [field_error(item) for item in error.errors(include_url=False, include_input=False)]
        ) from None
