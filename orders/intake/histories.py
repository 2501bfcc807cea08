"""What a batch's addresses and customers did before: one statement, however many orders.

Each order sees what was stored before its batch, and what came before it within the batch, so
that a batch is told the same as its orders would be one by one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from orders.intake.moving import MOST_ORDERS, Visit, address_changes
from orders.intake.views import History
from orders.sql import Rows, Statement, fetch, records

# A purchase that was split counts once, as the parent.
_BOUGHT = """(o.parent_number = '' OR NOT EXISTS (SELECT 1 FROM orders_order p
    WHERE p.number = o.parent_number AND p.split_into > 0))"""

# An edit of the address is told in the order's timeline: see orders.lifecycle.changing.
_EDITS = """(SELECT count(*) FROM orders_timelineentry t
    WHERE t.order_id = {} AND t.act = 'changed' AND t.detail ? 'moved')"""

_HISTORY = f"""
SELECT i.position,
    (SELECT count(*) FROM orders_order o WHERE o.address_key = i.address_key
        AND o.placed_at > i.placed_at - interval '24 hours' AND o.placed_at <= i.placed_at
        AND o.id <> i.order_id AND {_BOUGHT}),
    c.day, c.month, c.half_year, c.ever, c.spend, c.cancelled, r.month, r.half_year,
    v.times, v.places, v.edits,
    CASE WHEN i.order_id = 0 THEN 0 ELSE {_EDITS.format("i.order_id")} END
FROM json_to_recordset(%s::json) AS i(position integer, address_key text, customer text,
    placed_at timestamptz, order_id bigint)
LEFT JOIN orders_customer b ON b.external_id = i.customer
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE bought AND o.placed_at > i.placed_at - interval '24 hours')
            AS day,
        count(*) FILTER (WHERE bought AND o.placed_at > i.placed_at - interval '30 days') AS month,
        count(*) FILTER (WHERE bought AND o.placed_at > i.placed_at - interval '180 days')
            AS half_year,
        count(*) FILTER (WHERE bought) AS ever,
        coalesce(sum(o.grand_total) FILTER (WHERE bought), 0) AS spend,
        count(*) FILTER (WHERE NOT bought AND o.placed_at > i.placed_at - interval '30 days')
            AS cancelled
    FROM orders_order o, LATERAL (SELECT o.state <> 'cancelled') AS s(bought)
    WHERE o.customer_id = b.id AND o.placed_at <= i.placed_at AND o.id <> i.order_id AND {_BOUGHT}
) c
CROSS JOIN LATERAL (
    SELECT count(*) FILTER (WHERE e.at > i.placed_at - interval '30 days') AS month,
        count(*) AS half_year
    FROM orders_returnrecord e WHERE e.customer_id = b.id
        AND e.at > i.placed_at - interval '180 days' AND e.at <= i.placed_at
) r
CROSS JOIN LATERAL (
    SELECT array_agg(n.placed_at) AS times, array_agg(n.address_key) AS places,
        array_agg(n.edits) AS edits
    FROM (
        SELECT o.id, o.placed_at, o.address_key, {_EDITS.format("o.id")} AS edits
        FROM orders_order o WHERE o.customer_id = b.id
            AND o.placed_at > i.placed_at - interval '30 days' AND o.placed_at <= i.placed_at
            AND o.id <> i.order_id AND {_BOUGHT}
        ORDER BY o.placed_at DESC, o.id DESC LIMIT {MOST_ORDERS}
    ) n
) v
"""

_COLUMNS = ("position", "address_key", "customer", "placed_at", "order_id")
_DAY, _MONTH, _HALF_YEAR = (timedelta(days=days) for days in (1, 30, 180))


@dataclass(frozen=True, slots=True)
class HistoryKey:
    """Whose history, up to when; `order_id` (0 for none) is left out of it, save its edits.

    `amount` is what the order pays: the spend of those after it in its batch.
    """

    address_key: str
    customer: str
    placed_at: datetime
    order_id: int = 0
    amount: Decimal = Decimal(0)


def histories(keys: Sequence[HistoryKey]) -> Statement:
    """Reads one history a key; see histories_in."""
    rows = [
        (position, key.address_key, key.customer, key.placed_at, key.order_id)
        for position, key in enumerate(keys)
    ]
    return (_HISTORY, records(_COLUMNS, rows))


def histories_in(rows: Rows, keys: Sequence[HistoryKey]) -> list[History]:
    """The histories that `histories` read, in the order of its keys, the batch itself included."""
    found: list[History] = []
    earlier_at: dict[str, list[HistoryKey]] = {}
    earlier_by: dict[str, list[HistoryKey]] = {}
    for row, key in zip(sorted(rows), keys, strict=True):
        history = History(
            address_orders_24h=row[1],
            customer_orders_24h=row[2],
            orders_30d=row[3],
            orders_180d=row[4],
            orders_total=row[5],
            lifetime_spend=Decimal(row[6]),
            cancelled_30d=row[7],
            returns_30d=row[8],
            returns_180d=row[9],
        )
        # The last of them come first: aggregates keep the order of the index, and need no sort.
        visits = [
            Visit(at, place, edits)
            for at, place, edits in zip(row[10] or (), row[11] or (), row[12] or (), strict=True)
        ][::-1]
        same_place = earlier_at.setdefault(key.address_key, [])
        same_buyer = earlier_by.setdefault(key.customer, [])
        _count_batch(history, key, same_place, same_buyer)
        visits += [Visit(other.placed_at, other.address_key) for other in same_buyer]
        own = Visit(key.placed_at, key.address_key, row[13])
        history.address_changes_30d = address_changes(visits, own)
        same_place.append(key)
        same_buyer.append(key)
        found.append(history)
    return found


def _count_batch(
    history: History,
    key: HistoryKey,
    same_place: Sequence[HistoryKey],
    same_buyer: Sequence[HistoryKey],
) -> None:
    """Add the orders of the batch that came before this one; none of them is cancelled yet."""
    for other in same_place:
        history.address_orders_24h += timedelta(0) <= key.placed_at - other.placed_at < _DAY
    for other in same_buyer:
        age = key.placed_at - other.placed_at
        if age >= timedelta(0):
            history.customer_orders_24h += age < _DAY
            history.orders_30d += age < _MONTH
            history.orders_180d += age < _HALF_YEAR
            history.orders_total += 1
            history.lifetime_spend += other.amount


def read_history(key: HistoryKey) -> History:
    """The history of one."""
    return histories_in(fetch(*histories([key])), [key])[0]
