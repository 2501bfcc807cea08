"""Sentences of a trace: what failed and with which value, and what stood in the way."""

from decimal import Decimal

import pytest
from django.utils import translation

from orders.models import Channel
from rules import labels
from rules.conditions import ListSnapshot
from rules.facts import catalogue
from rules.parsing import parse_document
from rules.sentences import sentence_for_rule
from rules.trace import trace
from rules.trace_sentences import trace_sentences
from tests.rules.documents import AT, document, row, rule

pytestmark = pytest.mark.django_db

PAID = {"order.is_paid": True}
IS_PAID = [[row("order.is_paid", "is_true")]]


@pytest.fixture(autouse=True)
def _english():
    with translation.override("en"):
        yield


def told(facts, *rules, lists=None, **given) -> dict[str, str]:
    read = parse_document(document(*rules), catalogue)
    traced = trace(read, facts, AT, lists or {}, **given)
    keys = [one.key for one in traced]
    return dict(zip(keys, trace_sentences(traced), strict=True))


def one_told(facts, when, **fields) -> str:
    return told(facts, rule("a", when=[when], **fields))["a"]


def test_the_failed_row_is_told_with_the_value_seen():
    said = one_told(
        {"order.grand_total": Decimal("299.00"), **PAID},
        [row("order.is_paid", "is_true"), row("order.grand_total", "gte", 500)],
    )

    assert said == (
        "Not matched: “amount paid is at least 500 yuan” is not met; the value here is 299 yuan."
    )


@pytest.mark.parametrize(
    ("facts", "when", "expected"),
    [
        (
            {"order.is_paid": False},
            row("order.is_paid", "is_true"),
            "Not matched: “paid: yes” is not met; the value here is no.",
        ),
        (
            {"goods.skus": frozenset()},
            row("goods.skus", "has_any", ["A"]),
            "Not matched: “SKUs: “A”” is not met; the value here is nothing.",
        ),
        (
            {"order.placed_weekday": "3"},
            row("order.placed_weekday", "in", ["6", "7"]),
            "Not matched: “weekday when placed is one of Saturday, Sunday” is not met;"
            " the value here is Wednesday.",
        ),
        (
            {},
            row("order.grand_total", "gte", 500),
            "Not matched: “amount paid is at least 500 yuan” is not met; the value is unknown,"
            " and this rule takes an unknown value as not holding.",
        ),
        (
            {"ship_to.province": "浙江省"},
            row("ship_to.province", "in_list", "gone"),
            "Not matched: “province is on the list “gone”” cannot be answered, for there is no"
            " such list.",
        ),
    ],
)
def test_each_way_to_fail(facts, when, expected):
    assert one_told(facts, [when]) == expected


def test_personal_values_are_masked_wherever_they_stand():
    phone = "+8613812345678"
    lists = {"blocklist": ListSnapshot("blocklist", 1, {phone: None})}
    facts = {"ship_to.phone": phone, "ship_to.name": "欧阳娜娜", **PAID}

    found = told(
        facts,
        rule("listed", when=[[row("ship_to.phone", "in_list", "blocklist")]]),
        rule("failed", when=[[row("ship_to.name", "eq", "司马相如")]]),
        rule("failed-phone", when=[[row("ship_to.phone", "eq", "+8613900000000")]]),
        lists=lists,
    )

    for sentence in found.values():
        for secret in (phone, "欧阳娜娜", "司马相如", "+8613900000000"):
            assert secret not in sentence
    assert "+86****5678" in found["listed"]


def test_what_stood_in_the_way_is_named():
    assign = [{"do": "assign", "slot": "warehouse", "value": "w"}]
    found = told(
        PAID,
        rule("cold", name="Cold chain", layer="allocate", priority=1, when=IS_PAID, then=assign),
        rule("usual", layer="allocate", priority=2, when=IS_PAID, then=assign),
        rule("vip", layer="tag", when=IS_PAID, then=[{"do": "effect", "key": "voucher"}]),
        rule("push", name="Push", layer="dispatch", priority=1, when=IS_PAID),
        rule("again", layer="dispatch", priority=2, when=IS_PAID),
        rule("off", status="disabled", when=IS_PAID),
        rule("draft", status="draft", when=IS_PAID),
        rule("watch", status="shadow", when=IS_PAID),
        rule("later", valid_from="2027-01-01T00:00:00+08:00", when=IS_PAID),
        rule("asleep", when=IS_PAID),
        snoozed=frozenset({"asleep"}),
        executed=frozenset({"voucher"}),
    )

    assert found == {
        "asleep": "Matched, but not applied: it is snoozed for this customer. Paid: yes.",
        "draft": "A draft: it does not act.",
        "later": "Not matched: the time lies outside its validity.",
        "off": "Switched off.",
        "watch": "Only watching: it would have acted. Paid: yes.",
        "cold": "Matched. Paid: yes.",
        "usual": (
            "Matched, but not applied. Warehouse: taken by rule “Cold chain” before. Paid: yes."
        ),
        "vip": (
            "Matched, but not applied: it was executed already, and is done once only. Paid: yes."
        ),
        "push": "Matched. Paid: yes.",
        "again": (
            "Matched, but not applied: rule “Push” does the same, and it is done once only."
            " Paid: yes."
        ),
    }


def test_a_rule_that_was_stopped_names_what_stopped_it():
    found = told(PAID, rule("a", name="Blocked", when=IS_PAID), rule("b", when=IS_PAID))

    assert found["b"] == (
        "Matched, but not applied: rule “Blocked” in layer 1 held the order and stopped all"
        " others. Paid: yes."
    )


def test_an_unknown_value_that_counts_as_holding_is_said():
    said = one_told({}, [row("coupon.count", "gte", 4)], on_missing="match")

    assert said == (
        "Matched. Number of coupons is at least 4 (number of coupons is unknown)."
        " A condition on an unknown value counts as holding."
    )


def test_a_rule_says_how_it_takes_unknown_values_where_that_can_happen():
    def sentence(fact: str, op: str, value=None, **fields):
        read = parse_document(
            document(rule("a", when=[[row(fact, op, value)]], **fields)), catalogue
        )
        return sentence_for_rule(read.rules[0])

    said = "A condition on an unknown value counts as holding."
    assert said in sentence("order.discount_share", "gte", 1, on_missing="match")
    assert said in sentence("ship_to.province", "in_list", "blocklist", on_missing="match")
    assert said not in sentence("order.discount_share", "gte", 1)
    assert said not in sentence("order.line_count", "gte", 1, on_missing="match")


def test_labels_of_the_database_are_shown_and_asked_for_once(django_assert_num_queries):
    Channel.objects.create(code="douyin", name="抖音")
    rules = [
        rule(f"r{number}", when=[[row("order.channel", "eq", "tmall")]]) for number in range(20)
    ]

    with django_assert_num_queries(1):
        found = told({"order.channel": "douyin"}, *rules)

    assert "the value here is 抖音." in found["r3"]
    assert "sales channel is “tmall”" in found["r3"]
    labels.forget_labels()
    Channel.objects.filter(code="douyin").update(name="Douyin")
    assert "the value here is Douyin." in told({"order.channel": "douyin"}, *rules)["r3"]
