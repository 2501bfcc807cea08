"""The shape of a change, and what it changes."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from orders.deliveries import PlannedLine, spread_units
from orders.errors import InvalidOrder
from orders.intake.change import read_change

NOW = datetime(2026, 11, 11, tzinfo=UTC)


def order(**fields: Any) -> Any:
    values: dict[str, Any] = {
        "placed_at": NOW - timedelta(hours=1),
        "paid_at": None,
        "ship_name": "林婷",
        "ship_phone": "+8613800000000",
        "ship_phone_masked": "",
        "ship_phone_hash": "",
        "province": "浙江省",
        "city": "杭州市",
        "district": "余杭区",
        "street": "文一西路 969 号",
        "invoice_title": "",
        "delivery_slot": "",
        "buyer_remark": "",
        "seller_remark": "",
        "urgent": False,
    }
    return SimpleNamespace(**values | fields)


def errors(raw: Any, existing: Any = None) -> list[tuple[str, str]]:
    with pytest.raises(InvalidOrder) as refused:
        read_change(raw).differing(existing or order())
    return [(error.field, error.code) for error in refused.value.errors]


@pytest.mark.parametrize(
    ("raw", "differing"),
    [
        ({}, {}),
        ({"ship_to": None}, {}),
        ({"ship_to": {}}, {}),
        ({"ship_to": {"name": "林婷", "street": "文一西路 969 号"}}, {}),
        ({"ship_to": {"province": "浙江", "city": "杭州"}}, {}),
        ({"ship_to": {"phone": "138 0000 0000"}}, {}),
        ({"ship_to": {"phone": "138****0000"}}, {}),
        ({"ship_to": {"phone": "139****0000"}}, {"ship_to": {"phone": "139****0000"}}),
        ({"ship_to": {"district": "西湖区"}}, {"ship_to": {"district": "西湖区"}}),
        ({"urgent": False, "invoice_title": ""}, {}),
        ({"urgent": True}, {"urgent": True}),
        ({"paid_at": "2026-11-11T07:30:00+08:00"}, {"paid_at": "2026-11-11T07:30:00+08:00"}),
    ],
)
def test_only_what_differs_counts(raw: dict[str, Any], differing: dict[str, Any]) -> None:
    assert read_change(raw).differing(order()) == differing


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        ({"lines": []}, ("lines", "extra_forbidden")),
        ({"state": "shipped"}, ("state", "extra_forbidden")),
        ({"ship_to": {"city": "广州市"}}, ("ship_to.city", "unknown_city")),
        ({"ship_to": {"phone": "12"}}, ("ship_to.phone", "invalid_phone")),
        ({"ship_to": {"street": " "}}, ("ship_to.street", "string_too_short")),
        ({"urgent": "yes"}, ("urgent", "bool_type")),
        ({"paid_at": "2026-11-11T07:30:00"}, ("paid_at", "timezone_aware")),
    ],
)
def test_a_change_that_cannot_be_is_refused(raw: dict[str, Any], error: tuple[str, str]) -> None:
    assert errors(raw) == [error]


def test_a_payment_lies_between_placing_and_now() -> None:
    for moment, code in (
        (NOW + timedelta(minutes=6), "future"),
        (NOW - timedelta(hours=2), "before_placed"),
    ):
        change = read_change({"paid_at": moment.isoformat()})
        with pytest.raises(InvalidOrder) as refused:
            change.check_payment(order(), NOW)
        assert [error.code for error in refused.value.errors] == [code]
    read_change({"paid_at": NOW.isoformat()}).check_payment(order(), NOW)
    read_change({"paid_at": None}).check_payment(order(), NOW)


def test_a_masked_phone_never_replaces_the_number_it_hides() -> None:
    values = read_change({"ship_to": {"phone": "138****0000", "phone_hash": "h"}})
    assert values.address_values(order()) == {
        "ship_phone": "+8613800000000",
        "ship_phone_masked": "",
        "ship_phone_hash": "h",
    }


def test_units_spread_evenly_or_as_named() -> None:
    lines = [PlannedLine(1, "A", 1), PlannedLine(2, "A", 3), PlannedLine(3, "B", 2)]
    assert spread_units([{}, {}], lines) == [[(1, 1), (2, 1), (3, 1)], [(2, 2), (3, 1)]]
    named = [
        {"lines": [{"sku": "A", "quantity": 1}, {"sku": "A", "quantity": 1}]},
        {"lines": [{"sku": "A", "quantity": 2}, {"sku": "B", "quantity": 2}]},
    ]
    assert spread_units(named, lines) == [[(1, 1), (2, 1)], [(2, 2), (3, 2)]]
