"""Changing key fields: versioned, fed by trigger, screened again; warehouses are asked first."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from orders.actors import Actor
from orders.errors import VersionConflict, WrongState
from orders.intake.change import ChangeDocument, read_change
from orders.intake.checks import address_key
from orders.lifecycle.dispatching import try_dispatch
from orders.lifecycle.reading import locked_order_by_number
from orders.lifecycle.recalling import ask_to_stop
from orders.lifecycle.screening import screen_locked, settle_state
from orders.lifecycle.timeline import note
from orders.models import Order, ScreeningDecision, StopRequest
from orders.status import BEFORE_DISPATCH, FollowUp, HoldState, OrderState

PLAIN = ("invoice_title", "delivery_slot", "buyer_remark", "seller_remark", "urgent", "paid_at")


@transaction.atomic
def change_order(
    number: str, *, version: int | None, fields: Mapping[str, Any], actor: Actor, reason: str = ""
) -> Order:
    """Change key fields of an order (see ChangeDocument); equal values change nothing.

    With the warehouse, the change waits for its answer; before that it is applied, screened and,
    when nothing holds the order, dispatched. Raises InvalidOrder, VersionConflict, WrongState.
    """
    change = read_change(fields)
    actor.begin()
    order = locked_order_by_number(number)
    if version is not None and version != order.version:
        raise VersionConflict(order.version)
    differing = _differing(order, change)
    if not differing:
        return order
    if order.state == OrderState.DISPATCHED:
        ask_to_stop(order, StopRequest.Purpose.CHANGE, actor, reason, differing)
        return order
    if order.state not in BEFORE_DISPATCH:
        raise WrongState(_("The order was shipped already and can no longer be changed."))
    apply_fields(order, differing, actor, reason)
    after_change(order, actor)
    return order


def _differing(order: Order, change: ChangeDocument) -> dict[str, Any]:
    """The fields, as JSON, whose values are not what the order has already."""
    wanted = change.model_dump(mode="json", exclude_unset=True)
    result = {}
    for name, value in wanted.items():
        if name == "ship_to":
            if address := _address_values(order, value):
                result[name] = address
        elif name == "paid_at":
            if change.paid_at != order.paid_at:
                result[name] = value
        elif value != getattr(order, name):
            result[name] = value
    return result


def _address_values(order: Order, value: Mapping[str, Any]) -> dict[str, Any]:
    now = {
        "name": order.ship_name,
        "phone": order.ship_phone or order.ship_phone_masked,
        "phone_hash": order.ship_phone_hash,
        "province": order.province,
        "city": order.city,
        "district": order.district,
        "street": order.street,
    }
    return dict(value) if any(now[key] != item for key, item in value.items()) else {}


def apply_fields(order: Order, fields: Mapping[str, Any], actor: Actor, reason: str = "") -> None:
    """Write JSON field values to a locked order and save it; the trigger tells the feed."""
    change = read_change(fields)
    if change.ship_to is not None:
        _apply_address(order, change)
    for name in PLAIN:
        if name in change.model_fields_set:
            setattr(order, name, getattr(change, name))
    order.save()
    order.refresh_from_db(fields=["version"])
    note(order, "changed", actor, reason, fields=sorted(fields))


def _apply_address(order: Order, change: ChangeDocument) -> None:
    ship_to = change.ship_to
    assert ship_to is not None
    given = ship_to.model_fields_set
    place, phone = change.resolved_place(order), change.resolved_phone()
    order.province, order.city, order.district = place
    if "street" in given:
        order.street = ship_to.street
    if "name" in given:
        order.ship_name = ship_to.name
    if "phone" in given:
        order.ship_phone, order.ship_phone_masked = phone.number, phone.masked
        order.ship_phone_hash = phone.hash
    order.address_key = address_key(place, order.street)


def after_change(order: Order, actor: Actor) -> None:
    """Screen a changed order again; corrections that were waited for count as made."""
    now = timezone.now()
    waiting = order.holds.select_for_update().filter(
        state=HoldState.UPHELD, follow_up=FollowUp.CORRECTION, corrected_at__isnull=True
    )
    for hold in waiting:
        hold.corrected_at = now
        hold.save(update_fields=["corrected_at"])
    screen_locked(order, ScreeningDecision.Cause.CHANGE)
    settle_state(order)
    if order.state == OrderState.READY:
        try_dispatch(order, actor)
