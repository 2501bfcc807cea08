"""What the warehouse's answers to a request to stop lead to."""

from changefeed.clock import database_now
from orders.actors import Actor
from orders.lifecycle.cancelling import cancel_locked
from orders.lifecycle.changing import after_change, apply_fields
from orders.lifecycle.parcels import resume_parcels
from orders.lifecycle.parents import follow_children
from orders.lifecycle.recalling import hold_stopped
from orders.lifecycle.timeline import note
from orders.models import Order, Shipment, StopRequest
from orders.status import ShipmentState

GONE = (ShipmentState.SHIPPED, ShipmentState.DELIVERED)


def answer_stop(order: Order, actor: Actor) -> None:
    """Once every parcel asked for is answered, do what was wanted or note that it came too late.

    One parcel that could not be stopped lets the others go on: an order is not torn apart.
    """
    request = order.stop_requests.filter(state=StopRequest.State.WAITING).first()
    if request is None:
        return
    asked = order.shipments.filter(freeze_requested_at__isnull=False).exclude(
        state=ShipmentState.CANCELLED
    )
    stopped = [one for one in asked if one.state == ShipmentState.FROZEN]
    too_late = [
        one
        for one in asked
        if one.state in GONE or one.freeze_answer == Shipment.FreezeAnswer.REFUSED
    ]
    if len(stopped) + len(too_late) < len(asked):
        return
    now = database_now()
    if too_late:
        resume_parcels([order], now, reroute=False)
        request.mark_refused(now)
        request.save()
        note(order, "stop_came_too_late", actor, request.reason, purpose=request.purpose)
    else:
        request.mark_carried_out(now)
        request.save()
        _carry_out(order, request)
        actor.begin()


def _carry_out(order: Order, request: StopRequest) -> None:
    """Do what the warehouse was stopped for, in the name of who asked."""
    asker = Actor(request.actor, request.source)
    asker.begin()
    if request.purpose == StopRequest.Purpose.CANCEL:
        cancel_locked(order, asker, request.reason)
        return
    hold_stopped(order, StopRequest.Purpose(request.purpose), request.reason)
    if request.purpose == StopRequest.Purpose.CHANGE:
        apply_fields(order, request.fields, asker, request.reason)
        after_change(order, asker)
    follow_children([order.parent_number], asker)
