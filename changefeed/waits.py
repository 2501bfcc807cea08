"""Waits that became longer than any wait may be, because the server's clock was set back."""

import structlog
from django.conf import settings
from django.db import connection

from changefeed.dispatch.backoff import BREAKER_CAP_SECONDS, RETRY_AFTER_CAP_SECONDS

log = structlog.get_logger(__name__)

# What is ready is due from the moment it was written, and no back-off is longer than a receiver may
# ask for: beyond that only another clock can have said so. Lanes that somebody holds are left to
# the next time.
_DUE = """
UPDATE changefeed_feedlane SET due_at = now() WHERE id IN (
    SELECT id FROM changefeed_feedlane
    WHERE due_at > now() + interval '10 seconds'
      AND (state <> 'backoff' OR due_at > now() + make_interval(secs => %(longest)s))
    FOR UPDATE SKIP LOCKED
)
"""

# Whoever holds one goes by a clock that only goes on, and has no more than a whole lease left.
_LEASED = """
UPDATE changefeed_feedlane SET lease_until = now() + make_interval(secs => %(lease)s) WHERE id IN (
    SELECT id FROM changefeed_feedlane
    WHERE lease_until > now() + make_interval(secs => %(lease)s + 10)
    FOR UPDATE SKIP LOCKED
)
"""

_OPENED = """
UPDATE changefeed_endpoint SET opened_until = now() + make_interval(secs => %(breaker)s)
WHERE opened_until > now() + make_interval(
    secs => CASE state WHEN 'half_open' THEN %(breaker)s ELSE %(longest)s END)
"""


def shorten() -> int:
    """Bring such waits back to what they should be; how many lanes and endpoints had one."""
    limits = {
        "lease": settings.FEED_LEASE_SECONDS,
        "breaker": BREAKER_CAP_SECONDS,
        "longest": RETRY_AFTER_CAP_SECONDS + 10,
    }
    found = 0
    with connection.cursor() as cursor:
        for statement in (_DUE, _LEASED, _OPENED):
            cursor.execute(statement, limits)
            found += cursor.rowcount
    if found:
        log.warning("feed.clock_set_back", waits=found)
    return found
