"""Variables with few values, the links between them, and conditions said in their terms.

A literal says that a variable has one of some values: (variable, mask of values). A condition
row becomes a literal, or all or either of several; nothing nests deeper, so that a row and its
opposite both fit the clauses of the search.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

Literal = tuple[int, int]
NO, YES = 1, 2
"""The two values of a switch."""


@dataclass(frozen=True, slots=True)
class Formula:
    """All of the literals, or any of them; all of none is true, any of none false."""

    literals: tuple[Literal, ...]
    every: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """While `source` lies within `when`, `target` lies within `then`.

    The links out of a hub say for each of its values what the spokes may be.
    """

    source: int
    when: int
    target: int
    then: int
    hub: bool = False


class Variables:
    """All variables of an analysis. `owner` groups those that one fact needs."""

    def __init__(self) -> None:
        self.full: list[int] = []
        self.owner: list[int] = []
        self.outgoing: list[list[Link]] = []
        self.incoming: list[list[Link]] = []
        self.helpers: set[int] = set()

    def add(self, full: int, owner: int) -> int:
        """A new variable whose values are the bits of `full`."""
        self.full.append(full)
        self.owner.append(owner)
        self.outgoing.append([])
        self.incoming.append([])
        return len(self.full) - 1

    def link(self, link: Link) -> None:
        """Hold two variables together."""
        self.outgoing[link.source].append(link)
        self.incoming[link.target].append(link)

    def opposite(self, literal: Literal) -> Literal:
        """The literal that holds exactly when `literal` does not."""
        variable, mask = literal
        return variable, self.full[variable] & ~mask

    def clause(self, formula: Formula) -> tuple[Literal, ...] | None:
        """Literals of which one must hold for the formula to hold; None when it always does.

        Several that must hold together are stood for by a helper, a switch that forces them.
        """
        if formula.every and len(formula.literals) != 1:
            literals = self._open(formula.literals)
            if not literals:
                return None
            if len(literals) == 1:
                return tuple(literals)
            if any(mask == 0 for _variable, mask in literals):
                return ()
            helper = self.add(NO | YES, self.owner[literals[0][0]])
            self.helpers.add(helper)
            for variable, mask in literals:
                self.link(Link(helper, YES, variable, mask))
            return ((helper, YES),)
        if len(self._open(formula.literals)) < len(formula.literals):
            return None
        return tuple(literal for literal in self._within(formula.literals) if literal[1])

    def negation(self, formula: Formula) -> Formula:
        """The formula that holds exactly when `formula` does not."""
        return Formula(tuple(self.opposite(it) for it in formula.literals), not formula.every)

    def _within(self, literals: Iterable[Literal]) -> list[Literal]:
        return [(variable, mask & self.full[variable]) for variable, mask in literals]

    def _open(self, literals: Iterable[Literal]) -> list[Literal]:
        """The literals that do not hold already."""
        return [it for it in self._within(literals) if it[1] != self.full[it[0]]]
