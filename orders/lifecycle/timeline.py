"""Writing and reading what was done to an order: who did what, when and why."""

from typing import Any

from orders.actors import Actor
from orders.models import Order, TimelineEntry


def note(order: Order, act: str, actor: Actor, reason: str = "", **detail: Any) -> TimelineEntry:
    """Write one entry in the transaction of the act it tells of."""
    return TimelineEntry.objects.create(
        order=order,
        act=act,
        actor=actor.name,
        source=actor.source,
        reason=reason,
        detail=detail,
    )
