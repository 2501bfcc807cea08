"""Money arithmetic: exact, in cents, and nothing is lost."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.totals import apportion, goods_total

money = st.decimals("0.00", "100000.00", places=2)


@pytest.mark.parametrize(
    ("amount", "weights", "parts"),
    [
        ("10.00", ["1", "1"], ["5.00", "5.00"]),
        ("1.00", ["1", "1", "1"], ["0.33", "0.33", "0.34"]),
        ("0.01", ["1", "1", "1"], ["0.00", "0.00", "0.01"]),
        ("2.99", ["1", "1", "1"], ["0.99", "1.00", "1.00"]),
        ("10.00", ["297", "399"], ["4.26", "5.74"]),
        ("5.00", ["0", "7"], ["0.00", "5.00"]),
        ("5.00", ["7", "0"], ["5.00", "0.00"]),
        ("5.00", ["0", "0"], ["2.50", "2.50"]),
        ("0.00", ["3"], ["0.00"]),
    ],
)
def test_an_amount_is_split_by_weight(amount: str, weights: list[str], parts: list[str]) -> None:
    result = apportion(Decimal(amount), [Decimal(weight) for weight in weights])
    assert [str(part) for part in result] == parts


@given(money, st.lists(money, min_size=1, max_size=30))
def test_parts_add_up_and_none_is_a_cent_from_its_share(
    amount: Decimal, weights: list[Decimal]
) -> None:
    parts = apportion(amount, weights)
    assert sum(parts) == amount
    assert all(part >= 0 for part in parts)
    whole = sum(weights)
    for part, weight in zip(parts, weights, strict=True):
        share = amount * weight / whole if whole else amount / len(weights)
        assert abs(part - share) < Decimal("0.0100001")
        if amount <= whole:
            assert part <= weight


@pytest.mark.parametrize("weights", [[], [Decimal("-1")], [Decimal(1), Decimal("-0.01")]])
def test_impossible_weights_are_refused(weights: list[Decimal]) -> None:
    with pytest.raises(ValueError, match="weights"):
        apportion(Decimal("1.00"), weights)


def test_goods_are_quantity_times_price() -> None:
    assert goods_total([(2, Decimal("9.99")), (1, Decimal("0.02"))]) == Decimal("20.00")
    assert str(goods_total([])) == "0.00"
