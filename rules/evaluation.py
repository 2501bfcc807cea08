"""Rules and facts → a decision: a rule set compiled once, then asked for every case."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rules.bitmaps import Column, build_columns
from rules.conditions import OPERATORS, ListSnapshot, Takes, Test
from rules.decision import Decision, Match, MatchedRow
from rules.document import LAYERS, Action, Document, Group, Row, Rule
from rules.normalization import skeleton
from rules.values import plain

__all__ = ["Action", "CompiledRuleSet", "Decision", "Match", "MatchedRow", "compile_rules"]

Waived = frozenset[tuple[str, str]]
Snoozed = frozenset[str]
_LIST_OPERATORS = frozenset(name for name, op in OPERATORS.items() if op.takes is Takes.LIST)


@dataclass(slots=True)
class _Candidate:
    """A group of a rule, its rows as a match states them (fact, operator, wanted in plain
    form), and the rows that its bit does not answer: (fact, test, wanted).
    """

    rule: Rule
    rows: tuple[tuple[str, str, object], ...]
    rule_bits: int
    is_windowed: bool
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
        self._slots: dict[str, int] = {}
        possible = 0
        rows: list[tuple[int, Row, bool]] = []
        for rule in in_order(rules):
            first = len(self._candidates)
            rule_bits = ((1 << len(rule.when)) - 1) << first
            self._layers[rule.layer] |= rule_bits
            self._rule_bits[rule.key] = rule_bits
            for number, group in enumerate(rule.when):
                bit = 1 << (first + number)
                stated = tuple((row.fact, row.op, plain(row.value)) for row in group)
                windowed = rule.valid_from is not None or rule.valid_until is not None
                self._candidates.append(_Candidate(rule, stated, rule_bits, windowed))
                for action in rule.then:
                    if action.slot:
                        self._slots[action.slot] = self._slots.get(action.slot, 0) | bit
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
            self._candidates[bit.bit_length() - 1].residual += (_test_of(row, lists),)

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
        case = _Case(facts, at)
        mask = self._survivors(facts)
        for key in snoozed:
            mask &= ~self._rule_bits.get(key, 0)
        for match in self._matches(mask & self._layers["intercept"], case):
            if not waived or (match.rule_key, match.fingerprint) not in waived:
                return Decision(intercept=match, matches=(match,))
        return self._flow(mask, case)

    def _flow(self, mask: int, case: _Case) -> Decision:
        """The lower layers, for a case that nothing holds."""
        slots, acted = self._allocated(mask & self._layers["allocate"], case)
        tags: dict[str, None] = {}
        effects: dict[str, str] = {}
        for match in self._matches(mask & self._layers["tag"], case):
            for action in match.actions:
                if action.do == "tag":
                    tags.setdefault(action.tag)
                else:
                    effects.setdefault(action.key, match.rule_key)
            acted.append(match)
        dispatch = next(self._matches(mask & self._layers["dispatch"], case), None)
        if dispatch is not None:
            acted.append(dispatch)
        return Decision(
            None, slots, tuple(tags), tuple(effects.items()), dispatch is not None, tuple(acted)
        )

    def _allocated(self, mask: int, case: _Case) -> tuple[dict[str, tuple[str, str]], list[Match]]:
        """Each slot's value with the rule that gave it, and the rules that gave any."""
        slots: dict[str, tuple[str, str]] = {}
        acted: list[Match] = []
        while mask:
            match, mask = self._next(mask, case)
            if match is None:
                break
            slots |= {
                action.slot: (action.value, match.rule_key)
                for action in match.actions
                if action.slot not in slots
            }
            acted.append(match)
            mask &= self._assigning_others_than(slots)
        return slots, acted

    def _assigning_others_than(self, slots: Collection[str]) -> int:
        bits = 0
        for slot, assigning in self._slots.items():
            if slot not in slots:
                bits |= assigning
        return bits

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

    def _matches(self, mask: int, case: _Case) -> Iterator[Match]:
        """The rules that match, in order, each once."""
        while mask:
            match, mask = self._next(mask, case)
            if match is not None:
                yield match

    def _next(self, mask: int, case: _Case) -> tuple[Match | None, int]:
        """The first rule of the mask that matches, and what is left to ask after it."""
        while mask:
            lowest = mask & -mask
            candidate = self._candidates[lowest.bit_length() - 1]
            if case.passes(candidate):
                return case.match(candidate), mask & ~candidate.rule_bits
            mask ^= lowest
        return None, 0


class _Case:
    """What is decided about, and the plain form of the values that were already needed."""

    __slots__ = ("at", "facts", "plain")

    def __init__(self, facts: Mapping[str, object], at: datetime) -> None:
        self.facts, self.at = facts, at
        self.plain: dict[str, object] = {}

    def passes(self, candidate: _Candidate) -> bool:
        """Whether the left-over rows hold; a missing fact was settled by its bitmap."""
        if candidate.is_windowed and not candidate.rule.is_valid_at(self.at):
            return False
        for fact, test, wanted in candidate.residual:
            value = self.facts.get(fact)
            if value is not None and not test(value, wanted, self.at):
                return False
        return True

    def match(self, candidate: _Candidate) -> Match:
        """The match of a group that held."""
        rule, seen, matched = candidate.rule, self.plain, []
        for fact, op, wanted in candidate.rows:
            if fact not in seen:
                seen[fact] = plain(self.facts.get(fact))
            matched.append(MatchedRow(fact, op, wanted, seen[fact]))
        return Match(rule.key, rule.name, rule.layer, rule.then, tuple(matched))


def _test_of(row: Row, lists: Mapping[str, ListSnapshot]) -> tuple[str, Test, Any]:
    """A row for testing one by one, with as much as possible worked out beforehand."""
    if row.op in _LIST_OPERATORS:
        return row.fact, OPERATORS[row.op].test, lists[row.value]
    if row.op == "contains_text":
        return row.fact, _contains_skeleton, skeleton(row.value)
    return row.fact, OPERATORS[row.op].test, row.value


def _contains_skeleton(seen: str, wanted: str, at: datetime) -> bool:
    return wanted in skeleton(seen)


def compile_rules(
    document: Document, lists: Mapping[str, ListSnapshot] | None = None
) -> CompiledRuleSet:
    """A document made ready to decide, with the lists its rules name.

    A row on a list that is not among them is as unknown as one on a missing fact.
    """
    return CompiledRuleSet(document.rules, lists or {})
