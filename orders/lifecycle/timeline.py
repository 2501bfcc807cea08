"""Writing what was done to an order: who did what, when and why."""

import json
from collections.abc import Sequence
from typing import Any

from orders.actors import Actor
from orders.models import Order, TimelineEntry
from orders.sql import copy


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


def note_all(orders: Sequence[Order], act: str, actor: Actor) -> None:
    """The same entry for many orders, by one statement."""
    copy(
        "orders_timelineentry",
        ("order_id", "act", "actor", "source", "reason", "detail"),
        [(order.pk, act, actor.name, actor.source, "", json.dumps({})) for order in orders],
    )
