"""Database triggers of returns: every change reaches the feed, no unit comes back twice.

The feed rows come from statement triggers, so that `.update()`, raw SQL and the admin are seen
alike. The request's row is written before its lines; its first event is sent by the lines.
"""

from typing import Any

import pgtrigger

KEY_COLUMNS = ("state", "kind", "refund_amount", "decision_reason", "warehouse_id")

DOCUMENT = """jsonb_build_object('number', r.number, 'order', o.number,
    'customer', (SELECT external_id FROM orders_customer c WHERE c.id = r.customer_id),
    'kind', r.kind, 'state', r.state, 'reason', r.reason,
    'refund_amount', r.refund_amount::text, 'currency', o.currency,
    'decided_by', r.decided_by, 'decision_reason', r.decision_reason,
    'warehouse', (SELECT code FROM orders_warehouse w WHERE w.id = r.warehouse_id),
    'lines', (SELECT coalesce(jsonb_agg(jsonb_build_object('position', ol.position, 'sku', s.code,
            'quantity', rl.quantity, 'good_units', rl.good_units, 'bad_units', rl.bad_units,
            'refund_amount', rl.refund_amount::text) ORDER BY ol.position), '[]')
        FROM returns_returnline rl JOIN orders_orderline ol ON ol.id = rl.order_line_id
        JOIN orders_sku s ON s.id = ol.sku_id WHERE rl.request_id = r.id))"""

UNITS_OF = """coalesce(sum(CASE WHEN r.state IN ('received', 'closed')
    THEN coalesce(rl.good_units, 0) + coalesce(rl.bad_units, 0) ELSE rl.quantity END), 0)"""

NEVER_MORE_THAN_BOUGHT = f"""
PERFORM 1 FROM orders_order WHERE id = (
    SELECT order_id FROM orders_orderline WHERE id = NEW.order_line_id) FOR NO KEY UPDATE;
IF EXISTS (SELECT 1 FROM returns_returnrequest r JOIN orders_orderline l ON l.id = NEW.order_line_id
        WHERE r.id = NEW.request_id AND r.order_id <> l.order_id) THEN
    RAISE EXCEPTION 'order line % belongs to another order', NEW.order_line_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'return_line_of_its_order';
END IF;
IF (SELECT {UNITS_OF} FROM returns_returnline rl
        JOIN returns_returnrequest r ON r.id = rl.request_id
        WHERE rl.order_line_id = NEW.order_line_id AND r.state NOT IN ('refused', 'withdrawn'))
    > (SELECT quantity FROM orders_orderline WHERE id = NEW.order_line_id) THEN
    RAISE EXCEPTION 'order line % has fewer units than are being returned', NEW.order_line_id
        USING ERRCODE = 'check_violation', CONSTRAINT = 'never_return_more_than_bought';
END IF;
RETURN NULL;
"""

FINAL_STAYS_FINAL = """
RAISE EXCEPTION 'return % is % and stays so', OLD.number, OLD.state
    USING ERRCODE = 'check_violation', CONSTRAINT = 'final_return_stays_final';
"""

LINES_ADDED = f"""
INSERT INTO changefeed_change (subject_kind, subject_id, subject_version, kind, field, old, new)
SELECT 'return', r.number, r.version,
    CASE WHEN EXISTS (SELECT 1 FROM returns_returnline e WHERE e.request_id = r.id
            AND e.id NOT IN (SELECT id FROM new_rows))
        THEN 'return.lines_changed' ELSE 'return.requested' END, '', NULL, {DOCUMENT}
FROM returns_returnrequest r JOIN orders_order o ON o.id = r.order_id
WHERE r.id IN (SELECT request_id FROM new_rows) ORDER BY r.id;
RETURN NULL;
"""

REQUEST_UPDATED = f"""
INSERT INTO changefeed_change (subject_kind, subject_id, subject_version, kind, field, old, new)
SELECT 'return', r.number, r.version, change.kind, change.field, change.old, change.new
FROM old_rows b JOIN new_rows r USING (id) JOIN orders_order o ON o.id = r.order_id
CROSS JOIN LATERAL (
    SELECT 1 AS rank, 'return.refund_amount_changed' AS kind, 'refund_amount' AS field,
        to_jsonb(b.refund_amount::text) AS old, to_jsonb(r.refund_amount::text) AS new
    WHERE b.refund_amount <> r.refund_amount
    UNION ALL
    SELECT 2, 'return.' || CASE r.state WHEN 'received' THEN 'goods_received' ELSE r.state END,
        'state', to_jsonb(b.state), {DOCUMENT}
    WHERE b.state <> r.state
) change ORDER BY r.id, change.rank;
RETURN NULL;
"""


def _differs(*columns: str) -> str:
    old = ", ".join(f"OLD.{column}" for column in columns)
    new = ", ".join(f"NEW.{column}" for column in columns)
    return f"ROW({old}) IS DISTINCT FROM ROW({new})"


def _statement(name: str, operation: Any, func: str, **rows: str) -> Any:
    return pgtrigger.Trigger(
        name=name,
        level=pgtrigger.Statement,
        when=pgtrigger.After,
        operation=operation,
        referencing=pgtrigger.Referencing(**rows),
        func=func,
    )


REQUEST = [
    pgtrigger.Trigger(
        name="raise_version",
        when=pgtrigger.Before,
        operation=pgtrigger.Update,
        condition=pgtrigger.Condition(_differs(*KEY_COLUMNS)),
        func="NEW.version := OLD.version + 1; RETURN NEW;",
    ),
    pgtrigger.Trigger(
        name="final_stays_final",
        when=pgtrigger.Before,
        operation=pgtrigger.Update,
        condition=pgtrigger.Condition(
            "OLD.state IN ('refused', 'closed', 'withdrawn') AND NEW.state <> OLD.state"
        ),
        func=FINAL_STAYS_FINAL,
    ),
    _statement("feed_update", pgtrigger.Update, REQUEST_UPDATED, old="old_rows", new="new_rows"),
]

LINES = [
    pgtrigger.Trigger(
        name="never_more_than_bought",
        when=pgtrigger.After,
        operation=pgtrigger.Insert | pgtrigger.Update,
        func=NEVER_MORE_THAN_BOUGHT,
    ),
    _statement("feed_insert", pgtrigger.Insert, LINES_ADDED, new="new_rows"),
]
