"""How the feed takes a subject's own lock: its owner says how, for the feed knows no tables."""

from django.db import connection

_locks: dict[str, str] = {}


def register(subject_kind: str, statement: str) -> None:
    """Let `statement` lock the row of one subject, named by its id, and return its version.

    Called once when an app is ready. The lock is the one that every writer of the subject takes,
    for instance `SELECT version FROM … WHERE number = %s FOR NO KEY UPDATE`.
    """
    _locks[subject_kind] = statement


def lock(subject_kind: str, subject_id: str) -> int | None:
    """Hold the subject until the transaction ends; its version, or None for one unknown."""
    statement = _locks.get(subject_kind)
    if statement is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(statement, [subject_id])
        row = cursor.fetchone()
        return int(row[0]) if row else None
