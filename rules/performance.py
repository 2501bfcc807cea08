"""How well each rule does: hits, verdicts and time to release over thirty days."""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from changefeed.clock import database_now
from rules.estimates import Share, share
from rules.history import Judgement, RuleActivity, source

DAYS = 30
"""Days shown, today included; days of the shop."""
TARGET = 0.05
"""The share of held cases that may turn out fine (MISSION.md §6)."""
FRESH_SECONDS = 15.0
"""For so long a process shows what it counted; the hits of a month cost a few reads."""


@dataclass(frozen=True, slots=True)
class RulePerformance:
    """One rule by its key, whatever the version: hits a day, oldest first, and its verdicts.

    `precision` is the share of its judged holds that were right, `false_blocks` of those that
    were fine. `median_release` is how long half of the released ones waited at most.
    """

    key: str
    hits: int = 0
    shadow_hits: int = 0
    daily: tuple[int, ...] = (0,) * DAYS
    last_at: datetime | None = None
    precision: Share = field(default_factory=lambda: share(0, 0))
    false_blocks: Share = field(default_factory=lambda: share(0, 0))
    median_release: timedelta | None = None

    @property
    def alarm(self) -> str:
        """`high` when the evidence puts it above the target, `low` when only the figure is."""
        return alarm_of(self.false_blocks)


@dataclass(frozen=True, slots=True)
class Performance:
    """Every rule that did anything, and all verdicts together; counted at `at`."""

    at: datetime
    rules: dict[str, RulePerformance]
    false_blocks: Share
    held_today: Share

    def of(self, key: str) -> RulePerformance:
        """The figures of one rule; all zero for one that never did anything."""
        return self.rules.get(key) or RulePerformance(key)

    @property
    def alarming(self) -> list[str]:
        """Keys of the rules with more false blocks than the target, by figure or evidence."""
        return [key for key, rule in self.rules.items() if rule.alarm]

    @property
    def fired(self) -> list[str]:
        """Keys of the rules that acted within the thirty days."""
        return [key for key, rule in self.rules.items() if rule.hits]


def alarm_of(false_blocks: Share) -> str:
    """`high` when even the low end of the interval is above the target, `low` when only the
    share seen is; empty otherwise."""
    if false_blocks.value is None or false_blocks.value <= TARGET:
        return ""
    return "high" if false_blocks.low > TARGET else "low"


def shop_day(moment: datetime) -> date:
    """The day of the shop that a moment belongs to."""
    return moment.astimezone(ZoneInfo(settings.SHOP_TIME_ZONE)).date()


_kept: tuple[float, Performance] | None = None


def performance() -> Performance:
    """The figures of the last thirty days of the shop, at most FRESH_SECONDS old.

    Raises LookupError when no app has any history.
    """
    global _kept
    if _kept is None or clock.monotonic() - _kept[0] > FRESH_SECONDS:
        _kept = (clock.monotonic(), measure(database_now()))
    return _kept[1]


def forget() -> None:
    """Count anew at the next call."""
    global _kept
    _kept = None


def measure(now: datetime) -> Performance:
    """The figures as they are at a moment; a bounded number of queries, whatever the rules."""
    today = shop_day(now)
    first = today - timedelta(days=DAYS - 1)
    since = datetime.combine(first, time.min, ZoneInfo(settings.SHOP_TIME_ZONE))
    # What was decided a moment ago belongs to the period, whose end is not part of it.
    until = now + timedelta(seconds=1)
    history = source()
    acted = {each.rule_key: each for each in history.activity(since, until)}
    judged = {each.rule_key: each for each in history.judgements(since, until)}
    rules = {key: _rule(key, acted.get(key), judged.get(key), first) for key in {*acted, *judged}}
    released = sum(each.released for each in judged.values())
    upheld = sum(each.upheld for each in judged.values())
    top = history.flow(today)[0]
    held = share(sum(top.acted.values()), top.entered)
    return Performance(now, rules, share(released, released + upheld), held)


def _rule(
    key: str, acted: RuleActivity | None, judged: Judgement | None, first: date
) -> RulePerformance:
    acted = acted or RuleActivity(key)
    judged = judged or Judgement(key, 0, 0)
    whole = judged.released + judged.upheld
    days = (first + timedelta(days=number) for number in range(DAYS))
    return RulePerformance(
        key,
        acted.hits,
        acted.shadow_hits,
        tuple(acted.by_day.get(day, 0) for day in days),
        acted.last_at,
        share(judged.upheld, whole),
        share(judged.released, whole),
        judged.median_release,
    )
