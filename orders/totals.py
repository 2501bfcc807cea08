"""Money arithmetic of orders, in exact decimals of the order's currency."""

from collections.abc import Iterable, Sequence
from decimal import ROUND_DOWN, Decimal

CENT = Decimal("0.01")


def goods_total(lines: Iterable[tuple[int, Decimal]]) -> Decimal:
    """Sum of quantity × unit price, two decimals."""
    return sum((quantity * price for quantity, price in lines), Decimal("0.00"))


def apportion(amount: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """The amount split by the weights in whole cents; the parts add up to it exactly.

    Cents that do not divide go to the last part. Zero weights throughout split evenly.
    Raises ValueError without weights or for a negative one.
    """
    if not weights or any(weight < 0 for weight in weights):
        raise ValueError("weights must be given and not negative")
    whole = sum(weights)
    if not whole:
        weights, whole = [Decimal(1)] * len(weights), Decimal(len(weights))
    parts = [
        (amount * weight / whole).quantize(CENT, rounding=ROUND_DOWN) for weight in weights[:-1]
    ]
    return [*parts, amount - sum(parts, Decimal(0))]
