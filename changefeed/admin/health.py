"""How one endpoint is doing: its backlog now, its last hour, its lag over the last day."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone
from django.utils.translation import gettext as _

from changefeed.admin.words import span_text

MOST_ATTEMPTS_READ = 50_000
HOUR_SECONDS = 3600.0
BUCKET_MINUTES = 15
BUCKETS_A_DAY = 24 * 60 // BUCKET_MINUTES

_BACKLOG = """
SELECT count(*), count(*) FILTER (WHERE due_at IS NULL),
       extract(epoch FROM now() - min(pending_since))::double precision
FROM changefeed_feedlane WHERE endpoint_id = %s
"""

# A busy endpoint has millions of attempts an hour; its newest tell enough.
_LAST_HOUR = """
WITH recent AS (
    SELECT messages, outcome, latency_ms, sent_at FROM changefeed_attempt
    WHERE endpoint_id = %(endpoint)s AND sent_at > now() - interval '1 hour'
    ORDER BY sent_at DESC LIMIT %(most)s
)
SELECT count(*),
       coalesce(sum(messages) FILTER (WHERE outcome = 'delivered'), 0),
       count(*) FILTER (WHERE outcome <> 'delivered'),
       percentile_disc(0.5) WITHIN GROUP (ORDER BY latency_ms),
       percentile_disc(0.95) WITHIN GROUP (ORDER BY latency_ms),
       coalesce(extract(epoch FROM now() - min(sent_at)), 0)::double precision
FROM recent
"""

_LAG_OF_DAY = """
SELECT date_bin(make_interval(mins => %(minutes)s), at, '2000-01-01') AS since,
       max(oldest_pending_seconds), max(pending_lanes), max(parked_lanes)
FROM changefeed_lagsample
WHERE endpoint_id = %(endpoint)s AND at >= %(first)s
GROUP BY since ORDER BY since
"""


@dataclass(frozen=True, slots=True)
class Backlog:
    """Subjects waiting and of them parked; the oldest wait in seconds, None without any."""

    pending: int
    parked: int
    oldest_seconds: float | None


@dataclass(frozen=True, slots=True)
class HourFigures:
    """Attempts of the last `seconds`: how many, failed, messages that arrived, latency in ms.

    `seconds` is an hour, or less when that alone held MOST_ATTEMPTS_READ attempts.
    """

    attempts: int
    delivered: int
    failed: int
    median_ms: int | None
    slow_ms: int | None
    seconds: float

    @property
    def per_second(self) -> float:
        return self.delivered / self.seconds

    @property
    def error_share(self) -> float | None:
        return self.failed / self.attempts if self.attempts else None


@dataclass(frozen=True, slots=True)
class LagPoint:
    """The worst of a quarter of an hour; None where no sample was taken."""

    since: datetime
    seconds: float | None
    pending: int | None
    parked: int | None


def backlog_of(endpoint_id: int) -> Backlog:
    """What waits for the endpoint now; reads each of its lanes once."""
    with connection.cursor() as cursor:
        cursor.execute(_BACKLOG, (endpoint_id,))
        return Backlog(*cursor.fetchone())


def last_hour_of(endpoint_id: int) -> HourFigures:
    """What was sent to the endpoint in the last hour and how it went."""
    with connection.cursor() as cursor:
        cursor.execute(_LAST_HOUR, {"endpoint": endpoint_id, "most": MOST_ATTEMPTS_READ})
        attempts, delivered, failed, median, slow, covered = cursor.fetchone()
    seconds = max(covered, 1.0) if attempts >= MOST_ATTEMPTS_READ else HOUR_SECONDS
    return HourFigures(attempts, int(delivered), failed, median, slow, seconds)


def lag_of_day(endpoint_id: int, now: datetime) -> list[LagPoint]:
    """The last day in quarters of an hour, oldest first, with gaps where nobody looked."""
    step = timedelta(minutes=BUCKET_MINUTES)
    current = now.replace(minute=now.minute - now.minute % BUCKET_MINUTES, second=0, microsecond=0)
    starts = [current - step * back for back in reversed(range(BUCKETS_A_DAY))]
    with connection.cursor() as cursor:
        cursor.execute(
            _LAG_OF_DAY,
            {"endpoint": endpoint_id, "minutes": BUCKET_MINUTES, "first": starts[0]},
        )
        found = {row[0]: row[1:] for row in cursor.fetchall()}
    return [LagPoint(start, *found.get(start, (None, None, None))) for start in starts]


def plot_of(points: list[LagPoint], alert_seconds: float) -> dict[str, Any]:
    """The points as the plot's script reads them."""
    return {
        "labels": [f"{timezone.localtime(point.since):%H:%M}" for point in points],
        "seconds": [point.seconds for point in points],
        "written": ["" if point.seconds is None else span_text(point.seconds) for point in points],
        "alert": alert_seconds,
        "words": {
            "lag": _("oldest waiting for"),
            "alert": _("alert from %(span)s") % {"span": span_text(alert_seconds)},
            "seconds": _("seconds"),
        },
    }
