"""What intake reads from the database for a batch of documents, one statement a subject."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.conf import settings

from orders.actors import Actor
from orders.clock import NOW
from orders.intake.checks import References, SkuRef
from orders.intake.facts import Buyer, History
from orders.sql import PLAN_ONCE, Rows, Statement, fetch, gather, records

_REFERENCES = """
SELECT 'channel', code, id FROM orders_channel WHERE is_active
UNION ALL (
    SELECT 'warehouse', code, id FROM orders_warehouse WHERE is_active ORDER BY priority, code)
UNION ALL SELECT 'courier', code, id FROM orders_courier WHERE is_active
UNION ALL SELECT 'packaging', code, id FROM orders_packaging WHERE is_active
"""

_SKUS = """
SELECT s.code, s.id, s.category, s.temperature, s.is_fragile, s.high_price_threshold,
    s.presale_ship_date, s.is_active,
    (SELECT array_agg(p.channel_id ORDER BY p.id)
        FROM orders_settlementprice p WHERE p.sku_id = s.id),
    (SELECT array_agg(p.price ORDER BY p.id) FROM orders_settlementprice p WHERE p.sku_id = s.id),
    (SELECT array_agg(t.warehouse_id ORDER BY t.id) FROM orders_stock t WHERE t.sku_id = s.id),
    (SELECT array_agg(t.on_hand - t.reserved ORDER BY t.id)
        FROM orders_stock t WHERE t.sku_id = s.id)
FROM orders_sku s WHERE s.code = ANY(%s::text[])
"""

_BEGIN = """
SELECT 0, nextval(pg_get_serial_sequence('orders_order', 'id')), '', '', '', ''
FROM generate_series(1, %s::int)
UNION ALL
SELECT 1, o.id, o.number, o.source, o.idempotency_key, o.body_hash
FROM orders_order o WHERE o.number = ANY(%s::text[])
UNION ALL
SELECT 1, o.id, o.number, o.source, o.idempotency_key, o.body_hash
FROM orders_order o WHERE o.source = %s AND o.idempotency_key = ANY(%s::text[])
    AND o.idempotency_key <> ''
"""

# A purchase that was split counts once, as the parent.
_BOUGHT = """(o.parent_number = '' OR NOT EXISTS (SELECT 1 FROM orders_order p
    WHERE p.number = o.parent_number AND p.split_into > 0))"""

_HISTORY = f"""
SELECT i.position,
    (SELECT count(*) FROM orders_order o WHERE o.address_key = i.address_key
        AND o.placed_at > i.placed_at - interval '24 hours' AND o.placed_at <= i.placed_at
        AND o.id <> i.order_id AND {_BOUGHT}),
    coalesce(c.day, 0), coalesce(c.half_year, 0), coalesce(c.spend, 0),
    (SELECT count(*) FROM orders_returnrecord r WHERE r.customer_id = b.id
        AND r.at > i.placed_at - interval '180 days' AND r.at <= i.placed_at),
    (SELECT count(*) FROM orders_returnrecord r WHERE r.customer_id = b.id
        AND r.at > i.placed_at - interval '30 days' AND r.at <= i.placed_at)
FROM json_to_recordset(%s::json) AS i(position integer, address_key text, customer text,
    placed_at timestamptz, order_id bigint)
LEFT JOIN orders_customer b ON b.external_id = i.customer
LEFT JOIN LATERAL (
    SELECT count(*) FILTER (WHERE o.placed_at > i.placed_at - interval '24 hours') AS day,
        count(*) FILTER (WHERE o.placed_at > i.placed_at - interval '180 days') AS half_year,
        sum(o.grand_total) AS spend
    FROM orders_order o WHERE o.customer_id = b.id AND o.placed_at <= i.placed_at
        AND o.state <> 'cancelled' AND o.id <> i.order_id AND {_BOUGHT}
) c ON true
"""

_HISTORY_COLUMNS = ("position", "address_key", "customer", "placed_at", "order_id")

CUSTOMER_COLUMNS = """c.id, c.external_id, c.registered_at, c.crm_grade, c.is_employee,
    c.sign_for_rate, c.name <> '' AND c.phone <> '' AND c.registered_at IS NOT NULL"""
_CUSTOMERS = f"""
SELECT {CUSTOMER_COLUMNS} FROM orders_customer c WHERE c.external_id = ANY(%s::text[])
"""


@dataclass(frozen=True, slots=True)
class KnownOrder:
    number: str
    source: str
    idempotency_key: str
    body_hash: str
    id: int


@dataclass(frozen=True, slots=True)
class KnownCustomer:
    id: int
    buyer: Buyer
    is_complete: bool


@dataclass(frozen=True, slots=True)
class Opening:
    """What the database knows of a batch before any order of it is stored.

    `now` is the database's time; `ids` are fresh order ids, one a number asked for; `by_key` are
    the orders that this source sent under one of the idempotency keys.
    """

    now: datetime
    ids: list[int]
    by_number: dict[str, KnownOrder]
    by_key: dict[str, KnownOrder]
    references: References
    customers: dict[str, KnownCustomer]


def open_batch(
    actor: Actor,
    numbers: Sequence[str],
    keys: Sequence[str],
    sku_codes: Iterable[str],
    external_ids: Iterable[str],
) -> Opening:
    """Name the actor of the transaction, and read what a batch of documents refers to."""
    _plan, _actor, ((now,),), begun, references, skus, customers = gather(
        PLAN_ONCE,
        actor.naming(),
        (NOW,),
        (_BEGIN, len(numbers), list(numbers), actor.source, list(keys)),
        (_REFERENCES,),
        (_SKUS, sorted(set(sku_codes))),
        (_CUSTOMERS, sorted(set(external_ids))),
    )
    known = [KnownOrder(row[2], row[3], row[4], row[5], row[1]) for row in begun if row[0]]
    return Opening(
        now,
        [row[1] for row in begun if not row[0]],
        {order.number: order for order in known},
        {
            order.idempotency_key: order
            for order in known
            if order.source == actor.source and order.idempotency_key
        },
        _references(references, skus),
        known_customers(customers),
    )


def read_references(sku_codes: Iterable[str]) -> References:
    """Channels, SKUs with their settlement prices, and what routing may assign."""
    return _references(*gather((_REFERENCES,), (_SKUS, sorted(set(sku_codes)))))


def _references(named: Rows, skus: Rows) -> References:
    kinds: dict[str, dict[str, int]] = {
        "channel": {},
        "warehouse": {},
        "courier": {},
        "packaging": {},
    }
    for kind, code, key in named:
        kinds[kind][code] = key
    return References(
        channels=kinds["channel"],
        skus=_skus(skus),
        warehouses=kinds["warehouse"],
        couriers=kinds["courier"],
        packagings=kinds["packaging"],
        currency=settings.CURRENCY,
    )


def _skus(rows: Rows) -> dict[str, SkuRef]:
    """SKUs by code; unknown codes are absent."""
    return {
        row[0]: SkuRef(
            id=row[1],
            code=row[0],
            category=row[2],
            temperature=row[3],
            is_fragile=row[4],
            high_price_threshold=row[5],
            presale_ship_date=row[6],
            is_active=row[7],
            settlement=dict(zip(row[8] or (), row[9] or (), strict=True)),
            free=dict(zip(row[10] or (), row[11] or (), strict=True)),
        )
        for row in rows
    }


def known_customers(rows: Iterable[tuple[Any, ...]]) -> dict[str, KnownCustomer]:
    """Customers by external id, from rows of CUSTOMER_COLUMNS."""
    return {
        row[1]: KnownCustomer(row[0], Buyer(row[1], row[2], row[3], row[4], row[5]), row[6])
        for row in rows
    }


@dataclass(frozen=True, slots=True)
class HistoryKey:
    """Whose history, up to when; `order_id` (0 for none) is left out of it."""

    address_key: str
    customer: str
    placed_at: datetime
    order_id: int = 0


def histories(keys: Sequence[HistoryKey]) -> Statement:
    """Reads one history a key; see histories_in."""
    rows = [
        (position, key.address_key, key.customer, key.placed_at, key.order_id)
        for position, key in enumerate(keys)
    ]
    return (_HISTORY, records(_HISTORY_COLUMNS, rows))


def histories_in(rows: Rows) -> list[History]:
    """The histories that `histories` read, in the order of its keys."""
    return [
        History(
            address_orders_24h=row[1],
            customer_orders_24h=row[2],
            orders_180d=row[3],
            lifetime_spend=Decimal(row[4]),
            returns_180d=row[5],
            returns_30d=row[6],
        )
        for row in sorted(rows)
    ]


def read_history(key: HistoryKey) -> History:
    """The history of one."""
    return histories_in(fetch(*histories([key])))[0]


def add_batch_history(
    histories: Sequence[History], keys: Sequence[HistoryKey], amounts: Sequence[Decimal]
) -> None:
    """Count, for each order of a batch, what came before it within the same batch."""
    by_address: dict[str, list[int]] = {}
    by_customer: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        for earlier in by_address.setdefault(key.address_key, []):
            if 0 <= (key.placed_at - keys[earlier].placed_at).total_seconds() < 86_400:
                histories[index].address_orders_24h += 1
        for earlier in by_customer.setdefault(key.customer, []):
            age = (key.placed_at - keys[earlier].placed_at).total_seconds()
            if age >= 0:
                histories[index].customer_orders_24h += age < 86_400
                histories[index].orders_180d += age < 180 * 86_400
                histories[index].lifetime_spend += amounts[earlier]
        by_address[key.address_key].append(index)
        by_customer[key.customer].append(index)
