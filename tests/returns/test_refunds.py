"""How much a return gives back, to the cent."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from returns.refunds import BoughtLine, paid_by_line, refund_for, refund_for_received

cents = st.integers(0, 500_000).map(lambda amount: Decimal(amount) / 100)
lines_of_an_order = st.lists(st.tuples(st.integers(1, 9), cents), min_size=1, max_size=6).map(
    lambda pairs: [BoughtLine(i, q, p) for i, (q, p) in enumerate(pairs, start=1)]
)


def test_the_discount_is_shared_by_value():
    lines = [
        BoughtLine(1, 1, Decimal("2999.00")),
        BoughtLine(2, 2, Decimal("0.50")),
        BoughtLine(3, 1, Decimal("0.00")),
    ]
    paid = paid_by_line(lines, Decimal("3000.00"), Decimal("100.00"))
    assert paid == {1: Decimal("2899.04"), 2: Decimal("0.96"), 3: Decimal("0.00")}


@pytest.mark.parametrize(
    ("paid", "quantity", "units", "before", "amount_before", "refund"),
    [
        ("100.00", 3, 1, 0, "0.00", "33.33"),
        ("100.00", 3, 1, 1, "33.33", "33.33"),
        ("100.00", 3, 1, 2, "66.66", "33.34"),
        ("100.00", 3, 3, 0, "0.00", "100.00"),
        ("0.00", 3, 3, 0, "0.00", "0.00"),
        ("0.01", 3, 1, 1, "0.01", "0.00"),
    ],
)
def test_a_refund_is_the_paid_share_of_its_units(
    paid, quantity, units, before, amount_before, refund
):
    assert refund_for(
        Decimal(paid),
        quantity,
        units,
        returned_units=before,
        returned_amount=Decimal(amount_before),
    ) == Decimal(refund)


def test_more_units_than_bought_are_refused():
    with pytest.raises(ValueError, match="more units"):
        refund_for(Decimal(1), 2, 1, returned_units=2)


def test_units_that_did_not_come_are_not_paid():
    assert refund_for_received(Decimal("100.00"), 3, 2) == Decimal("66.66")
    assert refund_for_received(Decimal("100.00"), 3, 0) == Decimal("0.00")


@given(lines_of_an_order, cents, st.data())
def test_whatever_comes_back_in_whatever_order_never_more_is_refunded_than_paid(
    lines, discount, data
):
    goods = sum((line.quantity * line.unit_price for line in lines), Decimal("0.00"))
    paid = paid_by_line(lines, goods, discount)
    assert sum(paid.values()) == max(goods - discount, Decimal("0.00"))
    assert all(share >= 0 for share in paid.values())
    for line in lines:
        live: list[tuple[int, Decimal]] = []
        for _turn in range(12):
            units = sum(u for u, _a in live)
            amount = sum((a for _u, a in live), Decimal("0.00"))
            assert amount <= paid[line.position]
            if live and data.draw(st.booleans()):
                live.pop(data.draw(st.integers(0, len(live) - 1)))
            elif units < line.quantity:
                more = data.draw(st.integers(1, line.quantity - units))
                refund = refund_for(
                    paid[line.position],
                    line.quantity,
                    more,
                    returned_units=units,
                    returned_amount=amount,
                )
                live.append((more, refund))
                if units + more == line.quantity:
                    total = amount + refund
                    assert total == paid[line.position]
