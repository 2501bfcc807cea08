"""A flash sale: 6,200 orders at once for one article of which there are 5,000.

Phones order one by one while a shop platform hands over in bulk. Nothing may be sold twice, and no
order may be lost.
"""

import threading
from collections.abc import Iterator
from itertools import islice

import orjson
import psycopg

from tests.bench.support import load, machine, report, servers
from tests.bench.support.database import product_database, value
from tests.bench.support.load import Outcome

DATABASE = "sluice_bench"
ORDERS = 6_200
UNITS = 5_000
BULK = 200
IN_BULK = 2_200
CLIENTS, BULK_CLIENTS = 16, 2
HOT = "HOT-1"

_FOUND = {
    "stored": "SELECT count(*) FROM orders_order WHERE number LIKE 'F%'",
    "with stock": "SELECT count(*) FROM orders_order WHERE number LIKE 'F%'"
    " AND stock_warehouse_id IS NOT NULL",
    "held for want of stock": "SELECT count(DISTINCT h.order_id) FROM orders_hold h"
    " JOIN orders_order o ON o.id = h.order_id"
    " WHERE o.number LIKE 'F%' AND h.owner = 'stock' AND h.state = 'open'",
    "reserved": "SELECT sum(s.reserved) FROM orders_stock s JOIN orders_sku k ON k.id = s.sku_id"
    " WHERE k.code = 'HOT-1'",
    "reserved in the ledger": "SELECT sum(e.reserved_delta) FROM orders_stockentry e"
    " JOIN orders_stock s ON s.id = e.stock_id JOIN orders_sku k ON k.id = s.sku_id"
    " WHERE k.code = 'HOT-1'",
    "told to the feed": "SELECT count(*) FROM changefeed_change"
    " WHERE kind = 'order.received' AND subject_id LIKE 'F%'",
}


def main() -> None:
    """Sell until nothing is left, count, and report; fails when a number does not agree."""
    chosen = report.arguments(__doc__ or "", seconds=120.0)
    options = chosen.parse_args()
    with product_database(DATABASE) as address:
        result = _run(address, options.seconds)
    result.print(as_json=options.json)


def _run(address: str, longest: float) -> report.Report:
    # Models may be imported only now that Django is set up for the benchmark's database.
    from django.conf import settings

    from tests.bench.support import world
    from tests.factories import make_sku

    headers = {"Authorization": f"Api-Key {world.load_world()}"}
    make_sku(HOT, units=UNITS, warehouses=("EAST-1",))
    singles = list(_singles("F1", ORDERS - IN_BULK, headers))
    bulks = list(_bulks("F2", IN_BULK, headers))
    env = servers.product(address, settings.CACHES["default"]["LOCATION"])
    with servers.granian("flash", 8590, env, "/readyz") as server:
        load.saturate(server.port, _singles("W1", 200, headers, hot=False), CLIENTS, 20)
        load.saturate(server.port, _bulks("W2", 2 * BULK, headers, hot=False), BULK_CLIENTS, 20)
        before = _deadlocks(address)
        one_by_one, in_bulk = _at_once(server.port, singles, bulks, longest)
    found = {name: value(address, query) for name, query in _FOUND.items()}
    expected = {
        "stored": ORDERS,
        "with stock": UNITS,
        "held for want of stock": ORDERS - UNITS,
        "reserved": UNITS,
        "reserved in the ledger": UNITS,
        "told to the feed": ORDERS,
    }
    wrong = {name: count for name, count in found.items() if count != expected[name]}
    if wrong or set(one_by_one.statuses) != {201} or set(in_bulk.statuses) != {200}:
        raise RuntimeError(f"{wrong} {one_by_one.statuses} {in_bulk.statuses}")
    seconds = max(one_by_one.elapsed, in_bulk.elapsed)
    return report.Report(
        "flash",
        machine.description(address),
        {
            "oversold": found["reserved"] - UNITS,
            "deadlocks": _deadlocks(address) - before,
            "lost": ORDERS - found["stored"],
            "orders_per_s": ORDERS / seconds,
            "single_p99_ms": report.percentile(one_by_one.latencies, 0.99) * 1000,
        },
        ["", "orders", "p50 ms", "p99 ms", "longest ms"],
        [
            _row("one order a request", ORDERS - IN_BULK, one_by_one),
            _row(f"{BULK} a request", IN_BULK, in_bulk),
        ],
        [
            f"{ORDERS:,} orders of one unit each, {UNITS:,} units: {found['with stock']:,} sold, "
            f"{found['held for want of stock']:,} held for want of stock, in {seconds:.1f} s; "
            f"{CLIENTS} and {BULK_CLIENTS} keep-alive clients, 300 rules, 3 endpoints subscribed."
        ],
    )


def _singles(
    prefix: str, count: int, headers: dict[str, str], *, hot: bool = True
) -> Iterator[bytes]:
    for document in _documents(prefix, count, hot=hot):
        yield load.request("/api/v1/orders/", orjson.dumps(document), headers)


def _bulks(
    prefix: str, count: int, headers: dict[str, str], *, hot: bool = True
) -> Iterator[bytes]:
    found = _documents(prefix, count, hot=hot)
    while chunk := list(islice(found, BULK)):
        yield load.request("/api/v1/orders/bulk/", orjson.dumps({"orders": chunk}), headers)


def _documents(prefix: str, count: int, *, hot: bool) -> Iterator[dict[str, object]]:
    from tests.bench.support.documents import documents

    line = {"sku": HOT, "quantity": 1, "unit_price": "99.00", "is_gift": False}
    totals = {"goods_total": "99.00", "grand_total": "99.00"}
    for document in documents(prefix, count):
        yield document | {"lines": [line]} | totals if hot else document


def _at_once(
    port: int, singles: list[bytes], bulks: list[bytes], longest: float
) -> tuple[Outcome, Outcome]:
    """Both loads together; the bulk one in a thread, which mostly waits."""
    second: list[Outcome] = []
    thread = threading.Thread(
        target=lambda: second.append(load.saturate(port, bulks, BULK_CLIENTS, longest))
    )
    thread.start()
    first = load.saturate(port, singles, CLIENTS, longest)
    thread.join()
    return first, second[0]


def _deadlocks(address: str) -> int:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
    return value(
        address, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    )


def _row(name: str, orders: int, outcome: Outcome) -> list[report.Cell]:
    waits = [seconds * 1000 for seconds in outcome.latencies]
    return [
        name,
        orders,
        report.percentile(waits, 0.5),
        report.percentile(waits, 0.99),
        max(waits),
    ]


if __name__ == "__main__":
    main()
