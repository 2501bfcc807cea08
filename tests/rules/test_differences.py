"""The difference between two documents: complete, and readable in both languages."""

from dataclasses import replace

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from rules.differences import (
    ADDED,
    CHANGED,
    REMOVED,
    Piece,
    difference,
    marked,
    summary,
)
from rules.document import Document
from tests.rules.documents import parsed, row, rule

PAID = row("paid", "is_true")
MANY = row("units", "gte", 3)


def changes(old: dict, new: dict):
    (change,) = difference(parsed(old), parsed(new)).changed
    return change


def test_equal_documents_do_not_differ():
    one = parsed(rule("a"), rule("b", layer="tag"))

    assert not difference(one, one)
    assert difference(one, one).all == ()


def test_rules_that_came_and_went_are_told_in_asked_order():
    old = parsed(rule("gone", priority=1), rule("kept"))
    new = parsed(rule("kept"), rule("late", layer="tag"), rule("new", priority=2))

    found = difference(old, new)

    assert [(c.kind, c.rule.key) for c in found.all] == [
        (ADDED, "new"),
        (ADDED, "late"),
        (REMOVED, "gone"),
    ]
    assert bool(found)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("name", "before", "after"),
        ("priority", 10, 20),
        ("status", "live", "disabled"),
        ("on_missing", "no_match", "match"),
    ],
)
def test_a_field_is_told_with_both_values(name, old, new):
    change = changes(rule("a", **{name: old}), rule("a", **{name: new}))

    assert [(f.name, f.old, f.new) for f in change.fields] == [(name, old, new)]
    assert (change.rows, change.actions, change.is_reworded) == ((), (), False)


def test_rows_that_came_went_and_changed_are_told_with_their_group():
    old = rule("a", when=[[PAID, MANY], [row("total", "gt", 5)]])
    new = rule(
        "a", when=[[row("total", "gt", 5)], [row("units", "gte", 4), row("remark", "eq", "x")]]
    )

    change = changes(old, new)

    told = [
        (c.kind, c.old and (c.old.fact, int(c.old.value or 0)), c.new and c.new.fact, c.new_group)
        for c in change.rows
    ]
    assert told == [
        (CHANGED, ("units", 3), "units", 2),
        (REMOVED, ("paid", 0), None, 2),
        (ADDED, None, "remark", 2),
    ]
    assert change.is_reworded


def test_groups_in_another_order_are_no_change_of_rows():
    change = changes(rule("a", when=[[PAID], [MANY]]), rule("a", when=[[MANY], [PAID]]))

    assert change.rows == ()


def test_an_action_that_changed_is_one_change():
    first = {"do": "hold", "reason": "old", "risk": "high"}
    second = {"do": "hold", "reason": "new", "risk": "low"}

    change = changes(rule("a", then=[first]), rule("a", then=[second]))

    ((kind, old, new),) = [(a.kind, a.old.reason, a.new.reason) for a in change.actions]
    assert (kind, old, new) == (CHANGED, "old", "new")


def test_what_changed_in_a_sentence_is_marked():
    old, new = marked("If units is 3, then hold", "If units is 40, then hold")

    assert [piece.text for piece in old if piece.is_changed] == ["3"]
    assert [piece.text for piece in new if piece.is_changed] == ["40"]
    assert "".join(piece.text for piece in new) == "If units is 40, then hold"


def test_chinese_is_marked_by_the_character():
    old, new = marked("若省份为「新疆」，则拦截", "若省份为「西藏」，则拦截")

    assert [p for p in old if p.is_changed] == [Piece("新疆", True)]
    assert [p for p in new if p.is_changed] == [Piece("西藏", True)]


def test_the_summary_counts():
    found = difference(parsed(rule("a")), parsed(rule("b"), rule("c")))

    with translation.override("en"):
        assert summary(found) == "2 added, 0 changed, 1 removed"
        assert summary(difference(Document(), Document())) == "Nothing changed."


KEYS = st.lists(st.sampled_from("abcdef"), unique=True)
ROWS = st.sampled_from([PAID, MANY, row("units", "lt", 9), row("province", "eq", "x")])
RULES = st.builds(
    lambda key, layer, priority, groups: rule(key, layer=layer, priority=priority, when=groups),
    st.sampled_from("abcde"),
    st.sampled_from(["intercept", "tag"]),
    st.integers(0, 3),
    st.lists(st.lists(ROWS, min_size=1, max_size=3, unique_by=str), min_size=1, max_size=3),
)
DOCUMENTS = st.lists(RULES, unique_by=lambda found: found["key"]).map(lambda r: parsed(*r))


@given(DOCUMENTS, DOCUMENTS)
def test_applying_the_difference_gives_the_other_document(old, new):
    found = difference(old, new)

    rules = {one.key: one for one in old.rules}
    for change in found.removed:
        del rules[change.rule.key]
    for change in (*found.added, *found.changed):
        rules[change.rule.key] = change.new
    assert rules == {one.key: one for one in new.rules}


@given(DOCUMENTS)
def test_a_document_never_differs_from_itself_in_another_order(document):
    assert not difference(document, replace(document, rules=document.rules[::-1]))


@given(st.text(), st.text())
def test_the_pieces_put_together_are_the_sentences(one, other):
    left, right = marked(one, other)

    assert "".join(piece.text for piece in left) == one
    assert "".join(piece.text for piece in right) == other
    assert any(piece.is_changed for piece in (*left, *right)) == (one != other)
