"""One number of a rule moved over history: what would be held at each value, in one pass.

With everything else left as it is, a case knows only two outcomes: the condition holds, or it
does not. Both are worked out once per case; which of them counts at a value is a matter of
comparing two numbers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any

from django.utils.translation import gettext as _

from rules.batch import Numbered
from rules.document import Document, Group, Row, Rule
from rules.errors import DocumentInvalid
from rules.estimates import share
from rules.problems import Problems
from rules.values import exact_number, number_text

MOST_VALUES = 41
SAMPLED = 20_000
REMEMBERED = 32_768
SWEPT = ("lt", "lte", "gt", "gte", "eq", "ne", "between")
"""Operators whose number can be moved."""

_DIGITS = Context(prec=3)


@dataclass(frozen=True, slots=True)
class SweepPlan:
    """A numeric condition of a live rule and the numbers to try; none means: suggest some.

    `group` and `row` count from 0, as in error paths; `end` is which number of a `between`
    moves, "low" or "high", and empty for the other operators.
    """

    rule: Rule
    group: int
    row: int
    end: str = ""
    values: tuple[Decimal, ...] = ()

    @property
    def condition(self) -> Row:
        """The condition whose number moves."""
        return self.rule.when[self.group][self.row]

    @property
    def current(self) -> Decimal:
        """The number as it stands in the rule."""
        value = self.condition.value
        number: Decimal = value if not self.end else value[self.end == "high"]
        return number

    @property
    def rest(self) -> Group:
        """The other conditions of the group."""
        group = self.rule.when[self.group]
        return group[: self.row] + group[self.row + 1 :]

    def permits(self, value: Decimal) -> bool:
        """Whether the number may be moved there: a range must not be reversed."""
        if not self.end:
            return True
        low, high = self.condition.value
        return bool(value <= high) if self.end == "low" else bool(low <= value)

    def as_json(self) -> dict[str, object]:
        """The plan as it is asked for."""
        return {
            "rule": self.rule.key,
            "group": self.group,
            "row": self.row,
            "end": self.end,
            "values": [number_text(value) for value in self.values],
        }


def read_plan(raw: object, document: Document, path: str = "sweep") -> SweepPlan:
    """The plan that {"rule", "group", "row", "end"?, "values"?} asks for.

    Raises DocumentInvalid when it names no live rule's numeric condition, or asks for more
    than 41 numbers, numbers that are none, or a reversed range.
    """
    found = Problems()
    members = found.members(raw, path, ("rule", "group", "row"), ("end", "values")) or {}
    if found.errors:
        raise DocumentInvalid(found.errors)
    rule = next((r for r in document.rules if r.key == members["rule"]), None)
    if rule is None:
        found.add(f"{path}.rule", "unknown_rule", _("There is no such rule."))
        raise DocumentInvalid(found.errors)
    if rule.status != "live":
        found.add(f"{path}.rule", "not_live", _("Only a live rule acts; switch it on first."))
    group = _place(members["group"], len(rule.when), f"{path}.group", found)
    row = _place(members["row"], len(rule.when[group]), f"{path}.row", found)
    if not found.errors and not is_swept(condition := rule.when[group][row]):
        message = _("Only a condition that compares a number can be moved.")
        found.add(f"{path}.row", "not_numeric", message)
    if found.errors:
        raise DocumentInvalid(found.errors)
    plan = SweepPlan(rule, group, row, _end(members.get("end"), condition.op, f"{path}.end", found))
    values = _values(members.get("values"), plan, f"{path}.values", found)
    if found.errors:
        raise DocumentInvalid(found.errors)
    return SweepPlan(rule, group, row, plan.end, values)


def is_swept(row: Row) -> bool:
    """Whether a condition has a number that can be moved."""
    sample = row.value[0] if isinstance(row.value, tuple) else row.value
    return row.op in SWEPT and isinstance(sample, Decimal)


def _place(raw: object, count: int, path: str, found: Problems) -> int:
    if isinstance(raw, int) and not isinstance(raw, bool) and 0 <= raw < count:
        return raw
    found.add(path, "out_of_range", _("Expected a whole number from 0 to %d.") % (count - 1))
    return 0


def _end(raw: object, op: str, path: str, found: Problems) -> str:
    if op != "between":
        if raw not in (None, ""):
            found.add(path, "unknown_field", _("Only a range has two ends."))
        return ""
    if raw in (None, ""):
        return "low"
    return found.one_of(raw, path, "bad_choice", ("low", "high")) or "low"


def _values(raw: object, plan: SweepPlan, path: str, found: Problems) -> tuple[Decimal, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, (list, tuple)):
        found.add(path, "wrong_type", _("Expected a list."))
        return ()
    if len(raw) > MOST_VALUES:
        found.add(path, "too_many", _("At most %(limit)d values.") % {"limit": MOST_VALUES})
        return ()
    numbers = []
    for place, item in enumerate(raw):
        number = exact_number(item)
        if number is None:
            found.add(f"{path}[{place}]", "bad_number", _("Expected a number."))
        elif not plan.permits(number):
            found.add(f"{path}[{place}]", "reversed", _("The range would be reversed."))
        else:
            numbers.append(number)
    return tuple(sorted(set(numbers)))


Counts = Mapping[bool | None, int]
_Kind = tuple[bool, bool, bool, bool]


class Sweep:
    """Takes case after case, and tells the curves at the end.

    `numbered` is the tried document in the index, `probe` the number of one more group there:
    the group of the plan without its condition.
    """

    def __init__(self, plan: SweepPlan, numbered: Numbered, probe: int) -> None:
        self.plan = plan
        self.probe = 1 << probe
        self._numbered = numbered
        self._bit = 1 << numbered.number_of(plan.rule.key, plan.group)
        self._key, self._fact = plan.rule.key, plan.condition.fact
        self._kinds: dict[int, _Kind] = {}
        self._cases: Counter[tuple[Any, _Kind, bool | None]] = Counter()
        self._sample: list[Any] = []
        self._stride, self._seen = 1, 0

    def sample(self, facts: Mapping[str, Any]) -> None:
        """Remember how the number is spread; every so many cases are enough."""
        self._seen += 1
        if self._seen % self._stride:
            return
        raw = facts.get(self._fact)
        if raw is not None:
            self._sample.append(raw)
            if len(self._sample) >= SAMPLED:
                del self._sample[::2]
                self._stride *= 2

    def take(self, facts: Mapping[str, Any], holding: int, was_fine: bool | None) -> None:
        """Count a case in which the rest of the group holds; `was_fine` is its verdict."""
        raw = facts.get(self._fact)
        if raw.__class__ is not str and exact_number(raw) is None:
            return  # missing, so no number can change the answer
        kind = self._kinds.get(holding)
        if kind is None:
            kind = self._both_ways(holding)
            if len(self._kinds) < REMEMBERED:
                self._kinds[holding] = kind
        if kind[:2] != kind[2:]:
            self._cases[raw, kind, was_fine] += 1

    def _both_ways(self, holding: int) -> _Kind:
        """(held, acts) when the condition holds, and when it does not."""
        kind: list[bool] = []
        for mask in (holding | self._bit, holding & ~self._bit):
            numbered = self._numbered
            outcome = numbered.outcome(numbered.winners(mask))
            kind += (bool(outcome.held_by), self._key in outcome.acted)
        return kind[0], kind[1], kind[2], kind[3]

    def result(self, held: Counts, acts: Counts, rightly: int) -> dict[str, object]:
        """The curves as JSON.

        `held` and `acts` are the cases that the tried rules hold, and in which the rule acts,
        as they stand: all (None), judged fine (True) and judged right (False); `rightly` are
        all cases judged right, held or not. The answer is
        the plan with "fact", "op", "current", "layer" and "points": one per value, ascending,
        {"value", "held", "acts", "false_block", "rule_false_block", "leak"}; the shares carry
        their interval (see rules.estimates).
        """
        values = self._tried_values()
        now = values.index(self.plan.current)
        curves = {
            (what, verdict): self._curve(values, now, what, verdict, count)
            for what, counts in (("held", held), ("acts", acts))
            for verdict, count in counts.items()
        }
        points = []
        for place, value in enumerate(values):
            at = {name: curve[place] for name, curve in curves.items()}
            fine, right = at["held", True], at["held", False]
            acts_fine, acts_right = at["acts", True], at["acts", False]
            points.append(
                {
                    "value": number_text(value),
                    "held": at["held", None],
                    "acts": at["acts", None],
                    "false_block": share(fine, fine + right).as_json(),
                    "rule_false_block": share(acts_fine, acts_fine + acts_right).as_json(),
                    "leak": share(rightly - right, rightly).as_json(),
                }
            )
        return self.plan.as_json() | {
            "fact": self._fact,
            "op": self.plan.condition.op,
            "layer": self.plan.rule.layer,
            "current": number_text(self.plan.current),
            "values": [number_text(value) for value in values],
            "points": points,
        }

    def _curve(
        self, values: Sequence[Decimal], now: int, what: str, verdict: bool | None, as_is: int
    ) -> list[int]:
        """The count at each value, given the count at the value of place `now`."""
        steps = [0] * (len(values) + 1)
        offset = 0 if what == "held" else 1
        for (raw, kind, was_fine), count in self._cases.items():
            gained = (kind[offset] - kind[2 + offset]) * count
            if gained and (verdict is None or verdict is was_fine):
                for start, end in self._spans(raw, values):
                    steps[start] += gained
                    steps[end] -= gained
        curve, running = [], 0
        for step in steps[:-1]:
            running += step
            curve.append(running)
        return [as_is + count - curve[now] for count in curve]

    def _spans(self, raw: Any, values: Sequence[Decimal]) -> list[tuple[int, int]]:
        """The places of `values` at which the condition holds, as spans without their end."""
        seen, row, count = exact_number(raw), self.plan.condition, len(values)
        if seen is None:
            return []
        below, upto = bisect_left(values, seen), bisect_right(values, seen)
        if row.op == "between":
            low, high = row.value
            if self.plan.end == "low":
                return [(0, upto)] if seen <= high else []
            return [(below, count)] if low <= seen else []
        return {
            "lt": [(upto, count)],
            "lte": [(below, count)],
            "gt": [(0, below)],
            "gte": [(0, upto)],
            "eq": [(below, upto)],
            "ne": [(0, below), (upto, count)],
        }[row.op]

    def _tried_values(self) -> tuple[Decimal, ...]:
        plan = self.plan
        values = plan.values or suggested(self._sample, plan)
        return tuple(sorted({*values, plan.current}))


def suggested(sample: Iterable[Any], plan: SweepPlan) -> tuple[Decimal, ...]:
    """Numbers worth trying: where the numbers seen lie, rounded to three digits."""
    numbers = sorted(n for raw in sample if (n := exact_number(raw)) is not None)
    if not numbers:
        return (plan.current,)
    last, steps = len(numbers) - 1, MOST_VALUES - 2
    quantiles = {_DIGITS.plus(numbers[round(last * step / steps)]) for step in range(steps + 1)}
    return tuple(sorted(value for value in quantiles if plan.permits(value)))
