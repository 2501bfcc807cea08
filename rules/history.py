"""The port through which rules look at past cases; the app that owns the cases plugs it in.

Rules never know what a case is about. Whoever decides with them registers a source of its past
decisions here, as it registers its facts in the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Case:
    """One past case as it was first decided.

    `facts` are in their JSON form (`Catalogue.read` takes them), `amount` is the money at
    stake in the shop's currency, `url` the page on which staff look at the case.
    """

    id: int
    reference: str
    at: datetime
    facts: dict[str, Any]
    amount: Decimal
    url: str


@dataclass(frozen=True, slots=True)
class Record:
    """A past decision, read in bulk for a backtest: the facts as JSON text."""

    id: int
    at: datetime
    facts: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a person said about one hold of a rule: the case was fine, or the rule was right."""

    case_id: int
    rule_key: str
    was_fine: bool
    opened_at: datetime
    resolved_at: datetime


@dataclass(frozen=True, slots=True)
class RuleActivity:
    """How often a rule acted in a period, and when last; `shadow_hits` while it only watched."""

    rule_key: str
    hits: int = 0
    shadow_hits: int = 0
    last_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class DayFlow:
    """Cases of one day by layer: `entered` is how many reached it, `acted` maps rule to cases."""

    layer: str
    entered: int
    acted: dict[str, int]


class History(Protocol):
    """What the owner of past cases can be asked. Periods include their start, not their end."""

    def recent(self, limit: int) -> Sequence[Case]:
        """The latest cases, newest first."""
        ...

    def cases(self, ids: Sequence[int]) -> Sequence[Case]:
        """Those cases, in the order of `ids`."""
        ...

    def count(self, since: datetime, until: datetime) -> int:
        """How many cases were first decided in the period."""
        ...

    def stream(self, since: datetime, until: datetime) -> Iterator[list[Record]]:
        """The cases of the period in batches, oldest first, in bounded memory."""
        ...

    def amounts(self, ids: Sequence[int]) -> dict[int, Decimal]:
        """The money at stake of those cases."""
        ...

    def verdicts(self, since: datetime, until: datetime) -> Iterable[Verdict]:
        """What people said about holds that rules raised on cases of the period."""
        ...

    def activity(self, since: datetime, until: datetime) -> Iterable[RuleActivity]:
        """How often each rule acted in the period."""
        ...

    def flow(self, day: date) -> Sequence[DayFlow]:
        """How the cases of one day of the shop went through the layers, from top to bottom."""
        ...


_source: History | None = None


def register(source: History) -> None:
    """Make `source` the one that is asked; called once when the owning app is ready."""
    global _source
    _source = source


def source() -> History:
    """The registered source. Raises LookupError when no app has any history."""
    if _source is None:
        raise LookupError("no app has registered its past cases")
    return _source
