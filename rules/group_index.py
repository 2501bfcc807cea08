"""Which groups of conditions hold for facts as they are stored: one bitmap per value, kept.

For going through history: the same values come back again and again, so what a stored value
does to every group is worked out once per value and remembered, without making it a typed fact
again. Only facts that some group names are looked at.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from rules.bitmaps import Column, build_columns
from rules.conditions import OPERATORS, ListSnapshot, Takes
from rules.document import Group, Row, Rule
from rules.facts import READERS, Catalogue, Fact, FactType
from rules.normalization import skeleton

REMEMBERED = 32_768
"""Values remembered per fact, so that memory stays bounded whatever history holds."""

_LIST_OPERATORS = frozenset(name for name, op in OPERATORS.items() if op.takes is Takes.LIST)
_ABSENT: Any = object()
Texts = Collection[str]
RowTest = Callable[[Texts, Texts], bool]
"""(texts of a value, their skeletons) → whether a row holds."""


def _nothing(_raw: object) -> None:
    """What is read of a fact that no app registers."""


class _Memo(dict[Any, int]):
    """What each stored value of one fact leaves of the groups; worked out when first seen."""

    __slots__ = (
        "_column",
        "_is_spelt",
        "_listed",
        "_masks",
        "_read",
        "_since_full",
        "_text_bits",
        "_text_rows",
        "_unlisted",
    )

    def __init__(
        self,
        fact: Fact | None,
        column: Column,
        rows: Sequence[tuple[int, Row]],
        lists: Mapping[str, ListSnapshot],
        masks: dict[int, int],
    ) -> None:
        self._read = READERS[fact.type] if fact is not None else _nothing
        self._column, self._masks = column, masks
        # Rules asked side by side share most of their rows: each is asked once.
        asking: dict[Row, int] = {}
        for bit, row in rows:
            asking[row] = asking.get(row, 0) | bit
        self._listed: dict[str, int] = {}
        self._unlisted = 0
        if fact is not None and fact.type is not FactType.SET:
            on_lists = {row: bits for row, bits in asking.items() if row.op in _LIST_OPERATORS}
            self._listed, self._unlisted = _failing_by_skeleton(on_lists, lists)
            asking = {row: bits for row, bits in asking.items() if row not in on_lists}
        self._text_rows = [(bits, _test_of(row, lists)) for row, bits in asking.items()]
        self._text_bits = 0
        for bits in asking.values():
            self._text_bits |= bits
        self._is_spelt = any(row.op not in ("has_any", "has_all") for row in asking)
        self._since_full = 0
        super().__init__({None: column.missing})

    def __missing__(self, raw: Any) -> int:
        kind, key = raw.__class__, raw
        if kind is not str and kind is not tuple:
            # 1, 1.0 and true are one key of a dictionary, but not one value of a fact.
            key = kind, raw
            if (known := self.get(key)) is not None:
                return known
        mask = self.work_out(raw)
        if len(self) < REMEMBERED:
            # Few different masks come out of many values: each is kept once.
            self[key] = mask = self._masks.setdefault(mask, mask)
        elif (since := self._since_full) < 8 * REMEMBERED:
            self._since_full = since + 1
        else:  # what was common when the memory filled up need not be so any more
            self._since_full = 0
            self.clear()
            self[None] = self._column.missing
        return mask

    def work_out(self, raw: object) -> int:
        """The groups that a value in JSON form leaves; one that does not fit is missing."""
        column = self._column
        value = self._read(raw)
        if value is None:
            return column.missing
        mask = column.present
        for lookup in column.lookups:
            mask &= lookup(value)
        if self._unlisted or self._listed:
            mask &= ~self._listed.get(skeleton(str(value)), self._unlisted)
        if mask & self._text_bits:
            texts: Texts = (value,) if isinstance(value, str) else value  # type: ignore[assignment]
            skeletons = tuple(map(skeleton, texts)) if self._is_spelt else ()
            for bits, holds in self._text_rows:
                if mask & bits and not holds(texts, skeletons):
                    mask &= ~bits
        return mask


class GroupIndex:
    """Groups of rules, one bit each in the order given, made ready for stored facts.

    A row on a list that is not among `lists` is as unknown as one on a missing fact. Not to
    be shared between threads.
    """

    def __init__(
        self,
        groups: Sequence[tuple[Rule, Group]],
        lists: Mapping[str, ListSnapshot],
        catalogue: Catalogue,
    ) -> None:
        self._possible = 0
        rows: list[tuple[int, Row, bool]] = []
        for number, (rule, group) in enumerate(groups):
            unknown = [row for row in group if row.op in _LIST_OPERATORS and row.value not in lists]
            if unknown and not rule.is_permissive:
                continue
            self._possible |= 1 << number
            rows += [(1 << number, row, rule.is_permissive) for row in group if row not in unknown]
        columns, residual = build_columns(rows, self._possible)
        self._timed: dict[int, list[tuple[Fact, Row, ListSnapshot]]] = {}
        left_over: dict[str, list[tuple[int, Row]]] = {}
        for bit, row in residual:
            left_over.setdefault(row.fact, []).append((bit, row))
            fact = catalogue.get(row.fact)
            if fact is not None and row.op in _LIST_OPERATORS and _has_expiries(lists[row.value]):
                self._timed.setdefault(bit, []).append((fact, row, lists[row.value]))
        self._timed_bits = sum(self._timed)
        masks: dict[int, int] = {}
        self._flags: list[tuple[str, int, int, int]] = []
        self._single: list[tuple[str, _Memo]] = []
        self._several: list[tuple[str, _Memo]] = []
        for column in columns:
            fact = catalogue.get(column.fact)
            kind = fact.type if fact is not None else None
            memo = _Memo(fact, column, left_over.get(column.fact, ()), lists, masks)
            if kind is FactType.BOOL:
                on, off = memo.work_out(True), memo.work_out(False)
                self._flags.append((column.fact, on, off, column.missing))
            elif kind is FactType.SET:
                self._several.append((column.fact, memo))
            else:
                self._single.append((column.fact, memo))
        self._windows = _Windows(groups)

    def holding(self, facts: Mapping[str, Any], at: datetime) -> int:
        """The groups that hold for facts in JSON form at that time, one bit each.

        Facts that do not fit their type count as missing, as `Catalogue.read` has it.
        """
        mask = self._windows.valid_at(at) & self._possible
        seen = facts.get
        for key, on, off, missing in self._flags:
            value = seen(key)
            mask &= on if value is True else off if value is False else missing
        try:
            mask &= self._by_memory(seen)
        except TypeError:  # what cannot be a key: a list where text was expected, or the like
            for key, memo in self._single + self._several:
                mask &= memo.work_out(seen(key))
        asked = mask & self._timed_bits
        while asked:
            lowest = asked & -asked
            asked ^= lowest
            if not all(_holds_at(facts, at, *row) for row in self._timed[lowest]):
                mask ^= lowest
        return mask

    def _by_memory(self, seen: Callable[[str], Any]) -> int:
        mask = self._possible
        for key, memo in self._single:
            mask &= memo[seen(key)]
        for key, memo in self._several:
            raw = seen(key)
            mask &= memo[tuple(raw) if raw.__class__ is list else raw]
        return mask


def _holds_at(
    facts: Mapping[str, Any], at: datetime, fact: Fact, row: Row, snapshot: ListSnapshot
) -> bool:
    value = READERS[fact.type](facts.get(fact.key))
    # A missing fact was settled by its bitmap.
    return value is None or OPERATORS[row.op].test(value, snapshot, at)


def _has_expiries(snapshot: ListSnapshot) -> bool:
    return any(until is not None for until in snapshot.entries.values())


def _failing_by_skeleton(
    rows: Mapping[Row, int], lists: Mapping[str, ListSnapshot]
) -> tuple[dict[str, int], int]:
    """Which groups fail on a text of each listed skeleton, and which on any other.

    One look says of all lists at once what a single text leaves. An entry that expires is on
    its list for `in_list` and off it for `not_in_list`: the time is asked later.
    """
    unlisted = 0
    for row, bits in rows.items():
        if row.op == "in_list":
            unlisted |= bits
    failing: dict[str, int] = {}
    for row, bits in rows.items():
        for entry, until in lists[row.value].entries.items():
            if row.op == "in_list":
                failing[entry] = failing.get(entry, unlisted) & ~bits
            elif until is None:
                failing[entry] = failing.get(entry, unlisted) | bits
    return failing, unlisted


def _test_of(row: Row, lists: Mapping[str, ListSnapshot]) -> RowTest:
    """The row as a test of texts; True where the answer also hangs on the time."""
    if row.op == "contains_text":
        needle = skeleton(row.value)
        return lambda texts, skeletons: any(needle in text for text in skeletons)
    if row.op in ("has_any", "has_all"):
        wanted = frozenset(row.value)
        if row.op == "has_any":
            return lambda texts, skeletons: not wanted.isdisjoint(texts)
        return lambda texts, skeletons: wanted.issubset(texts)
    entries = lists[row.value].entries
    if row.op == "in_list":
        return lambda texts, skeletons: not entries.keys().isdisjoint(skeletons)
    return lambda texts, skeletons: all(
        entries.get(text, _ABSENT) is not None for text in skeletons
    )


class _Windows:
    """Which groups' rules are valid when: one bitmap for each stretch between two boundaries."""

    def __init__(self, groups: Sequence[tuple[Rule, Group]]) -> None:
        self._boundaries = sorted(
            {
                moment
                for rule, _group in groups
                for moment in (rule.valid_from, rule.valid_until)
                if moment is not None
            }
        )
        stretches: list[datetime | None] = [None, *self._boundaries]
        self._masks = [
            sum(
                1 << number
                for number, (rule, _group) in enumerate(groups)
                if _is_valid_from(rule, start)
            )
            for start in stretches
        ]

    def valid_at(self, at: datetime) -> int:
        """The groups whose rule is valid at that time."""
        if not self._boundaries:
            return self._masks[0]
        return self._masks[bisect_right(self._boundaries, at)]


def _is_valid_from(rule: Rule, start: datetime | None) -> bool:
    """Whether a rule is valid in the stretch beginning with `start`, None for the first one."""
    return rule.is_valid_at(start) if start is not None else rule.valid_from is None
