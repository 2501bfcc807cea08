"""Facts that are sets of texts: for each element that rows tell apart, whether it is in there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rules.analysis.formulas import Formula, Link, Literal, Variables
from rules.analysis.scales import MISSING
from rules.conditions import ListSnapshot
from rules.document import Row
from rules.facts import Fact
from rules.normalization import skeleton

PRESENT = 2
OUT, IN, UNKNOWN = 1, 2, 4
"""What an element can be: not in the set, in it, or the whole set is missing."""


class SetDomain:
    """Missing or there, and one variable for each kind of element.

    Elements that only ever stand together in "any of" and "none of" are one kind; an element
    of an "all of" is a kind by itself, and so are the entries that a list has of its own.
    """

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
        self.main = variables.add(PRESENT if fact.always else PRESENT | MISSING, owner)
        self._asked = sorted({row.value for row in rows if row.op.endswith("in_list")} & set(lists))
        self._kinds: dict[object, int] = {}
        self._sample: dict[int, str] = {}
        self._listed: dict[str, set[int]] = {key: set() for key in self._asked}
        self._at: dict[str, int] = {}
        sets, single = _sets_of(rows)
        possible = fact.fixed_choices
        named = [*sets, *(() if possible is None else sorted(possible - set(sets)))]
        for text in named:
            lists_of = self._lists_of(skeleton(text))
            there = possible is None or text in possible
            if text in sets or (there and lists_of):
                kind = (sets.get(text), lists_of, there, text if text in single else None)
                self._at[text] = self._variable(kind, text, variables, owner, there=there)
        if possible is None:
            for entry in dict.fromkeys(it for key in self._asked for it in lists[key].entries):
                kind = (None, self._lists_of(entry), True, None)
                # Nothing is equal to an entry that no text is folded to.
                if kind not in self._kinds and skeleton(entry) == entry:
                    text = entry
                    while text in sets:
                        text += " "
                    self._variable(kind, text, variables, owner, there=True)

    def formula(self, row: Row, *, permissive: bool) -> Formula:
        """When the row holds."""
        if row.op == "is_missing":
            return Formula(((self.main, MISSING),))
        if row.op in ("in_list", "not_in_list"):
            if row.value not in self._lists:
                return Formula((), every=permissive)
            elements = sorted(self._listed[row.value])
        else:
            elements = sorted({self._at[text] for text in row.value})
        missing = UNKNOWN if permissive else 0
        if row.op in ("has_any", "in_list"):
            literals: list[Literal] = [(element, IN | missing) for element in elements]
            if permissive:
                literals.append((self.main, MISSING))
            return Formula(tuple(literals), every=False)
        wanted = (IN if row.op == "has_all" else OUT) | missing
        if not elements:
            return Formula(((self.main, PRESENT | (MISSING if permissive else 0)),))
        return Formula(tuple((element, wanted) for element in elements))

    def value(self, values: Sequence[int], *, wanted: bool) -> object:
        """A set of the elements that must be in; missing only if nothing else is, or unasked."""
        left = values[self.main]
        if left & MISSING and not (wanted and left & PRESENT):
            return None
        return frozenset(self._sample[it] for it in self._sample if not values[it] & OUT)

    def _variable(
        self, kind: object, text: str, variables: Variables, owner: int, *, there: bool
    ) -> int:
        """The variable of that kind of element, with `text` for an example if it is new."""
        if kind not in self._kinds:
            full = OUT | (IN if there else 0) | (0 if self.fact.always else UNKNOWN)
            element = self._kinds[kind] = variables.add(full, owner)
            self._sample[element] = text
            if not self.fact.always:
                variables.link(Link(self.main, MISSING, element, UNKNOWN, hub=True))
                variables.link(Link(self.main, PRESENT, element, OUT | IN, hub=True))
            for key in self._lists_of(skeleton(text)) if there else ():
                self._listed[key].add(element)
        return self._kinds[kind]

    def _lists_of(self, folded: str) -> tuple[str, ...]:
        return tuple(key for key in self._asked if folded in self._lists[key].entries)


def _sets_of(rows: Sequence[Row]) -> tuple[dict[str, frozenset[int]], set[str]]:
    """Per named element the numbers of the value sets that hold it, and those of an "all of"."""
    numbers: dict[tuple[str, ...], int] = {}
    sets: dict[str, set[int]] = {}
    single: set[str] = set()
    for row in rows:
        if row.op in ("has_any", "has_all", "has_none"):
            number = numbers.setdefault(row.value, len(numbers))
            for text in row.value:
                sets.setdefault(text, set()).add(number)
            if row.op == "has_all":
                single.update(row.value)
    return {text: frozenset(held) for text, held in sets.items()}, single
