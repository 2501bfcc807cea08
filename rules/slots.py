"""What the slots of an allocate rule may hold, as registered by the app that owns the values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rules.document import SLOTS

Options = Iterable[tuple[str, str]]
Unknown = Callable[[frozenset[str]], frozenset[str]]


@dataclass(frozen=True, slots=True)
class _SlotValues:
    options: Callable[[], Options]
    unknown: Unknown | None


_values: dict[str, _SlotValues] = {}


def register_slot_values(
    slot: str, options: Callable[[], Options], unknown: Unknown | None = None
) -> None:
    """Say what a slot may hold; called once when the owning app is ready.

    `options` gives the (value, label) pairs offered in forms. `unknown` answers which of some
    values stand for nothing that exists; without it every value not offered is one. Raises
    ValueError for a slot that rules do not have.
    """
    if slot not in SLOTS:
        raise ValueError(f"rules have no slot {slot!r}")
    _values[slot] = _SlotValues(options, unknown)


def slot_options(slot: str) -> tuple[tuple[str, str], ...]:
    """The (value, label) pairs to offer; empty for a slot that takes any text."""
    known = _values.get(slot)
    return tuple(known.options()) if known is not None else ()


def unknown_slot_values(slot: str, values: frozenset[str]) -> frozenset[str]:
    """Those of `values` that the slot's owner does not know; none for a slot of any text."""
    known = _values.get(slot)
    if known is None:
        return frozenset()
    if known.unknown is not None:
        return known.unknown(values)
    return values - {value for value, _label in known.options()}
