"""What is wrong with a rule set, proved: rules that cannot match, that collide, that never act.

Rules and lists go in, findings come out, each with an order that shows it. Nothing is guessed:
what a proof could not settle in time is named as undecided.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from datetime import datetime

from rules.analysis.contradictions import contradictions
from rules.analysis.covering import covering
from rules.analysis.gaps import gaps
from rules.analysis.pairs import duplicates, overlaps, pairs_of, ties, windows_apart
from rules.analysis.references import references
from rules.analysis.report import LEVELS, Finding, Report, RowPlace
from rules.analysis.study import Study
from rules.conditions import ListSnapshot
from rules.document import Document
from rules.facts import Catalogue, catalogue

__all__ = ["Finding", "Report", "RowPlace", "check"]

_catalogue = catalogue


def check(
    document: Document,
    lists: Mapping[str, ListSnapshot],
    *,
    at: datetime,
    catalogue: Catalogue = _catalogue,
    focus: str = "",
    include_shadow: bool = False,
    budget_seconds: float = 20.0,
) -> Report:
    """Every finding about the rules of `document`, as they act from the time `at` on.

    Only live rules are looked at, with `include_shadow` those in shadow too. Entries of lists
    count as they are at `at`. With the key of a rule as `focus`, that rule counts whatever
    its status, only findings that name it are returned, and the rules of its layer with which
    it shares orders are added. Past `budget_seconds` the rest is left undecided. Raises
    ValueError for a naive `at` and KeyError for a fact that is not in the catalogue.
    """
    if at.tzinfo is None:
        raise ValueError("a check needs a time with its zone")
    started = time.monotonic()
    statuses = ("live", "shadow") if include_shadow else ("live",)
    rules = [rule for rule in document.rules if rule.status in statuses or rule.key == focus]
    study = Study(rules, lists, at, catalogue, budget_seconds)
    if not focus:
        findings = list(_all(study))
    elif focus in study.number:
        findings = [it for it in _about(study, study.number[focus]) if focus in it.rules]
    else:
        findings = []
    findings.sort(key=lambda finding: LEVELS.index(finding.level))
    return Report(
        tuple(findings),
        complete=not study.undecided,
        undecided=tuple(study.undecided),
        rules=len(rules),
        took_ms=round((time.monotonic() - started) * 1000),
    )


def _all(study: Study) -> Iterator[Finding]:
    every = range(len(study.rules))
    yield from references(study, every)
    yield from contradictions(study, every)
    yield from duplicates(study, pairs_of(study, None))
    yield from covering(study, every)
    yield from ties(study, pairs_of(study, None))
    yield from windows_apart(study, pairs_of(study, None))
    yield from gaps(study)


def _about(study: Study, focus: int) -> Iterator[Finding]:
    yield from references(study, [focus])
    yield from contradictions(study, [focus])
    pairs = list(pairs_of(study, focus))
    known = [
        *duplicates(study, pairs),
        *covering(study, _touched(study, focus)),
        *ties(study, pairs),
    ]
    yield from known
    yield from windows_apart(study, pairs)
    told = frozenset(frozenset(it.rules) for it in known)
    yield from (it for it in overlaps(study, pairs) if frozenset(it.rules) not in told)


def _touched(study: Study, focus: int) -> list[int]:
    """The rule, and the later ones with which it shares orders."""
    if not study.acts(focus):
        return [focus]
    later = (it for it in range(focus + 1, len(study.rules)) if study.acts(it))
    return [focus, *(it for it in later if study.common(focus, it) is not None)]
