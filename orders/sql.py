"""Set-based statements on the database connection of the running transaction."""

from collections.abc import Iterable, Sequence
from typing import Any

import psycopg
from django.db import connection
from django.db.transaction import TransactionManagementError


def _connection() -> "psycopg.Connection[Any]":
    if not connection.in_atomic_block:
        raise TransactionManagementError("set-based statements belong in a transaction")
    return connection.connection  # type: ignore[no-any-return]


def fetch(statement: str, *parameters: Any) -> list[tuple[Any, ...]]:
    """All rows of a statement whose parameters are bound by the server ($1 style, prepared)."""
    with psycopg.Cursor(_connection()) as cursor:
        cursor.execute(statement, parameters, prepare=True)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []


def copy(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Append the rows by COPY, the fastest way in; triggers and constraints see them all."""
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    with psycopg.Cursor(_connection()) as cursor, cursor.copy(statement) as stream:
        for row in rows:
            stream.write_row(row)
