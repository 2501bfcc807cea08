"""Rules that only watch: which of them match, and what a whole version would have decided; pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from rules.conditions import ListSnapshot
from rules.decision import Decision
from rules.document import Action, Document
from rules.evaluation import CompiledRuleSet, Snoozed, Waived

HOLD, PASS, ROUTE, TAG, SAME = "hold", "pass", "route", "tag", "same"
"""What a shadow version would have changed: hold what went on, let go on what is held, route or
tag otherwise, or nothing."""


def compile_watchers(
    document: Document, lists: Mapping[str, ListSnapshot]
) -> CompiledRuleSet | None:
    """The shadow rules of a document, each on its own; None when it has none.

    Made as tags that bear the rules' keys: tags are all collected, whatever the layer and the
    priority of the rule, and nothing stops them.
    """
    watching = [
        replace(rule, status="live", layer="tag", then=(Action("tag", tag=rule.key),))
        for rule in document.rules
        if rule.status == "shadow"
    ]
    return CompiledRuleSet(watching, lists) if watching else None


@dataclass(frozen=True, slots=True)
class Shadow:
    """Everything that watches beside the live rules; `version` is 0 when no version does."""

    watchers: CompiledRuleSet | None = None
    version: int = 0
    compiled: CompiledRuleSet | None = None

    def __bool__(self) -> bool:
        return self.watchers is not None or self.compiled is not None

    def look(
        self,
        facts: Mapping[str, object],
        at: datetime,
        live: Decision,
        waived: Waived = frozenset(),
        snoozed: Snoozed = frozenset(),
    ) -> dict[str, object]:
        """What would have been, for the record: `rules` that matched, `version`, `outcome`."""
        matched: tuple[str, ...] = ()
        if self.watchers is not None:
            matched = self.watchers.decide(facts, at, snoozed=snoozed).tags
        outcome = None
        if self.compiled is not None:
            outcome = in_short(self.compiled.decide(facts, at, waived, snoozed), live)
        return {"rules": list(matched), "version": self.version or None, "outcome": outcome}


def in_short(shadow: Decision, live: Decision) -> dict[str, object]:
    """A shadow version's decision, short enough to keep beside every real one."""
    return {
        "held": shadow.intercept.rule_key if shadow.intercept else None,
        "slots": {slot: value for slot, (value, _rule) in shadow.slots.items()},
        "tags": list(shadow.tags),
        "dispatch": shadow.dispatch,
        "change": change_of(shadow, live),
    }


def change_of(shadow: Decision, live: Decision) -> str:
    """What would have come out otherwise; held by another rule is held all the same."""
    if shadow.intercept is not None or live.intercept is not None:
        if shadow.intercept is not None and live.intercept is not None:
            return SAME
        return HOLD if shadow.intercept is not None else PASS
    if shadow.dispatch != live.dispatch or _values(shadow) != _values(live):
        return ROUTE
    if set(shadow.tags) != set(live.tags) or _effects(shadow) != _effects(live):
        return TAG
    return SAME


def _values(decision: Decision) -> dict[str, str]:
    return {slot: value for slot, (value, _rule) in decision.slots.items()}


def _effects(decision: Decision) -> set[str]:
    return {key for key, _rule in decision.effects}
