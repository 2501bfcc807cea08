"""The run-once ledger: what a decision causes happens once for an order, whatever runs again."""

from collections.abc import Sequence

from orders.models import Order, ScreeningDecision
from orders.sql import fetch

DISPATCH = "dispatch"

_CAUSE = """
INSERT INTO orders_effect (order_id, key, rule_key, at)
SELECT d.order_id, d.key, d.rule_key, clock_timestamp()
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS d(order_id, key, rule_key)
ORDER BY d.order_id, d.key
ON CONFLICT (order_id, key) DO NOTHING RETURNING order_id, key, rule_key
"""
_ANNOUNCE = """
INSERT INTO changefeed_change (subject_kind, subject_id, subject_version, kind, field, new)
SELECT 'order', o.number, o.version, 'order.effect_caused', d.key,
    jsonb_build_object('effect', d.key, 'rule', d.rule_key, 'customer', c.external_id)
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS d(order_id, key, rule_key)
JOIN orders_order o ON o.id = d.order_id JOIN orders_customer c ON c.id = o.customer_id
ORDER BY o.id, d.key
"""


def cause_effects(orders: Sequence[Order]) -> set[int]:
    """Enter what dispatching these locked orders causes, and tell the feed what is new.

    An order that travels in another's parcel is not dispatched itself, and what a split order
    earned is caused once, by its parent. Returns the ids of the orders dispatched for the first
    time.
    """
    numbers = {order.parent_number for order in orders if order.parent_number}
    parents = {
        parent.number: parent.pk
        for parent in (
            Order.objects.filter(number__in=numbers, split_into__gt=0) if numbers else ()
        )
    }
    earners = {order.pk: parents.get(order.parent_number, order.pk) for order in orders}
    wanted = {
        (order.pk, DISPATCH): "" for order in orders if not order.merged_into_number
    } | _decided(set(earners.values()))
    new = fetch(_CAUSE, *_columns([(*key, rule) for key, rule in wanted.items()])) if wanted else []
    if news := [row for row in new if row[1] != DISPATCH]:
        fetch(_ANNOUNCE, *_columns(news))
    return {order_id for order_id, key, _rule in new if key == DISPATCH}


def _decided(order_ids: set[int]) -> dict[tuple[int, str], str]:
    """Rule keys by (order id, effect key) of each order's latest decision."""
    latest = (
        ScreeningDecision.objects.filter(order__in=order_ids)
        .order_by("order_id", "-at", "-id")
        .distinct("order_id")
        .values_list("order_id", "outcome")
    )
    return {
        (order_id, effect["key"]): effect["rule"]
        for order_id, outcome in latest
        for effect in outcome["effects"]
    }


def _columns(rows: Sequence[tuple[object, ...]]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]
