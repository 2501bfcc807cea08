"""What a backtest counts: classes of change, money, examples, verdicts and hits."""

import pickle
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import backtest as backtest_module
from rules.backtest import Backtest
from rules.batch import outcome_of
from rules.changes import CLASSES, EXAMPLES, classes_of
from rules.document import Document
from rules.estimates import share
from rules.evaluation import compile_rules
from rules.facts import facts_as_json
from rules.history import Case, Record, Verdict
from tests.rules.documents import AT, FACTS, parsed, row, rule
from tests.rules.test_evaluation import CASES, LISTS, rule_sets

D = Decimal


def run(
    base: Document,
    tried: Document,
    cases: list[dict[str, Any]],
    verdicts: dict[int, bool] | None = None,
    *,
    batch: int = 2,
    cut_at: int | None = None,
) -> dict[str, Any]:
    """The result over these cases; case n is worth n yuan and has the reference O-n.

    With `cut_at`, cases from there on are counted apart, and then added.
    """
    judged = [Verdict(case, "x", fine, AT, AT) for case, fine in (verdicts or {}).items()]
    records = [
        Record(n, AT + timedelta(minutes=n), orjson.dumps(facts_as_json(facts)))
        for n, facts in enumerate(cases)
    ]
    cuts = [0, len(records) if cut_at is None else cut_at, len(records)]
    parts = []
    for first, last in pairwise(cuts):
        test = Backtest(base, tried, LISTS, FACTS, verdicts=judged)
        for start in range(first, last, batch):
            changed = test.take(records[start : min(last, start + batch)])
            test.settle({case: D(case) for case in changed})
        parts.append(test)
    test, later = parts
    # As it comes from another process.
    test.absorb(pickle.loads(pickle.dumps(later.counted())))
    known = {n: Case(n, f"O-{n}", records[n].at, {}, D(n), f"/o/{n}") for n in test.examples()}
    return test.result(known)


def test_orders_newly_held_and_no_longer_held_are_told_apart():
    base = parsed(rule("old", when=[[row("total", "gte", 100)]]))
    tried = parsed(rule("new", when=[[row("total", "lt", 10)]]))

    result = run(base, tried, [{"total": D(5)}, {"total": D(50)}, {"total": D(500)}, {}])

    assert result["decisions"] == 4
    assert result["held"] == {"base": 1, "tried": 1}
    newly, no_longer = result["changed"]["newly_held"], result["changed"]["no_longer_held"]
    assert (newly["count"], newly["amount"]) == (1, "0")
    assert newly["rules"] == [{"from": "", "to": "new", "count": 1}]
    assert (no_longer["count"], no_longer["amount"]) == (1, "2")
    assert no_longer["examples"] == [
        {
            "id": 2,
            "reference": "O-2",
            "url": "/o/2",
            "at": (AT + timedelta(minutes=2)).isoformat(),
            "amount": "2",
            "before": [["rule", "old"]],
            "after": [],
        }
    ]
    assert sum(result["changed"][name]["count"] for name in CLASSES) == 2
    assert result["first_at"] == AT.isoformat()
    assert result["last_at"] == (AT + timedelta(minutes=3)).isoformat()


def test_an_order_held_by_another_rule_is_no_news_of_a_hold():
    result = run(parsed(rule("a")), parsed(rule("b")), [{"paid": True}])

    assert result["changed"]["held_by_other"]["rules"] == [{"from": "a", "to": "b", "count": 1}]
    assert result["changed"]["newly_held"]["count"] == 0
    assert result["held"] == {"base": 1, "tried": 1}


def test_another_route_tag_effect_or_dispatch_is_each_a_class_of_its_own():
    tagging = [{"do": "tag", "tag": "VIP"}, {"do": "effect", "key": "voucher"}]
    base = parsed(rule("lane", layer="allocate"), rule("push", layer="dispatch"))
    tried = parsed(
        rule("lane", layer="allocate", then=[{"do": "assign", "slot": "lane", "value": "fast"}]),
        rule("vip", layer="tag", then=tagging),
    )

    result = run(base, tried, [{"paid": True}, {"paid": False}, {"paid": True}])

    counts = {name: result["changed"][name]["count"] for name in CLASSES}
    assert counts == dict.fromkeys(CLASSES[:3], 0) | dict.fromkeys(CLASSES[3:], 2)
    (route,) = result["routes"]
    assert [example["reference"] for example in route.pop("examples")] == ["O-0", "O-2"]
    assert route == {"slot": "lane", "from": "lane", "to": "fast", "count": 2, "amount": "2"}
    example = result["changed"]["rerouted"]["examples"][0]
    assert example["before"] == [["lane", "lane"], ["dispatch", ""]]
    assert example["after"] == [["lane", "fast"], ["tag", "VIP"], ["effect", "voucher"]]


def test_hits_are_counted_on_both_sides_and_rules_that_never_fire_are_named():
    base = parsed(rule("a"), rule("idle", when=[[row("total", "gt", 10)]]))
    tried = parsed(rule("a", when=[[row("paid", "is_false")]]), rule("off", status="draft"))

    result = run(base, tried, [{"paid": True}, {"paid": False}, {"paid": False}])

    assert result["rules"] == [
        {"key": "a", "name": "rule a", "layer": "intercept", "base": 1, "tried": 2},
        {"key": "idle", "name": "rule idle", "layer": "intercept", "base": 0, "tried": None},
    ]
    assert result["never"] == {"base": ["idle"], "tried": []}


def test_verdicts_estimate_false_blocks_and_leaks_with_their_intervals():
    base = parsed(rule("a", when=[[row("units", "gte", 0)]]))
    tried = parsed(rule("a", when=[[row("units", "gte", 3)]]))
    cases = [{"units": D(n)} for n in range(6)]

    result = run(base, tried, cases, {0: True, 1: True, 2: False, 3: True, 4: False})

    assert result["verdicts"] == {
        "cases": 5,
        "fine": 3,
        "right": 2,
        "false_block": {"base": share(3, 5).as_json(), "tried": share(1, 2).as_json()},
        "leak": {"base": share(0, 2).as_json(), "tried": share(1, 2).as_json()},
    }
    freed = result["changed"]["no_longer_held"]
    assert freed["judged"] == share(3, 3).as_json()
    assert freed["false_block"] == share(2, 3).as_json()


def test_one_case_judged_twice_is_right_when_any_verdict_says_so():
    verdicts = [Verdict(0, "a", True, AT, AT), Verdict(0, "b", False, AT, AT)]
    test = Backtest(Document(), Document(), {}, FACTS, verdicts=verdicts)
    test.take([Record(0, AT, b"{}")])

    result = test.result({})

    assert (result["verdicts"]["fine"], result["verdicts"]["right"]) == (0, 1)


def test_examples_are_bounded_and_counts_are_not():
    result = run(Document(), parsed(rule("a")), [{"paid": True}] * (EXAMPLES + 50), batch=100)

    newly = result["changed"]["newly_held"]
    assert newly["count"] == EXAMPLES + 50
    assert newly["amount"] == str(sum(range(EXAMPLES + 50)))
    assert [example["id"] for example in newly["examples"]] == list(range(EXAMPLES))


def test_facts_that_no_order_had_are_named():
    tried = parsed(rule("a", when=[[row("grade", "eq", "A"), row("units", "gt", 1)]]))

    assert run(Document(), tried, [{"units": D(1)}, {}])["unseen_facts"] == ["grade"]
    assert run(Document(), tried, [{"units": D(1), "grade": "D"}])["unseen_facts"] == []


def test_no_case_at_all_gives_an_empty_result():
    result = run(parsed(rule("a")), parsed(rule("a")), [])

    assert (result["decisions"], result["first_at"], result["sweep"]) == (0, None, None)
    assert result["never"] == {"base": ["a"], "tried": ["a"]}


def test_examples_that_are_gone_are_left_out():
    test = Backtest(Document(), parsed(rule("a")), {}, FACTS)
    test.settle({case: D(1) for case in test.take([Record(7, AT, b'{"paid": true}')])})

    newly = test.result({})["changed"]["newly_held"]

    assert (newly["count"], newly["examples"]) == (1, [])


@pytest.mark.parametrize("remembered", [1, 32_768])
@given(rule_sets(), rule_sets(), st.lists(CASES, max_size=10), st.data())
def test_every_count_is_what_deciding_each_case_anew_gives(remembered, base, tried, cases, data):
    fine = data.draw(st.dictionaries(st.integers(0, 9), st.booleans()))
    cut_at = data.draw(st.integers(0, len(cases)))
    before, backtest_module.REMEMBERED = backtest_module.REMEMBERED, remembered
    try:
        result = run(base, tried, cases, fine, cut_at=cut_at)
    finally:
        backtest_module.REMEMBERED = before

    rules = compile_rules(base, LISTS), compile_rules(tried, LISTS)
    outcomes = [
        tuple(outcome_of(compiled.decide(facts, AT + timedelta(minutes=n))) for compiled in rules)
        for n, facts in enumerate(cases)
    ]
    for name in CLASSES:
        there = [n for n, pair in enumerate(outcomes) if name in classes_of(*pair)]
        found = result["changed"][name]
        assert (found["count"], found["amount"]) == (len(there), str(sum(there)))
        assert [example["id"] for example in found["examples"]] == there
        assert found["judged"]["part"] == len([n for n in there if n in fine])
    for side, place in (("base", 0), ("tried", 1)):
        held = [n for n, pair in enumerate(outcomes) if pair[place].held_by]
        assert result["held"][side] == len(held)
        known = [n for n in held if n in fine]
        expected = share(sum(fine[n] for n in known), len(known)).as_json()
        assert result["verdicts"]["false_block"][side] == expected
        for entry in result["rules"]:
            if entry[side] is not None:
                acted = [pair for pair in outcomes if entry["key"] in pair[place].acted]
                assert entry[side] == len(acted)
    rerouted = [pair for pair in outcomes if "rerouted" in classes_of(*pair)]
    moved = sum(len(set(one.slots) ^ set(other.slots)) > 0 for one, other in rerouted)
    assert moved == result["changed"]["rerouted"]["count"]
    assert run(base, tried, cases, fine, batch=3) == result
