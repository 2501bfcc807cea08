"""Acts that change nothing but the record: a person's note, and a look at personal data."""

from django.db import transaction

from orders.actors import Actor
from orders.errors import NotFound, ReasonMissing
from orders.lifecycle.timeline import note
from orders.models import Order, TimelineEntry


def _order(order_id: int) -> Order:
    try:
        return Order.objects.get(pk=order_id)
    except Order.DoesNotExist:
        raise NotFound from None


@transaction.atomic
def note_order(order_id: int, *, actor: Actor, text: str) -> TimelineEntry:
    """Keep a person's words in the order's timeline. Raises NotFound or ReasonMissing."""
    if not text.strip():
        raise ReasonMissing
    actor.begin()
    return note(_order(order_id), "noted", actor, text.strip())


@transaction.atomic
def record_reveal(order_id: int, *, actor: Actor, reason: str = "") -> Order:
    """Record that the actor saw the full name and phone; call it before showing them."""
    actor.begin()
    order = _order(order_id)
    note(order, "revealed", actor, reason.strip())
    return order
