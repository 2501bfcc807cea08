"""What a value is called: labels of choices, also of those that live in the database."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rules.facts import Fact, FactType

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

FRESH_SECONDS = 5.0

_kept: dict[str, tuple[float, Mapping[str, StrOrPromise]]] = {}


def label_of(fact: Fact | None, value: str) -> StrOrPromise | None:
    """The label of a value of a fact, or None when it has none of its own.

    Labels from the database are at most five seconds old, so that a page of sentences asks for
    them once. Texts with suggestions, such as places, are their own labels.
    """
    if fact is None or not fact.choices or fact.type is FactType.TEXT:
        return None
    if not callable(fact.choices):
        return next((label for code, label in fact.choices if code == value), None)
    now = time.monotonic()
    asked_at, labels = _kept.get(fact.key, (0.0, {}))
    if fact.key not in _kept or now - asked_at >= FRESH_SECONDS:
        labels = dict(fact.options())
        _kept[fact.key] = (now, labels)
    label = labels.get(value)
    return None if label == value else label


def forget_labels() -> None:
    """Ask again at the next call; for tests and for whoever has just renamed something."""
    _kept.clear()
