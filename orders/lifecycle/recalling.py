"""Asking the warehouse to stop a dispatched order, and what its answer leads to."""

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.actors import Actor
from orders.errors import AlreadyDone, ReasonMissing, WrongState
from orders.lifecycle.reading import locked_order
from orders.lifecycle.timeline import note
from orders.models import Order, Shipment, StopRequest
from orders.status import OrderState, ShipmentState

STOPPABLE = (ShipmentState.PLANNED, ShipmentState.RELEASED, ShipmentState.PICKING)


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
    ask_to_stop(order, StopRequest.Purpose.HOLD, actor, reason.strip())
    return order


def ask_to_stop(
    order: Order,
    purpose: StopRequest.Purpose,
    actor: Actor,
    reason: str,
    fields: dict[str, object] | None = None,
) -> StopRequest:
    """Ask for every parcel of a locked, dispatched order; what no warehouse knows yet stops now."""
    waiting = order.stop_requests.filter(state=StopRequest.State.WAITING).first()
    if waiting is not None:
        raise AlreadyDone(_("The warehouse was asked to stop already; wait for its answer."))
    request = StopRequest.objects.create(
        order=order,
        purpose=purpose,
        fields=fields or {},
        reason=reason,
        actor=actor.name,
        source=actor.source,
    )
    now = timezone.now()
    shipments = Shipment.objects.select_for_update().filter(order=order, state__in=STOPPABLE)
    for shipment in shipments.order_by("id"):
        shipment.freeze_requested_at, shipment.freeze_reason = now, reason[:200]
        shipment.freeze_answer = ""
        if shipment.state == ShipmentState.PLANNED:
            shipment.mark_frozen()
        shipment.save()
    note(order, "stop_requested", actor, reason, purpose=purpose.value)
    return request
