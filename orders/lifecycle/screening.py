"""Screening an order that is already here: after a change, after a release, on demand."""

import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import psycopg
from django.conf import settings
from django.db import transaction

from changefeed.clock import database_now
from orders.actors import SYSTEM, Actor
from orders.errors import WrongState
from orders.intake.facts import order_facts
from orders.intake.histories import HistoryKey, read_history
from orders.intake.holding import HoldDraft, draft_holds
from orders.intake.reading import read_references
from orders.intake.views import Circumstances, History
from orders.lifecycle.reading import (
    blocking_holds,
    followers,
    locked_order,
    order_view,
    units_needed,
)
from orders.lifecycle.stock import read_available, units_missing
from orders.lifecycle.timeline import note
from orders.models import Hold, Order, OrderLine, ScreeningDecision, Waiver
from orders.region_lists import region_lists
from orders.screening import SLOT_TABLES, Screened, screen, unscreened
from orders.sql import NO_TIME_LIMIT, fetch, time_limit
from orders.status import BEFORE_DISPATCH, HoldOwner, HoldReason, HoldState, OrderState

Cause = ScreeningDecision.Cause


@transaction.atomic
def rescreen_order(order_id: int, *, actor: Actor, cause: str = Cause.CHANGE) -> Order:
    """Screen again and act on it. Raises WrongState once the warehouse has the order."""
    actor.begin()
    order = locked_order(order_id)
    if order.state not in BEFORE_DISPATCH:
        raise WrongState
    screen_locked(order, cause)
    settle_state(order)
    return order


def screen_locked(order: Order, cause: str) -> Screened:
    """Run the rules over a locked order, keep the decision, open and lift rule-made holds.

    Holds already open stay: only a supervisor lifts what a rule stopped. What screening itself
    raised (no rules, failure) is lifted once screening works. Does not touch the order's state.
    """
    lines = list(OrderLine.objects.filter(order=order).select_related("sku").order_by("position"))
    references = read_references((), (coupon["code"] for coupon in order.coupons))
    key = HistoryKey(
        order.address_key, order.customer.external_id, order.placed_at, _counted_as(order)
    )
    zone = ZoneInfo(settings.SHOP_TIME_ZONE)
    now = database_now()
    around = Circumstances(
        zone, now, now.astimezone(zone).date(), region_lists(), references.linked_coupons
    )
    needs = units_needed(lines)
    every = list(references.warehouses.values())
    has_its_units = order.stock_warehouse_id is not None or order.split_into
    short = 0 if has_its_units else units_missing(read_available(list(needs)), needs, every)
    waived = _waived(order)
    begun = time.perf_counter()
    history = _read_in_time(key)
    if history is None:
        screened = unscreened({}, HoldReason.SCREENING_LATE)
    else:
        screened = screen(
            lambda: order_facts(order_view(order, lines), history, around, units_short=short),
            now,
            references,
            waived,
            spent=time.perf_counter() - begun,
        )
    ScreeningDecision.objects.create(
        order=order,
        cause=cause,
        ruleset_version=screened.ruleset_version,
        list_versions=dict(screened.list_versions),
        facts=screened.facts_json,
        outcome=screened.decision.as_json(),
        shadow=screened.shadow,
        took_us=screened.took_us,
    )
    _open_new_holds(order, screened, now)
    if screened.trouble is None:
        _lift_screening_holds(order, now)
        if screened.decision.intercept is None:
            take_slots(order, screened)
    return screened


def _read_in_time(key: HistoryKey) -> History | None:
    """What happened before, or None when it took longer than the screening budget."""
    try:
        with transaction.atomic():
            fetch(*time_limit(settings.SCREENING_BUDGET_MS / 1000))
            history = read_history(key)
            fetch(*NO_TIME_LIMIT)
    except psycopg.errors.QueryCanceled:
        return None
    return history


def screen_followers(order: Order) -> None:
    """Screen the orders that travel in the parcel of a locked order that nothing holds."""
    for follower in followers(order).filter(state__in=BEFORE_DISPATCH):
        screen_locked(follower, Cause.ROUTING)
        follower.warehouse_id = order.warehouse_id or order.stock_warehouse_id
        settle_state(follower)


def _counted_as(order: Order) -> int:
    """The order that history counts this purchase as: a split one's children are not purchases."""
    parents = Order.objects.filter(number=order.parent_number, split_into__gt=0)
    parent = parents.values_list("pk", flat=True).first() if order.parent_number else None
    return parent or order.pk


def _waived(order: Order) -> frozenset[tuple[str, str]]:
    """(rule key, fingerprint) of what was released for the order or its parent."""
    numbers = [order.number, *([order.parent_number] if order.parent_number else [])]
    waivers = Waiver.objects.filter(order__number__in=numbers)
    return frozenset(waivers.values_list("rule_key", "fingerprint"))


def settle_state(order: Order) -> None:
    """Bring the state in line with the holds and the latest decision; saves the order."""
    if blocking_holds(order).exists():
        if order.state != OrderState.ON_HOLD:
            order.mark_held()
    elif _is_to_be_dispatched(order):
        if order.state == OrderState.ON_HOLD:
            order.mark_cleared()
        elif order.state == OrderState.RECEIVED:
            order.mark_clean()
    elif order.state in (OrderState.ON_HOLD, OrderState.READY):
        order.mark_waiting()
    order.save()
    order.refresh_from_db(fields=["version"])


def _is_to_be_dispatched(order: Order) -> bool:
    latest = order.decisions.order_by("-at", "-id").first()
    return latest is not None and bool(latest.outcome["dispatch"])


def take_slots(order: Order, screened: Screened) -> None:
    """Let the decision fill slots and tags, except those that a person chose.

    What travels in another order's parcel is routed with that order.
    """
    order.tags = list(dict.fromkeys([*order.tags, *screened.decision.tags]))
    if order.merged_into_number:
        return
    for slot in SLOT_TABLES:
        if slot not in order.manual_slots:
            setattr(order, f"{slot}_id", screened.assigned.get(slot))
    if "lane" not in order.manual_slots:
        order.lane = screened.slot("lane")
    if "print_priority" not in order.manual_slots:
        priority = screened.slot("print_priority")
        order.print_priority = int(priority) if priority.isdecimal() else None


def open_hold(order: Order, draft: HoldDraft, now: datetime, ruleset_version: int = 0) -> Hold:
    """Open a hold on a locked order; an open one of the same cause stays, with its due time.

    What a rule sees now replaces what it saw then, so that a release waives today's inputs.
    """
    seen = {
        "rule_name": draft.rule_name,
        "ruleset_version": ruleset_version or None,
        "reason": draft.reason,
        "risk": draft.risk,
        "inputs": draft.inputs,
        "fingerprint": draft.fingerprint,
    }
    hold, created = Hold.objects.get_or_create(
        order=order,
        owner=draft.owner,
        rule_key=draft.rule_key,
        state=HoldState.OPEN,
        defaults=seen
        | {"opened_at": now, "due_at": now + timedelta(minutes=settings.HOLD_DUE_MINUTES)},
    )
    if not created and draft.owner == HoldOwner.RULE and hold.fingerprint != draft.fingerprint:
        for name, value in seen.items():
            setattr(hold, name, value)
        hold.save(update_fields=list(seen))
    return hold


def _open_new_holds(order: Order, screened: Screened, now: datetime) -> None:
    for draft in draft_holds(screened, short=False, needs=()):
        same = blocking_holds(order).filter(owner=draft.owner, rule_key=draft.rule_key)
        # The parent's hold is the child's; a correction that is waited for is asked once.
        if not same.exclude(order=order, state=HoldState.OPEN).exists():
            open_hold(order, draft, now, screened.ruleset_version)


def _lift_screening_holds(order: Order, now: datetime) -> None:
    for hold in order.holds.open().filter(owner=HoldOwner.SCREENING):
        hold.mark_released(by=SYSTEM.name, at=now, reason="")
        hold.save()
        note(order, "hold_released", SYSTEM, hold=hold.pk)
