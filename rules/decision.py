"""What rules answer: a decision, the rules that acted, and the rows that made them match."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from rules.document import Action


class MatchedRow(NamedTuple):
    """A row that held. `wanted` and `seen` are plain: text, booleans, None, tuples of text.

    Numbers are canonical decimal strings, sets sorted tuples, a list its key; `seen` is None
    for a missing fact.
    """

    fact: str
    op: str
    wanted: object
    seen: object

    def as_json(self) -> dict[str, object]:
        """The row for JSON."""
        return {
            "fact": self.fact,
            "op": self.op,
            "wanted": list(self.wanted) if isinstance(self.wanted, tuple) else self.wanted,
            "seen": list(self.seen) if isinstance(self.seen, tuple) else self.seen,
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> MatchedRow:
        """The row that `as_json` wrote."""
        wanted, seen = raw.get("wanted"), raw.get("seen")
        return cls(
            raw["fact"],
            raw["op"],
            tuple(wanted) if isinstance(wanted, list) else wanted,
            tuple(seen) if isinstance(seen, list) else seen,
        )


class Match(NamedTuple):
    """A rule that acted, with the rows of the first group that held."""

    rule_key: str
    rule_name: str
    layer: str
    actions: tuple[Action, ...]
    matched: tuple[MatchedRow, ...]

    @property
    def fingerprint(self) -> str:
        """32 hex digits that change when the rule or any value that matched changes."""
        seen = {row.fact: row.as_json()["seen"] for row in self.matched}
        canonical = json.dumps(
            [self.rule_key, sorted(seen.items())], ensure_ascii=False, separators=(",", ":")
        )
        return hashlib.sha256(canonical.encode()).hexdigest()[:32]

    def as_json(self) -> dict[str, object]:
        """The match for JSON."""
        return {
            "rule": self.rule_key,
            "name": self.rule_name,
            "layer": self.layer,
            "actions": [action.as_json() for action in self.actions],
            "matched": [row.as_json() for row in self.matched],
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Match:
        """The match that `as_json` wrote."""
        return cls(
            raw["rule"],
            raw["name"],
            raw["layer"],
            tuple(Action(**action) for action in raw["actions"]),
            tuple(MatchedRow.from_json(row) for row in raw["matched"]),
        )


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer for one case.

    `slots` maps a slot to (value, rule key), `effects` are (effect key, rule key). When
    `intercept` holds the case, nothing of the lower layers is set. `matches` are all the
    rules that acted, in the order they were asked.
    """

    intercept: Match | None = None
    slots: dict[str, tuple[str, str]] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    effects: tuple[tuple[str, str], ...] = ()
    dispatch: bool = False
    matches: tuple[Match, ...] = ()

    def as_json(self) -> dict[str, object]:
        """The decision for JSON; the intercept is always the first match."""
        return {
            "intercept": self.intercept.as_json() if self.intercept else None,
            "slots": {
                slot: {"value": value, "rule": rule} for slot, (value, rule) in self.slots.items()
            },
            "tags": list(self.tags),
            "effects": [{"key": key, "rule": rule} for key, rule in self.effects],
            "dispatch": self.dispatch,
            "matches": [match.as_json() for match in self.matches],
        }

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> Decision:
        """The decision that `as_json` wrote."""
        intercept = raw["intercept"]
        return cls(
            intercept=Match.from_json(intercept) if intercept else None,
            slots={slot: (item["value"], item["rule"]) for slot, item in raw["slots"].items()},
            tags=tuple(raw["tags"]),
            effects=tuple((item["key"], item["rule"]) for item in raw["effects"]),
            dispatch=raw["dispatch"],
            matches=tuple(Match.from_json(match) for match in raw["matches"]),
        )
