"""Changes of orders in the feed, and lanes for them, as many as a benchmark asks for."""

import psycopg

# An order's five changes: two of its address, its routing, and two states.
_CHANGES = """
INSERT INTO changefeed_change (subject_kind, subject_id, subject_version, kind, field, old, new,
                               actor, source)
SELECT 'order', 'B-' || lpad(number::text, 8, '0'), version,
       (ARRAY['order.address_changed', 'order.address_changed', 'order.routing_changed',
              'order.cleared', 'order.dispatched'])[version],
       (ARRAY['ship_to', 'ship_to', 'routing', 'state', 'state'])[version],
       jsonb_build_object('province', '浙江省', 'city', '杭州市', 'district', '余杭区',
                          'street', '仓前街道 ' || version || ' 号'),
       jsonb_build_object('province', '浙江省', 'city', '宁波市', 'district', '鄞州区',
                          'street', '中河街道 ' || number || ' 号'),
       'user:bench', 'sluice'
FROM generate_series(1, %(versions)s::integer) AS version,
     generate_series(%(first)s::integer, %(last)s::integer) AS number
ORDER BY version, number
"""

_LANES = """
INSERT INTO changefeed_feedlane
    (endpoint_id, subject_kind, subject_id, head_seq, last_seq, due_at, pending_since)
SELECT endpoint.id, subject_kind, subject_id, min(seq), max(seq), clock_timestamp(), now()
FROM changefeed_change CROSS JOIN changefeed_endpoint AS endpoint
GROUP BY endpoint.id, subject_kind, subject_id
ORDER BY endpoint.id, min(seq)
"""


def add_changes(address: str, orders: int, *, versions: int = 5, first: int = 1) -> int:
    """So many orders with so many changes each, and their lanes by the trigger; the changes."""
    with psycopg.connect(address, autocommit=True) as connection:
        for start in range(first, first + orders, 20_000):
            last = min(start + 20_000, first + orders) - 1
            connection.execute(_CHANGES, {"versions": versions, "first": start, "last": last})
    return orders * versions


def refill(address: str, *, batch_size: int) -> int:
    """Everything pending again for every endpoint, all paused; how many messages that is."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            "UPDATE changefeed_endpoint SET state = 'paused', batch_size = %s", (batch_size,)
        )
        connection.execute("TRUNCATE changefeed_feedlane, changefeed_attempt")
        connection.execute(_LANES)
        connection.execute("VACUUM ANALYZE changefeed_feedlane, changefeed_change")
        row = connection.execute(
            "SELECT (SELECT count(*) FROM changefeed_change)"
            " * (SELECT count(*) FROM changefeed_endpoint)"
        ).fetchone()
    assert row is not None
    return int(row[0])


def open_gates(address: str) -> None:
    """Let every endpoint be sent to."""
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("UPDATE changefeed_endpoint SET state = 'active'")
