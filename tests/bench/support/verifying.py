"""Whether the database holds exactly what was acknowledged."""

import psycopg

_CHECKS = {
    "orders": "SELECT count(*) FROM orders_order",
    "lines": "SELECT count(*) FROM orders_orderline",
    "decisions": "SELECT count(*) FROM orders_screeningdecision",
    "changes": "SELECT count(*) FROM changefeed_change WHERE kind = 'order.received'",
    "lanes": "SELECT count(*) FROM changefeed_feedlane WHERE subject_kind = 'order'",
    "stock rows that differ from the ledger": """
        SELECT count(*) FROM orders_stock s JOIN (
            SELECT stock_id, sum(on_hand_delta) AS on_hand, sum(reserved_delta) AS reserved
            FROM orders_stockentry GROUP BY stock_id) e ON e.stock_id = s.id
        WHERE s.on_hand <> e.on_hand OR s.reserved <> e.reserved""",
    "units reserved": "SELECT sum(reserved) FROM orders_stock",
    "units ordered": "SELECT sum(quantity) FROM orders_orderline",
}


def verify(address: str, acknowledged: int, *, endpoints: int = 3, lines: int = 3) -> None:
    """Raise AssertionError unless all that was acknowledged is stored, and nothing else."""
    found = {}
    with psycopg.connect(address, autocommit=True) as connection:
        for name, query in _CHECKS.items():
            row = connection.execute(query).fetchone()
            found[name] = int((row and row[0]) or 0)
    expected = {
        "orders": acknowledged,
        "lines": acknowledged * lines,
        "decisions": acknowledged,
        "changes": acknowledged,
        "lanes": acknowledged * endpoints,
        "stock rows that differ from the ledger": 0,
        "units reserved": found["units ordered"],
    }
    wrong = {
        name: f"{found[name]}, expected {wanted}"
        for name, wanted in expected.items()
        if found[name] != wanted
    }
    assert not wrong, wrong
