"""Whether a document makes sense: every kind of bad input, and what good input becomes."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.divisions import Place
from orders.errors import FieldError, InvalidOrder
from orders.intake.checks import (
    CheckedOrder,
    ContactPhone,
    References,
    SkuRef,
    address_key,
    check_order,
    check_phone,
)
from orders.intake.document import read_document
from tests.factories import order_document
from tests.orders.bad_orders import BAD


def sku(code: str, **fields: Any) -> SkuRef:
    values: dict[str, Any] = {
        "id": 1,
        "category": "",
        "temperature": "ambient",
        "is_fragile": False,
        "high_price_threshold": None,
        "presale_ship_date": None,
        "is_active": True,
        "settlement": {},
        "free": {},
    }
    return SkuRef(code=code, **values | fields)


REFERENCES = References(
    channels={"douyin": 7},
    skus={"TEA-1": sku("TEA-1"), "OLD-1": sku("OLD-1", is_active=False)},
    warehouses={},
    couriers={},
    packagings={},
    currency="CNY",
)


def check(document: dict[str, Any]) -> CheckedOrder | list[FieldError]:
    now = datetime.now(UTC)
    try:
        return check_order(read_document(document), "hash", REFERENCES, now)
    except InvalidOrder as invalid:
        return invalid.errors


def codes(result: CheckedOrder | list[FieldError]) -> list[tuple[str, str]]:
    assert isinstance(result, list), "the document was accepted"
    assert all(error.message for error in result)
    return [(error.field, error.code) for error in result]


def test_a_good_document_is_resolved() -> None:
    result = check(order_document(ship_to={"province": "浙江", "city": "杭州"}))
    assert isinstance(result, CheckedOrder)
    assert result.channel_id == 7
    assert result.place == Place("浙江省", "杭州市", "余杭区")
    assert result.phone == ContactPhone(number="+8613800000000")
    assert [one.code for one in result.skus] == ["TEA-1"]


@pytest.mark.parametrize(("changes", "error"), BAD, ids=[f"{f}-{c}" for _b, (f, c) in BAD])
def test_a_bad_document_is_refused_by_field(
    changes: dict[str, Any], error: tuple[str, str]
) -> None:
    assert error in codes(check(order_document(**{"number": "B-1"} | changes)))


def test_an_inactive_sku_is_refused() -> None:
    assert codes(check(order_document(lines=[("OLD-1", 1, "1.00")]))) == [
        ("lines[0].sku", "inactive_sku")
    ]


def test_the_clock_of_a_platform_may_run_five_minutes_ahead() -> None:
    now = datetime.now(UTC)
    for minutes, accepted in ((4, True), (6, False)):
        moment = (now + timedelta(minutes=minutes)).isoformat()
        result = check(order_document(placed_at=moment, paid_at=moment))
        assert isinstance(result, CheckedOrder) is accepted


def test_every_error_is_reported_at_once() -> None:
    bad = order_document(
        currency="USD", channel="x", lines=[("NONE", 1, "1.00")], ship_to={"phone": "1"}
    )
    assert codes(check(bad)) == [
        ("currency", "currency_mismatch"),
        ("ship_to.phone", "invalid_phone"),
        ("channel", "unknown_channel"),
        ("lines[0].sku", "unknown_sku"),
    ]


@pytest.mark.parametrize(
    ("text", "platform_hash", "stored", "comparable"),
    [
        ("", "", ContactPhone(), ""),
        ("", "abc", ContactPhone(hash="abc"), "abc"),
        ("138 0000 0000", "", ContactPhone(number="+8613800000000"), "+8613800000000"),
        ("138****0000", "", ContactPhone(masked="138****0000"), ""),
        ("138****0000", "abc", ContactPhone(masked="138****0000", hash="abc"), "abc"),
        (
            "13800000000 转 1234",
            "",
            ContactPhone(number="+8613800000000-1234"),
            "+8613800000000-1234",
        ),
    ],
)
def test_a_phone_is_a_number_or_masked_never_both(
    text: str, platform_hash: str, stored: ContactPhone, comparable: str
) -> None:
    errors: list[FieldError] = []
    phone = check_phone("phone", text, platform_hash, errors)
    assert (phone, phone.comparable, errors) == (stored, comparable, [])


@given(st.text(alphabet="0123456789*xX-() +转", max_size=24))
def test_a_masked_phone_is_never_mistaken_for_a_number(text: str) -> None:
    errors: list[FieldError] = []
    phone = check_phone("phone", text, "hash", errors)
    assert "*" not in phone.number
    assert not (phone.number and phone.masked)
    assert bool(errors) == (bool(text) and not phone.number and not phone.masked)


def test_one_address_has_one_key_in_all_its_spellings() -> None:
    place = Place("浙江省", "杭州市", "余杭区")
    key = address_key(place, "文一西路 969 号")
    for street in ("文一西路969号", "文一西路 ９６９ 号", "文一西路\u200b969号", "文一西路-969号"):
        assert address_key(place, street) == key
    assert address_key(place, "文一西路 968 号") != key
    assert address_key(Place("浙江省", "杭州市", "西湖区"), "文一西路 969 号") != key


amounts = st.decimals("0.00", "9999.99", places=2)


@given(
    lines=st.lists(st.tuples(st.integers(1, 99), amounts), min_size=1, max_size=6),
    shipping=amounts,
    discount=amounts,
    off=st.sampled_from([Decimal(0), Decimal("0.01"), Decimal("-0.01")]),
)
def test_amounts_are_accepted_exactly_when_they_add_up(
    lines: list[tuple[int, Decimal]], shipping: Decimal, discount: Decimal, off: Decimal
) -> None:
    goods = sum((units * price for units, price in lines), Decimal(0))
    grand = goods - discount + shipping + off
    document = order_document(
        lines=[("TEA-1", units, f"{price:.2f}") for units, price in lines],
        goods_total=f"{goods:.2f}",
        shipping_total=f"{shipping:.2f}",
        discount_total=f"{discount:.2f}",
        grand_total=f"{max(grand, Decimal(0)):.2f}",
    )
    result = check(document)
    if grand - off < 0:
        assert ("discount_total", "too_large") in codes(result)
    elif off and grand >= 0:
        assert codes(result) == [("grand_total", "does_not_add_up")]
    elif not off:
        assert isinstance(result, CheckedOrder)


def test_deliveries_hold_exactly_what_was_ordered() -> None:
    def deliveries(*units: int) -> list[dict[str, Any]]:
        return [
            {"date": f"2999-01-0{day}", "lines": [{"sku": "TEA-1", "quantity": count}]}
            for day, count in enumerate(units, start=1)
        ]

    lines = [("TEA-1", 3, "1.00")]
    good = check(order_document(lines=lines, deliveries=deliveries(1, 2)))
    assert isinstance(good, CheckedOrder)
    assert codes(check(order_document(lines=lines, deliveries=deliveries(1, 1)))) == [
        ("deliveries", "does_not_add_up")
    ]
    mixed = [*deliveries(3), {"date": "2999-01-09"}]
    assert codes(check(order_document(lines=lines, deliveries=mixed))) == [
        ("deliveries", "lines_missing")
    ]
