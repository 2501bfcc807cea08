"""Lines rewritten with the values they had are no change of their order."""

import pgtrigger.compiler
import pgtrigger.migrations
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("orders", "0007_orders_that_wait_again"),
    ]

    operations = [
        pgtrigger.migrations.RemoveTrigger(
            model_name="orderline",
            name="feed_update",
        ),
        pgtrigger.migrations.AddTrigger(
            model_name="orderline",
            trigger=pgtrigger.compiler.Trigger(
                name="feed_update",
                sql=pgtrigger.compiler.UpsertTriggerSql(
                    func="\nIF EXISTS (SELECT 1 FROM orders_order WHERE id IN (SELECT unnest(ARRAY[b.order_id, a.order_id])\n        FROM old_rows b FULL JOIN new_rows a USING (id)\n        WHERE ROW(b.order_id, b.position, b.sku_id, b.quantity, b.unit_price, b.is_gift) IS DISTINCT FROM ROW(a.order_id, a.position, a.sku_id, a.quantity, a.unit_price, a.is_gift))) THEN\n    WITH raised AS (\n        UPDATE orders_order SET version = version + 1 WHERE id IN (\n            SELECT id FROM orders_order WHERE id IN (SELECT unnest(ARRAY[b.order_id, a.order_id])\n        FROM old_rows b FULL JOIN new_rows a USING (id)\n        WHERE ROW(b.order_id, b.position, b.sku_id, b.quantity, b.unit_price, b.is_gift) IS DISTINCT FROM ROW(a.order_id, a.position, a.sku_id, a.quantity, a.unit_price, a.is_gift)) ORDER BY id FOR UPDATE)\n        RETURNING id, number, version)\n    INSERT INTO changefeed_change\n        (subject_kind, subject_id, subject_version, kind, field, old, new)\n    SELECT 'order', o.number, o.version, 'order.lines_changed', 'lines', NULL,\n        (SELECT coalesce(jsonb_agg(jsonb_build_object('sku', s.code, 'quantity', l.quantity,\n        'unit_price', l.unit_price::text, 'is_gift', l.is_gift) ORDER BY l.position), '[]')\n    FROM orders_orderline l JOIN orders_sku s ON s.id = l.sku_id WHERE l.order_id = o.id)\n    FROM raised o ORDER BY o.id;\nEND IF;\nRETURN NULL;\n",
                    hash="a9ce6471eef504eb26238bfa98b460fef928fce7",
                    level="STATEMENT",
                    operation="UPDATE",
                    pgid="pgtrigger_feed_update_e097e",
                    referencing="REFERENCING OLD TABLE AS old_rows  NEW TABLE AS new_rows ",
                    table="orders_orderline",
                    when="AFTER",
                ),
            ),
        ),
    ]
