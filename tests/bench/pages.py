"""Pages that supervisors wait for, at 10,000 and at 1,000,000 orders with 5,000 open holds.

One signed-in supervisor asks for each page again and again, over HTTP, in turn with the others.
"""

import itertools
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any

import psycopg

from tests.bench.support import machine, report, servers
from tests.bench.support.database import product_database, value

DATABASE = "sluice_bench"
SMALL_SHOP = 200
FEW, MANY = 50, 5000
ROUNDS = 30
LIMIT_MS = 300.0


@dataclass(slots=True)
class Page:
    """One address, and the seconds that each of its requests took, by number of orders."""

    name: str
    path: str
    seconds: dict[int, list[float]] = field(default_factory=dict)
    bytes: int = 0

    def p95_ms(self, orders: int) -> float:
        return report.percentile(self.seconds[orders], 0.95) * 1000

    def median_ms(self, orders: int) -> float:
        return report.percentile(self.seconds[orders], 0.5) * 1000


def main() -> None:
    """Make the shop, look at it small and large, and report."""
    chosen = report.arguments(__doc__ or "", seconds=0.0)
    chosen.add_argument("--rounds", type=int, default=ROUNDS, help="requests of each page")
    chosen.add_argument("--copies", type=int, default=MANY, help="of a shop of 200 orders")
    options = chosen.parse_args()
    with product_database(DATABASE) as address:
        result = _run(address, options.rounds, options.copies)
    result.print(as_json=options.json)


def _run(address: str, rounds: int, copies: int) -> report.Report:
    # Models may be imported only now that Django is set up for the benchmark's database.
    from django.conf import settings

    from tests.bench.support import multiply, small_shop

    cookies = small_shop.make(SMALL_SHOP)
    made = small_shop.known()
    pages = _pages(made)
    sizes = []
    env = servers.product(address, settings.CACHES["default"]["LOCATION"])
    before = 0
    for few_or_many in (min(FEW, copies), copies):
        multiply.multiply(address, few_or_many, already=before)
        before = few_or_many
        sizes.append(value(address, "SELECT count(*) FROM orders_order"))
        with servers.granian("pages", 8390, env, "/readyz") as server:
            _look(server.port, pages, cookies, sizes[-1], rounds)
    few, many = sizes[0], sizes[-1]
    holds = value(address, "SELECT count(*) FROM orders_hold WHERE state = 'open'")
    by_name = {page.name: page for page in pages}
    worst = max(pages, key=lambda page: page.p95_ms(many))
    return report.Report(
        "pages",
        machine.description(address),
        {
            "board_p95_ms": by_name["board"].p95_ms(many),
            "orders_p95_ms": by_name["orders"].p95_ms(many),
            "search_p95_ms": by_name["orders: a number"].p95_ms(many),
            "worst_p95_ms": worst.p95_ms(many),
            "worst_p95_over_limit": worst.p95_ms(many) / LIMIT_MS,
            "board_cost_1m_over_10k": by_name["board"].median_ms(many)
            / by_name["board"].median_ms(few),
            "orders_cost_1m_over_10k": by_name["orders"].median_ms(many)
            / by_name["orders"].median_ms(few),
        },
        ["", f"median ms at {few:,}", f"median ms at {many:,}", f"p95 ms at {many:,}", "KiB"],
        [
            [
                page.name,
                page.median_ms(few),
                page.median_ms(many),
                page.p95_ms(many),
                page.bytes // 1024,
            ]
            for page in pages
        ],
        [
            f"{many:,} orders, {holds:,} open holds; {rounds} requests of each page, one at a "
            f"time, in turn; slowest page: {worst.name}. {_sizes(address)}"
        ],
    )


def _pages(made: Mapping[str, Any]) -> list[Page]:
    orders, holds = "/admin/orders/order/", "/admin/orders/hold/"
    return [
        Page("board", holds),
        Page("board: overdue", f"{holds}?tab=overdue"),
        Page("board: resolved today", f"{holds}?tab=resolved"),
        Page("board: an order's number", f"{holds}?q={made['held']}"),
        Page("board: what changed", f"{holds}poll/"),
        Page("orders", orders),
        Page("orders: page 20", f"{orders}?p=20"),
        Page("orders: on hold", f"{orders}?state__exact=on_hold"),
        Page("orders: delivered", f"{orders}?state__exact=delivered"),
        Page("orders: livestream", f"{orders}?kind=livestream"),
        Page("orders: a number", f"{orders}?q={made['number']}"),
        Page("orders: how one begins", f"{orders}?q={made['number'][:5]}"),
        Page("orders: a phone", f"{orders}?q={made['phone']}"),
        Page("an order", f"{orders}{made['order']}/change/"),
        Page("a held order", f"{orders}{made['held_order']}/change/"),
        Page("shipments", "/admin/orders/shipment/"),
        Page("customers", "/admin/orders/customer/"),
        Page("start page", "/admin/"),
    ]


def _look(port: int, pages: Sequence[Page], cookies: str, orders: int, rounds: int) -> None:
    """Ask for every page in turn, two rounds unmeasured."""
    connection = HTTPConnection(servers.HOST, port, timeout=60)
    headers = {"Cookie": cookies, "Accept": "text/html"}
    for number, page in itertools.product(range(-2, rounds), pages):
        began = time.monotonic()
        connection.request("GET", page.path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        took = time.monotonic() - began
        if answer.status != 200:
            raise RuntimeError(f"{page.name}: {answer.status} {answer.getheader('Location')}")
        if number >= 0:
            page.seconds.setdefault(orders, []).append(took)
            page.bytes = len(body)
    connection.close()


def _sizes(address: str) -> str:
    with psycopg.connect(address) as connection:
        row = connection.execute(
            "SELECT pg_size_pretty(pg_database_size(current_database())),"
            " (SELECT count(*) FROM orders_orderline)"
        ).fetchone()
    assert row is not None
    return f"Database {row[0]}, {row[1]:,} order lines."


if __name__ == "__main__":
    main()
