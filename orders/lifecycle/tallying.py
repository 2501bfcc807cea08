"""Keeping the daily sums of what rules did."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from django.db import connection, transaction

from changefeed.clock import database_now
from orders.models import RuleDay
from orders.rule_activity import ACTED, LAST, bounds, shop_day

AGAIN = 2
"""Days summed anew each time: a transaction begun before midnight may commit long after."""
REACH = 35
"""How many days back a missing day is looked for; the list of rules shows thirty."""
TAKE = "SELECT pg_try_advisory_xact_lock(%s)"
_LOCK = 0x51_1CE_0002
_SUM = f"""
WITH {ACTED}, sums AS (
    SELECT rule, max(layer) AS layer, sum(hit) AS hits, sum(watched) AS watched, {LAST} AS last_at
    FROM (SELECT * FROM acted UNION ALL SELECT NULL, '', '', 0, 0) every
    GROUP BY rule
), gone AS (
    DELETE FROM orders_ruleday WHERE day = %(day)s AND rule_key NOT IN (SELECT rule FROM sums)
)
INSERT INTO orders_ruleday (day, rule_key, layer, hits, shadow_hits, last_at)
SELECT %(day)s, rule, layer, hits, watched, last_at FROM sums
ON CONFLICT (day, rule_key) DO UPDATE SET layer = excluded.layer, hits = excluded.hits,
    shadow_hits = excluded.shadow_hits, last_at = excluded.last_at
"""


def tally_rules(now: datetime | None = None) -> list[date]:
    """Sum the last closed days of the shop, and any missing one; says which were summed.

    The present day is never summed, so that a sum once kept is whole. A day is one statement
    and a transaction of its own; whoever finds another at it leaves it to them.
    """
    today = shop_day(now or _now())
    sums = RuleDay.objects.filter(rule_key="", day__gte=today - timedelta(days=REACH))
    kept = set(sums.values_list("day", flat=True))
    closed = [today - timedelta(days=back) for back in range(1, REACH + 1)]
    due = [day for place, day in enumerate(closed) if place < AGAIN or day not in kept]
    return [day for day in due if _sum(day)]


@transaction.atomic
def _sum(day: date) -> bool:
    """Whether this call summed the day; not when another is about to."""
    since, until = bounds(day)
    with connection.cursor() as cursor:
        cursor.execute(TAKE, (_LOCK,))
        if not cursor.fetchone()[0]:
            return False
        cursor.execute(_SUM, {"since": since, "until": until, "day": day})
    return True


@transaction.atomic
def _now() -> datetime:
    return database_now()
