"""Asking the warehouse to stop a dispatched order."""

from datetime import timedelta

from django.db import transaction
from django.utils.translation import gettext as _

from changefeed.clock import database_now
from orders.actors import Actor
from orders.errors import AlreadyDone, ReasonMissing, WrongState
from orders.intake.holding import HoldDraft
from orders.lifecycle.reading import followers, locked_order
from orders.lifecycle.screening import open_hold
from orders.lifecycle.timeline import note
from orders.models import Order, Shipment, StopRequest
from orders.status import HoldOwner, OrderState, Risk, ShipmentState

Purpose = StopRequest.Purpose
ASK_AGAIN_AFTER = timedelta(minutes=1)
BEING_PACKED = (ShipmentState.RELEASED, ShipmentState.PICKING)


@transaction.atomic
def recall_order(order_id: int, *, actor: Actor, reason: str) -> Order:
    """Hold a dispatched order again: the warehouse is asked to stop, its answer decides.

    Raises WrongState before dispatch or after shipping, AlreadyDone while another request waits.
    """
    if not reason.strip():
        raise ReasonMissing
    actor.begin()
    order = locked_order(order_id)
    if order.state != OrderState.DISPATCHED:
        raise WrongState(_("Only an order that the warehouse is about to pack can be stopped."))
    stop_locked(order, Purpose.HOLD, actor, reason.strip())
    return order


@transaction.atomic
def ask_again(order_id: int, *, actor: Actor) -> Order:
    """Put the waiting request to the warehouse once more, for the parcels it said nothing about.

    The feed tells it as a new `shipment.freeze_requested`, for which one answer is enough: a
    second one is a repeat. Raises WrongState when nothing waits, AlreadyDone within a minute of
    the last time, so that two who press at once ask once.
    """
    actor.begin()
    order = locked_order(order_id)
    if not order.stop_requests.waiting().exists():
        raise WrongState(_("No answer of a warehouse is waited for any more."))
    now = database_now()
    silent = order.shipments.select_for_update(of=("self",)).filter(
        state__in=BEING_PACKED, freeze_requested_at__isnull=False, freeze_answer=""
    )
    parcels = list(silent.order_by("id"))
    asked_at = [one.freeze_requested_at for one in parcels if one.freeze_requested_at]
    if any(now - moment < ASK_AGAIN_AFTER for moment in asked_at):
        raise AlreadyDone(_("The warehouse was asked less than a minute ago."))
    for shipment in parcels:
        shipment.freeze_requested_at = now
        shipment.save(update_fields=["freeze_requested_at"])
    if parcels:
        note(order, "stop_asked_again", actor)
    return order


def stop_locked(
    order: Order,
    purpose: StopRequest.Purpose,
    actor: Actor,
    reason: str,
    fields: dict[str, object] | None = None,
) -> bool:
    """Stop a locked, dispatched order; True when no warehouse has to answer first.

    Batches that no warehouse knows yet stop at once. Raises WrongState for an order without a
    parcel of its own, AlreadyDone while another request waits.
    """
    _require_own_parcels(order)
    if order.stop_requests.filter(state=StopRequest.State.WAITING).exists():
        raise AlreadyDone(_("The warehouse was asked to stop already; wait for its answer."))
    packed = order.shipments.filter(state__in=BEING_PACKED).exists()
    _freeze_parcels(order, reason)
    if not packed:
        hold_stopped(order, purpose, reason)
        if purpose != Purpose.CHANGE:
            _stop_gifts(order, purpose, actor, reason)
        return True
    StopRequest.objects.create(
        order=order,
        purpose=purpose,
        fields=fields or {},
        reason=reason,
        actor=actor.name,
        source=actor.source,
    )
    note(order, "stop_requested", actor, reason, purpose=purpose.value)
    if purpose != Purpose.CHANGE:
        _stop_gifts(order, purpose, actor, reason)
    return False


def hold_stopped(order: Order, purpose: StopRequest.Purpose, reason: str) -> None:
    """Put a locked order whose parcels were all stopped on hold, with what travels in them."""
    for one in (order, *followers(order)):
        if one.state == OrderState.DISPATCHED:
            one.mark_held()
            one.save()
            one.refresh_from_db(fields=["version"])
    if purpose == Purpose.HOLD:
        draft = HoldDraft(HoldOwner.MANUAL, reason, Risk.MEDIUM.value)
        open_hold(order, draft, database_now())


def _require_own_parcels(order: Order) -> None:
    if order.merged_into_number:
        raise WrongState(
            _("It travels in the parcel of order %(number)s; stop that one.")
            % {"number": order.merged_into_number}
        )
    if order.split_into:
        raise WrongState(_("It was split; stop its child orders one by one."))


def _freeze_parcels(order: Order, reason: str) -> None:
    now = database_now()
    shipments = Shipment.objects.select_for_update(of=("self",)).filter(
        order=order, state__in=[ShipmentState.PLANNED, *BEING_PACKED]
    )
    for shipment in shipments.order_by("id"):
        shipment.freeze_requested_at, shipment.freeze_reason = now, reason[:200]
        shipment.freeze_answer = ""
        if shipment.state == ShipmentState.PLANNED:
            shipment.mark_frozen()
        shipment.save()


def _stop_gifts(order: Order, purpose: StopRequest.Purpose, actor: Actor, reason: str) -> None:
    """A gift leaves with its main order: what stops the one stops the other."""
    gifts = Order.objects.select_for_update(of=("self",)).filter(
        gift_for_number=order.number, state=OrderState.DISPATCHED, merged_into_number=""
    )
    for gift in gifts.order_by("id"):
        if not gift.stop_requests.filter(state=StopRequest.State.WAITING).exists():
            stop_locked(gift, purpose, actor, reason)
