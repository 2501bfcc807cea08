"""Set-based statements on the database connection of the running transaction."""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import orjson
import psycopg
from django.db import connection
from django.db.transaction import TransactionManagementError

_KEPT = "_sluice_cursors"
_ONLY_WHEN_ASKED = 1_000_000
FEW_ROWS = 100
"""Up to so many rows an INSERT costs less than COPY, which is planned anew and waits twice."""

PLAN_ONCE = ("SELECT set_config('plan_cache_mode', 'force_generic_plan', true)",)
"""For this transaction plans are kept from the first time on. An array of one row looks cheaper
to plan for anew every time, and that costs more than to run it."""

CHECK_NOW = (("SET CONSTRAINTS ALL IMMEDIATE",), ("SET CONSTRAINTS ALL DEFERRED",))
"""Two statements that check foreign keys here instead of at the commit: before locks are taken
for which others wait."""

Statement = tuple[Any, ...]
"""The text of a statement, and its parameters."""
Rows = list[tuple[Any, ...]]
NO_TIME_LIMIT: Statement = ("SET LOCAL statement_timeout TO DEFAULT",)
"""Takes back what `time_limit` set."""


class Json(str):
    """Text that is JSON already."""

    __slots__ = ()


def time_limit(seconds: float) -> Statement:
    """From here on each statement of the transaction is cancelled after so long."""
    milliseconds = max(1, round(seconds * 1000))
    return ("SELECT set_config('statement_timeout', %s, true)", str(milliseconds))


def _cursors(count: int) -> "list[psycopg.Cursor[Any]]":
    """Cursors kept with this connection: making one costs as much as a small statement."""
    if not connection.in_atomic_block:
        raise TransactionManagementError("set-based statements belong in a transaction")
    raw = connection.connection
    kept: list[psycopg.Cursor[Any]] = raw.__dict__.setdefault(_KEPT, [])
    if not kept and raw.prepare_threshold is None:
        # Django's default would quietly ignore that a statement asks to be prepared.
        raw.prepare_threshold = _ONLY_WHEN_ASKED
    while len(kept) < count:
        kept.append(psycopg.Cursor(raw))
    return kept[:count]


def _rows(cursor: "psycopg.Cursor[Any]") -> Rows:
    return cursor.fetchall() if cursor.description else []


def fetch(statement: str, *parameters: Any) -> Rows:
    """All rows of a statement; its parameters are bound by the server, its plan is kept."""
    cursor = _cursors(1)[0]
    cursor.execute(statement, parameters, prepare=True)
    return _rows(cursor)


def gather(*statements: Statement) -> list[Rows]:
    """The rows of several statements, run in their order, sent and answered in one go."""
    cursors = _cursors(len(statements))
    with connection.connection.pipeline():
        for cursor, (statement, *parameters) in zip(cursors, statements, strict=True):
            cursor.execute(statement, parameters, prepare=True)
    return [_rows(cursor) for cursor in cursors]


def copy(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Append the rows by COPY, the fastest way in; triggers and constraints see them all."""
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    with _cursors(1)[0].copy(statement) as stream:
        for row in rows:
            stream.write_row(row)


def append(
    *tables: tuple[str, Sequence[str], Sequence[Sequence[Any]]], then: Sequence[Statement] = ()
) -> list[Rows]:
    """Append rows to tables, each given as name, columns and rows; the rows of what runs `then`.

    Columns that hold JSON take Json; a list stands for an array.
    """
    if sum(len(rows) for _table, _columns, rows in tables) > FEW_ROWS:
        for table, columns, rows in tables:
            copy(table, columns, rows)
        return gather(*then)
    inserts = [
        (_insert(table, tuple(columns)), records(columns, rows)) for table, columns, rows in tables
    ]
    return gather(*inserts, *then)[len(inserts) :]


@cache
def _insert(table: str, columns: tuple[str, ...]) -> str:
    names = ", ".join(columns)
    return (
        f"INSERT INTO {table} ({names})"
        f" SELECT {names} FROM json_populate_recordset(NULL::{table}, %s::json)"
    )


def records(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Rows as one parameter for json_to_recordset: many times cheaper to write than arrays."""
    documents = [dict(zip(columns, row, strict=True)) for row in rows]
    option = orjson.OPT_PASSTHROUGH_SUBCLASS
    return orjson.dumps(documents, default=_document, option=option).decode()


def _document(value: Any) -> Any:
    plain = str(value)
    return orjson.Fragment(plain) if isinstance(value, Json) else plain
