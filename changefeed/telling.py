"""Who has been told what about one subject: each endpoint's part of it, and each consumer's."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from changefeed.models import LaneState
from changefeed.reading import BEGINNING

CHANGES_LOOKED_AT = 500
"""Of a subject with more changes, only the newest are looked at."""

_SAID = """
WITH said AS MATERIALIZED (
    SELECT seq, xid, kind, field, source, echo, new, at FROM changefeed_change
    WHERE subject_kind = %(kind)s AND subject_id = %(id)s ORDER BY seq DESC LIMIT %(most)s
)
"""

# Filters and source count as they are now; what was recorded before an endpoint existed is no
# news for it, unless somebody has it replayed.
_ENDPOINTS = f"""
{_SAID}, arrived AS (
    SELECT endpoint_id, array_agg(seq ORDER BY id) AS seqs, array_agg(sent_at ORDER BY id) AS times
    FROM changefeed_attempt
    WHERE subject_kind = %(kind)s AND subject_id = %(id)s AND outcome = 'delivered'
      AND seq >= (SELECT min(seq) FROM said)
    GROUP BY endpoint_id
)
SELECT endpoint.id, endpoint.name, endpoint.state, lane.id, lane.state, lane.pending_since,
       coalesce(array_agg(said.seq ORDER BY said.seq) FILTER (
           WHERE said.at >= endpoint.created_at OR said.seq >= lane.head_seq
              OR said.seq = ANY (arrived.seqs)), '{{}}'),
       coalesce(bool_or(said.at < endpoint.created_at AND said.seq < coalesce(
           lane.head_seq, said.seq + 1)), false),
       coalesce(array_agg(said.seq ORDER BY said.seq) FILTER (
           WHERE said.seq >= lane.head_seq AND said.seq <= lane.last_seq
             AND said.seq <> ALL (coalesce(lane.delivered_seqs, '{{}}'))), '{{}}'),
       coalesce(lane.replay_until, 0),
       coalesce((SELECT array_agg(skipped::bigint) FROM said AS gap, jsonb_array_elements_text(
           coalesce(gap.new -> 'covers', jsonb_build_array(gap.new -> 'seq'))) AS skipped
           WHERE gap.kind = 'lane.skipped' AND gap.new ->> 'endpoint' = endpoint.name), '{{}}'),
       coalesce(arrived.seqs, '{{}}'), coalesce(arrived.times, '{{}}')
FROM changefeed_endpoint AS endpoint
LEFT JOIN changefeed_feedlane AS lane ON lane.endpoint_id = endpoint.id
  AND lane.subject_kind = %(kind)s AND lane.subject_id = %(id)s
LEFT JOIN arrived ON arrived.endpoint_id = endpoint.id
LEFT JOIN said ON changefeed_wants(endpoint.kinds, endpoint.fields, said.kind, said.field)
  AND NOT changefeed_is_echo(endpoint.source, said.source, said.echo, said.field, said.new)
GROUP BY endpoint.id, lane.id, arrived.seqs, arrived.times ORDER BY endpoint.name
"""

# As changefeed.consumers counts: what is left of the window, and what the window did not see.
_CONSUMERS = f"""
{_SAID}
SELECT key.id, key.name, position.seen_at,
       coalesce((SELECT array_agg(said.seq ORDER BY said.seq) FROM said
           WHERE NOT pg_visible_in_snapshot(said.xid, horizon.until)
              OR (said.seq > position.after_seq
                  AND said.seq BETWEEN horizon.first_seq AND horizon.last_seq
                  AND NOT pg_visible_in_snapshot(said.xid, horizon.since))), '{{}}')
FROM changefeed_pullcursor AS position
JOIN changefeed_apikey AS key ON key.id = position.api_key_id
LEFT JOIN changefeed_pullwindow AS found ON found.id = position.window_id
CROSS JOIN LATERAL (SELECT coalesce(found.since, %(beginning)s)::pg_snapshot AS since,
    coalesce(found.until, %(beginning)s)::pg_snapshot AS until,
    coalesce(found.first_seq, 0) AS first_seq, coalesce(found.last_seq, 0) AS last_seq) AS horizon
WHERE key.revoked_at IS NULL AND key.scopes @> ARRAY['feed:read'] AND position.seen_at IS NOT NULL
ORDER BY key.name
"""


@dataclass(frozen=True, slots=True)
class News:
    """What became of certain changes at one endpoint.

    `outcome` is unasked (it takes none of them), arrived, waiting, parked or skipped; `at` is when
    the last of them arrived, where that is on record.
    """

    outcome: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """One endpoint and one subject: sequences that it takes, and of these what is still to come.

    `is_newcomer` when it takes changes that were recorded before it was connected, and of which
    it was not told. `arrivals` are (last sequence, when) of acknowledged requests, oldest first.
    """

    endpoint_id: int
    name: str
    state: str
    lane_id: int | None
    lane_state: str
    pending_since: datetime | None
    wanted: frozenset[int]
    is_newcomer: bool
    pending: frozenset[int]
    is_again: bool
    skipped: frozenset[int]
    arrivals: tuple[tuple[int, datetime], ...]

    @property
    def is_parked(self) -> bool:
        return self.lane_state == LaneState.PARKED

    @property
    def told_at(self) -> datetime | None:
        """When it last acknowledged something about the subject."""
        return self.arrivals[-1][1] if self.arrivals else None

    def news_of(self, seqs: Iterable[int]) -> News:
        """Whether these changes have reached it."""
        asked = self.wanted & set(seqs)
        if not asked:
            return News("unasked")
        if asked & self.pending:
            return News("parked" if self.is_parked else "waiting")
        if not (left := asked - self.skipped):
            return News("skipped")
        last = max(left)
        return News("arrived", next((at for seq, at in self.arrivals if seq >= last), None))


@dataclass(frozen=True, slots=True)
class Pulled:
    """One pulling consumer and one subject: the sequences that it has not acknowledged."""

    key_id: int
    name: str
    seen_at: datetime
    pending: frozenset[int]


def told_about(subject_kind: str, subject_id: str) -> list[Told]:
    """Every endpoint by name, with its part of the subject's newest changes; one query."""
    return [
        Told(
            *(endpoint_id, name, state, lane_id, lane_state or "", since),
            wanted=frozenset(wanted),
            is_newcomer=is_newcomer,
            pending=frozenset(pending),
            is_again=bool(pending) and min(pending) <= replay_until,
            skipped=frozenset(skipped),
            arrivals=tuple(zip(seqs, times, strict=True)),
        )
        for (
            *(endpoint_id, name, state, lane_id, lane_state, since),
            wanted,
            is_newcomer,
            pending,
            replay_until,
            skipped,
            seqs,
            times,
        ) in _rows(_ENDPOINTS, subject_kind, subject_id)
    ]


def pulled_about(subject_kind: str, subject_id: str) -> list[Pulled]:
    """Every consumer that has ever asked, by name; one query. Revoked keys are left out."""
    rows = _rows(_CONSUMERS, subject_kind, subject_id)
    return [Pulled(key, name, seen_at, frozenset(seqs)) for key, name, seen_at, seqs in rows]


def _rows(statement: str, subject_kind: str, subject_id: str) -> list[tuple[Any, ...]]:
    parameters: dict[str, Any] = {
        "kind": subject_kind,
        "id": subject_id,
        "most": CHANGES_LOOKED_AT,
        "beginning": BEGINNING,
    }
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        found: list[tuple[Any, ...]] = cursor.fetchall()
        return found
