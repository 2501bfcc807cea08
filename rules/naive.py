"""The plain interpreter: rule by rule, row by row. Slow, obvious, and the oracle of tests."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from rules.conditions import OPERATORS, ListSnapshot, Takes
from rules.decision import Decision, Match
from rules.document import Document, Group, Row, Rule
from rules.evaluation import Snoozed, Waived, in_order, match_of


def decide_naively(
    document: Document,
    facts: Mapping[str, object],
    at: datetime,
    waived: Waived = frozenset(),
    lists: Mapping[str, ListSnapshot] | None = None,
    snoozed: Snoozed = frozenset(),
) -> Decision:
    """The same answer as the compiled rule set, by reading the rules one after another."""
    matches = [
        match_of(rule, group, facts)
        for rule in in_order(document.rules)
        if rule.key not in snoozed
        and rule.is_valid_at(at)
        and (group := _first_group(rule, facts, at, lists or {})) is not None
    ]
    for match in matches:
        if match.layer == "intercept" and (match.rule_key, match.fingerprint) not in waived:
            return Decision(intercept=match, matches=(match,))
    slots: dict[str, tuple[str, str]] = {}
    tags: list[str] = []
    effects: dict[str, str] = {}
    dispatch = False
    acted: list[Match] = []
    for match in matches:
        if match.layer == "intercept":
            continue
        acts = match.layer == "tag"
        for action in match.actions:
            if action.do == "assign" and action.slot not in slots:
                slots[action.slot] = (action.value, match.rule_key)
                acts = True
            elif action.do == "tag" and action.tag not in tags:
                tags.append(action.tag)
            elif action.do == "effect" and action.key not in effects:
                effects[action.key] = match.rule_key
            elif action.do == "dispatch" and not dispatch:
                dispatch = acts = True
        if acts:
            acted.append(match)
    return Decision(None, slots, tuple(tags), tuple(effects.items()), dispatch, tuple(acted))


def _first_group(
    rule: Rule, facts: Mapping[str, object], at: datetime, lists: Mapping[str, ListSnapshot]
) -> Group | None:
    for group in rule.when:
        if all(_holds(row, rule, facts, at, lists) for row in group):
            return group
    return None


def _holds(
    row: Row,
    rule: Rule,
    facts: Mapping[str, object],
    at: datetime,
    lists: Mapping[str, ListSnapshot],
) -> bool:
    operator = OPERATORS[row.op]
    seen = facts.get(row.fact)
    if row.op == "is_missing":
        return seen is None
    wanted = lists.get(row.value) if operator.takes is Takes.LIST else row.value
    if seen is None or (operator.takes is Takes.LIST and wanted is None):
        return rule.is_permissive
    return operator.test(seen, wanted, at)
