"""Rules and facts → a decision: a rule set compiled once, then asked for every case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rules.bitmaps import Column, build_columns
from rules.conditions import OPERATORS, ListSnapshot, Takes, Test
from rules.decision import Decision, Match, MatchedRow
from rules.document import LAYERS, Action, Document, Group, Row, Rule
from rules.values import plain

__all__ = ["Action", "CompiledRuleSet", "Decision", "Match", "MatchedRow", "compile_rules"]

Waived = frozenset[tuple[str, str]]
Snoozed = frozenset[str]
_LIST_OPERATORS = frozenset(name for name, op in OPERATORS.items() if op.takes is Takes.LIST)


@dataclass(slots=True)
class _Candidate:
    """A group of a rule, and the rows its bit does not answer: (fact, test, wanted)."""

    rule: Rule
    rows: Group
    rule_bits: int
    residual: tuple[tuple[str, Test, Any], ...] = ()


def in_order(rules: Iterable[Rule]) -> list[Rule]:
    """Live rules in the order they are asked: layer, priority, key."""
    live = (rule for rule in rules if rule.status == "live")
    return sorted(live, key=lambda rule: (LAYERS.index(rule.layer), rule.priority, rule.key))


def match_of(rule: Rule, rows: Group, facts: Mapping[str, object]) -> Match:
    """The match of a rule whose group `rows` held."""
    return Match(
        rule.key,
        rule.name,
        rule.layer,
        rule.then,
        tuple(
            MatchedRow(row.fact, row.op, plain(row.value), plain(facts.get(row.fact)))
            for row in rows
        ),
    )


class CompiledRuleSet:
    """A rule set ready to decide; immutable, and safe to share between threads."""

    def __init__(self, rules: Iterable[Rule], lists: Mapping[str, ListSnapshot]) -> None:
        self._candidates: list[_Candidate] = []
        self._layers = dict.fromkeys(LAYERS, 0)
        self._rule_bits: dict[str, int] = {}
        possible = 0
        rows: list[tuple[int, Row, bool]] = []
        for rule in in_order(rules):
            first = len(self._candidates)
            rule_bits = ((1 << len(rule.when)) - 1) << first
            self._layers[rule.layer] |= rule_bits
            self._rule_bits[rule.key] = rule_bits
            for number, group in enumerate(rule.when):
                bit = 1 << (first + number)
                self._candidates.append(_Candidate(rule, group, rule_bits))
                unanswerable = [
                    row for row in group if row.op in _LIST_OPERATORS and row.value not in lists
                ]
                if unanswerable and not rule.is_permissive:
                    continue
                possible |= bit
                rows += [(bit, row, rule.is_permissive) for row in group if row not in unanswerable]
        self._possible = possible
        self._columns, residual = build_columns(rows, possible)
        for bit, row in residual:
            candidate = self._candidates[bit.bit_length() - 1]
            wanted = lists[row.value] if row.op in _LIST_OPERATORS else row.value
            candidate.residual += ((row.fact, OPERATORS[row.op].test, wanted),)

    def decide(
        self,
        facts: Mapping[str, object],
        at: datetime,
        waived: Waived = frozenset(),
        snoozed: Snoozed = frozenset(),
    ) -> Decision:
        """What the rules say about `facts` at the time `at`.

        An intercept match whose (rule key, fingerprint) is waived is passed over, and so is
        every rule whose key is snoozed. Raises ValueError for a naive `at`.
        """
        if at.tzinfo is None:
            raise ValueError("a decision needs a time with its zone")
        mask = self._survivors(facts)
        for key in snoozed:
            mask &= ~self._rule_bits.get(key, 0)
        for match in self._matches(mask & self._layers["intercept"], facts, at):
            if not waived or (match.rule_key, match.fingerprint) not in waived:
                return Decision(intercept=match, matches=(match,))
        return self._flow(mask, facts, at)

    def _flow(self, mask: int, facts: Mapping[str, object], at: datetime) -> Decision:
        """The lower layers, for a case that nothing holds."""
        slots: dict[str, tuple[str, str]] = {}
        acted: list[Match] = []
        for match in self._matches(mask & self._layers["allocate"], facts, at):
            won = [action for action in match.actions if action.slot not in slots]
            slots.update((action.slot, (action.value, match.rule_key)) for action in won)
            if won:
                acted.append(match)
        tags: dict[str, None] = {}
        effects: dict[str, str] = {}
        for match in self._matches(mask & self._layers["tag"], facts, at):
            for action in match.actions:
                if action.do == "tag":
                    tags.setdefault(action.tag)
                else:
                    effects.setdefault(action.key, match.rule_key)
            acted.append(match)
        dispatch = next(self._matches(mask & self._layers["dispatch"], facts, at), None)
        if dispatch is not None:
            acted.append(dispatch)
        return Decision(
            None, slots, tuple(tags), tuple(effects.items()), dispatch is not None, tuple(acted)
        )

    def _survivors(self, facts: Mapping[str, object]) -> int:
        """The groups that no bitmap rules out."""
        mask = self._possible
        seen = facts.get
        column: Column
        for column in self._columns:
            value = seen(column.fact)
            if value is None:
                mask &= column.missing
            else:
                mask &= column.present
                for lookup in column.lookups:
                    mask &= lookup(value)
        return mask

    def _matches(self, mask: int, facts: Mapping[str, object], at: datetime) -> Iterator[Match]:
        """The rules that match, in order, each once."""
        while mask:
            lowest = mask & -mask
            candidate = self._candidates[lowest.bit_length() - 1]
            if candidate.rule.is_valid_at(at) and _passes(candidate.residual, facts, at):
                mask &= ~candidate.rule_bits
                yield match_of(candidate.rule, candidate.rows, facts)
            else:
                mask ^= lowest


def _passes(
    residual: tuple[tuple[str, Test, Any], ...], facts: Mapping[str, object], at: datetime
) -> bool:
    """Whether the left-over rows hold; a missing fact was settled by its bitmap."""
    for fact, test, wanted in residual:
        value = facts.get(fact)
        if value is not None and not test(value, wanted, at):
            return False
    return True


def compile_rules(
    document: Document, lists: Mapping[str, ListSnapshot] | None = None
) -> CompiledRuleSet:
    """A document made ready to decide, with the lists its rules name.

    A row on a list that is not among them is as unknown as one on a missing fact.
    """
    return CompiledRuleSet(document.rules, lists or {})
