"""What a backtest has counted so far, in a form that two parts of one period can be added in."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from rules.changes import CLASSES, EXAMPLES, ROUTE_EXAMPLES, Pile, Tally, routes_of

Route = tuple[str, str, str]
"""(slot, value before, value after)"""
Judged = tuple[bool, bool, bool, bool]
"""(fine, held by base, held by tried, the swept rule acts)"""


@dataclass(slots=True)
class Counted:
    """Counts over cases taken in order; `places` numbers those that go otherwise.

    `unseen` are facts that no case had, `held` and `hits` are of base and tried rules.
    """

    unseen: set[str] = field(default_factory=set)
    count: int = 0
    places: int = 0
    first_at: datetime | None = None
    last_at: datetime | None = None
    classes: dict[str, Pile] = field(default_factory=lambda: {name: Pile() for name in CLASSES})
    routes: dict[Route, Pile] = field(default_factory=dict)
    hits: tuple[Counter[str], Counter[str]] = field(default_factory=lambda: (Counter(), Counter()))
    held: list[int] = field(default_factory=lambda: [0, 0])
    judged: Counter[Judged] = field(default_factory=Counter)

    def add(self, tally: Tally, *, swept: str = "") -> None:
        """Count all cases of a tally in; `swept` is the key of the rule that is swept."""
        for side, outcome in enumerate((tally.base, tally.tried)):
            self.held[side] += tally.count * bool(outcome.held_by)
            for key in outcome.acted:
                self.hits[side][key] += tally.count
        acts = bool(swept) and swept in tally.tried.acted
        held = bool(tally.base.held_by), bool(tally.tried.held_by)
        self.judged[True, *held, acts] += tally.fine
        self.judged[False, *held, acts] += tally.right
        for name in tally.classes:
            self.classes[name].add(tally)
        if "rerouted" in tally.classes:
            for route in routes_of(tally):
                pile = self.routes.setdefault(route, Pile())
                pile.add(tally)
                pile.name_first(tally)

    def absorb(self, later: Counted) -> None:
        """Add what was counted over the cases that follow."""
        for name, pile in later.classes.items():
            self.classes[name].absorb(pile, behind=self.places, most=EXAMPLES)
        for route, pile in later.routes.items():
            own = self.routes.setdefault(route, Pile())
            own.absorb(pile, behind=self.places, most=ROUTE_EXAMPLES)
        for side in (0, 1):
            self.held[side] += later.held[side]
            self.hits[side].update(later.hits[side])
        self.judged.update(later.judged)
        self.unseen &= later.unseen
        self.count += later.count
        self.places += later.places
        self.first_at = self.first_at or later.first_at
        self.last_at = later.last_at or self.last_at
