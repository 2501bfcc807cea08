"""Bodies of the acts: their shapes, and reading them into values."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeVar

from django.utils.translation import gettext as _
from pydantic import AfterValidator, BaseModel, Field, ValidationError

from orders.errors import FieldError, InvalidOrder
from orders.intake.document import Document, Instant, clean, field_error

Shape = TypeVar("Shape", bound=BaseModel)
Reason = Annotated[str, AfterValidator(clean), Field(min_length=1, max_length=1000)]
MessageId = Annotated[str, AfterValidator(clean), Field(max_length=150)]
Waybill = Annotated[str, AfterValidator(clean), Field(max_length=64)]
Event = Literal["picked", "shipped", "delivered", "freeze_ack", "freeze_refused"]


class ReasonDocument(Document):
    """Why."""

    reason: Reason


class UpholdDocument(Document):
    """Why, and what follows: the order is cancelled, or waits for a correction."""

    reason: Reason
    follow_up: Literal["cancel", "correction"]


class ShipmentEventDocument(Document):
    """What happened to a parcel; `event_id` is the sender's own, the same when it repeats one."""

    event: Event
    event_id: MessageId = ""
    waybill: Waybill = ""
    at: Instant | None = None


def read(shape: type[Shape], raw: Any) -> Shape:
    """The body as the shape. Raises InvalidOrder naming every bad field."""
    try:
        return shape.model_validate(raw)
    except ValidationError as error:
        raise InvalidOrder(
            [_field_error(item) for item in error.errors(include_url=False, include_input=False)]
        ) from None


def as_object(raw: Any) -> Mapping[str, Any]:
    """The body, which must be an object. Raises InvalidOrder."""
    if not isinstance(raw, Mapping):
        raise InvalidOrder([FieldError("", "model_type", _("Expected an object."))])
    return raw


def _field_error(error: Any) -> FieldError:
    if error["type"] != "literal_error":
        return field_error(error)
    field = ".".join(str(part) for part in error["loc"])
    message = _("Expected one of: %(values)s.") % {"values": error["ctx"]["expected"]}
    return FieldError(field, "unknown_value", message)
