"""The rule form: what it offers, what it refuses, and two people on one rule."""

from datetime import date
from typing import Any

import pytest
from django.urls import reverse

from rules import lifecycle
from rules.admin.rule_guide import campaigns
from rules.models import ReferenceList, Rule, RuleSet
from rules.storage import rule_as_json
from tests.factories import make_world
from tests.rules.documents import LIVE_RULE, document, rule
from tests.rules.test_admin import ADD, COUPON, PROVINCE, as_, form, snapshot

pytestmark = pytest.mark.django_db
CLASH = "Somebody else changed this rule meanwhile"


@pytest.fixture
def live_version() -> RuleSet:
    return lifecycle.publish(lifecycle.import_document(document(LIVE_RULE), "system"), "system")


@pytest.fixture
def draft(live_version: RuleSet) -> RuleSet:
    return lifecycle.open_draft("system")


def change(saved: Rule) -> str:
    return reverse("admin:rules_rule_change", args=[saved.pk])


def sent_back(page: Any) -> dict[str, Any]:
    """The fields of the form as the page shows them, to be posted again."""
    editor = page.context["editor"]
    data = {
        bound.html_name: "" if bound.value() is None else bound.value()
        for each in (editor.form, *editor.rows, *editor.actions)
        for bound in each
    }
    for formset in (editor.rows, editor.actions):
        data |= {bound.html_name: bound.value() for bound in formset.management_form}
    return {
        name: value.strftime("%Y-%m-%dT%H:%M:%S") if hasattr(value, "strftime") else value
        for name, value in data.items()
    }


# --- what it offers -----------------------------------------------------------------------------


def test_the_guide_knows_facts_lists_slots_and_the_order_of_rules(draft):
    make_world()
    blocklist = lifecycle.create_list("blocklist", "黑名单", "system", "blocklist")
    lifecycle.add_list_entries(blocklist, ["C-1", "C-2"], "system")
    tagging = rule("vip", layer="tag", then=[{"do": "tag", "tag": "VIP"}], when=LIVE_RULE["when"])
    lifecycle.save_rule(draft, tagging, "system")

    guide = as_("operations").get(change(draft.rules.get(key="xinjiang-coupon"))).context["guide"]

    assert guide["facts"]["order.grand_total"] == {
        "label": "amount paid",
        "type": "money",
        "unit": "yuan",
        "widget": "",
        "options": [],
        "isOpen": True,
        "operators": [
            "eq",
            "ne",
            "in",
            "not_in",
            "lt",
            "lte",
            "gt",
            "gte",
            "between",
            "is_missing",
        ],
    }
    assert guide["facts"]["order.paid_hour"]["widget"] == "clock"
    assert guide["facts"]["ship_to.city"]["widget"] == "region"
    assert guide["facts"]["order.urgent"]["operators"][:3] == ["is_true", "is_false", "is_missing"]
    assert guide["lists"]["blocklist"]["name"] == "黑名单"
    assert guide["lists"]["blocklist"]["entries"] == "2 entries"
    assert ("EAST-1", "EAST-1") in guide["slots"]["warehouse"]
    assert guide["used"]["tag"] == ["VIP"]
    assert [each["key"] for each in guide["rules"]["intercept"]] == ["xinjiang-coupon"]
    assert guide["rules"]["tag"][0]["priority"] == 100


def test_choices_from_the_database_are_given_when_asked_for(draft):
    make_world()
    client = as_("operations")
    address = reverse("admin:rules_rule_choices")

    channels = client.get(address, {"fact": "order.channel"}).json()
    cities = client.get(address, {"fact": "ship_to.city"}).json()

    assert sorted(channels["options"]) == [["app", "app"], ["douyin", "douyin"], ["tmall", "tmall"]]
    assert ["杭州市", "浙江省 / 杭州市"] in cities["options"]
    assert client.get(address, {"fact": "nope"}).json() == {"options": []}
    assert as_("agent").get(address, {"fact": "ship_to.city"}).status_code == 403
    assert client.post(address, {"fact": "ship_to.city"}).status_code == 405


@pytest.mark.parametrize(
    ("today", "years"),
    [
        (date(2026, 1, 1), ("2026", "2026")),
        (date(2026, 6, 20), ("2026", "2026")),
        (date(2026, 6, 21), ("2027", "2026")),
        (date(2026, 11, 11), ("2027", "2026")),
        (date(2026, 11, 12), ("2027", "2027")),
    ],
)
def test_campaigns_are_this_years_until_they_are_over(today, years):
    found = {each["key"]: (each["from"], each["until"]) for each in campaigns(today)}

    assert found == {
        "618": (f"{years[0]}-06-01T00:00", f"{years[0]}-06-21T00:00"),
        "double11": (f"{years[1]}-10-20T00:00", f"{years[1]}-11-12T00:00"),
    }


def test_a_window_is_shown_in_shop_time_and_saved_unchanged(draft):
    windowed = LIVE_RULE | {
        "valid_from": "2026-06-17T16:00:00+00:00",
        "valid_until": "2026-06-20T15:59:59+00:00",
    }
    saved = lifecycle.save_rule(draft, windowed, "system", replaces="xinjiang-coupon")
    before = rule_as_json(saved)
    client = as_("operations")

    page = client.get(change(saved))
    response = client.post(change(saved), sent_back(page))

    assert 'value="2026-06-18T00:00"' in page.content.decode()
    assert 'value="2026-06-20T23:59:59"' in page.content.decode()
    assert response.status_code == 302
    assert rule_as_json(draft.rules.get()) == before


# --- a copy, and one press ----------------------------------------------------------------------


def test_a_copy_gets_a_name_and_a_key_of_its_own_and_is_not_saved_yet(draft):
    client = as_("operations")
    lifecycle.save_rule(draft, LIVE_RULE | {"key": "xinjiang-coupon-2"}, "system")
    original = draft.rules.get(key="xinjiang-coupon")
    before = snapshot()

    page = client.get(reverse(ADD), {"copy": original.pk})

    shown = page.context["editor"].form.initial
    assert (shown["name"], shown["key"]) == ("新疆 + 满299减100 (copy)", "xinjiang-coupon-3")
    assert shown.keys().isdisjoint({"was", "seen"})
    assert snapshot() == before
    assert client.post(reverse(ADD), sent_back(page)).status_code == 302
    copy = rule_as_json(draft.rules.get(key="xinjiang-coupon-3"))
    assert copy["when"] == rule_as_json(original)["when"]
    assert draft.rules.count() == 3


def test_a_new_rule_is_offered_a_free_key(draft):
    lifecycle.save_rule(draft, LIVE_RULE | {"key": "rule-1"}, "system")

    page = as_("operations").get(reverse(ADD))

    assert page.context["editor"].form.initial["key"] == "rule-2"


def test_one_press_disables_a_rule_of_the_draft_and_one_more_takes_it_back(draft):
    client = as_("operations")
    saved = draft.rules.get()
    address = reverse("admin:rules_rule_status", args=[saved.pk])

    off = client.post(address, {"status": "disabled"}, follow=True)

    assert draft.rules.get().status == "disabled"
    assert off.context["undo"] == "live"
    assert "In the draft the rule is now: Disabled." in off.content.decode()
    back = client.post(address, {"status": "live", "undo": "1"}, follow=True)
    assert draft.rules.get().status == "live"
    assert back.context["undo"] == ""


def test_one_press_on_a_published_rule_changes_the_draft_only(live_version):
    published = live_version.rules.get()
    address = reverse("admin:rules_rule_status", args=[published.pk])

    as_("operations").post(address, {"status": "disabled"})

    assert live_version.rules.get().status == "live"
    assert RuleSet.objects.get(state="draft").rules.get().status == "disabled"


@pytest.mark.parametrize("group", ["agent", "supervisor", "warehouse", ""])
def test_who_may_not_change_rules_switches_none(draft, group):
    saved = draft.rules.get()
    before = snapshot()

    response = as_(group).post(
        reverse("admin:rules_rule_status", args=[saved.pk]), {"status": "disabled"}
    )

    assert response.status_code == 403
    assert snapshot() == before


def test_a_status_that_does_not_exist_is_refused(draft):
    saved = draft.rules.get()
    before = snapshot()

    address = reverse("admin:rules_rule_status", args=[saved.pk])

    response = as_("operations").post(address, {"status": "boss"}, follow=True)

    assert "There is no such status." in response.content.decode()
    assert snapshot() == before
    assert as_("operations").get(address).status_code == 405


# --- two people ---------------------------------------------------------------------------------


def test_both_versions_stand_side_by_side_and_nothing_typed_is_lost(draft):
    client = as_("operations")
    saved = draft.rules.get()
    data = sent_back(client.get(change(saved))) | {"name": "mine", "rows-0-value": "西藏自治区"}
    theirs = LIVE_RULE | {"priority": 1}
    lifecycle.save_rule(draft, theirs, "user:bob", replaces=saved.key)

    # The rule that the form was opened on has another number by now.
    page = client.post(change(saved), data)

    assert page.status_code == 200
    text = page.content.decode()
    clash = page.context["clash"]
    assert CLASH in text
    assert clash.my_sentence.startswith("If province is “西藏自治区” and coupon types")
    assert clash.their_sentence.startswith("If province is “新疆维吾尔自治区” and coupon types")
    assert clash.differences == (("name", "mine", LIVE_RULE["name"]), ("priority", "10", "1"))
    assert reverse("admin:rules_rule_change", args=[draft.rules.get().pk]) in text
    assert rule_as_json(draft.rules.get())["priority"] == 1

    again = client.post(change(saved), sent_back(page))

    assert again.status_code == 302
    now = rule_as_json(draft.rules.get())
    assert (now["name"], now["priority"]) == ("mine", 10)
    assert draft.rules.get().rows.first().value == ["西藏自治区"]


def test_a_rule_deleted_meanwhile_can_be_added_again(draft):
    client = as_("operations")
    saved = draft.rules.get()
    data = sent_back(client.get(change(saved))) | {"name": "mine"}
    lifecycle.delete_rule(draft, saved.key, "user:bob")

    page = client.post(change(saved), data)

    assert "Somebody else deleted this rule meanwhile" in page.content.decode()
    assert draft.rules.count() == 0
    assert f'action="{reverse(ADD)}"' in page.content.decode()
    assert client.post(reverse(ADD), sent_back(page)).status_code == 302
    assert draft.rules.get().name == "mine"


def test_a_draft_published_meanwhile_goes_on_in_a_new_one(draft):
    client = as_("operations")
    saved = draft.rules.get()
    data = sent_back(client.get(change(saved))) | {"name": "mine"}
    lifecycle.publish(draft, "system")

    response = client.post(change(saved), data)

    assert response.status_code == 302
    now = RuleSet.objects.get(state="draft")
    assert now.rules.get().name == "mine"
    draft.refresh_from_db()
    assert (draft.state, draft.rules.get().name) == ("live", LIVE_RULE["name"])


@pytest.mark.parametrize("group", ["agent", "supervisor", "warehouse", ""])
def test_naming_the_former_key_opens_no_door(live_version, group):
    before = snapshot()

    response = as_(group).post(
        change(live_version.rules.get()),
        form(PROVINCE, key="xinjiang-coupon", was="xinjiang-coupon"),
    )

    assert response.status_code == 403
    assert snapshot() == before


# --- bad input ----------------------------------------------------------------------------------

REVERSED = {"group": 1, "fact": "order.grand_total", "op": "between", "value": "300, 100"}
OVER_MIDNIGHT = {"group": 1, "fact": "order.paid_hour", "op": "between", "value": "22, 4"}
MANY = {
    "group": 1,
    "fact": "goods.skus",
    "op": "has_any",
    "value": "\n".join(f"SKU-{number}" for number in range(10_000)),
}


@pytest.mark.parametrize(
    ("changes", "place", "message"),
    [
        (
            [{"group": 1, "fact": "nope", "op": "eq", "value": "1"}],
            "fact",
            "There is no fact “nope”",
        ),
        ([PROVINCE | {"op": "gt"}], "op", "does not fit"),
        ([PROVINCE | {"op": "like"}], "op", "There is no operator “like”."),
        ([REVERSED], "value", "The range is reversed: from is above to."),
        ([OVER_MIDNIGHT], "value", "A range over midnight needs two groups"),
        ([MANY], "value", "At most 1000 values."),
        ([PROVINCE | {"value": ""}], "value", "At least one value is needed."),
        ([PROVINCE | {"value": "新疆\u202e维吾尔"}], "value", "control or invisible characters"),
        ([PROVINCE | {"value": "a\u200bb"}], "value", "control or invisible characters"),
        ([PROVINCE | {"value": "nul\x00"}], "value", "Null characters are not allowed."),
        (
            [PROVINCE | {"op": "in_list", "value": "nowhere"}],
            "value",
            "There is no list “nowhere”.",
        ),
        (
            [{"group": 1, "fact": "order.grand_total", "op": "gt", "value": "１２.５"}],
            "value",
            "Expected a number.",
        ),
        ([PROVINCE | {"group": "x"}], "group", "Enter a whole number."),
    ],
)
def test_what_is_wrong_stands_beside_its_row_and_nothing_changes(draft, changes, place, message):
    before = snapshot()

    response = as_("operations").post(reverse(ADD), form(COUPON, *changes))

    assert response.status_code == 200
    editor = response.context["editor"]
    assert [list(each.errors) for each in editor.rows] == [[], [place]]
    assert message in str(editor.rows[1].errors)
    assert 'role="alert"' in response.content.decode()
    assert snapshot() == before


@pytest.mark.parametrize(
    ("rows", "fields", "place", "message"),
    [
        ([], {}, "__all__", "A rule needs at least one group of conditions."),
        ([{"group": 1, "fact": "", "op": "", "value": " "}], {}, "__all__", "at least one group"),
        ([PROVINCE], {"key": "xinjiang-coupon"}, "key", "Another rule already has this key."),
        ([PROVINCE], {"key": "钥匙"}, "key", "A key is at most 64 characters"),
        ([PROVINCE], {"name": "\u2066\u2069"}, "name", "control or invisible characters"),
        ([PROVINCE], {"name": "n" * 201}, "name", "at most 200 characters"),
        ([PROVINCE], {"priority": "-1"}, "priority", "greater than or equal to 0"),
        ([PROVINCE], {"priority": "9" * 30}, "priority", "whole number from 0 to 1000000"),
        ([PROVINCE], {"status": "boss"}, "status", "not one of the available choices"),
        (
            [PROVINCE],
            {"valid_from": "2026-06-18T00:00", "valid_until": "2026-06-18T00:00"},
            "valid_until",
            "The end must come after the start.",
        ),
    ],
)
def test_a_wrong_field_says_so_and_nothing_changes(draft, rows, fields, place, message):
    before = snapshot()

    response = as_("operations").post(reverse(ADD), form(*rows, **fields))

    assert response.status_code == 200
    errors = response.context["editor"].form.errors
    assert list(errors) == [place]
    assert message in str(errors)
    assert snapshot() == before


def test_a_rule_that_cannot_be_saved_opens_no_draft(live_version):
    before = snapshot()

    response = as_("operations").post(reverse(ADD), form(REVERSED))

    assert response.status_code == 200
    assert snapshot() == before


def test_errors_of_several_fields_of_a_row_find_their_row(draft):
    response = as_("operations").post(
        reverse(ADD),
        form(
            {"group": 1, "fact": "nope", "op": "nope", "value": ""},
            PROVINCE | {"value": ""},
            {"group": 2, "fact": "order.urgent", "op": "gt", "value": ""},
        ),
    )

    editor = response.context["editor"]
    assert [sorted(each.errors) for each in editor.rows] == [["fact", "op"], ["value"], ["op"]]


# --- the page for readers -----------------------------------------------------------------------


def test_readers_see_the_sentence_and_what_it_met(live_version):
    page = as_("agent").get(change(live_version.rules.get()))

    assert page.context["reach"]["summary"] == "No orders yet to try the rule on."
    text = page.content.decode()
    assert "If province is “新疆维吾尔自治区”" in text
    assert "Disable in the draft" not in text
    assert "Duplicate" not in text


def test_whoever_may_edit_finds_the_buttons_on_a_published_rule(live_version):
    text = as_("operations").get(change(live_version.rules.get())).content.decode()

    assert "Disable in the draft" in text
    assert "?copy=" in text


def test_the_form_asks_a_bounded_number_of_queries(draft, django_assert_max_num_queries):
    make_world()
    for number in range(20):
        lifecycle.create_list(f"list-{number}", f"list {number}", "system")
    lifecycle.import_document(
        document(*(LIVE_RULE | {"key": f"r{number}"} for number in range(40))), "system"
    )
    client = as_("operations")
    saved = Rule.objects.filter(ruleset__state="draft")[0]
    assert ReferenceList.objects.count() == 20

    with django_assert_max_num_queries(25):
        assert client.get(change(saved)).status_code == 200
