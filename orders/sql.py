"""Set-based statements on the database connection of the running transaction."""

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from django.db import connection
from django.db.transaction import TransactionManagementError

_KEPT = "_sluice_cursor"
_ONLY_WHEN_ASKED = 1_000_000


def _cursor() -> "psycopg.Cursor[Any]":
    """The one cursor kept for this connection: making one costs as much as a small statement."""
    if not connection.in_atomic_block:
        raise TransactionManagementError("set-based statements belong in a transaction")
    raw = connection.connection
    cursor: psycopg.Cursor[Any] | None = getattr(raw, _KEPT, None)
    if cursor is None:
        cursor = psycopg.Cursor(raw)
        if raw.prepare_threshold is None:
            # Django's default would quietly ignore that a statement asks to be prepared.
            raw.prepare_threshold = _ONLY_WHEN_ASKED
        setattr(raw, _KEPT, cursor)
    return cursor


def fetch(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """All rows of a statement; its parameters are bound by the server, its plan is kept."""
    cursor = _cursor()
    cursor.execute(statement, parameters, prepare=True)
    return cursor.fetchall() if cursor.description else []


def copy(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Append the rows by COPY, the fastest way in; triggers and constraints see them all."""
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    with _cursor().copy(statement) as stream:
        for row in rows:
            stream.write_row(row)
