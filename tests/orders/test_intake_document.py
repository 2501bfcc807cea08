"""The shape of a document: what is read, what is cleaned, and what is refused."""

from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.errors import InvalidOrder
from orders.intake.document import clean, read_document
from tests.factories import order_document


def errors(raw: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidOrder) as refused:
        read_document(raw)
    assert all(str(error.message) for error in refused.value.errors)
    return [(error.field, error.code) for error in refused.value.errors]


def test_the_document_of_the_contract_is_read() -> None:
    raw = {
        "number": "DY-20261111-000127",
        "channel": "douyin",
        "placed_at": "2026-11-11T02:13:09+08:00",
        "paid_at": "2026-11-11T02:13:41+08:00",
        "currency": "CNY",
        "urgent": False,
        "presale": False,
        "livestream_room": "austin-1111",
        "parent": None,
        "gift_for": None,
        "customer": {
            "external_id": "C-88",
            "name": "林婷",
            "phone": "+8613800000000",
            "registered_at": "2026-11-10T20:00:00+08:00",
            "crm_grade": "B",
        },
        "ship_to": {
            "name": "林婷",
            "phone": "+8613800000000",
            "province": "浙江省",
            "city": "杭州市",
            "district": "余杭区",
            "street": "文一西路 969 号",
        },
        "lines": [{"sku": "LENS-85", "quantity": 1, "unit_price": "2999.00", "is_gift": False}],
        "coupons": [{"code": "LIVE10", "type": "满299减100", "discount": "100.00"}],
        "goods_total": "2999.00",
        "discount_total": "100.00",
        "shipping_total": "0.00",
        "grand_total": "2899.00",
        "buyer_remark": "",
        "seller_remark": "",
        "invoice_title": "",
        "delivery_slot": None,
        "deliveries": [],
    }

    document = read_document(raw)

    assert document.placed_at == datetime(2026, 11, 10, 18, 13, 9, tzinfo=UTC)
    assert document.lines[0].unit_price == Decimal("2999.00")
    assert document.coupons[0].type == "满299减100"


@pytest.mark.parametrize(
    "amount",
    [
        *("1e2", "1_000", "+1.00", "-1.00", " 1.00", "1.00 ", "1,00", "1.", ".5", "1.234", ""),
        *("１２.５", "NaN", "Infinity", "99999999999.00", 1, 1.0, None, True, ["1.00"]),
    ],
)
def test_an_amount_is_plain_decimal_text(amount: Any) -> None:
    assert ("grand_total", "amount") in errors(order_document(grand_total=amount))


@pytest.mark.parametrize("quantity", [0, -1, 100_001, "1", 1.0, 1.5, True, None, 10**30])
def test_a_quantity_is_a_whole_number_in_bounds(quantity: Any) -> None:
    line = {"sku": "TEA-1", "quantity": quantity, "unit_price": "1.00"}
    document = order_document() | {"lines": [line]}
    assert errors(document)[0][0] == "lines[0].quantity"


@pytest.mark.parametrize(
    ("moment", "code"),
    [
        ("2026-11-11T02:13:09", "timezone_aware"),
        ("2026-11-11", "instant"),
        ("1762798389", "instant"),
        (1762798389, "instant"),
        ("yesterday", "instant"),
        ("２０２６-11-11T02:13:09Z", "instant"),
    ],
)
def test_a_time_names_its_zone(moment: Any, code: str) -> None:
    assert errors(order_document(placed_at=moment)) == [("placed_at", code)]


@pytest.mark.parametrize("moment", ["2026-13-11T02:13:09Z", "2026-02-30T02:13:09Z"])
def test_a_day_that_does_not_exist_is_refused(moment: str) -> None:
    assert errors(order_document(placed_at=moment))[0][0] == "placed_at"


@pytest.mark.parametrize(
    "number", ["", " ", "a b", "编号", "-1", "x" * 65, "A\n", "A\u200b", 5, None]
)
def test_a_number_is_a_plain_code(number: Any) -> None:
    assert errors(order_document() | {"number": number})[0][0] == "number"


def test_unknown_fields_are_refused_where_they_stand() -> None:
    document = order_document()
    document["ship_to"]["zip"] = "310000"
    document["lines"][0]["price"] = "1.00"
    document["remark"] = "x"
    assert errors(document) == [
        ("ship_to.zip", "extra_forbidden"),
        ("lines[0].price", "extra_forbidden"),
        ("remark", "extra_forbidden"),
    ]


def test_too_much_of_anything_is_refused() -> None:
    line = order_document()["lines"][0]
    coupon = {"code": "C", "type": "T", "discount": "0.00"}
    assert errors(order_document() | {"lines": [line] * 201}) == [("lines", "too_long")]
    assert errors(order_document() | {"coupons": [coupon] * 51}) == [("coupons", "too_long")]
    assert errors(order_document(buyer_remark="x" * 2001)) == [("buyer_remark", "string_too_long")]
    assert errors(order_document(currency="yuan")) == [("currency", "string_pattern_mismatch")]


def test_invisible_characters_are_removed_and_an_empty_rest_is_refused() -> None:
    document = read_document(order_document(buyer_remark=" 急\u200b\u202e\x1b[31m件\x00\n "))
    assert document.buyer_remark == "急[31m件"
    blank = {"street": "\u200b\u200b"}
    assert errors(order_document(ship_to=blank)) == [("ship_to.street", "string_too_short")]


@given(st.text(max_size=60))
def test_cleaning_twice_is_cleaning_once_and_leaves_nothing_invisible(text: str) -> None:
    cleaned = clean(text)
    assert clean(cleaned) == cleaned
    assert "\x00" not in cleaned
    assert not any(0xD800 <= ord(char) <= 0xDFFF for char in cleaned)


json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=9,
)


@given(field=st.sampled_from(sorted(order_document())), value=json)
def test_any_value_in_any_field_is_read_or_refused_and_nothing_else(field: str, value: Any) -> None:
    with suppress(InvalidOrder):
        read_document(order_document() | {field: value})
