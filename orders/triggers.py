"""Database triggers: every key-field change reaches the feed, and no held order is dispatched.

Statement triggers with transition tables see `.update()`, raw SQL, COPY and the admin alike and
cost one INSERT per statement, not per row. Lines and shipment lines go in before their parents
(their foreign keys are deferred), so a parent's first event can carry them.
"""

from typing import Any

import pgtrigger

SHIP_TO = """jsonb_build_object('province', {0}.province, 'city', {0}.city,
    'district', {0}.district, 'street', {0}.street)"""
RECIPIENT = """jsonb_build_object('name', {0}.ship_name, 'phone', {0}.ship_phone,
    'phone_masked', {0}.ship_phone_masked, 'phone_hash', {0}.ship_phone_hash)"""
ROUTING = """jsonb_build_object(
    'warehouse', (SELECT code FROM orders_warehouse w WHERE w.id = {0}.warehouse_id),
    'courier', (SELECT code FROM orders_courier c WHERE c.id = {0}.courier_id),
    'packaging', (SELECT code FROM orders_packaging p WHERE p.id = {0}.packaging_id),
    'lane', {0}.lane, 'print_priority', {0}.print_priority)"""
LINES_OF = """(SELECT coalesce(jsonb_agg(jsonb_build_object('sku', s.code, 'quantity', l.quantity,
        'unit_price', l.unit_price::text, 'is_gift', l.is_gift) ORDER BY l.position), '[]')
    FROM orders_orderline l JOIN orders_sku s ON s.id = l.sku_id WHERE l.order_id = {0})"""

STATE_WORD = """'order.' || CASE a.state WHEN 'on_hold' THEN 'held' WHEN 'ready' THEN 'cleared'
    WHEN 'received' THEN 'waiting'
    ELSE a.state END"""

KEY_COLUMNS = (
    *("province", "city", "district", "street"),
    *("ship_name", "ship_phone", "ship_phone_masked", "ship_phone_hash"),
    *("invoice_title", "delivery_slot", "state"),
    *("warehouse_id", "courier_id", "packaging_id", "lane", "print_priority"),
)
OTHER_EDITABLE = ("paid_at", "urgent", "buyer_remark", "seller_remark")
"""Not fed, but people and systems edit them: two edits of one version must not both succeed."""


def _differs(*columns: str, before: str = "OLD", after: str = "NEW") -> str:
    left = ", ".join(f"{before}.{column}" for column in columns)
    right = ", ".join(f"{after}.{column}" for column in columns)
    return f"ROW({left}) IS DISTINCT FROM ROW({right})"


def _arm(rank: int, kind: str, field: str, value: str, *columns: str) -> str:
    """One kind of change as a SELECT over the row before (b) and after (a)."""
    return f"""SELECT {rank} AS rank, {kind} AS kind, '{field}' AS field,
        {value.format("b")} AS old, {value.format("a")} AS new
        WHERE {_differs(*columns, before="b", after="a")}"""


_ORDER_ARMS = " UNION ALL ".join(
    [
        _arm(1, "'order.address_changed'", "ship_to", SHIP_TO, *KEY_COLUMNS[:4]),
        _arm(2, "'order.recipient_changed'", "recipient", RECIPIENT, *KEY_COLUMNS[4:8]),
        _arm(
            3,
            "'order.invoice_title_changed'",
            "invoice_title",
            "to_jsonb({0}.invoice_title)",
            "invoice_title",
        ),
        _arm(
            4,
            "'order.delivery_slot_changed'",
            "delivery_slot",
            "to_jsonb({0}.delivery_slot)",
            "delivery_slot",
        ),
        _arm(5, "'order.routing_changed'", "routing", ROUTING, *KEY_COLUMNS[11:]),
        _arm(6, STATE_WORD, "state", "to_jsonb({0}.state)", "state"),
    ]
)

ORDER_RECEIVED = f"""
INSERT INTO changefeed_change (subject_kind, subject_id, subject_version, kind, field, old, new)
SELECT 'order', a.number, a.version, 'order.received', '', NULL, jsonb_build_object(
    'number', a.number, 'channel', (SELECT code FROM orders_channel c WHERE c.id = a.channel_id),
    'customer', (SELECT external_id FROM orders_customer c WHERE c.id = a.customer_id),
    'state', a.state, 'placed_at', a.placed_at, 'paid_at', a.paid_at, 'currency', a.currency,
    'grand_total', a.grand_total::text, 'ship_to', {SHIP_TO.format("a")},
    'recipient', {RECIPIENT.format("a")}, 'lines', {LINES_OF.format("a.id")},
    'invoice_title', a.invoice_title, 'delivery_slot', a.delivery_slot)
FROM new_rows a ORDER BY a.id;
RETURN NULL;
"""

ORDER_UPDATED = f"""
INSERT INTO changefeed_change (subject_kind, subject_id, subject_version, kind, field, old, new)
SELECT 'order', a.number, a.version, change.kind, change.field, change.old, change.new
FROM old_rows b JOIN new_rows a USING (id) CROSS JOIN LATERAL ({_ORDER_ARMS}) change
ORDER BY a.id, change.rank;
RETURN NULL;
"""

REFUSE_HELD_DISPATCH = """
IF EXISTS (SELECT 1 FROM orders_hold WHERE order_id = NEW.id AND state = 'open') THEN
    RAISE EXCEPTION 'order % has an open hold and cannot be dispatched', NEW.number
        USING ERRCODE = 'check_violation', CONSTRAINT = 'no_dispatch_while_held';
END IF;
RETURN NEW;
"""

REFUSE_HOLD_AFTER_DISPATCH = """
IF (SELECT state FROM orders_order WHERE id = NEW.order_id FOR UPDATE)
        IN ('dispatched', 'shipped', 'delivered') THEN
    RAISE EXCEPTION 'order % is with the warehouse and cannot be held', NEW.order_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'no_hold_after_dispatch';
END IF;
RETURN NEW;
"""


def _lines_changed(touched: str) -> str:
    """Body for changed lines of the orders selected as touched.

    Orders not yet written (intake) are left to their first event.
    """
    return f"""
IF EXISTS (SELECT 1 FROM orders_order WHERE id IN ({touched})) THEN
    WITH raised AS (
        UPDATE orders_order SET version = version + 1 WHERE id IN (
            SELECT id FROM orders_order WHERE id IN ({touched}) ORDER BY id FOR UPDATE)
        RETURNING id, number, version)
    INSERT INTO changefeed_change
        (subject_kind, subject_id, subject_version, kind, field, old, new)
    SELECT 'order', o.number, o.version, 'order.lines_changed', 'lines', NULL,
        {LINES_OF.format("o.id")}
    FROM raised o ORDER BY o.id;
END IF;
RETURN NULL;
"""


_LINE_COLUMNS = ("order_id", "position", "sku_id", "quantity", "unit_price", "is_gift")
# A line may have moved from one order to another, and both are told.
_EDITED_LINES = f"""SELECT unnest(ARRAY[b.order_id, a.order_id])
        FROM old_rows b FULL JOIN new_rows a USING (id)
        WHERE {_differs(*_LINE_COLUMNS, before="b", after="a")}"""


_HOLD_DOCUMENT = """jsonb_build_object('id', a.id, 'owner', a.owner, 'rule_key', a.rule_key,
    'reason', a.reason, 'risk', a.risk, 'state', a.state, 'due_at', a.due_at,
    'resolved_by', a.resolved_by, 'resolution', a.resolution, 'follow_up', a.follow_up)"""


def _hold_feed(kind: str, source: str, condition: str) -> str:
    return f"""
IF EXISTS (SELECT 1 FROM {source} WHERE {condition}) THEN
    PERFORM 1 FROM orders_order WHERE id IN (SELECT a.order_id FROM {source} WHERE {condition})
        ORDER BY id FOR UPDATE;
    INSERT INTO changefeed_change
        (subject_kind, subject_id, subject_version, kind, field, old, new)
    SELECT 'order', o.number, o.version, {kind}, 'hold', NULL, {_HOLD_DOCUMENT}
    FROM {source} JOIN orders_order o ON o.id = a.order_id WHERE {condition} ORDER BY a.id;
END IF;
RETURN NULL;
"""


_SHIPMENT_DOCUMENT = f"""jsonb_build_object('number', a.number, 'order', o.number,
    'state', a.state, 'routing', {ROUTING.format("a")}, 'deliver_on', a.deliver_on,
    'waybill', a.waybill, 'freeze_reason', a.freeze_reason, 'freeze_answer', a.freeze_answer,
    'ship_to', {SHIP_TO.format("o")}, 'recipient', {RECIPIENT.format("o")},
    'lines', (SELECT coalesce(jsonb_agg(jsonb_build_object('sku', s.code,
            'quantity', sl.quantity) ORDER BY l.position), '[]')
        FROM orders_shipmentline sl JOIN orders_orderline l ON l.id = sl.order_line_id
        JOIN orders_sku s ON s.id = l.sku_id WHERE sl.shipment_id = a.id))"""

_SHIPMENT_UPDATE_ARMS = """
    SELECT 1 AS rank, 'shipment.rescheduled' AS kind
        WHERE a.deliver_on IS DISTINCT FROM b.deliver_on
    UNION ALL SELECT 2, 'shipment.freeze_requested'
        WHERE a.freeze_requested_at IS NOT NULL
            AND a.freeze_requested_at IS DISTINCT FROM b.freeze_requested_at
    UNION ALL SELECT 3, 'shipment.freeze_refused'
        WHERE a.freeze_answer = 'refused' AND b.freeze_answer <> 'refused'
    UNION ALL SELECT 4, 'shipment.rerouted'
        WHERE ROW(a.warehouse_id, a.courier_id) IS DISTINCT FROM ROW(b.warehouse_id, b.courier_id)
    UNION ALL SELECT 5, 'shipment.' || a.state WHERE a.state IS DISTINCT FROM b.state"""


def _shipment_feed(kind: str, source: str, extra: str = "") -> str:
    return f"""
PERFORM 1 FROM orders_order WHERE id IN (SELECT order_id FROM new_rows) ORDER BY id FOR UPDATE;
INSERT INTO changefeed_change (subject_kind, subject_id, subject_version, kind, field, old, new)
SELECT 'order', o.number, o.version, {kind}, 'shipment', NULL, {_SHIPMENT_DOCUMENT}
FROM {source} JOIN orders_order o ON o.id = a.order_id {extra};
RETURN NULL;
"""


CUSTOMER_UPDATED = """
INSERT INTO changefeed_change (subject_kind, subject_id, subject_version, kind, field, old, new)
SELECT 'customer', a.external_id, a.version, 'customer.contact_changed', 'contact',
    jsonb_build_object('name', b.name, 'phone', b.phone),
    jsonb_build_object('name', a.name, 'phone', a.phone)
FROM old_rows b JOIN new_rows a USING (id)
WHERE ROW(a.name, a.phone) IS DISTINCT FROM ROW(b.name, b.phone) ORDER BY a.id;
RETURN NULL;
"""


def _raise_version(*columns: str) -> Any:
    """The database alone raises `version`, by one a change; a stale copy never sets it back."""
    changed = _differs(*columns)
    return _before(
        "raise_version",
        pgtrigger.Update,
        f"{changed} OR NEW.version < OLD.version",
        f"NEW.version := OLD.version + CASE WHEN {changed} THEN 1 ELSE 0 END; RETURN NEW;",
    )


_OLD_AND_NEW = pgtrigger.Referencing(old="old_rows", new="new_rows")
_NEW = pgtrigger.Referencing(new="new_rows")
_OLD = pgtrigger.Referencing(old="old_rows")


def _feed(name: str, operation: Any, referencing: pgtrigger.Referencing, func: str) -> Any:
    return pgtrigger.Trigger(
        name=name,
        level=pgtrigger.Statement,
        when=pgtrigger.After,
        operation=operation,
        referencing=referencing,
        func=func,
    )


def _before(name: str, operation: Any, condition: str, func: str) -> Any:
    return pgtrigger.Trigger(
        name=name,
        when=pgtrigger.Before,
        operation=operation,
        condition=pgtrigger.Condition(condition),
        func=func,
    )


ORDER = [
    _raise_version(*KEY_COLUMNS, *OTHER_EDITABLE),
    _before(
        "refuse_held_dispatch",
        pgtrigger.Update,
        "NEW.state IN ('dispatched', 'shipped', 'delivered') AND NEW.state <> OLD.state",
        REFUSE_HELD_DISPATCH,
    ),
    _feed("feed_insert", pgtrigger.Insert, _NEW, ORDER_RECEIVED),
    _feed("feed_update", pgtrigger.Update, _OLD_AND_NEW, ORDER_UPDATED),
]

LINES = [
    _feed("feed_insert", pgtrigger.Insert, _NEW, _lines_changed("SELECT order_id FROM new_rows")),
    _feed("feed_update", pgtrigger.Update, _OLD_AND_NEW, _lines_changed(_EDITED_LINES)),
    _feed("feed_delete", pgtrigger.Delete, _OLD, _lines_changed("SELECT order_id FROM old_rows")),
]

HOLDS = [
    _before(
        "refuse_after_dispatch",
        pgtrigger.Insert | pgtrigger.Update,
        "NEW.state = 'open'",
        REFUSE_HOLD_AFTER_DISPATCH,
    ),
    _feed("feed_insert", pgtrigger.Insert, _NEW, _hold_feed("'hold.opened'", "new_rows a", "true")),
    _feed(
        "feed_update",
        pgtrigger.Update,
        _OLD_AND_NEW,
        _hold_feed(
            "'hold.' || CASE WHEN a.order_id <> b.order_id THEN 'inherited' ELSE a.state END",
            "old_rows b JOIN new_rows a USING (id)",
            "(a.state <> b.state OR a.order_id <> b.order_id)",
        ),
    ),
]

SHIPMENTS = [
    _feed(
        "feed_insert",
        pgtrigger.Insert,
        _NEW,
        _shipment_feed("'shipment.' || a.state", "new_rows a", "ORDER BY a.id"),
    ),
    _feed(
        "feed_update",
        pgtrigger.Update,
        _OLD_AND_NEW,
        _shipment_feed(
            "change.kind",
            "old_rows b JOIN new_rows a USING (id)",
            f"CROSS JOIN LATERAL ({_SHIPMENT_UPDATE_ARMS}) change ORDER BY a.id, change.rank",
        ),
    ),
]

CUSTOMER = [
    _raise_version("name", "phone"),
    _feed("feed_update", pgtrigger.Update, _OLD_AND_NEW, CUSTOMER_UPDATED),
]
