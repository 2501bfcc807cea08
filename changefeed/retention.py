"""Partitions ahead of need, and dropping old ones once nobody can still ask for them."""

import logging
from datetime import datetime, timedelta

from django.db import connection, transaction

from changefeed.clock import database_now

log = logging.getLogger(__name__)

CHANGE_PARTITIONS_AHEAD = 8
ATTEMPT_DAYS_AHEAD = 7
PULL_WINDOWS_KEPT_FOR = timedelta(days=2)
_KEEP_LOCK = 0x51C1D1

_CHANGE_PARTITIONS = """
SELECT child.relname, substring(child.relname FROM '[0-9]+$')::bigint AS slot
FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = 'changefeed_change'::regclass AND child.relname ~ '_p[0-9]+$'
  AND (substring(child.relname FROM '[0-9]+$')::bigint + 1) * 1000000
      <= (SELECT last_value FROM changefeed_change_seq)
ORDER BY slot
"""

_IS_NEEDED = """
SELECT EXISTS (SELECT 1 FROM changefeed_feedlane WHERE head_seq < %(upper)s)
    OR EXISTS (SELECT 1 FROM changefeed_replay
               WHERE finished_at IS NULL AND next_seq < %(upper)s)
    OR EXISTS (SELECT 1 FROM {part} WHERE at >= %(keep_from)s)
    OR EXISTS (
        SELECT 1 FROM changefeed_pullcursor AS cursor
        JOIN changefeed_apikey AS key ON key.id = cursor.api_key_id AND key.revoked_at IS NULL
        LEFT JOIN changefeed_pullwindow AS pull ON pull.id = cursor.window_id
        WHERE pull.id IS NULL
           OR (pull.last_seq > cursor.after_seq AND cursor.after_seq + 1 < %(upper)s)
           OR EXISTS (
                SELECT 1 FROM {part} AS change
                WHERE change.xid >= pg_snapshot_xmin(pull.until::pg_snapshot)
                  AND NOT pg_visible_in_snapshot(change.xid, pull.until::pg_snapshot)
           )
    )
"""

_OLD_ATTEMPT_PARTITIONS = """
SELECT child.relname
FROM pg_inherits JOIN pg_class AS child ON child.oid = inhrelid
WHERE inhparent = 'changefeed_attempt'::regclass AND child.relname ~ '_[0-9]{8}$'
  AND right(child.relname, 8) < %s
ORDER BY 1
"""


def make_partitions() -> int:
    """Make what will be needed soon and empty the default partitions; how many were made.

    Gives up after two seconds of waiting for a lock, for the next run to try again.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '2s'")
        cursor.execute(
            "SELECT changefeed_make_change_partitions(%s) + changefeed_make_attempt_partitions(%s)",
            (CHANGE_PARTITIONS_AHEAD, ATTEMPT_DAYS_AHEAD),
        )
        (made,) = cursor.fetchone()
        return int(made)


def purge(retention_days: int) -> list[str]:
    """Drop partitions older than the retention; their names.

    A partition of changes stays while a lane, an unfinished replay or the cursor of a live
    consumer still needs one row of it: who is stuck is shown by the metrics, never overtaken.
    Lanes of endpoints that no longer exist are removed first.
    """
    now = database_now()
    keep_from = now - timedelta(days=retention_days)
    with connection.cursor() as cursor:
        cursor.execute(
            "DELETE FROM changefeed_feedlane AS lane WHERE NOT EXISTS"
            " (SELECT 1 FROM changefeed_endpoint WHERE id = lane.endpoint_id)"
        )
        cursor.execute(
            "DELETE FROM changefeed_pullwindow AS old USING changefeed_pullcursor AS cursor"
            " WHERE old.cursor_id = cursor.id AND old.id < cursor.window_id"
            " AND old.created_at < %s",
            (now - PULL_WINDOWS_KEPT_FOR,),
        )
        cursor.execute(_CHANGE_PARTITIONS)
        changes = cursor.fetchall()
        cursor.execute(_OLD_ATTEMPT_PARTITIONS, (f"{keep_from:%Y%m%d}",))
        attempts = [name for (name,) in cursor.fetchall()]
    dropped = []
    for part, slot in changes:
        if not _drop_unless_needed(part, (slot + 1) * 1_000_000, keep_from):
            break
        dropped.append(part)
    for part in attempts:
        _drop(part)
        dropped.append(part)
    return dropped


def keep_all() -> None:
    """Have no changes dropped until the transaction ends, for whoever is about to need old ones."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s)", (_KEEP_LOCK,))


def _drop_unless_needed(part: str, upper: int, keep_from: datetime) -> bool:
    """Whether the partition is gone. Who comes to need it meanwhile waits, or we do not drop it."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", (_KEEP_LOCK,))
        if not cursor.fetchone()[0] or _is_needed(part, upper, keep_from):
            return False
        _drop(part)
    return True


def _is_needed(part: str, upper: int, keep_from: datetime) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_IS_NEEDED.format(part=part), {"upper": upper, "keep_from": keep_from})
        return bool(cursor.fetchone()[0])


def _drop(part: str) -> None:
    log.info("dropping partition %s", part)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '2s'")
        cursor.execute(f"DROP TABLE {part}")
