"""Screening inside intake: 300 rules, orders arriving at a steady 100 a second over HTTP.

Latency counts from the moment an order was due to be sent, so that waiting is not left out.
"""

from collections.abc import Iterator, Sequence

import orjson
import psycopg

from tests.bench.support import load, machine, report, servers
from tests.bench.support.database import product_database, value
from tests.bench.support.load import Outcome

RATE = 100.0


def main() -> None:
    """Warm up, let the orders arrive, read what screening took, and report."""
    chosen = report.arguments(__doc__ or "", seconds=20.0)
    chosen.add_argument("--rate", type=float, default=RATE, help="orders a second")
    options = chosen.parse_args()
    with product_database() as address:
        result = _run(address, options.rate, options.seconds)
    result.print(as_json=options.json)


def _run(address: str, rate: float, seconds: float) -> report.Report:
    # Models may be imported only now that Django is set up for the benchmark's database.
    from django.conf import settings

    from tests.bench.support import documents, verifying, world

    headers = {"Authorization": f"Api-Key {world.load_world()}"}

    def orders(prefix: str, count: int) -> Iterator[bytes]:
        for document in documents.documents(prefix, count):
            yield load.request("/api/v1/orders/", orjson.dumps(document), headers)

    with servers.granian(
        "product", 8190, servers.product(address, settings.CACHES["default"]["LOCATION"]), "/readyz"
    ) as server:
        load.saturate(server.port, list(orders("W", 400)), 8, 60)
        before = value(address, "SELECT count(*) FROM orders_order")
        last = value(address, "SELECT max(id) FROM orders_screeningdecision")
        made = list(orders("S", round(rate * seconds)))
        web = machine.family(server.pid)
        served, stored = machine.cpu_seconds(web), machine.Serving("sluice_bench")
        outcome = load.arrive(server.port, made, rate)
        if set(outcome.statuses) != {201}:
            raise RuntimeError(f"{outcome.statuses} {outcome.late_bodies}")
        served, worked = machine.cpu_seconds(web) - served, stored.seconds()
        verifying.verify(address, before + len(made))
    return _report(address, rate, outcome, _took_ms(address, last), served, worked)


def _took_ms(address: str, after: int) -> list[float]:
    """What gathering the facts and deciding took, as intake stored it with each order."""
    with psycopg.connect(address) as connection:
        found = connection.execute(
            "SELECT took_us FROM orders_screeningdecision WHERE id > %s", (after,)
        )
        return [row[0] / 1000 for row in found]


def _report(
    address: str, rate: float, outcome: Outcome, took: list[float], served: float, worked: float
) -> report.Report:
    waits = [wait * 1000 for wait in outcome.latencies]
    count = len(waits)
    rows: list[Sequence[report.Cell]] = [
        [name, *(report.percentile(values, share) for share in (0.5, 0.95, 0.99, 1.0))]
        for name, values in (("screening, ms", took), ("whole intake over HTTP, ms", waits))
    ]
    return report.Report(
        "screening",
        machine.description(address),
        {
            "p99_ms": report.percentile(took, 0.99),
            "intake_p50_ms": report.percentile(waits, 0.5),
            "intake_p99_ms": report.percentile(waits, 0.99),
            "arrived_per_s": count / outcome.elapsed,
        },
        ["", "p50", "p95", "p99", "most"],
        rows,
        [
            f"{count} orders at {rate:g} a second, 300 rules, 3 endpoints subscribed; "
            f"CPU per order: server {served / count * 1e6:,.0f} µs, "
            f"database {worked / count * 1e6:,.0f} µs. Limit: 25 ms."
        ],
    )


if __name__ == "__main__":
    main()
