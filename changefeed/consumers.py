"""How far each pulling consumer is, and which of them hold back what could be removed."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from changefeed.models import ApiKey, PullCursor

PULL_SCOPE = "feed:read"
MOST_COUNTED = 10_000

# Pending for a cursor: what is left of its window, and what the window did not see. Each part
# is found through its own index, and none is counted further than people read.
_PENDING = """
WITH pending AS (
    (SELECT at FROM changefeed_change
     WHERE seq > %(after)s AND seq >= %(first)s AND seq <= %(last)s
       AND NOT pg_visible_in_snapshot(xid, %(since)s::pg_snapshot)
       AND pg_visible_in_snapshot(xid, %(until)s::pg_snapshot)
     ORDER BY seq LIMIT %(most)s)
    UNION ALL
    (SELECT at FROM changefeed_change
     WHERE xid >= pg_snapshot_xmin(%(until)s::pg_snapshot)
       AND NOT pg_visible_in_snapshot(xid, %(until)s::pg_snapshot)
     ORDER BY xid, seq LIMIT %(most)s)
)
SELECT count(*), min(at), extract(epoch FROM now() - min(at))::double precision FROM pending
"""

_OLDEST_LANE = """
SELECT endpoint.id, endpoint.name, min(lane.pending_since)
FROM changefeed_feedlane AS lane JOIN changefeed_endpoint AS endpoint
  ON endpoint.id = lane.endpoint_id
WHERE lane.pending_since < %s
GROUP BY endpoint.id, endpoint.name ORDER BY 3
"""

BEGINNING = "1:1:"


@dataclass(frozen=True, slots=True)
class Consumer:
    """One key that pulls. `pending` changes are not acknowledged, counted to MOST_COUNTED.

    `cursor` is None for a key that has never asked; `oldest_at` and `lag_seconds` are of the
    oldest change not acknowledged, `silent_seconds` since it last asked. `holds_back` says that
    changes older than the retention are kept for it, `is_silent` that it has left changes waiting
    and not asked for longer than settings.FEED_ALERT_CONSUMER_SECONDS.
    """

    key: ApiKey
    cursor: PullCursor | None
    pending: int
    oldest_at: datetime | None
    lag_seconds: float
    silent_seconds: float
    is_silent: bool
    holds_back: bool


def consumers(now: datetime, retention: timedelta) -> list[Consumer]:
    """Every key that may pull, the furthest behind first; revoked ones are left out."""
    cursors = {
        cursor.api_key_id: cursor
        for cursor in PullCursor.objects.select_related("window", "api_key")
    }
    keys = ApiKey.objects.filter(revoked_at=None, scopes__contains=[PULL_SCOPE])
    found = [_consumer(key, cursors.get(key.pk), now, retention) for key in keys]
    return sorted(found, key=lambda one: (-one.lag_seconds, one.key.name))


def lanes_holding_back(now: datetime, retention: timedelta) -> list[tuple[int, str, datetime]]:
    """Endpoints with something undelivered from before the retention: id, name, since when."""
    with connection.cursor() as cursor:
        cursor.execute(_OLDEST_LANE, (now - retention,))
        return cursor.fetchall()


def _consumer(
    key: ApiKey, cursor: PullCursor | None, now: datetime, retention: timedelta
) -> Consumer:
    if cursor is None:
        return Consumer(key, None, 0, None, 0.0, 0.0, is_silent=False, holds_back=False)
    pending, oldest_at, seconds = _pending(cursor)
    silent = (now - (cursor.seen_at or key.created_at)).total_seconds()
    return Consumer(
        key,
        cursor,
        pending,
        oldest_at,
        seconds or 0.0,
        silent,
        is_silent=pending > 0 and silent > settings.FEED_ALERT_CONSUMER_SECONDS,
        holds_back=oldest_at is not None and oldest_at < now - retention,
    )


def _pending(cursor: PullCursor) -> tuple[int, datetime | None, float | None]:
    window = cursor.window
    parameters: dict[str, Any] = {
        "after": cursor.after_seq,
        "first": window.first_seq if window else 0,
        "last": window.last_seq if window else 0,
        "since": window.since if window else BEGINNING,
        "until": window.until if window else BEGINNING,
        "most": MOST_COUNTED + 1,
    }
    with connection.cursor() as run:
        run.execute(_PENDING, parameters)
        return run.fetchone()
