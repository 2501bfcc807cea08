"""What became of each rule: the trace agrees with the decision, and says what failed."""

import json
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.conditions import ListSnapshot
from rules.decision import MatchedRow
from rules.document import LAYERS
from rules.evaluation import compile_rules
from rules.trace import OUTCOMES, WHY, TracedRule, trace
from tests.rules.documents import AT, parsed, row, rule
from tests.rules.test_evaluation import CASES, LISTS, rule_sets

D = Decimal
PAID = {"paid": True}
LOOKED_AT = {"blocklist": ListSnapshot("blocklist", 1, {"a": None})}


def traced(facts, *rules, **given) -> dict[str, TracedRule]:
    found = trace(parsed(*rules), facts, AT, given.pop("lists", {}), **given)
    return {one.key: one for one in found}


def told(facts, *rules, **given) -> dict[str, tuple[str, str, str]]:
    return {
        key: (one.outcome, one.why, one.by) for key, one in traced(facts, *rules, **given).items()
    }


def test_a_rule_that_acted_shows_its_rows():
    one = traced({"units": D(3), **PAID}, rule("a", when=[[row("units", "gt", 2)]]))["a"]

    assert (one.outcome, one.why, one.group) == ("matched", "", 0)
    assert one.match is not None
    assert one.match.matched == (MatchedRow("units", "gt", "2", "3"),)
    assert one.failed is None


def test_the_row_that_failed_is_that_of_the_group_that_came_closest():
    when = [
        [row("paid", "is_false"), row("units", "gt", 9)],
        [row("paid", "is_true"), row("units", "gt", 5), row("total", "gt", 5)],
        [row("paid", "is_true"), row("units", "lt", 1)],
    ]

    one = traced({"units": D(3), "total": D(9), **PAID}, rule("a", when=when))["a"]

    assert (one.outcome, one.why, one.group) == ("not_matched", "row_failed", 1)
    assert one.failed == MatchedRow("units", "gt", "5", "3")
    assert one.match is None


def test_equally_close_groups_are_told_by_the_first():
    when = [[row("units", "gt", 5)], [row("units", "lt", 1)]]

    assert traced({"units": D(3)}, rule("a", when=when))["a"].group == 0


def test_a_missing_fact_is_told_and_a_missing_list_too():
    missing = rule("a", when=[[row("units", "gt", 5)]])
    gone = rule("b", when=[[row("province", "in_list", "gone")]])

    found = traced({"province": "A"}, missing, gone)

    assert found["a"].failed == MatchedRow("units", "gt", "5", None)
    assert (found["a"].why, found["b"].why) == ("row_failed", "list_missing")
    assert found["b"].failed == MatchedRow("province", "in_list", "gone", "A")
    permissive = [{**missing, "on_missing": "match"}, {**gone, "on_missing": "match"}]
    assert told({"province": "A"}, *permissive) == {
        "a": ("matched", "", ""),
        "b": ("not_applied", "stopped", "a"),
    }


def test_what_the_first_layer_stops_is_told():
    found = told(
        PAID,
        rule("hold", priority=1),
        rule("later", priority=2),
        rule("lane", layer="allocate"),
        rule("vip", layer="tag", when=[[row("paid", "is_false")]]),
        rule("push", layer="dispatch"),
    )

    assert found == {
        "hold": ("matched", "", ""),
        "later": ("not_applied", "stopped", "hold"),
        "lane": ("not_applied", "stopped", "hold"),
        "vip": ("not_matched", "row_failed", ""),
        "push": ("not_applied", "stopped", "hold"),
    }


def test_a_slot_is_told_with_the_rule_that_took_it():
    def assign(**slots):
        return [{"do": "assign", "slot": slot, "value": value} for slot, value in slots.items()]

    found = traced(
        PAID,
        rule("special", layer="allocate", priority=1, then=assign(warehouse="COLD-1")),
        rule("usual", layer="allocate", priority=2, then=assign(warehouse="EAST-1", lane="std")),
        rule("late", layer="allocate", priority=3, then=assign(lane="l", warehouse="w")),
    )

    assert (found["special"].outcome, found["special"].slots) == ("matched", {})
    assert (found["usual"].outcome, found["usual"].slots) == ("matched", {"warehouse": "special"})
    assert (found["late"].outcome, found["late"].why) == ("not_applied", "slot_taken")
    assert found["late"].slots == {"lane": "usual", "warehouse": "special"}


def test_what_was_done_before_is_not_done_again():
    effect = [{"do": "effect", "key": "voucher"}]
    both = [*effect, {"do": "tag", "tag": "VIP"}]
    rules = [
        rule("a", layer="tag", priority=1, then=effect),
        rule("b", layer="tag", priority=2, then=both),
        rule("c", layer="tag", priority=3, then=both),
        rule("d", layer="dispatch", priority=1),
        rule("e", layer="dispatch", priority=2),
    ]

    assert told(PAID, *rules) == {
        "a": ("matched", "", ""),
        "b": ("matched", "", ""),
        "c": ("matched", "tag_present", "a"),
        "d": ("matched", "", ""),
        "e": ("not_applied", "already_executed", "d"),
    }
    assert told(PAID, *rules, executed=frozenset({"voucher", "dispatch"})) == {
        "a": ("not_applied", "already_executed", ""),
        "b": ("matched", "", ""),
        "c": ("not_applied", "already_executed", ""),
        "d": ("not_applied", "already_executed", ""),
        "e": ("not_applied", "already_executed", "d"),
    }


def test_what_a_person_waived_or_snoozed_is_told():
    rules = [rule("a", priority=1), rule("b", priority=2), rule("c", priority=3)]
    match = traced(PAID, *rules)["a"].match
    assert match is not None

    found = told(
        PAID, *rules, waived=frozenset({("a", match.fingerprint)}), snoozed=frozenset({"b"})
    )

    assert found == {
        "a": ("not_applied", "waived", ""),
        "b": ("not_applied", "snoozed", ""),
        "c": ("matched", "", ""),
    }


def test_what_does_not_act_is_told():
    window = {"valid_from": "2026-07-01T00:00:00+08:00"}
    found = told(
        PAID,
        rule("draft", status="draft"),
        rule("off", status="disabled"),
        rule("later", **window),
        rule("shadow", status="shadow"),
        rule("shadow-off", status="shadow", when=[[row("paid", "is_false")]]),
    )

    assert found == {
        "draft": ("not_applied", "disabled", ""),
        "off": ("not_applied", "disabled", ""),
        "later": ("not_matched", "outside_window", ""),
        "shadow": ("watched", "shadow", ""),
        "shadow-off": ("not_matched", "row_failed", ""),
    }


def test_a_naive_time_is_refused():
    with pytest.raises(ValueError, match="zone"):
        trace(parsed(rule("a")), PAID, AT.replace(tzinfo=None), {})


@settings(max_examples=300, deadline=None)
@given(rule_sets(), CASES, st.sets(st.sampled_from([f"r{n}" for n in range(12)]), max_size=3))
def test_the_rules_traced_as_matched_are_those_of_the_decision(document, facts, snoozed):
    compiled = compile_rules(document, LISTS)
    decision = compiled.decide(facts, AT, snoozed=frozenset(snoozed))
    if decision.intercept is not None:  # and again with the first stop waived
        waived = frozenset({(decision.intercept.rule_key, decision.intercept.fingerprint)})
    else:
        waived = frozenset()

    for given_up in (frozenset(), waived):
        expected = compiled.decide(facts, AT, given_up, frozenset(snoozed))
        found = trace(document, facts, AT, LISTS, waived=given_up, snoozed=snoozed)
        assert [one.match for one in found if one.outcome == "matched"] == list(expected.matches)
        _is_sound(document, found, expected)


def _is_sound(document, found, decision):
    order = sorted(document.rules, key=lambda r: (LAYERS.index(r.layer), r.priority, r.key))
    assert [one.key for one in found] == [one.key for one in order]
    acted = {one.key for one in found if one.outcome == "matched"}
    for one in found:
        assert one.outcome in OUTCOMES
        assert not one.why or one.why in WHY
        assert (one.outcome == "not_matched") == (one.match is None and one.why != "disabled")
        assert (one.failed is None) == (one.why not in ("row_failed", "list_missing"))
        assert not one.by or one.by in acted
        assert set(one.slots.values()) <= acted
        assert json.loads(json.dumps(one.as_json())) == one.as_json()
    if decision.intercept is not None:
        assert all(one.by in ("", decision.intercept.rule_key) for one in found)


@settings(max_examples=200, deadline=None)
@given(rule_sets(), CASES)
def test_the_row_told_is_what_keeps_the_rule_from_matching(document, facts):
    rules = {one.key: one for one in document.rules}
    for one in trace(document, facts, AT, LISTS):
        if one.failed is None or one.group is None:
            continue
        group = rules[one.key].when[one.group]
        names = [(r.fact, r.op) for r in group]
        assert (one.failed.fact, one.failed.op) in names
        alone = replace(
            rules[one.key],
            layer="dispatch",
            status="live",
            valid_from=None,
            valid_until=None,
            when=(tuple(r for r in group if (r.fact, r.op) == (one.failed.fact, one.failed.op)),),
        )
        assert (
            compile_rules(replace(document, rules=(alone,)), LISTS).decide(facts, AT).matches == ()
        )
