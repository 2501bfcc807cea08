"""The shipped rules catch and route every known case, and nothing that is ordinary."""

from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any

import pytest

from orders.divisions import PROVINCE_TAGS
from orders.intake.addresses import EMBARGO, REMOTE
from rules import lifecycle, live
from rules.conditions import ListSnapshot
from rules.decision import Decision
from rules.evaluation import CompiledRuleSet, compile_rules
from rules.facts import catalogue
from rules.models import ListEntry, RuleSet
from rules.normalization import skeleton
from rules.parsing import parse_document
from rules.starting import load_starter, starter_document, starter_lists
from rules.trace import trace
from tests.rules.documents import AT

ORDINARY: dict[str, Any] = {
    "order.channel": "tmall",
    "order.grand_total": Decimal("199.00"),
    "order.placed_hour": Decimal("14.5"),
    "order.is_paid": True,
    "order.urgent": False,
    "order.presale": False,
    "order.is_gift": False,
    "order.is_child": False,
    "order.line_count": Decimal(1),
    "order.unit_count": Decimal(1),
    "coupon.types": frozenset({"店铺券"}),
    "coupon.count": Decimal(1),
    "goods.skus": frozenset({"TEA-1"}),
    "goods.categories": frozenset({"kitchen"}),
    "goods.temperature_classes": frozenset({"ambient"}),
    "goods.fragile": False,
    "goods.presale": False,
    "goods.high_price": False,
    "ship_to.province": "浙江省",
    "ship_to.address": "浙江省杭州市余杭区文一西路1号",
    "ship_to.street": "文一西路1号",
    "ship_to.phone": "+8613900000000",
    "ship_to.embargoed": False,
    "ship_to.remote": False,
    "ship_to.unparseable": False,
    "customer.external_id": "C-1",
    "customer.employee": False,
    "customer.account_age_hours": Decimal(5000),
    "customer.orders_total": Decimal(2),
    "customer.cancelled_30d": Decimal(0),
    "customer.address_changes_30d": Decimal(0),
    "customer.returns_30d": Decimal(0),
    "customer.crm_grade": "B",
    "customer.return_rate_180d": Decimal("0.05"),
    "customer.sign_for_rate": Decimal("0.97"),
    "stock.shortage": False,
}
STANDARD = {
    "warehouse": "EAST-1",
    "courier": "ZTO",
    "packaging": "carton",
    "print_priority": "5",
    "lane": "standard",
}


ADDED = {
    "blocklist": ["+8613800000000", "C-666", "浙江省杭州市余杭区文一西路969号"],
    "regional_limit_skus": ["MASK-1"],
    "regional_limit_provinces": ["上海市"],
    "presale_skus": ["PRE-1"],
}
LISTS = {
    raw["key"]: ListSnapshot(
        raw["key"],
        1,
        dict.fromkeys(
            skeleton(value)
            for value in [entry["value"] for entry in raw["entries"]] + ADDED.get(raw["key"], [])
        ),
    )
    for raw in starter_lists()
}


@cache
def starter() -> CompiledRuleSet:
    """The shipped rules with a few entries on their lists."""
    return compile_rules(parse_document(starter_document(), catalogue), LISTS)


def decide(**changes: Any) -> Decision:
    """The decision about an ordinary order with these facts changed; None takes one away."""
    facts = ORDINARY | {key.replace("__", "."): value for key, value in changes.items()}
    return starter().decide(facts, AT)


def slots(decision: Decision) -> dict[str, str]:
    return {slot: value for slot, (value, _rule) in decision.slots.items()}


def test_an_ordinary_order_flows_by_the_default_route():
    decision = decide()

    assert decision.intercept is None
    assert slots(decision) == STANDARD
    assert (decision.tags, decision.effects, decision.dispatch) == ((), (), True)


@pytest.mark.parametrize(
    ("rule", "risk", "changes"),
    [
        ("blocklist-phone", "high", {"ship_to__phone": "+86１３８0000\u200b0000"}),
        ("blocklist-customer", "high", {"customer__external_id": "с-666"}),
        (
            "blocklist-address",
            "high",
            {"ship_to__address": "浙江省 杭州市 余杭区 文一西路９６９号"},
        ),
        ("embargo-region", "high", {"ship_to__province": "香港特别行政区"}),
        ("embargo-region", "high", {"ship_to__province": "台湾省"}),
        ("embargo-region", "high", {"ship_to__embargoed": True}),
        (
            "embargo-air-goods",
            "medium",
            {
                "ship_to__province": "西藏自治区",
                "goods__categories": frozenset({"kitchen", "lithium_battery"}),
            },
        ),
        (
            "xinjiang-coupon",
            "high",
            {
                "ship_to__province": "新疆维吾尔自治区",
                "coupon__types": frozenset({"店铺券", "满299减100"}),
            },
        ),
        ("employee-purchase", "medium", {"coupon__types": frozenset({"内购"})}),
        (
            "employee-purchase",
            "medium",
            {"customer__employee": True, "order__unit_count": Decimal(6)},
        ),
        (
            "regional-limit",
            "medium",
            {
                "goods__skus": frozenset({"MASK-1", "TEA-1"}),
                "ship_to__province": "上海市",
                "order__unit_count": Decimal(3),
            },
        ),
        ("too-many-coupons", "medium", {"coupon__count": Decimal(4)}),
        ("coupon-unlinked", "medium", {"stock__coupon_unlinked": True}),
        ("address-unreadable", "medium", {"ship_to__unparseable": True}),
        ("address-changes", "medium", {"customer__address_changes_30d": Decimal(4)}),
        ("price-gap", "low", {"order__price_gap": Decimal("8.00")}),
    ],
)
def test_an_abnormal_order_is_held_for_its_reason(rule, risk, changes):
    decision = decide(**changes)

    assert decision.intercept is not None
    assert decision.intercept.rule_key == rule
    assert decision.intercept.actions[0].risk == risk
    assert (decision.slots, decision.dispatch) == ({}, False)


@pytest.mark.parametrize(
    "changes",
    [
        {"ship_to__province": "新疆维吾尔自治区"},
        {"coupon__types": frozenset({"满299减100"})},
        {"ship_to__province": "西藏自治区"},
        {"goods__categories": frozenset({"liquid"})},
        {"coupon__types": frozenset({"内购"}), "customer__employee": True},
        {"customer__employee": True, "order__unit_count": Decimal(5)},
        {"goods__skus": frozenset({"MASK-1"}), "order__unit_count": Decimal(3)},
        {
            "goods__skus": frozenset({"MASK-1"}),
            "ship_to__province": "上海市",
            "order__unit_count": Decimal(2),
        },
        {"coupon__count": Decimal(3)},
        {"customer__address_changes_30d": Decimal(3)},
        {"customer__address_changes_30d": Decimal(9), "order__is_gift": True},
        {"stock__coupon_unlinked": False},
        {"stock__coupon_unlinked": None},
        {"ship_to__remote": True, "order__grand_total": Decimal(5000)},
        {"order__price_gap": Decimal("7.99")},
        {"ship_to__phone": None, "customer__external_id": None},
    ],
)
def test_what_is_only_half_of_a_case_is_not_held(changes):
    assert decide(**changes).intercept is None


WORST: dict[str, Any] = {
    "customer__crm_grade": "D",
    "customer__return_rate_180d": Decimal("0.3"),
    "customer__sign_for_rate": Decimal("0.79"),
}


def with_fraud_rules() -> CompiledRuleSet:
    """The shipped rules with the pack against fraud switched on."""
    document = parse_document(starter_document(), catalogue)
    rules = [
        replace(rule, status="live") if rule.key.startswith("fraud-") else rule
        for rule in document.rules
    ]
    return CompiledRuleSet(rules, LISTS)


@pytest.mark.parametrize(
    ("rule", "risk", "changes"),
    [
        ("fraud-grade-returns-signing", "high", WORST),
        (
            "fraud-serial-returns",
            "high",
            {
                "customer__crm_grade": "C",
                "customer__returns_30d": Decimal(3),
                "customer__return_rate_180d": Decimal("0.5"),
            },
        ),
        (
            "fraud-rarely-signed",
            "medium",
            {
                "customer__crm_grade": "C",
                "customer__sign_for_rate": Decimal("0.59"),
                "customer__orders_total": Decimal(3),
            },
        ),
        (
            "fraud-cancels-and-returns",
            "medium",
            {
                "customer__crm_grade": "D",
                "customer__cancelled_30d": Decimal(5),
                "customer__return_rate_180d": Decimal("0.2"),
            },
        ),
        (None, "", WORST | {"customer__crm_grade": "B"}),
        (None, "", WORST | {"customer__return_rate_180d": Decimal("0.29")}),
        (None, "", WORST | {"customer__sign_for_rate": Decimal("0.8")}),
        (None, "", WORST | {"customer__sign_for_rate": None}),
        (None, "", WORST | {"customer__return_rate_180d": None}),
    ],
)
def test_the_pack_against_fraud_holds_only_where_it_is_switched_on(rule, risk, changes):
    facts = ORDINARY | {key.replace("__", "."): value for key, value in changes.items()}

    assert decide(**changes).intercept is None
    held = with_fraud_rules().decide(facts, AT).intercept
    assert (held.rule_key if held else None) == rule
    if held is not None:
        assert held.actions[0].risk == risk


def test_the_pack_against_fraud_is_shipped_switched_off():
    rules = {rule["key"]: rule["status"] for rule in starter_document()["rules"]}
    pack = {key: status for key, status in rules.items() if key.startswith("fraud-")}

    assert len(pack) == 4
    assert set(pack.values()) == {"disabled"}


def test_the_remote_rule_only_watches():
    facts = ORDINARY | {"ship_to.remote": True, "order.grand_total": Decimal(2000)}
    traced = trace(parse_document(starter_document(), catalogue), facts, AT, LISTS)

    assert [one.key for one in traced if one.outcome == "watched"] == ["remote-high-value"]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"order__presale": True}, {"lane": "presale"}),
        ({"goods__presale": True}, {"lane": "presale"}),
        ({"goods__skus": frozenset({"PRE-1"})}, {"lane": "presale"}),
        (
            {"goods__temperature_classes": frozenset({"ambient", "frozen"})},
            {
                "lane": "cold_chain",
                "warehouse": "COLD-1",
                "courier": "SF-COLD",
                "packaging": "insulated-box",
            },
        ),
        ({"goods__categories": frozenset({"milk_powder"})}, {"warehouse": "COLD-1"}),
        ({"order__urgent": True}, {"lane": "urgent", "courier": "SF", "print_priority": "0"}),
        ({"order__is_gift": True}, {"lane": "gift", "packaging": "gift-box"}),
        (
            {"order__livestream_room": "austin-1111"},
            {
                "lane": "livestream",
                "packaging": "live-box",
                "print_priority": "1",
                "courier": "JD",
            },
        ),
        ({"goods__fragile": True}, {"lane": "fragile", "packaging": "fragile-box"}),
        (
            {"goods__temperature_classes": frozenset({"chilled"}), "order__urgent": True},
            {
                "lane": "cold_chain",
                "warehouse": "COLD-1",
                "courier": "SF-COLD",
                "packaging": "insulated-box",
                "print_priority": "0",
            },
        ),
        (
            {"order__livestream_room": "austin-1111", "goods__fragile": True},
            {
                "lane": "livestream",
                "packaging": "live-box",
                "print_priority": "1",
                "courier": "JD",
            },
        ),
    ],
)
def test_an_order_that_is_not_ordinary_gets_its_lane(changes, expected):
    decision = decide(**changes)

    assert decision.intercept is None
    assert slots(decision) == STANDARD | expected
    assert decision.dispatch is True


def test_the_milk_powder_order_gets_one_push_one_warehouse_and_one_tag():
    decision = decide(
        order__grand_total=Decimal("536.00"), goods__categories=frozenset({"milk_powder"})
    )

    assert decision.slots["warehouse"] == ("COLD-1", "milk-powder")
    assert decision.tags == ("VIP",)
    assert decision.effects == (("after_sales_voucher", "vip"),)
    assert decision.dispatch is True
    matched = [match.rule_key for match in decision.matches]
    assert matched == ["milk-powder", "default-route", "vip", "push-to-logistics"]


def test_vip_begins_at_500():
    assert decide(order__grand_total=Decimal("500")).tags == ("VIP",)
    assert decide(order__grand_total=Decimal("499.99")).tags == ()


def test_an_unpaid_order_is_not_pushed():
    assert decide(order__is_paid=False).dispatch is False


LENS = {
    "goods__categories": frozenset({"lens"}),
    "goods__high_price": True,
    "customer__account_age_hours": Decimal(6),
    "order__placed_hour": Decimal("2.2"),
}


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, True),
        ({"order__placed_hour": Decimal(2)}, True),
        ({"order__placed_hour": Decimal("3.99")}, True),
        ({"order__placed_hour": Decimal(4)}, False),
        ({"order__placed_hour": Decimal("1.99")}, False),
        ({"customer__account_age_hours": Decimal(24)}, False),
        ({"customer__account_age_hours": None}, False),
        ({"goods__high_price": False}, False),
        ({"goods__categories": frozenset({"bags"})}, False),
    ],
)
def test_a_new_account_buying_a_dear_lens_at_night_is_asked_for_insurance(changes, asked):
    decision = decide(**LENS | changes)

    assert decision.intercept is None
    effects = (("freight_insurance_request", "small-hours-lens"),) if asked else ()
    assert decision.effects == effects


@pytest.mark.django_db
def test_loading_publishes_once_and_then_changes_nothing():
    published = load_starter("system")
    assert published is not None
    entries = ListEntry.objects.count()

    assert load_starter("system") is None

    assert live.current().version == published.version == 1
    assert RuleSet.objects.count() == 1
    assert ListEntry.objects.count() == entries == 11


@pytest.mark.django_db
def test_loading_leaves_what_people_put_on_a_list():
    reference_list = lifecycle.create_list("blocklist", "ours", "user:ops")
    lifecycle.add_list_entries(reference_list, ["C-1"], "user:ops")

    load_starter("system")

    reference_list.refresh_from_db()
    assert (reference_list.name, reference_list.version) == ("ours", 1)


def test_every_list_that_rules_or_facts_name_is_shipped_and_no_other():
    document = parse_document(starter_document(), catalogue)

    named = live.lists_named_by(document) | {EMBARGO, REMOTE}
    assert named == {raw["key"] for raw in starter_lists()}


def test_the_remote_regions_are_those_that_the_divisions_call_remote():
    (remote,) = [raw for raw in starter_lists() if raw["key"] == REMOTE]

    expected = {name for name, tags in PROVINCE_TAGS.items() if "remote" in tags}
    assert {entry["value"] for entry in remote["entries"]} == expected


def test_the_default_catches_even_an_order_of_which_nothing_is_known():
    decision = starter().decide({}, AT)

    assert slots(decision) == STANDARD
    assert decision.dispatch is False
