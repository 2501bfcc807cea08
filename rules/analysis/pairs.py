"""Findings about two rules: ties, repeats, overlaps, and windows that keep them apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import combinations

from rules.analysis.report import INFO, LEVEL_OF, Finding
from rules.analysis.search import Values
from rules.analysis.study import Case, Study
from rules.document import Rule

Pair = tuple[int, int]


def pairs_of(study: Study, focus: int | None) -> Iterator[Pair]:
    """Rules of one layer two by two, the earlier first; with `focus` only its own pairs."""
    for rules in study.layers.values():
        if focus is None:
            yield from combinations(rules, 2)
        elif focus in rules:
            yield from ((min(it, focus), max(it, focus)) for it in rules if it != focus)


def duplicates(study: Study, pairs: Iterable[Pair]) -> Iterator[Finding]:
    """Rules of one layer with the same actions that match the very same orders."""
    for first, second in pairs:
        if study.actions[first] != study.actions[second]:
            continue
        with study.trying(second):
            if study.within(first, second) and study.within(second, first):
                case = _common_case(study, first, second)
                yield _finding(study, "duplicate", (second, first), case)


def ties(study: Study, pairs: Iterable[Pair]) -> Iterator[Finding]:
    """Allocate rules of equal priority that want different values of one slot for one order.

    It is a warning when such an order exists that nothing stops and whose slot no earlier
    rule takes, so that the alphabet decides; otherwise it is only worth knowing.
    """
    for first, second in pairs:
        if study.rules[first].priority != study.rules[second].priority:
            continue
        for slot in _contested(study, first, second):
            with study.trying(first, second):
                yield from _tie(study, first, second, slot)


def overlaps(study: Study, pairs: Iterable[Pair]) -> Iterator[Finding]:
    """Rules of one layer with other outcomes that can match one order: who wins it."""
    for first, second in pairs:
        one, other = study.rules[first], study.rules[second]
        if study.actions[first] == study.actions[second]:
            continue
        slots = _contested(study, first, second)
        if one.layer == "intercept" or (slots and one.priority != other.priority):
            with study.trying(first, second):
                values = study.common(first, second)
                if values is not None:
                    case = _meeting(study, values, first, second)
                    yield _finding(
                        study,
                        "overlap",
                        (first, second),
                        case,
                        slots[0] if len(slots) == 1 else "",
                        winner=one.key,
                        priorities={one.key: one.priority, other.key: other.priority},
                        slots=slots,
                    )


def windows_apart(study: Study, pairs: Iterable[Pair]) -> Iterator[Finding]:
    """Rules that would tie or shadow one another, were they ever valid at one time."""
    for first, second in pairs:
        if study.windows[first][1] & study.windows[second][1]:
            continue
        with study.trying(first, second):
            would, slot = _if_they_met(study, first, second)
            if would:
                yield Finding(
                    "windows_apart",
                    INFO,
                    (study.rules[second].key, study.rules[first].key),
                    slot=slot,
                    detail={
                        "would": would,
                        "windows": {
                            study.rules[it].key: _window(study.rules[it]) for it in (first, second)
                        },
                    },
                )


def _contested(study: Study, first: int, second: int) -> list[str]:
    """Slots to which the two rules give different values."""
    ours, theirs = study.slots[first], study.slots[second]
    return [slot for slot, value in ours.items() if theirs.get(slot, value) != value]


def _tie(study: Study, first: int, second: int, slot: str) -> Iterator[Finding]:
    together = study.common(first, second)
    if together is None:
        return
    earlier = [
        *study.layers.get("intercept", []),
        *(it for it in study.layers["allocate"] if it < first and slot in study.slots[it]),
    ]
    free = study.common(first, second, earlier) if earlier else together
    winner = study.rules[first].key

    def decides(case: Case) -> bool:
        decision = study.decide(case)
        taken = decision.slots.get(slot, ("", ""))[1]
        return taken == winner and study.matches(second, case)

    if free is not None:
        case = study.case(free, (first, second), decides)
    else:
        case = _meeting(study, together, first, second)
    yield _finding(
        study,
        "equal_priority",
        (first, second),
        case,
        slot,
        level=LEVEL_OF["equal_priority"] if free is not None else INFO,
        values={study.rules[it].key: study.slots[it][slot] for it in (first, second)},
        winner=winner,
        priority=study.rules[first].priority,
        decides=free is not None,
    )


def _if_they_met(study: Study, first: int, second: int) -> tuple[str, str]:
    """What would be found if time did not keep the two rules apart, and about which slot."""
    one, other = study.rules[first], study.rules[second]
    contested = _contested(study, first, second)
    if (
        contested
        and one.priority == other.priority
        and study.common(first, second, timed=False) is not None
    ):
        return "equal_priority", contested[0]
    shared = [slot for slot in study.slots[second] if slot in study.slots[first]]
    if (shared or one.layer in ("intercept", "dispatch")) and study.within(
        second, first, timed=False
    ):
        return "shadowed", shared[0] if len(shared) == 1 else ""
    return "", ""


def _meeting(study: Study, values: Values, first: int, second: int) -> Case:
    def proves(case: Case) -> bool:
        return study.matches(first, case) and study.matches(second, case)

    return study.case(values, (first, second), proves)


def _common_case(study: Study, first: int, second: int) -> Case:
    values = study.common(first, second)
    if values is None:
        raise AssertionError("equal rules that can match have an order in common")
    return _meeting(study, values, first, second)


def _window(rule: Rule) -> list[str | None]:
    def text(moment: datetime | None) -> str | None:
        return moment.isoformat() if moment else None

    return [text(rule.valid_from), text(rule.valid_until)]


def _finding(
    study: Study,
    kind: str,
    rules: tuple[int, ...],
    case: Case,
    slot: str = "",
    level: str = "",
    **detail: object,
) -> Finding:
    return Finding(
        kind,
        level or LEVEL_OF[kind],
        tuple(study.rules[number].key for number in rules),
        slot=slot,
        detail=detail,
        witness=case.as_json(),
        at=case.at,
    )
