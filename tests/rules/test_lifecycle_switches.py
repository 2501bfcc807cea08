"""The anti-fraud switch: one act, one version, and no draft that would undo it."""

from datetime import timedelta
from typing import Any

import pytest

from changefeed.clock import database_now
from rules import fraud, lifecycle, live
from rules.errors import NotPossible
from rules.facts import catalogue
from rules.lifecycle import switches
from rules.models import RuleSet
from rules.parsing import parse_document
from rules.storage import ruleset_as_json
from tests.rules.documents import document
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

OFF = full(key="fraud-grade", status="disabled", priority=70)
SHIPPED = full(key="fraud-shipped", status="disabled", priority=71)


@pytest.fixture(autouse=True)
def shipped(monkeypatch):
    """A pack of one shipped rule, whatever the starter holds."""
    rules = parse_document(document(SHIPPED), catalogue).rules
    monkeypatch.setattr(switches, "shipped_pack", lambda: rules)


def statuses(ruleset: RuleSet) -> dict[str, str]:
    rules: Any = ruleset_as_json(ruleset)["rules"]
    return {rule["key"]: rule["status"] for rule in rules}


def test_on_makes_a_version_with_the_pack_live_and_what_is_missing_added():
    published(full(), OFF)

    done = lifecycle.set_fraud_mode(True, BOB)

    assert (done.changed, done.live.version, done.draft) == (True, 2, None)
    assert statuses(done.live) == {
        "xinjiang-coupon": "live",
        "fraud-grade": "live",
        "fraud-shipped": "live",
    }
    assert states() == {1: "retired", 2: "live"}
    assert (done.live.approved_by, done.live.based_on) == (BOB, 1)
    assert changes()[-1] == ("ruleset.fraud_mode_set", "2", BOB)
    assert live.current().version == 2


def test_off_disables_the_pack_and_nothing_else():
    published(full(), full(key="fraud-grade"))

    done = lifecycle.set_fraud_mode(False, BOB)

    assert statuses(done.live) == {"xinjiang-coupon": "live", "fraud-grade": "disabled"}


def test_the_same_again_makes_no_version():
    published(full(), OFF)
    lifecycle.set_fraud_mode(True, BOB)
    seq = latest()

    done = lifecycle.set_fraud_mode(True, BOB)

    assert (done.changed, done.live.version, latest()) == (False, 2, seq)


@pytest.mark.django_db(transaction=True)
def test_a_double_click_is_one_version():
    published(full(), OFF)

    results = together(*[lambda: lifecycle.set_fraud_mode(True, BOB)] * 3)

    assert sorted(done.changed for done in results) == [False, False, True]
    assert states() == {1: "retired", 2: "live"}


def test_what_people_changed_in_a_rule_stays():
    mine = full(key="fraud-grade", status="disabled", priority=3, name="ours")
    published(full(), mine)

    done = lifecycle.set_fraud_mode(True, BOB)

    rule = done.live.rules.get(key="fraud-grade")
    assert (rule.priority, rule.name, rule.status) == (3, "ours", "live")


def test_an_open_draft_follows_and_loses_its_schedule():
    published(full(), OFF)
    draft = draft_of(full(priority=5), OFF)
    lifecycle.schedule(draft, database_now() + timedelta(hours=1), ALICE)

    done = lifecycle.set_fraud_mode(True, BOB)

    draft.refresh_from_db()
    assert (done.draft, done.dropped_schedule) == (draft, True)
    assert statuses(draft) == {
        "xinjiang-coupon": "live",
        "fraud-grade": "live",
        "fraud-shipped": "live",
    }
    assert draft.rules.get(key="xinjiang-coupon").priority == 5
    assert (draft.publish_at, draft.based_on) == (None, done.live.version)
    assert draft.edited_by == [ALICE]
    lifecycle.publish(draft, ALICE)
    assert fraud.is_on(live.current().document)


def test_switching_back_and_forth_gives_the_same_rules():
    published(full(), full(key="fraud-grade"), full(key="fraud-shipped"))
    before = live.current().document

    lifecycle.set_fraud_mode(False, BOB)
    lifecycle.set_fraud_mode(True, BOB)

    assert set(live.current().document.rules) == set(before.rules)


def test_nothing_live_and_nothing_to_switch_are_refused(monkeypatch):
    with pytest.raises(NotPossible):
        lifecycle.set_fraud_mode(True, BOB)
    monkeypatch.setattr(switches, "shipped_pack", lambda: ())
    published(full())

    with pytest.raises(NotPossible):
        lifecycle.set_fraud_mode(True, BOB)

    assert states() == {1: "live"}


def test_one_person_is_enough_and_may_still_approve_the_draft(settings):
    settings.RULES_APPROVER_REQUIRED = True
    published(full(), OFF, actor="system")
    draft = draft_of(full(priority=5), OFF, actor=ALICE)

    lifecycle.set_fraud_mode(True, BOB)
    lifecycle.publish(draft, BOB)

    assert states()[draft.version] == "live"


def test_partly_on_is_told_apart():
    one = parse_document(document(full(key="fraud-a"), OFF), catalogue)
    assert (fraud.is_on(one), fraud.is_partly_on(one)) == (False, True)
    none = parse_document(document(OFF), catalogue)
    assert (fraud.is_on(none), fraud.is_partly_on(none)) == (False, False)
