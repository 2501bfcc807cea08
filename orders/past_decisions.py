"""Reading millions of past decisions: one pass over the table, in the order they were made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import TextField
from django.db.models.functions import Cast

from orders.models import ScreeningDecision
from rules.history import Record

FIRST = ScreeningDecision.Cause.INTAKE
"""A case is an order as it was first screened; later screenings of it are not counted again."""

BATCH = 2_000
_COPY = """
COPY (
    SELECT id, at, convert_to(facts::text, 'UTF8')
    FROM orders_screeningdecision
    WHERE cause = %s AND at >= %s AND at < %s
    ORDER BY at, id
) TO STDOUT (FORMAT BINARY)
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
    with closing(connection.copy()) as own, own.cursor() as cursor:
        # By the index, row after row: sorting a million documents would take disk and time.
        cursor.execute("SET enable_sort = off")
        with cursor.copy(_COPY, (FIRST.value, since, until)) as copied:
            copied.set_types(["int8", "timestamptz", "bytea"])
            batch: list[Record] = []
            for row in copied.rows():
                batch.append(Record._make(row))
                if len(batch) == BATCH:
                    yield batch
                    batch = []
    if batch:
        yield batch


def _within_transaction(since: datetime, until: datetime) -> Iterator[list[Record]]:
    found = first_decisions(since, until).order_by("at", "id")
    rows = found.values_list("id", "at", Cast("facts", TextField())).iterator(BATCH)
    batch: list[Record] = []
    for key, at, text in rows:
        batch.append(Record(key, at, text.encode()))
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
