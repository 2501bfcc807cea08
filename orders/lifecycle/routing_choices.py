"""A person's choice of warehouse, courier, packaging, lane or print priority."""

from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from orders.actors import Actor
from orders.errors import FieldError, InvalidOrder, WrongState
from orders.lifecycle.reading import locked_order
from orders.lifecycle.timeline import note
from orders.models import Courier, Order, Packaging, Warehouse
from orders.status import BEFORE_DISPATCH

TABLES: dict[str, type[Warehouse | Courier | Packaging]] = {
    "warehouse": Warehouse,
    "courier": Courier,
    "packaging": Packaging,
}
SLOTS = (*TABLES, "lane", "print_priority")
LONGEST_LANE = 64
LAST_TO_PRINT = 9


@transaction.atomic
def choose_slots(order_id: int, *, actor: Actor, **slots: Any) -> Order:
    """Set slots by hand (records by code); rules never overwrite them afterwards.

    Raises InvalidOrder for an unknown slot or code, WrongState after dispatch.
    """
    actor.begin()
    order = locked_order(order_id)
    if order.state not in BEFORE_DISPATCH:
        raise WrongState(_("The warehouse has this order already; ask it to stop instead."))
    for slot, value in slots.items():
        setattr(order, slot, _checked(slot, value))
    order.manual_slots = sorted({*order.manual_slots, *slots})
    order.save()
    order.refresh_from_db(fields=["version"])
    note(order, "slots_chosen", actor, **{slot: str(value) for slot, value in slots.items()})
    return order


def _checked(slot: str, value: Any) -> Any:
    """What the order stores for a slot. Raises InvalidOrder."""
    if slot in TABLES:
        found = TABLES[slot].objects.filter(code=value, is_active=True).first()
        if found is not None:
            return found
        raise InvalidOrder([FieldError(slot, "unknown", _("There is no such record."))])
    if slot == "lane" and isinstance(value, str) and len(value) <= LONGEST_LANE:
        return value
    if slot == "print_priority" and str(value).isdecimal() and int(value) <= LAST_TO_PRINT:
        return int(value)
    if slot in SLOTS:
        raise InvalidOrder([FieldError(slot, "unreadable", _("The value cannot be read."))])
    raise InvalidOrder([FieldError(slot, "unknown_slot", _("There is no such field."))])
