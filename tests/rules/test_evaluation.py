"""Decisions: the hit policy of each layer, missing facts, windows, waivers, and the oracle."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.conditions import ListSnapshot
from rules.decision import Decision
from rules.document import Action, Document, Row, Rule
from rules.evaluation import compile_rules
from rules.naive import decide_naively
from tests.rules.documents import AT, parsed, row, rule

D = Decimal
PAID = {"paid": True}


def decide(facts, *rules, lists=None, at=AT, waived=frozenset()) -> Decision:
    """The decision, on which the compiled rules and the plain interpreter agree."""
    read = parsed(*rules)
    decision = compile_rules(read, lists).decide(facts, at, waived)
    assert decision == decide_naively(read, facts, at, waived, lists)
    assert Decision.from_json(json.loads(json.dumps(decision.as_json()))) == decision
    return decision


def test_the_first_intercept_holds_and_stops_the_lower_layers():
    decision = decide(
        PAID,
        rule("later", priority=20),
        rule("first", priority=10),
        rule("lane", layer="allocate"),
        rule("vip", layer="tag"),
        rule("push", layer="dispatch"),
    )

    assert decision.intercept is not None
    assert decision.intercept.rule_key == "first"
    assert decision.intercept.rule_name == "rule first"
    assert decision.intercept.actions == (Action("hold", reason="because", risk="high"),)
    assert (decision.slots, decision.tags, decision.effects) == ({}, (), ())
    assert decision.dispatch is False
    assert [match.rule_key for match in decision.matches] == ["first"]


def test_equal_priority_is_settled_by_key():
    decision = decide(PAID, rule("b", priority=1), rule("a", priority=1))

    assert decision.intercept is not None
    assert decision.intercept.rule_key == "a"


def test_each_slot_goes_to_its_first_match():
    def assign(**slots):
        return [{"do": "assign", "slot": slot, "value": value} for slot, value in slots.items()]

    decision = decide(
        PAID,
        rule("special", layer="allocate", priority=1, then=assign(warehouse="COLD-1")),
        rule("usual", layer="allocate", priority=2, then=assign(warehouse="EAST-1", lane="std")),
        rule("late", layer="allocate", priority=3, then=assign(lane="late")),
    )

    assert decision.slots == {"warehouse": ("COLD-1", "special"), "lane": ("std", "usual")}
    assert [match.rule_key for match in decision.matches] == ["special", "usual"]


def test_all_tags_and_effects_collect_and_none_twice():
    tag = [{"do": "tag", "tag": "VIP"}, {"do": "effect", "key": "voucher"}]
    decision = decide(
        PAID,
        rule("a", layer="tag", then=tag),
        rule("b", layer="tag", then=[*tag, {"do": "tag", "tag": "new"}]),
    )

    assert decision.tags == ("VIP", "new")
    assert decision.effects == (("voucher", "a"),)
    assert [match.rule_key for match in decision.matches] == ["a", "b"]


def test_dispatch_happens_once_however_many_rules_match():
    decision = decide(PAID, rule("a", layer="dispatch"), rule("b", layer="dispatch"))

    assert decision.dispatch is True
    assert [match.rule_key for match in decision.matches] == ["a"]


def test_nothing_matches_nothing():
    assert decide({"paid": False}, rule("a"), rule("b", layer="dispatch")) == Decision()
    assert decide({}) == Decision()


@pytest.mark.parametrize("status", ["draft", "shadow", "disabled"])
def test_only_live_rules_act(status):
    assert decide(PAID, rule("a", status=status)) == Decision()


def test_groups_are_alternatives_and_the_first_that_holds_is_named():
    either = [
        [row("province", "eq", "A"), row("units", "gt", 2)],
        [row("units", "gt", 1)],
        [row("units", "gt", 0)],
    ]

    decision = decide({"province": "B", "units": D(3)}, rule("a", when=either))

    assert decision.intercept is not None
    (seen,) = decision.intercept.matched
    assert (seen.fact, seen.op, seen.wanted, seen.seen) == ("units", "gt", "1", "3")
    both = decide({"province": "A", "units": D("3.50")}, rule("a", when=either))
    assert both.intercept is not None
    seen_both = [(matched.fact, matched.seen) for matched in both.intercept.matched]
    assert seen_both == [("province", "A"), ("units", "3.5")]


@pytest.mark.parametrize(
    ("op", "value"), [("eq", 5), ("ne", 5), ("gt", 0), ("not_in", [5]), ("between", [1, 2])]
)
def test_a_row_on_a_missing_fact_is_decided_by_on_missing(op, value):
    when = [[row("units", op, value)]]

    assert decide({}, rule("a", when=when)).intercept is None
    assert decide({"units": None}, rule("a", when=when)).intercept is None
    matched = decide({}, rule("a", when=when, on_missing="match")).intercept
    assert matched is not None
    assert matched.matched[0].seen is None


@pytest.mark.parametrize("on_missing", ["match", "no_match"])
def test_missing_never_outvotes_what_is_known(on_missing):
    failing = [[row("units", "gt", 5), row("paid", "is_true")]]
    holding = [[row("units", "gt", 5)], [row("paid", "is_true")]]

    assert decide({"paid": False}, rule("a", when=failing, on_missing=on_missing)) == Decision()
    assert decide(PAID, rule("a", when=holding, on_missing=on_missing)).intercept is not None


def test_is_missing_asks_for_absence():
    when = [[row("units", "is_missing")]]

    assert decide({}, rule("a", when=when)).intercept is not None
    assert decide({"units": D(0)}, rule("a", when=when)).intercept is None
    assert decide({"units": D(0)}, rule("a", when=when, on_missing="match")).intercept is None


def test_the_window_begins_with_its_start_and_ends_before_its_end():
    window = {"valid_from": "2026-06-18T00:00:00+08:00", "valid_until": "2026-06-19T00:00:00+08:00"}
    start = datetime(2026, 6, 17, 16, tzinfo=UTC)
    end = start + timedelta(days=1)
    tick = timedelta(microseconds=1)

    held = [
        decide(PAID, rule("a", **window), at=at).intercept is not None
        for at in (start - tick, start, end - tick, end)
    ]

    assert held == [False, True, True, False]


def test_a_naive_time_is_refused():
    with pytest.raises(ValueError, match="zone"):
        compile_rules(parsed(rule("a"))).decide(PAID, datetime(2026, 6, 18))


def test_lists_are_asked_by_skeleton_and_expire():
    lists = {"blocklist": ListSnapshot("blocklist", 1, {"+8613800000000": AT + timedelta(hours=1)})}
    when = [[row("remark", "in_list", "blocklist")]]
    facts = {"remark": "+86\u200b 138 0000 ００００"}

    assert decide(facts, rule("a", when=when), lists=lists).intercept is not None
    later = AT + timedelta(hours=1)
    assert decide(facts, rule("a", when=when), lists=lists, at=later).intercept is None


@pytest.mark.parametrize("op", ["in_list", "not_in_list"])
def test_a_list_that_does_not_exist_is_unknown(op):
    when = [[row("remark", op, "gone")]]

    assert decide({"remark": "x"}, rule("a", when=when)).intercept is None
    assert decide({"remark": "x"}, rule("a", when=when, on_missing="match")).intercept is not None


def test_a_waived_match_is_passed_over_until_its_inputs_change():
    rules = [rule("a", priority=1, when=[[row("units", "gt", 2)]]), rule("b", priority=2)]
    facts = {"units": D(3), **PAID}
    first = decide(facts, *rules).intercept
    assert first is not None
    waived = frozenset({("a", first.fingerprint)})

    passed = decide(facts, *rules, waived=waived).intercept
    changed = decide({**facts, "units": D(4)}, *rules, waived=waived).intercept
    same = decide({**facts, "units": D("3.00"), "total": D(9)}, *rules, waived=waived).intercept

    assert passed is not None
    assert changed is not None
    assert same is not None
    assert (passed.rule_key, changed.rule_key, same.rule_key) == ("b", "a", "b")


def test_when_all_intercepts_are_waived_the_order_flows():
    rules = [rule("a"), rule("push", layer="dispatch")]
    held = decide(PAID, *rules).intercept
    assert held is not None

    decision = decide(PAID, *rules, waived=frozenset({("a", held.fingerprint)}))

    assert (decision.intercept, decision.dispatch) == (None, True)


def test_a_fingerprint_is_short_stable_and_of_its_rule():
    one = decide(PAID, rule("a")).intercept
    two = decide(PAID, rule("a", name="renamed")).intercept
    other = decide(PAID, rule("b")).intercept
    assert one is not None
    assert two is not None
    assert other is not None

    assert len(one.fingerprint) == 32
    assert int(one.fingerprint, 16) >= 0
    assert one.fingerprint == two.fingerprint != other.fingerprint


TEXTS = st.sampled_from(["A", "B", "C", "ab", "a b"])
NUMBERS = st.sampled_from([D(0), D(1), D("1.5"), D(2), D(3), D(-1), D("2.000")])
KEYS = st.sampled_from(["blocklist", "empty", "gone"])
MANY_TEXTS = st.lists(TEXTS, min_size=1, max_size=4, unique=True).map(tuple)
MANY_NUMBERS = st.lists(NUMBERS, min_size=1, max_size=4, unique=True).map(tuple)
ROWS = st.one_of(
    st.builds(Row, st.just("paid"), st.sampled_from(["is_true", "is_false", "is_missing"])),
    st.builds(Row, st.just("paid"), st.sampled_from(["eq", "ne"]), st.booleans()),
    st.builds(
        Row,
        st.sampled_from(["units", "total"]),
        st.sampled_from(["eq", "ne", "lt", "lte", "gt", "gte"]),
        NUMBERS,
    ),
    st.builds(
        Row, st.sampled_from(["units", "total"]), st.sampled_from(["in", "not_in"]), MANY_NUMBERS
    ),
    st.builds(
        Row,
        st.just("units"),
        st.just("between"),
        st.tuples(NUMBERS, NUMBERS).map(lambda pair: tuple(sorted(pair))),
    ),
    st.builds(
        Row,
        st.sampled_from(["province", "grade"]),
        st.sampled_from(["eq", "ne", "contains_text"]),
        TEXTS,
    ),
    st.builds(
        Row, st.sampled_from(["province", "grade"]), st.sampled_from(["in", "not_in"]), MANY_TEXTS
    ),
    st.builds(
        Row, st.just("coupons"), st.sampled_from(["has_any", "has_all", "has_none"]), MANY_TEXTS
    ),
    st.builds(
        Row,
        st.sampled_from(["province", "coupons"]),
        st.sampled_from(["in_list", "not_in_list"]),
        KEYS,
    ),
    st.builds(Row, st.sampled_from(["units", "province", "coupons"]), st.just("is_missing")),
)
GROUPS = st.lists(st.lists(ROWS, min_size=1, max_size=5).map(tuple), min_size=1, max_size=3)
ACTIONS = {
    "intercept": st.just((Action("hold", reason="r", risk="low"),)),
    "allocate": st.lists(
        st.builds(
            Action,
            st.just("assign"),
            slot=st.sampled_from(["lane", "courier"]),
            value=st.sampled_from(["x", "y"]),
        ),
        min_size=1,
        max_size=2,
        unique_by=lambda action: action.slot,
    ).map(tuple),
    "tag": st.sampled_from([(Action("tag", tag="t"),), (Action("effect", key="e"),)]),
    "dispatch": st.just((Action("dispatch"),)),
}
MOMENTS = st.sampled_from([AT - timedelta(days=1), AT, AT + timedelta(days=1)])


@st.composite
def rule_sets(draw: st.DrawFn) -> Document:
    """Rule sets over the small catalogue, windows and every status included."""
    rules = []
    for number in range(draw(st.integers(0, 12))):
        layer = draw(st.sampled_from(["intercept", "allocate", "tag", "dispatch"]))
        rules.append(
            Rule(
                key=f"r{number}",
                name=f"rule {number}",
                layer=layer,
                priority=draw(st.integers(0, 3)),
                when=tuple(draw(GROUPS)),
                then=draw(ACTIONS[layer]),
                on_missing=draw(st.sampled_from(["match", "no_match"])),
                status=draw(st.sampled_from(["live", "live", "live", "shadow", "disabled"])),
                valid_from=draw(st.none() | MOMENTS),
                valid_until=draw(st.none() | MOMENTS),
            )
        )
    return Document(tuple(rules))


CASES = st.fixed_dictionaries(
    {},
    optional={
        "paid": st.booleans(),
        "units": NUMBERS,
        "total": NUMBERS,
        "province": TEXTS | st.just(""),
        "grade": TEXTS,
        "coupons": st.frozensets(TEXTS, max_size=4),
    },
)
LISTS = {
    "blocklist": ListSnapshot("blocklist", 1, {"a": None, "ab": AT, "b": AT + timedelta(days=2)}),
    "empty": ListSnapshot("empty", 1, {}),
}


@settings(max_examples=200, deadline=None)
@given(rule_sets(), st.lists(CASES, min_size=1, max_size=5), MOMENTS, st.data())
def test_the_compiled_rules_agree_with_the_plain_interpreter(rules, cases, at, data):
    compiled = compile_rules(rules, LISTS)
    for facts in cases:
        decision = compiled.decide(facts, at)

        assert decision == decide_naively(rules, facts, at, frozenset(), LISTS)
        assert Decision.from_json(json.loads(json.dumps(decision.as_json()))) == decision
        if decision.intercept is not None and data.draw(st.booleans()):
            waived = frozenset({(decision.intercept.rule_key, decision.intercept.fingerprint)})
            assert compiled.decide(facts, at, waived) == decide_naively(
                rules, facts, at, waived, LISTS
            )
        if decision.matches:
            snoozed = frozenset({data.draw(st.sampled_from(decision.matches)).rule_key})
            assert compiled.decide(facts, at, snoozed=snoozed) == decide_naively(
                rules, facts, at, frozenset(), LISTS, snoozed
            )
