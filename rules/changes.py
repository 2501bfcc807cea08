"""How a case goes otherwise under other rules, and the cases that do so piled up by class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from operator import itemgetter

from rules.batch import Outcome
from rules.estimates import share
from rules.history import Case

EXAMPLES = 200
"""Cases named per class; counts are exact whatever their number."""
ROUTE_EXAMPLES = 5

CLASSES = (
    "newly_held",
    "no_longer_held",
    "held_by_other",
    "rerouted",
    "tags_changed",
    "effects_changed",
    "dispatch_changed",
)
"""What can become of a case; one that flows both ways can be in several of the last four."""


@dataclass(slots=True)
class Tally:
    """Cases with the same two outcomes; of those that change, the money and the first ones."""

    base: Outcome
    tried: Outcome
    classes: tuple[str, ...]
    count: int = 0
    fine: int = 0
    right: int = 0
    amount: Decimal = Decimal(0)
    first: list[Example] = field(default_factory=list)


Example = tuple[int, int, Tally]
"""(place in history, case, its tally)"""


@dataclass(slots=True)
class Pile:
    """Cases that change alike: how many, what they are worth, and the first of them."""

    count: int = 0
    amount: Decimal = Decimal(0)
    fine: int = 0
    right: int = 0
    by_rule: Counter[tuple[str, str]] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)

    def add(self, tally: Tally) -> None:
        """Put all cases of a tally here."""
        self.count += tally.count
        self.amount += tally.amount
        self.fine += tally.fine
        self.right += tally.right
        self.by_rule[tally.base.held_by, tally.tried.held_by] += tally.count

    def name_first(self, tally: Tally) -> None:
        """Keep the first few cases of a tally and of those before it by name."""
        self.examples = sorted(self.examples + tally.first, key=itemgetter(0))[:ROUTE_EXAMPLES]

    def absorb(self, later: Pile, *, behind: int, most: int) -> None:
        """Put a pile of later cases here, whose places in history count from `behind`."""
        self.count += later.count
        self.amount += later.amount
        self.fine += later.fine
        self.right += later.right
        self.by_rule.update(later.by_rule)
        room = most - len(self.examples)
        self.examples += [
            (behind + place, case, tally) for place, case, tally in later.examples[: max(0, room)]
        ]

    def as_json(self, cases: Mapping[int, Case]) -> dict[str, object]:
        """The pile for JSON (see Backtest.result)."""
        judged = self.fine + self.right
        return {
            "count": self.count,
            "amount": str(self.amount),
            "judged": share(judged, self.count).as_json(),
            "false_block": share(self.fine, judged).as_json(),
            "rules": [
                {"from": before, "to": after, "count": count}
                for (before, after), count in sorted(
                    self.by_rule.items(), key=lambda item: (-item[1], item[0])
                )
                if before or after
            ],
            "examples": self.examples_as_json(cases),
        }

    def examples_as_json(self, cases: Mapping[int, Case]) -> list[dict[str, object]]:
        """The cases remembered by name, as far as they still exist."""
        return [
            {
                "id": case.id,
                "reference": case.reference,
                "url": case.url,
                "at": case.at.isoformat(),
                "amount": str(case.amount),
                "before": only_in(tally.base, tally.tried),
                "after": only_in(tally.tried, tally.base),
            }
            for _place, key, tally in self.examples
            if (case := cases.get(key)) is not None
        ]


def classes_of(base: Outcome, tried: Outcome) -> tuple[str, ...]:
    """The classes of a case with these outcomes; below a hold nothing is compared."""
    if base.held_by or tried.held_by:
        if not base.held_by:
            return ("newly_held",)
        if not tried.held_by:
            return ("no_longer_held",)
        return () if base.held_by == tried.held_by else ("held_by_other",)
    found = []
    if base.slots != tried.slots:
        found.append("rerouted")
    if base.tags != tried.tags:
        found.append("tags_changed")
    if base.effects != tried.effects:
        found.append("effects_changed")
    if base.dispatch != tried.dispatch:
        found.append("dispatch_changed")
    return tuple(found)


def routes_of(tally: Tally) -> list[tuple[str, str, str]]:
    """The slots that get another value: (slot, before, after), empty for no value."""
    before, after = dict(tally.base.slots), dict(tally.tried.slots)
    return [
        (slot, before.get(slot, ""), after.get(slot, ""))
        for slot in sorted(before.keys() | after.keys())
        if before.get(slot) != after.get(slot)
    ]


def only_in(ours: Outcome, theirs: Outcome) -> list[list[str]]:
    """What is said of a case here and not there."""
    if ours.held_by:
        return [["rule", ours.held_by]]
    if theirs.held_by:
        return []
    return [
        *([slot, value] for slot, value in ours.slots if (slot, value) not in theirs.slots),
        *(["tag", tag] for tag in ours.tags if tag not in theirs.tags),
        *(["effect", key] for key in ours.effects if key not in theirs.effects),
        *([["dispatch", ""]] if ours.dispatch and not theirs.dispatch else []),
    ]
