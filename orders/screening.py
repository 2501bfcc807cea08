"""Facts → the live rules → a decision that orders can act on; failing means held, never passed."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings

from orders import shadowing
from orders.intake.checks import References
from orders.status import HoldReason
from rules import live
from rules.errors import RulesUnavailable
from rules.evaluation import Decision
from rules.facts import facts_as_json

log = structlog.get_logger(__name__)

SLOT_TABLES = ("warehouse", "courier", "packaging")
"""Slots whose value is the code of a record; the other slots carry plain values."""

Waived = frozenset[tuple[str, str]]
MakeFacts = Callable[[], dict[str, object]]


@dataclass(slots=True)
class Screened:
    """A decision with the versions and facts it saw; `assigned` maps slots to record ids.

    `shadow` is what watching rules would have done, None when nothing watched; nobody acts on
    it. `took_us` counts facts and decision, not the shadow.
    """

    decision: Decision
    ruleset_version: int
    list_versions: Mapping[str, int]
    facts: dict[str, object]
    assigned: dict[str, int] = field(default_factory=dict)
    trouble: HoldReason | None = None
    trouble_detail: str = ""
    shadow: dict[str, Any] | None = None
    took_us: int = 0

    @property
    def facts_json(self) -> dict[str, object]:
        return facts_as_json(self.facts)

    def slot(self, name: str) -> str:
        """The value that the rules gave a slot; empty when none did."""
        return self.decision.slots[name][0] if name in self.decision.slots else ""


def unscreened(facts: dict[str, object], trouble: HoldReason) -> Screened:
    """No decision at all; the trouble holds the order."""
    return Screened(Decision(), 0, {}, facts, trouble=trouble)


def screen(
    make_facts: MakeFacts,
    at: datetime,
    references: References,
    waived: Waived = frozenset(),
    *,
    spent: float = 0.0,
) -> Screened:
    """Ask the live rule set. Trouble of any kind is reported in `trouble`, never raised.

    `spent` are seconds that reading for the facts took before. What takes longer than the
    screening budget altogether is held, even if an answer came in the end.
    """
    begun = time.perf_counter() - spent
    facts: dict[str, object] = {}
    try:
        facts = make_facts()
        rules = live.current(within=_budget() - (time.perf_counter() - begun))
        if not rules.version:
            return unscreened(facts, HoldReason.NO_RULES)
        snoozed = rules.snoozed(facts.get("customer.external_id"), at)
        decision = rules.compiled.decide(facts, at, waived, snoozed)
        screened = Screened(decision, rules.version, rules.list_versions, facts)
        if rules.missing:
            screened.trouble = HoldReason.LIST_MISSING
            screened.trouble_detail = ", ".join(sorted(rules.missing))
        _assign(screened, references)
    except RulesUnavailable as unavailable:
        log.warning("rules unavailable", late=unavailable.is_late)
        late = HoldReason.SCREENING_LATE if unavailable.is_late else HoldReason.SCREENING_FAILED
        return unscreened(facts, late)
    except Exception:
        log.exception("screening failed")
        return unscreened(facts, HoldReason.SCREENING_FAILED)
    elapsed = time.perf_counter() - begun
    screened.took_us = round(elapsed * 1_000_000)
    if elapsed > _budget():
        log.warning("screening took too long", seconds=round(elapsed, 3))
        screened.trouble = screened.trouble or HoldReason.SCREENING_LATE
    elif rules.shadow:
        screened.shadow = shadowing.look(rules.shadow, facts, at, decision, waived, snoozed)
    return screened


def _budget() -> float:
    """Seconds that one order may take."""
    return settings.SCREENING_BUDGET_MS / 1000


def _assign(screened: Screened, references: References) -> None:
    """Find the records that the slots name; one that is not there is trouble."""
    known = {
        "warehouse": references.warehouses,
        "courier": references.couriers,
        "packaging": references.packagings,
    }
    for slot in SLOT_TABLES:
        code = screened.slot(slot)
        if not code:
            continue
        if (key := known[slot].get(code)) is not None:
            screened.assigned[slot] = key
        elif screened.trouble is None:
            screened.trouble, screened.trouble_detail = HoldReason.UNKNOWN_ASSIGNMENT, code
