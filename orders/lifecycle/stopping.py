"""What the warehouse's answers to a request to stop lead to."""

from django.db.models import Max, Q, QuerySet

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

    One parcel that could not be stopped lets the others go on: an order is not torn apart, and
    a gift stays or goes with its main order.
    """
    request = order.stop_requests.filter(state=StopRequest.State.WAITING).first()
    if request is None:
        return
    asked = _asked_for(order)
    stopped = [one for one in asked if one.state == ShipmentState.FROZEN]
    too_late = [
        one
        for one in asked
        if one.state in GONE or one.freeze_answer == Shipment.FreezeAnswer.REFUSED
    ]
    if len(stopped) + len(too_late) < len(asked):
        return
    main = _request_of_main(order, request)
    if main is not None and main.state == StopRequest.State.WAITING:
        return  # decided with its main order, whose answer comes back to this one
    now = database_now()
    if too_late or (main is not None and main.state == StopRequest.State.REFUSED):
        resume_parcels([order], now, reroute=False)
        request.mark_refused(now)
        request.save()
        note(order, "stop_came_too_late", actor, request.reason, purpose=request.purpose)
    else:
        request.mark_carried_out(now)
        request.save()
        _carry_out(order, request)
        actor.begin()
    for gift in _waiting_gifts(order, request):
        answer_stop(gift, actor)


def _asked_for(order: Order) -> QuerySet[Shipment]:
    """The parcels that the waiting request is about.

    A batch that could not be stopped earlier keeps that question and its answer.
    """
    found = order.shipments.filter(freeze_requested_at__isnull=False)
    if before := order.stop_requests.aggregate(last=Max("answered_at"))["last"]:
        found = found.filter(freeze_requested_at__gt=before)
    return found.exclude(state=ShipmentState.CANCELLED)


def _request_of_main(gift: Order, request: StopRequest) -> StopRequest | None:
    """The request to stop a gift's main order that this one came with, whatever became of it.

    Not locked: who decides it locks the gift next, and looks at what was answered until then.
    """
    if not gift.gift_for_number:
        return None
    return (
        StopRequest.objects.filter(
            Q(answered_at=None) | Q(answered_at__gt=request.requested_at),
            order__number=gift.gift_for_number,
            purpose=request.purpose,
            requested_at__lte=request.requested_at,
        )
        .order_by("-id")
        .first()
    )


def _waiting_gifts(order: Order, request: StopRequest) -> QuerySet[Order]:
    """The order's gifts that wait for an answer to the same; locked when read."""
    asked = StopRequest.objects.filter(state=StopRequest.State.WAITING, purpose=request.purpose)
    gifts = Order.objects.exclude(gift_for_number="").filter(
        gift_for_number=order.number, pk__in=asked.values("order_id")
    )
    return gifts.select_for_update(of=("self",)).order_by("id")


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
