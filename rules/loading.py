"""Reading what is in force from the database and compiling it; only what changed is read again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from django.db import connection

from rules.conditions import OPERATORS, ListSnapshot, Takes
from rules.document import Document
from rules.evaluation import CompiledRuleSet, compile_rules
from rules.facts import catalogue
from rules.models import RuleSet
from rules.parsing import parse_document
from rules.problems import DocumentInvalid
from rules.watching import Shadow, compile_watchers

log = structlog.get_logger(__name__)

# Snoozes that last are stamped by their number and ids: whichever begins, ends or runs out
# changes the stamp.
_STAMPS = """
SELECT CASE state WHEN 'live' THEN 'ruleset' ELSE 'shadow' END, id, '', version, published_at, ''
FROM rules_ruleset WHERE state IN ('live', 'shadow')
UNION ALL
SELECT 'list', id, key, version, changed_at, name FROM rules_referencelist
UNION ALL
SELECT 'snooze', count(*), '', coalesce(max(id), 0), NULL, coalesce(sum(id), 0)::text
FROM rules_rulesnooze WHERE ended_at IS NULL AND until > clock_timestamp()
ORDER BY 1 DESC, 2
"""
_SNOOZES = """
SELECT customer, rule_key, until FROM rules_rulesnooze
WHERE ended_at IS NULL AND until > clock_timestamp() ORDER BY id
"""
_ENTRIES = """
SELECT l.version, e.skeleton, e.expires_at
FROM rules_referencelist l LEFT JOIN rules_listentry e ON e.list_id = l.id
WHERE l.key = %s
"""
Stamp = tuple[str, int, str, int, datetime | None, str]
"""Kind, id, key, version, time and name of something that is in force."""
Snoozes = Mapping[str, tuple[tuple[str, datetime], ...]]
"""Customer number → (rule key, until)."""


@dataclass(frozen=True, slots=True)
class LiveRules:
    """One consistent set of rules and lists; version 0 means that nothing is published.

    `missing` are lists that live rules name and that do not exist; `shadow` is what watches
    beside them; `snoozes` were active when they were read.
    """

    version: int = 0
    list_versions: dict[str, int] = field(default_factory=dict)
    compiled: CompiledRuleSet = field(default_factory=lambda: compile_rules(Document()))
    document: Document = field(default_factory=Document)
    lists: Mapping[str, ListSnapshot] = field(default_factory=dict)
    missing: frozenset[str] = frozenset()
    shadow: Shadow = field(default_factory=Shadow)
    snoozes: Snoozes = field(default_factory=dict)

    def snoozed(self, customer: object, at: datetime) -> frozenset[str]:
        """Keys of the rules asleep for the customer of that number at that time."""
        if not self.snoozes or not isinstance(customer, str):
            return frozenset()
        found = self.snoozes.get(customer, ())
        return frozenset(rule_key for rule_key, until in found if at < until)


@dataclass(slots=True)
class Held:
    """What a process has at hand, and what it was made from."""

    rules: LiveRules
    stamps: tuple[Stamp, ...]
    lists: dict[str, ListSnapshot]
    checked_at: float
    shadow_document: Document = field(default_factory=Document)


def read_stamps() -> tuple[Stamp, ...]:
    """What is in force now, by one query."""
    with connection.cursor() as cursor:
        cursor.execute(_STAMPS)
        return tuple(cursor.fetchall())


def load(stamps: tuple[Stamp, ...], before: Held | None, watched: Collection[str]) -> Held:
    """What the stamps name; what they name as before is taken from there.

    Raises DocumentInvalid when the live document names a fact that no app registers any more.
    """
    known = set(before.stamps) if before is not None else set()
    live, shadow = _stamp(stamps, "ruleset"), _stamp(stamps, "shadow")
    document = Document()
    if live is not None:
        kept = before.rules.document if before is not None and live in known else None
        document = kept if kept is not None else _document(live[1])
    shadow_document = Document()
    if shadow is not None:
        kept = before.shadow_document if before is not None and shadow in known else None
        shadow_document = kept if kept is not None else _watching_document(shadow[1])
    named = lists_named_by(document) | frozenset(watched) if live is not None else frozenset()
    lists = {
        stamp[2]: before.lists[stamp[2]]
        if before is not None and stamp in known and stamp[2] in before.lists
        else load_list(stamp[2])
        for stamp in stamps
        if stamp[0] == "list" and stamp[2] in named | lists_named_by(shadow_document)
    }
    rules = LiveRules(
        version=live[3] if live is not None else 0,
        list_versions={key: lists[key].version for key in lists if key in named},
        compiled=compile_rules(document, lists),
        document=document,
        lists=lists,
        missing=_acting_lists(document) - lists.keys(),
        shadow=_shadow(document, shadow, shadow_document, lists),
        snoozes=_snoozes(stamps, before),
    )
    return Held(rules, stamps, lists, 0.0, shadow_document)


def _stamp(stamps: tuple[Stamp, ...], kind: str) -> Stamp | None:
    return next((stamp for stamp in stamps if stamp[0] == kind), None)


def _document(ruleset_id: int) -> Document:
    raw = RuleSet.objects.values_list("document", flat=True).get(pk=ruleset_id)
    return parse_document(raw, catalogue)


def _watching_document(ruleset_id: int) -> Document:
    """A shadow version that cannot be read watches nothing, and harms nobody."""
    try:
        return _document(ruleset_id)
    except DocumentInvalid:
        log.warning("shadow version cannot be read", ruleset=ruleset_id)
        return Document()


def _shadow(
    document: Document,
    stamp: Stamp | None,
    shadow_document: Document,
    lists: Mapping[str, ListSnapshot],
) -> Shadow:
    watchers = compile_watchers(document, lists)
    if stamp is None or not shadow_document.rules:
        return Shadow(watchers)
    return Shadow(watchers, stamp[3], compile_rules(shadow_document, lists))


def _snoozes(stamps: tuple[Stamp, ...], before: Held | None) -> Snoozes:
    stamp = _stamp(stamps, "snooze")
    if stamp is None or not stamp[1]:
        return {}
    if before is not None and stamp in before.stamps:
        return before.rules.snoozes
    with connection.cursor() as cursor:
        cursor.execute(_SNOOZES)
        rows = cursor.fetchall()
    found: dict[str, tuple[tuple[str, datetime], ...]] = {}
    for customer, rule_key, until in rows:
        found[customer] = (*found.get(customer, ()), (rule_key, until))
    return found


def lists_named_by(document: Document) -> frozenset[str]:
    """Keys of the lists that the rules of a document name."""
    return frozenset(
        row.value
        for rule in document.rules
        for group in rule.when
        for row in group
        if OPERATORS[row.op].takes is Takes.LIST
    )


def _acting_lists(document: Document) -> frozenset[str]:
    acting = tuple(rule for rule in document.rules if rule.status == "live")
    return lists_named_by(Document(acting))


def load_list(key: str) -> ListSnapshot:
    """The list as it is now, version and entries from one snapshot."""
    with connection.cursor() as cursor:
        cursor.execute(_ENTRIES, (key,))
        rows = cursor.fetchall()
    version = rows[0][0] if rows else 0
    return ListSnapshot(key, version, {skel: until for _v, skel, until in rows if skel is not None})


def load_lists(document: Document) -> dict[str, ListSnapshot]:
    """The existing lists that a document names, for a dry run."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT key FROM rules_referencelist WHERE key = ANY(%s)",
            (sorted(lists_named_by(document)),),
        )
        return {key: load_list(key) for (key,) in cursor.fetchall()}
