"""Taking many orders in at once: a result each, and one bad item harms no other."""

from typing import Any

import pytest
from django.conf import settings

from orders.models import Order, Stock
from tests.factories import make_world, order_document
from tests.orders.calling import Caller, fields_of, nothing_stored, refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(world: None) -> Caller:
    return Caller()


def _bad_items() -> dict[str, tuple[Any, str, str]]:
    """What is wrong → the item, the field named and its code."""
    fine = order_document
    return {
        "amounts": (fine(goods_total="1.00"), "goods_total", "does_not_add_up"),
        "sku": (fine(lines=[("NOPE", 1, "1.00")]), "lines[0].sku", "unknown_sku"),
        "channel": (fine(channel="nowhere"), "channel", "unknown_channel"),
        "address": (fine(ship_to={"city": "广州市"}), "ship_to.city", "unknown_city"),
        "quantity": (
            fine(lines=[("TEA-1", 0, "1.00")]),
            "lines[0].quantity",
            "greater_than_equal",
        ),
        "currency": (fine(currency="USD"), "currency", "currency_mismatch"),
        "naive": (fine(placed_at="2026-11-11T02:13:09"), "placed_at", "timezone_aware"),
        "future": (fine(paid_at="2999-01-01T00:00:00+08:00"), "paid_at", "future"),
        "number": ("not an object", "", "model_type"),
        "list": ([], "", "model_type"),
        "null": (None, "", "model_type"),
    }


def test_bad_items_of_every_kind_harm_no_other(shop: Caller) -> None:
    bad = _bad_items()
    items: list[Any] = [order_document("GOOD-0")]
    for index, (item, _field, _code) in enumerate(bad.values(), start=1):
        items += [item, order_document(f"GOOD-{index}")]

    answer = shop.post("orders/bulk/", {"orders": items})

    assert answer.status_code == 200
    results = answer.json()["results"]
    assert [result["index"] for result in results] == list(range(len(items)))
    assert [result["status"] for result in results] == [201] + [422, 201] * len(bad)
    for (_item, field, code), result in zip(bad.values(), results[1::2], strict=True):
        assert (field, code) in fields_of(result)
        assert "state" not in result
    for result in results[::2]:
        assert (result["state"], result["version"]) == ("ready", 1)
        assert result["decision"]["dispatch"] is True
    stored = set(Order.objects.values_list("number", flat=True))
    assert stored == {f"GOOD-{index}" for index in range(len(bad) + 1)}
    reserved = Stock.objects.get(sku__code="TEA-1", warehouse__code="EAST-1").reserved
    assert reserved == len(stored)


def test_repeats_within_and_across_calls(shop: Caller) -> None:
    first, second = order_document("A-1"), order_document("A-2")
    shop.post("orders/bulk/", {"orders": [first]})
    changed = {**second, "buyer_remark": "other"}

    results = shop.post("orders/bulk/", {"orders": [first, second, second, changed]}).json()

    assert [item["status"] for item in results["results"]] == [200, 201, 200, 409]
    assert results["results"][3]["code"] == "different_body"
    assert Order.objects.count() == 2
    assert Order.objects.get(number="A-2").buyer_remark == ""


def test_a_bad_first_occurrence_does_not_shadow_a_good_one(shop: Caller) -> None:
    good = order_document("A-1")
    bad = {**good, "channel": "nowhere"}

    results = shop.post("orders/bulk/", {"orders": [bad, good]}).json()["results"]

    assert [item["status"] for item in results] == [422, 201]
    assert Order.objects.get().number == "A-1"


@pytest.mark.parametrize(
    "body", [{}, [], None, {"orders": {}}, {"orders": []}, {"orders": [1], "x": 1}, {"orders": 5}]
)
def test_what_is_no_list_of_orders_is_refused(db: None, body: Any) -> None:
    problem = refused(Caller().post("orders/bulk/", body), 422, "invalid")

    assert fields_of(problem) == {("orders", "list_type")}


def test_more_than_the_limit_is_refused_whole(db: None) -> None:
    make_world()
    item = order_document()
    problem = refused(Caller().post("orders/bulk/", {"orders": [item] * 1001}), 422)

    assert fields_of(problem) == {("orders", "too_long")}
    assert nothing_stored()


@pytest.mark.slow
def test_a_thousand_orders_fit_into_one_call(shop: Caller) -> None:
    orders = [order_document() for _ in range(settings.BULK_LIMIT)]

    answer = shop.post("orders/bulk/", {"orders": orders})

    assert {result["status"] for result in answer.json()["results"]} == {201}
    assert Order.objects.count() == 1000
