"""The latest cases, kept ready in the process for a few seconds while somebody edits a rule."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from rules import history
from rules.decision import Decision
from rules.facts import catalogue
from rules.history import Case
from rules.live import LiveRules

CASES = 1_000
KEPT_SECONDS = 10.0
Facts = Mapping[str, object]


@dataclass(slots=True)
class RecentCases:
    """The latest cases, newest first, with their facts ready to be asked."""

    cases: tuple[Case, ...] = ()
    facts: tuple[Facts, ...] = ()
    _decided: dict[object, list[Decision]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.cases)

    def decided_by(self, rules: LiveRules, at: datetime) -> Sequence[Decision]:
        """What those rules say about each case; asked once per version of rules and lists."""
        stamp = (rules.version, tuple(sorted(rules.list_versions.items())))
        known = self._decided.get(stamp)
        if known is None:
            known = [rules.compiled.decide(facts, at) for facts in self.facts]
            self._decided = {stamp: known}
        return known


_lock = threading.Lock()
_kept: tuple[RecentCases, float] | None = None


def recent_cases() -> RecentCases:
    """The latest cases, at most ten seconds old; none where no app has any history."""
    global _kept
    with _lock:
        if _kept is None or time.monotonic() >= _kept[1]:
            _kept = (_read(), time.monotonic() + KEPT_SECONDS)
        return _kept[0]


def forget() -> None:
    """Read the cases again at the next call."""
    global _kept
    _kept = None


def _read() -> RecentCases:
    try:
        cases = tuple(history.source().recent(CASES))
    except LookupError:
        return RecentCases()
    return RecentCases(cases, tuple(catalogue.read(case.facts)[0] for case in cases))
