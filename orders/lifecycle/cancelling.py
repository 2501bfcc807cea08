"""Cancelling an order: stock comes back, the refund is asked for on the feed."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from changefeed.recording import record_change
from orders.actors import Actor
from orders.errors import ReasonMissing, WrongState
from orders.lifecycle.reading import locked_order_by_number
from orders.lifecycle.recalling import ask_to_stop
from orders.lifecycle.stock import release_reservation
from orders.lifecycle.timeline import note
from orders.models import Order, Shipment, StopRequest
from orders.status import BEFORE_DISPATCH, FollowUp, OrderState, ShipmentState


@transaction.atomic
def cancel_order(number: str, *, actor: Actor, reason: str) -> Order:
    """Cancel an order; after dispatch the warehouse is asked first and its answer decides.

    Repeating it changes nothing. Raises WrongState once it was shipped, ReasonMissing.
    """
    if not reason.strip():
        raise ReasonMissing
    actor.begin()
    order = locked_order_by_number(number)
    if order.state == OrderState.CANCELLED:
        return order
    if order.state == OrderState.DISPATCHED:
        ask_to_stop(order, StopRequest.Purpose.CANCEL, actor, reason.strip())
    elif order.state in BEFORE_DISPATCH:
        cancel_locked(order, actor, reason.strip())
    else:
        raise WrongState(_("The order was shipped already; take it back as a return."))
    return order


def cancel_locked(order: Order, actor: Actor, reason: str) -> None:
    """Cancel a locked order that no warehouse is packing, and its gifts and child orders."""
    now = timezone.now()
    for hold in order.holds.open().select_for_update():
        hold.mark_upheld(by=actor.name, at=now, reason=reason, follow_up=FollowUp.CANCEL)
        hold.save()
    stopped = Shipment.objects.select_for_update().filter(
        order=order, state__in=[ShipmentState.PLANNED, ShipmentState.FROZEN]
    )
    for shipment in stopped.order_by("id"):
        shipment.mark_cancelled()
        shipment.save()
    release_reservation(order, actor.name)
    order.mark_cancelled()
    order.save()
    order.refresh_from_db(fields=["version"])
    if order.paid_at is not None and not order.parent_number:
        record_change(
            "order.refund_requested",
            subject_kind="order",
            subject_id=order.number,
            subject_version=order.version,
            field="refund",
            new={"amount": str(order.grand_total), "currency": order.currency, "reason": reason},
        )
    note(order, "cancelled", actor, reason)
    related = Order.objects.filter(gift_for_number=order.number) | Order.objects.filter(
        parent_number=order.number
    )
    for other in related.filter(state__in=BEFORE_DISPATCH).order_by("id").select_for_update():
        cancel_locked(other, actor, reason)
