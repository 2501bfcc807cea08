"""Yes-or-no facts and numbers: cut into the pieces between which no row tells a difference."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Context, Decimal

from rules.analysis.formulas import Formula, Variables
from rules.conditions import OPERATORS
from rules.document import Row
from rules.facts import Fact
from rules.values import MAX_DIGITS

MISSING = 1
"""The value of every main variable that says: this fact is missing."""
ANY_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""For operators that ask for a time; the lists of an analysis hold only what counts."""
FARTHEST = Decimal(10) ** MAX_DIGITS - 1
_EXACT = Context(prec=60)


class BoolDomain:
    """Missing, false, true."""

    def __init__(self, fact: Fact, variables: Variables, owner: int) -> None:
        self.fact = fact
        self.main = variables.add(6 if fact.always else 7, owner)

    def formula(self, row: Row, *, permissive: bool) -> Formula:
        """When the row holds."""
        if row.op == "is_missing":
            return Formula(((self.main, MISSING),))
        test = OPERATORS[row.op].test
        mask = MISSING if permissive else 0
        for bit, seen in ((2, False), (4, True)):
            mask |= bit if test(seen, row.value, ANY_TIME) else 0
        return Formula(((self.main, mask),))

    def value(self, values: Sequence[int], *, wanted: bool) -> object:
        """One of the values left; missing only if nothing else is, or nothing is wanted."""
        left = values[self.main]
        if left & MISSING and not (wanted and left & ~MISSING):
            return None
        return not left & 2


class NumberDomain:
    """Missing, then every threshold and every piece between two, from low to high."""

    def __init__(self, fact: Fact, rows: Iterable[Row], variables: Variables, owner: int) -> None:
        self.fact = fact
        self.pieces = _pieces(fact, {number for row in rows for number in _numbers(row)})
        full = ((1 << len(self.pieces)) - 1) << 1
        self.main = variables.add(full if fact.always else full | MISSING, owner)

    def formula(self, row: Row, *, permissive: bool) -> Formula:
        """When the row holds."""
        if row.op == "is_missing":
            return Formula(((self.main, MISSING),))
        mask = self._mask(row) << 1
        return Formula(((self.main, mask | MISSING if permissive else mask),))

    def _mask(self, row: Row) -> int:
        every = (1 << len(self.pieces)) - 1
        if row.op in ("eq", "ne", "in", "not_in"):
            among = 0
            for number in _numbers(row):
                place = bisect_left(self.pieces, number)
                if place < len(self.pieces) and self.pieces[place] == number:
                    among |= 1 << place
            return among if row.op in ("eq", "in") else every & ~among
        low, high = 0, len(self.pieces)
        if row.op == "between":
            low = bisect_left(self.pieces, row.value[0])
            high = bisect_right(self.pieces, row.value[1])
        elif row.op == "lt":
            high = bisect_left(self.pieces, row.value)
        elif row.op == "lte":
            high = bisect_right(self.pieces, row.value)
        elif row.op == "gt":
            low = bisect_right(self.pieces, row.value)
        else:
            low = bisect_left(self.pieces, row.value)
        return (1 << high) - (1 << low) if low < high else 0

    def value(self, values: Sequence[int], *, wanted: bool) -> object:
        """A number of the pieces left, the smallest that is not negative if there is one."""
        left = values[self.main]
        if left & MISSING and not (wanted and left & ~MISSING):
            return None
        zero = bisect_left(self.pieces, 0)
        positive = left >> zero + 1
        if positive:
            return self.pieces[zero + (positive & -positive).bit_length() - 1]
        return self.pieces[left.bit_length() - 2]


def _numbers(row: Row) -> tuple[Decimal, ...]:
    if row.value is None:
        return ()
    return row.value if isinstance(row.value, tuple) else (row.value,)


def _pieces(fact: Fact, thresholds: Iterable[Decimal]) -> list[Decimal]:
    """One number of every piece, ascending; pieces that the fact cannot have are left out."""
    least = -FARTHEST if fact.least is None else fact.least
    most = FARTHEST if fact.most is None else fact.most
    cuts = sorted({cut for cut in thresholds if least < cut < most} | {least, most})
    pieces: list[Decimal] = []
    for cut, following in zip(cuts, [*cuts[1:], None], strict=True):
        if not fact.whole or cut == cut.to_integral_value():
            pieces.append(cut)
        between = (
            None
            if following is None
            else _between(cut, following, whole=fact.whole, downward=cut == -FARTHEST)
        )
        if between is not None:
            pieces.append(between)
    return pieces


def _between(low: Decimal, high: Decimal, *, whole: bool, downward: bool) -> Decimal | None:
    """A number strictly between, whole where one is; near the end that people know."""
    above = low.to_integral_value(ROUND_FLOOR, _EXACT) + 1
    below = -((-high).to_integral_value(ROUND_FLOOR, _EXACT)) - 1
    if above < high:
        return below if downward else above
    if whole:
        return None
    middle = _EXACT.divide(_EXACT.add(low, high), Decimal(2))
    # As few digits as still lie between, so that people can read it.
    for places in range(1, 40):
        short = middle.quantize(Decimal(1).scaleb(-places), context=_EXACT)
        if low < short < high:
            return short
    return middle
