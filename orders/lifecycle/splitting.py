"""Splitting an order into child orders, and merging orders to one address."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import transaction
from django.utils.translation import gettext as _

from orders.actors import Actor
from orders.errors import NotFound, WrongState
from orders.lifecycle.holds import go_on
from orders.lifecycle.reading import blocking_holds, locked_order_by_number, units_needed
from orders.lifecycle.screening import settle_state
from orders.lifecycle.stock import StockRequest, release_reservation, reserve_stock
from orders.lifecycle.timeline import note
from orders.models import Order, OrderLine
from orders.sql import copy, fetch
from orders.status import BEFORE_DISPATCH, OrderState
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
    goods value. Raises WrongState.
    """
    actor.begin()
    parent = locked_order_by_number(number)
    if parent.state not in BEFORE_DISPATCH or parent.split_into or parent.merged_into_number:
        raise WrongState(_("Only a whole order that no warehouse has yet can be split."))
    lines = list(parent.lines.select_related("sku").order_by("position"))
    _require_exact(lines, parts)
    shares = _shares(parent, lines, parts)
    warehouse = parent.stock_warehouse_id
    release_reservation(parent, actor.name)
    parent.split_into = len(parts)
    parent.save()
    children = [
        _create_child(parent, f"{number}-{chr(65 + index)}", share)
        for index, share in enumerate(shares)
    ]
    for child in children:
        request = StockRequest(
            child.number, units_needed(list(child.lines.all())), [warehouse] if warehouse else []
        )
        child.stock_warehouse_id = reserve_stock([request], actor.name)[0]
        child.save()
        note(child, "split_off", actor, parent=number)
    note(parent, "split", actor, children=[child.number for child in children])
    for child in children:
        settle_state(child) if blocking_holds(child).exists() else go_on(child, actor)
    return children


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
    discounts = apportion(parent.discount_total, goods)
    shipping = apportion(parent.shipping_total, goods)
    return [_Share(*share) for share in zip(chosen, goods, discounts, shipping, strict=True)]


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
            same = main.holds.open().filter(owner=hold.owner, rule_key=hold.rule_key)
            if not same.exists():
                hold.order = main
                hold.save(update_fields=["order"])
        _follow(main, other, actor)
        note(other, "merged", actor, main=main.number)
    note(main, "merged", actor, orders=sorted(orders))
    if main.holds.blocking().exists():
        settle_state(main)
    else:
        go_on(main, actor)
    return main


def _require_mergeable(main: Order, others: Sequence[Order]) -> None:
    for order in (main, *others):
        if order.state not in BEFORE_DISPATCH or order.split_into or order.merged_into_number:
            raise WrongState(_("Only whole orders that no warehouse has yet can be merged."))
        same = (order.customer_id, order.address_key, order.ship_name, order.currency)
        if same != (main.customer_id, main.address_key, main.ship_name, main.currency):
            raise WrongState(
                _("Only orders of one customer to one recipient and address can be merged.")
            )
    if not others:
        raise WrongState(_("Name at least one other order."))


def _follow(main: Order, other: Order, actor: Actor) -> None:
    """Let another order travel with the main one: same warehouse, cleared of moved holds."""
    other.merged_into_number = main.number
    other.warehouse_id = main.warehouse_id or main.stock_warehouse_id
    for hold in other.holds.open():
        hold.mark_released(by=actor.name, at=hold.opened_at, reason=main.number)
        hold.save()
    if other.state == OrderState.ON_HOLD:
        other.mark_cleared()
    elif other.state == OrderState.RECEIVED:
        other.mark_clean()
    other.save()
