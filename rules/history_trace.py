"""Tracing a decision of the past: its own version of the rules, the lists as they are now."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from django.db.models import F, Q

from rules import live
from rules.conditions import ListSnapshot
from rules.document import Document
from rules.facts import catalogue
from rules.models import RuleSet, RuleSnooze
from rules.parsing import parse_document
from rules.problems import DocumentInvalid
from rules.trace import TracedRule, trace

KEPT_DOCUMENTS = 8


@dataclass(frozen=True, slots=True)
class PastTrace:
    """What became of each rule, in the order asked.

    `changed_lists` are keys of lists that are not what they were: the trace reads them as they
    are now, so that a rule on one of them may be told otherwise than it was decided.
    """

    rules: tuple[TracedRule, ...]
    changed_lists: tuple[str, ...]


def trace_of(
    version: int,
    list_versions: Mapping[str, int],
    facts: Mapping[str, Any],
    at: datetime,
    *,
    waived: Set[tuple[str, str]] = frozenset(),
    snoozed: Set[str] = frozenset(),
    executed: Set[str] = frozenset(),
) -> PastTrace | None:
    """The trace of a stored decision; `facts` are in their JSON form.

    None when no version of that number was ever published, or when it names a fact that no app
    registers any more. Facts that can no longer be read count as missing.
    """
    document = _document_of(version)
    if document is None:
        return None
    lists = _lists_for(document)
    known, _mistakes = catalogue.read(facts)
    traced = trace(document, known, at, lists, waived=waived, snoozed=snoozed, executed=executed)
    named = live.lists_named_by(document)
    changed = [
        key
        for key in sorted(named)
        if list_versions.get(key) != (lists[key].version if key in lists else None)
    ]
    return PastTrace(traced, tuple(changed))


def snoozed_then(customer: str, at: datetime) -> frozenset[str]:
    """Keys of the rules that were snoozed for the customer of that number at that time."""
    return frozenset(
        RuleSnooze.objects.filter(
            Q(ended_at__isnull=True) | Q(ended_at__gt=at),
            customer=customer,
            created_at__lte=at,
            until__gt=F("created_at"),
        )
        .filter(until__gt=at)
        .values_list("rule_key", flat=True)
    )


def _document_of(version: int) -> Document | None:
    found = RuleSet.objects.filter(version=version, document__isnull=False)
    stamp = found.values_list("pk", "published_at").first()
    return _read_document(*stamp) if stamp is not None else None


@lru_cache(maxsize=KEPT_DOCUMENTS)
def _read_document(pk: int, _published_at: datetime) -> Document | None:
    """A published document never changes, so it is read once."""
    raw = RuleSet.objects.values_list("document", flat=True).get(pk=pk)
    try:
        return parse_document(raw, catalogue)
    except DocumentInvalid:
        return None


def _lists_for(document: Document) -> dict[str, ListSnapshot]:
    """The lists the document names; those of the rules in force are at hand already."""
    try:
        at_hand = live.current().lists
    except Exception:  # tracing must not depend on today's rules
        at_hand = {}
    named = live.lists_named_by(document)
    if named <= at_hand.keys():
        return {key: at_hand[key] for key in named}
    return live.load_lists(document)
