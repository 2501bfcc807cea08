"""What is wrong with the words of a filter, as sentences for people and callers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from changefeed import kinds
from changefeed.kinds import Unknown

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

# A longer list is a mistake, and each entry costs time in every writing transaction.
MOST_WORDS = 100

NOTHING_PASSES = gettext_lazy(
    "Nothing would ever pass: no kind of change chosen here has one of these fields or is about "
    "one of these subjects."
)
NO_SUCH_FIELD = gettext_lazy(
    "Nothing would ever be sent: no kind chosen here has one of these fields."
)
_LONGEST_SHOWN = 80


def kind_problems(words: Sequence[str]) -> list[str]:
    """A sentence for every word that names no kind and no family; none if all do."""
    return _problems(words, kinds.unknown_kinds, _("“%(word)s” is not a kind of change."))


def field_problems(words: Sequence[str]) -> list[str]:
    """A sentence for every word that is a field of no change."""
    return _problems(words, kinds.unknown_fields, _("“%(word)s” is not a field of any change."))


def subject_problems(words: Sequence[str]) -> list[str]:
    """A sentence for every word that is no kind of subject."""
    return _problems(words, kinds.unknown_subjects, _("“%(word)s” is not a kind of subject."))


def too_many(words: Sequence[str]) -> StrOrPromise:
    """A sentence when there are more words than anybody needs, else empty."""
    if len(words) <= MOST_WORDS:
        return ""
    return _("At most %(count)d entries.") % {"count": MOST_WORDS}


def _problems(
    words: Sequence[str], find: Callable[[Iterable[str]], list[Unknown]], sentence: str
) -> list[str]:
    return [
        _with_hint(sentence % {"word": _short(one.word)}, one.suggestion) for one in find(words)
    ]


def _with_hint(problem: str, suggestion: str) -> str:
    if not suggestion:
        return problem
    told = {"problem": problem, "suggestion": suggestion}
    return _("%(problem)s Did you mean %(suggestion)s?") % told


def _short(word: str) -> str:
    return word if len(word) <= _LONGEST_SHOWN else f"{word[:_LONGEST_SHOWN]}…"
