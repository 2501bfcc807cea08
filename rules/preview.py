"""What a rule would have met among the latest cases, and what it would change against live."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from django.utils import timezone

from rules import live
from rules.conditions import OPERATORS, ListSnapshot, Takes
from rules.decision import Decision, Match
from rules.document import Document, Row, Rule
from rules.evaluation import CompiledRuleSet, compile_rules, match_of
from rules.history import Case
from rules.live import LiveRules
from rules.recent import Facts, recent_cases

EXAMPLES = 3
Lists = Mapping[str, ListSnapshot]


@dataclass(frozen=True, slots=True)
class Example:
    """A case that matched: why, what holds it today, and whether the rule changes its way."""

    case: Case
    match: Match
    held_by: Match | None
    is_changed: bool


@dataclass(frozen=True, slots=True)
class Effect:
    """Recent cases that would go another way if this rule were live as it is written.

    `newly_held` and `no_longer_held` as said; `rerouted` get another slot value, `marked` other
    tags, effects or another dispatch, while nothing holds them before or after.
    """

    newly_held: int = 0
    no_longer_held: int = 0
    rerouted: int = 0
    marked: int = 0


@dataclass(frozen=True, slots=True)
class Preview:
    """How many of `cases` match, in all and per group, and what would change.

    The rule is asked as if it were live and always valid. `held_already` counts the matches
    that live rules hold today; `live_version` 0 means that nothing is published. `since` is
    when the oldest case was decided.
    """

    cases: int
    matched: int
    groups: tuple[int, ...]
    held_already: int
    effect: Effect
    examples: tuple[Example, ...]
    live_version: int
    since: datetime | None


def row_hits(row: Row, *, permissive: bool, lists: Lists) -> int:
    """How many recent cases a condition would let through if it stood alone."""
    at = timezone.now()
    return sum(_holds(row, facts, at, lists, permissive) for facts in recent_cases().facts)


def preview_rule(rule: Rule, lists: Lists) -> Preview:
    """What the rule met among the latest cases; `lists` are those it names."""
    rule = replace(rule, status="live", valid_from=None, valid_until=None)
    recent, at, now_live = recent_cases(), timezone.now(), live.current()
    met = [_groups_that_hold(rule, facts, at, lists) for facts in recent.facts]
    matched = [place for place, groups in enumerate(met) if groups]
    before = recent.decided_by(now_live, at)
    after = _with_rule(rule, now_live, lists)
    changes: dict[int, str] = {}
    for place, decision in enumerate(before):
        if not met[place] and not any(m.rule_key == rule.key for m in decision.matches):
            continue
        change = _change(decision, after.decide(recent.facts[place], at))
        if change:
            changes[place] = change
    shown = sorted(matched, key=lambda place: (place not in changes, place))[:EXAMPLES]
    return Preview(
        cases=len(recent),
        matched=len(matched),
        groups=tuple(
            sum(number in groups for groups in met) for number, _rows in enumerate(rule.when)
        ),
        held_already=sum(before[place].intercept is not None for place in matched),
        effect=Effect(**Counter(changes.values())),
        examples=tuple(
            Example(
                recent.cases[place],
                match_of(rule, rule.when[met[place][0]], recent.facts[place]),
                before[place].intercept,
                place in changes,
            )
            for place in shown
        ),
        live_version=now_live.version,
        since=recent.cases[-1].at if recent.cases else None,
    )


def _groups_that_hold(rule: Rule, facts: Facts, at: datetime, lists: Lists) -> tuple[int, ...]:
    return tuple(
        number
        for number, group in enumerate(rule.when)
        if all(_holds(row, facts, at, lists, rule.is_permissive) for row in group)
    )


def _holds(row: Row, facts: Facts, at: datetime, lists: Lists, permissive: bool) -> bool:
    seen = facts.get(row.fact)
    if row.op == "is_missing":
        return seen is None
    operator = OPERATORS[row.op]
    wanted = lists.get(row.value) if operator.takes is Takes.LIST else row.value
    if seen is None or (operator.takes is Takes.LIST and wanted is None):
        return permissive
    return operator.test(seen, wanted, at)


def _with_rule(rule: Rule, rules: LiveRules, lists: Lists) -> CompiledRuleSet:
    others = (other for other in rules.document.rules if other.key != rule.key)
    return compile_rules(Document((*others, rule)), {**rules.lists, **lists})


def _change(before: Decision, after: Decision) -> str:
    """The kind of change, as a field of Effect; empty when the case goes the same way."""
    if (before.intercept is None) != (after.intercept is None):
        return "newly_held" if before.intercept is None else "no_longer_held"
    if after.intercept is not None:
        return ""
    if _slot_values(before) != _slot_values(after):
        return "rerouted"
    return "" if _marks(before) == _marks(after) else "marked"


def _slot_values(decision: Decision) -> dict[str, str]:
    return {slot: value for slot, (value, _rule) in decision.slots.items()}


def _marks(decision: Decision) -> tuple[object, ...]:
    return decision.tags, tuple(key for key, _rule in decision.effects), decision.dispatch
