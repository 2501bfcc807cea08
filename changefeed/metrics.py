"""Figures about the feed for whoever watches it: how much is pending, how old, held by whom."""

from dataclasses import dataclass

from django.db import connection

from changefeed.models import GONE_REASON

_LAGS = """
SELECT endpoint.id, endpoint.name, endpoint.state,
       count(lane.id) AS pending_lanes,
       count(lane.id) FILTER (WHERE lane.due_at IS NULL) AS parked_lanes,
       coalesce(extract(epoch FROM now() - min(lane.pending_since)), 0)::double precision,
       coalesce(extract(epoch FROM now() - min(lane.pending_since)
                                           FILTER (WHERE lane.due_at IS NOT NULL)),
                0)::double precision,
       endpoint.state = 'paused' AND endpoint.state_reason = %s AS is_gone
FROM changefeed_endpoint AS endpoint
LEFT JOIN changefeed_feedlane AS lane ON lane.endpoint_id = endpoint.id
GROUP BY endpoint.id ORDER BY endpoint.name
"""

# One that was prepared and forgotten belongs to no session and holds everything back as well.
_LONGEST_WRITER = """
SELECT coalesce(max(extract(epoch FROM now() - began)), 0)::double precision
FROM (
    SELECT xact_start AS began FROM pg_stat_activity
    WHERE backend_xid IS NOT NULL AND datname = current_database() AND pid <> pg_backend_pid()
    UNION ALL
    SELECT prepared FROM pg_prepared_xacts WHERE database = current_database()
) AS writer
"""

_OUTSIDE_PARTITIONS = (
    "SELECT count(*) FROM (SELECT FROM changefeed_change_default LIMIT 1000) AS net"
)


@dataclass(frozen=True, slots=True)
class EndpointLag:
    """One endpoint's backlog: subjects waiting, of them parked, and the oldest wait in seconds.

    `oldest_moving_seconds` leaves the parked ones out; `is_gone` when the endpoint itself said that
    it takes no more messages.
    """

    endpoint_id: int
    name: str
    state: str
    pending_lanes: int
    parked_lanes: int
    oldest_pending_seconds: float
    oldest_moving_seconds: float
    is_gone: bool


@dataclass(frozen=True, slots=True)
class FeedFigures:
    """The feed as a whole.

    `longest_writer_seconds` is the age of the oldest writing transaction, which holds the pull
    windows back; `outside_partitions` should be 0 and is counted up to 1,000.
    """

    endpoints: list[EndpointLag]
    longest_writer_seconds: float
    outside_partitions: int

    @property
    def pending_lanes(self) -> int:
        return sum(endpoint.pending_lanes for endpoint in self.endpoints)

    @property
    def oldest_pending_seconds(self) -> float:
        return max((endpoint.oldest_pending_seconds for endpoint in self.endpoints), default=0.0)


def endpoint_lags() -> list[EndpointLag]:
    """Backlog per endpoint, by name; reads every pending lane once."""
    with connection.cursor() as cursor:
        cursor.execute(_LAGS, (GONE_REASON,))
        return [EndpointLag(*row) for row in cursor.fetchall()]


def longest_writer_seconds() -> float:
    """Age of the oldest writing transaction, which holds the pull windows back."""
    with connection.cursor() as cursor:
        cursor.execute(_LONGEST_WRITER)
        return float(cursor.fetchone()[0])


def feed_figures() -> FeedFigures:
    """Everything worth a metric, in three queries."""
    lags, writer = endpoint_lags(), longest_writer_seconds()
    with connection.cursor() as cursor:
        cursor.execute(_OUTSIDE_PARTITIONS)
        (outside,) = cursor.fetchone()
    return FeedFigures(lags, writer, outside)
