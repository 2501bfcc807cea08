"""Splitting an order into child orders, and merging orders to one address."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from string import ascii_uppercase

from django.db import transaction
from django.utils.translation import gettext as _

from changefeed.clock import database_now
from orders.actors import SYSTEM, Actor
from orders.errors import NotFound, WrongState
from orders.lifecycle.dispatching import hold_for_stock
from orders.lifecycle.holds import go_on
from orders.lifecycle.reading import (
    blocking_holds,
    followers,
    locked_order_by_number,
    units_needed,
)
from orders.lifecycle.screening import settle_state
from orders.lifecycle.stock import StockRequest, release_reservation, reserve_stock
from orders.lifecycle.timeline import note
from orders.models import Order, OrderLine, Warehouse
from orders.sql import copy, fetch
from orders.status import BEFORE_DISPATCH, HoldOwner
from orders.totals import apportion, goods_total

Part = Sequence[tuple[int, int]]
"""(line position, units) of one child order."""

_FRESH = ("id", "state", "version", "number", "parent_number", "idempotency_key", "received_at")


@dataclass(frozen=True, slots=True)
class _Share:
    lines: list[tuple[OrderLine, int]]
    goods: Decimal
    discount: Decimal
    shipping: Decimal


@transaction.atomic
def split_order(number: str, parts: Sequence[Part], *, actor: Actor) -> list[Order]:
    """Split an order before dispatch into one child per part, `number-A`, `number-B` and so on.

    The parts together hold exactly the units ordered. Children share the parent's holds, take
    over its stock and are dispatched by themselves; discount and shipping are apportioned by
    goods value. Where the parent was short, each child tries for itself. Raises WrongState.
    """
    actor.begin()
    parent = locked_order_by_number(number)
    lines = list(parent.lines.select_related("sku").order_by("position"))
    _require_exact(lines, parts)
    _require_splittable(parent, len(parts))
    reserved_at = parent.stock_warehouse_id
    release_reservation(parent, actor.name)
    _lift_stock_hold(parent, actor)
    parent.split_into = len(parts)
    parent.save()
    children = [
        _create_child(parent, child_number, share)
        for child_number, share in zip(
            _child_numbers(parent, len(parts)), _shares(parent, lines, parts), strict=True
        )
    ]
    for child in children:
        _reserve_for_child(child, reserved_at or parent.warehouse_id, actor)
        note(child, "split_off", actor, parent=number)
    note(parent, "split", actor, children=[child.number for child in children])
    settle_state(parent)
    for child in children:
        if blocking_holds(child).exists():
            settle_state(child)
        else:
            go_on(child, actor)
    return children


def _require_splittable(parent: Order, count: int) -> None:
    whole = not (parent.split_into or parent.merged_into_number or parent.deliveries)
    if parent.state not in BEFORE_DISPATCH or not whole or parent.shipments.exists():
        raise WrongState(_("Only a whole order that no warehouse has yet can be split."))
    if followers(parent).exists():
        raise WrongState(_("Other orders travel in its parcel; it cannot be split."))
    numbers = _child_numbers(parent, count)
    longest = Order._meta.get_field("number").max_length
    if len(numbers[-1]) > longest or Order.objects.filter(number__in=numbers).exists():
        raise WrongState(_("The numbers of the child orders are taken or too long."))


def _child_numbers(parent: Order, count: int) -> list[str]:
    return [f"{parent.number}-{letter}" for letter in ascii_uppercase[:count]]


def _lift_stock_hold(parent: Order, actor: Actor) -> None:
    """A split order takes nothing from stock itself, so it is not short of anything."""
    for hold in parent.holds.open().filter(owner=HoldOwner.STOCK):
        hold.mark_released(by=actor.name, at=database_now(), reason="")
        hold.save()


def _reserve_for_child(child: Order, warehouse_id: int | None, actor: Actor) -> None:
    every = Warehouse.objects.filter(is_active=True).values_list("pk", flat=True)
    tried = [warehouse_id] if warehouse_id else list(every)
    request = StockRequest(child.number, units_needed(child.lines.all()), tried)
    child.stock_warehouse_id = reserve_stock([request], actor.name)[0]
    if child.stock_warehouse_id is None:
        hold_for_stock(child, database_now())
    child.save()


def _require_exact(lines: Sequence[OrderLine], parts: Sequence[Part]) -> None:
    given: dict[int, int] = {}
    for position, units in (item for part in parts for item in part):
        if units < 1:
            raise WrongState(_("Every part needs at least one unit of each line it names."))
        given[position] = given.get(position, 0) + units
    if not 2 <= len(parts) <= 26 or not all(parts):
        raise WrongState(_("Give between two and 26 parts, none of them empty."))
    if given != {line.position: line.quantity for line in lines}:
        raise WrongState(_("The parts together must hold exactly the units ordered."))


def _shares(parent: Order, lines: Sequence[OrderLine], parts: Sequence[Part]) -> list[_Share]:
    by_position = {line.position: line for line in lines}
    chosen = [[(by_position[position], units) for position, units in part] for part in parts]
    goods = [goods_total((units, line.unit_price) for line, units in part) for part in chosen]
    # No part may be discounted below zero: what exceeds the goods comes off the shipping.
    covered = min(parent.discount_total, parent.goods_total)
    beyond = apportion(parent.discount_total - covered, goods)
    rest = apportion(parent.shipping_total - sum(beyond), goods)
    return [
        _Share(lines_of_part, value, discount + over, over + shipping)
        for lines_of_part, value, discount, over, shipping in zip(
            chosen, goods, apportion(covered, goods), beyond, rest, strict=True
        )
    ]


def _create_child(parent: Order, number: str, share: _Share) -> Order:
    """Write a child order, its lines first (see orders.triggers), in the parent's words."""
    ((key,),) = fetch("SELECT nextval(pg_get_serial_sequence('orders_order', 'id'))")
    copy(
        "orders_orderline",
        ("order_id", "position", "sku_id", "quantity", "unit_price", "settlement_price", "is_gift"),
        [
            (
                *(key, position, line.sku_id, units, line.unit_price),
                *(line.settlement_price, line.is_gift),
            )
            for position, (line, units) in enumerate(share.lines, start=1)
        ],
    )
    values = {
        field.attname: getattr(parent, field.attname)
        for field in Order._meta.concrete_fields
        if field.name not in _FRESH
    }
    values |= {
        "goods_total": share.goods,
        "discount_total": share.discount,
        "shipping_total": share.shipping,
        "grand_total": share.goods - share.discount + share.shipping,
        "split_into": 0,
        "deliveries": [],
        "stock_warehouse_id": None,
        "dispatched_at": None,
    }
    child = Order(pk=key, number=number, parent_number=parent.number, **values)
    child.save(force_insert=True)
    return child


@transaction.atomic
def merge_orders(main_number: str, other_numbers: Sequence[str], *, actor: Actor) -> Order:
    """Ship other orders of the same customer and address together with the main one.

    Their open holds are inherited: the main order waits for them. Raises WrongState, NotFound.
    """
    actor.begin()
    wanted = sorted({main_number, *other_numbers})
    orders = {
        order.number: order
        for order in Order.objects.filter(number__in=wanted)
        .order_by("id")
        .select_for_update(of=("self",))
    }
    if len(orders) != len(wanted):
        raise NotFound
    main = orders.pop(main_number)
    _require_mergeable(main, list(orders.values()))
    for other in orders.values():
        for hold in other.holds.blocking().order_by("id"):
            same = main.holds.blocking().filter(owner=hold.owner, rule_key=hold.rule_key)
            if hold.owner != HoldOwner.STOCK and not same.exists():
                hold.order = main
                hold.save(update_fields=["order"])
        _follow(main, other)
        note(other, "merged", actor, main=main.number)
    note(main, "merged", actor, orders=sorted(orders))
    if main.holds.blocking().exists():
        settle_state(main)
    else:
        go_on(main, actor)
    return main


def _require_mergeable(main: Order, others: Sequence[Order]) -> None:
    if not others:
        raise WrongState(_("Name at least one other order."))
    for order in (main, *others):
        tied = order.split_into or order.merged_into_number or order.deliveries
        if order.state not in BEFORE_DISPATCH or tied or order.shipments.exists():
            raise WrongState(_("Only whole orders that no warehouse has yet can be merged."))
        if order.paid_at is None:
            raise WrongState(_("Order %(number)s is not paid.") % {"number": order.number})
        same = (order.customer_id, order.address_key, order.ship_name, order.currency)
        if same != (main.customer_id, main.address_key, main.ship_name, main.currency):
            raise WrongState(
                _("Only orders of one customer to one recipient and address can be merged.")
            )
    if any(followers(other).exists() for other in others):
        raise WrongState(_("Other orders travel in its parcel; name it as the main order."))


def _follow(main: Order, other: Order) -> None:
    """Let another order travel with the main one: routed with it, its holds now the main's.

    A hold for stock stays, since the stock is its own; the main order waits for it.
    """
    other.merged_into_number = main.number
    other.warehouse_id = main.warehouse_id or main.stock_warehouse_id
    now = database_now()
    for hold in other.holds.open().exclude(owner=HoldOwner.STOCK):
        hold.mark_released(by=SYSTEM.name, at=now, reason=main.number)
        hold.save()
    settle_state(other)
