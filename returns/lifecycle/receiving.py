"""Returned goods arrive: counted good or bad, the good ones back in stock, the refund due."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.utils.translation import gettext as _

from changefeed.clock import database_now
from orders.actors import Actor
from orders.errors import FieldError, WrongState
from orders.lifecycle.stock import receive_stock
from orders.lifecycle.timeline import note
from orders.models import Sku, Stock, Warehouse
from returns.errors import InvalidReturn
from returns.lifecycle.reading import locked_return, refusal
from returns.lifecycle.refunding import ask_refund
from returns.models import ReturnLine, ReturnRequest
from returns.refunds import NOTHING, refund_for_received
from returns.status import ReturnState


@dataclass(frozen=True, slots=True)
class InspectedLine:
    """What was found of the order line at a position."""

    position: int
    good_units: int
    bad_units: int


@transaction.atomic
def receive_goods(
    number: str, inspected: Sequence[InspectedLine], *, warehouse: str, actor: Actor
) -> ReturnRequest:
    """Take returned goods in: every line counted, good units back in stock at the warehouse.

    The refund is for the units that came; those that did not may be asked back again. Raises
    NotFound, InvalidReturn naming lines, WrongState, or AlreadyDone naming who was first.
    """
    actor.begin()
    request = locked_return(number)
    if request.state == ReturnState.REQUESTED or not request.brings_goods:
        raise WrongState(_("No goods are expected for this return."))
    if request.state != ReturnState.APPROVED:
        raise refusal(request)
    place = Warehouse.objects.filter(code=warehouse, is_active=True).first()
    lines = list(request.lines.select_related("order_line__sku").order_by("order_line__position"))
    counted = _checked(lines, inspected, place)
    for line in lines:
        found = counted[line.order_line.position]
        came = found.good_units + found.bad_units
        line.good_units, line.bad_units = found.good_units, found.bad_units
        line.refund_amount = refund_for_received(line.refund_amount, line.quantity, came)
        line.save(update_fields=["good_units", "bad_units", "refund_amount"])
    assert place is not None
    request.refund_amount = sum((line.refund_amount for line in lines), NOTHING)
    request.mark_received(by=actor.name, at=database_now(), warehouse=place)
    request.save()
    _put_back(lines, place, request.order.number, actor)
    ask_refund(request)
    note(request.order, "return_received", actor, number=number, warehouse=place.code)
    return request


def _checked(
    lines: Sequence[ReturnLine], inspected: Sequence[InspectedLine], place: Warehouse | None
) -> Mapping[int, InspectedLine]:
    errors = []
    if place is None:
        errors.append(
            FieldError("warehouse", "unknown_warehouse", _("There is no such warehouse."))
        )
    expected = {line.order_line.position: line.quantity for line in lines}
    counted: dict[int, InspectedLine] = {}
    for index, found in enumerate(inspected):
        if found.position not in expected or found.position in counted:
            message = _("Count every line of the return once.")
            errors.append(FieldError(f"lines[{index}].position", "unknown_line", message))
        elif (
            min(found.good_units, found.bad_units) < 0
            or found.good_units + found.bad_units > expected[found.position]
        ):
            message = _("Good and bad units together may be 0 to %(units)s.")
            errors.append(
                FieldError(
                    f"lines[{index}].good_units",
                    "too_many",
                    message % {"units": expected[found.position]},
                )
            )
        counted[found.position] = found
    if missing := sorted(set(expected) - set(counted)):
        message = _("Count every line of the return once.")
        errors.append(FieldError("lines", "lines_missing", f"{message} ({missing[0]})"))
    if errors:
        raise InvalidReturn(errors)
    return counted


def _put_back(
    lines: Sequence[ReturnLine], place: Warehouse, order_number: str, actor: Actor
) -> None:
    """Good units by SKU, in the order in which reservations lock their stock rows."""
    units: dict[Sku, int] = {}
    for line in lines:
        if line.good_units:
            sku = line.order_line.sku
            units[sku] = units.get(sku, 0) + line.good_units
    rows = dict(Stock.objects.filter(warehouse=place, sku__in=units).values_list("sku_id", "id"))
    for sku in sorted(units, key=lambda sku: (sku.pk not in rows, rows.get(sku.pk, sku.pk))):
        receive_stock(sku, place, units[sku], actor=actor, order_number=order_number)
