"""Taking due lanes of one endpoint under a lease, and reading what is pending in them."""

import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from changefeed.dispatch.breaker import EndpointView
from changefeed.dispatch.clock import DatabaseClock
from changefeed.dispatch.database import LANE_MARK, LANE_MARK_BITS
from changefeed.dispatch.horizon import BEGINNING
from changefeed.dispatch.messages import Message, messages_of

# A lease may run out while a writer holds the lane and its holder stands in line to write down what
# arrived. The line alone does not keep us out: when the writer commits, the new row is free for a
# moment before the waiting statement gets to it. So its holder marks the lane. Marks are looked up
# only when a lease has run out, and are not taken here: thousands would fill the lock table.
_UNMARKED = f"""CASE WHEN lease_until < now() THEN (id & {LANE_MARK_BITS}) <> ALL (ARRAY(
          SELECT objid::bigint FROM pg_locks
          WHERE locktype = 'advisory' AND classid = {LANE_MARK} AND objsubid = 2
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
      )) ELSE true END"""

# `now()` and not `clock_timestamp()`: the statement is its own transaction, and only a stable
# function can bound the index scan.
_CLAIM = f"""
WITH due AS (
    SELECT id FROM changefeed_feedlane
    WHERE endpoint_id = %(endpoint)s AND due_at >= %(since)s::timestamptz AND due_at <= now()
      AND (lease_until IS NULL OR lease_until < now())
      AND {_UNMARKED}
    ORDER BY due_at LIMIT %(limit)s
    FOR UPDATE SKIP LOCKED
)
UPDATE changefeed_feedlane AS lane
SET lease_id = %(lease)s, lease_until = now() + make_interval(secs => %(seconds)s), state = 'leased'
FROM due WHERE lane.id = due.id
RETURNING lane.id, lane.subject_kind, lane.subject_id, lane.head_seq, lane.last_seq,
          lane.attempts, lane.rejections, lane.delivered_seqs, lane.replay_until,
          now() AS claimed_at
"""

# A probe should not be spent on a subject that keeps failing while others wait.
_CLAIM_FOR_PROBE = f"""
WITH early AS (
    SELECT id, attempts FROM changefeed_feedlane
    WHERE endpoint_id = %(endpoint)s AND due_at >= %(since)s::timestamptz
      AND (lease_until IS NULL OR lease_until < now())
      AND {_UNMARKED}
    ORDER BY due_at LIMIT 100
    FOR UPDATE SKIP LOCKED
), due AS (SELECT id FROM early ORDER BY attempts LIMIT 1)
UPDATE changefeed_feedlane AS lane
SET lease_id = %(lease)s, lease_until = now() + make_interval(secs => %(seconds)s), state = 'leased'
FROM due WHERE lane.id = due.id
RETURNING lane.id, lane.subject_kind, lane.subject_id, lane.head_seq, lane.last_seq,
          lane.attempts, lane.rejections, lane.delivered_seqs, lane.replay_until,
          now() AS claimed_at
"""

_LOOK = """
SELECT id, subject_kind, subject_id, head_seq, last_seq, attempts, rejections, delivered_seqs,
       replay_until, now() AS looked_at,
       extract(epoch FROM lease_until - now())::double precision AS seconds_left
FROM changefeed_feedlane WHERE id = %(id)s AND lease_id = %(lease)s
"""

# A statement of its own after the claim: its snapshot sees every change that the claimed
# `last_seq` stands for, so that nothing found really means nothing wanted.
_READ = """
SELECT lane.id AS lane_id, change.*
FROM json_to_recordset(%(lanes)s::json) AS lane(
    id bigint, subject_kind text, subject_id text, head_seq bigint, last_seq bigint
)
CROSS JOIN LATERAL (
    SELECT seq, event_id, subject_kind, subject_id, subject_version, kind, field,
           old::text AS old, new::text AS new, actor, source, schema_version, at
    FROM changefeed_change
    WHERE subject_kind = lane.subject_kind AND subject_id = lane.subject_id
      AND seq >= lane.head_seq AND seq <= lane.last_seq
      AND seq <> ALL (%(delivered)s::bigint[])
      AND changefeed_wants(%(wanted_kinds)s::text[], %(wanted_fields)s::text[], kind, field)
      AND NOT changefeed_is_echo(%(listener)s, source, echo, field, new)
    ORDER BY seq LIMIT %(depth)s
) AS change
"""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to send for some lanes until a moment of this machine's monotonic clock.

    `clock` goes on from the database's time of the claim.
    """

    id: UUID
    ends_at: float
    clock: DatabaseClock

    def seconds_left(self) -> float:
        return self.ends_at - time.monotonic()


@dataclass(slots=True)
class ClaimedLane:
    """A leased lane with its first pending messages, in order.

    `is_read_out` is true when nothing wanted remains up to `last_seq` behind these messages.
    The first `arrived` of them have been acknowledged. When it `is_outdated`, it is still leased,
    but is to be read again before anything is sent.
    """

    id: int
    subject_kind: str
    subject_id: str
    head_seq: int
    last_seq: int
    attempts: int
    rejections: int
    delivered_seqs: list[int] | None
    replay_until: int | None
    lease: Lease
    messages: list[Message]
    is_read_out: bool
    arrived: int = 0
    is_outdated: bool = False

    @property
    def waiting(self) -> list[Message]:
        """The messages still to be sent, as far as they were read."""
        return self.messages[self.arrived :] if self.arrived else self.messages

    def covered_seq(self) -> int:
        """Everything up to here has arrived or is not wanted."""
        waiting = self.waiting
        if waiting:
            if not self.arrived:
                return self.head_seq - 1
            return min(message.covers[0] for message in waiting) - 1
        seen = self.messages[-1].seq if self.messages else self.head_seq - 1
        return max(seen, self.last_seq) if self.is_read_out else seen

    def ahead(self, covered_seq: int) -> list[int]:
        """What has arrived behind that, drawn together with something that has not."""
        arrived = [seq for one in self.messages[: self.arrived] for seq in one.covers]
        return sorted(seq for seq in {*arrived, *(self.delivered_seqs or ())} if seq > covered_seq)

    def pending_since(self) -> datetime | None:
        """When the first message still to be sent was recorded, if it was read; replays aside."""
        return min((one.at for one in self.waiting if not one.is_replay), default=None)


async def claim(
    connection: AsyncConnection[DictRow],
    endpoint: EndpointView,
    *,
    limit: int,
    depth: int,
    lease_seconds: int,
    probe: bool = False,
    since: str = BEGINNING,
) -> list[ClaimedLane]:
    """Up to `limit` due lanes of the endpoint, each with up to `depth` changes read.

    Lanes that another dispatcher holds, or that a writer is extending, are passed over. With
    `probe`, one lane is taken even if it waits to retry. Lanes due before `since` are not seen.
    """
    lease_id, began = uuid4(), time.monotonic()
    claimed = await connection.execute(
        _CLAIM_FOR_PROBE if probe else _CLAIM,
        {
            "endpoint": endpoint.id,
            "limit": limit,
            "lease": lease_id,
            "seconds": lease_seconds,
            "since": since,
        },
    )
    rows = await claimed.fetchall()
    if not rows:
        return []
    # One moment for all: the claim is one statement.
    (claimed_at,) = {row.pop("claimed_at") for row in rows}
    lease = Lease(lease_id, began + lease_seconds, DatabaseClock(claimed_at, began))
    changes = await _read(connection, endpoint, rows, depth)
    return [_lane(row, lease, endpoint, changes[row["id"]], depth) for row in rows]


async def read_on(
    connection: AsyncConnection[DictRow], endpoint: EndpointView, lane: ClaimedLane, *, depth: int
) -> ClaimedLane | None:
    """The lane as it is now, under the lease that it has; None when that is ours no more."""
    began = time.monotonic()
    found = await connection.execute(_LOOK, {"id": lane.id, "lease": lane.lease.id})
    row = await found.fetchone()
    if row is None:
        return None
    clock = DatabaseClock(row.pop("looked_at"), began)
    lease = Lease(lane.lease.id, began + row.pop("seconds_left"), clock)
    changes = await _read(connection, endpoint, [row], depth)
    return _lane(row, lease, endpoint, changes[lane.id], depth)


def _lane(
    row: DictRow, lease: Lease, endpoint: EndpointView, changes: list[DictRow], depth: int
) -> ClaimedLane:
    messages = messages_of(
        changes, is_coalescing=endpoint.coalesce, replay_until=row["replay_until"] or 0
    )
    return ClaimedLane(**row, lease=lease, messages=messages, is_read_out=len(changes) < depth)


async def _read(
    connection: AsyncConnection[DictRow], endpoint: EndpointView, rows: list[DictRow], depth: int
) -> dict[int, list[DictRow]]:
    """The pending changes of claimed lanes, by lane, in order."""
    found = await connection.execute(
        _READ,
        {
            "lanes": orjson.dumps([_bounds(row) for row in rows]).decode(),
            "delivered": [seq for row in rows for seq in row["delivered_seqs"] or ()],
            "wanted_kinds": endpoint.kinds,
            "wanted_fields": endpoint.fields,
            "listener": endpoint.source,
            "depth": depth,
        },
    )
    changes: dict[int, list[DictRow]] = {row["id"]: [] for row in rows}
    for change in await found.fetchall():
        changes[change["lane_id"]].append(change)
    for pending in changes.values():
        pending.sort(key=lambda change: int(change["seq"]))
    return changes


def _bounds(row: DictRow) -> dict[str, Any]:
    names = ("id", "subject_kind", "subject_id", "head_seq", "last_seq")
    return {name: row[name] for name in names}
