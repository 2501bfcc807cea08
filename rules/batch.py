"""Whole documents asked for case after case of history, side by side in one index.

Gives what `CompiledRuleSet.decide` gives on facts read by the catalogue, without the values
that matched: who holds, what is assigned, and which rules acted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from rules.conditions import ListSnapshot
from rules.decision import Decision
from rules.document import Document, Group, Rule
from rules.evaluation import in_order
from rules.facts import Catalogue
from rules.group_index import GroupIndex


class Outcome(NamedTuple):
    """A decision without the values seen; `acted` are the rules of `Decision.matches`.

    `held_by` is the key of the rule that holds the case, empty when it flows; `slots` are
    (slot, value) pairs by slot, `tags` and `effects` are sorted.
    """

    held_by: str = ""
    slots: tuple[tuple[str, str], ...] = ()
    tags: tuple[str, ...] = ()
    effects: tuple[str, ...] = ()
    dispatch: bool = False
    acted: tuple[str, ...] = ()


def outcome_of(decision: Decision) -> Outcome:
    """A decision in the short form."""
    return Outcome(
        decision.intercept.rule_key if decision.intercept else "",
        tuple(sorted((slot, value) for slot, (value, _rule) in decision.slots.items())),
        tuple(sorted(decision.tags)),
        tuple(sorted(key for key, _rule in decision.effects)),
        decision.dispatch,
        tuple(match.rule_key for match in decision.matches),
    )


Winners = tuple[int, ...]


class Numbered:
    """The groups of a document's live rules, numbered from `first` in the order they are asked.

    A rule acts when it is the first to hold a case, gives a slot its first value, tags, or is
    the first to dispatch; so the first holding group of each such place decides all.
    """

    def __init__(self, document: Document, first: int = 0) -> None:
        self.rules = in_order(document.rules)
        self.groups = [(rule, group) for rule in self.rules for group in rule.when]
        self._first = first
        self._rule_at = [number for number, rule in enumerate(self.rules) for _group in rule.when]
        self._holding = self._bits(lambda rule: rule.layer == "intercept")
        slots = sorted({a.slot for rule in self.rules for a in rule.then if a.slot})
        self._places = [self._bits(partial(_assigns, slot)) for slot in slots]
        self._places.append(self._bits(lambda rule: rule.layer == "dispatch"))
        self._dispatching = len(self._places)
        self._given = [
            (
                {action.slot: action.value for action in rule.then if action.slot},
                tuple(action.tag for action in rule.then if action.do == "tag"),
                tuple(action.key for action in rule.then if action.do == "effect"),
            )
            for rule in self.rules
        ]
        self._tagging = self._bits(lambda rule: rule.layer == "tag")

    def _bits(self, is_meant: Callable[[Rule], bool]) -> int:
        return sum(1 << number for number, (rule, _g) in enumerate(self.groups) if is_meant(rule))

    def number_of(self, rule_key: str, group: int) -> int:
        """The number of a rule's group. Raises LookupError when no live rule has it."""
        first = self._first
        for rule in self.rules:
            if rule.key == rule_key and 0 <= group < len(rule.when):
                return first + group
            first += len(rule.when)
        raise LookupError(f"{rule_key}[{group}]")

    def winners(self, holding: int) -> Winners:
        """What settles the outcome, as numbers that mean something to this document only.

        Equal winners are equal outcomes; far fewer of them come up than of `holding`.
        """
        mask = holding >> self._first
        if held := mask & self._holding:
            return (self._rule_at[(held & -held).bit_length() - 1],)
        rule_at = self._rule_at
        found = [-1]
        for place in self._places:
            here = mask & place
            found.append(rule_at[(here & -here).bit_length() - 1] if here else -1)
        tagging = mask & self._tagging
        while tagging:
            lowest = tagging & -tagging
            tagging ^= lowest
            number = rule_at[lowest.bit_length() - 1]
            if number != found[-1]:
                found.append(number)
        return tuple(found)

    def outcome(self, winners: Winners) -> Outcome:
        """What the rules decide, in the short form."""
        if winners[0] >= 0:
            key = self.rules[winners[0]].key
            return Outcome(held_by=key, acted=(key,))
        slots: dict[str, str] = {}
        tags: set[str] = set()
        effects: set[str] = set()
        acted = sorted({number for number in winners if number >= 0})
        for number in acted:
            given, tagged, done = self._given[number]
            if given:
                slots = given | slots
            tags.update(tagged)
            effects.update(done)
        return Outcome(
            "",
            tuple(sorted(slots.items())),
            tuple(sorted(tags)),
            tuple(sorted(effects)),
            winners[self._dispatching] >= 0,
            tuple([self.rules[number].key for number in acted]),
        )


def _assigns(slot: str, rule: Rule) -> bool:
    return any(action.slot == slot for action in rule.then)


class BatchDecider:
    """Several documents decided at once about facts in their JSON form.

    Windows and the expiry of list entries are asked at the time of each decision; the lists
    are as given. Not to be shared between threads.
    """

    def __init__(
        self,
        documents: Sequence[Document],
        lists: Mapping[str, ListSnapshot],
        catalogue: Catalogue,
    ) -> None:
        self._numbered: list[Numbered] = []
        groups: list[tuple[Rule, Group]] = []
        for document in documents:
            self._numbered.append(Numbered(document, len(groups)))
            groups += self._numbered[-1].groups
        self._index = GroupIndex(groups, lists, catalogue)

    def decide(self, facts: Mapping[str, Any], at: datetime) -> tuple[Outcome, ...]:
        """The outcome of each document."""
        holding = self._index.holding(facts, at)
        return tuple(one.outcome(one.winners(holding)) for one in self._numbered)
