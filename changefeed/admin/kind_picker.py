"""The catalogue as the form of an endpoint offers it: finished values for the templates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from changefeed import kinds
from changefeed.admin.filters import LOOKED_AT, Preview
from changefeed.kinds import Family, Kind


@dataclass(frozen=True, slots=True)
class ShownKind:
    """A kind to tick; `count` is how many of the newest changes are of it."""

    name: str
    label: str
    when: SafeString
    count: int
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class ShownFamily:
    """Kinds under one heading, and one tick for all of them."""

    name: str
    wildcard: str
    label: str
    count: int
    is_chosen: bool
    kinds: list[ShownKind]

    @property
    def is_open(self) -> bool:
        """Whether something in it was chosen by itself."""
        return not self.is_chosen and any(kind.is_chosen for kind in self.kinds)


@dataclass(frozen=True, slots=True)
class ShownField:
    """A field to tick."""

    name: str
    count: int
    is_chosen: bool


def shown_families(chosen: Iterable[str], counts: Mapping[str, int]) -> list[ShownFamily]:
    """Every family; `chosen` are the words of the filter, `counts` changes by kind."""
    words = set(chosen)
    return [_family(family, words, counts) for family in kinds.families()]


def shown_fields(chosen: Iterable[str], counts: Mapping[str, int]) -> list[ShownField]:
    """Every field that has one name for good."""
    words = set(chosen)
    return [
        ShownField(name, counts.get(name, 0), name in words)
        for name in sorted(kinds.known_fields())
    ]


def picker_context(
    chosen: Iterable[str], fields: Iterable[str], preview: Preview
) -> dict[str, Any]:
    """The catalogue to choose from, with what is chosen and how often each occurred."""
    families = shown_families(chosen, {tally.name: tally.total for tally in preview.kinds})
    return {
        "families": families,
        "kinds_count": sum(len(family.kinds) for family in families),
        "kinds_chosen": sum(kind.is_chosen for family in families for kind in family.kinds),
        "filter_fields": shown_fields(
            fields, {tally.name: tally.total for tally in preview.fields}
        ),
        "looked_at": f"{LOOKED_AT:,}",
    }


def with_code(text: str) -> SafeString:
    """The text as HTML, what stands between backticks as code."""
    parts = escape(text).split("`")
    written = (f"<code>{part}</code>" if place % 2 else part for place, part in enumerate(parts))
    return mark_safe("".join(written))


def _family(family: Family, words: set[str], counts: Mapping[str, int]) -> ShownFamily:
    is_chosen = family.wildcard in words
    return ShownFamily(
        name=family.name,
        wildcard=family.wildcard,
        label=str(family.label),
        count=sum(counts.get(kind.name, 0) for kind in family.kinds),
        is_chosen=is_chosen,
        kinds=[
            _kind(kind, is_chosen or kind.name in words, counts.get(kind.name, 0))
            for kind in family.kinds
        ],
    )


def _kind(kind: Kind, is_chosen: bool, count: int) -> ShownKind:
    return ShownKind(kind.name, str(kind.label), with_code(str(kind.when)), count, is_chosen)
