"""The database refuses what the acts would never write."""

import pytest
from django.db import IntegrityError, connection, transaction
from django_fsm import TransitionNotAllowed

from rules import lifecycle
from rules.models import ConditionRow, ListEntry, ReferenceList, Rule, RuleAction, RuleSet
from tests.rules.documents import LIVE_RULE, document

pytestmark = pytest.mark.django_db


@pytest.fixture
def live_version() -> RuleSet:
    draft = lifecycle.import_document(document(LIVE_RULE), "system")
    return lifecycle.publish(draft, "system")


@pytest.fixture
def draft() -> RuleSet:
    return lifecycle.import_document(document(LIVE_RULE), "system")


def refused(act) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        act()


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE rules_ruleset SET note = 'x'",
        "UPDATE rules_ruleset SET document = '{}'",
        "UPDATE rules_ruleset SET state = 'draft', document = NULL, published_at = NULL",
        "UPDATE rules_ruleset SET state = 'retired', note = 'x'",
        "UPDATE rules_ruleset SET published_by = 'user:mallory'",
        "DELETE FROM rules_ruleset",
        "UPDATE rules_rule SET priority = 1",
        "DELETE FROM rules_rule",
        "UPDATE rules_conditionrow SET value = '[]'",
        "DELETE FROM rules_conditionrow",
        "UPDATE rules_ruleaction SET params = '{}'",
        "DELETE FROM rules_ruleaction",
        "INSERT INTO rules_rule (ruleset_id, key, name, layer, priority, on_missing, status, note)"
        " SELECT id, 'new', 'new', 'tag', 1, 'match', 'live', '' FROM rules_ruleset",
        'INSERT INTO rules_ruleaction (rule_id, position, "do", params)'
        " SELECT id, 9, 'dispatch', '{}' FROM rules_rule",
    ],
)
def test_a_published_version_stays_as_it_is(live_version, sql):
    frozen = live_version.document

    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)

    live_version.refresh_from_db()
    assert (live_version.document, live_version.rules.count()) == (frozen, 1)


def test_a_published_version_does_not_come_back(live_version):
    RuleSet.objects.filter(pk=live_version.pk).update(state="retired")

    refused(lambda: RuleSet.objects.filter(pk=live_version.pk).update(state="live"))
    live_version.refresh_from_db()
    with pytest.raises(TransitionNotAllowed):
        live_version.mark_live({}, actor="x", at=None, note="")


def test_the_state_is_moved_by_transitions_only(draft):
    with pytest.raises(AttributeError):
        draft.state = "live"


def test_a_rule_of_a_published_version_may_lose_its_author(live_version, django_user_model):
    Rule.objects.update(author=None)
    user = django_user_model.objects.create_user("alice")
    draft = lifecycle.open_draft("user:alice")
    lifecycle.save_rule(
        draft, LIVE_RULE | {"priority": 3}, "user:alice", replaces="xinjiang-coupon"
    )
    published = lifecycle.publish(draft, "system")
    assert published.rules.get().author == user

    user.delete()

    assert published.rules.get().author is None


def test_one_version_is_live_and_one_a_draft(live_version):
    published = {
        "document": {"rules": []},
        "published_by": "x",
        "published_at": live_version.published_at,
        "created_by": "x",
    }
    lifecycle.open_draft("system")

    refused(lambda: RuleSet.objects.create(version=90, state="live", **published))
    refused(lambda: RuleSet.objects.create(version=91, created_by="x"))
    refused(lambda: RuleSet.objects.create(version=1, state="retired", **published))
    RuleSet.objects.create(version=92, state="retired", **published)


@pytest.mark.parametrize(
    "fields",
    [
        {"state": "archived"},
        {"document": {}},
        {"state": "live"},
        {"state": "retired", "document": {}, "published_by": "x"},
    ],
)
def test_a_version_is_a_draft_or_wholly_published(fields):
    refused(lambda: RuleSet.objects.create(version=5, created_by="x", **fields))
    assert not RuleSet.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"key": "xinjiang-coupon"},
        {"layer": "nowhere"},
        {"status": "active"},
        {"on_missing": "maybe"},
        {"valid_from": "2026-06-18T00:00:00Z", "valid_until": "2026-06-18T00:00:00Z"},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(draft, changes):
    fields = {"key": "new", "name": "n", "layer": "tag"} | changes

    refused(lambda: Rule.objects.create(ruleset=draft, **fields))

    assert draft.rules.count() == 1


def test_rows_and_actions_have_one_place_each(draft):
    rule = draft.rules.get()

    refused(lambda: ConditionRow.objects.create(rule=rule, group=0, position=0, fact="f", op="eq"))
    refused(lambda: ConditionRow.objects.create(rule=rule, group=5, position=0, fact="f", op="no"))
    refused(lambda: RuleAction.objects.create(rule=rule, position=0, do="hold"))
    refused(lambda: RuleAction.objects.create(rule=rule, position=5, do="fly"))


def test_an_entry_is_on_its_list_once():
    one = ReferenceList.objects.create(key="one", name="one")
    two = ReferenceList.objects.create(key="two", name="two")
    ListEntry.objects.create(list=one, value="A", skeleton="a", added_by="x")

    refused(lambda: ListEntry.objects.create(list=one, value="a", skeleton="a", added_by="x"))
    refused(lambda: ListEntry.objects.create(list=one, value="b", skeleton="", added_by="x"))
    refused(lambda: ReferenceList.objects.create(key="one", name="again"))
    refused(lambda: ReferenceList.objects.create(key="x", name="x", kind="strange"))
    ListEntry.objects.create(list=two, value="A", skeleton="a", added_by="x")
