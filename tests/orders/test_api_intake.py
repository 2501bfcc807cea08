"""Taking one order in over HTTP: answers, repeats, refusals."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from changefeed.models import Change
from orders.models import Hold, Order
from tests.factories import make_sku, make_world, order_document
from tests.orders.calling import Caller, fields_of, nothing_stored, refused

pytestmark = pytest.mark.django_db

XINJIANG: dict[str, Any] = {
    "lines": [("TEA-1", 1, "299.00")],
    "coupons": [{"code": "A1", "type": "满299减100", "discount": "100.00"}],
    "ship_to": {"province": "新疆维吾尔自治区", "city": "乌鲁木齐市", "district": "天山区"},
}


@pytest.fixture
def shop(world: None) -> Caller:
    return Caller()


@pytest.fixture
def ruleless(db: None) -> Caller:
    """A shop whose refusals come before any rule is asked."""
    make_world()
    return Caller()


def test_a_clean_order_is_created_and_routed(shop: Caller) -> None:
    answer = shop.place(order_document("DY-1"))

    assert answer.status_code == 201
    assert answer.headers["Location"] == "/api/v1/orders/DY-1/"
    assert answer.headers["ETag"] == '"1"'
    body = answer.json()
    assert (body["number"], body["state"], body["version"]) == ("DY-1", "ready", 1)
    assert body["holds"] == []
    assert body["decision"]["intercept"] is None
    assert body["decision"]["slots"]["warehouse"]["value"] == "EAST-1"
    order = Order.objects.get()
    assert (order.state, order.source) == ("ready", "shop")
    assert Change.objects.filter(kind="order.received").get().actor == shop.actor


def test_a_risky_order_is_held_and_says_why(shop: Caller) -> None:
    body = shop.place(order_document(**XINJIANG)).json()

    assert body["state"] == "on_hold"
    [hold] = body["holds"]
    assert (hold["owner"], hold["rule"], hold["risk"]) == ("rule", "xinjiang-coupon", "high")
    assert hold["message"] == hold["reason"] != ""
    assert body["decision"]["intercept"]["rule"] == "xinjiang-coupon"
    assert Hold.objects.get().pk == hold["id"]


@pytest.mark.parametrize(("language", "message"), [("en", "Not enough stock"), ("zh-hans", "库存")])
def test_a_hold_of_ours_speaks_the_callers_language(
    world: None, language: str, message: str
) -> None:
    make_sku("RARE", units=0)
    answer = Caller(language=language).place(order_document(lines=[("RARE", 1, "10.00")]))

    [hold] = answer.json()["holds"]
    assert hold["reason"] == "stock_short"
    assert message in hold["message"]
    assert answer.headers["Content-Language"] == language


def test_the_same_order_again_is_a_replay(shop: Caller) -> None:
    document = order_document(**XINJIANG)
    first = shop.place(document, Idempotency_Key="k-1")
    reordered = dict(reversed(document.items()))

    again = shop.place(reordered, Idempotency_Key="k-1")

    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()
    assert Order.objects.count() == 1
    assert Change.objects.filter(kind="order.received").count() == 1


def test_a_number_with_other_content_is_a_conflict(shop: Caller) -> None:
    document = order_document("DY-1")
    shop.place(document)
    before = list(Order.objects.values()), Change.objects.count()

    refused(shop.place({**document, "buyer_remark": "other"}), 409, "different_body")

    assert (list(Order.objects.values()), Change.objects.count()) == before


def test_a_key_with_another_order_is_a_conflict(shop: Caller) -> None:
    shop.place(order_document("DY-1"), Idempotency_Key="k-1")
    before = list(Order.objects.values()), Change.objects.count()

    refused(shop.place(order_document("DY-2"), Idempotency_Key="k-1"), 409, "different_body")

    assert (list(Order.objects.values()), Change.objects.count()) == before


def test_two_sources_may_use_the_same_key(shop: Caller) -> None:
    other = Caller(source="tmall")

    assert shop.place(order_document("A-1"), Idempotency_Key="1").status_code == 201
    assert other.place(order_document("B-1"), Idempotency_Key="1").status_code == 201
    assert Order.objects.count() == 2


@pytest.mark.parametrize("key", ["x" * 121, "schlüssel", "单", "a\tb", "a\x1b[0m"])
def test_an_unusable_key_is_refused(ruleless: Caller, key: str) -> None:
    problem = refused(ruleless.place(order_document(), Idempotency_Key=key), 422, "invalid")

    assert fields_of(problem) == {("Idempotency-Key", "header")}
    assert nothing_stored()


def test_a_key_of_120_characters_is_kept(shop: Caller) -> None:
    shop.place(order_document(), Idempotency_Key="k" * 120)

    assert Order.objects.get().idempotency_key == "k" * 120


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        ("{", "application/json", 400, "parse_error"),
        ("", "application/json", 422, "invalid"),
        ('{"number": NaN}', "application/json", 400, "parse_error"),
        (b'{"number": "\xff"}', "application/json", 400, "parse_error"),
        ('{"number": "\\ud800"}', "application/json", 400, "parse_error"),
        ("[" * 5000, "application/json", 400, "parse_error"),
        ("[]", "application/json", 422, "invalid"),
        ("null", "application/json", 422, "invalid"),
        ("7", "application/json", 422, "invalid"),
        ('{"number":' + "[" * 500 + "]" * 500 + "}", "application/json", 422, "invalid"),
        ("number=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        ("<a/>", "text/xml", 415, "unsupported_media_type"),
        ("{}", "", 415, "unsupported_media_type"),
        ("x" * (20 * 1024 * 1024 + 1), "application/json", 413, "too_large"),
    ],
)
def test_what_is_not_an_order_is_refused(
    ruleless: Caller, body: Any, kind: str, status: int, code: str
) -> None:
    answer = ruleless.client.post("/api/v1/orders/", body, content_type=kind)

    refused(answer, status, code)
    assert nothing_stored()


def test_who_accepts_no_json_is_told_so_before_anything_happens(ruleless: Caller) -> None:
    refused(ruleless.place(order_document(), Accept="text/html"), 406, "not_acceptable")
    assert nothing_stored()


@pytest.mark.parametrize("accept", ["*/*", "application/problem+json", "text/html, */*;q=0.1"])
def test_what_accepts_json_gets_json(shop: Caller, accept: str) -> None:
    answer = shop.place(order_document(), Accept=accept)

    assert (answer.status_code, answer.headers["Content-Type"]) == (201, "application/json")


def test_without_a_key_nobody_is_heard(ruleless: Caller) -> None:
    answer = Client().post("/api/v1/orders/", order_document(), content_type="application/json")

    refused(answer, 401, "not_authenticated")
    assert answer.headers["WWW-Authenticate"] == "Api-Key"
    assert nothing_stored()


@pytest.mark.parametrize("plain", ["", "wrong", "sk_0000000000_x", "é", "x" * 300, "a\x00b"])
def test_a_wrong_key_is_refused(ruleless: Caller, plain: str) -> None:
    refused(ruleless.place(order_document(), Authorization=f"Api-Key {plain}"), 401)
    assert nothing_stored()


def test_a_key_to_read_may_not_write(world: None) -> None:
    refused(Caller("orders:read").place(order_document()), 403, "permission_denied")
    refused(Caller("orders:read").post("orders/bulk/", {"orders": [order_document()]}), 403)
    assert nothing_stored()


def test_an_unknown_method_and_address_are_problems_too(ruleless: Caller) -> None:
    refused(ruleless.client.delete("/api/v1/orders/"), 405, "method_not_allowed")
    refused(ruleless.get("no-such-thing/"), 404, "not_found")
    refused(ruleless.client.post("/api/v1/orders", order_document()), 404, "not_found")
    refused(Client().get("/api/"), 404, "not_found")


def _line(**changes: Any) -> dict[str, Any]:
    return {"sku": "TEA-1", "quantity": 1, "unit_price": "99.00", "is_gift": False, **changes}


def _future(**ahead: int) -> str:
    return (timezone.now() + timedelta(**ahead)).isoformat()


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"goods_total": "98.00"}, "goods_total", "does_not_add_up"),
    ({"grand_total": "98.00"}, "grand_total", "does_not_add_up"),
    ({"discount_total": "10.00"}, "grand_total", "does_not_add_up"),
    (
        {"coupons": [{"code": "A", "type": "B", "discount": "5.00"}], "discount_total": "1.00"},
        "discount_total",
        "does_not_add_up",
    ),
    ({"lines": [_line(sku="NOPE")]}, "lines[0].sku", "unknown_sku"),
    ({"lines": []}, "lines", "too_short"),
    ({"channel": "nowhere"}, "channel", "unknown_channel"),
    ({"currency": "USD"}, "currency", "currency_mismatch"),
    ({"currency": "yuan"}, "currency", "string_pattern_mismatch"),
    ({"ship_to": {"province": "浙江省", "city": "广州市"}}, "ship_to.city", "unknown_city"),
    ({"ship_to": {"district": "海淀区"}}, "ship_to.district", "unknown_district"),
    ({"ship_to": {"province": "火星省"}}, "ship_to.province", "unknown_province"),
    ({"ship_to": {"phone": "123"}}, "ship_to.phone", "*"),
    ({"placed_at": "2026-11-11T02:13:09"}, "placed_at", "timezone_aware"),
    ({"placed_at": "yesterday"}, "placed_at", "instant"),
    ({"placed_at": 1762800000}, "placed_at", "instant"),
    ({"placed_at": _future(hours=1), "paid_at": None}, "placed_at", "future"),
    ({"paid_at": _future(days=400)}, "paid_at", "future"),
    ({"customer": {"registered_at": _future(hours=1)}}, "customer.registered_at", "future"),
    ({"parent": "SELF", "number": "SELF"}, "parent", "itself"),
    ({"number": ""}, "number", "string_too_short"),
    ({"number": "x" * 65}, "number", "string_too_long"),
    ({"number": "a b"}, "number", "code_characters"),
    ({"number": "１２３"}, "number", "code_characters"),
    ({"number": 7}, "number", "string_type"),
    ({"urgent": "yes"}, "urgent", "bool_type"),
    ({"buyer_remark": "x" * 2001}, "buyer_remark", "string_too_long"),
    ({"state": "ready"}, "state", "extra_forbidden"),
    ({"version": 9}, "version", "extra_forbidden"),
    ({"warehouse": "EAST-1"}, "warehouse", "extra_forbidden"),
    ({"holds": []}, "holds", "extra_forbidden"),
    *[
        ({"lines": [_line(quantity=quantity)]}, "lines[0].quantity", code)
        for quantity, code in [
            (0, "greater_than_equal"),
            (-1, "greater_than_equal"),
            (100_001, "less_than_equal"),
            (10**30, "int_type"),
            (1.5, "int_type"),
            (1e2, "int_type"),
            ("1", "int_type"),
            ("１", "int_type"),
            (True, "int_type"),
            (None, "int_type"),
        ]
    ],
    *[
        ({"lines": [_line(unit_price=price)]}, "lines[0].unit_price", "amount")
        for price in [
            *("１２.５", "1_000", "1e2", "-1.00", "+1.00", " 1.00", "1.005", "1,00", ".5", "1."),
            *("NaN", "Infinity", "", "99999999999.00", "٣.٠٠", "1\u200b0.00", 99, 99.5, None),
        ]
    ],
]


@pytest.mark.parametrize(("changes", "field", "code"), BAD)
def test_a_wrong_field_is_named_and_nothing_is_stored(
    ruleless: Caller, changes: dict[str, Any], field: str, code: str
) -> None:
    document = order_document()
    for name, value in changes.items():
        merge = isinstance(value, dict) and isinstance(document.get(name), dict)
        document[name] = {**document[name], **value} if merge else value

    problem = refused(ruleless.place(document), 422, "invalid")

    named = fields_of(problem)
    assert (field, code) in named or (code == "*" and field in {name for name, _code in named})
    assert nothing_stored()
    assert not Change.objects.filter(subject_kind="order").exists()


def test_every_missing_field_is_named_at_once(ruleless: Caller) -> None:
    named = fields_of(refused(ruleless.place({"lines": [{}]}), 422))

    required = (
        *("number", "channel", "placed_at", "currency", "customer", "ship_to"),
        *("goods_total", "discount_total", "shipping_total", "grand_total"),
        *("lines[0].sku", "lines[0].quantity", "lines[0].unit_price"),
    )
    assert named == {(name, "missing") for name in required}


@pytest.mark.parametrize(
    ("language", "message"), [("en", "There is no such SKU."), ("zh-hans", "SKU")]
)
def test_errors_speak_the_callers_language(world: None, language: str, message: str) -> None:
    document = order_document(lines=[("NOPE", 1, "1.00")])

    [error] = refused(Caller(language=language).place(document), 422)["errors"]

    assert message in error["message"]


def test_invisible_characters_are_taken_out_before_storage(shop: Caller) -> None:
    hidden = "be\u200bfore\u202e noon\x1b[31m\x00\u2066!"
    document = order_document(buyer_remark=hidden, ship_to={"name": "林\u200d婷\u2060"})

    assert shop.place(document).status_code == 201

    order = Order.objects.get()
    assert (order.buyer_remark, order.ship_name) == ("before noon[31m!", "林婷")


def test_a_name_of_invisible_characters_only_is_empty(ruleless: Caller) -> None:
    document = order_document(ship_to={"name": "\u200b\u200e"})

    assert ("ship_to.name", "string_too_short") in fields_of(refused(ruleless.place(document), 422))
    assert nothing_stored()


def test_a_masked_phone_is_kept_as_masked(shop: Caller) -> None:
    document = order_document(ship_to={"phone": "138****0000", "phone_hash": "h-1"})

    assert shop.place(document).status_code == 201

    order = Order.objects.get()
    stored = (order.ship_phone, order.ship_phone_masked, order.ship_phone_hash)
    assert stored == ("", "138****0000", "h-1")


def test_an_order_of_many_bytes_is_read_once_and_whole(shop: Caller) -> None:
    document = order_document(lines=[("TEA-1", 1, "1.00")] * 200, buyer_remark="长" * 2000)

    assert shop.place(json.dumps(document)).status_code == 201
    assert Order.objects.get().lines.count() == 200


def test_a_failure_on_our_side_tells_nothing_and_stores_nothing(
    shop: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("secret of the house")

    monkeypatch.setattr("orders.lifecycle.batches.store_orders", broken)

    answer = shop.place(order_document())

    refused(answer, 500, "server_error")
    assert b"secret" not in answer.content
    assert nothing_stored()
