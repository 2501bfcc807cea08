"""What allocate rules may assign to the slots that stand for rows of the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from rules.slots import register_slot_values

if TYPE_CHECKING:
    from orders.models.catalogue import Coded


def _model(name: str) -> type[Coded]:
    from orders import models

    found: type[Coded] = getattr(models, name)
    return found


def _offered(name: str) -> Callable[[], Iterable[tuple[str, str]]]:
    """What is in use, by code."""
    return lambda: (
        _model(name)
        ._default_manager.filter(is_active=True)
        .order_by("code")
        .values_list("code", "name")
    )


def _unknown(name: str) -> Callable[[frozenset[str]], frozenset[str]]:
    """Codes that no row has, in use or not."""

    def unknown(codes: frozenset[str]) -> frozenset[str]:
        known = _model(name)._default_manager.filter(code__in=codes).values_list("code", flat=True)
        return codes - frozenset(known)

    return unknown


def register_slots() -> None:
    """Make the values known to the rules; called once when the app is ready."""
    for slot, name in (
        ("warehouse", "Warehouse"),
        ("courier", "Courier"),
        ("packaging", "Packaging"),
    ):
        register_slot_values(slot, _offered(name), _unknown(name))
