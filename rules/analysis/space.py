"""Everything that rules can tell apart: one domain for each fact they name, and the time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from rules.analysis.formulas import Formula, Literal, Variables
from rules.analysis.scales import BoolDomain, NumberDomain
from rules.analysis.sets import SetDomain
from rules.analysis.texts import TextDomain
from rules.conditions import ListSnapshot
from rules.document import Row, Rule
from rules.facts import Catalogue, Fact, FactType

Domain = BoolDomain | NumberDomain | TextDomain | SetDomain


class Space:
    """The domains of all facts that `rules` name, from the time `at` on.

    Lists count with the entries they have at `at`. Raises KeyError for a fact that is not in
    the catalogue.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        lists: Mapping[str, ListSnapshot],
        at: datetime,
        catalogue: Catalogue,
    ) -> None:
        self.variables = Variables()
        edges = {edge for rule in rules for edge in (rule.valid_from, rule.valid_until) if edge}
        self.moments = [at, *sorted(edge for edge in edges if edge > at)]
        self.time = self.variables.add((1 << len(self.moments)) - 1, 0)
        rows: dict[str, dict[Row, None]] = {}
        for rule in rules:
            for group in rule.when:
                for row in group:
                    rows.setdefault(row.fact, {})[row] = None
        self.domains: dict[str, Domain] = {
            key: _domain(_fact(catalogue, key), asked, lists, self.variables, owner)
            for owner, (key, asked) in enumerate(rows.items(), start=1)
        }
        self._formulas: dict[tuple[Row, bool], Formula] = {}

    def formula(self, row: Row, *, permissive: bool) -> Formula:
        """When the row holds."""
        key = (row, permissive)
        found = self._formulas.get(key)
        if found is None:
            domain = self.domains[row.fact]
            found = self._formulas[key] = domain.formula(row, permissive=permissive)
        return found

    def window(self, rule: Rule) -> Literal:
        """The moments at which the rule is valid."""
        mask = 0
        for place, moment in enumerate(self.moments):
            mask |= 1 << place if rule.is_valid_at(moment) else 0
        return self.time, mask

    def moment(self, values: Sequence[int]) -> datetime:
        """The first of the moments left."""
        left = values[self.time]
        return self.moments[(left & -left).bit_length() - 1]

    def facts(
        self, values: Sequence[int], named: Iterable[str], wanted: frozenset[str]
    ) -> dict[str, object]:
        """Facts for the values left: all those of `named` that are there.

        Those of `wanted` are missing only when they must be.
        """
        facts = {
            key: self.domains[key].value(values, wanted=key in wanted) for key in sorted(named)
        }
        return {key: value for key, value in facts.items() if value is not None}


def _fact(catalogue: Catalogue, key: str) -> Fact:
    fact = catalogue.get(key)
    if fact is None:
        raise KeyError(key)
    return fact


def _domain(
    fact: Fact,
    rows: Iterable[Row],
    lists: Mapping[str, ListSnapshot],
    variables: Variables,
    owner: int,
) -> Domain:
    if fact.type is FactType.BOOL:
        return BoolDomain(fact, variables, owner)
    if fact.type.is_numeric:
        return NumberDomain(fact, rows, variables, owner)
    if fact.type is FactType.SET:
        return SetDomain(fact, rows, lists, variables, owner)
    return TextDomain(fact, rows, lists, variables, owner)
