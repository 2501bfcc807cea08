"""What the warehouse reports: picked, shipped, delivered, stopped, or already too late."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext as _

from changefeed.clock import database_now
from orders.actors import Actor
from orders.errors import FieldError, InvalidOrder, NotFound, WrongState
from orders.intake.checks import CLOCK_TOLERANCE
from orders.lifecycle.parents import follow_children
from orders.lifecycle.reading import followers, locked_order
from orders.lifecycle.stock import consume_reservation
from orders.lifecycle.stopping import GONE, answer_stop
from orders.lifecycle.timeline import note
from orders.models import Order, Shipment, StopRequest
from orders.status import OrderState, ShipmentState

EVENTS = ("picked", "shipped", "delivered", "freeze_ack", "freeze_refused")
FINISHED = (*GONE, ShipmentState.CANCELLED)
STOPPED = (ShipmentState.FROZEN, ShipmentState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Report:
    """What a report says besides what happened."""

    at: datetime
    waybill: str = ""
    reason: str = ""


@transaction.atomic
def record_shipment_event(
    number: str,
    event: str,
    *,
    actor: Actor,
    at: datetime | None = None,
    waybill: str = "",
    reason: str = "",
) -> Shipment:
    """Take one report of the warehouse; a repeated one changes nothing.

    `at` is when it happened, now if not said; `reason` is what a person adds to an answer given
    for the warehouse. Raises NotFound, InvalidOrder for a time that has not come, or WrongState
    for a report that cannot follow what came before.
    """
    if event not in EVENTS:
        raise WrongState(_("There is no such event."))
    actor.begin()
    moment = _checked(at)
    found = Shipment.objects.filter(number=number).order_by("-id").values("pk", "order_id").first()
    if found is None:
        raise NotFound
    order = locked_order(found["order_id"])
    shipment = Shipment.objects.select_for_update(of=("self",)).get(pk=found["pk"])
    shipment.order = order
    if _is_repeated(shipment, event):
        return shipment
    _ACTS[event](shipment, order, actor, Report(moment, waybill, reason))
    return shipment


def _checked(at: datetime | None) -> datetime:
    """The moment of a report. Raises InvalidOrder for the future: returns are counted from it."""
    now = database_now()
    if at is not None and at > now + CLOCK_TOLERANCE:
        message = _("The time lies in the future; check clock and time zone.")
        raise InvalidOrder([FieldError("at", "future", message)])
    return at or now


def _is_repeated(shipment: Shipment, event: str) -> bool:
    state = shipment.state
    return {
        "picked": state in (ShipmentState.PICKING, *GONE),
        "shipped": state in GONE,
        "delivered": state == ShipmentState.DELIVERED,
        "freeze_ack": state in STOPPED and shipment.freeze_answer == Shipment.FreezeAnswer.FROZEN,
        "freeze_refused": shipment.freeze_answer == Shipment.FreezeAnswer.REFUSED,
    }[event]


def _require(shipment: Shipment, *states: ShipmentState) -> None:
    if shipment.state not in states:
        raise WrongState(
            _("Parcel %(number)s is %(state)s; this report cannot follow.")
            % {"number": shipment.number, "state": ShipmentState(shipment.state).label}
        )


def _picked(shipment: Shipment, order: Order, actor: Actor, said: Report) -> None:
    _require(shipment, ShipmentState.RELEASED)
    shipment.mark_picking()
    shipment.save()
    note(order, "picked", actor, parcel=shipment.number)


def _shipped(shipment: Shipment, order: Order, actor: Actor, said: Report) -> None:
    _require(shipment, ShipmentState.RELEASED, ShipmentState.PICKING)
    shipment.mark_shipped(at=said.at, waybill=said.waybill)
    shipment.save()
    for owner, units in _units_by_order(shipment).items():
        consume_reservation(owner, units, actor.name)
    note(order, "shipped", actor, parcel=shipment.number, waybill=said.waybill)
    answer_stop(order, actor)
    if not order.shipments.exclude(state__in=FINISHED).exists():
        for one in (order, *followers(order)):
            if one.state == OrderState.DISPATCHED:
                one.mark_shipped()
                one.save()
        follow_children([order.parent_number], actor)


def _delivered(shipment: Shipment, order: Order, actor: Actor, said: Report) -> None:
    _require(shipment, ShipmentState.SHIPPED)
    shipment.mark_delivered(said.at)
    shipment.save()
    note(order, "delivered", actor, parcel=shipment.number)
    open_parcels = order.shipments.exclude(
        state__in=[ShipmentState.DELIVERED, ShipmentState.CANCELLED]
    )
    if not open_parcels.exists():
        for one in (order, *followers(order)):
            if one.state == OrderState.SHIPPED:
                one.mark_delivered()
                one.save()
        follow_children([order.parent_number], actor)


def _freeze_acknowledged(shipment: Shipment, order: Order, actor: Actor, said: Report) -> None:
    _require_question(shipment, order)
    _require(shipment, ShipmentState.RELEASED, ShipmentState.PICKING)
    shipment.mark_frozen()
    shipment.save()
    note(order, "warehouse_stopped", actor, said.reason, parcel=shipment.number)
    answer_stop(order, actor)


def _freeze_refused(shipment: Shipment, order: Order, actor: Actor, said: Report) -> None:
    if shipment.state not in GONE or shipment.freeze_requested_at is None:
        _require_question(shipment, order)
        _require(shipment, ShipmentState.RELEASED, ShipmentState.PICKING)
    shipment.freeze_answer = Shipment.FreezeAnswer.REFUSED
    shipment.save()
    note(order, "warehouse_refused", actor, said.reason, parcel=shipment.number)
    answer_stop(order, actor)


_ACTS = {
    "picked": _picked,
    "shipped": _shipped,
    "delivered": _delivered,
    "freeze_ack": _freeze_acknowledged,
    "freeze_refused": _freeze_refused,
}


def _require_question(shipment: Shipment, order: Order) -> None:
    waiting = order.stop_requests.filter(state=StopRequest.State.WAITING)
    if shipment.freeze_requested_at is None or not waiting.exists():
        raise WrongState(_("Nobody asked to stop this parcel."))


def _units_by_order(shipment: Shipment) -> dict[Order, dict[int, int]]:
    """Units by SKU id that the parcel holds, for each order whose stock they come from."""
    units: dict[Order, dict[int, int]] = {}
    for line in shipment.lines.select_related("order_line__order"):
        of_order = units.setdefault(line.order_line.order, {})
        sku = line.order_line.sku_id
        of_order[sku] = of_order.get(sku, 0) + line.quantity
    return units
