"""What intake reads from the database for a batch of documents, one statement a subject."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings

from changefeed.clock import NOW
from orders.actors import Actor
from orders.intake.checks import References, SkuRef
from orders.intake.views import Buyer
from orders.sql import PLAN_ONCE, Rows, gather

_REFERENCES = """
SELECT 'channel', code, id FROM orders_channel WHERE is_active
UNION ALL (
    SELECT 'warehouse', code, id FROM orders_warehouse WHERE is_active ORDER BY priority, code)
UNION ALL SELECT 'courier', code, id FROM orders_courier WHERE is_active
UNION ALL SELECT 'packaging', code, id FROM orders_packaging WHERE is_active
UNION ALL SELECT 'links', c.code, c.id FROM orders_channel c
    WHERE EXISTS (SELECT 1 FROM orders_channelcoupon k WHERE k.channel_id = c.id)
UNION ALL SELECT 'coupon', k.code, k.channel_id FROM orders_channelcoupon k
    WHERE k.code = ANY(%s::text[])
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
    coupon_codes: Iterable[str],
) -> Opening:
    """Name the actor of the transaction, and read what a batch of documents refers to."""
    _plan, _actor, ((now,),), begun, references, skus, customers = gather(
        PLAN_ONCE,
        actor.naming(),
        (NOW,),
        (_BEGIN, len(numbers), list(numbers), actor.source, list(keys)),
        (_REFERENCES, sorted(set(coupon_codes))),
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


def read_references(sku_codes: Iterable[str], coupon_codes: Iterable[str] = ()) -> References:
    """Channels, linked coupons, SKUs with their prices, and what routing may assign."""
    return _references(
        *gather((_REFERENCES, sorted(set(coupon_codes))), (_SKUS, sorted(set(sku_codes))))
    )


def _references(named: Rows, skus: Rows) -> References:
    kinds: dict[str, dict[str, int]] = {
        "channel": {},
        "warehouse": {},
        "courier": {},
        "packaging": {},
        "links": {},
    }
    linked: dict[int, set[str]] = {}
    for kind, code, key in named:
        if kind == "coupon":
            linked.setdefault(key, set()).add(code)
        else:
            kinds[kind][code] = key
    return References(
        channels=kinds["channel"],
        skus=_skus(skus),
        warehouses=kinds["warehouse"],
        couriers=kinds["courier"],
        packagings=kinds["packaging"],
        currency=settings.CURRENCY,
        linked_coupons={
            code: frozenset(linked.get(key, ())) for code, key in kinds["links"].items()
        },
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
