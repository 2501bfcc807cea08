"""From an order and its history to the facts that rules see."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.intake.facts import Buyer, FactLine, History, OrderView, order_facts, price_gap
from rules.facts import catalogue, facts_as_json
from tests.orders.test_intake_checks import sku

SHANGHAI = ZoneInfo("Asia/Shanghai")
TODAY = date(2026, 11, 11)
PLACED = datetime(2026, 11, 10, 18, 13, 9, tzinfo=UTC)  # 02:13 in the shop


def line(**fields: Any) -> FactLine:
    values: dict[str, Any] = {
        "sku": sku("TEA-1"),
        "quantity": 1,
        "unit_price": Decimal("99.00"),
        "is_gift": False,
        "settlement_price": None,
    }
    return FactLine(**values | fields)


def view(**fields: Any) -> OrderView:
    values: dict[str, Any] = {
        "channel": "douyin",
        "placed_at": PLACED,
        "paid_at": PLACED + timedelta(seconds=32),
        "goods_total": Decimal("99.00"),
        "discount_total": Decimal("0.00"),
        "grand_total": Decimal("99.00"),
        "urgent": False,
        "presale": False,
        "livestream_room": "",
        "is_gift": False,
        "is_child": False,
        "buyer_remark": "",
        "seller_remark": "",
        "invoice_title": "",
        "coupons": (),
        "ship_name": "林婷",
        "ship_phone": "+8613800000000",
        "province": "浙江省",
        "city": "杭州市",
        "district": "余杭区",
        "street": "文一西路 969 号",
        "lines": (line(),),
        "buyer": Buyer("C-88", PLACED - timedelta(hours=6, minutes=59), "B", False, None),
    }
    return OrderView(**values | fields)


def facts(history: History | None = None, *, shortage: bool = False, **fields: Any) -> Any:
    return order_facts(
        view(**fields), history or History(), shortage=shortage, zone=SHANGHAI, today=TODAY
    )


def test_the_facts_of_an_ordinary_order() -> None:
    assert facts() == {
        "order.channel": "douyin",
        "order.grand_total": Decimal("99.00"),
        "order.goods_total": Decimal("99.00"),
        "order.discount_total": Decimal("0.00"),
        "order.discount_share": Decimal(0),
        "order.placed_hour": Decimal("2.216667"),
        "order.paid_hour": Decimal("2.216667"),
        "order.is_paid": True,
        "order.urgent": False,
        "order.presale": False,
        "order.is_gift": False,
        "order.is_child": False,
        "order.line_count": 1,
        "order.unit_count": 1,
        "order.max_unit_price": Decimal("99.00"),
        "order.max_line_quantity": 1,
        "coupon.types": frozenset(),
        "coupon.codes": frozenset(),
        "coupon.count": 0,
        "goods.skus": frozenset({"TEA-1"}),
        "goods.categories": frozenset(),
        "goods.temperature_classes": frozenset({"ambient"}),
        "goods.fragile": False,
        "goods.presale": False,
        "goods.high_price": False,
        "ship_to.province": "浙江省",
        "ship_to.city": "杭州市",
        "ship_to.district": "余杭区",
        "ship_to.street": "文一西路 969 号",
        "ship_to.address": "浙江省杭州市余杭区文一西路 969 号",
        "ship_to.name": "林婷",
        "ship_to.phone": "+8613800000000",
        "ship_to.orders_24h": 0,
        "customer.external_id": "C-88",
        "customer.account_age_hours": 6,
        "customer.crm_grade": "B",
        "customer.employee": False,
        "customer.orders_24h": 0,
        "customer.lifetime_spend": Decimal(0),
        "customer.returns_30d": 0,
        "stock.shortage": False,
    }


def test_what_is_unknown_is_absent() -> None:
    known = facts(
        paid_at=None,
        goods_total=Decimal(0),
        city="",
        district="",
        ship_phone="",
        buyer=Buyer("C-88", None, "", False, None),
    )
    for key in (
        "order.paid_hour",
        "order.discount_share",
        "order.price_gap",
        "order.livestream_room",
        "order.invoice_title",
        "ship_to.city",
        "ship_to.district",
        "ship_to.phone",
        "customer.account_age_hours",
        "customer.crm_grade",
        "customer.return_rate_180d",
        "customer.sign_for_rate",
    ):
        assert key not in known
    assert known["order.is_paid"] is False


@pytest.mark.parametrize(
    ("fields", "key", "value"),
    [
        ({"coupons": (("A", "x"), ("B", "x"))}, "coupon.types", frozenset({"x"})),
        ({"coupons": (("A", "x"), ("B", "x"))}, "coupon.codes", frozenset({"A", "B"})),
        ({"coupons": (("A", "x"), ("B", "x"))}, "coupon.count", 2),
        ({"discount_total": Decimal("33.00")}, "order.discount_share", Decimal("0.333333")),
        ({"lines": (line(quantity=2), line(quantity=5))}, "order.unit_count", 7),
        ({"lines": (line(quantity=2), line(quantity=5))}, "order.max_line_quantity", 5),
        ({"lines": (line(sku=sku("F", is_fragile=True)),)}, "goods.fragile", True),
        ({"lines": (line(sku=sku("F", presale_ship_date=TODAY)),)}, "goods.presale", False),
        (
            {"lines": (line(sku=sku("F", presale_ship_date=TODAY + timedelta(days=1))),)},
            "goods.presale",
            True,
        ),
        (
            {"lines": (line(sku=sku("F", high_price_threshold=Decimal("99.00"))),)},
            "goods.high_price",
            True,
        ),
        (
            {"lines": (line(sku=sku("F", high_price_threshold=Decimal("99.01"))),)},
            "goods.high_price",
            False,
        ),
        ({"livestream_room": "austin"}, "order.livestream_room", "austin"),
        (
            {"buyer": Buyer("C", None, "", True, Decimal("0.750"))},
            "customer.sign_for_rate",
            Decimal("0.750"),
        ),
    ],
)
def test_a_fact_follows_from_the_order(fields: dict[str, Any], key: str, value: object) -> None:
    assert facts(**fields)[key] == value


def test_the_history_of_a_customer() -> None:
    known = facts(History(3, 2, 8, Decimal("512.00"), 2, 1), shortage=True)
    assert known["ship_to.orders_24h"] == 3
    assert known["customer.orders_24h"] == 2
    assert known["customer.lifetime_spend"] == Decimal("512.00")
    assert known["customer.return_rate_180d"] == Decimal("0.25")
    assert known["customer.returns_30d"] == 1
    assert known["stock.shortage"] is True


@pytest.mark.parametrize(
    ("lines", "gap"),
    [
        ((), None),
        ((line(),), None),
        ((line(settlement_price=Decimal("107.00")),), Decimal("8.00")),
        ((line(settlement_price=Decimal("91.00")),), Decimal("8.00")),
        (
            (line(settlement_price=Decimal("99.00")), line(settlement_price=Decimal("90.00"))),
            Decimal("9.00"),
        ),
        ((line(settlement_price=Decimal("1.00"), is_gift=True),), None),
    ],
)
def test_the_price_gap_is_the_largest_and_leaves_gifts_aside(
    lines: tuple[FactLine, ...], gap: Decimal | None
) -> None:
    assert price_gap(lines) == gap


@given(
    placed=st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),
    zone=st.sampled_from(["Asia/Shanghai", "America/New_York", "Europe/Berlin", "Asia/Kathmandu"]),
)
def test_hours_are_shop_time_in_every_zone(placed: datetime, zone: str) -> None:
    known = order_facts(
        view(placed_at=placed, paid_at=None),
        History(),
        shortage=False,
        zone=ZoneInfo(zone),
        today=TODAY,
    )
    hour = known["order.placed_hour"]
    assert isinstance(hour, Decimal)
    assert 0 <= hour < 24
    local = placed.astimezone(ZoneInfo(zone))
    assert round(hour * 60) == local.hour * 60 + local.minute


@given(
    units=st.lists(st.integers(1, 9), min_size=1, max_size=5),
    returns=st.integers(0, 9),
    orders=st.integers(0, 9),
    shortage=st.booleans(),
)
def test_facts_are_of_the_catalogue_and_survive_their_json(
    units: list[int], returns: int, orders: int, shortage: bool
) -> None:
    known = facts(
        History(orders_180d=orders, returns_180d=returns),
        shortage=shortage,
        lines=tuple(line(quantity=count) for count in units),
    )
    assert catalogue.read(facts_as_json(known)) == (known, [])
