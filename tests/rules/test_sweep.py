"""The curve of one moving number, against deciding everything anew at every value."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rules.backtest import Backtest
from rules.document import Document, Rule
from rules.errors import DocumentInvalid
from rules.estimates import share
from rules.evaluation import compile_rules
from rules.facts import facts_as_json
from rules.history import Record, Verdict
from rules.sweep import SweepPlan, is_swept, read_plan, suggested
from rules.values import number_text
from tests.rules.documents import AT, FACTS, parsed, row, rule
from tests.rules.test_evaluation import CASES, LISTS, rule_sets

D = Decimal
VALUES = tuple(map(D, ("-1", "0", "0.5", "1", "1.5", "2", "3", "7")))


def swept(document: Document, cases: list[dict[str, Any]], plan: SweepPlan, verdicts=()) -> Any:
    """The sweep of a backtest over these cases."""
    backtest = Backtest(Document(), document, LISTS, FACTS, verdicts=verdicts, plan=plan)
    backtest.take(
        [Record(n, AT, orjson.dumps(facts_as_json(facts))) for n, facts in enumerate(cases)]
    )
    backtest.settle({})
    return backtest.result({})["sweep"]


def moved(plan: SweepPlan, document: Document, value: Decimal) -> Document:
    """The document with the number at another value."""
    condition = plan.condition
    wanted: Any = value
    if plan.end:
        low, high = condition.value
        wanted = (value, high) if plan.end == "low" else (low, value)
    group = list(plan.rule.when[plan.group])
    group[plan.row] = replace(condition, value=wanted)
    when = list(plan.rule.when)
    when[plan.group] = tuple(group)
    rules = [replace(r, when=tuple(when)) if r is plan.rule else r for r in document.rules]
    return Document(tuple(rules))


def places(document: Document) -> list[tuple[Rule, int, int]]:
    return [
        (found, group, number)
        for found in document.rules
        if found.status == "live"
        for group, rows in enumerate(found.when)
        for number, condition in enumerate(rows)
        if is_swept(condition)
    ]


@given(rule_sets(), st.lists(CASES, min_size=1, max_size=8), st.data())
def test_every_point_is_what_deciding_anew_gives(document, cases, data):
    assume(places(document))
    found, group, number = data.draw(st.sampled_from(places(document)))
    end = ""
    if found.when[group][number].op == "between":
        end = data.draw(st.sampled_from(["low", "high"]))
    plan = SweepPlan(found, group, number, end)
    plan = replace(plan, values=tuple(value for value in VALUES if plan.permits(value)))
    fine = data.draw(st.dictionaries(st.integers(0, len(cases) - 1), st.booleans()))
    verdicts = [Verdict(case, "x", was_fine, AT, AT) for case, was_fine in fine.items()]

    result = swept(document, cases, plan, verdicts)

    assert [point["value"] for point in result["points"]] == [
        number_text(value) for value in sorted({*plan.values, plan.current})
    ]
    for point in result["points"]:
        rules = compile_rules(moved(plan, document, D(point["value"])), LISTS)
        decisions = [rules.decide(facts, AT) for facts in cases]
        held = [n for n, decision in enumerate(decisions) if decision.intercept]
        acts = [
            n
            for n, decision in enumerate(decisions)
            if found.key in [match.rule_key for match in decision.matches]
        ]
        right = [n for n, was_fine in fine.items() if not was_fine]
        assert point == {
            "value": point["value"],
            "held": len(held),
            "acts": len(acts),
            "false_block": judged(held, fine),
            "rule_false_block": judged(acts, fine),
            "leak": share(len([n for n in right if n not in held]), len(right)).as_json(),
        }


def judged(cases: list[int], fine: dict[int, bool]) -> dict[str, object]:
    known = [n for n in cases if n in fine]
    return share(sum(fine[n] for n in known), len(known)).as_json()


def test_what_another_rule_holds_anyway_does_not_move():
    document = parsed(
        rule("big", priority=2, when=[[row("total", "gte", 10)]]),
        rule("blocked", priority=1, when=[[row("province", "eq", "A")]]),
    )
    cases: list[dict[str, Any]] = [
        {"total": D(5), "province": "A"},
        {"total": D(5)},
        {"total": D(50)},
    ]
    plan = read_plan({"rule": "big", "group": 0, "row": 0, "values": [1, "20", 60]}, document)

    result = swept(document, cases, plan)

    assert [(p["value"], p["held"], p["acts"]) for p in result["points"]] == [
        ("1", 3, 2),
        ("10", 2, 1),
        ("20", 2, 1),
        ("60", 1, 0),
    ]
    assert (result["current"], result["fact"], result["op"]) == ("10", "total", "gte")


def test_numbers_worth_trying_follow_the_spread_and_keep_the_current_one():
    document = parsed(rule("big", when=[[row("total", "gte", 10)]]))
    plan = read_plan({"rule": "big", "group": 0, "row": 0}, document)
    cases: list[dict[str, Any]] = [{"total": D(n) / 7} for n in range(5000)]
    cases.append({})

    values = [D(point["value"]) for point in swept(document, cases, plan)["points"]]

    assert len(values) == 41
    assert values == sorted(set(values))
    assert (values[0], values[-1]) == (D(0), D(714))
    assert D(10) in values
    assert all(len(number_text(value).replace(".", "").strip("0")) <= 3 for value in values)


def test_without_any_number_seen_only_the_current_one_is_tried():
    document = parsed(rule("big", when=[[row("total", "between", [3, 9])]]))
    plan = read_plan({"rule": "big", "group": 0, "row": 0, "end": "high"}, document)

    assert suggested([], plan) == (D(9),)
    assert suggested(["1", "2", "5"], plan) == (D(5),)


def test_a_window_holds_for_the_moved_number_too():
    later = (AT + timedelta(days=1)).isoformat()
    document = parsed(rule("big", when=[[row("total", "gte", 10)]], valid_from=later))
    plan = read_plan({"rule": "big", "group": 0, "row": 0, "values": [1]}, document)

    assert [p["held"] for p in swept(document, [{"total": D(50)}], plan)["points"]] == [0, 0]


DOCUMENT = [
    rule("big", when=[[row("total", "between", [3, 9]), row("province", "eq", "A")]]),
    rule("off", status="disabled", when=[[row("total", "gte", 1)]]),
]
PLACE = {"rule": "big", "group": 0, "row": 0}


@pytest.mark.parametrize(
    ("raw", "path", "code"),
    [
        ([], "sweep", "wrong_type"),
        ({"rule": "big"}, "sweep.group", "missing_field"),
        (PLACE | {"colour": 1}, "sweep.colour", "unknown_field"),
        (PLACE | {"rule": "none"}, "sweep.rule", "unknown_rule"),
        (PLACE | {"rule": ["big"]}, "sweep.rule", "unknown_rule"),
        (PLACE | {"rule": "off"}, "sweep.rule", "not_live"),
        (PLACE | {"group": 1}, "sweep.group", "out_of_range"),
        (PLACE | {"row": True}, "sweep.row", "out_of_range"),
        (PLACE | {"row": 1}, "sweep.row", "not_numeric"),
        (PLACE | {"end": "middle"}, "sweep.end", "bad_choice"),
        (PLACE | {"values": 4}, "sweep.values", "wrong_type"),
        (PLACE | {"values": list(range(42))}, "sweep.values", "too_many"),
        (PLACE | {"values": ["x"]}, "sweep.values[0]", "bad_number"),
        (PLACE | {"values": [1, 10]}, "sweep.values[1]", "reversed"),
    ],
)
def test_a_plan_that_cannot_be_followed_is_refused(raw, path, code):
    with pytest.raises(DocumentInvalid) as refused:
        read_plan(raw, parsed(*DOCUMENT))

    assert (refused.value.errors[0].path, refused.value.errors[0].code) == (path, code)


def test_a_plan_is_kept_as_json_and_read_again():
    plan = read_plan(PLACE | {"end": "high", "values": [4, "9.50"]}, parsed(*DOCUMENT))

    assert plan.as_json() == PLACE | {"end": "high", "values": ["4", "9.5"]}
    assert read_plan(plan.as_json(), parsed(*DOCUMENT)) == plan
