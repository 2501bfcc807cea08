"""Facts → the live rules → a decision that orders can act on; failing means held, never passed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from orders.intake.checks import References
from orders.status import HoldReason
from rules import live
from rules.evaluation import Decision
from rules.facts import facts_as_json

log = structlog.get_logger(__name__)

SLOT_TABLES = ("warehouse", "courier", "packaging")
"""Slots whose value is the code of a record; the other slots carry plain values."""


@dataclass(slots=True)
class Screened:
    """A decision with the versions and facts it saw; `assigned` maps slots to record ids."""

    decision: Decision
    ruleset_version: int
    list_versions: Mapping[str, int]
    facts: dict[str, object]
    assigned: dict[str, int] = field(default_factory=dict)
    trouble: HoldReason | None = None
    trouble_detail: str = ""
    took_us: int = 0

    @property
    def facts_json(self) -> dict[str, object]:
        return facts_as_json(self.facts)

    def slot(self, name: str) -> str:
        """The value that the rules gave a slot; empty when none did."""
        return self.decision.slots[name][0] if name in self.decision.slots else ""


def screen(
    facts: dict[str, object],
    at: datetime,
    references: References,
    waived: frozenset[tuple[str, str]] = frozenset(),
) -> Screened:
    """Ask the live rule set. Trouble of any kind is reported in `trouble`, never raised."""
    try:
        rules = live.current()
        if not rules.version:
            return Screened(Decision(), 0, {}, facts, trouble=HoldReason.NO_RULES)
        decision = rules.compiled.decide(facts, at, waived)
    except Exception:
        log.exception("screening failed")
        return Screened(Decision(), 0, {}, facts, trouble=HoldReason.SCREENING_FAILED)
    screened = Screened(decision, rules.version, rules.list_versions, facts)
    known = {
        "warehouse": references.warehouses,
        "courier": references.couriers,
        "packaging": references.packagings,
    }
    for slot in SLOT_TABLES:
        code = screened.slot(slot)
        if not code:
            continue
        if (key := known[slot].get(code)) is None:
            screened.trouble, screened.trouble_detail = HoldReason.UNKNOWN_ASSIGNMENT, code
        else:
            screened.assigned[slot] = key
    return screened
