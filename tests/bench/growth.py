"""What an order costs to take in at 10,000 and at 1,000,000 stored orders.

Every second order comes from a customer on record, whose history is then read. CPU time of the web
server and the database, which says more than the clock on a machine that others use.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import orjson
import psycopg

from tests.bench.support import load, machine, report, servers
from tests.bench.support.database import product_database, value

DATABASE = "sluice_bench"
SMALL_SHOP = 200
FEW, MANY = 50, 5000
ROUNDS = 3
BULK = 1000
CLIENTS, BULK_CLIENTS = 8, 2
MOST_PER_SECOND, MOST_BULK_PER_SECOND = 1000, 6
LIMIT = 1.2
KNOWN = 50_000  # customers on record who order again


@dataclass(slots=True)
class Way:
    """One way in, with orders taken and CPU seconds spent at each size."""

    name: str
    path: str
    clients: int
    orders_each: int
    most_per_second: int
    orders: dict[int, int] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    server: dict[int, float] = field(default_factory=dict)
    database: dict[int, float] = field(default_factory=dict)

    def cost_us(self, size: int) -> float:
        return (self.server[size] + self.database[size]) * 1e6 / self.orders[size]

    def row(self, size: int) -> list[report.Cell]:
        each = 1e6 / self.orders[size]
        return [
            f"{self.name}, {size:,} stored",
            self.orders[size],
            self.orders[size] / self.seconds[size],
            self.server[size] * each,
            self.database[size] * each,
            self.cost_us(size),
        ]


def main() -> None:
    """Measure in a small shop, make it a hundred times larger, measure again, and report."""
    chosen = report.arguments(__doc__ or "", seconds=5.0)
    chosen.add_argument("--rounds", type=int, default=ROUNDS)
    chosen.add_argument("--copies", type=int, default=MANY, help="of a shop of 200 orders")
    options = chosen.parse_args()
    with product_database(DATABASE) as address:
        result = _run(address, options.seconds, options.rounds, options.copies)
    result.print(as_json=options.json)


def _run(address: str, seconds: float, rounds: int, copies: int) -> report.Report:
    # Models may be imported only now that Django is set up for the benchmark's database.
    from django.conf import settings

    from tests.bench.support import backlog, multiply, small_shop, world

    small_shop.make(SMALL_SHOP)
    world.add_endpoints(3)
    key = world.make_key("growth")
    headers = {"Authorization": f"Api-Key {key}"}
    multiply.make_room(address, copies)
    ways = [
        Way("one order a request", "/api/v1/orders/", CLIENTS, 1, MOST_PER_SECOND),
        Way("1,000 a request", "/api/v1/orders/bulk/", BULK_CLIENTS, BULK, MOST_BULK_PER_SECOND),
    ]
    env = servers.product(address, settings.CACHES["default"]["LOCATION"])
    quiet = (
        f"{address}{'&' if '?' in address else '?'}options=-c%20session_replication_role%3Dreplica"
    )
    sizes: list[int] = []
    before = 0
    for many in (min(FEW, copies), copies):
        multiply.multiply(address, many, already=before)
        backlog.add_changes(
            quiet, SMALL_SHOP * (many - before), versions=1, first=SMALL_SHOP * before + 1
        )
        _settle(address)
        before = many
        sizes.append(value(address, "SELECT count(*) FROM orders_order"))
        with servers.granian("growth", 8490, env, "/readyz") as server:
            for number in range(rounds + 1):
                for way in ways:
                    made = list(_requests(address, way, f"G{many}-{number}", seconds, headers))
                    # The first round lets both workers load, connect and prepare.
                    size = sizes[-1] if number else 0
                    _measure(way, size, server, made, seconds)
    return _report(address, ways, sizes, rounds, seconds)


def _settle(address: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
        connection.execute("CHECKPOINT")


def _requests(
    address: str, way: Way, prefix: str, seconds: float, headers: dict[str, str]
) -> Iterator[bytes]:
    from tests.bench.support.documents import documents

    count = round(seconds * way.most_per_second) * way.orders_each
    found = _half_known(
        documents(f"{prefix}-{way.orders_each}", count), _customers(address, prefix)
    )
    if way.orders_each == 1:
        for document in found:
            yield load.request(way.path, orjson.dumps(document), headers)
    while chunk := list(islice(found, way.orders_each)):
        yield load.request(way.path, orjson.dumps({"orders": chunk}), headers)


def _customers(address: str, prefix: str) -> list[tuple[str, str, str, str]]:
    with psycopg.connect(address) as connection:
        return connection.execute(
            "SELECT external_id, name, phone, crm_grade FROM orders_customer"
            " ORDER BY md5(external_id || %s) LIMIT %s",
            (prefix, KNOWN),
        ).fetchall()


def _half_known(
    made: Iterator[dict[str, Any]], known: Sequence[tuple[str, str, str, str]]
) -> Iterator[dict[str, Any]]:
    for index, document in enumerate(made):
        if index % 2:
            external_id, name, phone, grade = known[index // 2 % len(known)]
            again = {"external_id": external_id, "name": name, "phone": phone, "crm_grade": grade}
            document = document | {"customer": document["customer"] | again}
        yield document


def _measure(
    way: Way, size: int, server: servers.Server, made: Sequence[bytes], seconds: float
) -> None:
    web = machine.family(server.pid)
    served, database = machine.cpu_seconds(web), machine.Serving(DATABASE)
    outcome = load.saturate(server.port, made, way.clients, seconds)
    if set(outcome.statuses) - {200, 201}:
        raise RuntimeError(f"{way.name}: {outcome.statuses} {outcome.late_bodies}")
    taken = outcome.statuses.total() * way.orders_each
    for totals, more in (
        (way.server, machine.cpu_seconds(web) - served),
        (way.database, database.seconds()),
        (way.seconds, outcome.elapsed),
    ):
        totals[size] = totals.get(size, 0.0) + more
    way.orders[size] = way.orders.get(size, 0) + taken


def _report(
    address: str, ways: Sequence[Way], sizes: Sequence[int], rounds: int, seconds: float
) -> report.Report:
    few, many = sizes[0], sizes[-1]
    ratios = [way.cost_us(many) / way.cost_us(few) for way in ways]
    return report.Report(
        "growth",
        machine.description(address),
        {
            "cost_1m_over_10k": max(ratios),
            "single_cost_1m_over_10k": ratios[0],
            "bulk_cost_1m_over_10k": ratios[1],
            "cost_over_limit": max(ratios) / LIMIT,
        },
        ["", "orders", "orders/s", "server µs/order", "database µs/order", "together µs/order"],
        [way.row(size) for way in ways for size in sizes],
        [
            f"{few:,} and {many:,} orders stored; {rounds} rounds of {seconds:g} s each; every "
            "second order from a customer on record; 300 rules, 3 endpoints subscribed."
        ],
    )


if __name__ == "__main__":
    main()
