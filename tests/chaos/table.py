"""How runs are told to people: a line for each, a table of nemesis by invariant; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tests.chaos.checker import INVARIANTS, Verdicts
from tests.chaos.checks_repeats import duplicates
from tests.chaos.histories import History
from tests.chaos.reading import first_answers, wanted_by

MOST_TOLD = 3


@dataclass(slots=True)
class Outcome:
    """One run and its judgement. Good means nothing violated, or for a variant, caught."""

    name: str
    words: str
    history: History
    verdicts: Verdicts
    variant: Any
    seconds: float = 0.0

    @property
    def label(self) -> str:
        return self.variant.name if self.variant else self.name

    @property
    def violated(self) -> list[int]:
        return [number for number, found in self.verdicts.items() if found]

    @property
    def is_good(self) -> bool:
        if self.variant:
            return bool(self.variant.catches & set(self.violated))
        return not self.violated and not self.history.missed

    @property
    def repeats(self) -> tuple[int, int]:
        """Duplicates in all, and those that invariant 5 allows."""
        found = duplicates(self.history)
        return len(found), sum(is_allowed for _one, is_allowed in found)

    @property
    def lost(self) -> int:
        """Changes that never reached an endpoint that wants them."""
        history = self.history
        return sum(
            1
            for endpoint in history.endpoints
            for answers in [first_answers(history, endpoint.name)]
            for change in wanted_by(endpoint, history)
            if change.id not in answers
        )

    def line(self) -> str:
        """Counts and the verdict in one line."""
        history = self.history
        repeats, allowed = self.repeats
        if self.variant:
            caught = [number for number in self.violated if number in self.variant.catches]
            verdict = f"caught by {numbers(caught)}" if caught else "NOT CAUGHT"
        else:
            verdict = "ok" if self.is_good else f"VIOLATED {numbers(self.violated)}"
            if self.history.missed and not self.violated:
                verdict = "PROVES NOTHING"
        return (
            f"{len(history.changes):>5} changes {len(history.deliveries):>6} deliveries "
            f"{repeats:>4} repeats ({allowed} allowed) {self.lost:>3} lost "
            f"{self.seconds:>4.0f} s  {verdict}"
        )

    def complaint(self) -> str:
        """Each violated invariant with its first violations."""
        if self.variant:
            return f"  {self.variant.name}: {self.variant.words}, and nobody noticed"
        lines = [f"  not brought about: {one}" for one in self.history.missed]
        for invariant in INVARIANTS:
            found = self.verdicts.get(invariant.number) or []
            if found:
                lines.append(f"  {invariant.number}. {invariant.name}: {len(found)} violations")
                lines += [f"    {one}" for one in found[:MOST_TOLD]]
        return "\n".join(lines)


def table(outcomes: Sequence[Outcome]) -> str:
    """Nemesis by invariant: a tick, the number of violations, or a dot where it says nothing."""
    if not outcomes:
        return ""
    lines = ["nemesis    " + "".join(f"{one.number:>5}" for one in INVARIANTS)]
    for outcome in outcomes:
        cells = (_cell(outcome.verdicts.get(one.number)) for one in INVARIANTS)
        lines.append(f"{outcome.name:<11}" + "".join(f"{cell:>5}" for cell in cells))
    names = [f"{one.number} {one.name}" for one in INVARIANTS]
    lines += ["", *(", ".join(names[start : start + 6]) for start in range(0, len(names), 6))]
    lines.append("✓ holds   · does not apply   a number: violations")
    return "\n".join(lines)


def _cell(found: Sequence[object] | None) -> str:
    return "·" if found is None else str(len(found)) if found else "✓"


def summary(outcomes: Sequence[Outcome]) -> str:
    """Counts over all runs."""
    if not outcomes:
        return ""
    changes = sum(len(one.history.changes) for one in outcomes)
    deliveries = sum(len(one.history.deliveries) for one in outcomes)
    repeats = [one.repeats for one in outcomes]
    faults = sum(len(one.history.faults) for one in outcomes)
    pages = sum(len(one.history.pages) for one in outcomes)
    return (
        f"{len(outcomes)} runs, {faults} faults, {changes:,} changes, {deliveries:,} deliveries, "
        f"{pages:,} pages; {sum(one.lost for one in outcomes)} lost, "
        f"{sum(all_ for all_, _ in repeats)} repeats of which "
        f"{sum(allowed for _, allowed in repeats)} were in flight at a fault"
    )


def variants_table(outcomes: Sequence[Outcome]) -> str:
    """Which invariant caught each broken feed."""
    if not outcomes:
        return ""
    lines = ["broken on purpose                               nemesis    violated"]
    for one in outcomes:
        caught = numbers(one.violated) if one.is_good else "NOT CAUGHT"
        words = f"{one.variant.name}: {one.variant.words}"
        lines.append(f"{words:<48}{one.name:<11}{caught}")
    return "\n".join(lines)


def numbers(found: Sequence[int]) -> str:
    """Invariants as text."""
    return ", ".join(map(str, found)) or "nothing"
