"""As much of a rule as can be read while somebody is still writing it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from rules.document import ACTIONS_BY_LAYER, LAYERS, SLOTS, Row, Rule
from rules.facts import Catalogue
from rules.parsing import parse_rule
from rules.parsing_rows import read_groups
from rules.problems import DocumentError, DocumentInvalid, Problems

BLANK = "…"
_KEY = "unfinished"


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A rule under way.

    `rows` are the conditions that can be read, by (group, place). `rule` is there as soon as
    all conditions can be; what else is missing is filled with an ellipsis, and then `acts`
    tells whether its actions are the writer's own. `errors` says what is left to do, with
    paths that start at the rule; without any the rule is complete.
    """

    rows: Mapping[tuple[int, int], Row]
    rule: Rule | None
    acts: bool
    errors: tuple[DocumentError, ...]


def read_unfinished(
    raw: Mapping[str, Any], catalogue: Catalogue, known_lists: Collection[str]
) -> Unfinished:
    """What can be read of a rule in document form, finished or not."""
    rows = _rows(raw.get("when"), catalogue, known_lists)
    try:
        return Unfinished(rows, parse_rule(raw, catalogue, known_lists), True, ())
    except DocumentInvalid as invalid:
        errors = invalid.errors
    wrong = {error.path.partition(".")[0].partition("[")[0] for error in errors}
    if "when" in wrong:
        return Unfinished(rows, None, "then" not in wrong, errors)
    filled = {**raw, **{name: value for name, value in _filling(raw).items() if name in wrong}}
    try:
        rule = parse_rule(filled, catalogue, known_lists)
    except DocumentInvalid:
        return Unfinished(rows, None, False, errors)
    return Unfinished(rows, rule, not wrong & {"then", "layer"}, errors)


def _rows(
    when: object, catalogue: Catalogue, known_lists: Collection[str]
) -> dict[tuple[int, int], Row]:
    found: dict[tuple[int, int], Row] = {}
    for number, group in enumerate(when if isinstance(when, list) else []):
        for place, row in enumerate(group if isinstance(group, list) else []):
            problems = Problems()
            groups = read_groups([[row]], "when", catalogue, known_lists, problems)
            if not problems.errors:
                found[number, place] = groups[0][0]
    return found


def _filling(raw: Mapping[str, Any]) -> dict[str, object]:
    layer = raw.get("layer")
    layer = layer if isinstance(layer, str) and layer in LAYERS else LAYERS[0]
    action: dict[str, object] = {"do": ACTIONS_BY_LAYER[layer][0]}
    if layer == "intercept":
        action["reason"] = BLANK
    elif layer == "allocate":
        action |= {"slot": SLOTS[0], "value": BLANK}
    elif layer == "tag":
        action["tag"] = BLANK
    return {
        **{"key": _KEY, "name": BLANK, "layer": layer, "priority": 100, "then": [action]},
        **{"status": "live", "on_missing": "no_match", "valid_from": None, "valid_until": None},
    }
