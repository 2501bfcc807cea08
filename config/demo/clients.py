"""The shop platforms of the demo: several clients that post orders over HTTP."""

import threading
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from time import monotonic, sleep
from typing import Any

import orjson

from config.demo.children import HOST
from config.demo.sample import SampleOrder
from config.demo.story import scarce_skus, skus_of

CLIENTS = 4
BULK_SIZE = 100
TRIES = 20
# Every so many orders a shop was not sure whether the first call arrived, and repeats it.
REPEAT_EVERY = 50


@dataclass(slots=True)
class Tally:
    """What came back: answers by HTTP status, seconds of each single call, odd answers in full."""

    statuses: Counter[int] = field(default_factory=Counter)
    repeats: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    surprises: list[str] = field(default_factory=list)

    def percentile_ms(self, share: float) -> float:
        """The time within which this share of the single calls was answered; 0 without calls."""
        ranked = sorted(self.seconds)
        return ranked[min(len(ranked) - 1, int(len(ranked) * share))] * 1000 if ranked else 0.0


class Shop:
    """One client with its own connection, kept open."""

    def __init__(self, port: int, key: str) -> None:
        self._connection = HTTPConnection(HOST, port, timeout=30)
        self._headers = {"Authorization": f"Api-Key {key}", "Content-Type": "application/json"}

    def post(self, path: str, document: Any, key: str = "") -> tuple[int, Any]:
        """POST until there is an answer; raises OSError when there is none for long."""
        body = orjson.dumps(document)
        headers = self._headers | ({"Idempotency-Key": key} if key else {})
        for attempt in range(TRIES):
            try:
                self._connection.request("POST", path, body, headers)
                answer = self._connection.getresponse()
                found = answer.read()
                return answer.status, orjson.loads(found) if found else None
            except (OSError, HTTPException, orjson.JSONDecodeError):
                self._connection.close()
                if attempt == TRIES - 1:
                    raise
                sleep(0.1 * (attempt + 1))
        raise AssertionError("the loop returns or raises")


def post_singles(
    orders: Sequence[SampleOrder], port: int, key: str, done: Callable[[int], None]
) -> Tally:
    """Post the orders one by one from CLIENTS clients at once.

    Orders of one customer keep their order, and so do all that want a scarce SKU. `done` is told
    how many went through, from any thread.
    """
    tally = Tally()
    scarce = scarce_skus()
    shares: list[list[SampleOrder]] = [[] for _ in range(CLIENTS)]
    for order in orders:
        shares[_client_of(order, scarce)].append(order)
    stopping = threading.Event()

    def run(share: Sequence[SampleOrder]) -> None:
        try:
            shop = Shop(port, key)
            for number, order in enumerate(share):
                if stopping.is_set():
                    return
                _post_one(shop, order, tally, is_repeated=number % REPEAT_EVERY == 0)
                done(1)
        except Exception as error:
            tally.surprises.append(f"{type(error).__name__}: {error}")

    # Daemons, so that Ctrl-C does not wait for what is still to be posted.
    threads = [threading.Thread(target=run, args=(share,), daemon=True) for share in shares]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    finally:
        stopping.set()
    return tally


def post_bulk(
    orders: Sequence[SampleOrder], port: int, key: str, done: Callable[[int], None]
) -> Tally:
    """Post the orders in calls of BULK_SIZE, in their order."""
    tally, shop = Tally(), Shop(port, key)
    for start in range(0, len(orders), BULK_SIZE):
        batch = orders[start : start + BULK_SIZE]
        status, answer = shop.post(
            "/api/v1/orders/bulk/", {"orders": [order.document for order in batch]}
        )
        if status != 200:
            tally.surprises.append(f"bulk: HTTP {status} {answer}")
            continue
        for result in answer["results"]:
            tally.statuses[result["status"]] += 1
            if result["status"] != 201:
                tally.surprises.append(f"{result.get('number')}: {result}")
        done(len(batch))
    return tally


def _post_one(shop: Shop, order: SampleOrder, tally: Tally, *, is_repeated: bool) -> None:
    number = order.document["number"]
    began = monotonic()
    status, answer = shop.post("/api/v1/orders/", order.document, number)
    tally.seconds.append(monotonic() - began)
    tally.statuses[status] += 1
    if status not in (200, 201):
        tally.surprises.append(f"{number}: HTTP {status} {answer}")
    if is_repeated:
        again, _answer = shop.post("/api/v1/orders/", order.document, number)
        tally.repeats[again] += 1


def _client_of(order: SampleOrder, scarce: frozenset[str]) -> int:
    if skus_of(order) & scarce:
        return 0
    return zlib.crc32(order.document["customer"]["external_id"].encode()) % CLIENTS
