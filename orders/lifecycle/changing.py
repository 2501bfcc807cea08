"""Changing key fields: versioned, fed by trigger, screened again; warehouses are asked first."""

from collections.abc import Mapping
from copy import copy
from typing import Any

from django.db import transaction
from django.utils.translation import gettext as _

from changefeed.clock import database_now
from orders.actors import Actor
from orders.divisions import Place
from orders.errors import AlreadyDone, VersionConflict, WrongState
from orders.intake.change import KEY_FIELDS, PLAIN, ChangeDocument, read_change
from orders.intake.checks import address_key
from orders.lifecycle.dispatching import try_dispatch
from orders.lifecycle.parents import follow_children
from orders.lifecycle.reading import (
    blocking_holds,
    child_orders,
    followers,
    locked_order_by_number,
)
from orders.lifecycle.recalling import stop_locked
from orders.lifecycle.screening import screen_followers, screen_locked, settle_state
from orders.lifecycle.timeline import note
from orders.models import Order, ScreeningDecision, StopRequest
from orders.status import BEFORE_DISPATCH, FollowUp, HoldState, OrderState


@transaction.atomic
def change_order(
    number: str, *, version: int | None, fields: Mapping[str, Any], actor: Actor, reason: str = ""
) -> Order:
    """Change key fields of an order (see ChangeDocument); equal values change nothing.

    With the warehouse, the change waits for its answer; before that it is applied, screened and,
    when nothing holds the order, dispatched. What is not a key field never waits. A split order
    passes the change on to its child orders. Raises InvalidOrder, VersionConflict, WrongState, and
    AlreadyDone while the warehouse is asked for something else.
    """
    change = read_change(fields)
    actor.begin()
    order = locked_order_by_number(number)
    if version is not None and version != order.version:
        raise VersionConflict(order.version)
    change.check_payment(order, database_now())
    _change(order, change, actor, reason)
    for child in child_orders(order):
        _change(child, change, actor, reason)
    order.refresh_from_db()
    return order


def left_to_do(order: Order, change: ChangeDocument) -> dict[str, Any]:
    """What a change asks for that is neither stored nor waited for, as JSON by field.

    Raises AlreadyDone when it contradicts what the warehouse is being stopped for, even where it
    says what is stored still: it would be forgotten, and the older wish carried out.
    """
    differing = change.differing(order)
    wished = _wished(order)
    if wished is None:
        return differing
    beyond = change.differing(wished)
    if KEY_FIELDS & beyond.keys():
        raise AlreadyDone(_("The warehouse was asked to stop already; wait for its answer."))
    return {name: value for name, value in differing.items() if name in beyond}


def _wished(order: Order) -> Order | None:
    """A copy of the order, never saved, as it will be if the warehouse stops it; else None."""
    if order.state != OrderState.DISPATCHED:
        return None
    request = order.stop_requests.filter(
        state=StopRequest.State.WAITING, purpose=StopRequest.Purpose.CHANGE
    ).first()
    if request is None:
        return None
    wish, wished = read_change(request.fields), copy(order)
    _set(wished, wish.address_values(order), wish)
    return wished


def _change(order: Order, change: ChangeDocument, actor: Actor, reason: str) -> None:
    differing = left_to_do(order, change)
    if not differing:
        return
    _require_changeable(order, differing)
    if order.state in BEFORE_DISPATCH:
        apply_fields(order, differing, actor, reason)
        after_change(order, actor, is_correction=set(differing) != {"seller_remark"})
    elif order.split_into or not KEY_FIELDS & set(differing):
        apply_fields(order, differing, actor, reason)
    else:
        _change_at_warehouse(order, differing, actor, reason)


def _change_at_warehouse(
    order: Order, differing: Mapping[str, Any], actor: Actor, reason: str
) -> None:
    key = {name: value for name, value in differing.items() if name in KEY_FIELDS}
    others = {name: value for name, value in differing.items() if name not in KEY_FIELDS}
    if stop_locked(order, StopRequest.Purpose.CHANGE, actor, reason, key):
        apply_fields(order, differing, actor, reason)
        after_change(order, actor)
    elif others:
        apply_fields(order, others, actor, reason)


def _require_changeable(order: Order, differing: Mapping[str, Any]) -> None:
    if order.state == OrderState.CANCELLED:
        raise WrongState(_("The order is cancelled and can no longer be changed."))
    if order.state in (OrderState.SHIPPED, OrderState.DELIVERED) and KEY_FIELDS & set(differing):
        raise WrongState(_("The order was shipped already and can no longer be changed."))
    if order.merged_into_number and "ship_to" in differing:
        raise WrongState(
            _("It travels in the parcel of order %(number)s; change that one.")
            % {"number": order.merged_into_number}
        )


def apply_fields(order: Order, fields: Mapping[str, Any], actor: Actor, reason: str = "") -> None:
    """Write JSON field values to a locked order and save it; the trigger tells the feed."""
    change = read_change(fields)
    address = change.address_values(order)
    before = order.address_key
    _write(order, address, change)
    # The count of a customer's address changes (orders.intake.moving) is read off this.
    moved = {"moved": True} if order.address_key != before else {}
    note(order, "changed", actor, reason, fields=sorted(fields), **moved)
    for other in followers(order) if address else ():
        _write(other, address, ChangeDocument())


def _set(order: Order, address: Mapping[str, str], change: ChangeDocument) -> None:
    for name in PLAIN:
        if name in change.model_fields_set:
            setattr(order, name, getattr(change, name))
    for column, value in address.items():
        setattr(order, column, value)


def _write(order: Order, address: Mapping[str, str], change: ChangeDocument) -> None:
    _set(order, address, change)
    place = Place(order.province, order.city, order.district)
    order.address_key = address_key(place, order.street)
    order.save()
    order.refresh_from_db(fields=["version"])


def after_change(order: Order, actor: Actor, *, is_correction: bool = True) -> None:
    """Screen a changed order again; a correction that was waited for counts as made."""
    if is_correction:
        waiting = order.holds.select_for_update(of=("self",)).filter(
            state=HoldState.UPHELD, follow_up=FollowUp.CORRECTION, corrected_at__isnull=True
        )
        for hold in waiting:
            hold.corrected_at = database_now()
            hold.save(update_fields=["corrected_at"])
    screen_locked(order, ScreeningDecision.Cause.CHANGE)
    if not blocking_holds(order).exists():
        screen_followers(order)
    settle_state(order)
    if order.state == OrderState.READY:
        try_dispatch(order, actor)
    follow_children([order.number], actor)
