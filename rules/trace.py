"""Why each rule acted or did not, for one case: the plain interpreter that keeps notes; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime

from rules.conditions import OPERATORS, ListSnapshot, Takes
from rules.decision import Match, MatchedRow
from rules.document import LAYERS, Action, Document, Row, Rule
from rules.evaluation import match_of
from rules.values import plain

MATCHED, NOT_MATCHED, NOT_APPLIED, WATCHED = "matched", "not_matched", "not_applied", "watched"
OUTCOMES = (MATCHED, NOT_MATCHED, NOT_APPLIED, WATCHED)
"""Acted; did not hold; held but did nothing; held but only watches."""

WHY = (
    *("row_failed", "list_missing", "outside_window", "stopped", "slot_taken"),
    *("already_executed", "tag_present", "waived", "snoozed", "shadow", "disabled"),
)
DISPATCH = "dispatch"
"""The effect key under which a dispatch is known to have been executed."""


@dataclass(frozen=True, slots=True)
class TracedRule:
    """What became of one rule.

    `outcome` is one of OUTCOMES; `why`, one of WHY, says what kept a rule from acting, or that a
    rule which acted brought nothing new (`tag_present`); empty for a rule that simply acted.
    `group` counts from 0: the group that held (then `match` has its rows), else the one that came
    closest, of which `failed` is the first row that did not hold. `by` is the key of the rule that
    stopped this one or came before it; `slots` maps each slot it lost to the rule that has it.
    """

    key: str
    name: str
    layer: str
    priority: int
    status: str
    outcome: str
    why: str = ""
    group: int | None = None
    failed: MatchedRow | None = None
    match: Match | None = None
    by: str = ""
    slots: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """The traced rule for JSON."""
        return {
            "rule": self.key,
            "name": self.name,
            "layer": self.layer,
            "priority": self.priority,
            "status": self.status,
            "outcome": self.outcome,
            "why": self.why,
            "group": self.group,
            "failed": self.failed.as_json() if self.failed else None,
            "match": self.match.as_json() if self.match else None,
            "by": self.by,
            "slots": dict(self.slots),
        }


@dataclass(frozen=True, slots=True)
class _Case:
    """What is asked about, and what is known of it beside the facts."""

    facts: Mapping[str, object]
    at: datetime
    lists: Mapping[str, ListSnapshot]
    waived: Set[tuple[str, str]]
    snoozed: Set[str]
    executed: Set[str]


@dataclass(slots=True)
class _Flow:
    """What the rules asked so far have settled; values are rule keys."""

    stopped_by: str = ""
    slots: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    effects: dict[str, str] = field(default_factory=dict)
    dispatch: str = ""


def trace(
    document: Document,
    facts: Mapping[str, object],
    at: datetime,
    lists: Mapping[str, ListSnapshot],
    *,
    waived: Set[tuple[str, str]] = frozenset(),
    snoozed: Set[str] = frozenset(),
    executed: Set[str] = frozenset(),
) -> tuple[TracedRule, ...]:
    """What became of every rule, in the order in which they are asked.

    Agrees with `CompiledRuleSet.decide`: the rules that `matched` are those of the decision, save
    what `executed` (effect keys done for the case before, DISPATCH among them) left nothing to do
    for. Raises ValueError for a naive `at`.
    """
    if at.tzinfo is None:
        raise ValueError("a trace needs a time with its zone")
    case = _Case(facts, at, lists, waived, snoozed, executed)
    asked = sorted(document.rules, key=lambda r: (LAYERS.index(r.layer), r.priority, r.key))
    return tuple(_traced_all(asked, case))


def _traced_all(rules: Iterable[Rule], case: _Case) -> Iterator[TracedRule]:
    flow = _Flow()
    for rule in rules:
        if rule.status not in ("live", "shadow"):
            yield _told(rule, NOT_APPLIED, "disabled")
        elif not rule.is_valid_at(case.at):
            yield _told(rule, NOT_MATCHED, "outside_window")
        else:
            group, failed = _closest(rule, case)
            if failed is not None:
                why = "row_failed" if _has_its_list(failed, case) else "list_missing"
                yield _told(rule, NOT_MATCHED, why, group=group, failed=_seen(failed, case))
            else:
                match = match_of(rule, rule.when[group], case.facts)
                yield _acting(rule, group, match, case, flow)


def _closest(rule: Rule, case: _Case) -> tuple[int, Row | None]:
    """The first group that holds, and None; else the closest one, and the row that failed.

    The closest is the group of which most rows hold.
    """
    best: tuple[int, Row | None] = (0, None)
    most = -1
    for number, group in enumerate(rule.when):
        failing = [row for row in group if not _holds(row, rule, case)]
        if not failing:
            return number, None
        if len(group) - len(failing) > most:
            most, best = len(group) - len(failing), (number, failing[0])
    return best


def _holds(row: Row, rule: Rule, case: _Case) -> bool:
    seen = case.facts.get(row.fact)
    if row.op == "is_missing":
        return seen is None
    if seen is None or not _has_its_list(row, case):
        return rule.is_permissive
    wanted = case.lists[row.value] if OPERATORS[row.op].takes is Takes.LIST else row.value
    return OPERATORS[row.op].test(seen, wanted, case.at)


def _has_its_list(row: Row, case: _Case) -> bool:
    """Whether the row can be answered; a row that names no list always can."""
    return OPERATORS[row.op].takes is not Takes.LIST or row.value in case.lists


def _seen(row: Row, case: _Case) -> MatchedRow:
    return MatchedRow(row.fact, row.op, plain(row.value), plain(case.facts.get(row.fact)))


def _told(rule: Rule, outcome: str, why: str = "", **more: object) -> TracedRule:
    named = (rule.key, rule.name, rule.layer, rule.priority, rule.status)
    return TracedRule(*named, outcome, why, **more)  # type: ignore[arg-type]


def _acting(rule: Rule, group: int, match: Match, case: _Case, flow: _Flow) -> TracedRule:
    """What a rule whose conditions hold did, given what came before it."""

    def told(outcome: str, why: str = "", **more: object) -> TracedRule:
        return _told(rule, outcome, why, group=group, match=match, **more)

    if rule.status == "shadow":
        return told(WATCHED, "shadow")
    if rule.key in case.snoozed:
        return told(NOT_APPLIED, "snoozed")
    if flow.stopped_by:
        return told(NOT_APPLIED, "stopped", by=flow.stopped_by)
    if rule.layer == "intercept":
        if (rule.key, match.fingerprint) in case.waived:
            return told(NOT_APPLIED, "waived")
        flow.stopped_by = rule.key
        return told(MATCHED)
    if rule.layer == "allocate":
        lost = {action.slot: flow.slots.get(action.slot, "") for action in rule.then}
        lost = {slot: taker for slot, taker in lost.items() if taker}
        for action in rule.then:
            flow.slots.setdefault(action.slot, rule.key)
        if len(lost) == len({action.slot for action in rule.then}):
            return told(NOT_APPLIED, "slot_taken", by=next(iter(lost.values())), slots=lost)
        return told(MATCHED, slots=lost)
    if rule.layer == "dispatch":
        first, flow.dispatch = flow.dispatch, flow.dispatch or rule.key
        if first or DISPATCH in case.executed:
            return told(NOT_APPLIED, "already_executed", by=first)
        return told(MATCHED)
    return _collected(rule.key, rule.then, case, flow, told)


def _collected(
    key: str, actions: Iterable[Action], case: _Case, flow: _Flow, told: Callable[..., TracedRule]
) -> TracedRule:
    """Tags and effects: every match acts, but a second time nothing comes of it."""
    before = [
        (flow.tags if action.do == "tag" else flow.effects).setdefault(
            action.tag if action.do == "tag" else action.key, key
        )
        for action in actions
    ]
    effects = [action.key for action in actions if action.do == "effect"]
    taken = [taker for taker in before if taker != key]
    has_new_tag = any(
        action.do == "tag" and taker == key for action, taker in zip(actions, before, strict=True)
    )
    if effects and not has_new_tag and set(effects) <= case.executed:
        return told(NOT_APPLIED, "already_executed")
    if taken and len(taken) == len(before):
        return told(MATCHED, "tag_present", by=taken[0])
    return told(MATCHED)
