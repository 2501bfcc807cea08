"""The kinds of change there are: registered by the apps that record them, read by every door."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ImproperlyConfigured
from django.core.serializers.json import DjangoJSONEncoder

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

_NAME = re.compile(r"[a-z]+\.[a-z]+(_[a-z]+)*")
_PLACEHOLDER = re.compile(r"\{[a-z_]+\}")
# Less alike than this, a suggestion would be a guess.
_ALIKE = 0.6


@dataclass(frozen=True, slots=True)
class Example:
    """A change as it really looks: `old` and `new` as JSON values, None being null.

    `field` is empty for an event. `{rule}` in it stands for a word that differs from change to
    change.
    """

    field: str = ""
    old: Any = None
    new: Any = None

    @property
    def is_open(self) -> bool:
        """Whether its field holds a placeholder."""
        return bool(_PLACEHOLDER.search(self.field))

    def named_in(self, field: str) -> str | None:
        """What its placeholder stands for in that field, else the field; None if it is another."""
        pattern = "(.+)".join(map(re.escape, _PLACEHOLDER.split(self.field)))
        found = re.fullmatch(pattern, field)
        return found and found[self.is_open]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of change: `order.address_changed`.

    `subject` is the kind of subject it is told about, empty for any. `label` names it in two or
    three words, `when` says in one sentence when it happens. The first of `examples` is the
    ordinary form, the others the further forms it has. `words` are what a placeholder in the
    field can stand for now; without it, anything.
    """

    name: str
    subject: str
    label: StrOrPromise
    when: StrOrPromise
    examples: tuple[Example, ...] = (Example(),)
    words: Callable[[], Iterable[str]] | None = None

    @property
    def family(self) -> str:
        """What stands before the dot; `order.*` chooses all of a family."""
        return self.name.partition(".")[0]

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields it has, each once; an event's is empty."""
        return tuple(dict.fromkeys(example.field for example in self.examples))

    def has_field(self, word: str) -> bool:
        """Whether a change of this kind can bear that field; never for the empty word."""
        for example in self.examples:
            named = example.named_in(word)
            if named and (not example.is_open or not self.words or named in set(self.words())):
                return True
        return False


@dataclass(frozen=True, slots=True)
class Family:
    """The kinds that begin alike: `order.*`."""

    name: str
    label: StrOrPromise
    kinds: tuple[Kind, ...]

    @property
    def wildcard(self) -> str:
        """The filter word for all of them."""
        return f"{self.name}.*"


@dataclass(frozen=True, slots=True)
class Unknown:
    """A filter word that matches nothing that can happen; `suggestion` may be empty."""

    word: str
    suggestion: str


_kinds: dict[str, Kind] = {}
_labels: dict[str, StrOrPromise] = {}
_ranks: dict[str, int] = {}
_ids: dict[str, str] = {}


def register(
    kinds: Iterable[Kind],
    families: Mapping[str, StrOrPromise],
    *,
    rank: int = 0,
    ids: Mapping[str, str] | None = None,
) -> None:
    """Make these kinds known; called once when an app is ready. `families` names each prefix.

    Those of a lower `rank` are listed first. `ids` are ids, for examples, by kind of subject.
    Raises ImproperlyConfigured for a name that is taken or malformed, a prefix without a name,
    and an example that is not JSON.
    """
    _labels.update(families)
    _ranks.update(dict.fromkeys(families, rank))
    _ids.update(ids or {})
    for kind in kinds:
        _require_sound(kind)
        _kinds[kind.name] = kind


def known() -> tuple[Kind, ...]:
    """Every kind, family by family."""
    return tuple(kind for family in families() for kind in family.kinds)


def families() -> tuple[Family, ...]:
    """Every kind, by family, in the order of rank and registration."""
    order = list(_labels)
    by_family = sorted(
        _kinds.values(), key=lambda kind: (_ranks[kind.family], order.index(kind.family))
    )
    return tuple(
        Family(name, _labels[name], tuple(kinds))
        for name, kinds in groupby(by_family, key=lambda kind: kind.family)
    )


def label_of(name: str) -> StrOrPromise:
    """What a kind is called; empty for one nobody registered, for instance of an older release."""
    kind = _kinds.get(name)
    return kind.label if kind else ""


def known_fields() -> tuple[str, ...]:
    """The fields that changes can bear, without those that hold a placeholder."""
    examples = (example for kind in known() for example in kind.examples)
    return tuple(dict.fromkeys(one.field for one in examples if one.field and not one.is_open))


def known_subjects() -> tuple[str, ...]:
    """The kinds of subject that changes are told about."""
    return tuple(dict.fromkeys(kind.subject for kind in known() if kind.subject))


def example_id(subject: str) -> str:
    """What the id of such a subject looks like."""
    return _ids.get(subject, "")


def matching(words: Sequence[str]) -> tuple[Kind, ...]:
    """The kinds that a filter lets through, as `changefeed_wants` in the database does."""
    wanted = set(words)
    return tuple(
        kind
        for kind in known()
        if not wanted or kind.name in wanted or f"{kind.family}.*" in wanted
    )


def unknown_kinds(words: Iterable[str]) -> list[Unknown]:
    """The words that name no kind and no family, in order."""
    everything = [*(f"{family.name}.*" for family in families()), *_kinds]
    return [Unknown(word, _like(word, everything)) for word in words if word not in everything]


def unknown_fields(words: Iterable[str]) -> list[Unknown]:
    """The words that no kind has as its field, in order."""
    fields = known_fields()
    return [
        Unknown(word, _like(word, fields))
        for word in words
        if word not in fields and not any(kind.has_field(word) for kind in known())
    ]


def unknown_subjects(words: Iterable[str]) -> list[Unknown]:
    """The words that are no kind of subject, in order."""
    subjects = known_subjects()
    return [Unknown(word, _like(word, subjects)) for word in words if word not in subjects]


def can_match(
    kinds: Sequence[str] = (), fields: Sequence[str] = (), subjects: Sequence[str] = ()
) -> bool:
    """Whether any change at all can pass filters that are each sound by themselves."""
    return any(
        (not fields or any(kind.has_field(word) for word in fields))
        and (not subjects or not kind.subject or kind.subject in subjects)
        for kind in matching(kinds)
    )


def _like(word: str, words: Iterable[str]) -> str:
    """The word that was probably meant: a family for its bare name, else the most alike."""
    lowered = word.lower()
    listed = list(words)
    if f"{lowered.rstrip('.*')}.*" in listed:
        return f"{lowered.rstrip('.*')}.*"
    return next(iter(difflib.get_close_matches(lowered, listed, n=1, cutoff=_ALIKE)), "")


def _require_sound(kind: Kind) -> None:
    if kind.name in _kinds:
        raise ImproperlyConfigured(f"the kind {kind.name} is registered twice")
    if not _NAME.fullmatch(kind.name):
        raise ImproperlyConfigured(f"{kind.name!r} is not a name like order.address_changed")
    if kind.family not in _labels:
        raise ImproperlyConfigured(f"the family of {kind.name} has no label")
    if not kind.examples:
        raise ImproperlyConfigured(f"{kind.name} has no example")
    try:
        json.dumps([(one.old, one.new) for one in kind.examples], cls=DjangoJSONEncoder)
    except TypeError as error:
        raise ImproperlyConfigured(f"the example of {kind.name} is not JSON: {error}") from None
