"""Order intake: ours one by one and in bulk, a plain DRF view, and what `pgbench` commits.

The four take turns in rounds, so that a machine whose speed drifts is fair to all.
"""

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import orjson

from tests.bench.support import load, machine, pgbench, report, servers
from tests.bench.support.database import own_database, product_database, value
from tests.bench.support.load import Outcome

BULK = 1000
CLIENTS = 8
BULK_CLIENTS = 2
ROUNDS = 4
MOST_PER_SECOND = 1500  # single requests made beforehand for one second of load
MOST_BULK_PER_SECOND = 8


@dataclass(slots=True)
class Contender:
    """One of the four, with what all its rounds brought.

    `cpu` is the CPU time of the server's processes and of its database connections.
    """

    name: str
    orders: int = 0
    outcome: Outcome = field(default_factory=Outcome)
    server_cpu: float = 0.0
    database_cpu: float = 0.0

    @property
    def per_second(self) -> float:
        return self.orders / self.outcome.elapsed if self.outcome.elapsed else 0.0

    def row(self) -> list[report.Cell]:
        waits = self.outcome.latencies
        each = 1e6 / self.orders if self.orders else 0.0
        return [
            self.name,
            self.orders,
            self.per_second,
            report.percentile(waits, 0.5) * 1000,
            report.percentile(waits, 0.99) * 1000,
            self.server_cpu * each,
            self.database_cpu * each,
            self.outcome.client_cpu * each,
        ]


def main() -> None:
    """Run the rounds, verify each in the database, and report."""
    chosen = report.arguments(__doc__ or "", seconds=5.0)
    chosen.add_argument("--rounds", type=int, default=ROUNDS)
    options = chosen.parse_args()
    with product_database() as address, own_database("sluice_bench_plain") as plain_address:
        result = _run(address, plain_address, options.seconds, options.rounds)
    result.print(as_json=options.json)


def _run(address: str, plain_address: str, seconds: float, rounds: int) -> report.Report:
    # Models may be imported only now that Django is set up for the benchmark's database.
    from django.conf import settings

    from tests.bench.support import documents, verifying, world

    headers = {"Authorization": f"Api-Key {world.load_world()}"}
    plain_env = {
        "DJANGO_SETTINGS_MODULE": "tests.bench.plain_drf.settings",
        "DATABASE_URL": plain_address,
    }
    _prepare_plain(plain_env)
    single, bulk = Contender("ours, one order a request"), Contender("ours, 1,000 a request")
    plain, limit = Contender("plain DRF, none of it"), Contender("pgbench, same rows")
    product = servers.granian(
        "product", 8190, servers.product(address, settings.CACHES["default"]["LOCATION"]), "/readyz"
    )
    rival = servers.granian(
        "plain", 8290, plain_env, "/ready", "tests.bench.plain_drf.wsgi:application"
    )

    def singles(prefix: str) -> Iterator[bytes]:
        for document in documents.documents(prefix, round(seconds * MOST_PER_SECOND)):
            yield load.request("/api/v1/orders/", orjson.dumps(document), headers)

    def plains(prefix: str) -> Iterator[bytes]:
        for document in documents.documents(prefix, round(seconds * MOST_PER_SECOND)):
            yield load.request("/orders/", orjson.dumps(document), {})

    def bulks(prefix: str) -> Iterator[bytes]:
        found = documents.documents(prefix, round(seconds * MOST_BULK_PER_SECOND) * BULK)
        while chunk := list(islice(found, BULK)):
            body = orjson.dumps({"orders": chunk})
            yield load.request("/api/v1/orders/bulk/", body, headers)

    with product as ours, rival as theirs:
        _warm(ours.port, singles, bulks)
        _warm(theirs.port, plains)
        for number in range(1, rounds + 1):
            before = value(address, "SELECT count(*) FROM orders_order")
            taken = _load(single, ours, "sluice_bench", singles(f"S{number}"), CLIENTS, seconds)
            verifying.verify(address, before := before + taken)
            _load(plain, theirs, "sluice_bench_plain", plains(f"S{number}"), CLIENTS, seconds)
            taken = _load(
                bulk, ours, "sluice_bench", bulks(f"B{number}"), BULK_CLIENTS, seconds, BULK
            )
            verifying.verify(address, before := before + taken)
            taken = _commit(limit, address, f"P{number}", seconds)
            verifying.verify(address, before + taken)
    figures = {
        "single_per_s": single.per_second,
        "single_over_plain_drf": single.per_second / plain.per_second,
        "bulk_per_s": bulk.per_second,
        "bulk_over_pgbench": bulk.per_second / limit.per_second,
        "single_p50_ms": report.percentile(single.outcome.latencies, 0.5) * 1000,
        "single_p99_ms": report.percentile(single.outcome.latencies, 0.99) * 1000,
        "plain_drf_per_s": plain.per_second,
        "pgbench_per_s": limit.per_second,
    }
    columns = ["", "orders", "orders/s", "p50 ms", "p99 ms"]
    columns += ["server µs/order", "database µs/order", "client µs/order"]
    return report.Report(
        "intake",
        machine.description(address),
        figures,
        columns,
        [contender.row() for contender in (single, plain, bulk, limit)],
        [
            f"{rounds} rounds of {seconds:g} s each, in turn; {CLIENTS} keep-alive clients, "
            f"{BULK_CLIENTS} for bulk; 300 rules, 200 SKUs, 3 endpoints subscribed. "
            "After each round stored = acknowledged and the stock ledger adds up."
        ],
    )


def _prepare_plain(env: dict[str, str]) -> None:
    command = "from tests.bench.plain_drf.preparing import prepare; prepare()"
    subprocess.run([sys.executable, "-c", command], env={**os.environ, **env}, check=True)


def _warm(port: int, *kinds: Callable[[str], Iterator[bytes]]) -> None:
    """Let both workers load, connect and prepare their statements."""
    for number, requests in enumerate(kinds):
        load.saturate(port, islice(requests(f"W{number}"), 200 if number == 0 else 4), CLIENTS, 20)


def _load(
    contender: Contender,
    server: servers.Server,
    database: str,
    requests: Iterator[bytes],
    clients: int,
    seconds: float,
    orders_each: int = 1,
) -> int:
    """One round over HTTP; how many orders were acknowledged as created."""
    made = list(requests)
    web = machine.family(server.pid)
    served, stored = machine.cpu_seconds(web), machine.Serving(database)
    outcome = load.saturate(server.port, made, clients, seconds)
    if set(outcome.statuses) - {200, 201}:
        raise RuntimeError(f"{contender.name}: {outcome.statuses} {outcome.late_bodies}")
    contender.server_cpu += machine.cpu_seconds(web) - served
    contender.database_cpu += stored.seconds()
    contender.outcome.add(outcome)
    taken = outcome.statuses.total() * orders_each
    contender.orders += taken
    return taken


def _commit(contender: Contender, address: str, prefix: str, seconds: float) -> int:
    """One round of pgbench; its connections end with it, so PostgreSQL adds them up."""
    ended = machine.past_backends_cpu("sluice_bench")
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = pgbench.commit_orders(address, prefix, seconds, CLIENTS)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    contender.database_cpu += machine.past_backends_cpu("sluice_bench") - ended
    contender.outcome.client_cpu += after.ru_utime + after.ru_stime
    contender.outcome.client_cpu -= before.ru_utime + before.ru_stime
    contender.orders += done.orders
    contender.outcome.elapsed += done.orders / done.per_second
    contender.outcome.latencies.append(done.latency_ms / 1000)
    return done.orders


if __name__ == "__main__":
    main()
