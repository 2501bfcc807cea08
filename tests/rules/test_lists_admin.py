"""A list's page: what holds, what expires, who uses it."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from rules import lifecycle
from rules.list_changes import NewEntry, compare
from rules.models import ListEntry, ReferenceList
from rules.normalization import skeleton
from tests.factories import make_user
from tests.rules.documents import document, row, rule

NOW = datetime.now(UTC)
RULE = rule("blocked", name="Blocked", when=[[row("customer.external_id", "in_list", "blocklist")]])


@pytest.fixture
def blocklist(db: None) -> ReferenceList:
    made = lifecycle.create_list("blocklist", "黑名单", "system", "blocklist")
    entries = [
        NewEntry("always", "fraud"),
        NewEntry("later", expires_at=NOW + timedelta(days=30)),
        NewEntry("soon", expires_at=NOW + timedelta(days=3, hours=1)),
        NewEntry("past", expires_at=NOW - timedelta(days=2, hours=1)),
    ]
    lifecycle.add_list_entries(made, entries, "system")
    return made


def as_(group: str) -> Client:
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(make_user(group))
    return client


def page(blocklist: ReferenceList, group: str = "operations", **asked: str) -> Any:
    address = reverse("admin:rules_referencelist_change", args=[blocklist.pk])
    return as_(group).get(address, asked)


def values(response: Any) -> list[str]:
    return [entry.value for entry, _expires, _added in response.context["rows"]]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["always", "later", "past", "soon"]),
        ({"expiry": "active"}, ["always", "later", "soon"]),
        ({"expiry": "soon"}, ["soon"]),
        ({"expiry": "expired"}, ["past"]),
        ({"expiry": "nonsense"}, ["always", "later", "past", "soon"]),
        ({"q": "ＡＬＷＡＹＳ"}, ["always"]),
        ({"q": "fraud"}, ["always"]),
        ({"q": "nobody"}, []),
        ({"page": "99"}, ["always", "later", "past", "soon"]),
    ],
)
def test_entries_are_shown_by_expiry_and_found_by_any_spelling(
    blocklist: ReferenceList, asked: dict[str, str], found: list[str]
) -> None:
    assert values(page(blocklist, **asked)) == found


def test_what_expires_is_said_in_words(blocklist: ReferenceList) -> None:
    shown = page(blocklist)
    text = shown.content.decode()

    assert [(key, count) for key, _label, count, _on in shown.context["chips"]] == [
        ("", 4),
        ("active", 3),
        ("soon", 1),
        ("expired", 1),
    ]
    assert ">expired</span>" in text
    assert "expires soon</span>" in text
    assert ">in 3 days<" in text
    assert ">2 days ago<" in text


def test_the_rules_that_use_a_list_are_named(blocklist: ReferenceList) -> None:
    live = lifecycle.publish(lifecycle.import_document(document(RULE), "system"), "system")
    draft = lifecycle.open_draft("system")

    uses = page(blocklist).context["uses"]

    assert [(use.name, use.state, use.version) for use in uses] == [
        ("Blocked", "Draft", draft.version),
        ("Blocked", "Live", live.version),
    ]
    assert uses[1].url == reverse("admin:rules_rule_change", args=[live.rules.get().pk])


def test_an_unused_list_says_so(blocklist: ReferenceList) -> None:
    other = lifecycle.create_list("vip", "VIP", "system")

    text = page(other).content.decode()

    assert "No live, watching or draft rule names this list." in text
    assert "This list is empty." in text


def test_the_lists_are_counted_without_a_query_each(
    blocklist: ReferenceList, django_assert_max_num_queries: Any
) -> None:
    lifecycle.publish(lifecycle.import_document(document(RULE), "system"), "system")
    for number in range(30):
        lifecycle.create_list(f"list-{number}", "x", "system")
    client = as_("operations")

    with django_assert_max_num_queries(12):
        response = client.get(reverse("admin:rules_referencelist_changelist"))

    found = {each.key: each for each in response.context["cl"].result_list}["blocklist"]
    assert (found.entry_count, found.active, found.soon, found.expired, found.used_by) == (
        *(4, 3, 1, 1),
        1,
    )


@pytest.mark.parametrize(
    ("group", "adds"), [("operations", True), ("supervisor", False), ("agent", False)]
)
def test_ways_in_are_shown_to_those_who_may(
    blocklist: ReferenceList, group: str, adds: bool
) -> None:
    text = page(blocklist, group=group).content.decode()

    assert (reverse("admin:rules_listentry_import") in text) is adds
    assert (reverse("admin:rules_listentry_remove") in text) is True or not adds
    assert ("Take the chosen off the list" in text) is adds
    assert "format=xlsx" in text


def test_a_list_is_not_changed_by_a_forged_form(blocklist: ReferenceList) -> None:
    address = reverse("admin:rules_referencelist_change", args=[blocklist.pk])

    assert as_("operations").post(address, {"name": "x", "key": "y"}).status_code == 403
    blocklist.refresh_from_db()
    assert (blocklist.name, blocklist.key) == ("黑名单", "blocklist")


def test_the_entries_of_all_lists_are_filtered_by_expiry(blocklist: ReferenceList) -> None:
    client = as_("operations")
    address = reverse("admin:rules_listentry_changelist")

    found = {
        state: [e.value for e in client.get(address, {"expiry": state}).context["cl"].result_list]
        for state in ("active", "soon", "expired")
    }

    assert found == {
        "active": ["always", "later", "soon"],
        "soon": ["soon"],
        "expired": ["past"],
    }


# --- acts ---------------------------------------------------------------------------------------


def test_replacing_a_list_twice_is_once(blocklist: ReferenceList) -> None:
    wanted = [NewEntry("ALWAYS", "fraud"), NewEntry("new")]

    first = lifecycle.replace_list_entries(blocklist, wanted, "user:a", expected=1)
    second = lifecycle.replace_list_entries(blocklist, wanted, "user:a", expected=1)

    assert (first.added, first.changed) == (1, 0)
    assert sorted(new.value for new in first.removed["blocklist"]) == ["later", "past", "soon"]
    assert (second.added, second.changed, second.removed) == (0, 0, {})
    blocklist.refresh_from_db()
    assert blocklist.version == 2
    assert sorted(ListEntry.objects.values_list("value", flat=True)) == ["always", "new"]


ENTRY = st.builds(NewEntry, st.sampled_from("aAbBcd"), st.sampled_from(["", "r"]))


@given(st.lists(ENTRY), st.lists(ENTRY), st.booleans())
def test_a_compared_list_ends_as_wanted(
    old: list[NewEntry], wanted: list[NewEntry], replace: bool
) -> None:
    before = {
        skeleton(e.value): ListEntry(value=e.value, skeleton=skeleton(e.value), reason=e.reason)
        for e in old
    }

    change = compare(before.values(), wanted, replace=replace)

    after = {skel: entry.reason for skel, entry in before.items()}
    for gone in change.removed:
        del after[gone.skeleton]
    for kept, new in change.changed:
        after[kept.skeleton] = new.reason
    for new in change.added:
        after[skeleton(new.value)] = new.reason
    asked = {skeleton(e.value): e.reason for e in wanted}
    assert after == (asked if replace else {s: e.reason for s, e in before.items()} | asked)
    assert change.unchanged + len(change.added) + len(change.changed) == len(asked)


# --- hostile text -------------------------------------------------------------------------------

HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


def test_hostile_text_is_shown_as_text(blocklist: ReferenceList) -> None:
    client = as_("operations")
    lifecycle.add_list_entries(blocklist, [NewEntry(HOSTILE, HOSTILE)], "user:<b>x</b>")
    address = reverse("admin:rules_referencelist_change", args=[blocklist.pk])
    sent = {"lines": f"{HOSTILE}2\t{HOSTILE}", "list": blocklist.pk, "replace": "1"}
    entry = blocklist.entries.get(reason=HOSTILE)

    pages = [
        client.get(address, {"q": HOSTILE}),
        client.post(reverse("admin:rules_listentry_import"), sent),
        client.post(reverse("admin:rules_listentry_import"), {"lines": HOSTILE, "reason": HOSTILE}),
        client.post(
            reverse("admin:rules_listentry_remove"),
            {"entry": entry.pk, "list": blocklist.pk},
            follow=True,
        ),
    ]

    for shown in pages:
        text = shown.content.decode()
        assert "<script>alert(1)" not in text
        assert "<img src=x" not in text
        assert "<b>x</b>" not in text
