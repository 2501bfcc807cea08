"""What an analysis answers: findings, the places they name, and the orders that prove them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

ERROR, WARNING, INFO = LEVELS = ("error", "warning", "info")
LEVEL_OF = {
    "contradictory_group": ERROR,
    "never_matches": ERROR,
    "missing_list": ERROR,
    "shadowed": WARNING,
    "shadowed_slot": WARNING,
    "equal_priority": WARNING,
    "duplicate": WARNING,
    "unreachable": WARNING,
    "empty_list": WARNING,
    "expired_list": WARNING,
    "unknown_value": WARNING,
    "window_over": WARNING,
    "gap": INFO,
    "overlap": INFO,
    "windows_apart": INFO,
}
KINDS = tuple(LEVEL_OF)


@dataclass(frozen=True, slots=True)
class RowPlace:
    """A condition row: which rule, and the numbers of its group and row, from 0."""

    rule: str
    group: int
    row: int

    def as_json(self) -> dict[str, object]:
        """The place for JSON."""
        return {"rule": self.rule, "group": self.group, "row": self.row}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, or worth knowing, about the rules named.

    `rules` begins with the rule the finding is about; `slot` is the slot in question or
    empty; `detail` is plain JSON. `witness` are facts in JSON form for which the compiled
    rules show what the finding says when they are asked at the time `at`.
    """

    kind: str
    level: str
    rules: tuple[str, ...]
    group: int | None = None
    rows: tuple[RowPlace, ...] = ()
    slot: str = ""
    detail: Mapping[str, object] = field(default_factory=dict)
    witness: dict[str, object] | None = None
    at: datetime | None = None

    def as_json(self) -> dict[str, object]:
        """The finding for JSON."""
        return {
            "kind": self.kind,
            "level": self.level,
            "rules": list(self.rules),
            "group": self.group,
            "rows": [row.as_json() for row in self.rows],
            "slot": self.slot,
            "detail": dict(self.detail),
            "witness": self.witness,
            "at": self.at.isoformat() if self.at else None,
        }


@dataclass(frozen=True, slots=True)
class Report:
    """Every finding, worst first. `undecided` are keys of rules whose proof ran out of time."""

    findings: tuple[Finding, ...] = ()
    complete: bool = True
    undecided: tuple[str, ...] = ()
    rules: int = 0
    took_ms: int = 0

    def as_json(self) -> dict[str, object]:
        """The report for JSON."""
        return {
            "findings": [finding.as_json() for finding in self.findings],
            "complete": self.complete,
            "undecided": list(self.undecided),
            "rules": self.rules,
            "took_ms": self.took_ms,
        }

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings of level error."""
        return tuple(finding for finding in self.findings if finding.level == ERROR)
