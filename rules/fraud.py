"""The anti-fraud pack: which rules belong to it, and a document with the pack on or off; pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from rules.document import LAYERS, Document, Rule

PREFIX = "fraud-"
"""Rules whose key begins so are turned on and off together."""


def pack_of(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    """The rules of the pack among some rules."""
    return tuple(rule for rule in rules if rule.key.startswith(PREFIX))


def is_on(document: Document) -> bool:
    """Whether the pack is there and every rule of it acts."""
    pack = pack_of(document.rules)
    return bool(pack) and all(rule.status == "live" for rule in pack)


def is_partly_on(document: Document) -> bool:
    """Whether some rules of the pack act, but not all."""
    return not is_on(document) and any(rule.status == "live" for rule in pack_of(document.rules))


def with_pack(document: Document, shipped: Iterable[Rule], *, on: bool) -> Document:
    """The document with its pack on or off; turned on, shipped rules that are missing join it.

    What people changed in a rule of the pack stays as they wrote it; only its status follows.
    The same document comes back when nothing changes.
    """
    status = "live" if on else "disabled"
    rules = [
        replace(rule, status=status)
        if rule.key.startswith(PREFIX) and (rule.status == "live") != on
        else rule
        for rule in document.rules
    ]
    if on:
        known = {rule.key for rule in rules}
        rules += [
            replace(rule, status="live") for rule in pack_of(shipped) if rule.key not in known
        ]
    rules.sort(key=lambda rule: (LAYERS.index(rule.layer), rule.priority, rule.key))
    changed = tuple(rules)
    return document if set(changed) == set(document.rules) else Document(changed)
