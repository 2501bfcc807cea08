"""The port through which rules look at past cases; the app that owns the cases plugs it in.

Rules never know what a case is about. Whoever decides with them registers a source of its past
decisions here, as it registers its facts in the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, Protocol


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


class Record(NamedTuple):
    """A past decision, read in bulk for a backtest: the facts as JSON text in UTF-8."""

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
    """How often a rule acted in a period; `shadow_hits` while it only watched.

    `last_at` is when it last did either, in the period or before it. `by_day` maps days of
    the shop to hits; days without any may be left out.
    """

    rule_key: str
    hits: int = 0
    shadow_hits: int = 0
    last_at: datetime | None = None
    by_day: dict[date, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdicts that people gave on a rule: cases that were fine, and rightly held ones.

    `median_release` is how long half of the fine cases waited at most.
    """

    rule_key: str
    released: int
    upheld: int
    median_release: timedelta | None = None


@dataclass(frozen=True, slots=True)
class DayFlow:
    """Cases of one day by layer: `entered` is how many reached it, `acted` maps rule to cases.

    The layer of slots has one for each slot that a rule filled.
    """

    layer: str
    entered: int
    acted: dict[str, int]
    slot: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How many cases of a day stand at one place now; `label` in the active language."""

    key: str
    label: str
    cases: int
    url: str


@dataclass(frozen=True, slots=True)
class ShadowSeen:
    """What cases say about a rule or version that only watched, by what it would have changed.

    A version: "hold", "pass", "route", "tag", "same" (see rules.watching). A rule: "silent" when
    it did not match, else "held" when the case was held anyway, "route" when a slot has another
    value than the rule gives, "match" otherwise. "failed" when it could not be told. `examples`
    are ids of the latest cases of each.
    """

    counts: dict[str, int]
    examples: dict[str, tuple[int, ...]]

    @property
    def total(self) -> int:
        """All cases that were looked at."""
        return sum(self.counts.values())


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

    def moment(self, since: datetime, until: datetime, place: int) -> datetime | None:
        """When the case at that place of the period was decided, counted from 0, oldest first."""
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

    def judgements(self, since: datetime, until: datetime) -> Iterable[Judgement]:
        """The verdicts given in the period, summed by rule."""
        ...

    def flow(self, day: date) -> Sequence[DayFlow]:
        """How the cases of one day of the shop went through the layers, from top to bottom."""
        ...

    def standing(self, day: date) -> Sequence[Standing]:
        """Where the cases of one day of the shop stand now."""
        ...

    def shadow_version(self, version: int, since: datetime, until: datetime) -> ShadowSeen:
        """What a shadow version would have changed for cases of the period."""
        ...

    def shadow_rule(
        self,
        rule_key: str,
        version: int,
        slots: Mapping[str, str],
        since: datetime,
        until: datetime,
    ) -> ShadowSeen:
        """How often a shadow rule of a live version matched; `slots` are what it assigns."""
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
