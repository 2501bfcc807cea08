"""Findings about orders that no rule provides for."""

from __future__ import annotations

from collections.abc import Iterator

from rules.analysis.report import LEVEL_OF, Finding
from rules.analysis.study import Case, Study
from rules.document import SLOTS


def gaps(study: Study) -> Iterator[Finding]:
    """Orders that nothing stops, and to which no rule gives a slot or the push to logistics.

    Only of slots, and a push, that some rule asks for.
    """
    assigned = {slot for slots in study.slots for slot in slots}
    for slot in SLOTS:
        if slot in assigned:
            givers = [it for it in study.layers.get("allocate", []) if slot in study.slots[it]]
            yield from _gap(study, givers, slot)
    if any(rule.layer == "dispatch" for rule in study.rules):
        yield from _gap(study, study.layers.get("dispatch", []), "")


def _gap(study: Study, givers: list[int], slot: str) -> Iterator[Finding]:
    def proves(case: Case) -> bool:
        decision = study.decide(case)
        given = slot in decision.slots if slot else decision.dispatch
        return decision.intercept is None and not given

    with study.trying(*givers):
        values = study.values((), [*study.layers.get("intercept", []), *givers])
        if values is not None:
            case = study.case(values, givers, proves)
            yield Finding(
                "gap",
                LEVEL_OF["gap"],
                (),
                slot=slot,
                detail={"layer": "allocate" if slot else "dispatch"},
                witness=case.as_json(),
                at=case.at,
            )
