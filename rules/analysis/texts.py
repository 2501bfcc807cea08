"""Texts and choices: the values that rows name, the entries of lists, and anything else.

Values between which no row tells a difference are one. Which texts a free text contains is
one switch for each needle, so that many needles do not multiply.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain

from django.utils.translation import gettext

from rules.analysis.formulas import NO, YES, Formula, Link, Variables
from rules.analysis.scales import ANY_TIME, MISSING
from rules.conditions import OPERATORS, ListSnapshot
from rules.document import Row
from rules.facts import Fact
from rules.normalization import skeleton

_JOINERS = "，；/|~#*_"


class TextDomain:
    """Missing, the kinds of value that are told apart, and free text with its needles."""

    def __init__(
        self,
        fact: Fact,
        rows: Iterable[Row],
        lists: Mapping[str, ListSnapshot],
        variables: Variables,
        owner: int,
    ) -> None:
        self.fact = fact
        self._lists = lists
        rows = list(rows)
        named = _named(rows)
        closed = None if fact.fixed_choices is None else [it for it, _label in fact.options()]
        self._needles = _needles(rows)
        self._asked = sorted({row.value for row in rows if row.op.endswith("in_list")} & set(lists))
        self._named = frozenset(named)
        sets = _sets_of(rows)
        kinds: dict[object, int] = {}
        self._samples: list[str] = []
        self._bit_of: dict[str, int] = {}
        for text in closed if closed is not None else named:
            self._bit_of[text] = self._kind(
                kinds, (sets.get(text), *self._signature(skeleton(text))), text
            )
        if closed is None:
            for signature, entry in self._entries():
                self._kind(kinds, (None, *signature), _respelt(entry, self._named))
        count = len(self._samples) + (closed is None)
        self._free = 1 << count if closed is None else 0
        full = ((1 << count) - 1) << 1
        self.main = variables.add(full if fact.always else full | MISSING, owner)
        self._present = full
        self._switches: dict[str, int] = {}
        if self._free:
            self._add_needles(variables, owner)
        self._masks: dict[tuple[str, object], int] = {}

    def formula(self, row: Row, *, permissive: bool) -> Formula:
        """When the row holds."""
        if row.op == "is_missing":
            return Formula(((self.main, MISSING),))
        if row.op.endswith("in_list") and row.value not in self._lists:
            return Formula((), every=permissive)
        mask = self._mask(row) | (MISSING if permissive else 0)
        needle = skeleton(row.value) if row.op == "contains_text" else ""
        if needle in self._switches:
            return Formula(((self.main, mask), (self._switches[needle], YES)), every=False)
        return Formula(((self.main, mask),))

    def value(self, values: Sequence[int], *, wanted: bool) -> object:
        """One of the texts left; missing only if nothing else is, or nothing is wanted."""
        left = values[self.main]
        if left & MISSING and not (wanted and left & ~MISSING):
            return None
        for place, sample in enumerate(self._samples):
            if left >> place + 1 & 1 and (wanted or not left & self._free):
                return sample
        held = [needle for needle, at in self._switches.items() if not values[at] & NO]
        return self._free_text(held)

    def _mask(self, row: Row) -> int:
        key = (row.op, row.value)
        if key not in self._masks:
            self._masks[key] = self._worked_out(row)
        return self._masks[key]

    def _worked_out(self, row: Row) -> int:
        if row.op in ("eq", "in", "ne", "not_in"):
            among = 0
            for text in _values(row):
                among |= self._bit_of.get(text, 0)
            return among if row.op in ("eq", "in") else self._present & ~among
        wanted = self._lists[row.value] if row.op.endswith("in_list") else row.value
        mask = sum(
            1 << place + 1
            for place, sample in enumerate(self._samples)
            if OPERATORS[row.op].test(sample, wanted, ANY_TIME)
        )
        if row.op == "not_in_list" or (row.op == "contains_text" and not skeleton(row.value)):
            mask |= self._free
        return mask

    def _kind(self, kinds: dict[object, int], signature: object, sample: str) -> int:
        """The bit of the kind of that signature, with `sample` if it is a new one."""
        if signature not in kinds:
            self._samples.append(sample)
            kinds[signature] = 1 << len(self._samples)
        return kinds[signature]

    def _signature(self, folded: str) -> tuple[frozenset[str], tuple[str, ...]]:
        return (
            frozenset(needle for needle in self._needles if needle in folded),
            tuple(key for key in self._asked if folded in self._lists[key].entries),
        )

    def _entries(self) -> Iterator[tuple[tuple[object, ...], str]]:
        """An entry of every kind that some text can have, with what it is told apart by."""
        seen = set()
        for key in self._asked:
            for entry in self._lists[key].entries:
                signature = self._signature(entry)
                # Nothing is equal to an entry that no text is folded to.
                if signature not in seen and skeleton(entry) == entry:
                    seen.add(signature)
                    yield signature, entry
                if len(self._asked) == 1 and not self._needles and seen:
                    break

    def _add_needles(self, variables: Variables, owner: int) -> None:
        for needle in self._needles:
            switch = self._switches[needle] = variables.add(NO | YES, owner)
            variables.link(Link(switch, YES, self.main, self._free))
        for needle, switch in self._switches.items():
            for other, inner in self._switches.items():
                if other != needle and other in needle:
                    variables.link(Link(switch, YES, inner, YES))

    def _free_text(self, held: Sequence[str]) -> str:
        """A text that no row names and no list holds, containing just these needles."""
        longest = [it for it in held if not any(it != other and it in other for other in held)]
        joiner = self._joiner
        text = joiner.join(longest)
        if not longest:
            word = gettext("anything else")
            text = word if not any(needle in skeleton(word) for needle in self._needles) else joiner
        while text in self._named or self._is_listed(text):
            text += joiner
        return text

    @cached_property
    def _joiner(self) -> str:
        """A character that no needle contains, so that texts joined by it make no new one."""
        used = set("".join(self._needles))
        return next(
            char
            for char in chain(_JOINERS, map(chr, range(0x4E00, 0x9FFF)))
            if (folded := skeleton(char)) and not used & set(folded)
        )

    def _is_listed(self, text: str) -> bool:
        folded = skeleton(text)
        return any(folded in self._lists[key].entries for key in self._asked)


def _respelt(entry: str, named: frozenset[str]) -> str:
    """The entry, spelt as no row spells it; white space means nothing to a list."""
    while entry in named:
        entry += " "
    return entry


def _values(row: Row) -> tuple[str, ...]:
    return row.value if isinstance(row.value, tuple) else (row.value,)


def _named(rows: Sequence[Row]) -> list[str]:
    """The texts that rows compare with, in the order in which they come."""
    texts = (it for row in rows if row.op in ("eq", "ne", "in", "not_in") for it in _values(row))
    return list(dict.fromkeys(texts))


def _sets_of(rows: Sequence[Row]) -> dict[str, frozenset[int]]:
    """Per text, the numbers of the value sets that hold it."""
    numbers: dict[tuple[str, ...], int] = {}
    sets: dict[str, set[int]] = {}
    for row in rows:
        if row.op in ("eq", "ne", "in", "not_in"):
            values = _values(row)
            if values not in numbers:
                numbers[values] = len(numbers)
                for text in values:
                    sets.setdefault(text, set()).add(numbers[values])
    return {text: frozenset(held) for text, held in sets.items()}


def _needles(rows: Sequence[Row]) -> list[str]:
    found = (skeleton(row.value) for row in rows if row.op == "contains_text")
    return [needle for needle in dict.fromkeys(found) if needle]
