"""The second person: who wrote a version does not put it in force, when the shop asks for that."""

from datetime import timedelta

import pytest

from changefeed.clock import database_now
from rules import lifecycle
from rules.errors import NotPossible
from rules.lifecycle import schedules
from rules.models import RuleSet
from tests.rules.living import ALICE, BOB, CAROL, draft_of, full, latest, published, states

pytestmark = pytest.mark.django_db


@pytest.fixture
def second_person(settings):
    settings.RULES_APPROVER_REQUIRED = True


def test_everybody_who_changed_the_draft_is_remembered_once():
    draft = draft_of(full(), full(key="second"), actor=ALICE)
    lifecycle.save_rule(draft, full(priority=1), BOB, replaces="xinjiang-coupon")
    lifecycle.set_rule_status(draft, "second", "disabled", CAROL)
    lifecycle.reorder_rules(draft, "intercept", ["second", "xinjiang-coupon"], BOB)
    lifecycle.delete_rule(draft, "second", "user:dora")

    draft.refresh_from_db()
    assert draft.edited_by == [ALICE, BOB, CAROL, "user:dora"]


def test_an_act_that_changes_nothing_makes_nobody_an_editor():
    draft = draft_of(full(priority=10), actor=ALICE)

    lifecycle.set_rule_status(draft, "xinjiang-coupon", "live", BOB)
    lifecycle.reorder_rules(draft, "intercept", ["xinjiang-coupon"], BOB)

    draft.refresh_from_db()
    assert draft.edited_by == [ALICE]


@pytest.mark.parametrize("actor", [ALICE, BOB])
def test_who_wrote_it_is_refused_and_nothing_changes(actor, second_person):
    published(full(), actor="system")
    draft = lifecycle.open_draft(ALICE)
    lifecycle.save_rule(draft, full(priority=1), BOB, replaces="xinjiang-coupon")
    before = (states(), latest())

    with pytest.raises(NotPossible):
        lifecycle.publish(draft, actor)
    with pytest.raises(NotPossible):
        lifecycle.schedule(draft, database_now() + timedelta(hours=1), actor)

    draft.refresh_from_db()
    assert (states(), latest(), draft.publish_at) == (*before, None)


def test_somebody_else_puts_it_in_force(second_person):
    draft = draft_of(full(), actor=ALICE)

    lifecycle.publish(draft, CAROL)

    draft.refresh_from_db()
    assert (draft.state, draft.approved_by) == ("live", CAROL)


def test_the_writer_may_let_it_watch_but_not_promote_it(second_person):
    shadow = lifecycle.start_shadow(draft_of(full(), actor=ALICE), ALICE)

    with pytest.raises(NotPossible):
        lifecycle.promote(shadow, ALICE)
    lifecycle.promote(shadow, BOB)

    assert states() == {1: "live"}


def test_no_way_round_by_a_shadow_run_that_ended(second_person):
    published(full(), actor="system")
    mine = lifecycle.start_shadow(draft_of(full(priority=1), actor=ALICE), ALICE)
    lifecycle.end_shadow(mine, BOB)

    with pytest.raises(NotPossible):
        lifecycle.rollback_to(mine, ALICE)
    copy = lifecycle.open_draft(BOB, RuleSet.objects.get(pk=mine.pk))
    with pytest.raises(NotPossible):
        lifecycle.publish(copy, ALICE)

    assert states()[1] == "live"


def test_in_an_emergency_one_person_rolls_back(second_person):
    first = published(full(), actor="system")
    lifecycle.publish(draft_of(full(priority=1), actor=ALICE), BOB)

    lifecycle.rollback_to(first, ALICE)

    assert states() == {1: "retired", 2: "retired", 3: "live"}


def test_a_schedule_made_before_the_rule_was_turned_on_is_not_kept(settings, monkeypatch):
    published(full(), actor="system")
    draft = draft_of(full(priority=1), actor=ALICE)
    lifecycle.schedule(draft, database_now() + timedelta(hours=1), ALICE)
    settings.RULES_APPROVER_REQUIRED = True
    at = database_now() + timedelta(hours=2)
    monkeypatch.setattr(schedules, "database_now", lambda: at)

    assert lifecycle.publish_scheduled() == []

    assert states() == {1: "live", 2: "draft"}


def test_commands_at_the_terminal_need_nobody(second_person):
    published(full(), actor="system")

    assert states() == {1: "live"}
