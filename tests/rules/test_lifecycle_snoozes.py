"""Snoozes: a rule passed over for one customer, until a time, and for nobody else."""

from datetime import timedelta

import pytest

from changefeed.clock import database_now
from rules import lifecycle, live
from rules.errors import DocumentInvalid, NotPossible
from rules.lifecycle import snoozes
from rules.models import RuleSnooze
from tests.rules.documents import LIVE_FACTS
from tests.rules.living import ALICE, BOB, changes, draft_of, full, latest, published, together

pytestmark = pytest.mark.django_db

KEY = "xinjiang-coupon"


def until(days: int = 7):
    return database_now() + timedelta(days=days)


def held(customer: str, at=None) -> bool:
    rules, at = live.current(), at or database_now()
    asleep = rules.snoozed(customer, at)
    return rules.compiled.decide(LIVE_FACTS, at, snoozed=asleep).intercept is not None


def test_the_rule_sleeps_for_this_customer_and_nobody_else():
    published(full())

    made = lifecycle.snooze_rule(KEY, "C-88", until(), "known buyer", ALICE)

    assert (held("C-88"), held("C-89")) == (False, True)
    assert (made.created_by, made.reason) == (ALICE, "known buyer")
    assert changes()[-1] == ("snooze.started", str(made.pk), ALICE)


def test_it_ends_by_itself_even_if_nobody_looks_again():
    published(full())
    made = lifecycle.snooze_rule(KEY, "C-88", until(), "r", ALICE)
    rules = live.current()

    assert rules.snoozed("C-88", made.until - timedelta(seconds=1)) == {KEY}
    assert rules.snoozed("C-88", made.until) == frozenset()


def test_it_is_ended_once():
    published(full())
    made = lifecycle.snooze_rule(KEY, "C-88", until(), "r", ALICE)

    lifecycle.end_snooze(made, BOB)
    with pytest.raises(NotPossible):
        lifecycle.end_snooze(made, BOB)

    made.refresh_from_db()
    assert (held("C-88"), made.ended_by) == (True, BOB)
    assert changes()[-1] == ("snooze.ended", str(made.pk), BOB)


def test_two_rules_may_sleep_and_a_second_snooze_of_one_is_refused():
    published(full(), full(key="other"))
    lifecycle.snooze_rule(KEY, "C-88", until(), "r", ALICE)
    lifecycle.snooze_rule("other", "C-88", until(), "r", ALICE)
    seq = latest()

    with pytest.raises(NotPossible):
        lifecycle.snooze_rule(KEY, " C-88\u200b", until(30), "r", BOB)

    assert (RuleSnooze.objects.count(), latest()) == (2, seq)


def test_one_that_ran_out_makes_room_for_the_next(monkeypatch):
    published(full())
    first = lifecycle.snooze_rule(KEY, "C-88", until(), "r", ALICE)
    at = until(8)
    monkeypatch.setattr(snoozes, "database_now", lambda: at)

    lifecycle.snooze_rule(KEY, "C-88", at + timedelta(days=7), "again", BOB)

    first.refresh_from_db()
    assert (first.ended_by, first.ended_at) == ("system", first.until)


@pytest.mark.parametrize(
    ("fields", "paths"),
    [
        ({"customer": "\u200b "}, ["customer"]),
        ({"customer": "x" * 129}, ["customer"]),
        ({"reason": "  "}, ["reason"]),
        ({"reason": "x" * 501}, ["reason"]),
        ({"rule_key": "No Key"}, ["rule_key"]),
        ({"days": 0}, ["until"]),
        ({"days": 400}, ["until"]),
    ],
)
def test_what_cannot_be_taken_is_named_and_nothing_is_stored(fields, paths):
    published(full())
    given = {"rule_key": KEY, "customer": "C-88", "reason": "r", "days": 7} | fields
    seq = latest()

    with pytest.raises(DocumentInvalid) as caught:
        lifecycle.snooze_rule(
            given["rule_key"], given["customer"], until(given["days"]), given["reason"], ALICE
        )

    assert [error.path for error in caught.value.errors] == paths
    assert (RuleSnooze.objects.count(), latest()) == (0, seq)


def test_a_rule_that_is_not_live_does_not_sleep():
    published(full())
    draft_of(full(key="drafted"))

    with pytest.raises(NotPossible):
        lifecycle.snooze_rule("drafted", "C-88", until(), "r", ALICE)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_snooze_at_once_one_does():
    published(full())

    results = together(*[lambda: lifecycle.snooze_rule(KEY, "C-88", until(), "r", ALICE)] * 4)

    names = sorted(type(result).__name__ for result in results)
    assert names == ["NotPossible"] * 3 + ["RuleSnooze"]


def test_another_process_sees_it_within_a_second(monkeypatch):
    published(full())
    live.current()
    before = live._held
    lifecycle.snooze_rule(KEY, "C-88", until(), "r", ALICE)
    live._held = before
    now = live.time.monotonic()
    monkeypatch.setattr(live.time, "monotonic", lambda: now + 1.01)

    assert not held("C-88")
