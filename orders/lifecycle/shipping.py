"""What the warehouse reports: picked, shipped, delivered, stopped, or already too late."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.actors import Actor
from orders.errors import NotFound, WrongState
from orders.intake.holding import HoldDraft
from orders.lifecycle.cancelling import cancel_locked
from orders.lifecycle.changing import after_change, apply_fields
from orders.lifecycle.reading import locked_order
from orders.lifecycle.screening import open_hold
from orders.lifecycle.stock import consume_reservation
from orders.lifecycle.timeline import note
from orders.models import Order, Shipment, StopRequest
from orders.status import HoldOwner, OrderState, Risk, ShipmentState

EVENTS = ("picked", "shipped", "delivered", "freeze_ack", "freeze_refused")
GONE = (ShipmentState.SHIPPED, ShipmentState.DELIVERED)
FINISHED = (*GONE, ShipmentState.CANCELLED)


@transaction.atomic
def record_shipment_event(
    number: str, event: str, *, actor: Actor, at: datetime | None = None, waybill: str = ""
) -> Shipment:
    """Take one report of the warehouse; a repeated one changes nothing.

    Raises NotFound, or WrongState for a report that cannot follow what came before.
    """
    if event not in EVENTS:
        raise WrongState(_("There is no such event."))
    actor.begin()
    found = Shipment.objects.filter(number=number).order_by("-id").values("pk", "order_id").first()
    if found is None:
        raise NotFound
    order = locked_order(found["order_id"])
    shipment = Shipment.objects.select_for_update(of=("self",)).get(pk=found["pk"])
    shipment.order = order
    if _is_repeated(shipment, event):
        return shipment
    moment = at or timezone.now()
    _ACTS[event](shipment, order, actor, moment, waybill)
    return shipment


def _is_repeated(shipment: Shipment, event: str) -> bool:
    state = shipment.state
    return {
        "picked": state in (ShipmentState.PICKING, *GONE),
        "shipped": state in GONE,
        "delivered": state == ShipmentState.DELIVERED,
        "freeze_ack": state == ShipmentState.FROZEN,
        "freeze_refused": shipment.freeze_answer == Shipment.FreezeAnswer.REFUSED,
    }[event]


def _require(shipment: Shipment, *states: ShipmentState) -> None:
    if shipment.state not in states:
        raise WrongState(
            _("Parcel %(number)s is %(state)s; this report cannot follow.")
            % {"number": shipment.number, "state": ShipmentState(shipment.state).label}
        )


def _picked(shipment: Shipment, order: Order, actor: Actor, at: datetime, waybill: str) -> None:
    _require(shipment, ShipmentState.RELEASED)
    shipment.mark_picking()
    shipment.save()
    note(order, "picked", actor, parcel=shipment.number)


def _shipped(shipment: Shipment, order: Order, actor: Actor, at: datetime, waybill: str) -> None:
    _require(shipment, ShipmentState.RELEASED, ShipmentState.PICKING)
    shipment.mark_shipped(at=at, waybill=waybill)
    shipment.save()
    for owner, units in _units_by_order(shipment).items():
        consume_reservation(owner, units, actor.name)
    note(order, "shipped", actor, parcel=shipment.number, waybill=waybill)
    _answer_stop(order, actor)
    if not order.shipments.exclude(state__in=FINISHED).exists():
        for one in _travelling_together(order):
            if one.state == OrderState.DISPATCHED:
                one.mark_shipped()
                one.save()


def _delivered(shipment: Shipment, order: Order, actor: Actor, at: datetime, waybill: str) -> None:
    _require(shipment, ShipmentState.SHIPPED)
    shipment.mark_delivered(at)
    shipment.save()
    note(order, "delivered", actor, parcel=shipment.number)
    open_parcels = order.shipments.exclude(
        state__in=[ShipmentState.DELIVERED, ShipmentState.CANCELLED]
    )
    if not open_parcels.exists():
        for one in _travelling_together(order):
            if one.state == OrderState.SHIPPED:
                one.mark_delivered()
                one.save()


def _freeze_acknowledged(
    shipment: Shipment, order: Order, actor: Actor, at: datetime, waybill: str
) -> None:
    _require_question(shipment)
    _require(shipment, ShipmentState.RELEASED, ShipmentState.PICKING)
    shipment.mark_frozen()
    shipment.save()
    note(order, "warehouse_stopped", actor, parcel=shipment.number)
    _answer_stop(order, actor)


def _freeze_refused(
    shipment: Shipment, order: Order, actor: Actor, at: datetime, waybill: str
) -> None:
    _require_question(shipment)
    _require(shipment, ShipmentState.RELEASED, ShipmentState.PICKING, *GONE)
    shipment.freeze_answer = Shipment.FreezeAnswer.REFUSED
    shipment.save()
    note(order, "warehouse_refused", actor, parcel=shipment.number)
    _answer_stop(order, actor)


_ACTS = {
    "picked": _picked,
    "shipped": _shipped,
    "delivered": _delivered,
    "freeze_ack": _freeze_acknowledged,
    "freeze_refused": _freeze_refused,
}


def _require_question(shipment: Shipment) -> None:
    if shipment.freeze_requested_at is None:
        raise WrongState(_("Nobody asked to stop this parcel."))


def _units_by_order(shipment: Shipment) -> dict[Order, dict[int, int]]:
    """Units by SKU id that the parcel holds, for each order whose stock they come from."""
    units: dict[Order, dict[int, int]] = {}
    for line in shipment.lines.select_related("order_line__order"):
        of_order = units.setdefault(line.order_line.order, {})
        sku = line.order_line.sku_id
        of_order[sku] = of_order.get(sku, 0) + line.quantity
    return units


def _travelling_together(order: Order) -> list[Order]:
    """The locked order, and the orders merged into it."""
    merged = Order.objects.select_for_update().filter(merged_into_number=order.number)
    return [order, *merged.order_by("id")]


def _answer_stop(order: Order, actor: Actor) -> None:
    """Once every parcel has been answered for, carry out the request or note that it came late."""
    request = order.stop_requests.filter(state=StopRequest.State.WAITING).first()
    if request is None:
        return
    shipments = list(order.shipments.exclude(state=ShipmentState.CANCELLED))
    too_late = [
        one
        for one in shipments
        if one.freeze_answer == Shipment.FreezeAnswer.REFUSED or one.state in GONE
    ]
    stopped = [one for one in shipments if one.state == ShipmentState.FROZEN]
    if len(too_late) + len(stopped) < len(shipments):
        return
    now = timezone.now()
    if too_late:
        for one in stopped:
            _let_go_on(one, now)
        request.mark_refused(now)
        request.save()
        note(order, "stop_came_too_late", actor, request.reason, purpose=request.purpose)
        return
    request.mark_carried_out(now)
    request.save()
    _carry_out(order, request)


def _let_go_on(shipment: Shipment, now: datetime) -> None:
    shipment.mark_released(now)
    shipment.save()


def _carry_out(order: Order, request: StopRequest) -> None:
    """Do what the warehouse was stopped for, in the name of who asked."""
    asker = Actor(request.actor, request.source)
    if request.purpose == StopRequest.Purpose.CANCEL:
        cancel_locked(order, asker, request.reason)
        return
    order.mark_held()
    order.save()
    if request.purpose == StopRequest.Purpose.HOLD:
        open_hold(
            order,
            HoldDraft(HoldOwner.MANUAL, request.reason, Risk.MEDIUM.value),
            timezone.now(),
        )
        return
    apply_fields(order, request.fields, asker)
    after_change(order, asker)
