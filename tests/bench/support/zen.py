"""Our rules for GoRules' engine: as compiled expressions, and as one of its decision tables."""

import json
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

import zen

from rules.decision import Decision
from rules.document import Document, Group, Row, Rule
from rules.evaluation import in_order

Context = dict[str, Any]


def context(facts: Mapping[str, object]) -> Context:
    """Facts as the engine takes them: nested by the parts of their keys, sets as lists."""
    nested: Context = {}
    for key, value in facts.items():
        *path, last = key.split(".")
        place = nested
        for part in path:
            place = place.setdefault(part, {})
        if isinstance(value, Decimal):
            place[last] = float(value) if value % 1 else int(value)
        elif isinstance(value, frozenset):
            place[last] = sorted(value)
        else:
            place[last] = value
    return nested


def expression(rule: Rule) -> str:
    """The condition of a rule in the engine's language.

    Texts must be their own skeletons, without quotation marks; lists cannot be expressed.
    """
    return " or ".join(f"({_group(group, permissive=rule.is_permissive)})" for group in rule.when)


def _group(group: Group, *, permissive: bool) -> str:
    return " and ".join(_row(row, permissive=permissive) for row in group)


def _row(row: Row, *, permissive: bool) -> str:
    if row.op == "is_missing":
        return f"({row.fact} == null)"
    test = _TESTS[row.op](row.fact, row.value)
    return f"({row.fact} == null or {test})" if permissive else f"({row.fact} != null and {test})"


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    return f"'{value}'"


_TESTS: dict[str, Callable[[str, Any], str]] = {
    "eq": lambda fact, value: f"{fact} == {_literal(value)}",
    "ne": lambda fact, value: f"{fact} != {_literal(value)}",
    "in": lambda fact, value: f"{fact} in {_literal(value)}",
    "not_in": lambda fact, value: f"not({fact} in {_literal(value)})",
    "lt": lambda fact, value: f"{fact} < {_literal(value)}",
    "lte": lambda fact, value: f"{fact} <= {_literal(value)}",
    "gt": lambda fact, value: f"{fact} > {_literal(value)}",
    "gte": lambda fact, value: f"{fact} >= {_literal(value)}",
    "between": lambda fact, value: f"{fact} in [{_literal(value[0])}..{_literal(value[1])}]",
    "has_any": lambda fact, value: f"some({fact}, # in {_literal(value)})",
    "has_none": lambda fact, value: f"none({fact}, # in {_literal(value)})",
    "has_all": lambda fact, value: f"all({_literal(value)}, # in {fact})",
    "contains_text": lambda fact, value: f"contains({fact}, {_literal(value)})",
    "is_true": lambda fact, value: f"{fact} == true",
    "is_false": lambda fact, value: f"{fact} == false",
}


class Expressions:
    """One compiled expression a rule, asked one after another."""

    def __init__(self, document: Document) -> None:
        self._rules = [
            (rule, zen.compile_expression(expression(rule))) for rule in in_order(document.rules)
        ]

    def matching(self, case: Context) -> list[Rule]:
        """The rules that match, in the order in which they are asked."""
        return [rule for rule, compiled in self._rules if compiled.evaluate(case)]


class DecisionTable:
    """One table with a row a rule, collecting every row that matches."""

    def __init__(self, document: Document) -> None:
        self._rules = {rule.key: rule for rule in in_order(document.rules)}
        rows = [
            {"_id": rule.key, "in": expression(rule), "out": f"'{rule.key}'"}
            for rule in self._rules.values()
        ]
        place = {"x": 0, "y": 0}
        table = {
            "hitPolicy": "collect",
            "inputs": [{"id": "in", "name": "in", "field": ""}],
            "outputs": [{"id": "out", "name": "out", "field": "key"}],
            "rules": rows,
        }
        content = {
            "nodes": [
                {"id": "a", "type": "inputNode", "name": "a", "position": place},
                {
                    **{"id": "b", "type": "decisionTableNode", "name": "b", "position": place},
                    "content": table,
                },
                {"id": "c", "type": "outputNode", "name": "c", "position": place},
            ],
            "edges": [
                {"id": "ab", "sourceId": "a", "targetId": "b", "type": "edge"},
                {"id": "bc", "sourceId": "b", "targetId": "c", "type": "edge"},
            ],
        }
        self._decision = zen.ZenEngine().create_decision(json.dumps(content))

    def matching(self, case: Context) -> list[Rule]:
        """The rules that match, in the order in which they are asked."""
        found: Any = self._decision.evaluate(case)["result"]
        return [self._rules[row["key"]] for row in found]


def answer(matching: Sequence[Rule]) -> dict[str, object]:
    """What our hit policies make of the rules that match, to compare decisions by."""
    held = next((rule.key for rule in matching if rule.layer == "intercept"), None)
    slots: dict[str, tuple[str, str]] = {}
    tags: dict[str, None] = {}
    dispatch = False
    for rule in matching if held is None else ():
        for action in rule.then:
            if action.do == "assign":
                slots.setdefault(action.slot, (action.value, rule.key))
            elif action.do == "tag":
                tags.setdefault(action.tag)
            elif action.do == "dispatch":
                dispatch = True
    return {"held": held, "slots": slots, "tags": tuple(tags), "dispatch": dispatch}


def ours(decision: Decision) -> dict[str, object]:
    """A decision in the same form."""
    return {
        "held": decision.intercept.rule_key if decision.intercept else None,
        "slots": decision.slots,
        "tags": decision.tags,
        "dispatch": decision.dispatch,
    }
