"""The rules of a draft, read as far as they can be read and kept while they stay as they are."""

from __future__ import annotations

import time
from dataclasses import dataclass

from rules.document import Document, Rule
from rules.facts import catalogue
from rules.models import RuleSet
from rules.parsing import parse_rule
from rules.problems import DocumentInvalid
from rules.storage import ruleset_as_json

KEPT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class _Kept:
    stamp: tuple[object, ...]
    until: float
    document: Document


_kept: _Kept | None = None


def draft_document(ruleset: RuleSet | None) -> Document:
    """The valid rules of a version; those that are not valid yet are left out.

    Kept for ten seconds, as long as no rule is added, replaced or removed (a rule that is saved
    gets a new id) and none gets another place or status.
    """
    global _kept
    if ruleset is None:
        return Document()
    rules = ruleset.rules.order_by("pk").values_list("pk", "priority", "status")
    stamp = (ruleset.pk, ruleset.state, *rules)
    kept = _kept
    if kept is None or kept.stamp != stamp or time.monotonic() >= kept.until:
        kept = _Kept(stamp, time.monotonic() + KEPT_SECONDS, _read(ruleset))
        _kept = kept
    return kept.document


def forget() -> None:
    """Read the rules again at the next call."""
    global _kept
    _kept = None


def _read(ruleset: RuleSet) -> Document:
    rules: list[Rule] = []
    raw = ruleset_as_json(ruleset)["rules"]
    for entry in raw if isinstance(raw, list) else []:
        try:
            rules.append(parse_rule(entry, catalogue))
        except DocumentInvalid:
            continue
    return Document(tuple(rules))
