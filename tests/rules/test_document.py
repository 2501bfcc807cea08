"""The document form: read exactly, refused with every error and its path."""

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import pytest

from rules.document import Document
from rules.parsing import load_json, parse_document, parse_rule
from rules.problems import DocumentInvalid
from tests.rules.documents import FACTS, document, parsed, row, rule

LIST = "blocklist"


def mistakes(raw: object, known_lists=None) -> list[tuple[str, str]]:
    """(path, code) of every error."""
    with pytest.raises(DocumentInvalid) as caught:
        parse_document(raw, FACTS, known_lists)
    return [(error.path, error.code) for error in caught.value.errors]


def test_a_document_survives_reading_and_writing():
    raw = document(
        rule(
            "a",
            priority=7,
            when=[
                [row("province", "in", ["新疆维吾尔自治区"]), row("coupons", "has_any", ["内购"])],
                [row("units", "between", [2, 4.5]), row("total", "gte", 500)],
                [row("paid", "is_false"), row("paid", "eq", True), row("grade", "ne", "D")],
                [row("remark", "in_list", LIST), row("remark", "is_missing")],
                [row("province", "ne", "")],
            ],
            on_missing="match",
            status="shadow",
            valid_from="2026-06-01T00:00:00+08:00",
            valid_until="2026-06-19T00:00:00+08:00",
        ),
        rule(
            "b",
            priority=100,
            layer="allocate",
            then=[
                {"do": "assign", "slot": "warehouse", "value": "COLD-1"},
                {"do": "assign", "slot": "print_priority", "value": "0"},
            ],
            on_missing="no_match",
            status="live",
            valid_from=None,
            valid_until=None,
        ),
    )

    read = parse_document(raw, FACTS)

    assert read.as_json() == raw
    assert parse_document(json.loads(json.dumps(read.as_json())), FACTS) == read
    first = read.rules[0]
    assert first.when[1][0].value == (Decimal(2), Decimal("4.5"))
    assert first.valid_from == datetime(2026, 6, 1, tzinfo=timezone(timedelta(hours=8)))


def test_what_is_left_out_has_a_default():
    (read,) = parsed(rule("a")).rules

    assert (read.priority, read.on_missing, read.status) == (100, "no_match", "live")
    assert (read.valid_from, read.valid_until) == (None, None)


def test_exact_numbers_stay_exact():
    raw = document(rule("a", when=[[row("total", "eq", "0.100000000000000001")]]))

    # Twelve decimal places are enough for money; more is refused rather than rounded.
    assert mistakes(raw) == [("rules[0].when[0][0].value", "wrong_type")]
    (read,) = parsed(rule("a", when=[[row("total", "eq", "0.1")]])).rules
    assert read.when[0][0].value == Decimal("0.1")


def test_values_named_twice_count_once():
    (read,) = parsed(rule("a", when=[[row("units", "in", [1, "1.0", 2])]])).rules

    assert read.when[0][0].value == (Decimal(1), Decimal(2))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"when": [[row("nope", "eq", 1)]]}, ("when[0][0].fact", "unknown_fact")),
        ({"when": [[row("paid", "like", 1)]]}, ("when[0][0].op", "unknown_operator")),
        ({"when": [[row("paid", "gt", 1)]]}, ("when[0][0].op", "operator_does_not_fit")),
        ({"when": [[row("coupons", "eq", "a")]]}, ("when[0][0].op", "operator_does_not_fit")),
        ({"when": [[row("units", "between", [4, 2])]]}, ("when[0][0].value", "between_reversed")),
        ({"when": [[row("units", "between", [4])]]}, ("when[0][0].value", "bad_range")),
        ({"when": [[row("units", "gt", "many")]]}, ("when[0][0].value", "wrong_type")),
        ({"when": [[row("units", "gt", True)]]}, ("when[0][0].value", "wrong_type")),
        ({"when": [[row("units", "gt", "１２")]]}, ("when[0][0].value", "wrong_type")),
        ({"when": [[row("units", "gt")]]}, ("when[0][0].value", "missing_field")),
        ({"when": [[row("paid", "is_true", True)]]}, ("when[0][0].value", "unexpected_value")),
        ({"when": [[row("paid", "eq", "true")]]}, ("when[0][0].value", "wrong_type")),
        ({"when": [[row("coupons", "has_any", [])]]}, ("when[0][0].value", "no_values")),
        ({"when": [[row("coupons", "has_any", "a")]]}, ("when[0][0].value", "wrong_type")),
        (
            {"when": [[row("coupons", "has_any", [str(n) for n in range(1001)])]]},
            ("when[0][0].value", "too_many_values"),
        ),
        ({"when": [[row("coupons", "has_any", ["a", ""])]]}, ("when[0][0].value[1]", "blank")),
        (
            {"when": [[row("province", "eq", "浙江\u200b省")]]},
            ("when[0][0].value", "invisible"),
        ),
        ({"when": [[row("province", "eq", "x" * 501)]]}, ("when[0][0].value", "too_long")),
        ({"when": [[row("province", "eq", "\ud800")]]}, ("when[0][0].value", "invisible")),
        ({"when": [[row("remark", "contains_text", "")]]}, ("when[0][0].value", "blank")),
        ({"when": [[row("grade", "eq", "Z")]]}, ("when[0][0].value", "unknown_choice")),
        ({"when": [[row("province", "in_list", "No List")]]}, ("when[0][0].value", "bad_key")),
        ({"when": [[row("province", "in_list", "other")]]}, ("when[0][0].value", "unknown_list")),
        ({"when": [[{"fact": "paid"}]]}, ("when[0][0].op", "missing_field")),
        (
            {"when": [[row("paid", "is_true") | {"not": True}]]},
            ("when[0][0].not", "unknown_field"),
        ),
        ({"when": [["paid"]]}, ("when[0][0]", "wrong_type")),
        ({"when": []}, ("when", "no_groups")),
        ({"when": [[]]}, ("when[0]", "empty_group")),
        ({"when": "paid"}, ("when", "wrong_type")),
        ({"when": [[row("paid", "is_true")]] * 51}, ("when", "too_many_groups")),
        ({"when": [[row("paid", "is_true")] * 51]}, ("when[0]", "too_many_rows")),
        ({"then": []}, ("then", "no_actions")),
        ({"then": [{"do": "fly"}]}, ("then[0].do", "unknown_action")),
        ({"then": [{"do": ["hold"]}]}, ("then[0].do", "unknown_action")),
        ({"then": ["hold"]}, ("then[0]", "wrong_type")),
        ({"then": [{"do": "hold"}]}, ("then[0].reason", "missing_field")),
        ({"then": [{"do": "hold", "reason": " "}]}, ("then[0].reason", "blank")),
        (
            {"then": [{"do": "hold", "reason": "r", "risk": "huge"}]},
            ("then[0].risk", "bad_choice"),
        ),
        ({"then": [{"do": "tag", "tag": "VIP"}]}, ("then[0].do", "action_not_allowed")),
        (
            {"layer": "allocate", "then": [{"do": "assign", "slot": "colour", "value": "x"}]},
            ("then[0].slot", "unknown_slot"),
        ),
        (
            {
                "layer": "allocate",
                "then": [{"do": "assign", "slot": "print_priority", "value": "soon"}],
            },
            ("then[0].value", "bad_number"),
        ),
        (
            {
                "layer": "allocate",
                "then": [
                    {"do": "assign", "slot": "lane", "value": "a"},
                    {"do": "assign", "slot": "lane", "value": "b"},
                ],
            },
            ("then[1]", "duplicate_action"),
        ),
        (
            {"layer": "tag", "then": [{"do": "effect", "key": "Send it!"}]},
            ("then[0].key", "bad_key"),
        ),
        ({"layer": "nowhere"}, ("layer", "unknown_layer")),
        ({"key": "Über"}, ("key", "bad_key")),
        ({"key": "x" * 65}, ("key", "bad_key")),
        ({"name": "a\u202eb"}, ("name", "invisible")),
        ({"name": 5}, ("name", "wrong_type")),
        ({"priority": -1}, ("priority", "bad_number")),
        ({"priority": True}, ("priority", "bad_number")),
        ({"priority": 1.5}, ("priority", "bad_number")),
        ({"on_missing": "maybe"}, ("on_missing", "bad_choice")),
        ({"status": "active"}, ("status", "unknown_status")),
        ({"valid_from": "2026-06-18T00:00:00"}, ("valid_from", "naive_time")),
        ({"valid_from": "yesterday"}, ("valid_from", "bad_time")),
        ({"valid_from": 5}, ("valid_from", "bad_time")),
        (
            {
                "valid_from": "2026-06-18T00:00:00+08:00",
                "valid_until": "2026-06-17T16:00:00Z",
            },
            ("valid_until", "window_reversed"),
        ),
        ({"pirority": 5}, ("pirority", "unknown_field")),
    ],
)
def test_each_mistake_has_its_path(changes, expected):
    path, code = expected

    assert mistakes(document(rule("ok"), rule("bad") | changes), {LIST}) == [
        (f"rules[1].{path}", code)
    ]


def test_every_mistake_is_reported_at_once():
    raw = document(
        rule("a", when=[[row("nope", "eq", 1), row("units", "between", [2, 1])]]),
        rule("a", status="?"),
        {"key": "c"},
        "not a rule",
    )

    assert mistakes(raw) == [
        ("rules[0].when[0][0].fact", "unknown_fact"),
        ("rules[0].when[0][1].value", "between_reversed"),
        ("rules[1].status", "unknown_status"),
        ("rules[1].key", "duplicate_key"),
        ("rules[2].name", "missing_field"),
        ("rules[2].layer", "missing_field"),
        ("rules[2].when", "missing_field"),
        ("rules[2].then", "missing_field"),
        ("rules[3]", "wrong_type"),
    ]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ([], ("", "wrong_type")),
        (None, ("", "wrong_type")),
        ({}, ("rules", "missing_field")),
        ({"rules": {}}, ("rules", "wrong_type")),
        ({"rules": [], "extra": 1}, ("extra", "unknown_field")),
        ({"rules": [None] * 5001}, ("rules", "too_many_rules")),
    ],
)
def test_a_document_of_another_shape_is_refused(raw, expected):
    assert mistakes(raw) == [expected]


def test_hostile_text_is_repeated_in_one_harmless_line():
    with pytest.raises(DocumentInvalid) as caught:
        parse_document(document(rule("a", when=[[row("x\r\n\x1b[31m" * 99, "eq", 1)]])), FACTS)

    (error,) = caught.value.errors
    assert "\n" not in error.message
    assert "\x1b" not in error.message
    assert len(error.message) < 120


def test_template_text_stays_literal():
    for text in ("{x.__class__}", "{{7*7}}", "%(name)s", "${HOME}"):
        (read,) = parsed(
            rule("a", name=text, then=[{"do": "hold", "reason": text, "risk": "low"}])
        ).rules
        assert (read.name, read.then[0].reason) == (text, text)


def test_a_rule_alone_has_paths_of_its_own():
    with pytest.raises(DocumentInvalid) as caught:
        parse_rule(rule("a", when=[[row("nope", "eq", 1)]]), FACTS)

    assert [error.path for error in caught.value.errors] == ["when[0][0].fact"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"rules": [], "rules": []}',
        '{"rules": [NaN]}',
        '{"rules": ' + "[" * 100_000,
        b"\xff\xfe\x00",
        '{"rules": [' + "9" * 10_000 + "]}",
    ],
)
def test_unreadable_json_is_refused(text):
    with pytest.raises(DocumentInvalid) as caught:
        load_json(text)

    assert [error.code for error in caught.value.errors] == ["bad_json"]


def test_an_empty_document_is_a_document():
    assert parse_document({"rules": []}, FACTS) == Document()
