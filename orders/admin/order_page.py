"""What the order page tells: the order's facts, decisions, parcels, relatives and story."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db.models import Q

from changefeed.clock import database_now
from orders.admin.board.rows import BoardRow, board_row
from orders.admin.facts_shown import (
    Contact,
    CustomerSummary,
    ShownLine,
    contact_of,
    customer_summary,
    shown_coupons,
    shown_lines,
    traits,
)
from orders.admin.stop_shown import ShownStop, shown_stop
from orders.admin.told_shown import Telling, telling_of
from orders.admin.traces import ShownTrace, shown_trace
from orders.models import Effect, Order, ScreeningDecision, Shipment
from orders.timeline import TimelineItem, timeline_of
from rules.decision import Decision
from rules.sentences import action_phrase, sentence_for_match


@dataclass(frozen=True, slots=True)
class ShownMatch:
    """A rule that acted: why, and what it did."""

    sentence: str
    actions: list[str]


@dataclass(frozen=True, slots=True)
class ShownDecision:
    decision: ScreeningDecision
    matches: list[ShownMatch]


@dataclass(frozen=True, slots=True)
class OrderPage:
    order: Order
    contact: Contact
    customer: CustomerSummary
    lines: list[ShownLine]
    coupons: list[dict[str, Any]]
    traits: list[str]
    holds: list[BoardRow]
    shipments: list[Shipment]
    stop: ShownStop | None
    effects: list[Effect]
    decision: ShownDecision | None
    trace: ShownTrace | None
    relatives: list[tuple[str, Order]]
    timeline: list[TimelineItem]
    telling: Telling | None


def read_order_page(order: Order, user: User, now: datetime, *, revealed: bool) -> OrderPage:
    holds = order.holds.select_related("order", "claimed_by").order_by("-id")
    latest = order.decisions.order_by("-at", "-id").first()
    if latest is not None:
        latest.order = order
    shipments = list(
        order.shipments.select_related("warehouse", "courier", "packaging").order_by("id")
    )
    story = timeline_of(order)
    asked = order.stop_requests.order_by("-id").first()
    may_see = user.has_perm("changefeed.view_endpoint")
    telling = telling_of(order, user) if may_see or asked else None
    stop = None
    if asked and telling:
        stop = shown_stop(
            *(order, asked, shipments, story, telling, user, database_now()), revealed=revealed
        )
    return OrderPage(
        order=order,
        contact=contact_of(order, revealed=revealed),
        customer=customer_summary(order, now),
        lines=shown_lines(order),
        coupons=shown_coupons(order),
        traits=traits(order),
        holds=[board_row(hold, user, now) for hold in holds],
        shipments=shipments,
        stop=stop,
        effects=list(order.effects.order_by("id")),
        decision=shown_decision(latest),
        trace=shown_trace(latest, with_links=user.has_perm("rules.view_rule")),
        relatives=relatives_of(order),
        timeline=story[::-1],
        telling=telling if may_see else None,
    )


def shown_decision(decision: ScreeningDecision | None) -> ShownDecision | None:
    """The decision in sentences; one that can no longer be read shows no match."""
    if decision is None:
        return None
    try:
        matches = Decision.from_json(decision.outcome).matches
    except (KeyError, TypeError, AttributeError):
        matches = ()
    return ShownDecision(
        decision,
        [
            ShownMatch(sentence_for_match(match), [action_phrase(one) for one in match.actions])
            for match in matches
        ],
    )


def relatives_of(order: Order) -> list[tuple[str, Order]]:
    """(relation, order) for parent, children, gifts and what travels along; two indexed reads.

    Merged orders belong to one customer, so they are found by customer.
    """
    named = [order.parent_number, order.gift_for_number, order.merged_into_number]
    numbers = [number for number in named if number]
    found = Order.objects.filter(
        Q(number__in=numbers) | Q(parent_number=order.number) | Q(gift_for_number=order.number)
        if numbers
        else Q(parent_number=order.number) | Q(gift_for_number=order.number)
    )
    merged = Order.objects.filter(customer_id=order.customer_id, merged_into_number=order.number)
    related = {one.pk: one for one in [*found.order_by("id")[:60], *merged.order_by("id")[:60]]}
    return [(relation(order, one), one) for one in related.values()]


def relation(order: Order, other: Order) -> str:
    """The stable key of how `other` belongs to `order`."""
    if other.number == order.parent_number:
        return "parent"
    if other.parent_number == order.number:
        return "child"
    if other.number == order.gift_for_number:
        return "main"
    if other.gift_for_number == order.number:
        return "gift"
    return "travels_with" if other.number == order.merged_into_number else "merged"
