"""One function per operator, and the table saying which facts each operator fits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from rules.facts import FactType
from rules.normalization import skeleton

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class ListSnapshot:
    """A reference list at one version: skeleton of each entry, and when it stops counting."""

    key: str
    version: int
    entries: Mapping[str, datetime | None] = field(default_factory=dict)

    def lists(self, text: str, at: datetime) -> bool:
        """Whether `text`, however it is spelt, is on the list at that time."""
        expires_at: Any = self.entries.get(skeleton(text), _ABSENT)
        return expires_at is None or (expires_at is not _ABSENT and at < expires_at)


class Takes(Enum):
    """What an operator is compared with."""

    NOTHING = "nothing"
    ONE = "one"
    MANY = "many"
    RANGE = "range"
    LIST = "list"


Test = Callable[[Any, Any, datetime], bool]
"""(value seen, value wanted, time of the decision) → whether the condition holds."""


def is_equal(seen: object, wanted: object, at: datetime) -> bool:
    return seen == wanted


def is_not_equal(seen: object, wanted: object, at: datetime) -> bool:
    return seen != wanted


def is_among(seen: object, wanted: Collection[object], at: datetime) -> bool:
    return seen in wanted


def is_not_among(seen: object, wanted: Collection[object], at: datetime) -> bool:
    return seen not in wanted


def is_below(seen: Decimal, wanted: Decimal, at: datetime) -> bool:
    return seen < wanted


def is_at_most(seen: Decimal, wanted: Decimal, at: datetime) -> bool:
    return seen <= wanted


def is_above(seen: Decimal, wanted: Decimal, at: datetime) -> bool:
    return seen > wanted


def is_at_least(seen: Decimal, wanted: Decimal, at: datetime) -> bool:
    return seen >= wanted


def is_between(seen: Decimal, wanted: tuple[Decimal, Decimal], at: datetime) -> bool:
    """Both ends belong to the range."""
    return wanted[0] <= seen <= wanted[1]


def has_any(seen: frozenset[str], wanted: Collection[str], at: datetime) -> bool:
    return not seen.isdisjoint(wanted)


def has_all(seen: frozenset[str], wanted: Collection[str], at: datetime) -> bool:
    return seen.issuperset(wanted)


def has_none(seen: frozenset[str], wanted: Collection[str], at: datetime) -> bool:
    return seen.isdisjoint(wanted)


def contains_text(seen: str, wanted: str, at: datetime) -> bool:
    """Literal search over skeletons; no pattern language, so time is bounded."""
    return skeleton(wanted) in skeleton(seen)


def is_true(seen: bool, wanted: None, at: datetime) -> bool:
    return seen is True


def is_false(seen: bool, wanted: None, at: datetime) -> bool:
    return seen is False


def is_missing(seen: object, wanted: None, at: datetime) -> bool:
    return seen is None


def in_list(seen: str | frozenset[str], wanted: ListSnapshot, at: datetime) -> bool:
    """Whether the text, or any text of a set, is on the list."""
    if isinstance(seen, str):
        return wanted.lists(seen, at)
    return any(wanted.lists(text, at) for text in seen)


def not_in_list(seen: str | frozenset[str], wanted: ListSnapshot, at: datetime) -> bool:
    return not in_list(seen, wanted, at)


@dataclass(frozen=True, slots=True)
class Operator:
    """A comparison: its name in documents, its words, and the facts it fits."""

    name: str
    label: StrOrPromise
    takes: Takes
    fits: frozenset[FactType]
    test: Test


_BOOL = frozenset({FactType.BOOL})
_NUMERIC = frozenset({FactType.NUMBER, FactType.MONEY})
_SET = frozenset({FactType.SET})
_TEXT = frozenset({FactType.TEXT})
_WORDS = frozenset({FactType.TEXT, FactType.CHOICE})
_EVERY = frozenset(FactType)

OPERATORS: dict[str, Operator] = {
    operator.name: operator
    for operator in (
        Operator("eq", _("is"), Takes.ONE, _EVERY - _SET, is_equal),
        Operator("ne", _("is not"), Takes.ONE, _EVERY - _SET, is_not_equal),
        Operator("in", _("is one of"), Takes.MANY, _WORDS | _NUMERIC, is_among),
        Operator("not_in", _("is none of"), Takes.MANY, _WORDS | _NUMERIC, is_not_among),
        Operator("lt", _("is below"), Takes.ONE, _NUMERIC, is_below),
        Operator("lte", _("is at most"), Takes.ONE, _NUMERIC, is_at_most),
        Operator("gt", _("is above"), Takes.ONE, _NUMERIC, is_above),
        Operator("gte", _("is at least"), Takes.ONE, _NUMERIC, is_at_least),
        Operator("between", _("is between"), Takes.RANGE, _NUMERIC, is_between),
        Operator("has_any", _("has any of"), Takes.MANY, _SET, has_any),
        Operator("has_all", _("has all of"), Takes.MANY, _SET, has_all),
        Operator("has_none", _("has none of"), Takes.MANY, _SET, has_none),
        Operator("contains_text", _("contains"), Takes.ONE, _TEXT, contains_text),
        Operator("is_true", _("is true"), Takes.NOTHING, _BOOL, is_true),
        Operator("is_false", _("is false"), Takes.NOTHING, _BOOL, is_false),
        Operator("is_missing", _("is missing"), Takes.NOTHING, _EVERY, is_missing),
        Operator("in_list", _("is in list"), Takes.LIST, _WORDS | _SET, in_list),
        Operator("not_in_list", _("is not in list"), Takes.LIST, _WORDS | _SET, not_in_list),
    )
}


def operators_for(kind: FactType) -> tuple[Operator, ...]:
    """The operators that fit facts of that type, in the order they are offered."""
    return tuple(operator for operator in OPERATORS.values() if kind in operator.fits)
