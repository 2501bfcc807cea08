"""What the change feed costs order intake: with nothing captured, with no subscriber, with three.

Orders are placed in this process by the product's own act, one by one and 200 a call. The three
ways take turns in rounds, and in changing order, so that a machine whose speed drifts is fair.
"""

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.bench.support import machine, report
from tests.bench.support.database import product_database, value

DATABASE = "sluice_bench"
ROUNDS = 6
TOGETHER = 200
SINGLES_A_ROUND = 150
CALLS_A_ROUND = 4
WAYS = ("nothing captured", "captured, nobody subscribed", "captured for three endpoints")

_CAPTURING = """
SELECT format('ALTER TABLE %%s %%s TRIGGER %%I', tgrelid::regclass, %(word)s::text, tgname)
FROM pg_trigger
WHERE tgrelid::regclass::text LIKE 'orders\\_%%' AND tgname LIKE 'pgtrigger\\_feed%%'
"""


@dataclass(slots=True)
class Cost:
    """Orders placed in one way, seconds of wall clock, and CPU of this process and PostgreSQL."""

    orders: int = 0
    wall: float = 0.0
    own_cpu: float = 0.0
    database_cpu: float = 0.0
    changes: int = 0
    walls: list[float] = field(default_factory=list)

    @property
    def cpu_each(self) -> float:
        return (self.own_cpu + self.database_cpu) / self.orders * 1e6

    def row(self, name: str) -> list[report.Cell]:
        each = 1e6 / self.orders
        return [
            name,
            self.orders,
            self.changes / self.orders,
            report.percentile(self.walls, 0.5) * 1e6,
            self.own_cpu * each,
            self.database_cpu * each,
        ]


def main() -> None:
    """Place orders in the three ways, check what the feed holds of them, and report."""
    chosen = report.arguments(__doc__ or "", seconds=0.0)
    chosen.add_argument("--rounds", type=int, default=ROUNDS)
    options = chosen.parse_args()
    with product_database(DATABASE) as address:
        result = _run(address, options.rounds)
    result.print(as_json=options.json)


def _run(address: str, rounds: int) -> report.Report:
    # Models may be imported only now that Django is set up for the benchmark's database.
    from changefeed.models import Endpoint
    from tests.bench.support import documents, world

    world.load_world()
    endpoints = list(Endpoint.objects.all())
    orders = documents.documents("C", 10_000_000)
    single = {way: Cost() for way in WAYS}
    together = {way: Cost() for way in WAYS}
    turns = itertools.cycle(itertools.permutations(WAYS))
    for number, order_of_ways in zip(range(rounds + 1), turns, strict=False):
        for way in order_of_ways:
            _arrange(address, way, endpoints)
            # The first round only warms up: plans, caches, the first pages of every table.
            _place(address, orders, Cost() if not number else single[way], SINGLES_A_ROUND, 1)
            _place(
                address, orders, Cost() if not number else together[way], CALLS_A_ROUND, TOGETHER
            )
    _verify(single | {f"{way}, together": cost for way, cost in together.items()})
    bare, _alone, full = (single[way].cpu_each for way in WAYS)
    bare_bulk, _alone_bulk, full_bulk = (together[way].cpu_each for way in WAYS)
    return report.Report(
        "capture",
        machine.description(address),
        {
            "single_us": full - bare,
            "single_share": (full - bare) / full,
            "bulk_us": full_bulk - bare_bulk,
            "bulk_share": (full_bulk - bare_bulk) / full_bulk,
        },
        ["", "orders", "changes/order", "µs/order", "own CPU µs", "database CPU µs"],
        [
            *(cost.row(f"one by one: {way}") for way, cost in single.items()),
            *(cost.row(f"{TOGETHER} a call: {way}") for way, cost in together.items()),
        ],
        [
            f"{rounds} rounds; 300 live rules; the figures are CPU of both sides for three "
            "endpoints, over nothing captured. µs/order is the median wall clock of a call.",
        ],
    )


def _arrange(address: str, way: str, endpoints: list[Any]) -> None:
    """Switch the capturing triggers on or off, and have three endpoints or none."""
    from changefeed.models import Endpoint, FeedLane

    word = "DISABLE" if way == WAYS[0] else "ENABLE"
    with psycopg.connect(address, autocommit=True) as connection:
        found = connection.execute(_CAPTURING, {"word": word}).fetchall()
        if not found:
            raise RuntimeError("no capturing trigger was found")
        for (statement,) in found:
            connection.execute(statement)
    FeedLane.objects.all().delete()
    Endpoint.objects.all().delete()
    if way == WAYS[2]:
        Endpoint.objects.bulk_create(endpoints)


def _place(
    address: str, orders: Iterator[dict[str, Any]], cost: Cost, calls: int, size: int
) -> None:
    from orders.actors import Actor
    from orders.lifecycle.placing import Outcome, place_orders

    actor = Actor("key:bench", "bench")
    work = [list(itertools.islice(orders, size)) for _call in range(calls)]
    stored = machine.Serving(DATABASE)
    changes = value(address, "SELECT count(*) FROM changefeed_change")
    own, began = time.process_time(), time.monotonic()
    for batch in work:
        started = time.monotonic()
        answers = place_orders(batch, actor=actor)
        cost.walls.append((time.monotonic() - started) / size)
        if any(answer.outcome is not Outcome.CREATED for answer in answers):
            raise RuntimeError(f"an order was not taken in: {answers[0]}")
    cost.wall += time.monotonic() - began
    cost.own_cpu += time.process_time() - own
    cost.database_cpu += stored.seconds()
    cost.orders += calls * size
    cost.changes += value(address, "SELECT count(*) FROM changefeed_change") - changes


def _verify(costs: dict[str, Cost]) -> None:
    """Nothing captured means no change of an order, captured means one each at least."""
    for name, cost in costs.items():
        captured = cost.changes / cost.orders
        if (captured >= 1) is name.startswith(WAYS[0]):
            raise RuntimeError(f"{name}: {captured:.2f} changes an order")


if __name__ == "__main__":
    main()
