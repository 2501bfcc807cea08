"""Wake-ups of the feed: stateless, safe to repeat, safe to lose; PostgreSQL owns all state."""

import asyncio
import logging
import threading
import time

from celery import shared_task
from django.conf import settings
from django.core.cache import cache
from django.db import connection

from changefeed import calling_off, replaying, restored, retention, waits, watching
from changefeed.dispatch.horizon import horizon_of_process
from changefeed.dispatch.loop import drain

log = logging.getLogger(__name__)

DRAIN_SECONDS = 10.0
LINGER_SECONDS = 0.3
NUDGE_EVERY_SECONDS = 0.2
# How late the oldest due lane must be before a second worker joins in.
LATE_SECONDS = 2.0
REPLAY_SECONDS = 20.0

_IS_LATE = """
SELECT EXISTS (
    SELECT 1 FROM changefeed_endpoint AS endpoint
    LEFT JOIN unnest(%(ids)s::bigint[], %(since)s::timestamptz[]) AS known(id, since) USING (id)
    JOIN changefeed_feedlane AS lane ON lane.endpoint_id = endpoint.id
     AND lane.due_at >= coalesce(known.since, '-infinity')
    WHERE endpoint.state = 'active' AND endpoint.rate = 0
      AND lane.due_at < now() - make_interval(secs => %(late)s)
      AND (lane.lease_until IS NULL OR lane.lease_until < now())
)
"""

_nudged_at = 0.0
_nudging = threading.Lock()


@shared_task(ignore_result=True, acks_late=False, soft_time_limit=90, time_limit=120, expires=5)
def drain_feed() -> int | None:
    """Deliver what is due, for at most some ten seconds of new requests.

    One worker at a time, two when the first cannot keep up or is stuck, so that the feed never
    takes all workers. None when others are at it.
    """
    places = 2 if _is_late() else 1
    return asyncio.run(drain(seconds=DRAIN_SECONDS, linger=LINGER_SECONDS, places=places))


@shared_task(ignore_result=True, soft_time_limit=60, time_limit=90, expires=600)
def make_partitions() -> int:
    """Make the partitions that the next hours will need."""
    return retention.make_partitions()


@shared_task(ignore_result=True, soft_time_limit=600, time_limit=660, expires=600)
def purge_delivered() -> list[str]:
    """Drop what is older than the retention and needed by nobody."""
    return retention.purge(settings.FEED_RETENTION_DAYS)


@shared_task(ignore_result=True, soft_time_limit=60, time_limit=90, expires=10)
def continue_replays() -> int:
    """Go on with replays too long for whoever asked for them, or called off; how many are left."""
    calling_off.continue_calling_off(REPLAY_SECONDS)
    return replaying.continue_replays(REPLAY_SECONDS)


@shared_task(ignore_result=True, soft_time_limit=60, time_limit=90, expires=30)
def watch_feed() -> None:
    """Mend what another clock or server left, sample every lag, alert people to what is wrong."""
    waits.shorten()
    watching.watch()
    if restored.was_moved():
        settle_restored.delay()


@shared_task(ignore_result=True, soft_time_limit=7000, time_limit=7200, expires=600)
def settle_restored() -> bool:
    """Bring pulling in order after the database was restored on another server."""
    return restored.settle()


def nudge() -> None:
    """Ask for a drain soon; call it on commit, as often as you like.

    At most one request per NUDGE_EVERY_SECONDS leaves this process, and one all processes
    together. It is made by a thread of its own, so a broker or cache that cannot be reached, or
    does not answer, costs only delay: beat comes anyway.
    """
    global _nudged_at
    now = time.monotonic()
    if now - _nudged_at < NUDGE_EVERY_SECONDS or not _nudging.acquire(blocking=False):
        return
    _nudged_at = now
    try:
        threading.Thread(target=_ask_for_a_drain, name="nudge", daemon=True).start()
    except RuntimeError:  # no thread to be had, or the process is ending
        _nudging.release()


def _ask_for_a_drain() -> None:
    try:
        if cache.add(f"changefeed.nudge.{_moment()}", 1, timeout=2):
            drain_feed.apply_async(retry=False)
    except Exception as error:
        log.warning("the feed could not be nudged: %s", type(error).__name__)
    finally:
        _nudging.release()


def _moment() -> int:
    """The same for all processes between two nudges: the cache forgets after whole seconds only."""
    return int(time.time() / NUDGE_EVERY_SECONDS)


def _is_late() -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_IS_LATE, {**horizon_of_process().known(), "late": LATE_SECONDS})
        return bool(cursor.fetchone()[0])
