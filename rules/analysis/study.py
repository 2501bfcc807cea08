"""A rule set taken apart for analysis, the questions asked of it, and the orders that answer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

from rules.analysis.formulas import Formula, Literal
from rules.analysis.search import Budget, Clause, OutOfBudget, Search, Values
from rules.analysis.space import Space
from rules.conditions import ListSnapshot
from rules.decision import Decision
from rules.document import Action, Document, Group, Rule
from rules.evaluation import CompiledRuleSet, compile_rules, in_order
from rules.facts import Catalogue, facts_as_json
from rules.naive import decide_naively

QUESTION_SECONDS = 3.0
"""No single question may take longer, so that one hard rule leaves time for the others."""


class Unproved(Exception):
    """An order that should have shown something did not; nothing is said rather than guessed."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A group that can hold: what holds in it, and what of it must fail for it not to."""

    rule: int
    group: int
    given: tuple[Literal, ...]
    clauses: tuple[Clause, ...]
    failing: tuple[Literal, ...]
    masks: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Case:
    """An order as the rules see it, and when."""

    facts: dict[str, object]
    at: datetime

    def as_json(self) -> dict[str, object]:
        """The facts for JSON."""
        return facts_as_json(self.facts)


class Study:
    """Rules in the order they are asked, by number, with everything known about them."""

    def __init__(
        self,
        rules: Sequence[Rule],
        lists: Mapping[str, ListSnapshot],
        at: datetime,
        catalogue: Catalogue,
        budget_seconds: float,
    ) -> None:
        self.rules = in_order(replace(rule, status="live") for rule in rules)
        self.number = {rule.key: number for number, rule in enumerate(self.rules)}
        self.at = at
        self.catalogue = catalogue
        self.given_lists = lists
        self.lists = {key: _current(snapshot, at) for key, snapshot in lists.items()}
        self.deadline = time.monotonic() + budget_seconds
        self.undecided: dict[str, None] = {}
        self.space = Space(self.rules, self.lists, at, catalogue)
        self._negated: dict[Formula, tuple[Literal, ...] | None] = {}
        self.windows = [self.space.window(rule) for rule in self.rules]
        self.groups = [list(self._prepared(number)) for number in range(len(self.rules))]
        self.actions = _numbered(rule.then for rule in self.rules)
        self._escapes: dict[tuple[int, bool], tuple[Clause, ...]] = {}

    @contextmanager
    def trying(self, *numbers: int) -> Iterator[None]:
        """Within, a question without an answer leaves these rules undecided."""
        try:
            yield
        except (OutOfBudget, Unproved):
            self.undecided.update(dict.fromkeys(self.rules[number].key for number in numbers))

    def acts(self, number: int) -> bool:
        """Whether the rule can match at all, from now on."""
        return bool(self.groups[number] and self.windows[number][1])

    @cached_property
    def layers(self) -> dict[str, list[int]]:
        """The rules that can match, by layer, in order."""
        layers: dict[str, list[int]] = {}
        for number, rule in enumerate(self.rules):
            if self.acts(number):
                layers.setdefault(rule.layer, []).append(number)
        return layers

    @cached_property
    def slots(self) -> list[dict[str, str]]:
        """Per rule, the value it gives to each slot."""
        return [
            {action.slot: action.value for action in rule.then if action.do == "assign"}
            for rule in self.rules
        ]

    def values(
        self,
        groups: Iterable[Prepared],
        against: Iterable[int] = (),
        *,
        timed: bool = True,
        used: set[int] | None = None,
    ) -> Values | None:
        """Values for which all of `groups` hold and no rule of `against` matches, or None.

        Untimed, every rule counts as valid at any time. `used` takes the numbers of the rules
        that the proof of None rests on. Raises OutOfBudget.
        """
        given: list[Literal] = []
        clauses: list[Clause] = []
        for group in groups:
            given += group.given
            clauses += group.clauses
            if timed:
                given.append(self.windows[group.rule])
        for number in against:
            clauses += self._escape(number, timed=timed)
        limit = min(self.deadline, time.monotonic() + QUESTION_SECONDS)
        search = Search(self.space.variables, Budget(limit))
        found = search.values(given, clauses)
        if found is None and used is not None:
            used |= search.used - {-1}
        return found

    def within(self, inner: int, outer: int, *, timed: bool = True) -> bool:
        """Whether every order of one rule is an order of the other."""
        return all(
            self.values([group], [outer], timed=timed) is None for group in self.groups[inner]
        )

    def common(
        self, first: int, second: int, against: Sequence[int] = (), *, timed: bool = True
    ) -> Values | None:
        """Values of an order that both rules match, and none of `against`."""
        if timed and not self.windows[first][1] & self.windows[second][1]:
            return None
        for one in self.groups[first]:
            for other in self.groups[second]:
                if _may_meet(one, other):
                    values = self.values((one, other), against, timed=timed)
                    if values is not None:
                        return values
        return None

    def case(self, values: Values, shown: Iterable[int], proves: Callable[[Case], bool]) -> Case:
        """The order for these values, with as few facts as still prove the finding.

        Facts that the rules of `shown` test have a value where they can. Raises Unproved.
        """
        wanted = frozenset(
            row.fact for number in shown for group in self.rules[number].when for row in group
        )
        at = self.space.moment(values)
        for named in (wanted, self.space.domains):
            case = Case(self.space.facts(values, named, wanted), at)
            if proves(case):
                return case
        raise Unproved

    def matches(self, number: int, case: Case) -> bool:
        """Whether the rule matches, asked of the plain interpreter."""
        alone = Document((self.rules[number],))
        return bool(decide_naively(alone, case.facts, case.at, lists=self.lists).matches)

    def decide(self, case: Case) -> Decision:
        """What all the rules together say."""
        return self._compiled.decide(case.facts, case.at)

    @cached_property
    def _compiled(self) -> CompiledRuleSet:
        return compile_rules(Document(tuple(self.rules)), self.lists)

    def can_hold(self, rule: Rule, rows: Group) -> bool:
        """Whether these rows of the rule can hold together."""
        taken = self._taken(rule, rows)
        if taken is None:
            return False
        search = Search(self.space.variables, Budget(self.deadline))
        return search.values(*taken) is not None

    def _prepared(self, number: int) -> Iterator[Prepared]:
        rule = self.rules[number]
        for place, rows in enumerate(rule.when):
            taken = self._taken(rule, rows)
            if taken is None:
                continue
            with self.trying(number):
                if Search(self.space.variables, Budget(self.deadline)).values(*taken) is None:
                    continue
            masks: dict[int, int] = {}
            for variable, mask in taken[0]:
                masks[variable] = masks.get(variable, mask) & mask
            yield Prepared(number, place, *taken, self._failing(rule, rows), masks)

    def _taken(
        self, rule: Rule, rows: Group
    ) -> tuple[tuple[Literal, ...], tuple[Clause, ...]] | None:
        """What must hold for all the rows to hold; None when that is out of the question."""
        given: list[Literal] = []
        clauses: list[Clause] = []
        for row in rows:
            formula = self.space.formula(row, permissive=rule.is_permissive)
            if formula.every:
                given += formula.literals
                continue
            literals = self.space.variables.clause(formula)
            if literals is None:
                continue
            if not literals:
                return None
            if len(literals) == 1:
                given += literals
            else:
                clauses.append((-1, literals))
        return tuple(given), tuple(clauses)

    def _failing(self, rule: Rule, rows: Group) -> tuple[Literal, ...]:
        """Literals of which one holds exactly when some row fails."""
        variables = self.space.variables
        masks: dict[int, int] = {}
        for row in rows:
            formula = self.space.formula(row, permissive=rule.is_permissive)
            # A row that can hold never fails always, so there is a clause, if an empty one.
            for variable, mask in self._negations(formula) or ():
                masks[variable] = masks.get(variable, 0) | mask
        return tuple((v, mask & variables.full[v]) for v, mask in masks.items())

    def _negations(self, formula: Formula) -> tuple[Literal, ...] | None:
        if formula not in self._negated:
            variables = self.space.variables
            self._negated[formula] = variables.clause(variables.negation(formula))
        return self._negated[formula]

    def _escape(self, number: int, *, timed: bool) -> tuple[Clause, ...]:
        """One clause for each group of the rule: something of it fails."""
        key = (number, timed)
        if key not in self._escapes:
            window = self.space.variables.opposite(self.windows[number])
            outside = (window,) if timed and window[1] else ()
            self._escapes[key] = tuple(
                (number, (*outside, *group.failing)) for group in self.groups[number]
            )
        return self._escapes[key]


def _current(snapshot: ListSnapshot, at: datetime) -> ListSnapshot:
    """The list with the entries that count at that time, those that stay longest first."""
    current = {entry: until for entry, until in snapshot.entries.items() if not until or at < until}
    lasting = [entry for entry, until in current.items() if until is None]
    passing = sorted((until, entry) for entry, until in current.items() if until is not None)
    entries = dict.fromkeys([*lasting, *(entry for _until, entry in reversed(passing))])
    return ListSnapshot(snapshot.key, snapshot.version, entries)


def _may_meet(one: Prepared, other: Prepared) -> bool:
    """False when a single variable already keeps the two groups apart."""
    masks = one.masks
    return all(masks.get(variable, mask) & mask for variable, mask in other.given)


def _numbered(actions: Iterable[tuple[Action, ...]]) -> list[int]:
    """Equal numbers for equal actions, in whatever order they stand."""
    numbers: dict[frozenset[Action], int] = {}
    return [numbers.setdefault(frozenset(some), len(numbers)) for some in actions]
