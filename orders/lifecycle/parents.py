"""A split order has no parcel of its own: its state follows its child orders."""

from collections.abc import Iterable

from changefeed.clock import database_now
from orders.actors import Actor
from orders.lifecycle.reading import blocking_holds, child_orders, split_parent
from orders.lifecycle.timeline import note
from orders.models import Order
from orders.status import OrderState

WAY = (OrderState.READY, OrderState.DISPATCHED, OrderState.SHIPPED, OrderState.DELIVERED)


def follow_children(parent_numbers: Iterable[str], actor: Actor) -> None:
    """Bring split orders as far as the child that lags most; cancelled once all children are."""
    for number in sorted(filter(None, set(parent_numbers))):
        if (parent := split_parent(number)) is not None:
            _follow(parent, actor)


def _follow(parent: Order, actor: Actor) -> None:
    states = {child.state for child in child_orders(parent)}
    if not states:
        if parent.state != OrderState.CANCELLED:
            for hold in parent.holds.open():
                hold.mark_released(by=actor.name, at=database_now(), reason="")
                hold.save()
            parent.mark_cancelled()
            parent.save()
            note(parent, "cancelled", actor)
        return
    reached = min((WAY.index(state) if state in WAY else 0) for state in states)
    if not reached:
        if parent.state == OrderState.DISPATCHED:
            parent.mark_held()
            parent.save()
    elif not blocking_holds(parent).exists():
        _advance(parent, reached, actor)


def _advance(parent: Order, reached: int, actor: Actor) -> None:
    """Step by step, so that the feed tells of each state."""
    if parent.state == OrderState.RECEIVED:
        parent.mark_clean()
    elif parent.state == OrderState.ON_HOLD:
        parent.mark_cleared()
    steps = (lambda: parent.mark_dispatched(database_now()), parent.mark_shipped)
    for step in (*steps, parent.mark_delivered)[_position(parent) : reached]:
        step()
        parent.save()
        note(parent, parent.state, actor)


def _position(order: Order) -> int:
    return WAY.index(OrderState(order.state))
