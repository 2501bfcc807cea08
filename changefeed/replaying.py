"""Telling an endpoint again what it was told before: chosen, counted, then put before its lanes."""

import time
import uuid
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from django.db import connection
from django.db.models import F
from django.db.models.functions import Now

from changefeed.calling_off import is_calling_off
from changefeed.errors import BadSelection
from changefeed.giving_way import StillHeld, give_way
from changefeed.models import Endpoint, Replay
from changefeed.retention import keep_all

log = structlog.get_logger(__name__)

CHUNK = 20_000
INLINE_SECONDS = 2.0
# Clocks may jump; sequences do not.
_CLOCK_SLACK = timedelta(hours=2)

_CHOSEN = """
    changefeed_wants(%(kinds)s::text[], %(fields)s::text[], change.kind, change.field)
    AND NOT changefeed_is_echo(
        %(listener)s, change.source, change.echo, change.field, change.new)
    AND (%(subject_kind)s = '' OR (change.subject_kind = %(subject_kind)s
                                   AND change.subject_id = %(subject_id)s))
    AND (%(since)s::timestamptz IS NULL OR change.at >= %(since)s::timestamptz)
    AND (%(until)s::timestamptz IS NULL OR change.at < %(until)s::timestamptz)
"""

_COUNT = f"""
WITH chosen AS (
    SELECT subject_kind, subject_id, min(seq) AS first_seq FROM changefeed_change AS change
    WHERE seq >= %(first)s AND seq <= %(last)s AND {_CHOSEN}
    GROUP BY subject_kind, subject_id
)
SELECT count(DISTINCT (change.subject_kind, change.subject_id)), count(*)
FROM chosen
JOIN changefeed_change AS change USING (subject_kind, subject_id)
LEFT JOIN changefeed_feedlane AS lane
  ON lane.endpoint_id = %(endpoint)s AND lane.subject_kind = change.subject_kind
 AND lane.subject_id = change.subject_id
WHERE change.seq >= chosen.first_seq AND (lane.id IS NULL OR change.seq < lane.head_seq)
  AND changefeed_wants(%(kinds)s::text[], %(fields)s::text[], change.kind, change.field)
  AND NOT changefeed_is_echo(
      %(listener)s, change.source, change.echo, change.field, change.new)
"""

# A subject belongs to the chunk in which its first chosen change lies. A lane that begins there
# or earlier tells it anyway. What had arrived ahead of a lane's head is told again as well: left
# out, the receiver would end with the older values told before it. Sorted, as every writer takes
# lanes.
_LOWER_HEADS = f"""
WITH chosen AS (
    SELECT subject_kind, subject_id, min(seq) AS first_seq FROM changefeed_change AS change
    WHERE seq >= %(lower)s AND seq < %(upper)s AND {_CHOSEN}
    GROUP BY subject_kind, subject_id
), begins_here AS (
    SELECT * FROM chosen WHERE NOT EXISTS (
        SELECT 1 FROM changefeed_change AS change
        WHERE change.subject_kind = chosen.subject_kind AND change.subject_id = chosen.subject_id
          AND seq >= %(first)s AND seq < %(lower)s AND {_CHOSEN}
    )
)
INSERT INTO changefeed_feedlane AS lane (
    endpoint_id, subject_kind, subject_id, head_seq, last_seq, due_at, pending_since, replay_until,
    fresh_from
)
SELECT %(endpoint)s, subject_kind, subject_id, first_seq, first_seq, clock_timestamp(),
       clock_timestamp(), first_seq, first_seq + 1
FROM begins_here ORDER BY subject_kind, subject_id
ON CONFLICT (endpoint_id, subject_kind, subject_id) DO UPDATE
SET replay_until = greatest(lane.replay_until, lane.head_seq - 1,
                            (SELECT max(seq) FROM unnest(lane.delivered_seqs) AS ahead(seq))),
    fresh_from = CASE WHEN lane.fresh_from > lane.head_seq THEN lane.fresh_from
                      ELSE lane.head_seq END,
    delivered_seqs = NULL, head_seq = excluded.head_seq
WHERE lane.head_seq > excluded.head_seq
RETURNING id, xmax = 0 AS is_new
"""

# After the lanes are locked: no writer can add to these subjects until we commit, so what is
# visible now is all that was told before.
_REACH_NEWEST = """
UPDATE changefeed_feedlane AS lane
SET last_seq = greatest(last_seq, newest.seq), replay_until = greatest(replay_until, newest.seq),
    fresh_from = greatest(fresh_from, newest.seq + 1)
FROM unnest(%(ids)s::bigint[]) AS new_lane(id), LATERAL (
    SELECT max(seq) AS seq FROM changefeed_change AS change, changefeed_feedlane AS told
    WHERE told.id = new_lane.id AND change.subject_kind = told.subject_kind
      AND change.subject_id = told.subject_id
) AS newest
WHERE lane.id = new_lane.id
"""

_BOUNDS = "SELECT coalesce(min(seq), 1), coalesce(max(seq), 0) FROM changefeed_change"
_AT = "SELECT at FROM changefeed_change WHERE seq >= %s ORDER BY seq LIMIT 1"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which changes to tell again: of one subject or of all, recorded from and until when.

    Every subject is told again from its first chosen change up to its newest, so that the
    receiver ends where the subject stands. Raises BadSelection for half a subject or a range
    that ends before it begins.
    """

    subject_kind: str = ""
    subject_id: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def __post_init__(self) -> None:
        if bool(self.subject_kind) != bool(self.subject_id):
            raise BadSelection("a subject is named by kind and id")
        if self.since and self.until and self.since >= self.until:
            raise BadSelection("the range ends before it begins")


@dataclass(frozen=True, slots=True)
class ReplayCount:
    """How many subjects and messages would be told again; pending ones come anyway."""

    subjects: int
    messages: int


def count_replay(endpoint: Endpoint, selection: Selection) -> ReplayCount:
    """What `replay` would do now; changes nothing."""
    first, last = _sequences(selection)
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {**_parameters(endpoint, selection), "first": first, "last": last})
        return ReplayCount(*cursor.fetchone())


def replay(
    endpoint: Endpoint,
    selection: Selection,
    *,
    actor: str,
    reason: str = "",
    key: uuid.UUID | None = None,
) -> Replay:
    """Have the chosen changes told again, in order, before what is still to come.

    Messages keep their id and bytes and say that they are replays. The same `key` again is the
    same replay and adds nothing. What takes longer than INLINE_SECONDS is left to
    `continue_replays`, which also ends what a dead process began.
    """
    first, last = _sequences(selection)
    asked, is_new = Replay.objects.get_or_create(
        pk=key or uuid.uuid4(),
        defaults={
            "endpoint": endpoint,
            "actor": actor,
            "reason": reason,
            "first_seq": first,
            "next_seq": first,
            "last_seq": last,
            **asdict(selection),
        },
    )
    if is_new:
        log.info("replay asked for", endpoint=endpoint.name, actor=actor, replay=str(asked.pk))
    _advance(asked.pk, time.monotonic() + INLINE_SECONDS)
    asked.refresh_from_db()
    return asked


def continue_replays(seconds: float) -> int:
    """Go on with replays not yet all under way; how many are still left after so many seconds."""
    ends_at = time.monotonic() + seconds
    unfinished = Replay.objects.filter(finished_at=None, called_off_at=None)
    for key in list(unfinished.order_by("created_at").values_list("pk", flat=True)):
        _advance(key, ends_at)
    return unfinished.count()


def _advance(key: uuid.UUID, ends_at: float) -> None:
    """Chunk by chunk, each in a transaction of its own, by one process at a time."""
    is_more = True
    while is_more and (left := ends_at - time.monotonic()) > 0:
        try:
            is_more = give_way(partial(_advance_once, key), seconds=left)
        except StillHeld:
            log.info("replay waits for writers", replay=str(key))


def _advance_once(key: uuid.UUID) -> bool:
    """Put one chunk before its lanes; whether there is more to do, and for us."""
    locked = Replay.objects.select_for_update(skip_locked=True, of=("self",))
    waiting = locked.select_related("endpoint").filter(pk=key, finished_at=None, called_off_at=None)
    asked = waiting.first()
    if asked is None or is_calling_off(asked.endpoint_id):
        return False
    keep_all()
    upper = min(asked.next_seq + CHUNK, asked.last_seq + 1)
    selection = Selection(asked.subject_kind, asked.subject_id, asked.since, asked.until)
    if asked.subject_id:
        upper = asked.last_seq + 1
    with connection.cursor() as cursor:
        cursor.execute(
            _LOWER_HEADS,
            {
                **_parameters(asked.endpoint, selection),
                "first": asked.first_seq,
                "lower": asked.next_seq,
                "upper": upper,
            },
        )
        lanes = cursor.fetchall()
        cursor.execute(_REACH_NEWEST, {"ids": [lane for lane, is_new in lanes if is_new]})
    is_done = upper > asked.last_seq
    Replay.objects.filter(pk=key).update(
        next_seq=upper,
        subjects=F("subjects") + len(lanes),
        finished_at=Now() if is_done else None,
    )
    return not is_done


def _parameters(endpoint: Endpoint, selection: Selection) -> dict[str, Any]:
    return {
        "endpoint": endpoint.pk,
        "kinds": endpoint.kinds,
        "fields": endpoint.fields,
        "listener": endpoint.source,
        **asdict(selection),
    }


def _sequences(selection: Selection) -> tuple[int, int]:
    """The first and last sequence that chosen changes may have."""
    with connection.cursor() as cursor:
        cursor.execute(_BOUNDS)
        first, last = cursor.fetchone()
        lower, upper = first, last
        if selection.since:
            lower = _first_seq_at(cursor, selection.since - _CLOCK_SLACK, first, last)
        if selection.until:
            upper = _first_seq_at(cursor, selection.until + _CLOCK_SLACK, first, last)
    return lower, upper


def _first_seq_at(cursor: Any, moment: datetime, first: int, last: int) -> int:
    """About the first sequence recorded at that moment or later, by halving."""
    while first < last:
        middle = (first + last) // 2
        cursor.execute(_AT, (middle,))
        row = cursor.fetchone()
        if row is not None and row[0] < moment:
            first = middle + 1
        else:
            last = middle
    return first
