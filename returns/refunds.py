"""How much a return gives back: the paid share of its units, never more than was paid; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal

from orders.totals import CENT, apportion

NOTHING = Decimal("0.00")


@dataclass(frozen=True, slots=True)
class BoughtLine:
    """An order line at its list price, before the order's discount."""

    position: int
    quantity: int
    unit_price: Decimal


def paid_by_line(
    lines: Sequence[BoughtLine], goods_total: Decimal, discount_total: Decimal
) -> dict[int, Decimal]:
    """What was paid for each line by position, the discount shared out by value.

    The parts add up to what was paid for goods; cents that do not divide go to the dearest line.
    Shipping is not part of it.
    """
    ordered = sorted(lines, key=lambda line: line.quantity * line.unit_price)
    paid = max(goods_total - discount_total, NOTHING)
    shares = apportion(paid, [line.quantity * line.unit_price for line in ordered])
    return {line.position: share for line, share in zip(ordered, shares, strict=True)}


def refund_for(
    paid: Decimal,
    quantity: int,
    units: int,
    *,
    returned_units: int = 0,
    returned_amount: Decimal = NOTHING,
) -> Decimal:
    """What `units` more of a line of `quantity` give back, after what live returns gave already.

    Unit by unit or all at once, the sum for the whole line is exactly what was paid for it.
    Raises ValueError for more units than bought.
    """
    reached = returned_units + units
    if units < 0 or reached > quantity:
        raise ValueError("more units than bought")
    due = (paid * reached / quantity).quantize(CENT, rounding=ROUND_DOWN)
    return max(due - returned_amount, NOTHING)


def refund_for_received(refund: Decimal, announced: int, received: int) -> Decimal:
    """The part of a line's refund that is due when fewer units came back than announced."""
    return (refund * received / announced).quantize(CENT, rounding=ROUND_DOWN)
