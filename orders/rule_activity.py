"""How often rules acted on orders, summed by the database: whole days kept, the rest counted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import connection
from django.db.models import Max
from django.urls import reverse
from django.utils.translation import gettext as _

from orders.models import Hold, RuleDay
from orders.status import BEFORE_DISPATCH, OrderState
from rules.history import DayFlow, Judgement, RuleActivity, Standing

ACTED = """
seen AS (
    SELECT at, outcome, shadow FROM orders_screeningdecision
    WHERE at >= %(since)s AND at < %(until)s
), acted AS (
    SELECT at, match->>'rule' AS rule, match->>'layer' AS layer, 1 AS hit, 0 AS watched
    FROM seen, jsonb_array_elements(outcome->'matches') match
    UNION ALL
    SELECT at, watching #>> '{}', '', 0, 1
    FROM seen, jsonb_path_query(shadow, 'lax $.rules[*]') watching
    UNION ALL
    SELECT at, '', '', 1, 0 FROM seen
)
"""
"""The decisions of a period taken apart: a row per rule that acted or watched, and one per
decision under the empty key."""

LAST = "coalesce(max(at) FILTER (WHERE hit > 0), max(at))"

_LIVE = f"""
WITH {ACTED}
SELECT rule, (at AT TIME ZONE %(zone)s)::date, sum(hit), sum(watched), {LAST}
FROM acted WHERE rule <> '' GROUP BY 1, 2
"""
_LAYERS = """
WITH arrived AS (
    SELECT ruleset_version, outcome FROM orders_screeningdecision
    WHERE at >= %(since)s AND at < %(until)s AND cause = 'intake'
)
SELECT 'seen', '', '', count(*) FROM arrived
UNION ALL
SELECT 'passed', '', '', count(*) FROM arrived
WHERE ruleset_version > 0 AND outcome->'intercept' = 'null'
UNION ALL
SELECT match->>'layer', '', match->>'rule', count(*)
FROM arrived, jsonb_array_elements(outcome->'matches') match
WHERE match->>'layer' <> 'allocate' GROUP BY 1, 3
UNION ALL
SELECT 'allocate', slot.key, slot.value->>'rule', count(*)
FROM arrived, jsonb_each(outcome->'slots') slot GROUP BY 2, 3
"""
_STANDING = """
SELECT o.state, count(*) FROM orders_screeningdecision d JOIN orders_order o ON o.id = d.order_id
WHERE d.at >= %(since)s AND d.at < %(until)s AND d.cause = 'intake' GROUP BY 1
"""
_JUDGED = """
SELECT rule_key,
    count(*) FILTER (WHERE state = 'released'), count(*) FILTER (WHERE state = 'upheld'),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM resolved_at - opened_at))
        FILTER (WHERE state = 'released')
FROM ({judged}) judged GROUP BY rule_key
"""


def shop_day(moment: datetime) -> date:
    """The day of the shop that a moment belongs to."""
    return moment.astimezone(_zone()).date()


def bounds(day: date) -> tuple[datetime, datetime]:
    """When a day of the shop begins, and when the next one does."""
    first, last = (datetime.combine(each, time.min, _zone()) for each in (day, _next(day)))
    return first, last


def activity(since: datetime, until: datetime) -> Iterable[RuleActivity]:
    """How often each rule acted in the period, its start included, its end not.

    Days that are summed are read from their sums; what is left, today above all, is counted
    from the decisions by their index on time. `last_at` looks back beyond the period, as far
    as the sums reach.
    """
    found: dict[str, RuleActivity] = {}
    summed = _summed_days(since, until)
    rows = RuleDay.objects.filter(day__in=summed).exclude(rule_key="")
    for key, day, hits, watched, at in (
        *rows.values_list("rule_key", "day", "hits", "shadow_hits", "last_at"),
        *(row for stretch in _stretches(since, until, summed) for row in _live(*stretch)),
    ):
        before = found.get(key, RuleActivity(key))
        found[key] = RuleActivity(
            key,
            before.hits + int(hits),
            before.shadow_hits + int(watched),
            max(filter(None, (before.last_at, at)), default=None),
            {**before.by_day, day: before.by_day.get(day, 0) + int(hits)},
        )
    earlier = RuleDay.objects.filter(day__lt=shop_day(since)).exclude(rule_key="")
    for key, at in earlier.values_list("rule_key").annotate(at=Max("last_at")).order_by():
        found.setdefault(key, RuleActivity(key, last_at=at))
    return found.values()


def flow(day: date) -> Sequence[DayFlow]:
    """How the orders first screened on that day went through the layers, from top to bottom.

    Later screenings of an order are not counted again. Allocation has one row per slot. What
    could not be screened (no rules, too slow) enters the first layer and no other.
    """
    acted: dict[tuple[str, str], dict[str, int]] = {}
    for layer, slot, rule, count in _fetch(_LAYERS, *bounds(day)):
        acted.setdefault((layer, slot), {})[rule] = count
    seen, passed = acted.pop(("seen", ""))[""], acted.pop(("passed", ""))[""]
    rows = [DayFlow("intercept", seen, acted.get(("intercept", ""), {}))]
    slots = sorted(slot for layer, slot in acted if layer == "allocate")
    rows += [DayFlow("allocate", passed, acted["allocate", slot], slot) for slot in slots]
    if not slots:
        rows.append(DayFlow("allocate", passed, {}))
    rows += [DayFlow(name, passed, acted.get((name, ""), {})) for name in ("tag", "dispatch")]
    return rows


def standing(day: date) -> Sequence[Standing]:
    """Where the orders first screened on that day stand now."""
    counts = dict(_fetch(_STANDING, *bounds(day)))
    waiting = sum(counts.get(state, 0) for state in BEFORE_DISPATCH if state != OrderState.ON_HOLD)
    gone = sum(
        counts.get(state, 0)
        for state in (OrderState.DISPATCHED, OrderState.SHIPPED, OrderState.DELIVERED)
    )
    orders = reverse("admin:orders_order_changelist")
    board = reverse("admin:orders_hold_changelist")
    return [
        Standing("gone", _("With the warehouse or shipped"), gone, orders),
        Standing("waiting", _("Waiting to be dispatched"), waiting, f"{orders}?state__exact=ready"),
        Standing("held", _("Held now"), counts.get(OrderState.ON_HOLD, 0), board),
        Standing(
            "cancelled",
            _("Cancelled"),
            counts.get(OrderState.CANCELLED, 0),
            f"{orders}?state__exact=cancelled",
        ),
    ]


def judgements(since: datetime, until: datetime) -> Iterable[Judgement]:
    """The verdicts given in the period, by rule, with the median time to a release."""
    given = Hold.objects.judged().filter(resolved_at__gte=since, resolved_at__lt=until)
    inner, values = given.values(
        "rule_key", "state", "opened_at", "resolved_at"
    ).query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(_JUDGED.format(judged=inner), values)
        for key, released, upheld, seconds in cursor.fetchall():
            median = None if seconds is None else timedelta(seconds=float(seconds))
            yield Judgement(key, released, upheld, median)


def _summed_days(since: datetime, until: datetime) -> set[date]:
    """Days wholly within the period whose sums are kept."""
    kept = RuleDay.objects.filter(
        rule_key="", day__gte=shop_day(since), day__lte=shop_day(until)
    ).values_list("day", flat=True)
    return {day for day in kept if bounds(day)[0] >= since and bounds(day)[1] <= until}


def _stretches(
    since: datetime, until: datetime, summed: set[date]
) -> Iterator[tuple[datetime, datetime]]:
    """What of the period no sum covers, days that touch each other taken as one."""
    begin = since
    for day in sorted(summed):
        first, last = bounds(day)
        if begin < first:
            yield begin, first
        begin = last
    if begin < until:
        yield begin, until


def _live(since: datetime, until: datetime) -> list[tuple[Any, ...]]:
    return _fetch(_LIVE, since, until)


def _fetch(statement: str, since: datetime, until: datetime) -> list[tuple[Any, ...]]:
    values: dict[str, Any] = {"since": since, "until": until, "zone": settings.SHOP_TIME_ZONE}
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchall()


def _zone() -> ZoneInfo:
    return ZoneInfo(settings.SHOP_TIME_ZONE)


def _next(day: date) -> date:
    return day + timedelta(days=1)
