"""The present state of orders, customers and their parcels, as the feed's snapshot tells it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from django.db import connection

from changefeed import snapshots, subjects
from orders.triggers import LINES_OF, RECIPIENT, ROUTING, SHIP_TO

_ORDERS = f"""
SELECT a.id, jsonb_build_object('subject',
    jsonb_build_object('kind', 'order', 'id', a.number, 'version', a.version),
    'state', jsonb_build_object('number', a.number, 'state', a.state,
        'channel', (SELECT code FROM orders_channel c WHERE c.id = a.channel_id),
        'customer', (SELECT external_id FROM orders_customer c WHERE c.id = a.customer_id),
        'placed_at', a.placed_at, 'paid_at', a.paid_at, 'currency', a.currency,
        'grand_total', a.grand_total::text, 'ship_to', {SHIP_TO.format("a")},
        'recipient', {RECIPIENT.format("a")}, 'routing', {ROUTING.format("a")},
        'lines', {LINES_OF.format("a.id")}, 'invoice_title', a.invoice_title,
        'delivery_slot', a.delivery_slot, 'shipments', (
            SELECT coalesce(jsonb_agg(jsonb_build_object('number', s.number, 'state', s.state)
                ORDER BY s.id), '[]')
            FROM orders_shipment s WHERE s.order_id = a.id)))::text
FROM orders_order a WHERE a.id > %s ORDER BY a.id LIMIT %s
"""

_CUSTOMERS = """
SELECT a.id, jsonb_build_object('subject',
    jsonb_build_object('kind', 'customer', 'id', a.external_id, 'version', a.version),
    'state', jsonb_build_object('number', a.external_id,
        'contact', jsonb_build_object('name', a.name, 'phone', a.phone)))::text
FROM orders_customer a WHERE a.id > %s ORDER BY a.id LIMIT %s
"""

_LOCK = "SELECT version FROM {table} WHERE {name} = %s FOR NO KEY UPDATE"


def _read(statement: str, after: int, limit: int) -> Sequence[tuple[int, dict[str, Any]]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, (after, limit))
        return [(key, json.loads(text)) for key, text in cursor.fetchall()]


def register_state() -> None:
    """Tell the feed what orders and customers are like now, and how to hold one still.

    Called once when the app is ready.
    """
    snapshots.register("order", partial(_read, _ORDERS))
    snapshots.register("customer", partial(_read, _CUSTOMERS))
    subjects.register("order", _LOCK.format(table="orders_order", name="number"))
    subjects.register("customer", _LOCK.format(table="orders_customer", name="external_id"))
