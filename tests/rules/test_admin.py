"""The rule desk: who may do what, and forms that save, refuse and speak."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from rules import lifecycle
from rules.models import ListEntry, ReferenceList, Rule, RuleSet
from rules.storage import rule_as_json
from tests.factories import make_user
from tests.rules.documents import LIVE_RULE, document, row, rule

pytestmark = pytest.mark.django_db

HOSTILE = '"><script>alert(1)</script>{{7*7}}<img src=x onerror=alert(2)>'


@pytest.fixture
def live_version() -> RuleSet:
    return lifecycle.publish(lifecycle.import_document(document(LIVE_RULE), "system"), "system")


@pytest.fixture
def draft(live_version: RuleSet) -> RuleSet:
    return lifecycle.open_draft("system")


@pytest.fixture
def blocklist() -> ReferenceList:
    made = lifecycle.create_list("blocklist", "黑名单", "system", "blocklist")
    lifecycle.add_list_entries(made, ["+8613800000000"], "system")
    return made


def as_(group: str) -> Client:
    """A browser signed in as a member of the group, reading English."""
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(make_user(group))
    return client


def form(*rows: dict[str, Any], actions: Any = None, **fields: Any) -> dict[str, Any]:
    """What the rule form sends; rows and actions are counted and prefixed."""
    if actions is None:
        actions = [{"do": "hold", "risk": "high", "text": "because"}]
    data: dict[str, Any] = {
        "name": "新疆 + 满299减100",
        "key": "xinjiang-2",
        "layer": "intercept",
        "priority": "10",
        "status": "live",
        "on_missing": "no_match",
        "valid_from": "",
        "valid_until": "",
        "note": "",
        "rows-TOTAL_FORMS": len(rows),
        "rows-INITIAL_FORMS": 0,
        "actions-TOTAL_FORMS": len(actions),
        "actions-INITIAL_FORMS": 0,
        **fields,
    }
    for prefix, entries in (("rows", rows), ("actions", actions)):
        for number, entry in enumerate(entries):
            data |= {f"{prefix}-{number}-{name}": value for name, value in entry.items()}
    return data


PROVINCE = {
    "group": 1,
    "fact": "ship_to.province",
    "op": "in",
    "value": "新疆维吾尔自治区, 西藏自治区",
}
COUPON = {"group": 1, "fact": "coupon.types", "op": "has_any", "value": "满299减100"}
ADD = "admin:rules_rule_add"


def snapshot() -> tuple[Any, ...]:
    """Everything about rules and lists that a forged request might change."""
    return (
        list(RuleSet.objects.order_by("pk").values_list("pk", "version", "state", "note")),
        [rule_as_json(found) for found in Rule.objects.order_by("pk")],
        list(ReferenceList.objects.order_by("pk").values_list("key", "name", "version")),
        list(ListEntry.objects.order_by("pk").values_list("value", "reason", "expires_at")),
    )


# --- who may do what ----------------------------------------------------------------------------


def doors(draft: RuleSet, live: RuleSet, blocklist: ReferenceList) -> dict[str, tuple[Any, ...]]:
    """Every door of the desk: (method, address, data)."""
    rule_pk = draft.rules.get().pk
    live_rule_pk = live.rules.get().pk
    entry = blocklist.entries.get().pk
    return {
        "rules": ("get", reverse("admin:rules_rule_changelist"), {"ruleset__id__exact": draft.pk}),
        "rule page": ("get", reverse("admin:rules_rule_change", args=[rule_pk]), {}),
        "versions": ("get", reverse("admin:rules_ruleset_changelist"), {}),
        "version page": ("get", reverse("admin:rules_ruleset_change", args=[live.pk]), {}),
        "lists": ("get", reverse("admin:rules_referencelist_changelist"), {}),
        "entries": ("get", reverse("admin:rules_listentry_changelist"), {}),
        "add rule": ("post", reverse(ADD), form(PROVINCE, COUPON)),
        "preview": ("post", reverse("admin:rules_rule_preview"), form(PROVINCE)),
        "change rule": (
            "post",
            reverse("admin:rules_rule_change", args=[rule_pk]),
            form(PROVINCE, key="xinjiang-coupon"),
        ),
        "delete rule": (
            "post",
            reverse("admin:rules_rule_delete", args=[rule_pk]),
            {"post": "yes"},
        ),
        "change live rule": (
            "post",
            reverse("admin:rules_rule_change", args=[live_rule_pk]),
            form(PROVINCE, key="xinjiang-coupon"),
        ),
        "delete live rule": (
            "post",
            reverse("admin:rules_rule_delete", args=[live_rule_pk]),
            {"post": "yes"},
        ),
        "discard": ("post", reverse("admin:rules_ruleset_discard", args=[draft.pk]), {}),
        "publish": ("post", reverse("admin:rules_ruleset_publish", args=[draft.pk]), {"note": "n"}),
        "add list": (
            "post",
            reverse("admin:rules_referencelist_add"),
            {"name": "n", "key": "new", "kind": "other"},
        ),
        "add entry": (
            "post",
            reverse("admin:rules_listentry_add"),
            {"list": blocklist.pk, "value": "C-1", "reason": ""},
        ),
        "change entry": (
            "post",
            reverse("admin:rules_listentry_change", args=[entry]),
            {"reason": "new"},
        ),
        "delete entry": (
            "post",
            reverse("admin:rules_listentry_delete", args=[entry]),
            {"post": "yes"},
        ),
        "delete entries": (
            "post",
            reverse("admin:rules_listentry_changelist"),
            {"action": "delete_selected", "_selected_action": [entry], "post": "yes"},
        ),
        "import": ("get", reverse("admin:rules_listentry_import"), {}),
        "export": ("get", reverse("admin:rules_listentry_export"), {}),
        "forged version": (
            "post",
            reverse("admin:rules_ruleset_change", args=[live.pk]),
            {"state": "draft", "version": 9},
        ),
        "forged list": (
            "post",
            reverse("admin:rules_referencelist_change", args=[blocklist.pk]),
            {"name": "taken over", "key": "x", "kind": "other"},
        ),
        "add version": ("post", reverse("admin:rules_ruleset_add"), {"version": 9}),
        "delete version": (
            "post",
            reverse("admin:rules_ruleset_delete", args=[live.pk]),
            {"post": "yes"},
        ),
    }


READING = {"rules", "rule page", "versions", "version page", "lists", "entries", "export"}
EDITING = {
    "add rule",
    "preview",
    "change rule",
    "delete rule",
    "discard",
    "add list",
    "add entry",
    "change entry",
    "delete entry",
    "delete entries",
    "import",
}
NEVER = {
    "change live rule",
    "delete live rule",
    "forged version",
    "forged list",
    "add version",
    "delete version",
}
ALLOWED = {
    "operations": READING | EDITING | {"publish"},
    "supervisor": READING | {"publish"},
    "agent": READING,
    "warehouse": set(),
    "": set(),
}
EVERY_DOOR = sorted(READING | EDITING | NEVER | {"publish"})


@pytest.mark.parametrize("door", EVERY_DOOR)
@pytest.mark.parametrize("group", list(ALLOWED))
def test_each_role_passes_its_doors_and_no_other(group, door, draft, live_version, blocklist):
    method, address, data = doors(draft, live_version, blocklist)[door]
    before = snapshot()

    response = getattr(as_(group), method)(address, data)

    if door in ALLOWED[group]:
        assert response.status_code in (200, 302)
        assert not response.headers.get("Location", "").startswith("/admin/login")
        if door in EDITING - {"preview", "import"} | {"publish"}:
            assert response.status_code == 302, response.content.decode()
            assert snapshot() != before
    else:
        # Django answers an action that is not offered by showing the list again.
        assert response.status_code in (403, 405) or door == "delete entries"
        assert snapshot() == before


@pytest.mark.parametrize("door", EVERY_DOOR)
def test_a_stranger_is_sent_to_the_login(door, draft, live_version, blocklist):
    method, address, data = doors(draft, live_version, blocklist)[door]
    before = snapshot()

    response = getattr(Client(), method)(address, data)

    assert response.status_code == 302
    assert "login" in response.headers["Location"]
    assert snapshot() == before


@pytest.mark.parametrize(
    "act",
    [
        *("draft", "rollback", "discard", "shadow", "unshadow"),
        *("schedule", "unschedule", "reorder", "status"),
    ],
)
def test_acts_are_not_done_by_following_a_link(act, draft):
    address = reverse(f"admin:rules_ruleset_{act}", args=[draft.pk])

    assert as_("operations").get(address).status_code == 405
    assert RuleSet.objects.get(pk=draft.pk).state == "draft"


def test_a_forged_request_from_another_site_is_refused(draft):
    client = Client(enforce_csrf_checks=True)
    client.force_login(make_user("operations"))

    assert client.post(reverse(ADD), form(PROVINCE)).status_code == 403
    assert draft.rules.count() == 1


# --- the rule form ------------------------------------------------------------------------------


def test_a_rule_is_added_to_the_draft(draft):
    client = as_("operations")

    response = client.post(
        reverse(ADD),
        form(
            PROVINCE,
            COUPON,
            {"group": 2, "fact": "order.grand_total", "op": "between", "value": "300\n1000.50"},
            {"group": 2, "fact": "order.urgent", "op": "eq", "value": "true"},
            {"group": 2, "fact": "order.paid_hour", "op": "is_missing", "value": "ignored"},
            {"group": 3, "fact": "", "op": "", "value": "  "},
            valid_from="2026-06-18T00:00",
            note="from the meeting",
        ),
    )

    assert response.status_code == 302
    saved = draft.rules.get(key="xinjiang-2")
    assert rule_as_json(saved) == {
        "key": "xinjiang-2",
        "name": "新疆 + 满299减100",
        "layer": "intercept",
        "priority": 10,
        "when": [
            [
                row("ship_to.province", "in", ["新疆维吾尔自治区", "西藏自治区"]),
                row("coupon.types", "has_any", ["满299减100"]),
            ],
            [
                row("order.grand_total", "between", [300, 1000.5]),
                row("order.urgent", "eq", True),
                row("order.paid_hour", "is_missing"),
            ],
        ],
        "then": [{"do": "hold", "reason": "because", "risk": "high"}],
        "on_missing": "no_match",
        "status": "live",
        "valid_from": "2026-06-17T16:00:00+00:00",
        "valid_until": None,
    }
    assert saved.author.username.startswith("operations")
    assert saved.note == "from the meeting"


def test_the_first_rule_opens_a_draft_of_the_live_version(live_version):
    as_("operations").post(reverse(ADD), form(PROVINCE))

    made = RuleSet.objects.get(state="draft")
    assert sorted(made.rules.values_list("key", flat=True)) == ["xinjiang-2", "xinjiang-coupon"]
    assert live_version.rules.count() == 1


def test_what_the_form_shows_is_saved_unchanged(draft):
    client = as_("operations")
    for number, when in enumerate(
        (
            [[row("coupon.types", "has_any", ["a, b", "c"])], [row("coupon.count", "in", [1.5])]],
            [[row("coupon.types", "has_any", ["a、b"]), row("order.livestream_room", "ne", "")]],
            [[row("order.urgent", "eq", False), row("customer.return_rate_180d", "lt", 0.3)]],
        )
    ):
        lifecycle.save_rule(draft, rule(f"r{number}", when=when), "system")
    for saved in draft.rules.all():
        before = rule_as_json(saved)
        page = client.get(reverse("admin:rules_rule_change", args=[saved.pk]))
        editor = page.context["editor"]
        data = {
            bound.html_name: "" if bound.value() is None else str(bound.value())
            for each in (editor.form, *editor.rows, *editor.actions)
            for bound in each
        }
        for formset in (editor.rows, editor.actions):
            data |= {bound.html_name: bound.value() for bound in formset.management_form}
        response = client.post(reverse("admin:rules_rule_change", args=[saved.pk]), data)

        assert response.status_code == 302
        assert rule_as_json(draft.rules.get(key=saved.key)) == before


def test_each_error_stands_beside_its_row(draft):
    response = as_("operations").post(
        reverse(ADD),
        form(
            PROVINCE,
            {"group": 1, "fact": "order.grand_total", "op": "between", "value": "300, 100"},
            {"group": 2, "fact": "", "op": "", "value": ""},
            {"group": 2, "fact": "order.urgent", "op": "gt", "value": "1"},
            {"group": 2, "fact": "nope", "op": "eq", "value": "1"},
            actions=[{"do": "tag", "risk": "high", "text": "VIP"}],
            key="Bad Key",
        ),
    )

    assert response.status_code == 200
    editor = response.context["editor"]
    assert [list(each.errors) for each in editor.rows] == [[], ["value"], [], ["op"], ["fact"]]
    assert [list(each.errors) for each in editor.actions] == [["do"]]
    assert list(editor.form.errors) == ["key"]
    page = response.content.decode()
    assert "The range is reversed: from is above to." in page
    assert draft.rules.count() == 1


def test_a_rule_without_conditions_says_so(draft):
    response = as_("operations").post(reverse(ADD), form())

    assert "A rule needs at least one group of conditions." in response.content.decode()
    assert draft.rules.count() == 1


def test_extra_rows_of_a_forged_form_are_cut_off(draft):
    data = form(PROVINCE) | {"rows-TOTAL_FORMS": 10**9, "actions-TOTAL_FORMS": 10**9}

    response = as_("operations").post(reverse(ADD), data)

    assert response.status_code == 200
    assert draft.rules.count() == 1


@pytest.mark.parametrize("missing", ["rows-TOTAL_FORMS", "name", "priority", "actions-0-do"])
def test_a_form_with_a_part_missing_is_shown_again(draft, missing):
    data = form(PROVINCE)
    del data[missing]

    assert as_("operations").post(reverse(ADD), data).status_code == 200
    assert draft.rules.count() == 1


def test_two_people_do_not_overwrite_each_other(draft):
    client = as_("operations")
    saved = draft.rules.get()
    address = reverse("admin:rules_rule_change", args=[saved.pk])
    seen = client.get(address).context["editor"].form["seen"].value()
    lifecycle.save_rule(draft, LIVE_RULE | {"priority": 1}, "user:bob", replaces=saved.key)
    now = reverse("admin:rules_rule_change", args=[draft.rules.get().pk])

    response = client.post(now, form(PROVINCE, key=saved.key, seen=seen))

    assert "Somebody else changed this rule meanwhile" in response.content.decode()
    assert draft.rules.get().priority == 1


def test_hostile_text_is_shown_as_text(draft):
    client = as_("operations")
    made = lifecycle.create_list("hostile", HOSTILE[:60], "system")
    lifecycle.add_list_entries(made, [HOSTILE], "system")
    when = [[row("order.buyer_remark", "contains_text", HOSTILE)]]
    then = [{"do": "hold", "reason": HOSTILE, "risk": "low"}]
    saved = lifecycle.save_rule(
        draft, rule("hostile", name=HOSTILE, when=when, then=then), "system", note=HOSTILE
    )

    for address in (
        reverse("admin:rules_rule_change", args=[saved.pk]),
        f"{reverse('admin:rules_rule_changelist')}?ruleset__id__exact={draft.pk}",
        reverse("admin:rules_ruleset_change", args=[draft.pk]),
        reverse("admin:rules_referencelist_changelist"),
        reverse("admin:rules_listentry_changelist"),
    ):
        page = client.get(address).content.decode()
        assert "<script>alert(1)" not in page
        assert "<img src=x" not in page
        assert "49" not in page.partition("&lt;/script&gt;")[2][:20]


# --- versions -----------------------------------------------------------------------------------


def test_a_supervisor_publishes_with_a_note(draft):
    response = as_("supervisor").post(
        reverse("admin:rules_ruleset_publish", args=[draft.pk]), {"note": " after the meeting "}
    )

    draft.refresh_from_db()
    assert response.headers["Location"] == reverse("admin:rules_ruleset_change", args=[draft.pk])
    assert (draft.state, draft.note) == ("live", "after the meeting")
    assert draft.published_by.startswith("user:supervisor")


def test_a_draft_with_errors_is_shown_and_not_published(draft, live_version):
    draft.rules.get().rows.filter(position=1).update(fact="gone")
    client = as_("supervisor")

    page = client.get(reverse("admin:rules_ruleset_change", args=[draft.pk])).content.decode()
    client.post(reverse("admin:rules_ruleset_publish", args=[draft.pk]))

    assert "rules[0].when[0][1].fact" in page
    live_version.refresh_from_db()
    assert live_version.state == "live"


def test_one_press_goes_back_to_an_earlier_version(draft, live_version):
    lifecycle.publish(draft, "system")

    as_("supervisor").post(reverse("admin:rules_ruleset_rollback", args=[live_version.pk]))

    now = RuleSet.objects.get(state="live")
    assert (now.version, now.based_on) == (3, 1)


def test_pressing_twice_tells_the_second(draft):
    client = as_("supervisor")
    address = reverse("admin:rules_ruleset_publish", args=[draft.pk])
    client.post(address)

    response = client.post(address, follow=True)

    assert "can no longer be edited" in response.content.decode()
    assert RuleSet.objects.filter(state="live").count() == 1


def test_buttons_are_shown_to_those_who_may_use_them(draft, live_version):
    def buttons(group: str, version: RuleSet) -> set[str]:
        page = as_(group).get(reverse("admin:rules_ruleset_change", args=[version.pk]))
        return {
            act
            for act in ("publish", "discard", "rollback", "draft")
            if f"/{version.pk}/{act}/" in page.content.decode()
        }

    assert buttons("operations", draft) == {"publish", "discard"}
    assert buttons("supervisor", draft) == {"publish"}
    assert buttons("agent", draft) == set()
    lifecycle.publish(draft, "system")
    assert buttons("supervisor", RuleSet.objects.get(pk=live_version.pk)) == {"rollback"}
    assert buttons("operations", RuleSet.objects.get(pk=draft.pk)) == {"draft"}


def test_the_list_of_rules_opens_on_the_draft(draft, live_version):
    client = as_("operations")

    assert (
        client.get(reverse("admin:rules_rule_changelist"))
        .headers["Location"]
        .endswith(f"?ruleset__id__exact={draft.pk}")
    )
    lifecycle.discard_draft(draft, "system")
    assert (
        client.get(reverse("admin:rules_rule_changelist"))
        .headers["Location"]
        .endswith(f"?ruleset__id__exact={live_version.pk}")
    )


def test_pages_ask_a_bounded_number_of_queries(draft, django_assert_max_num_queries):
    lifecycle.import_document(
        document(*(LIVE_RULE | {"key": f"r{number}"} for number in range(40))), "system"
    )
    client = as_("operations")

    for address in (
        f"{reverse('admin:rules_rule_changelist')}?ruleset__id__exact={draft.pk}",
        reverse("admin:rules_ruleset_change", args=[draft.pk]),
    ):
        with django_assert_max_num_queries(25):
            assert client.get(address).status_code == 200


# --- lists --------------------------------------------------------------------------------------


def test_an_entry_is_added_under_any_spelling_once(blocklist):
    client = as_("operations")
    address = reverse("admin:rules_listentry_add")

    added = client.post(address, {"list": blocklist.pk, "value": "C-88", "reason": "fraud"})
    again = client.post(address, {"list": blocklist.pk, "value": "ｃ－８８", "reason": ""})
    nothing = client.post(address, {"list": blocklist.pk, "value": "\u200b\u2060", "reason": ""})

    assert (added.status_code, again.status_code, nothing.status_code) == (302, 200, 200)
    assert "Already on the list as “C-88”." in again.content.decode()
    blocklist.refresh_from_db()
    assert (blocklist.entries.count(), blocklist.version) == (2, 2)
    assert blocklist.entries.get(value="C-88").added_by.startswith("user:operations")


def test_an_entry_is_found_by_any_spelling(blocklist):
    page = as_("operations").get(reverse("admin:rules_listentry_changelist"), {"q": "１３８ 0000"})

    assert "+8613800000000" in page.content.decode()


def test_changing_and_deleting_entries_raise_the_version(blocklist):
    client = as_("operations")
    entry = blocklist.entries.get()

    client.post(reverse("admin:rules_listentry_change", args=[entry.pk]), {"reason": "mistake"})
    entry.refresh_from_db()
    client.post(
        reverse("admin:rules_listentry_changelist"),
        {"action": "delete_selected", "_selected_action": [entry.pk], "post": "yes"},
    )

    blocklist.refresh_from_db()
    assert entry.reason == "mistake"
    assert (blocklist.entries.count(), blocklist.version) == (0, 3)


def test_the_value_of_an_entry_is_not_changed_by_a_forged_field(blocklist):
    entry = blocklist.entries.get()

    as_("operations").post(
        reverse("admin:rules_listentry_change", args=[entry.pk]),
        {"reason": "r", "value": "C-1", "skeleton": "c-1", "added_by": "user:mallory", "list": 99},
    )

    entry.refresh_from_db()
    assert (entry.value, entry.skeleton) == ("+8613800000000", "+8613800000000")
    assert (entry.added_by, entry.list_id) == ("system", blocklist.pk)
