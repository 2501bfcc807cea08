"""The order in which rules are asked, and their status, changed one step at a time."""

import pytest

from rules import lifecycle
from rules.errors import DocumentInvalid, NotPossible
from rules.lifecycle import rules as rule_acts
from rules.storage import digest_of, order_digest, rule_as_json
from tests.rules.living import ALICE, BOB, changes, draft_of, full, latest, published, together

pytestmark = pytest.mark.django_db

KEYS = ("a", "b", "c")


@pytest.fixture
def draft():
    rules = [full(key=key, priority=place) for place, key in enumerate(KEYS, start=1)]
    return draft_of(
        *rules, full(key="t", layer="tag", priority=7, then=[{"do": "tag", "tag": "t"}])
    )


def order(draft) -> list[tuple[str, int]]:
    found = draft.rules.filter(layer="intercept").order_by("priority", "key")
    return list(found.values_list("key", "priority"))


def test_dragging_gives_priorities_10_20_30(draft):
    lifecycle.reorder_rules(draft, "intercept", ["c", "a", "b"], BOB)

    assert order(draft) == [("c", 10), ("a", 20), ("b", 30)]
    assert draft.rules.get(key="t").priority == 7
    assert changes()[-1] == ("ruleset.reordered", "1", BOB)


def test_the_same_order_again_changes_nothing(draft):
    lifecycle.reorder_rules(draft, "intercept", ["c", "a", "b"], BOB)
    seq = latest()

    lifecycle.reorder_rules(draft, "intercept", ["c", "a", "b"], BOB)

    assert latest() == seq


@pytest.mark.parametrize(
    ("layer", "keys"),
    [
        ("intercept", ["a", "b"]),
        ("intercept", ["a", "b", "c", "new"]),
        ("intercept", ["a", "a", "b"]),
        ("intercept", ["a", "b", "t"]),
        ("allocate", ["a"]),
        ("nope", []),
    ],
)
def test_other_rules_than_those_of_the_layer_are_refused(draft, layer, keys):
    before = (order(draft), latest())

    with pytest.raises(NotPossible):
        lifecycle.reorder_rules(draft, layer, keys, BOB)

    assert (order(draft), latest()) == before


def test_an_order_somebody_changed_meanwhile_is_not_overwritten(draft):
    shown = order_digest(order(draft))
    lifecycle.reorder_rules(draft, "intercept", ["b", "a", "c"], ALICE, expected=shown)

    with pytest.raises(NotPossible):
        lifecycle.reorder_rules(draft, "intercept", ["c", "a", "b"], BOB, expected=shown)

    assert order(draft) == [("b", 10), ("a", 20), ("c", 30)]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_drag_at_once_one_is_told(draft):
    shown = order_digest(order(draft))

    results = together(
        lambda: lifecycle.reorder_rules(draft, "intercept", ["b", "a", "c"], ALICE, expected=shown),
        lambda: lifecycle.reorder_rules(draft, "intercept", ["c", "a", "b"], BOB, expected=shown),
    )

    assert sorted(type(result).__name__ for result in results) == ["NotPossible", "list"]


@pytest.mark.django_db(transaction=True)
def test_without_the_lock_both_would_think_they_won(draft, monkeypatch):
    """The negative control of the test above."""
    import threading

    from rules.models import RuleSet

    shown = order_digest(order(draft))
    barrier = threading.Barrier(2)
    original = rule_acts.order_digest

    def slow(found):
        digest = original(found)
        barrier.wait(timeout=5)
        return digest

    monkeypatch.setattr(rule_acts, "begin", lambda actor: None)
    monkeypatch.setattr(rule_acts, "locked_draft", lambda found: RuleSet.objects.get(pk=found.pk))
    monkeypatch.setattr(rule_acts, "record", lambda *args, **kwargs: None)
    monkeypatch.setattr(rule_acts, "touch", lambda *args: None)
    monkeypatch.setattr(rule_acts, "order_digest", slow)

    results = together(
        lambda: lifecycle.reorder_rules(draft, "intercept", ["b", "a", "c"], ALICE, expected=shown),
        lambda: lifecycle.reorder_rules(draft, "intercept", ["b", "c", "a"], BOB, expected=shown),
    )

    assert "NotPossible" not in {type(result).__name__ for result in results}


def test_a_published_version_keeps_its_order():
    live = published(full(key="a"), full(key="b", priority=200))

    with pytest.raises(NotPossible):
        lifecycle.reorder_rules(live, "intercept", ["b", "a"], BOB)
    with pytest.raises(NotPossible):
        lifecycle.set_rule_status(live, "a", "disabled", BOB)


def test_a_rule_is_disabled_and_enabled_and_keeps_its_author(draft):
    lifecycle.set_rule_status(draft, "a", "disabled", BOB)

    assert draft.rules.get(key="a").status == "disabled"
    assert changes()[-1] == ("ruleset.rule_saved", "1", BOB)
    lifecycle.set_rule_status(draft, "a", "live", BOB)
    assert draft.rules.get(key="a").status == "live"


def test_a_status_that_does_not_exist_or_a_rule_that_changed_is_refused(draft):
    shown = digest_of(rule_as_json(draft.rules.get(key="a")))
    lifecycle.save_rule(draft, full(key="a", priority=9), ALICE, replaces="a")
    seq = latest()

    with pytest.raises(DocumentInvalid):
        lifecycle.set_rule_status(draft, "a", "asleep", BOB)
    with pytest.raises(NotPossible):
        lifecycle.set_rule_status(draft, "a", "disabled", BOB, expected=shown)
    with pytest.raises(NotPossible):
        lifecycle.set_rule_status(draft, "gone", "disabled", BOB)

    assert (draft.rules.get(key="a").status, latest()) == ("live", seq)
