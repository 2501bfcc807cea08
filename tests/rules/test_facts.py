"""The catalogue: typed facts, registered once, read from JSON without guessing."""

from decimal import Decimal

import pytest

from rules.facts import Catalogue, Fact, FactType, facts_as_json
from tests.rules.documents import FACTS


def test_the_same_definition_twice_is_harmless():
    catalogue = Catalogue()
    first = catalogue.register(Fact("units", "number", "units"))  # type: ignore[arg-type]

    assert catalogue.register(Fact("units", FactType.NUMBER, "pieces")) is first
    assert catalogue.all() == (first,)


def test_a_key_cannot_stand_for_two_things():
    catalogue = Catalogue([Fact("units", FactType.NUMBER, "units")])

    with pytest.raises(ValueError, match="units"):
        catalogue.register(Fact("units", FactType.TEXT, "units"))
    assert [fact.type for fact in catalogue.all()] == [FactType.NUMBER]


def test_an_unknown_type_is_refused():
    with pytest.raises(ValueError, match="colour"):
        Fact("units", "colour", "units")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("key", "raw", "expected"),
    [
        ("paid", True, True),
        ("units", 3, Decimal(3)),
        ("units", 0.3, Decimal("0.3")),
        ("units", "0.30", Decimal("0.30")),
        ("total", "299.00", Decimal("299.00")),
        ("province", "", ""),
        ("coupons", ["a", "b", "a"], frozenset({"a", "b"})),
        ("coupons", [], frozenset()),
    ],
)
def test_values_are_read_by_their_type(key, raw, expected):
    facts, errors = FACTS.read({key: raw})

    assert (facts, errors) == ({key: expected}, [])


@pytest.mark.parametrize(
    ("key", "raw"),
    [
        ("paid", "true"),
        ("paid", 1),
        ("units", True),
        ("units", "１２"),
        ("units", "1e2"),
        ("units", "1_000"),
        ("units", float("nan")),
        ("units", float("inf")),
        ("units", 10**30),
        ("total", [1]),
        ("province", 5),
        ("coupons", "a"),
        ("coupons", [1]),
        ("coupons", {"a": 1}),
    ],
)
def test_values_of_another_type_are_refused(key, raw):
    facts, errors = FACTS.read({key: raw})

    assert facts == {}
    assert [(error.key, error.code) for error in errors] == [(key, "wrong_type")]


def test_null_is_missing_and_a_misspelt_fact_is_an_error():
    facts, errors = FACTS.read({"paid": None, "payed": True})

    assert facts == {}
    assert [(error.key, error.code) for error in errors] == [("payed", "unknown_fact")]


def test_facts_survive_json():
    facts = {"units": Decimal("3.50"), "coupons": frozenset({"b", "a"}), "paid": False}

    written = facts_as_json({**facts, "total": None})

    assert written == {"units": "3.5", "coupons": ["a", "b"], "paid": False}
    assert FACTS.read(written) == (facts, [])
