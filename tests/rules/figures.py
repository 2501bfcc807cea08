"""A history that tells tests what they want to hear about rules."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from rules import history
from rules.admin import funnel
from rules.history import DayFlow, Judgement, RuleActivity, Standing
from rules.performance import forget


@dataclass
class Told:
    """Answers as they were told; `asked` are the periods and days asked for."""

    acted: Sequence[RuleActivity] = ()
    judged: Sequence[Judgement] = ()
    flows: Sequence[DayFlow] = (DayFlow("intercept", 0, {}),)
    places: Sequence[Standing] = ()
    asked: list[Any] = field(default_factory=list)

    def activity(self, since: datetime, until: datetime) -> Sequence[RuleActivity]:
        self.asked.append((since, until))
        return self.acted

    def judgements(self, since: datetime, until: datetime) -> Sequence[Judgement]:
        return self.judged

    def flow(self, day: date) -> Sequence[DayFlow]:
        self.asked.append(day)
        return self.flows

    def standing(self, day: date) -> Sequence[Standing]:
        return self.places


@contextmanager
def telling(**answers: Any) -> Iterator[Told]:
    """The history within the block; what was kept of another is forgotten before and after."""
    before = history.source()
    told = Told(**answers)
    history.register(told)  # type: ignore[arg-type]
    forget()
    funnel.forget()
    try:
        yield told
    finally:
        history.register(before)
        forget()
        funnel.forget()
