"""Reading millions of past decisions: one pass over the table, in the order they were made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from datetime import datetime
from decimal import Decimal
from itertools import islice
from queue import Empty, Queue
from threading import Event, Thread
from typing import Any

from django.db import connection
from django.db.models import TextField
from django.db.models.functions import Cast
from psycopg import Cursor

from orders.models import ScreeningDecision
from rules.history import Record

FIRST = ScreeningDecision.Cause.INTAKE
"""A case is an order as it was first screened; later screenings of it are not counted again."""

BATCH = 2_000
AHEAD = 3
CHUNK = 1_000
_FIRST_DECISIONS = """
SELECT id, at, convert_to(facts::text, 'UTF8')
FROM orders_screeningdecision
WHERE cause = %s AND at >= %s AND at < %s
ORDER BY at, id
"""
_AMOUNTS = """
SELECT decision.id, orders.grand_total
FROM orders_screeningdecision decision JOIN orders_order orders ON orders.id = decision.order_id
WHERE decision.id = ANY(%s)
"""


def first_decisions(since: datetime, until: datetime) -> Any:
    """The first decisions on the orders of a period."""
    return ScreeningDecision.objects.filter(cause=FIRST, at__gte=since, at__lt=until)


def stream(since: datetime, until: datetime) -> Iterator[list[Record]]:
    """The first decisions of a period in batches, oldest first, from one snapshot.

    They come over a connection of their own, so that the server goes on reading while a batch
    is worked on, and the caller may ask other things meanwhile. Inside a transaction they come
    over its connection instead: nobody else sees what it wrote.
    """
    if connection.in_atomic_block:
        yield from _within_transaction(since, until)
        return
    with closing(connection.copy()) as own:
        own.ensure_connection()
        cursor = Cursor(own.connection)
        # By the index, row after row: sorting a million documents would take disk and time.
        cursor.execute("SET enable_sort = off")
        asked = (FIRST.value, since, until)
        rows = cursor.stream(_FIRST_DECISIONS, asked, binary=True, size=CHUNK)
        yield from _read_ahead(_batches(map(Record._make, rows)))


def amounts(ids: Sequence[int]) -> dict[int, Decimal]:
    """What the orders of those decisions are worth."""
    with connection.cursor() as cursor:
        cursor.execute(_AMOUNTS, (list(ids),))
        return dict(cursor.fetchall())


def _within_transaction(since: datetime, until: datetime) -> Iterator[list[Record]]:
    found = first_decisions(since, until).order_by("at", "id")
    rows = found.values_list("id", "at", Cast("facts", TextField())).iterator(BATCH)
    yield from _batches(Record(key, at, text.encode()) for key, at, text in rows)


def _batches(records: Iterator[Record]) -> Iterator[list[Record]]:
    while batch := list(islice(records, BATCH)):
        yield batch


def _read_ahead(batches: Iterator[list[Record]]) -> Iterator[list[Record]]:
    """The same batches, a few of them fetched by a thread while another is worked on.

    Without it the server waits as soon as the socket between us is full.
    """
    waiting: Queue[list[Record] | Exception | None] = Queue(AHEAD)
    is_over = Event()

    def read() -> None:
        try:
            for batch in batches:
                waiting.put(batch)
                if is_over.is_set():
                    break
            waiting.put(None)
        except Exception as error:
            waiting.put(error)

    reader = Thread(target=read, name="past-decisions", daemon=True)
    reader.start()
    try:
        while (batch := waiting.get()) is not None:
            if isinstance(batch, Exception):
                raise batch
            yield batch
    finally:
        is_over.set()
        while reader.is_alive():
            with suppress(Empty):
                waiting.get(timeout=0.01)
