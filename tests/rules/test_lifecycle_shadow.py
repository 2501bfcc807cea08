"""A version that watches: started, promoted, ended; rules in force stay what they were."""

from functools import partial
from typing import Any

import pytest

from rules import lifecycle, live
from rules.errors import DocumentInvalid, NotPossible
from rules.models import RuleSet
from rules.storage import digest_of, ruleset_as_json
from tests.rules.documents import AT, LIVE_FACTS, row
from tests.rules.living import (
    ALICE,
    BOB,
    changes,
    draft_of,
    full,
    latest,
    published,
    states,
    together,
)

pytestmark = pytest.mark.django_db


def document_in(ruleset: RuleSet) -> Any:
    """The frozen document."""
    return ruleset.document


def test_a_draft_that_watches_is_frozen_and_not_in_force():
    published(full())
    draft = draft_of(full(priority=1), full(key="second"))

    shadow = lifecycle.start_shadow(draft, BOB, "look first")

    shadow.refresh_from_db()
    assert (shadow.state, shadow.published_by, shadow.approved_by) == ("shadow", BOB, "")
    assert (shadow.note, shadow.live_at) == ("look first", None)
    assert [rule["key"] for rule in document_in(shadow)["rules"]] == ["xinjiang-coupon", "second"]
    assert states() == {1: "live", 2: "shadow"}
    assert changes()[-1] == ("ruleset.shadow_started", "2", BOB)
    assert live.current().version == 1
    assert live.current().shadow.version == 2


def test_a_second_shadow_retires_the_first():
    published(full())
    lifecycle.start_shadow(draft_of(full(priority=1)), ALICE)

    lifecycle.start_shadow(draft_of(full(priority=2)), ALICE)

    assert states() == {1: "live", 2: "retired", 3: "shadow"}


def test_what_watched_is_put_in_force_unchanged():
    first = published(full())
    shadow = lifecycle.start_shadow(draft_of(full(priority=1)), ALICE, "note")
    document = RuleSet.objects.get(pk=shadow.pk).document

    lifecycle.promote(shadow, BOB)

    shadow.refresh_from_db()
    first.refresh_from_db()
    assert states() == {1: "retired", 2: "live"}
    assert (shadow.published_by, shadow.approved_by) == (ALICE, BOB)
    assert shadow.document == document
    assert first.retired_at is not None
    assert live.current().version == 2
    assert not live.current().shadow
    assert changes()[-1] == ("ruleset.promoted", "2", BOB)


def test_a_shadow_run_that_ends_was_never_live_and_cannot_be_rolled_back_to():
    published(full())
    shadow = lifecycle.start_shadow(draft_of(full(priority=1)), ALICE)

    lifecycle.end_shadow(shadow, BOB)
    with pytest.raises(NotPossible):
        lifecycle.rollback_to(shadow, BOB)

    assert states() == {1: "live", 2: "retired"}
    assert changes()[-1] == ("ruleset.shadow_ended", "2", BOB)


def test_only_a_version_that_watches_is_promoted_or_ended():
    live_version = published(full())
    draft = draft_of(full(priority=2))
    before = (states(), latest())

    for act in (lifecycle.promote, lifecycle.end_shadow):
        for ruleset in (live_version, draft):
            with pytest.raises(NotPossible):
                act(ruleset, ALICE)

    assert (states(), latest()) == before


def test_a_draft_with_errors_does_not_watch():
    published(full())
    draft = draft_of(full())
    draft.rules.get().rows.filter(fact="coupon.types").update(fact="gone")

    with pytest.raises(DocumentInvalid):
        lifecycle.start_shadow(draft, ALICE)

    assert states() == {1: "live", 2: "draft"}


def test_a_draft_that_changed_since_it_was_shown_neither_watches_nor_goes_live():
    draft = draft_of(full())
    shown = digest_of(ruleset_as_json(draft))
    lifecycle.save_rule(draft, full(priority=3), BOB, replaces="xinjiang-coupon")

    for act in (lifecycle.start_shadow, lifecycle.publish):
        with pytest.raises(NotPossible):
            act(draft, ALICE, expected=shown)

    assert states() == {1: "draft"}
    lifecycle.publish(draft, ALICE, expected=digest_of(ruleset_as_json(draft)))
    assert states() == {1: "live"}


def test_shadow_rules_of_the_live_version_watch_and_never_act():
    published(
        full(status="shadow"), full(key="tagged", layer="tag", then=[{"do": "tag", "tag": "t"}])
    )

    rules = live.current()
    decision = rules.compiled.decide(LIVE_FACTS, AT)
    seen = rules.shadow.look(LIVE_FACTS, AT, decision)

    assert (decision.intercept, decision.tags) == (None, ("t",))
    assert seen == {"rules": ["xinjiang-coupon"], "version": None, "outcome": None}


def test_a_shadow_version_that_cannot_be_read_harms_nobody(monkeypatch):
    published(full())
    lifecycle.start_shadow(draft_of(full(key="other")), ALICE)
    live.forget()
    from rules import loading

    original = loading.parse_document

    def parse(raw, *args):
        if raw["rules"][0]["key"] == "other":
            raise DocumentInvalid([])
        return original(raw, *args)

    monkeypatch.setattr(loading, "parse_document", parse)

    assert live.current().version == 1
    assert not live.current().shadow


def test_the_lists_of_a_shadow_version_are_at_hand_but_not_pinned():
    lifecycle.create_list("blocklist", "黑名单", "system")
    published(full())
    listed = full(key="l", when=[[row("ship_to.phone", "in_list", "blocklist")]])
    lifecycle.start_shadow(draft_of(listed), ALICE)

    rules = live.current()

    assert rules.list_versions.keys() & {"blocklist"} == set()
    assert "blocklist" in rules.lists


@pytest.mark.django_db(transaction=True)
def test_promoting_and_publishing_at_once_leave_one_live_version():
    published(full())
    shadow = lifecycle.start_shadow(draft_of(full(priority=1)), ALICE)
    draft = draft_of(full(priority=2))

    results = together(
        lambda: lifecycle.promote(shadow, ALICE), lambda: lifecycle.publish(draft, BOB)
    )

    assert [type(result).__name__ for result in results] == ["RuleSet", "RuleSet"]
    found = states()
    assert sorted(found.values()) == ["live", "retired", "retired"]
    published_kinds = [
        k for k, _s, _a in changes() if k in ("ruleset.promoted", "ruleset.published")
    ]
    assert len(published_kinds) == 3


@pytest.mark.django_db(transaction=True)
def test_an_edit_and_a_publish_at_once_never_mix():
    """Either the edit is in what went live, or it was refused."""
    for turn in range(6):
        draft = draft_of(full(priority=turn + 1))
        edited = full(priority=500 + turn)

        _published, saved = together(
            partial(lifecycle.publish, draft, ALICE),
            partial(lifecycle.save_rule, draft, edited, BOB, replaces="xinjiang-coupon"),
        )

        draft.refresh_from_db()
        assert draft.state == "live"
        frozen = document_in(draft)["rules"][0]["priority"]
        assert frozen == draft.rules.get().priority
        assert frozen == (turn + 1 if isinstance(saved, NotPossible) else 500 + turn)


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_the_edit_would_miss_what_went_live(monkeypatch):
    """The negative control of the test above."""
    import threading

    from rules.lifecycle import rules, rulesets, versions
    from rules.models import RuleSet

    draft = draft_of(full(priority=1))
    read, edited = threading.Event(), threading.Event()
    original = versions.readable

    def slow(ruleset):
        document = original(ruleset)
        read.set()
        edited.wait(timeout=10)
        return document

    for module in (rules, rulesets):
        monkeypatch.setattr(module, "begin", lambda actor: None)
        monkeypatch.setattr(module, "record", lambda *args, **kwargs: None)
        monkeypatch.setattr(module, "locked_draft", lambda found: RuleSet.objects.get(pk=found.pk))
    monkeypatch.setattr(rulesets, "readable", slow)

    def save():
        read.wait(timeout=10)
        try:
            return lifecycle.save_rule(draft, full(priority=500), BOB, replaces="xinjiang-coupon")
        finally:
            edited.set()

    together(lambda: lifecycle.publish(draft, ALICE), save)

    draft.refresh_from_db()
    assert document_in(draft)["rules"][0]["priority"] == 1
    assert draft.rules.get().priority == 500
