"""Cancelling an order: stock comes back, the refund is asked for on the feed."""

from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from changefeed.clock import database_now
from changefeed.recording import record_change
from orders.actors import Actor
from orders.errors import ReasonMissing, WrongState
from orders.lifecycle.parents import follow_children
from orders.lifecycle.reading import child_orders, followers, locked_order_by_number
from orders.lifecycle.recalling import stop_locked
from orders.lifecycle.screening import screen_locked, settle_state
from orders.lifecycle.stock import release_reservation
from orders.lifecycle.timeline import note
from orders.models import Order, ScreeningDecision, Shipment, ShipmentLine, StopRequest
from orders.status import BEFORE_DISPATCH, OrderState, ShipmentState
from orders.totals import apportion, goods_total


@transaction.atomic
def cancel_order(number: str, *, actor: Actor, reason: str) -> Order:
    """Cancel an order; after dispatch the warehouse is asked first and its answer decides.

    Repeating it changes nothing. Raises WrongState once it was shipped, ReasonMissing, or
    AlreadyDone while the warehouse is asked something else.
    """
    if not reason.strip():
        raise ReasonMissing
    actor.begin()
    order = locked_order_by_number(number)
    if order.state == OrderState.CANCELLED:
        return order
    if order.state not in (*BEFORE_DISPATCH, OrderState.DISPATCHED):
        raise WrongState(_("The order was shipped already; take it back as a return."))
    stopped = order.state in BEFORE_DISPATCH or stop_locked(
        order, StopRequest.Purpose.CANCEL, actor, reason.strip()
    )
    if stopped:
        cancel_locked(order, actor, reason.strip())
    return order


def cancel_locked(order: Order, actor: Actor, reason: str) -> None:
    """Cancel a locked order that no warehouse is packing, and its gifts and child orders.

    Holds still open end with it as upheld, but with nothing that follows: nobody judged the
    rule (see HoldQuerySet.judged).
    Raises WrongState when a child order is with the warehouse.
    """
    _cancel(order, actor, reason)
    follow_children([order.parent_number], actor)


def _cancel(order: Order, actor: Actor, reason: str) -> None:
    if child_orders(order).exclude(state__in=BEFORE_DISPATCH).exists():
        raise WrongState(
            _("A child order is with the warehouse already; cancel the others one by one.")
        )
    now = database_now()
    for hold in order.holds.open().select_for_update():
        hold.mark_upheld(by=actor.name, at=now, reason=reason, follow_up="")
        hold.save()
    stopped = Shipment.objects.select_for_update(of=("self",)).filter(
        order=order, state__in=[ShipmentState.PLANNED, ShipmentState.FROZEN]
    )
    for shipment in stopped.order_by("id"):
        shipment.mark_cancelled()
        shipment.save()
    release_reservation(order, actor.name)
    order.mark_cancelled()
    order.save()
    order.refresh_from_db(fields=["version"])
    _ask_for_refund(order, reason)
    note(order, "cancelled", actor, reason)
    for other in followers(order):
        _travel_alone(other, actor)
    related = Order.objects.filter(gift_for_number=order.number) | Order.objects.filter(
        parent_number=order.number
    )
    waiting = related.filter(state__in=BEFORE_DISPATCH).order_by("id")
    for other in waiting.select_for_update(of=("self",)):
        _cancel(other, actor, reason)


def _ask_for_refund(order: Order, reason: str) -> None:
    """Ask on the feed for what was paid for units that will not come.

    The child orders of a split order carry its money, so they ask and it does not.
    """
    amount = unshipped_amount(order)
    if order.paid_at is None or order.split_into or not amount:
        return
    record_change(
        "order.refund_requested",
        subject_kind="order",
        subject_id=order.number,
        subject_version=order.version,
        field="refund",
        new={"amount": str(amount), "currency": order.currency, "reason": reason},
    )


def unshipped_amount(order: Order) -> Decimal:
    """The part of the amount paid that falls on units which never left, by goods value."""
    gone = ShipmentLine.objects.filter(
        order_line__order=order,
        shipment__state__in=[ShipmentState.SHIPPED, ShipmentState.DELIVERED],
    )
    shipped = goods_total(gone.values_list("quantity", "order_line__unit_price"))
    if not shipped:
        return order.grand_total
    return apportion(order.grand_total, [order.goods_total - shipped, shipped])[0]


def _travel_alone(order: Order, actor: Actor) -> None:
    """Give a merged order, whose main order is cancelled, a way of its own again."""
    order.merged_into_number = ""
    if order.state == OrderState.DISPATCHED:
        order.mark_held()
        order.save()
    screen_locked(order, ScreeningDecision.Cause.ROUTING)
    settle_state(order)
    note(order, "unmerged", actor)
