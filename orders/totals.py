"""Money arithmetic of orders, in exact decimals of the order's currency."""

from collections.abc import Iterable, Sequence
from decimal import ROUND_DOWN, Decimal

CENT = Decimal("0.01")


def goods_total(lines: Iterable[tuple[int, Decimal]]) -> Decimal:
    """Sum of quantity × unit price, two decimals."""
    return sum((quantity * price for quantity, price in lines), Decimal("0.00"))


def apportion(amount: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """The amount split by the weights in whole cents; the parts add up to it exactly.

    Each part is its exact share rounded down or up to a cent, so no part exceeds its weight
    unless the amount exceeds them all. Zero weights throughout split evenly. Raises ValueError
    without weights or for a negative one.
    """
    if not weights or any(weight < 0 for weight in weights):
        raise ValueError("weights must be given and not negative")
    if not any(weights):
        weights = [Decimal(1)] * len(weights)
    whole, reached, given = sum(weights), Decimal(0), Decimal("0.00")
    parts = []
    for weight in weights:
        reached += weight
        upto = (amount * reached / whole).quantize(CENT, rounding=ROUND_DOWN)
        parts.append(upto - given)
        given = upto
    parts[-1] += amount - given
    return parts
