"""Tracing what was decided: its own version, today's lists, and what changed since."""

from datetime import timedelta

import pytest
from django.utils import timezone

from rules import lifecycle, live
from rules.history_trace import snoozed_then, trace_of
from rules.models import RuleSet, RuleSnooze
from tests.rules.documents import document, row, rule

pytestmark = pytest.mark.django_db

PROVINCE = {"ship_to.province": "浙江省"}


def publish(*rules) -> RuleSet:
    version = lifecycle.publish(
        lifecycle.import_document(document(*rules), "user:a"), "user:b", "n"
    )
    live.forget()
    return version


def listed(*values: str):
    reference_list = lifecycle.create_list("places", "places", "user:a")
    lifecycle.add_list_entries(reference_list, list(values), "user:a")
    live.forget()
    return reference_list


ON_LIST = rule("listed", when=[[row("ship_to.province", "in_list", "places")]])


def test_a_decision_is_traced_by_the_version_that_made_it():
    first = publish(rule("old", when=[[row("ship_to.province", "eq", "浙江省")]]))
    publish(rule("new", when=[[row("ship_to.province", "eq", "浙江省")]]))

    past = trace_of(first.version, {}, PROVINCE, timezone.now())

    assert past is not None
    assert [(one.key, one.outcome) for one in past.rules] == [("old", "matched")]
    assert past.changed_lists == ()


def test_a_list_that_changed_since_is_named():
    places = listed("浙江省")
    version = publish(ON_LIST)
    before = live.current().list_versions

    same = trace_of(version.version, before, PROVINCE, timezone.now())
    assert same is not None
    assert (same.rules[0].outcome, same.changed_lists) == ("matched", ())

    places.entries.all().delete()
    lifecycle.add_list_entries(places, ["江苏省"], "user:a")
    live.forget()
    now = trace_of(version.version, before, PROVINCE, timezone.now())
    assert now is not None
    assert (now.rules[0].outcome, now.changed_lists) == ("not_matched", ("places",))


def test_what_nobody_published_cannot_be_traced():
    drafted = rule("a", when=[[row("ship_to.province", "eq", "浙江省")]])
    lifecycle.import_document(document(drafted), "user:a")

    for version in (1, 99):
        assert trace_of(version, {}, PROVINCE, timezone.now()) is None


def test_facts_that_cannot_be_read_any_more_count_as_missing():
    version = publish(rule("a", when=[[row("ship_to.province", "eq", "浙江省")]]))

    past = trace_of(version.version, {}, {"ship_to.province": 5, "gone.fact": 1}, timezone.now())

    assert past is not None
    assert past.rules[0].failed is not None
    assert past.rules[0].failed.seen is None


def test_the_rules_in_force_are_traced_without_reading_their_lists_again(
    django_assert_max_num_queries,
):
    listed("浙江省")
    version = publish(ON_LIST)
    trace_of(version.version, {}, PROVINCE, timezone.now())

    with django_assert_max_num_queries(1):
        trace_of(version.version, {}, PROVINCE, timezone.now())


def test_a_snooze_counts_from_its_beginning_to_its_end():
    now = timezone.now()
    snooze = RuleSnooze.objects.create(
        rule_key="r", customer="C-1", reason="known", until=now + timedelta(days=1), created_by="a"
    )
    RuleSnooze.objects.filter(pk=snooze.pk).update(created_at=now - timedelta(days=1))

    def then(at, customer="C-1"):
        return snoozed_then(customer, at)

    assert then(now) == {"r"}
    assert (
        then(now, "C-2") == then(now - timedelta(days=2)) == then(now + timedelta(days=1)) == set()
    )
    RuleSnooze.objects.filter(pk=snooze.pk).update(ended_at=now - timedelta(hours=1), ended_by="b")
    assert then(now) == set()
    assert then(now - timedelta(hours=2)) == {"r"}
