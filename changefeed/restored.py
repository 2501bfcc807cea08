"""After the database was restored on another server, whose transactions count from lower on.

Pulling tells new from old by the numbers of transactions. A dump carries those of the server that
it was taken from; where the new server has not come as far, what is written there looks old to
every cursor, and what came with the dump will look new once the count has caught up. A copy of
the files, a standby, a restored point in time and pg_upgrade keep the count and need none of this.
"""

import structlog
from django.db import connection, transaction

log = structlog.get_logger(__name__)

_SETTLE_LOCK = 0x51C1D0

# What we see committed here, was counted here: it lies below the first number not given yet.
_IS_MOVED = """
SELECT coalesce((
    SELECT xid >= pg_snapshot_xmax(pg_current_snapshot()) FROM changefeed_change
    WHERE xid <> coalesce(pg_current_xact_id_if_assigned(), '0'::xid8)
    ORDER BY xid DESC LIMIT 1
), false) OR EXISTS (
    SELECT 1 FROM changefeed_pullcursor AS cursor
    JOIN changefeed_pullwindow AS pull ON pull.id = cursor.window_id
    WHERE pg_snapshot_xmax(pull.until::pg_snapshot) > pg_snapshot_xmax(pg_current_snapshot())
)
"""

_PARTITIONS = """
SELECT inhrelid::regclass::text FROM pg_inherits
WHERE inhparent = 'changefeed_change'::regclass ORDER BY 1
"""

# The number that PostgreSQL gives to what is older than every transaction.
_AS_OLD = """
UPDATE {part} SET xid = '2'
WHERE xid >= pg_snapshot_xmin(pg_current_snapshot()) AND xid <> pg_current_xact_id()
"""


def was_moved() -> bool:
    """Whether the feed holds numbers of transactions that this server has not given yet."""
    with connection.cursor() as cursor:
        cursor.execute(_IS_MOVED)
        return bool(cursor.fetchone()[0])


def settle() -> bool:
    """Make what came along old for everybody, and all cursors expired; whether that was needed.

    Consumers are answered 410 and start again from the snapshot. Rewrites the changes that came
    along, which takes a minute for some millions; writers and senders go on meanwhile. Two at once
    are one.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", (_SETTLE_LOCK,))
        if not cursor.fetchone()[0] or not was_moved():
            return False
        cursor.execute(_PARTITIONS)
        changes = 0
        for (part,) in cursor.fetchall():
            cursor.execute(_AS_OLD.format(part=part))
            changes += cursor.rowcount
        # The cursors first: whoever is asking holds one, and opens windows meanwhile.
        cursor.execute("UPDATE changefeed_pullcursor SET window_id = NULL, after_seq = 0")
        cursor.execute("DELETE FROM changefeed_pullwindow")
        windows = cursor.rowcount
    log.warning("feed.database_moved", changes=changes, windows=windows)
    return True
