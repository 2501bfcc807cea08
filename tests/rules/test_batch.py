"""Deciding stored facts in bulk gives what deciding each case anew gives."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules import group_index
from rules.batch import BatchDecider, Outcome, outcome_of
from rules.conditions import ListSnapshot
from rules.document import Document
from rules.evaluation import compile_rules
from rules.facts import facts_as_json
from rules.normalization import _skeleton, skeleton
from tests.rules.documents import AT, FACTS, parsed, row, rule
from tests.rules.test_evaluation import CASES, LISTS, MOMENTS, rule_sets


def expected(document: Document, stored: dict[str, Any], at=AT, lists=LISTS) -> Outcome:
    facts, _mistakes = FACTS.read(stored)
    return outcome_of(compile_rules(document, lists).decide(facts, at))


@given(rule_sets(), rule_sets(), st.lists(CASES, min_size=1, max_size=8), MOMENTS)
def test_documents_side_by_side_answer_as_each_alone(one, other, cases, at):
    batch = BatchDecider([one, other], LISTS, FACTS)
    # Twice: what is remembered of the first time must not change the second.
    for facts in [*cases, *cases]:
        stored = orjson.loads(orjson.dumps(facts_as_json(facts)))

        assert batch.decide(stored, at) == (
            expected(one, stored, at),
            expected(other, stored, at),
        )


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from([0, 1, 1.0, 1.5, 2, 3, -1, 10**19, 10**25, 1e300, "1", "1.50", "1e2", "１"]),
    st.sampled_from(["A", "b", "", "ab", " a b "]),
    st.lists(st.one_of(st.sampled_from(["A", "B", "ab"]), st.booleans(), st.integers(0, 1))),
    st.just({"a": 1}),
    st.just([["A"]]),
)
STORED = st.dictionaries(st.sampled_from([fact.key for fact in FACTS.all()] + ["gone"]), ODD)


@given(rule_sets(), st.lists(STORED, min_size=1, max_size=10))
def test_what_does_not_fit_its_fact_is_missing_here_too(document, cases):
    batch = BatchDecider([document], LISTS, FACTS)

    for stored in [*cases, *reversed(cases)]:
        assert batch.decide(stored, AT) == (expected(document, stored),)


def test_more_values_than_are_remembered_change_nothing(monkeypatch):
    monkeypatch.setattr(group_index, "REMEMBERED", 3)
    document = parsed(rule("a", when=[[row("units", "gte", 50)]]))
    batch = BatchDecider([document], {}, FACTS)

    held = [batch.decide({"units": str(n)}, AT)[0].held_by for n in [*range(100), *range(100)]]

    assert held == (["" for _ in range(50)] + ["a" for _ in range(50)]) * 2


@pytest.mark.parametrize("op", ["in_list", "not_in_list"])
def test_an_entry_counts_until_it_expires_at_the_time_of_each_decision(op):
    end = AT + timedelta(hours=1)
    lists = {"blocked": ListSnapshot("blocked", 3, {"x": end, "y": None})}
    document = parsed(rule("a", when=[[row("remark", op, "blocked")]]))
    batch = BatchDecider([document], lists, FACTS)
    times = (end, end - timedelta(seconds=1), end)

    seen = {text: [batch.decide({"remark": text}, at)[0].held_by for at in times] for text in "xyz"}

    on, off = ("a", "") if op == "in_list" else ("", "a")
    assert seen == {"x": [off, on, off], "y": [on, on, on], "z": [off, off, off]}


def test_windows_are_asked_at_the_time_of_each_decision():
    start, end = AT, AT + timedelta(days=1)
    window = {"valid_from": start.isoformat(), "valid_until": end.isoformat()}
    batch = BatchDecider([parsed(rule("a", **window))], {}, FACTS)
    tick = timedelta(microseconds=1)

    held = [
        batch.decide({"paid": True}, at)[0].held_by for at in (end, start - tick, start, end - tick)
    ]

    assert held == ["", "", "a", "a"]


def test_chinese_and_plain_ascii_text_need_no_spelling_out():
    settled = [chr(code) for code in (*range(0x21, 0x7F), *range(0x4E00, 0xA000))]

    assert [c for c in settled if _skeleton(c) != c.lower()] == []


@given(st.text(st.sampled_from("aZ9-_!~一龥林１ aＡ\u200bé"), max_size=12))
def test_the_short_way_to_a_skeleton_is_the_long_one(text):
    assert skeleton(text) == _skeleton(text)


def test_numbers_are_compared_exactly():
    batch = BatchDecider([parsed(rule("a", when=[[row("total", "gt", 0.1)]]))], {}, FACTS)

    assert batch.decide({"total": "0.100000000000"}, AT)[0].held_by == ""
    assert batch.decide({"total": 0.1}, AT)[0].held_by == ""
    assert batch.decide({"total": "0.100000000001"}, AT)[0].held_by == "a"
