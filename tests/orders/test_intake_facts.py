"""From an order and its history to the facts that rules see."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orders.facts import FACTS
from orders.intake.addresses import is_unparseable
from orders.intake.facts import order_facts, price_gaps
from orders.intake.storage import as_json
from orders.intake.views import Buyer, Circumstances, FactLine, History, OrderView, UsedCoupon
from rules.conditions import ListSnapshot
from rules.facts import catalogue, facts_as_json
from rules.normalization import skeleton
from tests.orders.test_intake_checks import sku

SHANGHAI = ZoneInfo("Asia/Shanghai")
TODAY = date(2026, 11, 11)
NOW = datetime(2026, 11, 10, 18, 15, tzinfo=UTC)
PLACED = datetime(2026, 11, 10, 18, 13, 9, tzinfo=UTC)  # 02:13 in the shop


AGE = "customer.account_age_hours"
TWO = (UsedCoupon("A", "x", Decimal("10.00")), UsedCoupon("B", "x", Decimal("5.50")))


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
        "shipping_total": Decimal("0.00"),
        "grand_total": Decimal("99.00"),
        "urgent": False,
        "presale": False,
        "livestream_room": "",
        "is_gift": False,
        "is_child": False,
        "buyer_remark": "",
        "seller_remark": "",
        "invoice_title": "",
        "delivery_slot": "",
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


def around(**fields: Any) -> Circumstances:
    values: dict[str, Any] = {"zone": SHANGHAI, "now": NOW, "today": TODAY}
    return Circumstances(**values | fields)


def facts(
    history: History | None = None,
    *,
    short: int = 0,
    known: Circumstances | None = None,
    **fields: Any,
) -> Any:
    return order_facts(view(**fields), history or History(), known or around(), units_short=short)


def test_the_facts_of_an_ordinary_order() -> None:
    assert facts() == {
        "order.channel": "douyin",
        "order.grand_total": Decimal("99.00"),
        "order.goods_total": Decimal("99.00"),
        "order.discount_total": Decimal("0.00"),
        "order.shipping_total": Decimal("0.00"),
        "order.discount_share": Decimal(0),
        "order.placed_hour": Decimal("2.216667"),
        "order.paid_hour": Decimal("2.216667"),
        "order.placed_weekday": "3",
        "order.paid_weekday": "3",
        "order.has_remark": False,
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
        "coupon.discount_total": Decimal(0),
        "goods.skus": frozenset({"TEA-1"}),
        "goods.categories": frozenset(),
        "goods.temperature_classes": frozenset({"ambient"}),
        "goods.fragile": False,
        "goods.presale": False,
        "goods.high_price": False,
        "goods.gift_units": 0,
        "ship_to.province": "浙江省",
        "ship_to.city": "杭州市",
        "ship_to.district": "余杭区",
        "ship_to.street": "文一西路 969 号",
        "ship_to.address": "浙江省杭州市余杭区文一西路 969 号",
        "ship_to.name": "林婷",
        "ship_to.phone": "+8613800000000",
        "ship_to.unparseable": False,
        "ship_to.orders_24h": 0,
        "customer.external_id": "C-88",
        "customer.account_age_hours": 6,
        "customer.crm_grade": "B",
        "customer.employee": False,
        "customer.is_new": True,
        "customer.orders_total": 0,
        "customer.orders_24h": 0,
        "customer.orders_30d": 0,
        "customer.cancelled_30d": 0,
        "customer.address_changes_30d": 0,
        "customer.lifetime_spend": Decimal(0),
        "customer.returns_30d": 0,
        "stock.shortage": False,
        "stock.units_short": 0,
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
        "order.paid_weekday",
        "order.discount_share",
        "order.price_gap",
        "order.price_gap_below",
        "order.price_gap_above",
        "order.livestream_room",
        "order.invoice_title",
        "order.delivery_slot",
        "ship_to.city",
        "ship_to.district",
        "ship_to.phone",
        "customer.account_age_hours",
        "customer.crm_grade",
        "customer.return_rate_180d",
        "customer.sign_for_rate",
        "ship_to.embargoed",
        "ship_to.remote",
        "stock.coupon_unlinked",
    ):
        assert key not in known
    assert known["order.is_paid"] is False


@pytest.mark.parametrize(
    ("fields", "key", "value"),
    [
        ({"coupons": TWO}, "coupon.types", frozenset({"x"})),
        ({"coupons": TWO}, "coupon.codes", frozenset({"A", "B"})),
        ({"coupons": TWO}, "coupon.count", 2),
        ({"coupons": TWO}, "coupon.discount_total", Decimal("15.50")),
        ({"shipping_total": Decimal("12.00")}, "order.shipping_total", Decimal("12.00")),
        ({"paid_at": PLACED + timedelta(hours=22)}, "order.paid_weekday", "4"),
        ({"buyer_remark": "放门口"}, "order.has_remark", True),
        ({"seller_remark": "VIP"}, "order.has_remark", True),
        ({"delivery_slot": "18:00-21:00"}, "order.delivery_slot", "18:00-21:00"),
        ({"lines": (line(quantity=3), line(quantity=2, is_gift=True))}, "goods.gift_units", 2),
        ({"street": "123"}, "ship_to.unparseable", True),
        ({"buyer": Buyer("C", PLACED + timedelta(1), "", False, None)}, AGE, 0),
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
    known = facts(
        History(3, 2, 8, Decimal("512.00"), 2, 1, 4, 9, 5, 6),
        short=7,
    )
    assert known["ship_to.orders_24h"] == 3
    assert known["customer.orders_24h"] == 2
    assert known["customer.lifetime_spend"] == Decimal("512.00")
    assert known["customer.return_rate_180d"] == Decimal("0.25")
    assert known["customer.returns_30d"] == 1
    assert known["customer.orders_30d"] == 4
    assert (known["customer.orders_total"], known["customer.is_new"]) == (9, False)
    assert known["customer.cancelled_30d"] == 5
    assert known["customer.address_changes_30d"] == 6
    assert (known["stock.shortage"], known["stock.units_short"]) == (True, 7)


def test_a_split_price_gap_says_its_direction() -> None:
    lines = (
        line(settlement_price=Decimal("107.00")),
        line(settlement_price=Decimal("96.50")),
        line(settlement_price=Decimal("1.00"), is_gift=True),
    )
    known = facts(lines=lines)
    assert known["order.price_gap"] == Decimal("8.00")
    assert known["order.price_gap_below"] == Decimal("8.00")
    assert known["order.price_gap_above"] == Decimal("2.50")


@pytest.mark.parametrize(
    ("settlement", "below", "above"), [("99.00", 0, 0), ("91.00", 0, 8), ("107.00", 8, 0)]
)
def test_a_price_has_no_gap_in_the_other_direction(settlement: str, below: int, above: int) -> None:
    known = facts(lines=(line(settlement_price=Decimal(settlement)),))
    assert known["order.price_gap_below"] == below
    assert known["order.price_gap_above"] == above


@pytest.mark.parametrize(
    ("linked", "coupons", "answer"),
    [
        ({}, TWO, None),
        ({"tmall": frozenset({"A", "B"})}, TWO, None),
        ({"douyin": frozenset()}, (), False),
        ({"douyin": frozenset({"A", "B"})}, TWO, False),
        ({"douyin": frozenset({"A"})}, TWO, True),
        ({"douyin": frozenset()}, TWO, True),
    ],
)
def test_a_coupon_that_its_channel_has_not_tied_to_stock(
    linked: dict[str, frozenset[str]], coupons: tuple[UsedCoupon, ...], answer: bool | None
) -> None:
    known = facts(known=around(linked=linked), coupons=coupons)
    assert known.get("stock.coupon_unlinked") is answer


def listed(*entries: str, until: datetime | None = None) -> ListSnapshot:
    return ListSnapshot("regions", 1, {skeleton(entry): until for entry in entries})


@pytest.mark.parametrize(
    ("entries", "answer"),
    [
        ((), False),
        (("浙江省",), True),
        (("杭州市",), True),
        (("余杭区",), True),
        (("浙江省杭州市",), True),
        (("杭州市 余杭区",), True),
        (("浙江省杭州市余杭区",), True),
        (("浙江",), False),
        (("宁波市", "宁波市余杭区"), False),
    ],
)
def test_a_place_is_on_a_list_by_any_of_its_parts(entries: tuple[str, ...], answer: bool) -> None:
    lists = {"embargo_regions": listed(*entries)}
    known = facts(known=around(lists=lists))
    assert known["ship_to.embargoed"] is answer
    assert "ship_to.remote" not in known


def test_an_expired_entry_no_longer_makes_a_place_remote() -> None:
    for until, answer in ((NOW + timedelta(seconds=1), True), (NOW, False)):
        lists = {"remote_regions": listed("浙江省", until=until)}
        assert facts(known=around(lists=lists))["ship_to.remote"] is answer


@pytest.mark.parametrize(
    ("place", "street", "answer"),
    [
        (("浙江省", "杭州市", "余杭区"), "文一西路 969 号", False),
        (("浙江省", "杭州市", "余杭区"), "天安门", False),
        (("广东省", "东莞市", "长安镇"), "锦厦路1号", False),
        (("浙江省", "杭州市", "余杭区"), "１２３ 456", True),
        (("浙江省", "杭州市", "余杭区"), "***", True),
        (("浙江省", "杭州市", "余杭区"), "、。！—", True),
        (("浙江省", "杭州市", "余杭区"), "路", True),
        (("浙江省", "杭州市", "余杭区"), "啊啊啊啊啊", True),
        (("浙江省", "杭州市", "余杭区"), "\u200b\u200b\u200b\u200b", True),
        (("火星省", "杭州市", "余杭区"), "文一西路 969 号", True),
        (("浙江省", "", ""), "文一西路 969 号", True),
        (("浙江省", "杭州市", ""), "文一西路 969 号", True),
        (("浙江省", "杭州市", "天河区"), "文一西路 969 号", True),
    ],
)
def test_an_address_that_no_courier_could_read(
    place: tuple[str, str, str], street: str, answer: bool
) -> None:
    assert is_unparseable(*place, street) is answer
    province, city, district = place
    known = facts(province=province, city=city, district=district, street=street)
    assert known["ship_to.unparseable"] is answer


@pytest.mark.parametrize(
    ("lines", "gaps"),
    [
        ((), []),
        ((line(),), []),
        ((line(settlement_price=Decimal("107.00")),), [Decimal("-8.00")]),
        ((line(settlement_price=Decimal("91.00")),), [Decimal("8.00")]),
        ((line(settlement_price=Decimal("1.00"), is_gift=True),), []),
    ],
)
def test_price_gaps_leave_gifts_aside(lines: tuple[FactLine, ...], gaps: list[Decimal]) -> None:
    assert price_gaps(lines) == gaps


@given(
    placed=st.datetimes(datetime(2024, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC)),
    zone=st.sampled_from(["Asia/Shanghai", "America/New_York", "Europe/Berlin", "Asia/Kathmandu"]),
)
def test_hours_are_shop_time_in_every_zone(placed: datetime, zone: str) -> None:
    known = facts(
        known=around(zone=ZoneInfo(zone)),
        placed_at=placed,
        paid_at=None,
    )
    assert known["order.placed_weekday"] == str(placed.astimezone(ZoneInfo(zone)).isoweekday())
    hour = known["order.placed_hour"]
    assert isinstance(hour, Decimal)
    assert 0 <= hour < 24
    local = placed.astimezone(ZoneInfo(zone))
    assert round(hour * 60) == local.hour * 60 + local.minute


MONEY = st.decimals(0, 10**9, places=2)
WORDS = st.text(max_size=12)
HISTORIES = st.builds(
    History,
    *(st.integers(0, 9) for _ in range(3)),
    MONEY,
    *(st.integers(0, 9) for _ in range(6)),
)
LINES = st.lists(
    st.builds(
        line,
        sku=st.builds(sku, st.just("TEA-1"), category=WORDS),
        quantity=st.integers(1, 9),
        unit_price=MONEY,
        is_gift=st.booleans(),
        settlement_price=st.none() | MONEY,
    ),
    min_size=1,
    max_size=4,
).map(tuple)
BUYERS = st.builds(
    Buyer,
    WORDS,
    st.none() | st.just(PLACED - timedelta(days=3)) | st.just(PLACED + timedelta(days=3)),
    WORDS,
    st.booleans(),
    st.none() | st.decimals(0, 1, places=3),
)
VIEWS = st.builds(
    view,
    **dict.fromkeys(("goods_total", "discount_total", "shipping_total", "grand_total"), MONEY),
    **dict.fromkeys(("urgent", "presale", "is_gift", "is_child"), st.booleans()),
    **dict.fromkeys(
        (
            *("livestream_room", "buyer_remark", "seller_remark", "invoice_title"),
            *("delivery_slot", "ship_name", "ship_phone", "province", "city", "district"),
            "street",
        ),
        WORDS,
    ),
    paid_at=st.none() | st.just(PLACED + timedelta(hours=30)),
    coupons=st.lists(st.builds(UsedCoupon, WORDS, WORDS, MONEY), max_size=3).map(tuple),
    lines=LINES,
    buyer=BUYERS,
)
KNOWN = st.builds(
    around,
    lists=st.dictionaries(
        st.sampled_from(["embargo_regions", "remote_regions"]), st.builds(listed, WORDS)
    ),
    linked=st.dictionaries(st.sampled_from(["douyin", "tmall"]), st.frozensets(WORDS)),
)


@given(order=VIEWS, history=HISTORIES, known=KNOWN, short=st.integers(0, 99))
def test_facts_are_of_the_catalogue_and_survive_their_json(
    order: OrderView, history: History, known: Circumstances, short: int
) -> None:
    stated = order_facts(order, history, known, units_short=short)
    stored = json.loads(json.dumps(facts_as_json(stated)))
    assert orjson.loads(str(as_json(facts_as_json(stated)))) == stored
    assert catalogue.read(stored) == (stated, [])
    assert facts_as_json(catalogue.read(stored)[0]) == stored


@given(order=VIEWS, history=HISTORIES, known=KNOWN, short=st.integers(0, 99))
def test_facts_lie_where_the_catalogue_says_they_can(
    order: OrderView, history: History, known: Circumstances, short: int
) -> None:
    stated = order_facts(order, history, known, units_short=short)
    assert stated.keys() >= {fact.key for fact in FACTS if fact.always}
    for key, value in stated.items():
        fact = catalogue.get(key)
        assert fact is not None
        if fact.type.is_numeric:
            number = Decimal(str(value))
            assert fact.least is None or number >= fact.least
            assert fact.most is None or number <= fact.most
            assert not fact.whole or number % 1 == 0
        if fact.fixed_choices is not None:
            said = value if isinstance(value, frozenset) else {value}
            assert fact.fixed_choices.issuperset(said)
