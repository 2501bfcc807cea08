"""Screening an order that is already here: after a change, after a release, on demand."""

import time
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from orders.actors import Actor
from orders.errors import WrongState
from orders.intake import reading as intake_reading
from orders.intake.facts import order_facts
from orders.intake.holding import HoldDraft, draft_holds
from orders.lifecycle.reading import blocking_holds, locked_order, order_view, units_needed
from orders.lifecycle.stock import choose_warehouse, read_available
from orders.models import Hold, Order, OrderLine, ScreeningDecision
from orders.screening import SLOT_TABLES, Screened, screen
from orders.status import BEFORE_DISPATCH, HoldOwner, HoldState, OrderState

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
    references = intake_reading.read_references(())
    key = intake_reading.HistoryKey(order.address_key, order.customer_id, order.placed_at, order.pk)
    zone = ZoneInfo(settings.SHOP_TIME_ZONE)
    now = timezone.now()
    needs = units_needed(lines)
    every = list(references.warehouses.values())
    short = order.stock_warehouse_id is None and (
        choose_warehouse(read_available(list(needs)), needs, every) is None
    )
    begun = time.perf_counter_ns()
    facts = order_facts(
        order_view(order, lines),
        intake_reading.read_histories([key])[0],
        shortage=short,
        zone=zone,
        today=now.astimezone(zone).date(),
    )
    waived = frozenset(order.waivers.values_list("rule_key", "fingerprint"))
    screened = screen(facts, now, references, waived)
    ScreeningDecision.objects.create(
        order=order,
        cause=cause,
        ruleset_version=screened.ruleset_version,
        list_versions=dict(screened.list_versions),
        facts=screened.facts_json,
        outcome=screened.decision.as_json(),
        took_us=(time.perf_counter_ns() - begun) // 1000,
    )
    _open_new_holds(order, screened, now)
    if screened.trouble is None:
        _lift_screening_holds(order, now)
        if screened.decision.intercept is None:
            take_slots(order, screened)
    return screened


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
    elif order.state == OrderState.ON_HOLD:
        order.mark_waiting()
    order.save()
    order.refresh_from_db(fields=["version"])


def _is_to_be_dispatched(order: Order) -> bool:
    latest = order.decisions.order_by("-at", "-id").first()
    return latest is not None and bool(latest.outcome["dispatch"])


def take_slots(order: Order, screened: Screened) -> None:
    """Let the decision fill slots and tags, except those that a person chose."""
    for slot in SLOT_TABLES:
        if slot not in order.manual_slots and slot in screened.assigned:
            setattr(order, f"{slot}_id", screened.assigned[slot])
    if "lane" not in order.manual_slots:
        order.lane = screened.slot("lane") or order.lane
    priority = screened.slot("print_priority")
    if "print_priority" not in order.manual_slots and priority.isdecimal():
        order.print_priority = int(priority)
    order.tags = list(dict.fromkeys([*order.tags, *screened.decision.tags]))


def open_hold(order: Order, draft: HoldDraft, now: datetime, ruleset_version: int = 0) -> Hold:
    """Open a hold on a locked order; the one of the same cause that is open already stays."""
    hold, _created = Hold.objects.get_or_create(
        order=order,
        owner=draft.owner,
        rule_key=draft.rule_key,
        state=HoldState.OPEN,
        defaults={
            "rule_name": draft.rule_name,
            "ruleset_version": ruleset_version or None,
            "reason": draft.reason,
            "risk": draft.risk,
            "inputs": draft.inputs,
            "fingerprint": draft.fingerprint,
            "opened_at": now,
            "due_at": now + timedelta(minutes=settings.HOLD_DUE_MINUTES),
        },
    )
    return hold


def _open_new_holds(order: Order, screened: Screened, now: datetime) -> None:
    for draft in draft_holds(screened, short=False, needs=()):
        open_hold(order, draft, now, screened.ruleset_version)


def _lift_screening_holds(order: Order, now: datetime) -> None:
    for hold in order.holds.open().filter(owner=HoldOwner.SCREENING):
        hold.mark_released(by="system", at=now, reason="")
        hold.save()
