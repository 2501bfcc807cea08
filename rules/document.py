"""The document form of rules: what is imported, exported, frozen when published and compiled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

LAYERS = ("intercept", "allocate", "tag", "dispatch")
"""Layers in the order they are asked."""

ACTIONS_BY_LAYER = {
    "intercept": ("hold",),
    "allocate": ("assign",),
    "tag": ("tag", "effect"),
    "dispatch": ("dispatch",),
}
SLOTS = ("warehouse", "packaging", "courier", "print_priority", "lane")
RISKS = ("low", "medium", "high")
STATUSES = ("draft", "shadow", "live", "disabled")
"""Only a rule whose status is live acts."""

ON_MISSING = ("no_match", "match")
DEFAULT_PRIORITY = 100


@dataclass(frozen=True, slots=True)
class Row:
    """One condition. Numbers are Decimals, several values a tuple, a list its key."""

    fact: str
    op: str
    value: Any = None

    def as_json(self) -> dict[str, object]:
        """The row as it stands in a document."""
        written: dict[str, object] = {"fact": self.fact, "op": self.op}
        if self.value is not None:
            written["value"] = value_as_json(self.value)
        return written


@dataclass(frozen=True, slots=True)
class Action:
    """What a rule asks for; only the fields of its kind are filled."""

    do: str
    reason: str = ""
    risk: str = ""
    slot: str = ""
    value: str = ""
    tag: str = ""
    key: str = ""

    def as_json(self) -> dict[str, str]:
        """The action as it stands in a document."""
        return {"do": self.do} | {name: value for name, value in self._given() if value}

    def _given(self) -> tuple[tuple[str, str], ...]:
        # Written out: every order states the actions of the rules that it met.
        return (
            ("reason", self.reason),
            ("risk", self.risk),
            ("slot", self.slot),
            ("value", self.value),
            ("tag", self.tag),
            ("key", self.key),
        )


Group = tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """Any group whose rows all hold makes the rule match."""

    key: str
    name: str
    layer: str
    priority: int
    when: tuple[Group, ...]
    then: tuple[Action, ...]
    on_missing: str = "no_match"
    status: str = "live"
    valid_from: datetime | None = None
    valid_until: datetime | None = None

    def as_json(self) -> dict[str, object]:
        """The rule as it stands in a document."""
        return {
            "key": self.key,
            "name": self.name,
            "layer": self.layer,
            "priority": self.priority,
            "when": [[row.as_json() for row in group] for group in self.when],
            "then": [action.as_json() for action in self.then],
            "on_missing": self.on_missing,
            "status": self.status,
            "valid_from": self.valid_from.isoformat() if self.valid_from else None,
            "valid_until": self.valid_until.isoformat() if self.valid_until else None,
        }

    @property
    def is_permissive(self) -> bool:
        """Whether a row on a missing fact counts as holding."""
        return self.on_missing == "match"

    def is_valid_at(self, at: datetime) -> bool:
        """Whether `at` lies in the validity window, whose end is excluded."""
        return (self.valid_from is None or self.valid_from <= at) and (
            self.valid_until is None or at < self.valid_until
        )


@dataclass(frozen=True, slots=True)
class Document:
    """A whole rule set."""

    rules: tuple[Rule, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The document, ready for JSON."""
        return {"rules": [rule.as_json() for rule in self.rules]}


def value_as_json(value: object) -> object:
    """A row's value for JSON; numbers stay numbers wherever that is exact."""
    if isinstance(value, Decimal):
        if value == value.to_integral_value():
            return int(value)
        return float(value) if Decimal(repr(float(value))) == value else str(value)
    if isinstance(value, tuple):
        return [value_as_json(item) for item in value]
    return value
