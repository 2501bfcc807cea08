"""How much waits for one endpoint, counted no further than people read."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection

from changefeed.models import LagSample

MOST_COUNTED = 10_000

# Those due first come first; they are found through the index of the dispatcher.
_WAITING = """
SELECT count(*), min(pending_since) FROM (
    SELECT pending_since FROM changefeed_feedlane WHERE endpoint_id = %s
    ORDER BY due_at LIMIT %s
) AS first
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Subjects with something undelivered, and since when the oldest waits, None without any.

    With `is_more`, there are more than `subjects`, and the oldest may have waited longer.
    """

    subjects: int
    since: datetime | None
    is_more: bool


def waiting_for(endpoint_id: int) -> Waiting:
    """What waits for the endpoint; reads at most MOST_COUNTED lanes and one more."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, (endpoint_id, MOST_COUNTED + 1))
        count, since = cursor.fetchone()
    if count <= MOST_COUNTED:
        return Waiting(count, since, is_more=False)
    sampled = _sampled(endpoint_id)
    return Waiting(MOST_COUNTED, min(since, sampled) if sampled else since, is_more=True)


def _sampled(endpoint_id: int) -> datetime | None:
    """Since when the oldest waited at the last sample, which looked at all of them."""
    last = LagSample.objects.filter(endpoint_id=endpoint_id).order_by("-at").first()
    if last is None or not last.pending_lanes:
        return None
    return last.at - timedelta(seconds=last.oldest_pending_seconds)
