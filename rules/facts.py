"""The typed facts a rule may test, and the catalogue in which apps register them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING

from django.utils.translation import gettext_lazy as _

from rules.values import exact_number, number_text, plain

if TYPE_CHECKING:
    from django_stubs_ext import StrOrPromise

    Choices = tuple[tuple[str, StrOrPromise], ...]


class FactType(StrEnum):
    """What kind of value a fact holds, and so which operators fit it."""

    BOOL = "bool"
    NUMBER = "number"
    MONEY = "money"
    TEXT = "text"
    CHOICE = "choice"
    SET = "set"

    @property
    def is_numeric(self) -> bool:
        """Whether values are compared by size."""
        return self in (FactType.NUMBER, FactType.MONEY)


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that can be known about a case.

    `unit` is shown beside numbers ("yuan", "hours"); `source` names where the value comes
    from; `choices` are (value, label) pairs or a callable giving them when they live in the
    database; `personal` facts are masked in sentences. What a value can be at all, so that an
    analysis of rules names no impossible case: numbers are `whole` or not and lie between
    `least` and `most` (None for no bound), and a fact that is `always` there is never missing
    from a real case. `unknown` answers which of some texts stand for nothing that exists.
    `widget` asks the rule form for a special input: "clock" (hours of a day), "region".
    """

    key: str
    type: FactType
    label: StrOrPromise
    unit: StrOrPromise = ""
    source: StrOrPromise = ""
    choices: Choices | Callable[[], Iterable[tuple[str, StrOrPromise]]] = ()
    personal: bool = False
    whole: bool = False
    least: Decimal | None = None
    most: Decimal | None = None
    always: bool = False
    unknown: Callable[[frozenset[str]], frozenset[str]] | None = None
    widget: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "type", FactType(self.type))

    def options(self) -> Choices:
        """The (value, label) pairs offered in forms; empty when any text goes."""
        return tuple(self.choices() if callable(self.choices) else self.choices)

    @property
    def fixed_choices(self) -> frozenset[str] | None:
        """The only values allowed, when they are known without asking anybody."""
        if callable(self.choices) or not self.choices:
            return None
        return frozenset(value for value, _label in self.choices)

    def _definition(self) -> tuple[object, ...]:
        choices = self.choices if callable(self.choices) else tuple(v for v, _l in self.choices)
        return (
            *(self.key, self.type, str(self.unit), str(self.source), choices, self.personal),
            *(self.whole, self.least, self.most, self.always, self.unknown, self.widget),
        )


class Catalogue:
    """Facts by key, in the order they were registered."""

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        self._facts: dict[str, Fact] = {}
        for fact in facts:
            self.register(fact)

    def register(self, fact: Fact) -> Fact:
        """Add a fact; the same definition twice is harmless.

        Raises ValueError when the key already stands for something else.
        """
        known = self._facts.get(fact.key)
        if known is not None and known._definition() != fact._definition():
            raise ValueError(f"fact {fact.key!r} is already registered with another definition")
        return self._facts.setdefault(fact.key, fact)

    def get(self, key: str) -> Fact | None:
        """The fact of that key, or None."""
        return self._facts.get(key)

    def all(self) -> tuple[Fact, ...]:
        """Every fact."""
        return tuple(self._facts.values())

    def __contains__(self, key: str) -> bool:
        return key in self._facts

    def read(self, raw: Mapping[str, object]) -> tuple[dict[str, object], list[FactError]]:
        """Facts from their JSON form, with every value that does not fit its fact.

        Null means missing. Unknown keys are errors, so that a misspelt fact is not taken
        for a missing one.
        """
        facts: dict[str, object] = {}
        errors: list[FactError] = []
        for key, value in raw.items():
            fact = self._facts.get(key)
            if fact is None:
                errors.append(FactError(str(key), "unknown_fact", _("There is no such fact.")))
            elif value is not None:
                read = READERS[fact.type](value)
                if read is None:
                    errors.append(FactError(key, "wrong_type", _WRONG_TYPE[fact.type]))
                else:
                    facts[key] = read
        return facts, errors


@dataclass(frozen=True, slots=True)
class FactError:
    """A value that cannot be taken as the fact it is given for."""

    key: str
    code: str
    message: StrOrPromise


_WRONG_TYPE: dict[FactType, StrOrPromise] = {
    FactType.BOOL: _("Expected true or false."),
    FactType.NUMBER: _("Expected a number."),
    FactType.MONEY: _("Expected an amount, such as 299.00."),
    FactType.TEXT: _("Expected text."),
    FactType.CHOICE: _("Expected text."),
    FactType.SET: _("Expected a list of texts."),
}


Value = bool | Decimal | str | frozenset[str]


def _read_flag(raw: object) -> bool | None:
    return raw if isinstance(raw, bool) else None


def _read_text(raw: object) -> str | None:
    return raw if isinstance(raw, str) else None


def _read_set(raw: object) -> frozenset[str] | None:
    if not isinstance(raw, (list, tuple, set, frozenset)):
        return None
    for item in raw:
        if not isinstance(item, str):
            return None
    return frozenset(raw)


READERS: dict[FactType, Callable[[object], Value | None]] = {
    FactType.BOOL: _read_flag,
    FactType.NUMBER: exact_number,
    FactType.MONEY: exact_number,
    FactType.TEXT: _read_text,
    FactType.CHOICE: _read_text,
    FactType.SET: _read_set,
}
"""For each type, what takes its value from the JSON form; None when it does not fit."""


def facts_as_json(facts: Mapping[str, object]) -> dict[str, object]:
    """Facts as JSON carries them, the one form in which they are stored.

    Numbers are canonical decimal strings, sets sorted lists; missing facts are left out.
    `Catalogue.read` is the way back.
    """
    written: dict[str, object] = {}
    for key, value in facts.items():
        kind = type(value)
        # Every order passes here on its way in, so that the usual types are told apart first.
        if kind is str or kind is bool:
            written[key] = value
        elif kind is int:
            written[key] = str(value)
        elif type(value) is Decimal:
            written[key] = number_text(value)
        elif type(value) is frozenset:
            written[key] = sorted(map(str, value))
        elif value is not None:
            flat = plain(value)
            written[key] = list(flat) if isinstance(flat, tuple) else flat
    return written


catalogue = Catalogue()
"""The catalogue of this process; apps register into it when they are ready."""
