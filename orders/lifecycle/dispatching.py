"""Routing and dispatch: parcels are planned, the warehouse is told, each effect happens once."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _

from changefeed.clock import database_now
from orders.actors import SYSTEM, Actor
from orders.errors import WrongState
from orders.intake.holding import HoldDraft
from orders.lifecycle.effects import cause_effects
from orders.lifecycle.parcels import (
    BATCH_LEAD,
    plan_parcels,
    resume_parcels,
    shop_day,
    store_parcels,
)
from orders.lifecycle.parents import follow_children
from orders.lifecycle.reading import blocking_holds, locked_order, units_to_send
from orders.lifecycle.screening import open_hold
from orders.lifecycle.stock import StockRequest, release_reservation, reserve_stock
from orders.lifecycle.timeline import note_all
from orders.models import Hold, Order, OrderLine, Shipment, Warehouse
from orders.querysets import OrderQuerySet
from orders.status import (
    BEFORE_DISPATCH,
    HoldOwner,
    HoldReason,
    OrderState,
    Risk,
    ShipmentState,
)

AT_WAREHOUSE = (OrderState.DISPATCHED, OrderState.SHIPPED, OrderState.DELIVERED)
NOT_READY = (OrderState.RECEIVED, OrderState.ON_HOLD)


@transaction.atomic
def dispatch_order(order_id: int, *, actor: Actor) -> Order:
    """Dispatch one ready order now. Raises WrongState naming what it waits for."""
    actor.begin()
    order = locked_order(order_id)
    if order.state != OrderState.READY:
        raise WrongState(
            _("The order is %(state)s; only a ready one can be dispatched.")
            % {"state": OrderState(order.state).label}
        )
    if reason := _waits_for(order, database_now()):
        raise WrongState(reason)
    dispatch_locked([order], actor)
    order.refresh_from_db()
    return order


def _waits_for(order: Order, now: datetime) -> str:
    """Why a ready order does not travel by itself now; empty when it does."""
    if order.split_into:
        return _("It was split; its child orders are dispatched instead.")
    if order.merged_into_number:
        return _("It travels with order %(number)s.") % {"number": order.merged_into_number}
    if order.dispatch_after is not None and order.dispatch_after > now:
        day = date_format(timezone.localtime(order.dispatch_after), "Y-m-d")
        return _("Its presale goods are sent from %(day)s on.") % {"day": day}
    if not travelling_alone(Order.objects.filter(pk=order.pk)).exists():
        return _("It waits for its main order, its gift, a merged order or a hold of its parent.")
    return ""


def dispatch_ready(limit: int = 200) -> int:
    """Dispatch a batch of waiting orders, oldest first; returns how many left.

    Orders that another worker holds are passed over, so any number of workers may run.
    """
    with transaction.atomic():
        SYSTEM.begin()
        waiting = travelling_alone(Order.objects.awaiting_dispatch(database_now()))
        # A parent's state follows its children, and parents are locked before children.
        wanted = waiting.exclude(parent_number="").order_by("id").values("parent_number")[:limit]
        parents = Order.objects.filter(number__in=wanted, split_into__gt=0).order_by("id")
        locked = [parent.number for parent in parents.select_for_update(skip_locked=True)]
        split = Order.objects.filter(number=OuterRef("parent_number"), split_into__gt=0)
        chosen = list(
            waiting.filter(Q(parent_number="") | Q(parent_number__in=locked) | ~Exists(split))
            .select_for_update(skip_locked=True, of=("self",))
            .order_by("id")[:limit]
        )
        return len(dispatch_locked(chosen, SYSTEM)) if chosen else 0


def travelling_alone(orders: OrderQuerySet) -> OrderQuerySet:
    """Without gifts whose main order has not gone, and without orders that wait for another.

    A main order waits for its gifts and for what was merged into it, a child for its parent's
    holds. The empty numbers are named so that the partial indexes serve.
    """
    main = Order.objects.filter(number=OuterRef("gift_for_number"))
    unready = Order.objects.filter(state__in=NOT_READY)
    gift = unready.exclude(gift_for_number="").filter(gift_for_number=OuterRef("number"))
    merged = unready.exclude(merged_into_number="").filter(merged_into_number=OuterRef("number"))
    held_parent = Hold.objects.blocking().filter(order__number=OuterRef("parent_number"))
    return orders.filter(
        Q(gift_for_number="") | Exists(main.filter(state__in=AT_WAREHOUSE)),
        ~Exists(gift),
        ~Exists(merged),
        Q(parent_number="") | ~Exists(held_parent),
    )


def try_dispatch(order: Order, actor: Actor) -> None:
    """Dispatch a locked ready order if nothing else makes it wait; else leave it ready."""
    waiting = Order.objects.awaiting_dispatch(database_now()).filter(pk=order.pk)
    if travelling_alone(waiting).exists():
        dispatch_locked([order], actor)
        order.refresh_from_db()


def dispatch_locked(orders: Sequence[Order], actor: Actor) -> list[Order]:
    """Dispatch locked ready orders, each with what travels along; returns those that left.

    An order whose named warehouse is short is held for stock, and those that travel with it
    wait for it.
    """
    now = database_now()
    parties = _parties(orders)
    held = _put_held_aside([order for party in parties for order in party])
    leaving = [
        order
        for party in parties
        if all(one.state == OrderState.READY and one.pk not in held for one in party)
        and all(_has_stock(one, now, actor) for one in party)
        for order in party
    ]
    if not leaving:
        return []
    first_time = cause_effects(leaving)
    _plan(leaving, first_time, now)
    for order in leaving:
        order.warehouse_id = order.warehouse_id or order.stock_warehouse_id
        order.mark_dispatched(now)
    Order.objects.bulk_update(leaving, ["state", "dispatched_at", "warehouse"])
    again = [order for order in leaving if order.pk not in first_time]
    resume_parcels(again, now, reroute=True)
    note_all(leaving, "dispatched", actor)
    follow_children((order.parent_number for order in leaving), actor)
    return leaving


def _parties(orders: Sequence[Order]) -> list[list[Order]]:
    """Each order with those that leave together with it: merged into it, or its gift; locked."""
    parties = {order.number: [order] for order in orders}
    frontier = list(parties)
    while frontier:
        along = (
            Order.objects.filter(state__in=BEFORE_DISPATCH, split_into=0)
            .filter(Q(merged_into_number__in=frontier) | Q(gift_for_number__in=frontier))
            .select_for_update(of=("self",))
            .order_by("id")
        )
        frontier = []
        for order in along:
            if order.number not in parties:
                party = parties[order.merged_into_number or order.gift_for_number]
                party.append(order)
                parties[order.number] = party
                frontier.append(order.number)
    return [parties[order.number] for order in orders if parties[order.number][0] is order]


def _put_held_aside(orders: Sequence[Order]) -> set[int]:
    """Ids of the orders that a hold keeps, whoever wrote it; their state says so from now on."""
    numbers = {number for order in orders for number in (order.number, order.parent_number)}
    found = Hold.objects.blocking().filter(order__number__in=numbers - {""})
    held = set(found.values_list("order__number", flat=True)) if orders else set()
    for order in orders:
        if order.number in held and order.state == OrderState.READY:
            order.mark_held()
            order.save()
    return {order.pk for order in orders if held & {order.number, order.parent_number}}


def _has_stock(order: Order, now: datetime, actor: Actor) -> bool:
    """Whether the order's units are reserved where it is packed, moving them there if need be."""
    wanted = order.warehouse_id or order.stock_warehouse_id
    if order.stock_warehouse_id is not None and order.stock_warehouse_id == wanted:
        return True
    release_reservation(order, actor.name)
    every = Warehouse.objects.filter(is_active=True).values_list("pk", flat=True)
    request = StockRequest(order.number, units_to_send(order), [wanted] if wanted else list(every))
    order.stock_warehouse_id = reserve_stock([request], actor.name)[0]
    if order.stock_warehouse_id is None:
        hold_for_stock(order, now)
        order.mark_held()
        order.save()
        return False
    order.save(update_fields=["stock_warehouse"])
    return True


def hold_for_stock(order: Order, now: datetime) -> Hold:
    """Open the stock hold of a locked order."""
    lines = order.lines.order_by("position").values_list("sku__code", "quantity")
    inputs: list[dict[str, object]] = [{"sku": sku, "quantity": units} for sku, units in lines]
    reason, risk = HoldReason.STOCK_SHORT.value, Risk.MEDIUM.value
    return open_hold(order, HoldDraft(HoldOwner.STOCK, reason, risk, inputs=inputs), now)


def _plan(leaving: Sequence[Order], first_time: set[int], now: datetime) -> None:
    """Store the parcels of orders dispatched for the first time, with what was merged into them."""
    found = OrderLine.objects.filter(order__in=leaving).select_related("sku")
    lines = {
        order_id: list(group)
        for order_id, group in groupby(
            found.order_by("order_id", "position"), key=lambda line: line.order_id
        )
    }
    merged: dict[str, list[OrderLine]] = {}
    for order in leaving:
        merged.setdefault(order.merged_into_number, []).extend(lines[order.pk])
    store_parcels(
        [
            parcel
            for order in leaving
            if order.pk in first_time
            for parcel in plan_parcels(
                order, [*lines[order.pk], *merged.get(order.number, ())], now
            )
        ]
    )


def release_due_batches(limit: int = 500) -> int:
    """Send the warehouse the subscription batches whose day has come; returns how many."""
    with transaction.atomic():
        SYSTEM.begin()
        now = database_now()
        due = Shipment.objects.filter(
            state=ShipmentState.PLANNED,
            deliver_on__lte=shop_day(now) + BATCH_LEAD,
            order__state__in=AT_WAREHOUSE,
        )
        orders = Order.objects.filter(pk__in=due.values("order_id")).order_by("id")
        locked = {order.pk: order for order in orders.select_for_update(skip_locked=True)[:limit]}
        released = 0
        for shipment in due.filter(order__in=locked).order_by("id").select_for_update(of=("self",)):
            if not blocking_holds(locked[shipment.order_id]).exists():
                shipment.mark_released(now)
                shipment.save()
                released += 1
        return released
