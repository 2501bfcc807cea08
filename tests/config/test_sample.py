"""The demo's sample: real, consistent, and judged by the starter rules as it claims."""

import gzip
import json
import time
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from config.demo import sample
from config.demo.sample_goods import DATA, LENS, MILK, is_fragile, read_invoices
from config.demo.sample_roles import ABNORMAL, SPECIAL, cast
from orders.divisions import check_place
from orders.intake.checks import CheckedOrder, References, SkuRef, check_order
from orders.intake.document import read_document
from orders.intake.facts import order_facts
from orders.intake.viewing import view_of
from orders.intake.views import Buyer, Circumstances, History
from rules.conditions import ListSnapshot
from rules.evaluation import CompiledRuleSet, compile_rules
from rules.facts import catalogue
from rules.normalization import skeleton
from rules.parsing import parse_document
from rules.starting import starter_document, starter_lists

ZONE = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 21, 20, 30, tzinfo=ZONE)
SHORT = 22


@pytest.fixture(scope="module")
def orders():
    return list(sample.load_orders(now=NOW))


@pytest.fixture(scope="module")
def references():
    goods = sample.load_catalogue(now=NOW)
    channels = {code: number for number, code in enumerate(goods.channels, 1)}
    skus = {
        sku.code: SkuRef(
            id=number,
            code=sku.code,
            category=sku.category,
            temperature=sku.temperature,
            is_fragile=sku.is_fragile,
            high_price_threshold=sku.high_price_threshold,
            presale_ship_date=sku.presale_ship_date,
            is_active=True,
            free={},
            settlement={
                key: goods.settlement_prices[channel, sku.code] for channel, key in channels.items()
            },
        )
        for number, sku in enumerate(goods.skus, 1)
    }
    return References(channels, skus, {}, {}, {}, "CNY")


@pytest.fixture(scope="module")
def lists():
    entries = {raw["key"]: list(raw["entries"]) for raw in starter_lists()}
    for key, added in sample.load_lists().items():
        entries[key] += added
    return {
        key: ListSnapshot(key, 1, {skeleton(entry["value"]): None for entry in found})
        for key, found in entries.items()
    }


@pytest.fixture(scope="module")
def starter():
    return parse_document(starter_document(), catalogue)


@pytest.fixture(scope="module")
def facts_by_number(orders, references, lists):
    buyers = {
        c.external_id: Buyer(
            c.external_id, c.registered_at, c.crm_grade, c.is_employee, c.sign_for_rate
        )
        for c in sample.load_customers(now=NOW)
    }
    worst = History(orders_180d=1, returns_180d=1, returns_30d=1)
    return {
        order.document["number"]: order_facts(
            view_of(check(order, references), buyers[order.document["customer"]["external_id"]]),
            worst,
            Circumstances(ZONE, NOW, NOW.date(), lists),
            units_short=0,
        )
        for order in orders
    }


def check(order, references):
    checked = check_order(read_document(order.document), "", references, NOW)
    assert isinstance(checked, CheckedOrder), (order.document["number"], checked)
    return checked


def test_there_are_enough_orders_and_all_are_real_invoices(orders):
    invoices = {invoice.number: invoice for invoice in read_invoices()}
    assert len(orders) == len(invoices) == 2517
    for order in orders:
        document = order.document
        invoice = invoices[document["number"].split("-")[1]]
        own = [line for line in document["lines"] if line["sku"] in (LENS, MILK)]
        real = [line for line in document["lines"] if line not in own]
        assert document["customer"]["external_id"] == f"C-{invoice.customer}"
        assert [(line["sku"], line["quantity"], Decimal(line["unit_price"])) for line in real] == [
            (line.sku, line.quantity, line.unit_price) for line in invoice.lines
        ]


def test_the_same_call_gives_the_same_bytes(orders):
    again = list(sample.load_orders(now=NOW))
    assert json.dumps([order.document for order in again]) == json.dumps(
        [order.document for order in orders]
    )
    assert again == orders
    assert list(sample.load_orders(limit=100, now=NOW)) == orders[:100]


def test_another_seed_gives_other_people(orders):
    other = next(sample.load_orders(seed=7, now=NOW))
    assert other.document["lines"] == orders[0].document["lines"]
    assert other.document["customer"]["name"] != orders[0].document["customer"]["name"]


def test_intake_accepts_every_document(orders, references):
    for order in orders:
        checked = check(order, references)
        assert not check_place(*checked.place)
    numbers = [order.document["number"] for order in orders]
    assert len(set(numbers)) == len(numbers)


def test_money_adds_up_in_every_document(orders):
    for order in orders:
        document = order.document
        goods = sum(line["quantity"] * Decimal(line["unit_price"]) for line in document["lines"])
        coupons = sum(Decimal(coupon["discount"]) for coupon in document["coupons"])
        assert goods == Decimal(document["goods_total"])
        assert coupons == Decimal(document["discount_total"])
        paid = goods - coupons + Decimal(document["shipping_total"])
        assert paid == Decimal(document["grand_total"]) >= 0


def test_the_starter_rules_agree_with_every_expected_verdict(
    orders, facts_by_number, starter, lists
):
    rules = compile_rules(starter, lists)
    for order in orders:
        number, expected = order.document["number"], order.expected
        decision = rules.decide(facts_by_number[number], NOW)
        held_by = decision.intercept.rule_key if decision.intercept else None
        assert held_by == (expected.reason if expected.reason != "stock" else None), number
        if held_by is None:
            insured = sample.FREIGHT_INSURANCE in dict(decision.effects)
            assert decision.slots["lane"][0] == expected.lane, number
            assert insured == (expected.effect == sample.FREIGHT_INSURANCE), number
            assert decision.dispatch


def test_an_abnormal_order_has_one_cause_only(orders, facts_by_number, starter, lists):
    alone = [
        (rule.key, CompiledRuleSet([rule], lists))
        for rule in starter.rules
        if rule.layer == "intercept"
    ]
    for order in orders:
        facts = facts_by_number[order.document["number"]]
        causes = {key for key, rule in alone if rule.decide(facts, NOW).intercept}
        assert causes == {order.expected.reason} - {"stock", None}, order.document["number"]


def test_stock_runs_short_for_exactly_the_orders_said(orders):
    left = dict(sample.load_catalogue(now=NOW).stock)
    warehouses = [code for code, _name, _priority in sample.load_catalogue().warehouses]
    short = set()
    for order in orders:
        needs = [(line["sku"], line["quantity"]) for line in order.document["lines"]]
        for warehouse in warehouses:
            if all(left.get((sku, warehouse), 0) >= units for sku, units in needs):
                for sku, units in needs:
                    left[sku, warehouse] -= units
                break
        else:
            short.add(order.document["number"])
    assert short == {
        order.document["number"] for order in orders if order.expected.reason == "stock"
    }
    assert len(short) == SHORT


def test_the_shares_are_those_documented(orders):
    reasons = Counter(order.expected.reason for order in orders if order.expected.reason)
    assert reasons == ABNORMAL | {"stock": SHORT}
    assert min(reasons.values()) >= 12
    share = reasons.total() / len(orders)
    assert 0.08 <= share <= 0.10
    channels = Counter(order.document["channel"] for order in orders)
    assert set(channels) == {"douyin", "tmall", "jd", "app", "subscription"}
    assert channels["subscription"] == SPECIAL["subscription"]
    hidden = sum("*" in order.document["ship_to"]["phone"] for order in orders)
    assert 0.15 < hidden / len(orders) < 0.35


def test_forty_three_per_cent_of_the_festival_come_from_the_livestream(orders):
    start, end = cast().festival
    during = {i.number for i in read_invoices() if start <= i.at.date() < end}
    live = [o for o in orders if o.document["livestream_room"]]
    assert {order.document["number"].split("-")[1] for order in live} <= during
    assert len(live) == round(len(during) * 0.43)


def test_special_orders_are_complete(orders):
    by_number = {order.document["number"]: order for order in orders}
    placed: dict[str, int] = {number: place for place, number in enumerate(by_number)}
    for key in ("gift_for", "parent"):
        bound = [order for order in orders if order.document[key]]
        assert len(bound) == 40
        for order in bound:
            main = by_number[order.document[key]]
            assert main.expected.verdict == "clean"
            assert placed[main.document["number"]] < placed[order.document["number"]]
            assert (
                main.document["customer"]["external_id"]
                == (order.document["customer"]["external_id"])
            )
    lenses = [order for order in orders if order.expected.effect]
    assert len(lenses) == SPECIAL["lens"]
    assert {order.expected.verdict for order in lenses} == {"clean"}
    batches = [order.document for order in orders if order.document["deliveries"]]
    assert len(batches) == SPECIAL["subscription"]
    for document in batches:
        assert all(batch["date"] > NOW.date().isoformat() for batch in document["deliveries"])
        assert len(document["deliveries"]) >= 2


@pytest.mark.parametrize("hour", [0, 9, 13, 23])
def test_no_order_lies_in_the_future_and_the_last_is_of_the_last_day(hour):
    now = NOW.replace(hour=hour, minute=5)
    last = list(sample.load_orders(now=now))[-1].document
    paid_at = datetime.fromisoformat(last["paid_at"])
    assert now - timedelta(days=1, minutes=20) < paid_at <= now


def test_the_time_of_day_is_the_real_one(orders):
    real = {invoice.number: invoice.at for invoice in read_invoices()}
    for order in orders:
        placed_at = datetime.fromisoformat(order.document["placed_at"])
        at = real[order.document["number"].split("-")[1]]
        if order.expected.effect:
            assert 2 <= placed_at.hour < 4
        else:
            assert (placed_at.hour, placed_at.minute) == (at.hour, at.minute)
    times = [order.document["placed_at"] for order in orders]
    assert times == sorted(times)


def test_nobody_real_is_named(orders):
    for order in orders:
        for person in (order.document["customer"], order.document["ship_to"]):
            digits = "".join(c for c in person["phone"] if c.isdecimal())
            assert "1310000" in "".join(str(int(c)) for c in digits) or "131****" in person["phone"]


def test_every_sku_has_a_price_on_every_channel_and_a_name():
    goods = sample.load_catalogue(now=NOW)
    for sku in goods.skus:
        assert sku.name
        assert all((channel, sku.code) in goods.settlement_prices for channel in goods.channels)
    fragile = [sku for sku in goods.skus if sku.is_fragile]
    assert 0.05 < len(fragile) / len(goods.skus) < 0.3
    assert is_fragile("22139")
    assert {sku.temperature for sku in goods.skus} == {"ambient", "chilled", "frozen"}


def test_returns_are_real_cancellations_of_the_same_customers():
    customers = {customer.external_id for customer in sample.load_customers(now=NOW)}
    returned = list(sample.load_return_history(now=NOW))
    assert len(returned) == 3284
    assert all(r.customer in customers and r.quantity > 0 and r.at < NOW for r in returned)
    assert all(r.number.startswith("C") for r in returned)


def test_the_packaged_lists_are_those_of_the_sample():
    assert json.loads((DATA / "lists.json").read_text("utf-8")) == sample.load_lists()


def test_the_sample_is_small():
    files = list(DATA.glob("*.csv.gz"))
    assert sum(file.stat().st_size for file in files) < 400_000
    for file in files:
        with gzip.open(file, "rt", encoding="utf-8") as text:
            assert next(text).startswith("InvoiceNo,StockCode,")


def test_the_sample_is_made_quickly():
    started = time.perf_counter()
    list(sample.load_orders(now=NOW + timedelta(minutes=1)))
    assert time.perf_counter() - started < 5
