"""What a rule met among the latest orders, and what it would change: numbers that are exact."""

from typing import Any

import pytest
from django.urls import reverse

from orders.actors import Actor
from orders.lifecycle.placing import place_order
from rules import lifecycle, recent
from rules.facts import catalogue
from rules.live import load_lists
from rules.models import RuleSet
from rules.naive import decide_naively
from rules.parsing import parse_document, parse_rule
from rules.preview import Effect, preview_rule, row_hits
from rules.unfinished import read_unfinished
from tests.factories import make_world, order_document
from tests.rules.documents import LIVE_RULE, document, row, rule
from tests.rules.test_admin import COUPON, HOSTILE, PROVINCE, as_, form

pytestmark = pytest.mark.django_db
SHOP = Actor("key:shop", "shop")
XINJIANG = {"province": "新疆维吾尔自治区", "city": "乌鲁木齐市", "district": "天山区"}
MAN299 = [{"code": "MAN299", "type": "满299减100", "discount": "100.00"}]
FAR = rule("far", when=[[row("ship_to.province", "in", ["新疆维吾尔自治区"])]])
LANE = rule(
    "lane",
    layer="allocate",
    when=[[row("ship_to.province", "in", ["浙江省"])]],
    then=[{"do": "assign", "slot": "lane", "value": "fast"}],
)


@pytest.fixture
def past() -> None:
    """Six orders: two of 新疆 with the coupon, one without, three of 浙江; and two live rules."""
    make_world()
    live = lifecycle.import_document(document(LIVE_RULE, LANE), "system")
    lifecycle.publish(live, "system")
    for number in range(6):
        changes: dict[str, Any] = {"lines": [("TEA-1", 4, "99.00")]}
        if number < 3:
            changes["ship_to"] = XINJIANG
        if number < 2:
            changes["coupons"] = MAN299
        placed = place_order(order_document(f"P-{number}", **changes), actor=SHOP)
        assert not placed.errors, placed.errors
    recent.forget()


def seen(raw: dict[str, Any]) -> Any:
    parsed = parse_rule(raw, catalogue)
    return preview_rule(parsed, load_lists(parse_document({"rules": [raw]}, catalogue)))


def preview(*rows: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """What the form's script is answered."""
    response = as_("operations").post(reverse("admin:rules_rule_preview"), form(*rows, **fields))
    assert response.status_code == 200
    answer: dict[str, Any] = response.json()
    return answer


def test_matches_are_counted_in_all_and_by_group(past):
    found = seen(
        rule(
            when=[
                [row("ship_to.province", "in", ["新疆维吾尔自治区"])],
                [row("order.grand_total", "gt", 300), row("coupon.types", "has_none", ["x"])],
                [row("ship_to.province", "eq", "广东省")],
            ]
        )
    )

    assert (found.cases, found.matched, found.groups) == (6, 6, (3, 4, 0))
    assert found.held_already == 2


def test_a_rule_that_holds_more_says_how_many(past):
    found = seen(FAR)

    assert found.effect == Effect(newly_held=1)
    assert (found.matched, found.held_already, found.live_version) == (3, 2, 1)
    assert [(each.case.reference, each.is_changed) for each in found.examples] == [
        ("P-2", True),
        ("P-1", False),
        ("P-0", False),
    ]
    assert found.examples[1].held_by.rule_key == "xinjiang-coupon"
    assert found.examples[0].held_by is None


def test_a_live_rule_written_anew_takes_its_own_place(past):
    narrower = LIVE_RULE | {"when": [[*LIVE_RULE["when"][0], row("order.grand_total", "gt", 9999)]]}

    assert seen(narrower).effect == Effect(no_longer_held=2)
    assert seen(LIVE_RULE).effect == Effect()


def test_other_routes_and_marks_are_counted(past):
    slower = LANE | {"then": [{"do": "assign", "slot": "lane", "value": "slow"}]}
    tag = rule("t", layer="tag", when=[[row("ship_to.province", "in", ["浙江省"])]])

    assert seen(slower).effect == Effect(rerouted=3)
    assert seen(tag).effect == Effect(marked=3)


def test_a_rule_is_counted_as_if_it_were_live_and_valid(past):
    waiting = FAR | {"status": "disabled", "valid_from": "2999-01-01T00:00:00+08:00"}

    assert seen(waiting).effect == Effect(newly_held=1)
    assert seen(waiting).matched == 3


def test_the_preview_agrees_with_the_plain_interpreter(past):
    lifecycle.create_list("c", "c", "system")
    lifecycle.add_list_entries(lifecycle.create_list("c", "c", "system"), ["TEA-1"], "system")
    rows = [
        row("ship_to.province", "ne", "浙江省"),
        row("goods.skus", "in_list", "c"),
        row("customer.crm_grade", "is_missing"),
        row("order.livestream_room", "contains_text", "x"),
        row("order.price_gap", "gt", 1),
    ]
    for on_missing in ("match", "no_match"):
        for each in rows:
            raw = rule("one", when=[[each]], on_missing=on_missing)
            parsed = parse_document({"rules": [raw]}, catalogue)
            lists = load_lists(parsed)
            now = recent.recent_cases()
            wanted = sum(
                decide_naively(parsed, facts, case.at, lists=lists).intercept is not None
                for case, facts in zip(now.cases, now.facts, strict=True)
            )
            permissive = on_missing == "match"
            hits = row_hits(parsed.rules[0].when[0][0], permissive=permissive, lists=lists)
            assert (hits, seen(raw).matched) == (wanted, wanted)


def test_a_case_that_arrives_is_seen_within_seconds_only(past):
    assert seen(FAR).cases == 6
    place_order(order_document("LATE-1"), actor=SHOP)

    assert seen(FAR).cases == 6
    recent.forget()
    assert seen(FAR).cases == 7


# --- the answer to the form ---------------------------------------------------------------------


def test_the_form_is_told_in_words(past):
    answer = preview(PROVINCE, COUPON, key="far-2")

    assert answer["sentence"] == (
        "If province is one of “新疆维吾尔自治区”, “西藏自治区” and coupon types: “满299减100”, "
        "then hold the order as high risk: because."
    )
    assert answer["summary"] == "Matches 2 of the last 6 orders"
    assert answer["share"] == 33.33
    assert answer["lines"] == [
        "2 of them are held today already",
        "No order would go another way than with the live rules",
    ]
    assert answer["rows"] == {"0": "alone: 3 orders", "1": "alone: 2 orders"}
    assert answer["groups"] == ["2 orders"]
    assert (answer["errors"], answer["missing"]) == ({}, [])
    example = answer["examples"][0]
    assert (example["reference"], example["amount"]) == ("P-1", "¥296.00")
    assert example["why"] == "Province is “新疆维吾尔自治区” and coupon types: “满299减100”"
    assert example["note"] == "Held today by “新疆 + 满299减100”."
    assert example["url"].startswith("/admin/orders/order/")


def test_a_rule_under_way_is_counted_before_it_has_a_name(past):
    answer = preview(PROVINCE, name="", key="", priority="", actions=[])

    assert answer["summary"] == "Matches 3 of the last 6 orders"
    assert answer["sentence"] == (
        "If province is one of “新疆维吾尔自治区”, “西藏自治区”, "
        "then hold the order as high risk: …."
    )
    assert answer["lines"] == ["2 of them are held today already"]
    assert answer["missing"] == [
        "Key: A key is at most 64 characters of a-z, 0-9, - and _, and begins with no sign.",
        "Name: This field must not be empty.",
        "A rule needs at least one action.",
    ]


def test_a_condition_under_way_leaves_the_others_counted(past):
    answer = preview(
        PROVINCE,
        {"group": 1, "fact": "order.grand_total", "op": "gt", "value": ""},
        {"group": 2, "fact": "order.grand_total", "op": "between", "value": "9, 1"},
    )

    assert answer["rows"] == {"0": "alone: 3 orders"}
    assert answer["errors"] == {"2": "The range is reversed: from is above to."}
    assert answer["missing"] == [
        "Condition 2: not complete yet",
        "Condition 3: The range is reversed: from is above to.",
    ]
    assert answer["summary"] == "Counted once every condition is complete."
    assert (answer["sentence"], answer["share"], answer["examples"]) == ("", None, [])


def test_a_key_that_is_taken_is_told_while_typing(past):
    lifecycle.open_draft("system")

    assert preview(PROVINCE, key="lane")["missing"] == ["Another rule already has this key."]
    assert preview(PROVINCE, key="lane", was="lane")["missing"] == []


def test_conflicts_come_with_the_other_rule_and_an_order_that_proves_them(past):
    draft = lifecycle.open_draft("system")
    lifecycle.save_rule(draft, FAR | {"priority": 5}, "system")

    answer = preview(PROVINCE | {"value": "新疆维吾尔自治区"}, COUPON, key="new", name="new")

    found = next(each for each in answer["findings"] if each["kind"] == "shadowed")
    assert found["level"] == "warning"
    assert [each["name"] for each in found["rules"]] == ["rule far"]
    assert found["rules"][0]["url"] == reverse(
        "admin:rules_rule_change", args=[draft.rules.get(key="far").pk]
    )
    assert ["province", "“新疆维吾尔自治区”"] in found["witness"]
    assert found["decision"] == ["“rule far”: hold the order as high risk: because"]
    assert answer["bar"] == "Matches 2 of the last 6 orders · 2 warnings"
    assert answer["calm"] == ""


def test_a_rule_alone_has_no_conflict(past):
    answer = preview(
        {"group": 1, "fact": "order.urgent", "op": "is_true", "value": ""},
        layer="tag",
        actions=[{"do": "tag", "text": "urgent"}],
    )

    assert answer["calm"] == "No conflict with the other rules."
    assert [each["level"] for each in answer["findings"]] in ([], ["info"])


def test_the_preview_changes_nothing_and_opens_no_draft(past):
    preview(PROVINCE)

    assert not RuleSet.objects.filter(state="draft").exists()


def test_a_broken_form_is_answered(past):
    client = as_("operations")
    address = reverse("admin:rules_rule_preview")

    for data in ({}, {"rows-TOTAL_FORMS": "x"}, form(PROVINCE) | {"rows-TOTAL_FORMS": 10**9}):
        assert client.post(address, data).status_code == 200


@pytest.mark.parametrize("group", ["agent", "supervisor", "warehouse", ""])
def test_who_may_not_edit_sees_no_preview(past, group):
    response = as_(group).post(reverse("admin:rules_rule_preview"), form(PROVINCE))

    assert response.status_code == 403


def test_hostile_text_stays_text(past):
    placed = place_order(order_document("H-1", buyer_remark=HOSTILE), actor=SHOP)
    assert not placed.errors
    recent.forget()
    hostile = {"group": 1, "fact": "order.buyer_remark", "op": "contains_text", "value": HOSTILE}

    response = as_("operations").post(
        reverse("admin:rules_rule_preview"), form(hostile, name=HOSTILE)
    )

    assert response.headers["Content-Type"] == "application/json"
    assert HOSTILE in response.json()["sentence"]
    assert response.json()["summary"] == "Matches 1 of the last 7 orders"


# --- reading what is not finished ---------------------------------------------------------------


def test_an_unfinished_rule_is_read_as_far_as_possible():
    good, bad = row("order.urgent", "is_true"), row("order.urgent", "gt", 1)

    whole = read_unfinished(rule(when=[[good]]), catalogue, ())
    nameless = read_unfinished({"when": [[good]], "layer": "allocate"}, catalogue, ())
    broken = read_unfinished(rule(when=[[good, bad], [good]]), catalogue, ())
    shapeless = read_unfinished({"when": "x", "then": 1}, catalogue, ())

    assert (whole.errors, whole.acts) == ((), True)
    assert nameless.rule is not None
    assert [action.do for action in nameless.rule.then] == ["assign"]
    assert not nameless.acts
    assert broken.rule is None
    assert sorted(broken.rows) == [(0, 0), (1, 0)]
    assert (shapeless.rule, dict(shapeless.rows)) == (None, {})
