"""What other systems tell us about orders and customers, turned into our own acts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from changefeed import inbound
from changefeed.inbound import Message, Receipt
from changefeed.recording import expect_echo
from orders.actors import Actor
from orders.errors import VersionConflict
from orders.intake.change import ChangeDocument, read_change
from orders.intake.document import clean
from orders.lifecycle.changing import change_order, left_to_do
from orders.lifecycle.customers import change_contact
from orders.lifecycle.reading import child_orders, locked_order_by_number
from orders.models import Order


def change_order_as_told(message: Message) -> Receipt:
    """Apply new values of an order's key fields.

    Values that are stored already change nothing, whatever version the sender knew. Raises
    NotFound, InvalidOrder, VersionConflict, WrongState, AlreadyDone.
    """
    actor = Actor(message.actor, message.source, event_id=message.id)
    order = locked_order_by_number(message.subject_id)
    change = read_change(message.changes)
    # A split order's children have what it has, or are still asked about.
    family = [order, *child_orders(order)]
    if not any(left_to_do(one, change) for one in family):
        return Receipt(order.version, _outcome(family, change, else_it="unchanged"))
    if message.version is not None and message.version != order.version:
        raise VersionConflict(order.version)
    expect_echo(said_of_order(order, message.changes))
    order = change_order(
        order.number,
        version=None,
        fields=message.changes,
        actor=actor,
        reason=clean(message.reason),
    )
    family = [order, *child_orders(order)]
    return Receipt(order.version, _outcome(family, change, else_it="applied"))


def _outcome(family: Iterable[Order], change: ChangeDocument, *, else_it: str) -> str:
    """What was asked for and is not so now waits for a warehouse."""
    return "waiting" if any(change.differing(one) for one in family) else else_it


def change_customer_as_told(message: Message) -> Receipt:
    """Apply a customer's new name or phone. Raises NotFound, InvalidOrder, VersionConflict."""
    actor = Actor(message.actor, message.source, event_id=message.id)
    customer, is_changed = change_contact(
        message.subject_id, version=message.version, fields=message.changes, actor=actor
    )
    return Receipt(customer.version, "applied" if is_changed else "unchanged")


def said_of_order(order: Order, changes: Mapping[str, Any]) -> dict[str, Any]:
    """What the feed would say if every value were stored exactly as it was sent."""
    sent = changes.get("ship_to")
    sent = dict(sent) if isinstance(sent, Mapping) else {}
    said: dict[str, Any] = {
        "ship_to": {
            name: sent.get(name, getattr(order, name))
            for name in ("province", "city", "district", "street")
        },
        "recipient": {
            "name": sent.get("name", order.ship_name),
            "phone": sent.get("phone", order.ship_phone),
            "phone_masked": "" if "phone" in sent else order.ship_phone_masked,
            "phone_hash": sent.get("phone_hash", order.ship_phone_hash),
        },
    }
    return said | {
        name: changes[name] for name in ("invoice_title", "delivery_slot") if name in changes
    }


def register_inbound() -> None:
    """Take messages about orders and customers; called once when the app is ready."""
    inbound.register("order", change_order_as_told)
    inbound.register("customer", change_customer_as_told)
