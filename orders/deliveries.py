"""How the units of a subscription spread over its deliveries; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class PlannedLine:
    """An order line: its id, the code of its SKU, and its units."""

    id: int
    sku: str
    quantity: int


def spread_units(
    deliveries: Sequence[Mapping[str, Any]], lines: Sequence[PlannedLine]
) -> list[list[tuple[int, int]]]:
    """(line id, units) of each delivery: as it names them, else an even share of each SKU.

    Lines of the same SKU are used up in their order, so every unit travels exactly once when
    the deliveries together hold what was ordered (see orders.intake.checks).
    """
    left = {line.id: line.quantity for line in lines}
    ordered: dict[str, int] = {}
    for line in lines:
        ordered[line.sku] = ordered.get(line.sku, 0) + line.quantity
    contents = []
    for delivery in deliveries:
        taken: dict[int, int] = {}
        for sku, units in _wanted(delivery, ordered, len(deliveries)).items():
            for line in lines:
                if line.sku == sku and (take := min(left[line.id], units)):
                    taken[line.id] = taken.get(line.id, 0) + take
                    left[line.id] -= take
                    units -= take
        contents.append(sorted(taken.items()))
    return contents


def _wanted(
    delivery: Mapping[str, Any], ordered: Mapping[str, int], batches: int
) -> dict[str, int]:
    """Units by SKU code that one delivery holds."""
    named = delivery.get("lines") or []
    if not named:
        return {sku: units // batches for sku, units in ordered.items()}
    wanted: dict[str, int] = {}
    for item in named:
        wanted[item["sku"]] = wanted.get(item["sku"], 0) + item["quantity"]
    return wanted
