"""Sentences: why an order was held and what a rule does, in both languages."""

from decimal import Decimal

import pytest
from django.utils import translation

from rules.decision import Match
from rules.document import Document
from rules.evaluation import compile_rules
from rules.facts import catalogue
from rules.parsing import parse_document
from rules.sentences import masked, sentence_for_match, sentence_for_rule
from tests.rules.documents import AT, LIVE_FACTS, LIVE_RULE, document, row, rule

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _english():
    with translation.override("en"):
        yield


def read(*rules) -> Document:
    return parse_document(document(*rules), catalogue)


def match(facts, **fields) -> Match:
    found = compile_rules(read(rule("r", **fields))).decide(facts, AT).intercept
    assert found is not None
    return found


def test_a_match_says_what_was_seen():
    found = compile_rules(read(LIVE_RULE)).decide(LIVE_FACTS, AT).intercept
    assert found is not None

    assert sentence_for_match(found) == (
        "Province is “新疆维吾尔自治区” and coupon types: “满299减100”. "
        "Rule “新疆 + 满299减100”: because"
    )
    assert sentence_for_match(Match.from_json(found.as_json())) == sentence_for_match(found)


@pytest.mark.parametrize(
    ("facts", "when", "expected"),
    [
        (
            {"order.grand_total": Decimal("12899.50")},
            row("order.grand_total", "gte", 500),
            "Amount paid is at least 500 yuan (here 12,899.50 yuan)",
        ),
        (
            {"coupon.count": Decimal(5)},
            row("coupon.count", "gte", 4),
            "Number of coupons is at least 4 (here 5)",
        ),
        ({"order.urgent": True}, row("order.urgent", "is_true"), "Urgent: yes"),
        (
            {"order.livestream_room": "austin"},
            row("order.livestream_room", "ne", ""),
            "Livestream room is not empty (here “austin”)",
        ),
        (
            {"goods.skus": frozenset({"A", "B", "C"})},
            row("goods.skus", "has_any", ["C", "X", "A"]),
            "SKUs: “C”, “A”",
        ),
        (
            {"goods.skus": frozenset("ABCDEFGH")},
            row("goods.skus", "has_none", ["X"]),
            "SKUs: none of “X” (here “A”, “B”, “C”, “D”, “E” and 3 more)",
        ),
    ],
)
def test_each_kind_of_row_reads_naturally(facts, when, expected):
    assert sentence_for_match(match(facts, when=[[when]])).startswith(f"{expected}. Rule")


def test_a_missing_fact_that_was_held_against_the_order_is_named():
    found = match({}, when=[[row("coupon.count", "gte", 4)]], on_missing="match")

    assert sentence_for_match(found).startswith(
        "Number of coupons is at least 4 (number of coupons is unknown). Rule"
    )


def test_personal_values_are_masked():
    facts = {"ship_to.phone": "+8613812345678"}
    found = match(facts, when=[[row("ship_to.phone", "contains_text", "138")]])

    sentence = sentence_for_match(found)

    assert "+86****5678" in sentence
    assert "13812345678" not in sentence


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+8613812345678", "+86****5678"),
        ("林婷", "林***"),
        ("浙江省杭州市余杭区文一西路969号", "浙江省杭州***"),
        ("abc", "a***"),
        ("", "***"),
    ],
)
def test_masking_leaves_just_enough(text, expected):
    assert masked(text) == expected


def test_a_rule_is_one_sentence():
    (read_rule,) = read(
        rule(
            "r",
            when=[
                [row("order.grand_total", "between", [100, 299.5]), row("order.urgent", "is_true")],
                [row("goods.temperature_classes", "has_any", ["chilled", "frozen"])],
            ],
            valid_until="2026-06-19T00:00:00+08:00",
        )
    ).rules

    assert sentence_for_rule(read_rule) == (
        "If amount paid is between 100 yuan and 299.50 yuan and urgent: yes, "
        "or temperature classes: any of Chilled, Frozen (goods), "
        "then hold the order as high risk: because. Valid until 06/19/2026 midnight."
    )


@pytest.mark.parametrize(
    ("layer", "then", "expected"),
    [
        (
            "allocate",
            [
                {"do": "assign", "slot": "warehouse", "value": "COLD-1"},
                {"do": "assign", "slot": "lane", "value": "cold_chain"},
            ],
            "set warehouse to COLD-1; set lane to cold_chain",
        ),
        (
            "tag",
            [{"do": "tag", "tag": "VIP"}, {"do": "effect", "key": "voucher"}],
            "add the tag VIP; do voucher once",
        ),
        ("dispatch", [{"do": "dispatch"}], "push to logistics once"),
    ],
)
def test_each_action_has_its_clause(layer, then, expected):
    when = [[row("order.is_paid", "is_true")]]
    (read_rule,) = read(rule("r", layer=layer, then=then, when=when)).rules

    assert sentence_for_rule(read_rule) == f"If paid: yes, then {expected}."


def test_template_text_stays_literal_in_sentences():
    for text in ("{x.__class__}", "{{7*7}}", "%(rule)s", "%s"):
        then = [{"do": "hold", "reason": text, "risk": "low"}]
        when = [[row("order.urgent", "is_true")]]
        found = match({"order.urgent": True}, when=when, then=then, name=text)
        assert sentence_for_match(found) == f"Urgent: yes. Rule “{text}”: {text}"


def test_the_sentence_speaks_chinese():
    with translation.override("zh-hans"):
        (read_rule,) = read(rule("r", when=[[row("order.urgent", "is_true")]])).rules
        sentence = sentence_for_rule(read_rule)

    assert sentence.startswith("若")
    assert "，则挂起订单（高风险：because）。" in sentence
