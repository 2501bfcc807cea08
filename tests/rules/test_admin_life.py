"""The life of versions on the desk: who may act, what pages tell, and what acts refuse."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from changefeed.clock import database_now
from rules import lifecycle
from rules.models import RuleSet, RuleSnooze
from rules.storage import digest_of, order_digest, rule_as_json, ruleset_as_json
from tests.factories import make_user
from tests.rules.documents import row
from tests.rules.living import ALICE, draft_of, full, published, states

pytestmark = pytest.mark.django_db

GROUPS = ("supervisor", "operations", "agent", "warehouse")
PUBLISHERS = {"supervisor", "operations"}
OFF = full(key="fraud-grade", status="disabled", priority=70)


def as_(group: str, **fields: Any) -> Client:
    """A browser signed in as a member of the group, reading English."""
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(make_user(group, **fields))
    return client


def at(name: str, *args: Any) -> str:
    return reverse(f"admin:rules_{name}", args=args)


def said(response: Any) -> list[str]:
    """The messages shown after a redirect."""
    return [str(message) for message in response.context["messages"]]


@pytest.fixture
def live_version() -> RuleSet:
    return published(full(), OFF)


@pytest.fixture
def draft(live_version: RuleSet) -> RuleSet:
    return draft_of(full(priority=5), full(key="second", priority=6), OFF)


def doors(draft: RuleSet) -> dict[str, tuple[str, str, dict[str, Any], set[str]]]:
    """Every door of this part: method, address, data, and the groups it lets through."""
    everybody = {"supervisor", "operations", "agent"}
    return {
        "version": ("get", at("ruleset_change", draft.pk), {}, everybody),
        "versions": ("get", at("ruleset_changelist"), {}, everybody),
        "switch": ("get", at("ruleset_fraud"), {}, everybody),
        "snoozes": ("get", at("rulesnooze_changelist"), {}, everybody),
        "publish page": ("get", at("ruleset_publish", draft.pk), {}, PUBLISHERS),
        "publish": ("post", at("ruleset_publish", draft.pk), {}, PUBLISHERS),
        "turn": ("post", at("ruleset_fraud"), {"fraud_mode": "on"}, PUBLISHERS),
        "shadow": ("post", at("ruleset_shadow", draft.pk), {}, PUBLISHERS),
        "unshadow": ("post", at("ruleset_unshadow", draft.pk), {}, PUBLISHERS),
        "schedule": (
            "post",
            at("ruleset_schedule", draft.pk),
            {"publish_at": "2099-01-01T00:00"},
            PUBLISHERS,
        ),
        "unschedule": ("post", at("ruleset_unschedule", draft.pk), {}, PUBLISHERS),
        "reorder": (
            "post",
            at("ruleset_reorder", draft.pk),
            {"layer": "intercept", "keys": "second xinjiang-coupon fraud-grade"},
            {"operations"},
        ),
        "status": (
            "post",
            at("ruleset_status", draft.pk),
            {"key": "second", "status": "disabled"},
            {"operations"},
        ),
        "snooze page": ("get", at("rulesnooze_add"), {}, PUBLISHERS),
        "snooze": (
            "post",
            at("rulesnooze_add"),
            {"rule_key": "xinjiang-coupon", "customer": "C-1", "days": 7, "reason": "r"},
            PUBLISHERS,
        ),
    }


def everything() -> tuple[Any, ...]:
    return (
        list(RuleSet.objects.order_by("pk").values_list("pk", "state", "publish_at", "edited_by")),
        [ruleset_as_json(found) for found in RuleSet.objects.order_by("pk")],
        list(RuleSnooze.objects.values_list("rule_key", "customer", "ended_at")),
    )


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize(
    "door",
    [
        *("version", "versions", "switch", "snoozes", "publish page", "publish", "turn"),
        *("shadow", "unshadow", "schedule", "unschedule", "reorder", "status"),
        *("snooze page", "snooze"),
    ],
)
def test_each_role_passes_its_doors_and_no_other(group: str, door: str, draft: RuleSet) -> None:
    method, address, data, allowed = doors(draft)[door]
    client, before = as_(group), everything()

    response = getattr(client, method)(address, data)

    assert response.status_code in ((200, 302) if group in allowed else (403,))
    if group not in allowed or method == "get":
        assert everything() == before


def test_the_publish_page_tells_what_changes_what_collides_and_when(draft: RuleSet) -> None:
    page = as_("supervisor").get(at("ruleset_publish", draft.pk)).content.decode()

    assert "Against v1:" in page
    assert "1 added, 1 changed, 0 removed" in page
    assert "priority: 10 → 5" in page
    assert "new with this version" in page
    assert "An order that shows it" in page
    assert digest_of(ruleset_as_json(draft)) in page
    assert 'name="publish_at"' in page
    assert "shop time (Asia/Shanghai)" in page
    assert states() == {1: "live", 2: "draft"}


def test_what_changed_since_the_page_was_shown_is_not_published(draft: RuleSet) -> None:
    shown = digest_of(ruleset_as_json(draft))
    lifecycle.set_rule_status(draft, "second", "disabled", ALICE)

    client = as_("supervisor")
    response = client.post(at("ruleset_publish", draft.pk), {"digest": shown}, follow=True)

    assert response.redirect_chain[-1][0] == at("ruleset_publish", draft.pk)
    assert said(response) == ["Somebody changed version 2 meanwhile; look at it again first."]
    assert states() == {1: "live", 2: "draft"}


def test_a_draft_with_errors_says_so_and_cannot_be_published(draft: RuleSet) -> None:
    draft.rules.get(key="second").rows.all().delete()
    client = as_("supervisor")

    page = client.get(at("ruleset_publish", draft.pk)).content.decode()
    response = client.post(at("ruleset_publish", draft.pk), follow=True)

    assert "This version cannot go live yet:" in page
    assert "rules[1].when" in page
    assert said(response) == ["Errors to correct first: 1."]
    assert states() == {1: "live", 2: "draft"}


def test_a_version_watches_is_reported_and_promoted(draft: RuleSet) -> None:
    client = as_("supervisor")

    page = client.post(at("ruleset_shadow", draft.pk), {"note": "look"}, follow=True)
    assert states() == {1: "live", 2: "shadow"}
    assert "0 orders have been seen so far." in page.content.decode()
    promoted = client.post(at("ruleset_publish", draft.pk), follow=True)

    assert said(promoted) == ["Version 2 is live."]
    assert states() == {1: "retired", 2: "live"}


def test_a_shadow_run_is_ended(draft: RuleSet) -> None:
    lifecycle.start_shadow(draft, ALICE)

    response = as_("supervisor").post(at("ruleset_unshadow", draft.pk), follow=True)

    assert said(response) == ["The shadow run has ended."]
    assert states() == {1: "live", 2: "retired"}
    assert "Roll back to this version" not in response.content.decode()


def test_a_time_of_the_shop_is_scheduled_and_taken_off(draft: RuleSet) -> None:
    client = as_("supervisor")
    moment = (database_now() + timedelta(days=30)).date()

    client.post(at("ruleset_schedule", draft.pk), {"publish_at": f"{moment}T00:00", "note": "618"})

    draft.refresh_from_db()
    assert draft.publish_at is not None
    assert draft.publish_at.isoformat() == f"{moment - timedelta(days=1)}T16:00:00+00:00"
    assert (draft.state, draft.note) == ("draft", "618")
    page = client.get(at("ruleset_change", draft.pk)).content.decode()
    assert "Goes live" in page
    client.post(at("ruleset_unschedule", draft.pk))
    draft.refresh_from_db()
    assert draft.publish_at is None


@pytest.mark.parametrize("text", ["", "soon", "2020-01-01T00:00", "2026-13-45T99:99", "\x00"])
def test_a_time_that_is_none_or_past_schedules_nothing(text: str, draft: RuleSet) -> None:
    response = as_("supervisor").post(
        at("ruleset_schedule", draft.pk), {"publish_at": text}, follow=True
    )

    draft.refresh_from_db()
    assert draft.publish_at is None
    assert len(said(response)) == 1


def test_an_edit_of_a_scheduled_draft_is_told_at_once_and_on_the_page(draft: RuleSet) -> None:
    lifecycle.schedule(draft, database_now() + timedelta(days=1), ALICE)

    response = as_("operations").post(
        at("ruleset_status", draft.pk), {"key": "second", "status": "disabled"}, follow=True
    )

    assert said(response) == ["The draft is not scheduled any more."]
    page = response.content.decode()
    assert "did not: the draft was edited after it was scheduled." in page


def test_who_wrote_it_sees_why_the_button_is_off(draft: RuleSet, settings: Any) -> None:
    settings.RULES_APPROVER_REQUIRED = True
    client = as_("operations", username="ops")
    lifecycle.set_rule_status(draft, "second", "disabled", "user:ops")

    page = client.get(at("ruleset_publish", draft.pk)).content.decode()
    response = client.post(at("ruleset_publish", draft.pk), follow=True)

    assert "so somebody else has to put it in force" in page
    assert said(response)[0].startswith("You made or changed version 2")
    assert states() == {1: "live", 2: "draft"}


def test_rules_are_put_in_order_by_buttons_that_need_no_script(draft: RuleSet) -> None:
    client = as_("operations")
    page = client.get(at("ruleset_change", draft.pk)).content.decode()
    assert 'value="second xinjiang-coupon fraud-grade"' in page
    order = order_digest(draft.rules.values_list("key", "priority"))

    data = {"layer": "intercept", "keys": "second xinjiang-coupon fraud-grade", "order": order}
    response = client.post(at("ruleset_reorder", draft.pk), data)

    assert response["Location"].endswith("#intercept")
    found = draft.rules.order_by("priority").values_list("key", "priority")
    assert list(found) == [("second", 10), ("xinjiang-coupon", 20), ("fraud-grade", 30)]


def test_a_script_is_told_when_the_order_is_out_of_date(draft: RuleSet) -> None:
    client = as_("operations")
    data = {"layer": "intercept", "keys": "second xinjiang-coupon fraud-grade", "order": "old"}

    refused = client.post(
        at("ruleset_reorder", draft.pk), data, headers={"Accept": "application/json"}
    )
    data["order"] = order_digest(draft.rules.values_list("key", "priority"))
    done = client.post(
        at("ruleset_reorder", draft.pk), data, headers={"Accept": "application/json"}
    )

    assert (refused.status_code, refused.json()["ok"]) == (409, False)
    assert (done.status_code, done.json()) == (200, {"ok": True})


def test_a_rule_changed_meanwhile_is_not_disabled_unseen(draft: RuleSet) -> None:
    shown = digest_of(rule_as_json(draft.rules.get(key="second")))
    lifecycle.save_rule(draft, full(key="second", priority=9), ALICE, replaces="second")

    data = {"key": "second", "status": "disabled", "rule_digest": shown}
    response = as_("operations").post(at("ruleset_status", draft.pk), data, follow=True)

    assert said(response) == ["Somebody else changed this rule meanwhile; open it again."]
    assert draft.rules.get(key="second").status == "live"


def test_a_rule_is_duplicated_from_the_page(draft: RuleSet) -> None:
    client = as_("operations")
    address = f"{at('rule_add')}?copy={draft.rules.get(key='second').pk}"
    assert address in client.get(at("ruleset_change", draft.pk)).content.decode()

    page = client.get(address).content.decode()

    assert "满299减100" in page
    assert draft.rules.count() == 3


def test_a_version_is_compared_with_any_other(live_version: RuleSet) -> None:
    published(full(priority=2), OFF)
    third = published(full(priority=3), OFF)
    client = as_("agent")

    default = client.get(at("ruleset_change", third.pk)).content.decode()
    chosen = client.get(at("ruleset_change", third.pk), {"against": "1"}).content.decode()
    unknown = client.get(at("ruleset_change", third.pk), {"against": "x'9"}).content.decode()

    assert "priority: 2 → 3" in default
    assert "priority: 10 → 3" in chosen
    assert "priority: 2 → 3" in unknown


def test_after_a_rollback_the_way_back_is_offered(live_version: RuleSet) -> None:
    published(full(priority=2), OFF)

    response = as_("supervisor").post(at("ruleset_rollback", live_version.pk), follow=True)

    assert said(response)[0] == "Version 3 is live."
    assert "roll back to" in said(response)[1]
    assert reverse("admin:rules_ruleset_change", args=[RuleSet.objects.get(version=2).pk]) in (
        response.content.decode()
    )


def test_the_switch_shows_its_rules_turns_once_and_says_so(live_version: RuleSet) -> None:
    client = as_("supervisor")
    page = client.get(at("ruleset_fraud")).content.decode()
    assert "fraud-grade" in page
    assert "orders looked at" in page

    first = client.post(at("ruleset_fraud"), {"fraud_mode": "on"}, follow=True)
    again = client.post(at("ruleset_fraud"), {"fraud_mode": "on"}, follow=True)

    assert said(first) == ["Anti-fraud mode is on; version 2 is live."]
    assert said(again) == ["Anti-fraud mode is on already."]
    assert states() == {1: "retired", 2: "live"}
    off = client.post(at("ruleset_fraud"), {}, follow=True)
    assert said(off) == ["Anti-fraud mode is off; version 3 is live."]


def test_the_switch_without_live_rules_says_so() -> None:
    response = as_("supervisor").post(at("ruleset_fraud"), {"fraud_mode": "on"}, follow=True)

    assert said(response) == ["No rule set is live yet; publish one first."]


def test_a_snooze_is_made_listed_and_ended(live_version: RuleSet) -> None:
    client = as_("supervisor", username="sup")
    data = {"rule_key": "xinjiang-coupon", "customer": "C-88", "days": 30, "reason": "known"}

    made = client.post(at("rulesnooze_add"), data, follow=True)
    snooze = RuleSnooze.objects.get()
    ended = client.post(at("rulesnooze_end", snooze.pk), follow=True)

    assert "is asleep for C-88 until" in said(made)[0]
    assert "End now" in made.content.decode()
    assert abs(snooze.until - database_now() - timedelta(days=30)) < timedelta(minutes=1)
    assert said(ended) == ["The rule “xinjiang-coupon” holds for C-88 again."]
    snooze.refresh_from_db()
    assert snooze.ended_by == "user:sup"


def test_a_snooze_that_cannot_be_is_shown_again_with_the_reason(live_version: RuleSet) -> None:
    client = as_("supervisor")
    data = {"rule_key": "xinjiang-coupon", "customer": "C-88", "days": 30, "reason": "known"}
    client.post(at("rulesnooze_add"), data)

    twice = client.post(at("rulesnooze_add"), data)
    wrong = client.post(at("rulesnooze_add"), data | {"days": "400", "reason": ""})

    assert (twice.status_code, wrong.status_code) == (422, 422)
    assert "already asleep for this customer" in twice.content.decode()
    assert RuleSnooze.objects.count() == 1


def test_hostile_text_in_versions_and_snoozes_is_shown_as_text(live_version: RuleSet) -> None:
    hostile = "<script>alert(1)</script>"
    shown = full(name=hostile, when=[[row("order.buyer_remark", "contains_text", hostile)]])
    version = published(shown, OFF, actor=f"user:{hostile}"[:150])
    client = as_("supervisor")
    data = {"rule_key": "xinjiang-coupon", "customer": hostile, "days": 7, "reason": hostile}
    client.post(at("rulesnooze_add"), data)

    for address in (
        at("ruleset_change", version.pk),
        at("rulesnooze_changelist"),
        at("rulesnooze_add"),
        at("ruleset_fraud"),
    ):
        assert hostile not in client.get(address).content.decode()
