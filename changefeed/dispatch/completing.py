"""Writing down what became of leased lanes: one statement for many, fenced by their leases."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import orjson
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from changefeed.dispatch.database import LANE_MARK, LANE_MARK_BITS

# The lanes are locked first, in one order, and only those still under our lease: a lane whose
# lease was lost belongs to someone else. A lane that a writer is extending is left for the next
# round instead of waited for, which could be long and could deadlock. Locking yields the newest
# row, so `last_seq` includes what was committed while we were sending: only a lane with nothing
# beyond what we covered disappears. A head below the one we claimed means that older changes are
# to be told, again or late: it stays, the lane is let go, and what we told meanwhile comes round
# once more, as a replay.
COMPLETE = """
WITH result AS (
    SELECT * FROM json_to_recordset(%(results)s::json) AS result(
        id bigint, lease_id uuid, claimed_head bigint, covered bigint, ahead bigint[],
        renewal double precision, state text, delay double precision, attempts integer,
        rejections integer, since timestamptz
    )
), mine AS (
    SELECT lane.head_seq, lane.last_seq, result.*,
           lane.head_seq >= claimed_head AS is_as_claimed,
           lane.head_seq >= claimed_head AND renewal IS NOT NULL AS goes_on,
           lane.last_seq <= covered AND lane.head_seq >= claimed_head AS is_empty,
           -- What is told once more waits since it was asked for, not since it happened.
           coalesce(lane.head_seq >= claimed_head AND covered < lane.replay_until, false)
               AS is_replaying
    FROM changefeed_feedlane AS lane JOIN result ON lane.id = result.id
    WHERE lane.lease_id = result.lease_id
    ORDER BY lane.id
    FOR UPDATE OF lane SKIP LOCKED
), gone AS (
    DELETE FROM changefeed_feedlane AS lane USING mine
    WHERE lane.id = mine.id AND mine.is_empty
), kept AS (
    UPDATE changefeed_feedlane AS lane
    SET head_seq = CASE WHEN is_as_claimed
                        THEN greatest(mine.head_seq, mine.covered + 1) ELSE mine.head_seq END,
        delivered_seqs = CASE WHEN is_as_claimed
                              THEN mine.ahead ELSE lane.delivered_seqs END,
        replay_until = CASE WHEN is_as_claimed OR lane.replay_until IS NULL THEN lane.replay_until
                            ELSE greatest(lane.replay_until, mine.covered, (
                                SELECT max(seq) FROM unnest(mine.ahead) AS told(seq))) END,
        pending_since = CASE WHEN mine.covered >= mine.claimed_head AND NOT is_replaying
                             THEN coalesce(mine.since, now()) ELSE lane.pending_since END,
        state = CASE WHEN goes_on THEN 'leased' ELSE mine.state END,
        due_at = CASE WHEN goes_on THEN lane.due_at
                      WHEN mine.state = 'parked' THEN NULL
                      ELSE greatest(now() + make_interval(secs => mine.delay),
                                    clock_timestamp()) END,
        attempts = mine.attempts,
        rejections = mine.rejections,
        lease_id = CASE WHEN goes_on THEN lane.lease_id END,
        lease_until = CASE WHEN goes_on
                           THEN clock_timestamp() + make_interval(secs => mine.renewal) END
    FROM mine WHERE lane.id = mine.id AND NOT mine.is_empty
)
SELECT result.id,
       CASE WHEN mine.goes_on AND NOT mine.is_empty THEN 'renewed'
            WHEN mine.id IS NOT NULL THEN 'completed'
            WHEN lane.lease_id = result.lease_id THEN 'busy'
            ELSE 'lost' END AS fate,
       mine.since IS NULL AND mine.covered >= mine.claimed_head AND mine.is_as_claimed
           AND NOT mine.is_empty AND NOT mine.is_replaying AS is_waiting_since_unknown
FROM result
LEFT JOIN mine ON mine.id = result.id
LEFT JOIN changefeed_feedlane AS lane ON lane.id = result.id
"""

# Waits for the lane instead, and marks it meanwhile: see `changefeed.dispatch.claiming`. The mark
# is there before the lane's lock is asked for, and goes when what we wrote becomes visible.
COMPLETE_IN_LINE = COMPLETE.replace("FOR UPDATE OF lane SKIP LOCKED", "FOR UPDATE OF lane").replace(
    """rejections integer, since timestamptz
    )
""",
    f"""rejections integer, since timestamptz
    )
    WHERE pg_advisory_xact_lock_shared({LANE_MARK}, (id & {LANE_MARK_BITS})::integer) IS NOT NULL
""",
)

# When all that was read has gone and more is pending: a statement of its own, because its snapshot
# sees what was committed before the lane was locked, and because most lanes never need it. What
# is told once more counts from when it was asked for, not from when it happened.
_TELL_SINCE = """
WITH unknown AS (
    SELECT lane.id, lane.endpoint_id, lane.subject_kind, lane.subject_id, lane.last_seq,
           greatest(lane.head_seq, lane.replay_until + 1) AS head_seq, lane.delivered_seqs
    FROM changefeed_feedlane AS lane WHERE lane.id = ANY (%(ids)s)
    ORDER BY lane.id
    FOR UPDATE SKIP LOCKED
)
UPDATE changefeed_feedlane AS lane SET pending_since = first.at
FROM unknown
JOIN changefeed_endpoint AS endpoint ON endpoint.id = unknown.endpoint_id
CROSS JOIN LATERAL (
    SELECT at FROM changefeed_change
    WHERE subject_kind = unknown.subject_kind AND subject_id = unknown.subject_id
      AND seq >= unknown.head_seq AND seq <= unknown.last_seq
      AND seq <> ALL (coalesce(unknown.delivered_seqs, '{}'))
      AND changefeed_wants(endpoint.kinds, endpoint.fields, kind, field)
      AND NOT changefeed_is_echo(endpoint.source, source, echo, field, new)
    ORDER BY seq LIMIT 1
) AS first
WHERE lane.id = unknown.id
"""

_LOG = """
INSERT INTO changefeed_attempt
    (endpoint_id, subject_kind, subject_id, seq, messages, batch, sent_at, outcome, status,
     latency_ms, answer)
SELECT endpoint_id, subject_kind, subject_id, seq, messages, batch, sent_at, outcome, status,
       latency_ms, answer
FROM json_to_recordset(%(attempts)s::json) AS attempt(
    endpoint_id bigint, subject_kind text, subject_id text, seq bigint, messages smallint,
    batch text, sent_at timestamptz, outcome text, status smallint, latency_ms integer, answer text
)
"""


class Fate(StrEnum):
    """What became of one result: applied and let go, applied and still leased, not applied yet
    because a writer holds the lane, or no longer ours."""

    RENEWED = "renewed"
    COMPLETED = "completed"
    BUSY = "busy"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class LaneResult:
    """Where a lane stands after we sent from it.

    Everything up to `covered_seq` was acknowledged (or is not wanted), and so was what is `ahead`
    of it; `state` is ready, backoff or parked for what remains, due again in `delay` seconds.
    With `renewal`, the lane is not let go: its lease holds for so many seconds from now.
    """

    lane_id: int
    lease_id: UUID
    claimed_head: int
    covered_seq: int
    state: str
    delay: float
    attempts: int
    rejections: int
    pending_since: datetime | None
    ahead: Sequence[int] = ()
    renewal: float | None = None


@dataclass(frozen=True, slots=True)
class AttemptRecord:
    """One request, as far as it concerned one subject, and what came back."""

    endpoint_id: int
    subject_kind: str
    subject_id: str
    seq: int
    sent_at: datetime
    outcome: str
    status: int | None
    latency_ms: int
    answer: str
    messages: int = 1
    batch: str = ""


async def complete(
    connection: AsyncConnection[DictRow], results: Sequence[LaneResult], statement: str = COMPLETE
) -> dict[int, Fate]:
    """Apply the results whose leases still hold; the fate of each lane by id."""
    if not results:
        return {}
    answer = await connection.execute(statement, {"results": _json(map(_row, results))})
    rows = await answer.fetchall()
    if unknown := [row["id"] for row in rows if row["is_waiting_since_unknown"]]:
        await connection.execute(_TELL_SINCE, {"ids": unknown})
    return {row["id"]: Fate(row["fate"]) for row in rows}


async def log_attempts(
    connection: AsyncConnection[DictRow], attempts: Sequence[AttemptRecord]
) -> None:
    """Insert many attempts at once."""
    if not attempts:
        return
    await connection.execute(_LOG, {"attempts": _json(attempts)})


def _row(result: LaneResult) -> dict[str, Any]:
    return {
        "id": result.lane_id,
        "lease_id": result.lease_id,
        "claimed_head": result.claimed_head,
        "covered": result.covered_seq,
        "ahead": result.ahead or None,
        "renewal": result.renewal,
        "state": result.state,
        "delay": result.delay,
        "attempts": result.attempts,
        "rejections": result.rejections,
        "since": result.pending_since,
    }


def _json(rows: Iterable[Any]) -> str:
    """Many rows as one parameter, which costs a tenth of as many arrays."""
    return orjson.dumps(list(rows)).decode()
