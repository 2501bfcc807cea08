"""The conflict proof, kind by kind: found where it is, and not found a step beside it."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import translation

from rules.analysis import Finding, Report, RowPlace, check
from rules.analysis.report import KINDS, LEVEL_OF, LEVELS
from rules.analysis.wording import KIND_LABELS, LEVEL_LABELS, sentence_for_finding
from rules.conditions import ListSnapshot
from rules.evaluation import compile_rules
from rules.facts import Catalogue, Fact, FactType
from rules.parsing import parse_document
from tests.rules.documents import AT, document, row, rule

D = Decimal
FACTS = Catalogue(
    [
        Fact("paid", FactType.BOOL, "paid"),
        Fact("sure", FactType.BOOL, "sure", always=True),
        Fact("units", FactType.NUMBER, "units", whole=True, least=D(1)),
        Fact("hour", FactType.NUMBER, "hour", least=D(0), most=D(24), always=True),
        Fact("total", FactType.MONEY, "total", "yuan"),
        Fact("province", FactType.TEXT, "province", unknown=lambda texts: texts & {"浙江"}),
        Fact("remark", FactType.TEXT, "remark", personal=True),
        Fact("grade", FactType.CHOICE, "grade", choices=(("A", "best"), ("D", "worst"))),
        Fact("channel", FactType.CHOICE, "channel", choices=lambda: [("app", "app")]),
        Fact("coupons", FactType.SET, "coupons"),
        Fact("classes", FactType.SET, "classes", choices=(("cold", "c"), ("warm", "w"))),
    ]
)
LISTS = {
    "block": ListSnapshot("block", 1, {"ab": None, "+8613800000000": None}),
    "empty": ListSnapshot("empty", 1),
    "past": ListSnapshot("past", 1, {"ab": AT - timedelta(days=2), "b": AT - timedelta(days=1)}),
}
DAY = timedelta(days=1)


def report(*rules: dict[str, Any], **options: Any) -> Report:
    found = check(parse_document(document(*rules), FACTS), LISTS, at=AT, catalogue=FACTS, **options)
    assert found.complete
    return found


def kinds(*rules: dict[str, Any], **options: Any) -> list[tuple[str, tuple[str, ...]]]:
    """What is found, apart from gaps, which most small documents have."""
    return [
        (finding.kind, finding.rules)
        for finding in report(*rules, **options).findings
        if finding.kind != "gap"
    ]


def only(kind: str, *rules: dict[str, Any], **options: Any) -> Finding:
    found = [it for it in report(*rules, **options).findings if it.kind == kind]
    assert len(found) == 1
    return found[0]


def lane(key: str, value: str = "", **fields: Any) -> dict[str, Any]:
    then = [{"do": "assign", "slot": "lane", "value": value or key}]
    return rule(key, layer="allocate", then=then, **fields)


CONTRADICTIONS: list[tuple[str, list[dict[str, Any]], str, set[int]]] = [
    ("thresholds cross", [row("total", "lt", 10), row("total", "gte", 10)], "no_match", {0, 1}),
    ("no whole number", [row("units", "gt", 2), row("units", "lt", 3)], "no_match", {0, 1}),
    ("half a unit", [row("units", "eq", 2.5)], "no_match", {0}),
    ("below the least", [row("units", "lt", 1)], "no_match", {0}),
    ("beyond the day", [row("hour", "gt", 24)], "match", {0}),
    ("yes and no", [row("sure", "is_true"), row("sure", "is_false")], "match", {0, 1}),
    ("always there", [row("sure", "is_missing")], "no_match", {0}),
    ("missing and seen", [row("paid", "is_missing"), row("paid", "is_true")], "no_match", {0, 1}),
    ("no choice left", [row("grade", "not_in", ["A", "D"])], "no_match", {0}),
    ("two provinces", [row("province", "eq", "a"), row("province", "eq", "b")], "no_match", {0, 1}),
    (
        "not what it is",
        [row("province", "in", ["a"]), row("province", "ne", "a")],
        "no_match",
        {0, 1},
    ),
    (
        "a text that lacks it",
        [row("province", "eq", "a"), row("province", "contains_text", "b")],
        "no_match",
        {0, 1},
    ),
    (
        "all but one of them",
        [row("coupons", "has_all", ["x", "y"]), row("coupons", "has_none", ["y"])],
        "no_match",
        {0, 1},
    ),
    (
        "none of a closed set",
        [
            row("classes", "has_any", ["cold", "warm"]),
            row("classes", "has_none", ["cold"]),
            row("classes", "has_none", ["warm"]),
        ],
        "no_match",
        {0, 1, 2},
    ),
    (
        "other rows do not matter",
        [
            row("paid", "is_true"),
            row("total", "gt", 5),
            row("total", "lt", 9),
            row("total", "gt", 9),
        ],
        "no_match",
        {2, 3},
    ),
]


@pytest.mark.parametrize(
    ("rows", "on_missing", "least"),
    [case[1:] for case in CONTRADICTIONS],
    ids=[case[0] for case in CONTRADICTIONS],
)
def test_rows_that_cannot_hold_together_are_named_and_no_others(rows, on_missing, least):
    broken = rule("a", when=[rows, [row("paid", "is_true")]], on_missing=on_missing)

    finding = only("contradictory_group", broken)

    assert (finding.level, finding.rules, finding.group) == ("error", ("a",), 0)
    assert finding.rows == tuple(RowPlace("a", 0, number) for number in sorted(least))
    assert kinds(broken) == [("contradictory_group", ("a",))]


@pytest.mark.parametrize(
    ("rows", "on_missing"),
    [
        ([row("total", "lte", 10), row("total", "gte", 10)], "no_match"),
        ([row("total", "gt", 2), row("total", "lt", 3)], "no_match"),
        ([row("total", "lt", 10), row("total", "gte", 10)], "match"),
        ([row("units", "lte", 1)], "no_match"),
        ([row("hour", "gte", 24)], "no_match"),
        ([row("paid", "is_missing"), row("paid", "is_true")], "match"),
        ([row("grade", "not_in", ["A"])], "no_match"),
        ([row("channel", "not_in", ["app", "douyin"])], "no_match"),
        ([row("province", "ne", "a"), row("province", "ne", "b")], "no_match"),
        ([row("province", "eq", "ab"), row("province", "contains_text", "B")], "no_match"),
        ([row("remark", "contains_text", "a"), row("remark", "contains_text", "b")], "no_match"),
        ([row("coupons", "has_any", ["x", "y"]), row("coupons", "has_none", ["y"])], "no_match"),
        ([row("classes", "has_none", ["cold", "warm"])], "no_match"),
    ],
)
def test_rows_that_can_hold_together_are_left_alone(rows, on_missing):
    assert kinds(rule("a", when=[rows], on_missing=on_missing)) == []


def test_a_listed_text_can_always_be_spelt_another_way():
    dodge = [row("remark", "in_list", "block"), row("remark", "ne", "ab")]

    assert kinds(rule("a", when=[dodge])) == []
    listed = rule("a", priority=1, when=[[row("remark", "in_list", "block")]])
    literal = rule("b", priority=2, when=[[row("remark", "eq", "ab")]])
    assert kinds(listed, literal) == [("shadowed", ("b", "a"))]
    other_way = [rule("a", priority=2, when=listed["when"]), literal | {"priority": 1}]
    assert kinds(*other_way) == []


def test_what_rests_on_the_entries_of_a_list_is_a_warning():
    rows = [row("remark", "in_list", "block"), row("remark", "eq", "nobody")]

    finding = only("contradictory_group", rule("a", when=[rows, [row("paid", "is_true")]]))

    assert (finding.level, finding.detail) == ("warning", {"lists": ["block"]})


def test_a_rule_of_contradictions_never_matches():
    rows = [row("total", "lt", 1), row("total", "gt", 1)]
    finding = only("never_matches", rule("a", when=[rows, [row("units", "lt", 1)]]))

    assert (finding.level, finding.rules, finding.witness) == ("error", ("a",), None)
    assert finding.rows == (RowPlace("a", 0, 0), RowPlace("a", 0, 1), RowPlace("a", 1, 0))


BROAD = rule("broad", priority=1, when=[[row("total", "gte", 100)]])
NARROW = rule("narrow", priority=2, when=[[row("total", "gte", 200), row("paid", "is_true")]])


def test_an_intercept_that_an_earlier_one_covers_is_shadowed():
    finding = only("shadowed", BROAD, NARROW)

    assert (finding.level, finding.rules) == ("warning", ("narrow", "broad"))
    assert finding.witness == {"total": "200", "paid": True}
    assert (finding.at, finding.detail["taken_by"]) == (AT, "broad")
    facts, _errors = FACTS.read(finding.witness)
    held = compile_rules(parse_document(document(BROAD, NARROW), FACTS)).decide(facts, AT).intercept
    assert held is not None
    assert held.rule_key == "broad"


@pytest.mark.parametrize(
    "changed",
    [
        {"priority": 0},
        {"when": [[row("total", "gte", 99)]]},
        {"when": [[row("total", "gte", 200)], [row("paid", "is_true")]]},
        {"on_missing": "match"},
        {"layer": "tag", "then": [{"do": "tag", "tag": "x"}], "when": [[row("paid", "is_true")]]},
    ],
)
def test_a_rule_with_orders_of_its_own_is_not_shadowed(changed):
    assert kinds(BROAD, NARROW | changed) == []


def test_several_rules_together_shadow_one_and_as_few_as_do_are_named():
    rules = [
        rule("noise", priority=1, when=[[row("total", "eq", 7)]]),
        rule("low", priority=2, when=[[row("total", "lt", 100)]]),
        rule("high", priority=3, when=[[row("total", "gte", 100)]]),
        rule("both", priority=4, when=[[row("total", "gt", 0)]]),
    ]

    assert ("shadowed", ("both", "low", "high")) in kinds(*rules)
    rules[2] = rule("high", priority=3, when=[[row("total", "gt", 100)]])
    assert kinds(*rules) == []


def test_an_allocate_rule_is_shadowed_slot_by_slot():
    def assign(**slots: str) -> list[dict[str, str]]:
        return [{"do": "assign", "slot": slot, "value": value} for slot, value in slots.items()]

    first = rule("first", layer="allocate", priority=1, then=assign(lane="x"))
    later = rule("later", layer="allocate", priority=2, then=assign(lane="y", courier="z"))

    finding = only("shadowed_slot", first, later)
    assert (finding.rules, finding.slot) == (("later", "first"), "lane")
    assert finding.detail["taken_by"] == "first"
    second = rule("second", layer="allocate", priority=1, then=assign(courier="w"))
    whole = only("shadowed", first, second, later)
    assert whole.rules == ("later", "first", "second")
    assert whole.detail["slots"] == {"lane": ["first"], "courier": ["second"]}
    assert kinds(first, rule("later", layer="allocate", priority=2, then=assign(courier="z"))) == []


def test_a_second_push_to_logistics_is_shadowed():
    push = rule("push", layer="dispatch", priority=1)
    again = rule(
        "again",
        layer="dispatch",
        priority=2,
        when=[[row("paid", "is_true"), row("units", "gt", 1)]],
    )

    assert kinds(push, again) == [("shadowed", ("again", "push"))]


def test_a_tie_is_found_with_the_order_that_proves_it():
    a = lane("a", when=[[row("paid", "is_true")]])
    b = lane("b", when=[[row("total", "gte", 500)]])

    finding = only("equal_priority", a, b)

    assert (finding.level, finding.rules, finding.slot) == ("warning", ("a", "b"), "lane")
    assert finding.detail == {
        "values": {"a": "a", "b": "b"},
        "winner": "a",
        "priority": 100,
        "decides": True,
    }
    assert finding.witness == {"paid": True, "total": "500"}


@pytest.mark.parametrize(
    "changed",
    [
        {"priority": 99},
        {"then": [{"do": "assign", "slot": "lane", "value": "a"}]},
        {"then": [{"do": "assign", "slot": "courier", "value": "b"}]},
        {"when": [[row("paid", "is_false"), row("total", "gte", 500)]]},
        {"status": "draft"},
    ],
)
def test_rules_that_cannot_tie_are_left_alone(changed):
    a = lane("a", when=[[row("paid", "is_true")]])
    b = lane("b", when=[[row("total", "gte", 500)]])

    assert kinds(a, b | changed) == []


def test_a_tie_that_is_always_settled_before_is_only_a_remark():
    a = lane("a", when=[[row("paid", "is_true")]])
    b = lane("b", when=[[row("paid", "is_true"), row("units", "gt", 1)]])
    stop = rule("stop", when=[[row("units", "gt", 1)]])

    finding = only("equal_priority", a, b, stop)

    assert (finding.level, finding.detail["decides"]) == ("info", False)


def test_rules_that_say_the_same_in_other_words_are_duplicates():
    one = rule("one", layer="tag", then=[{"do": "tag", "tag": "x"}])
    other = one | {
        "key": "other",
        "when": [
            [row("paid", "eq", True), row("units", "is_missing")],
            [row("paid", "is_true"), row("units", "gte", 1)],
        ],
    }

    finding = only("duplicate", one, other)
    assert (finding.level, finding.rules) == ("warning", ("other", "one"))
    assert kinds(one, other | {"then": [{"do": "tag", "tag": "y"}]}) == []
    assert kinds(one, other | {"when": [[row("paid", "is_true"), row("units", "gte", 1)]]}) == []


def test_a_duplicate_intercept_is_not_called_shadowed_as_well():
    assert kinds(rule("a"), rule("b")) == [("duplicate", ("b", "a"))]


def test_a_rule_whose_orders_are_all_held_before_is_unreachable():
    stop = rule("stop", when=[[row("paid", "is_true")]])
    vip = rule("vip", layer="tag", when=[[row("paid", "is_true"), row("total", "gt", 5)]])

    finding = only("unreachable", stop, vip)
    assert (finding.level, finding.rules) == ("warning", ("vip", "stop"))
    assert finding.detail["taken_by"] == "stop"
    assert kinds(stop, vip | {"when": [[row("total", "gt", 5)]]}) == []


def test_holds_and_earlier_rules_together_make_a_rule_unreachable():
    stop = rule("stop", when=[[row("total", "lt", 10)]])
    first = lane("first", priority=1, when=[[row("total", "gte", 10)]])
    last = lane("last", priority=2, when=[[row("total", "gt", 0)]])

    assert kinds(stop, first, last) == [("unreachable", ("last", "stop", "first"))]


def test_a_gap_is_an_order_for_which_the_default_is_used():
    rules = [lane("a", when=[[row("sure", "is_true")]])]

    finding = only("gap", *rules)
    assert (finding.level, finding.rules, finding.slot) == ("info", (), "lane")
    assert finding.witness == {"sure": False}
    closed = lane("rest", when=[[row("sure", "is_false")]])
    assert report(*rules, closed).findings == ()
    held = rule("hold", when=[[row("sure", "is_false")]])
    assert report(*rules, held).findings == ()


def test_an_order_that_nothing_pushes_is_a_gap_of_the_last_layer():
    finding = only("gap", rule("push", layer="dispatch"))

    assert (finding.slot, finding.detail) == ("", {"layer": "dispatch"})
    assert report(rule("vip", layer="tag")).findings == ()


@pytest.mark.parametrize(
    ("key", "kind", "level"),
    [
        ("empty", "empty_list", "warning"),
        ("past", "expired_list", "warning"),
        ("gone", "missing_list", "error"),
    ],
)
def test_a_list_that_lists_nothing_is_named_once_and_is_no_contradiction(key, kind, level):
    waits = rule("a", when=[[row("remark", "in_list", key)], [row("coupons", "in_list", key)]])

    finding = only(kind, waits)
    assert (finding.level, finding.rules, finding.detail["list"]) == (level, ("a",), key)
    assert finding.rows == (RowPlace("a", 0, 0), RowPlace("a", 1, 0))
    assert kinds(waits) == [(kind, ("a",))]
    assert kinds(rule("a", when=[[row("remark", "in_list", "block")]])) == []


def test_not_to_be_on_an_empty_list_is_fine():
    assert kinds(rule("a", when=[[row("remark", "not_in_list", "empty")]])) == []


def test_values_that_name_nothing_are_shown():
    wrong = rule("a", when=[[row("province", "in", ["浙江", "浙江省"])]])

    finding = only("unknown_value", wrong)
    assert finding.detail == {"fact": "province", "values": ["浙江"]}
    assert finding.rows == (RowPlace("a", 0, 0),)
    assert kinds(rule("a", when=[[row("province", "eq", "浙江省")]])) == []
    assert kinds(rule("a", when=[[row("province", "contains_text", "浙江")]])) == []


def test_a_rule_whose_window_is_over_takes_no_part():
    over = BROAD | {"valid_until": AT.isoformat()}

    finding = only("window_over", over, NARROW)
    assert (finding.level, finding.rules) == ("warning", ("broad",))
    assert finding.detail == {"ended_at": AT.isoformat()}
    assert kinds(over, NARROW) == [("window_over", ("broad",))]
    last = BROAD | {"valid_until": (AT + DAY).isoformat()}
    assert kinds(last, NARROW | {"valid_until": (AT + DAY).isoformat()}) == [
        ("shadowed", ("narrow", "broad"))
    ]


def test_a_shadow_that_passes_is_none():
    for_a_day = BROAD | {"valid_until": (AT + DAY).isoformat()}

    assert kinds(for_a_day, NARROW) == []


def test_the_witness_holds_at_the_time_it_names():
    start = AT + 3 * DAY
    later = {"valid_from": start.isoformat(), "valid_until": (start + DAY).isoformat()}

    finding = only("equal_priority", lane("a", **later), lane("b"))

    assert finding.at == start


def test_windows_that_never_meet_keep_rules_apart():
    june = {"valid_until": (AT + DAY).isoformat()}
    november = {"valid_from": (AT + DAY).isoformat()}

    tie = only("windows_apart", lane("a", **june), lane("b", **november))
    assert (tie.level, tie.rules, tie.slot) == ("info", ("b", "a"), "lane")
    assert tie.detail["would"] == "equal_priority"
    assert tie.detail["windows"] == {
        "b": [(AT + DAY).isoformat(), None],
        "a": [None, (AT + DAY).isoformat()],
    }
    assert kinds(BROAD | june, NARROW | november) == [("windows_apart", ("narrow", "broad"))]
    assert kinds(BROAD | june, rule("other", **november)) == []


def test_entries_of_a_list_count_as_they_are_now():
    passing = {"block": ListSnapshot("block", 1, {"ab": AT + DAY})}
    doc = parse_document(document(rule("a", when=[[row("remark", "in_list", "block")]])), FACTS)

    assert check(doc, passing, at=AT, catalogue=FACTS).findings == ()
    later = check(doc, passing, at=AT + DAY, catalogue=FACTS)
    assert [finding.kind for finding in later.findings] == ["expired_list"]


def test_only_live_rules_count_and_shadow_ones_when_asked():
    shadow = NARROW | {"status": "shadow"}

    assert kinds(BROAD, shadow) == []
    assert kinds(BROAD, shadow, include_shadow=True) == [("shadowed", ("narrow", "broad"))]
    assert kinds(BROAD, NARROW | {"status": "draft"}, include_shadow=True) == []


def test_the_focus_is_one_rule_and_those_it_shares_orders_with():
    other = rule(
        "other", priority=3, then=[{"do": "hold", "reason": "else"}], when=[[row("units", "gt", 2)]]
    )
    apart = rule("apart", priority=4, when=[[row("total", "lt", 5), row("units", "lt", 2)]])
    rules = [BROAD, NARROW, other, apart]

    found = report(*rules, focus="broad").findings

    assert [(it.kind, it.rules) for it in found] == [
        ("shadowed", ("narrow", "broad")),
        ("overlap", ("broad", "other")),
    ]
    overlap = found[1]
    assert overlap.level == "info"
    assert overlap.detail["winner"] == "broad"
    assert overlap.witness == {"total": "100", "units": "3"}
    assert report(*rules, focus="nobody").findings == ()


def test_a_rule_in_focus_counts_whatever_its_status():
    assert kinds(BROAD, NARROW | {"status": "draft"}, focus="narrow") == [
        ("shadowed", ("narrow", "broad"))
    ]


def test_the_worst_comes_first():
    found = report(BROAD, NARROW, rule("bad", when=[[row("units", "lt", 1)]]), lane("a")).findings

    assert [it.level for it in found] == ["error", "error", "warning", "info"]


def test_a_check_without_time_says_what_it_left_out():
    found = check(
        parse_document(document(BROAD, NARROW), FACTS),
        LISTS,
        at=AT,
        catalogue=FACTS,
        budget_seconds=-1.0,
    )

    assert (found.complete, found.findings) == (False, ())
    assert found.undecided == ("broad", "narrow")


def test_a_proof_that_takes_too_long_is_left_open_and_never_guessed():
    pigeons, holes = range(11), range(10)
    sharing = [
        [row("coupons", "has_all", [f"{one}-{hole}", f"{other}-{hole}"])]
        for hole in holes
        for one in pigeons
        for other in range(one)
    ]
    rules = [
        rule(f"share-{place}", priority=1, when=sharing[place : place + 50])
        for place in range(0, len(sharing), 50)
    ]
    housed = [row("coupons", "has_any", [f"{one}-{hole}" for hole in holes]) for one in pigeons]
    rules.append(rule("housed", priority=2, when=[housed]))

    found = check(
        parse_document(document(*rules, BROAD, NARROW | {"priority": 0}), FACTS),
        LISTS,
        at=AT,
        catalogue=FACTS,
        budget_seconds=1.0,
    )

    assert (found.complete, "housed" in found.undecided) == (False, True)
    assert not any("housed" in finding.rules for finding in found.findings)
    assert found.took_ms < 5_000


def test_a_naive_time_is_refused():
    with pytest.raises(ValueError, match="zone"):
        check(parse_document(document(BROAD), FACTS), {}, at=datetime(2026, 6, 18), catalogue=FACTS)


def test_many_needles_and_elements_do_not_multiply():
    rules = [
        rule(
            f"r{number}",
            priority=number,
            when=[
                [row("remark", "contains_text", f"needle-{number}")],
                [row("coupons", "has_all", [f"c{number}", f"c{number + 1}"])],
            ],
        )
        for number in range(150)
    ]

    assert kinds(*rules) == []


def test_every_kind_has_a_level_a_label_and_a_sentence():
    assert set(KINDS) == set(KIND_LABELS) == set(LEVEL_OF)
    assert set(LEVELS) == set(LEVEL_LABELS)


@pytest.mark.parametrize(
    ("rules", "kind", "sentence"),
    [
        (
            [BROAD, NARROW],
            "shadowed",
            "Rule “rule narrow” never acts: every order it matches is held first by “rule broad”. "
            "Move it up, narrow the others, or remove it.",
        ),
        (
            [lane("a"), lane("b")],
            "equal_priority",
            "Rules “rule a” and “rule b” can match one order at the same priority (100), and want "
            "“a” and “b” for the lane. Only the alphabet of their keys lets “rule a” win. "
            "Give them different priorities.",
        ),
        (
            [lane("a")],
            "gap",
            "There are orders that nothing holds and to which no rule gives the lane, so that "
            "they get the default. If that is not meant, add a rule for the rest.",
        ),
        (
            [rule("a"), rule("b")],
            "duplicate",
            "Rule “rule b” does for the very same orders just what “rule a” does. "
            "Remove one of them.",
        ),
    ],
)
def test_a_finding_says_what_happens_and_what_to_do(rules, kind, sentence):
    with translation.override("en"):
        said = sentence_for_finding(only(kind, *rules), parse_document(document(*rules), FACTS))

    assert said == sentence
