"""The search: values for which every clause holds, or the certainty that there are none.

Unit propagation over masks of values, then values that can only help, then separate parts on
their own, then branching on the shortest clause. The question is hard in the worst case, so
every search has a budget and says when it ran out.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rules.analysis.formulas import Literal, Variables

Clause = tuple[int, tuple[Literal, ...]]
"""(the number of the rule it comes from, or -1; literals of which one must hold)"""
Values = list[int]
"""Per variable the mask of values that are still possible."""


class OutOfBudget(Exception):
    """The search was stopped before it knew the answer."""


@dataclass(slots=True)
class Budget:
    """Stops a search at a monotonic time; `steps` counts the branches taken."""

    deadline: float
    steps: int = 0

    def spend(self) -> None:
        """Take one step; raises OutOfBudget past the deadline."""
        self.steps += 1
        if time.monotonic() > self.deadline:
            raise OutOfBudget


class Search:
    """One question. `used` holds the rules that took part in the proof that nothing fits."""

    def __init__(self, variables: Variables, budget: Budget) -> None:
        self._variables = variables
        self._full = variables.full
        self._budget = budget
        self.used: set[int] = set()

    def values(self, given: Iterable[Literal], clauses: Sequence[Clause]) -> Values | None:
        """Values within `given` under which every clause holds, or None."""
        values = list(self._full)
        for variable, mask in given:
            if not self._restrict(values, variable, mask):
                return None
        return self._solve(values, clauses)

    def _solve(self, values: Values, clauses: Sequence[Clause]) -> Values | None:
        stack = [(values, clauses)]
        while stack:
            values, clauses = stack.pop()
            self._budget.spend()
            left = self._simplify(values, clauses)
            if left is None:
                continue
            if not left:
                return values
            parts = self._parts(left)
            if len(parts) > 1:
                solved: Values | None = values
                for part in parts:
                    solved = self._solve(solved, part) if solved is not None else None
                if solved is not None:
                    return solved
                continue
            variable, mask = self._choice(values, left)
            other = list(values)
            if self._restrict(other, variable, self._full[variable] & ~mask):
                stack.append((other, left))
            if self._restrict(values, variable, mask):
                stack.append((values, left))
        return None

    def _simplify(self, values: Values, clauses: Sequence[Clause]) -> list[Clause] | None:
        """The clauses that still ask for something; None when one of them cannot hold."""
        while True:
            left: list[Clause] = []
            again = False
            for rule, literals in clauses:
                open_literals = []
                for literal in literals:
                    possible = values[literal[0]]
                    common = possible & literal[1]
                    if common == possible:
                        break
                    if common:
                        open_literals.append(literal)
                else:
                    if len(open_literals) > 1:
                        left.append((rule, tuple(open_literals)))
                        continue
                    self.used.add(rule)
                    if not open_literals or not self._restrict(values, *open_literals[0]):
                        return None
                    again = True
            if not again and not self._help(values, left):
                return left
            clauses = left

    def _help(self, values: Values, clauses: Sequence[Clause]) -> bool:
        """Take values that satisfy every clause on their variable and hinder no other."""
        wanted: dict[int, int] = {}
        for _rule, literals in clauses:
            for variable, mask in literals:
                wanted[variable] = wanted.get(variable, values[variable]) & mask
        helped = False
        for variable, mask in wanted.items():
            mask &= values[variable]
            if mask and self._is_harmless(values, variable, mask, wanted):
                helped = self._restrict(values, variable, mask) or helped
        return helped

    def _is_harmless(self, values: Values, variable: int, mask: int, asked: dict[int, int]) -> bool:
        """Whether any solution can be changed to one within `mask` by this variable alone."""
        for link in self._variables.outgoing[variable]:
            if not mask & ~link.when and values[link.target] & ~link.then:
                return False
        for link in self._variables.incoming[variable]:
            if not values[link.source] & link.when:
                continue
            if link.hub:
                if not mask & link.then:
                    return False
            # A helper that no clause asks for is simply left off.
            elif values[variable] & link.then & ~mask and not (
                link.source in self._variables.helpers and link.source not in asked
            ):
                return False
        return True

    def _restrict(self, values: Values, variable: int, mask: int) -> bool:
        """Narrow a variable and all that is linked to it; False when nothing is left."""
        queue = [(variable, mask)]
        while queue:
            variable, mask = queue.pop()
            before = values[variable]
            after = before & mask
            if after == before:
                continue
            if not after:
                return False
            values[variable] = after
            for link in self._variables.outgoing[variable]:
                if not after & ~link.when:
                    queue.append((link.target, link.then))
            for link in self._variables.incoming[variable]:
                if not after & link.then:
                    queue.append((link.source, self._full[link.source] & ~link.when))
        return True

    def _parts(self, clauses: Sequence[Clause]) -> list[list[Clause]]:
        """The clauses in groups that share no fact, the smallest first."""
        owner = self._variables.owner
        parent: dict[int, int] = {}

        def root(item: int) -> int:
            while parent.setdefault(item, item) != item:
                item = parent[item]
            return item

        for _rule, literals in clauses:
            first = root(owner[literals[0][0]])
            for variable, _mask in literals[1:]:
                parent[root(owner[variable])] = first
        parts: dict[int, list[Clause]] = {}
        for clause in clauses:
            parts.setdefault(root(owner[clause[1][0][0]]), []).append(clause)
        return sorted(parts.values(), key=len)

    def _choice(self, values: Values, clauses: Sequence[Clause]) -> Literal:
        """The literal of a shortest clause that settles the most clauses."""
        shortest = min(clauses, key=lambda clause: len(clause[1]))[1]
        best, most = shortest[0], -1
        for variable, mask in shortest:
            chosen = values[variable] & mask
            settled = sum(
                1
                for _rule, literals in clauses
                for other, allowed in literals
                if other == variable and not chosen & ~allowed
            )
            if settled > most:
                best, most = (variable, mask), settled
        return best
