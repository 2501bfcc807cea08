"""Acts on what is known of a customer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from changefeed.recording import expect_echo
from orders.actors import Actor
from orders.errors import FieldError, InvalidOrder, NotFound, VersionConflict
from orders.intake.checks import check_phone
from orders.intake.document import clean
from orders.models import Customer, ReturnRecord

CONTACT_FIELDS = ("name", "phone")
LONGEST_NAME = 120


@transaction.atomic
def change_contact(
    external_id: str, *, version: int | None, fields: Mapping[str, Any], actor: Actor
) -> tuple[Customer, bool]:
    """Give a customer another name or phone; the trigger tells the feed. Also whether it did.

    Equal values change nothing, whatever `version` the caller knew. Raises NotFound,
    InvalidOrder naming every wrong field, VersionConflict.
    """
    wanted = _read_contact(fields)
    actor.begin()
    customer = Customer.objects.select_for_update().filter(external_id=external_id).first()
    if customer is None:
        raise NotFound
    if all(getattr(customer, name) == value for name, value in wanted.items()):
        return customer, False
    if version is not None and version != customer.version:
        raise VersionConflict(customer.version)
    before = {name: getattr(customer, name) for name in CONTACT_FIELDS}
    expect_echo({"contact": before | dict(fields)})
    for name, value in wanted.items():
        setattr(customer, name, value)
    customer.save(update_fields=list(wanted))
    customer.refresh_from_db(fields=["version"])
    return customer, True


def _read_contact(fields: Mapping[str, Any]) -> dict[str, str]:
    errors: list[FieldError] = []
    wanted: dict[str, str] = {}
    for name, value in fields.items():
        if name not in CONTACT_FIELDS:
            errors.append(FieldError(name, "unknown_field", _("There is no such field.")))
        elif not isinstance(value, str):
            errors.append(FieldError(name, "wrong_type", _("Expected text.")))
        elif name == "name":
            wanted[name] = clean(value).strip()
            if not wanted[name] or len(wanted[name]) > LONGEST_NAME:
                message = _("Between 1 and %(limit)d characters.") % {"limit": LONGEST_NAME}
                errors.append(FieldError(name, "length", message))
        else:
            phone = check_phone(name, value, "", errors)
            if phone.masked or (not phone.number and not errors):
                message = _("A whole telephone number is needed, without asterisks.")
                errors.append(FieldError(name, "masked", message))
            wanted[name] = phone.number
    if errors:
        raise InvalidOrder(errors)
    return wanted


@transaction.atomic
def record_return(
    customer_id: int, *, reference: str, order_number: str, at: datetime, actor: Actor
) -> ReturnRecord:
    """Count a return in the customer's return facts; the same reference counts once."""
    actor.begin()
    record, _created = ReturnRecord.objects.get_or_create(
        reference=reference,
        defaults={"customer_id": customer_id, "order_number": order_number, "at": at},
    )
    return record


@transaction.atomic
def forget_return(reference: str, *, actor: Actor) -> None:
    """Take back a return that came to nothing."""
    actor.begin()
    ReturnRecord.objects.filter(reference=reference).delete()
