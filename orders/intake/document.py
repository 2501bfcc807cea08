"""The shape of an order document as it arrives; shape only, sense is checked in `checks`."""

import re
import unicodedata
from datetime import date
from decimal import Decimal
from typing import Annotated, Any

from django.utils.translation import gettext_lazy as _
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from orders.errors import FieldError, InvalidOrder

CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:#-]*", re.ASCII)
AMOUNT = re.compile(r"[0-9]{1,10}(\.[0-9]{1,2})?", re.ASCII)
INSTANT = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)?", re.ASCII
)
KEPT_CONTROLS = "\n\t"


def clean(text: str) -> str:
    """The text without control, zero-width and direction characters, ends trimmed.

    Such characters change what a person reads without changing what a program compares.
    """
    if not text.isprintable():
        text = "".join(
            char
            for char in text
            if char in KEPT_CONTROLS or unicodedata.category(char) not in {"Cc", "Cf", "Cs", "Co"}
        )
    return text.strip()


def _code(text: str) -> str:
    if not CODE.fullmatch(text):
        raise PydanticCustomError("code_characters", "code")
    return text


def _amount(value: Any) -> Decimal:
    if not isinstance(value, str) or not AMOUNT.fullmatch(value):
        raise PydanticCustomError("amount", "amount")
    return Decimal(value)


def _instant(value: Any) -> Any:
    if not isinstance(value, str) or not INSTANT.fullmatch(value):
        raise PydanticCustomError("instant", "instant")
    return value


def _day(value: Any) -> Any:
    if not isinstance(value, str) or not re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
        raise PydanticCustomError("day", "day")
    return value


AMOUNT_SCHEMA = {
    "type": "string",
    "pattern": r"^[0-9]{1,10}(\.[0-9]{1,2})?$",
    "examples": ["299.00"],
}
CODE_PATTERN = {"pattern": r"^[A-Za-z0-9][A-Za-z0-9._:#-]*$"}


Cleaned = AfterValidator(clean)
Text16 = Annotated[str, Cleaned, Field(max_length=16)]
Text40 = Annotated[str, Cleaned, Field(max_length=40)]
Text60 = Annotated[str, Cleaned, Field(max_length=60)]
Text64 = Annotated[str, Cleaned, Field(max_length=64)]
Text120 = Annotated[str, Cleaned, Field(max_length=120)]
Text128 = Annotated[str, Cleaned, Field(max_length=128)]
Text2000 = Annotated[str, Cleaned, Field(max_length=2000)]
Filled40 = Annotated[str, Cleaned, Field(min_length=1, max_length=40)]
Filled64 = Annotated[str, Cleaned, Field(min_length=1, max_length=64)]
Filled120 = Annotated[str, Cleaned, Field(min_length=1, max_length=120)]
Filled255 = Annotated[str, Cleaned, Field(min_length=1, max_length=255)]
Code = Annotated[
    str,
    Field(min_length=1, max_length=64, json_schema_extra=CODE_PATTERN),
    AfterValidator(_code),
]
Money = Annotated[Decimal, BeforeValidator(_amount), WithJsonSchema(AMOUNT_SCHEMA)]
Instant = Annotated[AwareDatetime, BeforeValidator(_instant), Field(strict=False)]
Day = Annotated[date, BeforeValidator(_day), Field(strict=False)]


class Document(BaseModel):
    """Unknown fields are refused: a misspelt one would be lost without a word."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class CustomerDocument(Document):
    """`phone` may be masked by the platform (138****0000); `phone_hash` is then its hash."""

    external_id: Code
    name: Text120 = ""
    phone: Text40 = ""
    phone_hash: Text128 = ""
    registered_at: Instant | None = None
    crm_grade: Text16 = ""


class AddressDocument(Document):
    name: Filled120
    phone: Text40 = ""
    phone_hash: Text128 = ""
    province: Filled40
    city: Text60 = ""
    district: Text60 = ""
    street: Filled255


class LineDocument(Document):
    sku: Code
    quantity: int = Field(ge=1, le=100_000)
    unit_price: Money
    is_gift: bool = False


class CouponDocument(Document):
    code: Filled64
    type: Filled64
    discount: Money


class DeliveryLineDocument(Document):
    sku: Code
    quantity: int = Field(ge=1, le=100_000)


class DeliveryDocument(Document):
    """One batch of a subscription; without `lines` the order's units are spread evenly."""

    date: Day
    lines: list[DeliveryLineDocument] = Field(default=[], max_length=200)


class OrderDocument(Document):
    """One paid order of a shop platform."""

    number: Code
    channel: Code
    placed_at: Instant
    paid_at: Instant | None = None
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    urgent: bool = False
    presale: bool = False
    livestream_room: Text64 | None = None
    parent: Code | None = None
    gift_for: Code | None = None
    customer: CustomerDocument
    ship_to: AddressDocument
    lines: list[LineDocument] = Field(min_length=1, max_length=200)
    coupons: list[CouponDocument] = Field(default=[], max_length=50)
    goods_total: Money
    discount_total: Money
    shipping_total: Money
    grand_total: Money
    buyer_remark: Text2000 = ""
    seller_remark: Text2000 = ""
    invoice_title: Text120 = ""
    delivery_slot: Text60 | None = None
    deliveries: list[DeliveryDocument] = Field(default=[], max_length=120)


MESSAGES = {
    "missing": _("This field is required."),
    "extra_forbidden": _("There is no such field."),
    "string_type": _("Expected text."),
    "int_type": _("Expected a whole number."),
    "int_from_float": _("Expected a whole number."),
    "bool_type": _("Expected true or false."),
    "list_type": _("Expected a list."),
    "model_type": _("Expected an object."),
    "model_attributes_type": _("Expected an object."),
    "greater_than_equal": _("Must be at least {ge}."),
    "less_than_equal": _("Must be at most {le}."),
    "string_too_short": _("Must not be empty."),
    "string_too_long": _("Must have at most {max_length} characters."),
    "too_short": _("Needs at least {min_length}."),
    "too_long": _("May have at most {max_length}."),
    "code_characters": _("May contain letters, digits and . _ : # - only."),
    "string_pattern_mismatch": _("Must be three capital letters, such as CNY."),
    "amount": _('Write the amount as text with at most two decimals, such as "299.00".'),
    "instant": _("Write the time like 2026-11-11T02:13:09+08:00."),
    "timezone_aware": _("The time has no zone; write it like 2026-11-11T02:13:09+08:00."),
    "day": _("Write the date like 2026-11-20."),
}
UNREADABLE = _("The value cannot be read.")


def _path(location: tuple[int | str, ...]) -> str:
    path = ""
    for part in location:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else part
    return path


def field_error(error: Any) -> FieldError:
    kind, context = error["type"], error.get("ctx") or {}
    if kind in {"too_short", "too_long"} and context.get("field_type") != "List":
        kind = f"string_{kind}"  # a text measured after cleaning
    message = str(MESSAGES.get(kind, UNREADABLE))
    for name, value in context.items():
        message = message.replace(f"{{{name}}}", str(value))
    return FieldError(_path(error["loc"]), kind, message)


def read_document(raw: Any) -> OrderDocument:
    """The order document in `raw` (decoded JSON). Raises InvalidOrder naming every bad field."""
    try:
        return OrderDocument.model_validate(raw)
    except ValidationError as error:
        raise InvalidOrder(
            [field_error(item) for item in error.errors(include_url=False, include_input=False)]
        ) from None
