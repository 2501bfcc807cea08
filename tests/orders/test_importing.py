"""The pure parts of the import: header, guarding, rows to documents, paths back to columns."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.importing.columns import COLUMNS, column_of, read_header
from orders.importing.documents import to_document
from orders.importing.errors import UnreadableFile
from orders.importing.guarding import guard, unguard
from orders.intake.document import read_document

ROW = {
    "number": "A-1",
    "channel": "douyin",
    "placed_at": "2026-11-11T02:13:09+08:00",
    "currency": "CNY",
    "customer_external_id": "C-88",
    "ship_name": "林婷",
    "province": "浙江省",
    "street": "文一西路 969 号",
    "sku": "LENS-85",
    "quantity": "1",
    "unit_price": "2999.00",
}


def document_of(*rows: dict[str, str]) -> Any:
    document, errors = to_document([{**ROW, **row} for row in rows or ({},)])
    assert errors == []
    return document


def test_a_row_becomes_a_document_of_readable_shape():
    document = document_of(
        {
            "coupons": "LIVE10|满299减100|100.00; X|满减|1.50",
            "shipping_total": "8.00",
            "urgent": "是",
            "parent": "",
        }
    )
    read = read_document(document)
    assert read.urgent is True
    assert read.parent is None
    assert [coupon.type for coupon in read.coupons] == ["满299减100", "满减"]
    assert (document["goods_total"], document["discount_total"]) == ("2999.00", "101.50")
    assert document["grand_total"] == "2905.50"
    assert document["customer"] == {"external_id": "C-88"}


def test_further_rows_add_lines_and_may_leave_the_order_blank():
    document = document_of({}, {"channel": "", "street": "", "sku": "TEA-1", "quantity": "3"})
    assert [(line["sku"], line["quantity"]) for line in document["lines"]] == [
        ("LENS-85", 1),
        ("TEA-1", 3),
    ]
    assert document["goods_total"] == "11996.00"


def test_rows_that_contradict_each_other_are_told_with_their_column():
    _document, errors = to_document([ROW, {**ROW, "street": "elsewhere"}])
    assert [(error.field, error.code) for error in errors] == [("ship_to.street", "contradiction")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20; 2026-11-27", [{"date": "2026-11-20"}, {"date": "2026-11-27"}]),
        (
            "2026-11-20=LENS-85*2，TEA-1×1；2026-11-27=TEA-1*1",
            [
                {
                    "date": "2026-11-20",
                    "lines": [{"sku": "LENS-85", "quantity": 2}, {"sku": "TEA-1", "quantity": 1}],
                },
                {"date": "2026-11-27", "lines": [{"sku": "TEA-1", "quantity": 1}]},
            ],
        ),
    ],
)
def test_deliveries_are_days_with_or_without_lines(text, expected):
    assert document_of({"deliveries": text})["deliveries"] == expected


@pytest.mark.parametrize(
    ("column", "text", "code"),
    [
        ("coupons", "LIVE10|100", "coupon_shape"),
        ("deliveries", "2026-11-20=LENS-85", "delivery_shape"),
        ("deliveries", "2026-11-20=A*1=B*1", "delivery_shape"),
    ],
)
def test_a_list_of_another_shape_is_told(column, text, code):
    _document, errors = to_document([{**ROW, column: text}])
    assert [(error.field, error.code) for error in errors] == [(column, code)]


@pytest.mark.parametrize(
    ("column", "text"),
    [("quantity", "two"), ("quantity", "1.0"), ("quantity", "２"), ("urgent", "maybe")],
)
def test_a_value_that_cannot_be_converted_is_left_to_the_documents_checks(column, text):
    document = document_of({column: text})
    value = document["lines"][0]["quantity"] if column == "quantity" else document["urgent"]
    assert value == text


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("number", (0, "number")),
        ("ship_to.province", (0, "province")),
        ("customer.phone", (0, "customer_phone")),
        ("lines[2].quantity", (2, "quantity")),
        ("lines[1]", (1, "sku")),
        ("lines", (0, "sku")),
        ("coupons[1].discount", (0, "coupons")),
        ("deliveries[0].lines[0].sku", (0, "deliveries")),
        ("", (0, "")),
    ],
)
def test_a_path_leads_back_to_row_and_column(path, expected):
    assert column_of(path) == expected


def test_missing_unknown_and_repeated_columns_are_all_named():
    header = [*COLUMNS[2:], "strete", "sku"]
    with pytest.raises(UnreadableFile) as caught:
        read_header(header)
    for name in ("number, channel", "strete", "street", "sku"):
        assert name in str(caught.value)


def test_the_header_may_be_in_any_order_case_and_with_an_errors_column():
    assert read_header(["errors", *[name.upper() for name in reversed(COLUMNS)], ""])["sku"] > 0


@given(st.text())
def test_guarding_can_always_be_undone(text):
    assert unguard(guard(text)) == text
    assert guard(text)[:1] not in {"=", "+", "-", "@", "\t", "\r"}


@pytest.mark.parametrize("text", ["'quoted'", "O'Neil", "", "'"])
def test_ordinary_apostrophes_stay(text):
    assert guard(text) == text == unguard(text)
