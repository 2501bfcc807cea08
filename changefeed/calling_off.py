"""Ending replays before they are over: nothing more is told again, what was pending still comes."""

import time

import structlog
from django.db import connection, transaction
from django.db.models import F, Min, Q

from changefeed.clock import database_now
from changefeed.models import Endpoint, FeedLane, Replay

log = structlog.get_logger(__name__)

CHUNK = 5_000
INLINE_SECONDS = 2.0
_PAUSE_SECONDS = 0.05

# Back to where each lane stood before the replay. Nothing is waited for while lanes are held, so
# no writer can be deadlocked with. A lane that is being sent keeps its row, lest a second one for
# the same subject is sent beside it: what is in hand and its last message are told again at most.
# A parked lane stays parked where something is pending: a person decides about that.
_RELEASE = """
WITH chosen AS (
    SELECT id, lease_id, fresh_from, last_seq,
           lease_id IS NULL AND fresh_from > last_seq AS is_over
    FROM changefeed_feedlane
    WHERE endpoint_id = %(endpoint)s AND id > %(after)s AND head_seq < fresh_from
      AND (lease_id IS NULL OR head_seq < last_seq)
    ORDER BY id LIMIT %(chunk)s
    FOR UPDATE SKIP LOCKED
), gone AS (
    DELETE FROM changefeed_feedlane AS lane USING chosen
    WHERE lane.id = chosen.id AND chosen.is_over
), kept AS (
    UPDATE changefeed_feedlane AS lane
    SET head_seq = least(chosen.fresh_from, chosen.last_seq),
        pending_since = coalesce((
            SELECT at FROM changefeed_change AS change
            WHERE change.subject_kind = lane.subject_kind AND change.subject_id = lane.subject_id
              AND change.seq >= chosen.fresh_from
            ORDER BY change.seq LIMIT 1), lane.pending_since)
    FROM chosen WHERE lane.id = chosen.id AND NOT chosen.is_over
)
SELECT id FROM chosen ORDER BY id
"""


def call_off(endpoint: Endpoint, *, actor: str) -> int:
    """End every replay to an endpoint that is not over; how many replays that were.

    What was pending before a replay, or came since, is told as it would have been. Repeated, it
    changes nothing. What takes longer than INLINE_SECONDS is left to `continue_calling_off`.
    """
    with transaction.atomic():
        now = database_now()
        mine = Replay.objects.select_for_update().filter(endpoint=endpoint, called_off_at=None)
        ended = [one.pk for one in mine.filter(_not_over(endpoint.pk)).order_by("created_at")]
        Replay.objects.filter(pk__in=ended).update(
            called_off_at=now, called_off_by=actor, finished_at=None
        )
    if ended:
        log.info("replays called off", endpoint=endpoint.name, actor=actor, replays=len(ended))
        _release(endpoint.pk, time.monotonic() + INLINE_SECONDS)
    return len(ended)


def is_calling_off(endpoint_id: int) -> bool:
    """Whether lanes of an endpoint may still be on their way back; replays wait for that."""
    return Replay.objects.filter(
        endpoint=endpoint_id, finished_at=None, called_off_at__isnull=False
    ).exists()


def continue_calling_off(seconds: float) -> None:
    """End what was too much for whoever asked, or what a dead process began."""
    ends_at = time.monotonic() + seconds
    left = Replay.objects.filter(finished_at=None, called_off_at__isnull=False)
    for endpoint_id in set(left.values_list("endpoint", flat=True)):
        _release(endpoint_id, ends_at)


def _not_over(endpoint_id: int) -> Q:
    """Not all under way yet, or with messages still to come: see admin.replay_progress."""
    told_again = FeedLane.objects.filter(endpoint=endpoint_id, head_seq__lt=F("fresh_from"))
    oldest = told_again.aggregate(oldest=Min("pending_since"))["oldest"]
    unfinished = Q(finished_at=None)
    return unfinished if oldest is None else unfinished | Q(finished_at__gte=oldest)


def _release(endpoint_id: int, ends_at: float) -> None:
    """Go through the lanes until none is left that is told again, or the time is over."""
    after, found = 0, 0
    while time.monotonic() < ends_at:
        with connection.cursor() as cursor:
            cursor.execute(_RELEASE, {"endpoint": endpoint_id, "after": after, "chunk": CHUNK})
            rows = cursor.fetchall()
        if rows:
            after, found = rows[-1][0], found + len(rows)
        elif found or _is_any_left(endpoint_id):
            after, found = 0, 0
            time.sleep(_PAUSE_SECONDS)
        else:
            Replay.objects.filter(
                endpoint=endpoint_id, finished_at=None, called_off_at__isnull=False
            ).update(finished_at=database_now())
            return


def _is_any_left(endpoint_id: int) -> bool:
    """Whether a lane that somebody else held is still to be released."""
    return (
        FeedLane.objects.filter(endpoint=endpoint_id, head_seq__lt=F("fresh_from"))
        .filter(Q(lease_id=None) | Q(head_seq__lt=F("last_seq")))
        .exists()
    )
