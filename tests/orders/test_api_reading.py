"""Reading orders over HTTP: lists, one order, its story, and what it costs."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from orders.lifecycle.dispatching import dispatch_ready
from orders.models import Order
from tests.factories import make_sku, order_document
from tests.orders.calling import Caller, fields_of, refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(world: None) -> Caller:
    return Caller()


def _numbers(answer: Any) -> list[str]:
    assert answer.status_code == 200, answer.content.decode()
    return [row["number"] for row in answer.json()["results"]]


def test_an_order_reads_as_it_was_sent(shop: Caller) -> None:
    document = order_document(
        "DY-1",
        invoice_title="某公司",
        buyer_remark="放门口",
        coupons=[{"code": "C1", "type": "满10减1", "discount": "1.00"}],
    )
    shop.place(document)

    answer = shop.get("orders/DY-1/")

    assert answer.headers["ETag"] == '"1"'
    body = answer.json()
    same = ("number", "channel", "currency", "goods_total", "discount_total", "grand_total")
    assert {name: body[name] for name in same} == {name: document[name] for name in same}
    assert body["customer"] == document["customer"]["external_id"]
    assert body["ship_to"] == {**document["ship_to"], "phone_hash": ""}
    assert body["coupons"] == document["coupons"]
    assert (body["invoice_title"], body["buyer_remark"]) == ("某公司", "放门口")
    [line] = body["lines"]
    assert line == {
        "position": 1,
        "sku": "TEA-1",
        "quantity": 1,
        "unit_price": "99.00",
        "settlement_price": None,
        "is_gift": False,
    }
    assert (body["state"], body["warehouse"], body["lane"]) == ("ready", "EAST-1", "standard")
    assert (body["holds"], body["shipments"], body["stop_requests"]) == ([], [], [])
    assert body["placed_at"][10] == "T"


def test_a_dispatched_order_shows_its_parcel(shop: Caller) -> None:
    shop.place(order_document("DY-1"))
    dispatch_ready()

    body = shop.get("orders/DY-1/").json()

    assert body["state"] == "dispatched"
    [parcel] = body["shipments"]
    assert (parcel["number"], parcel["order"], parcel["state"]) == ("DY-1-1", "DY-1", "released")
    assert parcel["lines"] == [{"sku": "TEA-1", "quantity": 1}]


@pytest.mark.parametrize("path", ["", "timeline/", "decisions/"])
@pytest.mark.parametrize("number", ["NOPE", "a b", "%00", "x" * 200, "单", "..", "'--"])
def test_an_unknown_order_is_not_found(db: None, number: str, path: str) -> None:
    refused(Caller().get(f"orders/{number}/{path}"), 404, "not_found")


@pytest.mark.parametrize("path", ["", "X/", "X/timeline/", "X/decisions/"])
def test_reading_needs_its_scope(db: None, path: str) -> None:
    refused(Caller("orders:write").get(f"orders/{path}"), 403, "permission_denied")
    refused(Caller().get(f"orders/{path}", Authorization=""), 401, "not_authenticated")


def test_the_timeline_tells_who_did_what(shop: Caller) -> None:
    make_sku("RARE", units=0)
    shop.place(order_document("DY-1", lines=[("RARE", 1, "1.00")]))
    shop.post("orders/DY-1/cancel/", {"reason": "buyer asked"})

    body = shop.get("orders/DY-1/timeline/").json()

    assert body["number"] == "DY-1"
    acts = [entry["act"] for entry in body["entries"]]
    assert acts[0] == "received"
    assert {"screened", "hold_opened", "cancelled"} <= set(acts)
    [cancelled] = [entry for entry in body["entries"] if entry["act"] == "cancelled"]
    assert (cancelled["actor"], cancelled["source"]) == (shop.actor, "shop")
    assert (cancelled["title"], cancelled["reason"]) == ("Cancelled", "buyer asked")


def test_decisions_carry_versions_facts_and_sentences(shop: Caller) -> None:
    shop.place(order_document("DY-1"))

    [decision] = shop.get("orders/DY-1/decisions/").json()["decisions"]

    assert (decision["cause"], decision["ruleset_version"]) == ("intake", 1)
    assert decision["facts"]["order.grand_total"] == "99"
    assert decision["outcome"]["dispatch"] is True
    assert len(decision["sentences"]) == len(decision["outcome"]["matches"]) > 0


@pytest.fixture
def several(shop: Caller) -> Caller:
    now = timezone.now()
    make_sku("RARE", units=0)
    kinds: list[dict[str, Any]] = [
        {"channel": "douyin"},
        {"channel": "tmall"},
        {"lines": [("RARE", 1, "1.00")]},
        {"customer": {"external_id": "C-VIP"}},
    ]
    for index, changes in enumerate(kinds):
        placed = (now - timedelta(days=index, hours=1)).isoformat()
        document = order_document(f"N-{index}", placed_at=placed, paid_at=placed, **changes)
        assert shop.place(document).status_code == 201
    return shop


def test_a_list_is_newest_first(several: Caller) -> None:
    assert _numbers(several.get("orders/")) == ["N-3", "N-2", "N-1", "N-0"]


@pytest.mark.parametrize(
    ("query", "numbers"),
    [
        ({"state": "on_hold"}, ["N-2"]),
        ({"state": ["on_hold", "ready"], "channel": "tmall"}, ["N-1"]),
        ({"channel": "tmall"}, ["N-1"]),
        ({"channel": "nowhere"}, []),
        ({"customer": "C-VIP"}, ["N-3"]),
        ({"warehouse": "EAST-1", "lane": "standard", "channel": "tmall"}, ["N-1"]),
        ({"warehouse": "SOUTH-1"}, []),
        ({"lane": "nowhere"}, []),
    ],
)
def test_a_list_is_narrowed(several: Caller, query: dict[str, Any], numbers: list[str]) -> None:
    assert _numbers(several.get("orders/", query)) == numbers


def test_a_list_is_narrowed_by_time(several: Caller) -> None:
    since = (timezone.now() - timedelta(days=1, hours=2)).isoformat()

    assert _numbers(several.get("orders/", {"placed_from": since})) == ["N-1", "N-0"]
    assert _numbers(several.get("orders/", {"placed_until": since})) == ["N-3", "N-2"]
    assert len(_numbers(several.get("orders/", {"received_from": since}))) == 4
    assert _numbers(several.get("orders/", {"received_until": since})) == []


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"sate": "ready"}, "sate"),
        ({"state": "lost"}, "state"),
        ({"placed_from": "2026-11-11T00:00:00"}, "placed_from"),
        ({"placed_from": "soon"}, "placed_from"),
        ({"placed_from": "0001-01-01T00:00:00+14:00"}, "placed_from"),
        ({"channel": "a\x00b"}, "channel"),
        ({"customer": "x" * 65}, "customer"),
        ({"limit": "0"}, "limit"),
        ({"limit": "201"}, "limit"),
        ({"limit": "１"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"cursor": "!"}, "cursor"),
        ({"cursor": "cD1hYmM="}, "cursor"),
        ({"cursor": "cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk="}, "cursor"),
        ({"cursor": "cD3vvJE="}, "cursor"),
    ],
)
def test_a_filter_that_means_nothing_is_refused(
    several: Caller, query: dict[str, str], field: str
) -> None:
    problem = refused(several.get("orders/", query), 422, "invalid")

    assert {name for name, _code in fields_of(problem)} == {field}


def test_pages_together_are_the_whole_list(several: Caller) -> None:
    page = several.get("orders/", {"limit": "3"})
    first = _numbers(page)
    onward = page.json()["next"]
    page = several.client.get(onward)
    second = _numbers(page)
    back = several.client.get(page.json()["previous"])

    assert (first, second) == (["N-3", "N-2", "N-1"], ["N-0"])
    assert page.json()["next"] is None
    assert _numbers(back) == first


def test_a_list_costs_one_query_however_long(
    several: Caller, django_assert_num_queries: Any
) -> None:
    several.get("orders/")  # the key is remembered
    with django_assert_num_queries(1):
        assert len(_numbers(several.get("orders/"))) == 4


def test_one_order_costs_a_bounded_number_of_queries(
    shop: Caller, django_assert_max_num_queries: Any
) -> None:
    lines = [("TEA-1", 1, "1.00"), ("LENS-85", 1, "1.00"), ("MILK-900", 1, "1.00")]
    shop.place(order_document("DY-1", lines=lines))
    Order.objects.filter(number="DY-1").get()
    dispatch_ready()
    shop.get("orders/DY-1/")
    with django_assert_max_num_queries(6):
        assert shop.get("orders/DY-1/").status_code == 200
    with django_assert_max_num_queries(6):
        assert shop.get("orders/DY-1/timeline/").status_code == 200
    with django_assert_max_num_queries(3):
        assert shop.get("orders/DY-1/decisions/").status_code == 200
