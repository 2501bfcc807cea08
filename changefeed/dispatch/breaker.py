"""State of endpoints: which may be sent to, when one is opened, probed, closed or paused."""

from collections.abc import Collection
from dataclasses import dataclass, replace

from psycopg import AsyncConnection
from psycopg.rows import DictRow

from changefeed.dispatch.horizon import Horizon

FAILURES_TO_OPEN = 5

# A failure counts against the endpoint only while its lane is fresh: a subject that the receiver
# cannot digest must not close the door on the others.
FRESH_ATTEMPTS = 3

_SENDABLE = """
SELECT endpoint.id, name, url, endpoint.source, secrets, kinds, fields, concurrency, rate,
       batch_size, coalesce, allowed_networks, endpoint.state, failures, openings
FROM changefeed_endpoint AS endpoint
LEFT JOIN unnest(%(ids)s::bigint[], %(since)s::timestamptz[]) AS known(id, since) USING (id)
WHERE endpoint.id <> ALL (%(except)s::bigint[]) AND (
    (endpoint.state = 'active' AND EXISTS (
        SELECT 1 FROM changefeed_feedlane AS lane
        WHERE lane.endpoint_id = endpoint.id AND lane.due_at <= now()
          AND lane.due_at >= coalesce(known.since, '-infinity')
          AND (lane.lease_until IS NULL OR lane.lease_until < now())
      ))
    OR (endpoint.state IN ('open', 'half_open') AND opened_until <= now() AND EXISTS (
        SELECT 1 FROM changefeed_feedlane AS lane
        WHERE lane.endpoint_id = endpoint.id
          AND lane.due_at >= coalesce(known.since, '-infinity')
          AND (lane.lease_until IS NULL OR lane.lease_until < now())
      )))
ORDER BY endpoint.id
"""

_PRESENT = """
SELECT id, name, url, source, secrets, kinds, fields, concurrency, rate, batch_size, coalesce,
       allowed_networks, state, failures, openings
FROM changefeed_endpoint WHERE id = ANY (%(ids)s::bigint[])
"""

# `opened_until` doubles as the probe's own lease: should the prober die, another may follow.
_BEGIN_PROBE = """
UPDATE changefeed_endpoint
SET state = 'half_open', opened_until = now() + make_interval(secs => %(seconds)s)
WHERE id = %(id)s AND state IN ('open', 'half_open') AND opened_until <= now()
"""

_OPEN = """
UPDATE changefeed_endpoint
SET state = 'open', failures = %(failures)s, openings = openings + %(counted)s,
    opened_until = now() + make_interval(secs => %(seconds)s), state_reason = %(reason)s
WHERE id = %(id)s AND state <> 'paused'
"""

_CLOSE = """
UPDATE changefeed_endpoint
SET state = 'active', failures = 0, openings = 0, opened_until = NULL, state_reason = ''
WHERE id = %(id)s AND state <> 'paused'
"""

# What waited only because nobody answered need not wait any longer.
_WAKE = """
UPDATE changefeed_feedlane SET due_at = now(), state = 'ready'
WHERE id IN (
    SELECT id FROM changefeed_feedlane
    WHERE endpoint_id = %(id)s AND due_at > now() AND rejections = 0
      AND (lease_until IS NULL OR lease_until < now())
    FOR UPDATE SKIP LOCKED
)
"""

_PAUSE = """
UPDATE changefeed_endpoint SET state = 'paused', opened_until = NULL, state_reason = %(reason)s
WHERE id = %(id)s
"""

_COUNT = """
UPDATE changefeed_endpoint SET failures = %(failures)s
WHERE id = %(id)s AND state = 'active' AND failures <> %(failures)s
"""


@dataclass(frozen=True, slots=True)
class EndpointView:
    """An endpoint as a dispatcher saw it when it began to drain it."""

    id: int
    name: str
    url: str
    source: str
    secrets: list[str]
    kinds: list[str]
    fields: list[str]
    concurrency: int
    rate: int
    batch_size: int
    coalesce: bool
    allowed_networks: list[str]
    state: str
    failures: int
    openings: int

    def is_set_up_as(self, other: "EndpointView") -> bool:
        """Whether what people decide about it is the same; how it answers may differ."""
        return self == replace(
            other, state=self.state, failures=self.failures, openings=self.openings
        )


async def present(
    connection: AsyncConnection[DictRow], ids: Collection[int]
) -> dict[int, EndpointView]:
    """These endpoints as they are now, by id; removed ones are missing."""
    found = await connection.execute(_PRESENT, {"ids": list(ids)})
    return {row["id"]: EndpointView(**row) for row in await found.fetchall()}


async def sendable(
    connection: AsyncConnection[DictRow],
    *,
    horizon: Horizon | None = None,
    busy: Collection[int] = (),
) -> list[EndpointView]:
    """Endpoints with something due that are active, or open and ready for a probe.

    Those in `busy` are not looked at, nor what lies before the horizon.
    """
    known = (horizon or Horizon()).known()
    found = await connection.execute(_SENDABLE, {**known, "except": list(busy)})
    return [EndpointView(**row) for row in await found.fetchall()]


async def begin_probe(
    connection: AsyncConnection[DictRow], endpoint_id: int, seconds: float
) -> bool:
    """Whether this dispatcher is the one that probes the open endpoint, for so many seconds."""
    done = await connection.execute(_BEGIN_PROBE, {"id": endpoint_id, "seconds": seconds})
    return done.rowcount == 1


async def open_breaker(
    connection: AsyncConnection[DictRow],
    endpoint_id: int,
    *,
    seconds: float,
    failures: int,
    reason: str,
    counted: bool = True,
) -> None:
    """Stop sending for so many seconds; `counted` lengthens the next wait."""
    await connection.execute(
        _OPEN,
        {
            "id": endpoint_id,
            "seconds": seconds,
            "failures": failures,
            "counted": int(counted),
            "reason": reason,
        },
    )


async def close_breaker(connection: AsyncConnection[DictRow], endpoint_id: int) -> None:
    """The endpoint answers again: send, and wake the lanes that waited for nothing else."""
    await connection.execute(_CLOSE, {"id": endpoint_id})
    await connection.execute(_WAKE, {"id": endpoint_id})


async def pause(connection: AsyncConnection[DictRow], endpoint_id: int, reason: str) -> None:
    """Stop until a person resumes the endpoint; its lanes accumulate."""
    await connection.execute(_PAUSE, {"id": endpoint_id, "reason": reason})


async def count_failures(
    connection: AsyncConnection[DictRow], endpoint_id: int, failures: int
) -> None:
    """Remember failures in a row for the dispatcher that comes next."""
    await connection.execute(_COUNT, {"id": endpoint_id, "failures": failures})
