"""The rules in force: compiled once per process, rechecked at most once a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from django.db import connection

from rules.conditions import OPERATORS, ListSnapshot, Takes
from rules.document import Document
from rules.evaluation import CompiledRuleSet, compile_rules
from rules.facts import catalogue
from rules.models import RuleSet
from rules.parsing import parse_document
from rules.problems import DocumentInvalid

RECHECK_SECONDS = 1.0
_STAMPS = """
SELECT 'ruleset', id, '', version, published_at, '' FROM rules_ruleset WHERE state = 'live'
UNION ALL
SELECT 'list', id, key, version, changed_at, name FROM rules_referencelist
ORDER BY 1 DESC, 2
"""
_ENTRIES = """
SELECT l.version, e.skeleton, e.expires_at
FROM rules_referencelist l LEFT JOIN rules_listentry e ON e.list_id = l.id
WHERE l.key = %s
"""
Stamp = tuple[str, int, str, int, datetime, str]


@dataclass(frozen=True, slots=True)
class LiveRules:
    """One consistent set of rules and lists; version 0 means that nothing is published."""

    version: int = 0
    list_versions: dict[str, int] = field(default_factory=dict)
    compiled: CompiledRuleSet = field(default_factory=lambda: compile_rules(Document()))
    document: Document = field(default_factory=Document)
    lists: Mapping[str, ListSnapshot] = field(default_factory=dict)


@dataclass(slots=True)
class _Held:
    rules: LiveRules
    stamps: tuple[Stamp, ...]
    lists: dict[str, ListSnapshot]
    checked_at: float


_lock = threading.Lock()
_held: _Held | None = None
_watched: set[str] = set()


def watch(*keys: str) -> None:
    """Keep these lists at hand too, for an app whose facts are read off them.

    Called once when the app is ready; a list that does not exist is simply not among
    `LiveRules.lists`.
    """
    _watched.update(keys)


def current() -> LiveRules:
    """The rules in force, at most a second old.

    Costs nothing within that second, and one query after it; only what changed is read
    again. While one thread looks, the others go on with what they have. Raises
    DocumentInvalid when the published document names a fact that no app registers any more.
    """
    held = _held
    if held is not None:
        if time.monotonic() - held.checked_at < RECHECK_SECONDS:
            return held.rules
        if not _lock.acquire(blocking=False):
            return held.rules
    else:
        _lock.acquire()
    try:
        return _refresh()
    finally:
        _lock.release()


def forget() -> None:
    """Look again at the next call; for the process that has just changed something."""
    global _held
    _held = None


def list_name(key: str) -> str:
    """The name of a list, or its key when there is none; at most as old as the rules."""
    with suppress(DocumentInvalid):
        current()
    stamps = _held.stamps if _held is not None else ()
    return next((stamp[5] for stamp in stamps if stamp[0] == "list" and stamp[2] == key), key)


def _refresh() -> LiveRules:
    global _held
    held = _held
    started = time.monotonic()
    if held is not None and started - held.checked_at < RECHECK_SECONDS:
        return held.rules
    with connection.cursor() as cursor:
        cursor.execute(_STAMPS)
        stamps: tuple[Stamp, ...] = tuple(cursor.fetchall())
    if held is None or held.stamps != stamps:
        held = _load(stamps, held)
    held.checked_at = started
    _held = held
    return held.rules


def _load(stamps: tuple[Stamp, ...], before: _Held | None) -> _Held:
    ruleset = next((stamp for stamp in stamps if stamp[0] == "ruleset"), None)
    if ruleset is None:
        return _Held(LiveRules(), stamps, {}, 0.0)
    if before is not None and ruleset in before.stamps:
        document = before.rules.document
    else:
        raw = RuleSet.objects.values_list("document", flat=True).get(pk=ruleset[1])
        document = parse_document(raw, catalogue)
    unchanged = set(before.stamps) if before is not None else set()
    named = lists_named_by(document) | _watched
    lists = {
        stamp[2]: before.lists[stamp[2]]
        if before is not None and stamp in unchanged and stamp[2] in before.lists
        else load_list(stamp[2])
        for stamp in stamps
        if stamp[0] == "list" and stamp[2] in named
    }
    rules = LiveRules(
        version=ruleset[3],
        list_versions={key: snapshot.version for key, snapshot in lists.items()},
        compiled=compile_rules(document, lists),
        document=document,
        lists=lists,
    )
    return _Held(rules, stamps, lists, 0.0)


def lists_named_by(document: Document) -> frozenset[str]:
    """Keys of the lists that the rules of a document name."""
    return frozenset(
        row.value
        for rule in document.rules
        for group in rule.when
        for row in group
        if OPERATORS[row.op].takes is Takes.LIST
    )


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
