"""Acts on rules and lists: permitted and refused, with their feed rows."""

import threading
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from changefeed.models import Change
from rules import lifecycle
from rules.errors import DocumentInvalid, NotPossible
from rules.lifecycle import NewEntry
from rules.models import ListEntry, ReferenceList, Rule, RuleSet, RuleSetState
from rules.storage import digest_of, rule_as_json, ruleset_as_json
from tests.rules.documents import LIVE_RULE, document, row

pytestmark = pytest.mark.django_db

ALICE = "user:alice"
BOB = "user:bob"


def changes(*, since: int = 0) -> list[tuple[str, str, str]]:
    """(kind, subject, actor) of the feed, oldest first."""
    found = Change.objects.filter(seq__gt=since).order_by("seq")
    return [(change.kind, change.subject_id, change.actor) for change in found]


def latest() -> int:
    """The last sequence number of the feed."""
    return Change.objects.values_list("seq", flat=True).order_by("-seq")[0]


def publish(*rules: dict, actor: str = ALICE) -> RuleSet:
    return lifecycle.publish(lifecycle.import_document(document(*rules), actor), actor, "why")


def full(**changes: object) -> dict:
    """The rule in document form with nothing left out."""
    defaults = {"on_missing": "no_match", "status": "live", "valid_from": None, "valid_until": None}
    return LIVE_RULE | defaults | changes


def test_an_imported_document_is_the_draft():
    alice = User.objects.create_user("alice")

    draft = lifecycle.import_document(document(full()), ALICE, note="first")

    assert (draft.version, draft.state) == (1, "draft")
    assert (draft.created_by, draft.note) == (ALICE, "first")
    assert ruleset_as_json(draft) == document(full())
    assert draft.rules.get().author == alice
    assert changes() == [("ruleset.imported", "1", ALICE)]


def test_importing_again_replaces_the_draft():
    first = lifecycle.import_document(document(full()), ALICE)

    second = lifecycle.import_document(document(full(key="other")), BOB)

    assert second.pk == first.pk
    assert list(second.rules.values_list("key", flat=True)) == ["other"]
    assert RuleSet.objects.count() == 1


def test_a_document_with_one_bad_rule_of_500_imports_nothing():
    before = lifecycle.import_document(document(full()), ALICE)
    seq = latest()
    rules = [full(key=f"r{number}") for number in range(500)]
    rules[321] = full(key="r321", when=[[row("nope", "eq", 1)], []])

    with pytest.raises(DocumentInvalid) as caught:
        lifecycle.import_document(document(*rules), BOB)

    assert [error.path for error in caught.value.errors] == [
        "rules[321].when[0][0].fact",
        "rules[321].when[1]",
    ]
    assert ruleset_as_json(before) == document(full())
    assert changes(since=seq) == []


def test_publishing_freezes_the_document_and_retires_the_former():
    first = publish(full())
    lifecycle.open_draft(BOB)
    second = publish(full(), full(key="other"), actor=BOB)

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.state, second.state) == ("retired", "live")
    assert (second.version, second.based_on, second.published_by, second.note) == (2, 1, BOB, "why")
    assert second.document == document(full(key="other"), full())
    assert first.document == document(full())
    assert changes()[-1] == ("ruleset.published", "2", BOB)
    change = Change.objects.get(kind="ruleset.published", subject_id="2")
    assert (change.field, change.old, change.new) == ("live_version", 1, 2)


def test_publishing_with_errors_is_refused_and_live_untouched():
    live = publish(full())
    draft = lifecycle.open_draft(ALICE)
    draft.rules.get().rows.filter(fact="coupon.types").update(fact="gone")

    with pytest.raises(DocumentInvalid) as caught:
        lifecycle.publish(draft, ALICE)

    assert [error.path for error in caught.value.errors] == ["rules[0].when[0][1].fact"]
    live.refresh_from_db()
    draft.refresh_from_db()
    assert (live.state, draft.state, draft.document) == ("live", "draft", None)


def test_what_is_published_cannot_be_published_or_edited_again():
    live = publish(full())

    for act in (
        lambda: lifecycle.publish(live, ALICE),
        lambda: lifecycle.save_rule(live, full(key="new"), ALICE),
        lambda: lifecycle.delete_rule(live, "xinjiang-coupon", ALICE),
        lambda: lifecycle.discard_draft(live, ALICE),
        lambda: lifecycle.rollback_to(live, ALICE),
    ):
        with pytest.raises(NotPossible):
            act()
    assert list(live.rules.values_list("key", flat=True)) == ["xinjiang-coupon"]
    assert RuleSet.objects.count() == 1


def test_an_empty_rule_set_is_not_published():
    draft = lifecycle.import_document({"rules": []}, ALICE)

    with pytest.raises(NotPossible):
        lifecycle.publish(draft, ALICE)

    draft.refresh_from_db()
    assert draft.state == RuleSetState.DRAFT


def test_a_rule_keeps_its_author_until_somebody_changes_it():
    alice, bob = User.objects.create_user("alice"), User.objects.create_user("bob")
    publish(full(), full(key="second"))

    draft = lifecycle.open_draft(BOB)
    lifecycle.save_rule(draft, full(key="second", priority=99), BOB, replaces="second")
    imported = lifecycle.import_document(
        document(full(), full(key="second", priority=98)), "system"
    )

    assert {rule.key: rule.author for rule in imported.rules.all()} == {
        "xinjiang-coupon": alice,
        "second": None,
    }
    lifecycle.discard_draft(imported, BOB)
    again = lifecycle.open_draft(BOB)
    lifecycle.save_rule(again, full(key="second", priority=97), BOB, replaces="second")
    assert {rule.key: rule.author for rule in again.rules.all()} == {
        "xinjiang-coupon": alice,
        "second": bob,
    }


def test_opening_a_draft_copies_the_live_version_once():
    live = publish(full())

    draft = lifecycle.open_draft(BOB)

    assert (draft.version, draft.based_on) == (2, live.version)
    assert ruleset_as_json(draft) == live.document
    assert lifecycle.open_draft(ALICE) == draft
    assert lifecycle.open_draft(ALICE, live) == draft
    assert changes()[-1] == ("ruleset.draft_opened", "2", BOB)


def test_another_version_is_not_opened_over_a_draft():
    first = publish(full())
    publish(full(key="second"))
    draft = lifecycle.open_draft(ALICE)

    with pytest.raises(NotPossible):
        lifecycle.open_draft(BOB, first)

    assert list(draft.rules.values_list("key", flat=True)) == ["second"]


def test_rolling_back_makes_a_new_live_version_and_spares_the_draft():
    alice = User.objects.create_user("alice")
    first = publish(full())
    second = publish(full(key="second"), actor=BOB)
    draft = lifecycle.open_draft(BOB)

    again = lifecycle.rollback_to(first, "user:carol", "too many holds")

    second.refresh_from_db()
    draft.refresh_from_db()
    assert (again.version, again.state, again.based_on) == (4, "live", 1)
    assert again.document == first.document
    assert again.rules.get().author == alice
    assert (second.state, draft.state) == ("retired", "draft")
    assert changes()[-1] == ("ruleset.rolled_back", "4", "user:carol")


def test_a_saved_rule_takes_the_place_of_the_old_one():
    draft = lifecycle.import_document(document(full()), ALICE)

    lifecycle.save_rule(
        draft, full(key="renamed", priority=5), BOB, replaces="xinjiang-coupon", note="sooner"
    )

    rule = draft.rules.get()
    assert (rule.key, rule.priority, rule.note) == ("renamed", 5, "sooner")
    assert changes()[-1] == ("ruleset.rule_saved", "1", BOB)


def test_a_key_is_used_once():
    draft = lifecycle.import_document(document(full(), full(key="other")), ALICE)

    for replaces in ("", "other"):
        with pytest.raises(DocumentInvalid) as caught:
            lifecycle.save_rule(draft, full(), ALICE, replaces=replaces)
        assert [(e.path, e.code) for e in caught.value.errors] == [("key", "duplicate_key")]
    assert draft.rules.count() == 2


def test_what_somebody_else_changed_is_not_overwritten():
    draft = lifecycle.import_document(document(full()), ALICE)
    seen = digest_of(rule_as_json(draft.rules.get()))
    lifecycle.save_rule(draft, full(priority=5), BOB, replaces="xinjiang-coupon", expected=seen)

    with pytest.raises(NotPossible):
        lifecycle.save_rule(
            draft, full(priority=6), ALICE, replaces="xinjiang-coupon", expected=seen
        )

    assert draft.rules.get().priority == 5


def test_a_rule_is_deleted_from_the_draft():
    draft = lifecycle.import_document(document(full(), full(key="other")), ALICE)

    lifecycle.delete_rule(draft, "other", BOB)
    with pytest.raises(NotPossible):
        lifecycle.delete_rule(draft, "other", BOB)

    assert list(draft.rules.values_list("key", flat=True)) == ["xinjiang-coupon"]
    assert changes()[-1] == ("ruleset.rule_deleted", "1", BOB)


def test_a_discarded_draft_is_gone():
    draft = lifecycle.import_document(document(full()), ALICE)

    lifecycle.discard_draft(draft, BOB)

    assert not RuleSet.objects.exists()
    assert not Rule.objects.exists()
    assert changes()[-1] == ("ruleset.draft_discarded", "1", BOB)


def test_an_act_outside_leaves_nothing_when_it_is_rolled_back():
    def publish_and_fail() -> None:
        with transaction.atomic():
            publish(full())
            raise RuntimeError

    with pytest.raises(RuntimeError):
        publish_and_fail()

    assert not RuleSet.objects.exists()
    assert changes() == []


def test_entries_are_added_once_however_they_are_spelt():
    blocklist = lifecycle.create_list("blocklist", "黑名单", ALICE, "blocklist")

    added = lifecycle.add_list_entries(
        blocklist,
        ["+8613800000000", " +86 １３８ 0000 0000\u200b", NewEntry("C-88", "fraud")],
        ALICE,
    )
    again = lifecycle.add_list_entries(blocklist, ["c-88"], BOB)

    blocklist.refresh_from_db()
    assert (added, again, blocklist.version) == (2, 0, 2)
    entry = ListEntry.objects.get(skeleton="c-88")
    assert (entry.value, entry.reason, entry.added_by) == ("C-88", "", ALICE)
    kinds = [kind for kind, _subject, _actor in changes()]
    assert kinds == ["list.created", "list.entries_added", "list.entries_added"]


def test_adding_the_same_again_changes_nothing():
    blocklist = lifecycle.create_list("blocklist", "黑名单", ALICE)
    lifecycle.add_list_entries(blocklist, ["a"], ALICE)
    seq = latest()

    assert lifecycle.add_list_entries(blocklist, ["A"], BOB) == 0

    blocklist.refresh_from_db()
    assert blocklist.version == 1
    assert changes(since=seq) == []


def test_the_feed_is_told_how_many_values_and_never_which():
    blocklist = lifecycle.create_list("blocklist", "黑名单", ALICE)
    lifecycle.add_list_entries(blocklist, ["+8613800000000", "C-88"], ALICE)

    change = Change.objects.get(kind="list.entries_added")

    assert (change.subject_kind, change.subject_id, change.subject_version) == (
        "list",
        "blocklist",
        1,
    )
    assert change.new == {"added": 2, "changed": 0}
    assert not Change.objects.filter(new__icontains="13800000000").exists()


@pytest.mark.parametrize("value", ["", "   ", "\u200b\u202e", "x" * 501, "ﷺ" * 60])
def test_a_value_no_list_can_take_adds_nothing(value):
    blocklist = lifecycle.create_list("blocklist", "黑名单", ALICE)

    with pytest.raises(DocumentInvalid) as caught:
        lifecycle.add_list_entries(blocklist, ["fine", value], ALICE)

    assert [error.path for error in caught.value.errors] == ["entries[1].value"]
    assert not ListEntry.objects.exists()


def test_an_entry_is_changed_and_removed():
    blocklist = lifecycle.create_list("blocklist", "黑名单", ALICE)
    lifecycle.add_list_entries(blocklist, ["a", "b"], ALICE)
    entry = ListEntry.objects.get(skeleton="a")
    until = timezone.now() + timedelta(days=1)

    lifecycle.change_list_entry(entry, BOB, reason="wrong", expires_at=until)
    entry.refresh_from_db()
    lifecycle.remove_list_entry(entry, BOB)

    blocklist.refresh_from_db()
    assert (entry.reason, entry.expires_at, blocklist.version) == ("wrong", until, 3)
    assert list(ListEntry.objects.values_list("value", flat=True)) == ["b"]
    assert [kind for kind, _s, actor in changes() if actor == BOB] == [
        "list.entry_changed",
        "list.entries_removed",
    ]
    with pytest.raises(NotPossible):
        lifecycle.change_list_entry(entry, BOB, reason="", expires_at=None)


def test_a_list_is_made_once():
    first = lifecycle.create_list("blocklist", "黑名单", ALICE)

    assert lifecycle.create_list("blocklist", "another name", BOB) == first
    with pytest.raises(DocumentInvalid):
        lifecycle.create_list("Block List", "name", ALICE)
    assert ReferenceList.objects.count() == 1


def together(count: int, act) -> list[object]:
    """Run an act in several threads at once; what each returned or raised."""
    start = threading.Barrier(count)
    results: list[object] = [None] * count

    def run(number: int) -> None:
        try:
            start.wait()
            results[number] = act(number)
        except Exception as error:
            results[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


@pytest.mark.django_db(transaction=True)
def test_of_many_who_publish_at_once_one_does():
    draft = lifecycle.import_document(document(full()), ALICE)

    results = together(6, lambda number: lifecycle.publish(draft, f"user:{number}"))

    assert sorted(type(result).__name__ for result in results) == ["NotPossible"] * 5 + ["RuleSet"]
    assert RuleSet.objects.filter(state="live").count() == 1
    assert Change.objects.filter(kind="ruleset.published").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_who_open_a_draft_at_once_all_get_the_same():
    publish(full())

    results = together(6, lambda number: lifecycle.open_draft(f"user:{number}").pk)

    assert len(set(results)) == 1
    assert RuleSet.objects.filter(state="draft").count() == 1


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_two_first_drafts_would_collide(monkeypatch):
    """The negative control of the two tests above."""
    from rules.lifecycle import drafts, versions

    barrier = threading.Barrier(2)
    original = versions.next_version

    def slow_version() -> int:
        version = original()
        barrier.wait(timeout=5)
        return version

    monkeypatch.setattr(drafts, "begin", lambda actor: None)
    monkeypatch.setattr(versions, "next_version", slow_version)

    results = together(2, lambda number: lifecycle.open_draft(f"user:{number}"))

    assert "IntegrityError" in {type(result).__name__ for result in results}


@pytest.mark.django_db(transaction=True)
def test_entries_added_at_once_are_all_counted():
    blocklist = lifecycle.create_list("blocklist", "黑名单", ALICE)

    together(6, lambda n: lifecycle.add_list_entries(blocklist, [f"v{n}", "shared"], ALICE))

    blocklist.refresh_from_db()
    assert (ListEntry.objects.count(), blocklist.version) == (7, 6)
