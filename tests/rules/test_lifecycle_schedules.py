"""Versions that go live by themselves: at their time, once, and only as they were scheduled."""

from datetime import UTC, datetime, timedelta

import pytest

from changefeed.clock import database_now
from changefeed.models import Change
from rules import lifecycle, scheduling, tasks
from rules.errors import NotPossible
from rules.lifecycle import schedules
from tests.rules.living import (
    ALICE,
    BOB,
    changes,
    draft_of,
    dropped,
    full,
    latest,
    published,
    states,
    together,
)

pytestmark = pytest.mark.django_db


def soon(minutes: int = 60) -> datetime:
    return database_now() + timedelta(minutes=minutes)


@pytest.fixture
def later(monkeypatch):
    """Moves the database's clock, as the acts read it."""

    def pass_time(**span: int) -> None:
        at = database_now() + timedelta(**span)
        monkeypatch.setattr(schedules, "database_now", lambda: at)

    return pass_time


def test_a_scheduled_draft_goes_live_at_its_time_and_not_before(later):
    published(full())
    draft = draft_of(full(priority=1))
    lifecycle.schedule(draft, soon(), BOB, "618")

    assert lifecycle.publish_scheduled() == []
    later(minutes=59)
    assert lifecycle.publish_scheduled() == []
    later(minutes=61)
    went = lifecycle.publish_scheduled()

    draft.refresh_from_db()
    assert [ruleset.pk for ruleset in went] == [draft.pk]
    assert states() == {1: "retired", 2: "live"}
    assert (draft.approved_by, draft.published_by, draft.note) == (BOB, BOB, "618")
    assert (draft.publish_at, draft.scheduled_by, draft.scheduled_digest) == (None, "", "")
    assert [c for c in changes() if c[1] == "2"][-2:] == [
        ("ruleset.scheduled", "2", BOB),
        ("ruleset.published", "2", "system"),
    ]


def test_two_beats_publish_once(later):
    draft = draft_of(full())
    lifecycle.schedule(draft, soon(), ALICE)
    later(hours=2)

    assert (tasks.publish_scheduled(), tasks.publish_scheduled()) == (1, 0)

    assert Change.objects.filter(kind="ruleset.published").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_beats_at_once_publish_once(later):
    draft = draft_of(full())
    lifecycle.schedule(draft, soon(), ALICE)
    later(hours=2)

    counts = together(*[lambda: len(lifecycle.publish_scheduled())] * 4)

    assert sorted(counts) == [0, 0, 0, 1]
    assert Change.objects.filter(kind="ruleset.published").count() == 1


def test_a_shadow_version_is_scheduled_too(later):
    published(full())
    shadow = lifecycle.start_shadow(draft_of(full(priority=1)), ALICE)
    lifecycle.schedule(shadow, soon(), BOB)
    later(hours=2)

    lifecycle.publish_scheduled()

    assert states() == {1: "retired", 2: "live"}


def edit(draft):
    lifecycle.save_rule(draft, full(priority=7), BOB, replaces="xinjiang-coupon")


@pytest.mark.parametrize(
    "change",
    [
        edit,
        lambda draft: lifecycle.delete_rule(draft, "second", BOB),
        lambda draft: lifecycle.set_rule_status(draft, "second", "disabled", BOB),
        lambda draft: lifecycle.reorder_rules(
            draft, "intercept", ["second", "xinjiang-coupon"], BOB
        ),
        lambda draft: lifecycle.import_document({"rules": [full()]}, BOB),
    ],
)
def test_any_edit_takes_the_schedule_off_and_says_why(change, later):
    draft = draft_of(full(), full(key="second"))
    at = soon()
    lifecycle.schedule(draft, at, ALICE)

    change(draft)
    later(hours=2)
    lifecycle.publish_scheduled()

    draft.refresh_from_db()
    assert (draft.state, draft.publish_at, draft.scheduled_by) == ("draft", None, "")
    found = dropped(draft)
    assert (found.reason, found.actor, found.was_asked_for) == ("edited", BOB, False)
    assert found.publish_at is not None
    assert abs(found.publish_at - at) < timedelta(milliseconds=1)


def test_a_schedule_is_cancelled_by_hand_once():
    draft = draft_of(full())
    lifecycle.schedule(draft, soon(), ALICE)

    lifecycle.unschedule(draft, BOB)
    with pytest.raises(NotPossible):
        lifecycle.unschedule(draft, BOB)

    draft.refresh_from_db()
    assert draft.publish_at is None
    assert dropped(draft).was_asked_for


def test_what_was_changed_behind_our_back_does_not_go_live(later):
    published(full())
    draft = draft_of(full(), full(key="second"))
    lifecycle.schedule(draft, soon(), ALICE)
    draft.rules.filter(key="second").update(name="other")
    later(hours=2)

    assert lifecycle.publish_scheduled() == []

    assert states() == {1: "live", 2: "draft"}
    draft.refresh_from_db()
    assert dropped(draft).reason == scheduling.CONTENT_CHANGED


def test_a_rollback_is_not_undone_by_a_schedule_made_before(later):
    first = published(full())
    published(full(priority=2))
    draft = draft_of(full(priority=3))
    lifecycle.schedule(draft, soon(), ALICE)
    lifecycle.rollback_to(first, BOB, "emergency")
    draft.refresh_from_db()
    assert draft.publish_at is None
    later(hours=2)

    assert lifecycle.publish_scheduled() == []

    assert states()[4] == "live"
    draft.refresh_from_db()
    assert (draft.state, draft.publish_at) == ("draft", None)
    assert dropped(draft).reason == scheduling.LIVE_CHANGED


def test_a_live_version_changed_behind_our_back_is_noticed_at_the_time(later, monkeypatch):
    published(full())
    draft = draft_of(full(priority=3))
    lifecycle.schedule(draft, soon(), ALICE)
    monkeypatch.setattr(schedules.scheduling, "promise_of", lambda *_found: "0:0")
    draft.scheduled_digest = "0:9"
    draft.save(update_fields=["scheduled_digest"])
    later(hours=2)

    assert lifecycle.publish_scheduled() == []

    draft.refresh_from_db()
    assert dropped(draft).reason == scheduling.LIVE_CHANGED


def test_rules_that_have_become_wrong_do_not_go_live(later, monkeypatch):
    published(full())
    draft = draft_of(full(priority=3))
    lifecycle.schedule(draft, soon(), ALICE)

    def refuse(*_args):
        raise NotPossible("gone")

    monkeypatch.setattr(schedules, "go_live", refuse)
    later(hours=2)

    assert lifecycle.publish_scheduled() == []

    draft.refresh_from_db()
    assert states() == {1: "live", 2: "draft"}
    assert dropped(draft).reason == scheduling.NOT_VALID


@pytest.mark.parametrize("minutes", [-1, 0, 60 * 24 * 367])
def test_a_time_that_is_past_or_too_far_is_refused(minutes):
    draft = draft_of(full())
    seq = latest()

    with pytest.raises(NotPossible):
        lifecycle.schedule(draft, soon(minutes), ALICE)

    draft.refresh_from_db()
    assert (draft.publish_at, latest()) == (None, seq)


def test_a_naive_time_is_refused():
    draft = draft_of(full())

    with pytest.raises(ValueError, match="zone"):
        lifecycle.schedule(draft, datetime(2030, 1, 1), ALICE)


def test_only_drafts_and_shadow_versions_are_scheduled():
    live = published(full())

    with pytest.raises(NotPossible):
        lifecycle.schedule(live, soon(), ALICE)
    with pytest.raises(NotPossible):
        lifecycle.unschedule(live, ALICE)


def test_the_time_is_kept_exactly_whatever_its_zone():
    draft = draft_of(full())
    at = datetime(2027, 6, 18, tzinfo=UTC).replace(microsecond=5)
    at = min(at, soon(60 * 24 * 300))

    lifecycle.schedule(draft, at, ALICE)

    draft.refresh_from_db()
    assert draft.publish_at == at
