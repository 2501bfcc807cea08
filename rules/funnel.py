"""A day's way through the layers as it is drawn: narrowing from stage to stage; pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rules.document import LAYERS, SLOTS, Rule
from rules.history import DayFlow, Standing


@dataclass(frozen=True, slots=True)
class Name:
    """How a rule is called, and the page on which it stands; no page for one long gone."""

    name: str
    url: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """One rule's part: `cases` of those that reached its layer, `length` of the longest bar.

    `share` and `length` go from 0 to 100.
    """

    key: str
    name: str
    url: str
    cases: int
    share: float
    length: float


@dataclass(frozen=True, slots=True)
class Group:
    """The rules that filled one slot, or all of a layer without slots; biggest first.

    `rest` counts the cases for which no rule decided, and a default was used.
    """

    slot: str
    bars: tuple[Bar, ...]
    rest: int
    rest_share: float


@dataclass(frozen=True, slots=True)
class Stage:
    """One layer: how many cases reached it and went on, also as the funnel's width in percent.

    `unscreened` are cases that stopped because screening could not finish. `idle` are rules in
    force that did nothing.
    """

    layer: str
    entered: int
    passed: int
    stopped: int
    unscreened: int
    wide: float
    narrow: float
    groups: tuple[Group, ...]
    unused_slots: tuple[str, ...]
    idle: tuple[Bar, ...]

    @property
    def outline(self) -> str:
        """The stage as an SVG path in a box of 100 × 10: as wide as what came in and went on."""
        return outline(self.wide, self.narrow)


@dataclass(frozen=True, slots=True)
class Funnel:
    """A day: the stages from top to bottom, and where the cases stand now."""

    total: int
    stages: tuple[Stage, ...]
    standing: tuple[tuple[Standing, float], ...]
    gone: float

    @property
    def outlet(self) -> str:
        """The last piece of the funnel: from what reached the last layer to what has left."""
        return outline(self.stages[-1].narrow, self.gone)


def outline(wide: float, narrow: float) -> str:
    """A shape in a box of 100 × 10, `wide` at the top and `narrow` at the bottom."""
    left, right = (100 - wide) / 2, (100 + wide) / 2
    low_left, low_right = (100 - narrow) / 2, (100 + narrow) / 2
    return f"M{left:.2f},0 H{right:.2f} L{low_right:.2f},10 H{low_left:.2f} Z"


def percent(part: int, whole: int) -> float:
    """A part in percent, with one decimal; nothing of nothing is 0."""
    return round(100 * part / whole, 1) if whole else 0.0


def funnel(
    flows: Sequence[DayFlow],
    standing: Sequence[Standing],
    rules: Sequence[Rule],
    names: Mapping[str, Name],
) -> Funnel:
    """The day drawn from what the history tells; `rules` are those in force now.

    `names` covers the rules in force and all that acted; others are shown by their key.
    """
    by_layer = {layer: [flow for flow in flows if flow.layer == layer] for layer in LAYERS}
    total = by_layer["intercept"][0].entered if by_layer["intercept"] else 0
    stages = tuple(
        _stage(layer, by_layer, total, [rule for rule in rules if rule.layer == layer], names)
        for layer in LAYERS
    )
    gone = next((each.cases for each in standing if each.key == "gone"), 0)
    return Funnel(
        total,
        stages,
        tuple((each, percent(each.cases, total)) for each in standing),
        percent(gone, total),
    )


def _stage(
    layer: str,
    by_layer: Mapping[str, list[DayFlow]],
    total: int,
    rules: Sequence[Rule],
    names: Mapping[str, Name],
) -> Stage:
    flows = by_layer[layer]
    entered = flows[0].entered if flows else 0
    passed, stopped = entered, 0
    if layer == "intercept":
        stopped = sum(flow_cases for flow in flows for flow_cases in flow.acted.values())
        below = by_layer["allocate"]
        passed = below[0].entered if below else entered - stopped
    groups = tuple(
        _group(flow, names, rests=layer == "allocate") for flow in sorted(flows, key=_place)
    )
    acted = {key for flow in flows for key in flow.acted}
    used = {flow.slot for flow in flows}
    idle = [rule.key for rule in rules if rule.status == "live" and rule.key not in acted]
    return Stage(
        layer,
        entered,
        passed,
        stopped,
        entered - passed - stopped,
        percent(entered, total),
        percent(passed, total),
        tuple(group for group in groups if group.bars),
        tuple(slot for slot in SLOTS if slot not in used) if layer == "allocate" else (),
        tuple(_bar(key, 0, 0, 0, names) for key in idle),
    )


def _place(flow: DayFlow) -> int:
    return SLOTS.index(flow.slot) if flow.slot in SLOTS else len(SLOTS)


def _group(flow: DayFlow, names: Mapping[str, Name], *, rests: bool) -> Group:
    most = max(flow.acted.values(), default=0)
    biggest = sorted(flow.acted.items(), key=lambda each: (-each[1], each[0]))
    bars = tuple(_bar(key, cases, flow.entered, most, names) for key, cases in biggest)
    rest = max(0, flow.entered - sum(flow.acted.values())) if rests else 0
    return Group(flow.slot, bars, rest, percent(rest, flow.entered))


def _bar(key: str, cases: int, entered: int, most: int, names: Mapping[str, Name]) -> Bar:
    name = names.get(key, Name(key))
    return Bar(key, name.name, name.url, cases, percent(cases, entered), percent(cases, most))
