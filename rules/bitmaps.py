"""Per fact, which groups of conditions survive a value: one bit per group.

A group is ruled out as soon as one of its rows fails, so ANDing one bitmap per fact leaves
the groups that can still match. Rows that a bitmap cannot answer (text search, lists, "all
of") are left over for the caller as residual rows.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from rules.document import Row

Lookup = Callable[[Any], int]
_NUMERIC_ONLY = frozenset({"lt", "lte", "gt", "gte", "between"})
_RESIDUAL = frozenset({"contains_text", "in_list", "not_in_list"})


@dataclass(frozen=True, slots=True)
class Column:
    """One fact: the bitmap when it is missing, and the lookups to AND when it is there."""

    fact: str
    missing: int
    present: int
    lookups: tuple[Lookup, ...]


@dataclass(slots=True)
class _ColumnBuilder:
    """Collects the rows of one fact, group by group."""

    fact: str
    failing_when_missing: int = 0
    failing_when_present: int = 0
    ranges: dict[int, list[tuple[Row, int]]] = field(default_factory=dict)
    listed: dict[int, frozenset[object]] = field(default_factory=dict)
    banned: dict[object, int] = field(default_factory=dict)
    any_of: dict[int, tuple[str, ...]] = field(default_factory=dict)
    none_of: dict[str, int] = field(default_factory=dict)

    def add(self, bit: int, row: Row, *, permissive: bool) -> bool:
        """Take a row of the group of that bit; True when it must be tested again later."""
        if row.op == "is_missing":
            self.failing_when_present |= bit
            return False
        if not permissive:
            self.failing_when_missing |= bit
        if row.op in _RESIDUAL:
            return True
        if row.op in ("has_any", "has_all"):
            return self._add_positive_set(bit, row)
        if row.op == "has_none":
            for value in row.value:
                self.none_of[value] = self.none_of.get(value, 0) | bit
            return False
        if _is_numeric(row):
            self.ranges.setdefault(bit, []).append((row, bit))
            return False
        values = _values(row)
        if row.op in ("ne", "not_in"):
            for value in values:
                self.banned[value] = self.banned.get(value, 0) | bit
        else:
            self.listed[bit] = self.listed.get(bit, values) & values
        return False

    def _add_positive_set(self, bit: int, row: Row) -> bool:
        if bit in self.any_of:
            return True
        if row.op == "has_any":
            self.any_of[bit] = row.value
            return False
        self.any_of[bit] = row.value[:1]
        return len(row.value) > 1

    def build(self, every: int) -> Column:
        """The finished column over the bits of `every`."""
        lookups: list[Lookup] = []
        if self.ranges:
            lookups.append(_numeric_lookup(self.ranges, every))
        if self.listed or self.banned:
            lookups.append(_discrete_lookup(self.listed, self.banned, every))
        if self.any_of or self.none_of:
            lookups.append(_set_lookup(self.any_of, self.none_of, every))
        return Column(
            self.fact,
            every & ~self.failing_when_missing,
            every & ~self.failing_when_present,
            tuple(lookups),
        )


def build_columns(
    rows: Iterable[tuple[int, Row, bool]], every: int
) -> tuple[tuple[Column, ...], list[tuple[int, Row]]]:
    """Columns for (bit of the group, row, permissive) triples, and the rows left over."""
    builders: dict[str, _ColumnBuilder] = {}
    residual = []
    for bit, row, permissive in rows:
        builder = builders.setdefault(row.fact, _ColumnBuilder(row.fact))
        if builder.add(bit, row, permissive=permissive):
            residual.append((bit, row))
    return tuple(builder.build(every) for builder in builders.values()), residual


def _is_numeric(row: Row) -> bool:
    if row.op in _NUMERIC_ONLY:
        return True
    sample = row.value[0] if isinstance(row.value, tuple) else row.value
    return isinstance(sample, Decimal)


def _values(row: Row) -> frozenset[object]:
    if row.op == "is_true":
        return frozenset({True})
    if row.op == "is_false":
        return frozenset({False})
    return frozenset(row.value if isinstance(row.value, tuple) else (row.value,))


def _discrete_lookup(
    listed: dict[int, frozenset[object]], banned: dict[object, int], every: int
) -> Lookup:
    default = every
    granted: dict[object, int] = {}
    for bit, values in listed.items():
        default &= ~bit
        for value in values:
            granted[value] = granted.get(value, 0) | bit
    table = {
        value: (default | granted.get(value, 0)) & ~banned.get(value, 0)
        for value in granted.keys() | banned.keys()
    }
    find = table.get

    def lookup(value: object) -> int:
        return find(value, default)

    return lookup


def _set_lookup(any_of: dict[int, tuple[str, ...]], none_of: dict[str, int], every: int) -> Lookup:
    default = every
    granted: dict[str, int] = {}
    for bit, values in any_of.items():
        default &= ~bit
        for value in values:
            granted[value] = granted.get(value, 0) | bit
    table = {
        value: (granted.get(value, 0), none_of.get(value, 0))
        for value in granted.keys() | none_of.keys()
    }
    find = table.get

    def lookup(values: Iterable[str]) -> int:
        mask, ruled_out = default, 0
        for value in values:
            found = find(value)
            if found is not None:
                mask |= found[0]
                ruled_out |= found[1]
        return mask & ~ruled_out

    return lookup


def _numeric_lookup(rows_by_bit: dict[int, list[tuple[Row, int]]], every: int) -> Lookup:
    """Cut the number line at every value named; each piece has its bitmap.

    With thresholds t0 < t1 < …, piece 2i lies below ti, piece 2i+1 is ti itself.
    """
    thresholds = sorted(
        {
            value
            for rows in rows_by_bit.values()
            for row, _bit in rows
            for value in (row.value if isinstance(row.value, tuple) else (row.value,))
        }
    )
    place = {value: 2 * index + 1 for index, value in enumerate(thresholds)}
    last = 2 * len(thresholds)
    toggles = [0] * (last + 2)
    constant = every
    for bit, rows in rows_by_bit.items():
        constant &= ~bit
        spans = [(0, last)]
        for row, _bit in rows:
            spans = _intersect(spans, _spans(row, place, last))
        for start, end in spans:
            toggles[start] ^= bit
            toggles[end + 1] ^= bit
    masks, running = [], 0
    for toggle in toggles[: last + 1]:
        running ^= toggle
        masks.append(constant | running)
    count = len(thresholds)

    def lookup(value: Decimal) -> int:
        index = bisect_left(thresholds, value)
        if index < count and thresholds[index] == value:
            return masks[2 * index + 1]
        return masks[2 * index]

    return lookup


def _spans(row: Row, place: dict[Decimal, int], last: int) -> list[tuple[int, int]]:
    """The pieces in which a numeric row holds, as sorted spans with both ends included."""
    if row.op == "between":
        low, high = row.value
        return [(place[low], place[high])]
    if row.op in ("eq", "in", "ne", "not_in"):
        points = sorted(
            place[v]
            for v in dict.fromkeys(row.value if isinstance(row.value, tuple) else (row.value,))
        )
        if row.op in ("eq", "in"):
            return [(point, point) for point in points]
        return _complement(points, last)
    at = place[row.value]
    return {
        "lt": [(0, at - 1)],
        "lte": [(0, at)],
        "gt": [(at + 1, last)],
        "gte": [(at, last)],
    }[row.op]


def _complement(points: Sequence[int], last: int) -> list[tuple[int, int]]:
    starts = [0, *(point + 1 for point in points)]
    ends = [*(point - 1 for point in points), last]
    return [(start, end) for start, end in zip(starts, ends, strict=True) if start <= end]


def _intersect(ours: list[tuple[int, int]], theirs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    common, left, right = [], 0, 0
    while left < len(ours) and right < len(theirs):
        start = max(ours[left][0], theirs[right][0])
        end = min(ours[left][1], theirs[right][1])
        if start <= end:
            common.append((start, end))
        if ours[left][1] < theirs[right][1]:
            left += 1
        else:
            right += 1
    return common
