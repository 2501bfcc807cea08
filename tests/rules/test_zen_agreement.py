"""GoRules' engine as a second oracle, for the part of the rules that it can express."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.document import Action, Document, Row, Rule
from rules.evaluation import compile_rules
from rules.facts import catalogue
from rules.parsing import parse_document
from tests.bench.support import rulesets, zen
from tests.rules.documents import AT

# Quarters are exact in binary, so that both sides see the very same number.
NUMBERS = st.integers(-8, 8).map(lambda quarters: Decimal(quarters) / 4)
TEXTS = st.sampled_from(["a", "b", "ab", "新疆", "新疆满减"])
SOME = st.lists(TEXTS, min_size=1, max_size=3, unique=True).map(tuple)
COMPARED = st.sampled_from(["eq", "ne", "lt", "lte", "gt", "gte"])
RANGES = st.tuples(NUMBERS, NUMBERS).map(lambda ends: tuple(sorted(ends)))
ROWS = st.one_of(
    st.builds(Row, st.just("paid"), st.sampled_from(["is_true", "is_false", "is_missing"])),
    st.builds(Row, st.sampled_from(["units", "total.paid"]), COMPARED, NUMBERS),
    st.builds(Row, st.just("units"), st.just("between"), RANGES),
    st.builds(
        Row,
        st.just("units"),
        st.sampled_from(["in", "not_in"]),
        st.lists(NUMBERS, min_size=1, max_size=3, unique=True).map(tuple),
    ),
    st.builds(Row, st.just("to.province"), st.sampled_from(["eq", "ne", "contains_text"]), TEXTS),
    st.builds(Row, st.just("to.province"), st.sampled_from(["in", "not_in"]), SOME),
    st.builds(Row, st.just("coupons"), st.sampled_from(["has_any", "has_all", "has_none"]), SOME),
    st.builds(Row, st.sampled_from(["units", "coupons", "to.province"]), st.just("is_missing")),
)
CASES = st.fixed_dictionaries(
    {},
    optional={
        "paid": st.booleans(),
        "units": NUMBERS,
        "total.paid": NUMBERS,
        "to.province": TEXTS,
        "coupons": st.frozensets(TEXTS, max_size=4),
    },
)
THEN = {
    "intercept": (Action("hold", reason="r", risk="low"),),
    "allocate": (Action("assign", slot="lane", value="x"),),
    "tag": (Action("tag", tag="t"),),
    "dispatch": (Action("dispatch"),),
}


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Small rule sets without lists and windows, which the other engine does not know."""
    rules = []
    for number in range(draw(st.integers(1, 8))):
        layer = draw(st.sampled_from(sorted(THEN)))
        groups = draw(st.lists(st.lists(ROWS, min_size=1, max_size=4), min_size=1, max_size=3))
        rules.append(
            Rule(
                f"r{number}",
                f"rule {number}",
                layer,
                draw(st.integers(0, 3)),
                tuple(map(tuple, groups)),
                THEN[layer],
                on_missing=draw(st.sampled_from(["match", "no_match"])),
            )
        )
    return Document(tuple(rules))


@settings(max_examples=150)
@given(documents(), st.lists(CASES, min_size=1, max_size=4))
def test_both_engines_decide_alike(document, cases):
    compiled, expressions = compile_rules(document), zen.Expressions(document)
    for facts in cases:
        said = zen.answer(expressions.matching(zen.context(facts)))

        assert said == zen.ours(compiled.decide(facts, AT))


@pytest.mark.parametrize("engine", [zen.Expressions, zen.DecisionTable])
def test_both_engines_decide_alike_on_a_busy_desk(engine):
    document = parse_document(rulesets.rules_json(300), catalogue)
    compiled, other = compile_rules(document), engine(document)
    held = 0
    for facts in rulesets.facts(60):
        decision = compiled.decide(facts, AT)

        assert zen.answer(other.matching(zen.context(facts))) == zen.ours(decision)
        held += decision.intercept is not None
    assert 0 < held < 60
