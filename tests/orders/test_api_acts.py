"""Changing, cancelling, releasing and reporting over HTTP: what happens, and what is refused."""

from typing import Any

import pytest

from changefeed.models import Change
from orders.lifecycle.dispatching import dispatch_ready
from orders.models import Hold, Order, Shipment, Stock, TimelineEntry
from tests.factories import make_sku, order_document
from tests.orders.calling import Caller, fields_of, refused

pytestmark = pytest.mark.django_db

HELD: dict[str, Any] = {
    "lines": [("TEA-1", 1, "299.00")],
    "coupons": [{"code": "A1", "type": "满299减100", "discount": "100.00"}],
    "ship_to": {"province": "新疆维吾尔自治区", "city": "乌鲁木齐市", "district": "天山区"},
}


@pytest.fixture
def shop(world: None) -> Caller:
    return Caller()


def _snapshot() -> tuple[Any, ...]:
    return (
        list(Order.objects.order_by("id").values()),
        list(Hold.objects.order_by("id").values()),
        list(Shipment.objects.order_by("id").values()),
        list(Stock.objects.order_by("id").values()),
        TimelineEntry.objects.count(),
        Change.objects.count(),
    )


def _held(shop: Caller, number: str = "DY-1") -> int:
    return int(shop.place(order_document(number, **HELD)).json()["holds"][0]["id"])


def _dispatched(shop: Caller, number: str = "DY-1") -> str:
    shop.place(order_document(number))
    assert dispatch_ready() == 1
    return f"{number}-1"


# --- PATCH ----------------------------------------------------------------------------------------


def test_a_change_raises_the_version_and_is_screened_again(shop: Caller) -> None:
    make_sku("RARE", units=0)
    shop.place(order_document("DY-1", lines=[("RARE", 1, "1.00")]))

    answer = shop.patch(
        "orders/DY-1/",
        {"ship_to": {"street": "新街 1 号", "phone": "13900000000"}, "invoice_title": "某公司"},
        If_Match='"1"',
    )

    assert answer.status_code == 200, answer.content.decode()
    body = answer.json()
    assert answer.headers["ETag"] == f'"{body["version"]}"'
    assert body["version"] > 1
    assert (body["ship_to"]["street"], body["invoice_title"]) == ("新街 1 号", "某公司")
    assert body["ship_to"]["name"] == "林婷"
    assert shop.get("orders/DY-1/decisions/").json()["decisions"][0]["cause"] == "change"
    kinds = set(Change.objects.filter(subject_id="DY-1").values_list("kind", flat=True))
    assert {"order.address_changed", "order.invoice_title_changed"} <= kinds
    changed = Change.objects.filter(kind="order.address_changed").get()
    assert (changed.actor, changed.source) == (shop.actor, "shop")


def test_a_change_needs_the_version_it_was_made_on(shop: Caller) -> None:
    _held(shop)
    before = _snapshot()

    refused(shop.patch("orders/DY-1/", {"urgent": True}), 428, "precondition_required")
    for header in ("1", '"one"', "*", '"1", "2"', '"9999999999"'):
        problem = refused(shop.patch("orders/DY-1/", {"urgent": True}, If_Match=header), 422)
        assert fields_of(problem) == {("If-Match", "header")}
    problem = refused(shop.patch("orders/DY-1/", {"urgent": True}, If_Match='"7"'), 409)

    assert problem["type"] == "urn:sluice:version_conflict"
    assert problem["current_version"] == Order.objects.get().version
    assert _snapshot() == before


def test_the_second_of_two_changes_to_one_version_is_refused(shop: Caller) -> None:
    _held(shop)
    version = f'"{Order.objects.get().version}"'

    first = shop.patch("orders/DY-1/", {"invoice_title": "甲"}, If_Match=version)
    second = shop.patch("orders/DY-1/", {"invoice_title": "乙"}, If_Match=version)

    assert first.status_code == 200
    assert refused(second, 409)["current_version"] == first.json()["version"]
    assert Order.objects.get().invoice_title == "甲"


def test_posting_back_every_field_of_the_answer_is_refused_field_by_field(shop: Caller) -> None:
    _held(shop)
    body = shop.get("orders/DY-1/").json()
    before = _snapshot()

    problem = refused(shop.patch("orders/DY-1/", body, If_Match=f'"{body["version"]}"'), 422)

    writable = {"ship_to", "invoice_title", "delivery_slot", "buyer_remark", "seller_remark"}
    writable |= {"urgent", "paid_at"}
    assert fields_of(problem) == {(name, "extra_forbidden") for name in set(body) - writable}
    for name in set(body) - writable:
        problem = refused(
            shop.patch("orders/DY-1/", {name: body[name]}, If_Match=f'"{body["version"]}"'), 422
        )
        assert fields_of(problem) == {(name, "extra_forbidden")}
    assert _snapshot() == before


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"ship_to": {"city": "广州市"}}, "ship_to.city"),
        ({"ship_to": {"phone": "12"}}, "ship_to.phone"),
        ({"ship_to": {"street": ""}}, "ship_to.street"),
        ({"ship_to": {"street": "\u200b"}}, "ship_to.street"),
        ({"ship_to": 7}, "ship_to"),
        ({"urgent": 1}, "urgent"),
        ({"paid_at": "2026-11-11T00:00:00"}, "paid_at"),
        ({"invoice_title": "x" * 121}, "invoice_title"),
        ([], ""),
        (None, ""),
    ],
)
@pytest.mark.parametrize("place", [_held, _dispatched])
def test_a_wrong_change_is_refused_at_once(
    shop: Caller, place: Any, changes: Any, field: str
) -> None:
    place(shop)
    before = _snapshot()
    version = Order.objects.get().version

    problem = refused(shop.patch("orders/DY-1/", changes, If_Match=f'"{version}"'), 422)

    assert {name for name, _code in fields_of(problem)} == {field}
    assert _snapshot() == before


def test_a_change_after_dispatch_waits_for_the_warehouse(shop: Caller) -> None:
    parcel = _dispatched(shop)
    version = shop.get("orders/DY-1/").json()["version"]

    asked = shop.patch(
        "orders/DY-1/", {"ship_to": {"street": "新街 1 号"}}, If_Match=f'"{version}"'
    )

    assert asked.status_code == 202
    [request] = asked.json()["stop_requests"]
    assert (request["purpose"], request["state"]) == ("change", "waiting")
    assert asked.json()["ship_to"]["street"] != "新街 1 号"
    told = shop.post(f"shipments/{parcel}/events/", {"event": "freeze_ack", "event_id": "e-1"})
    assert told.status_code == 200
    after = shop.get("orders/DY-1/").json()
    assert after["ship_to"]["street"] == "新街 1 号"
    assert after["stop_requests"][0]["state"] == "carried_out"


# --- cancel ---------------------------------------------------------------------------------------


def test_cancelling_gives_stock_back_and_repeating_it_changes_nothing(shop: Caller) -> None:
    shop.place(order_document("DY-1"))
    assert Stock.objects.get(sku__code="TEA-1", warehouse__code="EAST-1").reserved == 1

    first = shop.post("orders/DY-1/cancel/", {"reason": "buyer asked"})
    before = _snapshot()
    again = shop.post("orders/DY-1/cancel/", {"reason": "buyer asked"})

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["state"] == "cancelled"
    assert again.json() == first.json()
    assert Stock.objects.get(sku__code="TEA-1", warehouse__code="EAST-1").reserved == 0
    assert _snapshot() == before


def test_cancelling_what_somebody_else_cancelled_names_them(shop: Caller) -> None:
    shop.place(order_document("DY-1"))
    shop.post("orders/DY-1/cancel/", {"reason": "buyer asked"})
    before = _snapshot()

    problem = refused(
        Caller(source="crm").post("orders/DY-1/cancel/", {"reason": "me too"}), 409, "already_done"
    )

    assert shop.key.name in problem["title"]
    assert _snapshot() == before


def test_cancelling_after_dispatch_asks_the_warehouse(shop: Caller) -> None:
    parcel = _dispatched(shop)

    asked = shop.post("orders/DY-1/cancel/", {"reason": "buyer asked"})
    repeated = shop.post("orders/DY-1/cancel/", {"reason": "buyer asked"})

    assert (asked.status_code, repeated.status_code) == (202, 202)
    assert asked.json()["state"] == "dispatched"
    refused(Caller(source="crm").post("orders/DY-1/cancel/", {"reason": "x"}), 409)
    shop.post(f"shipments/{parcel}/events/", {"event": "freeze_ack", "event_id": "e-1"})
    assert shop.get("orders/DY-1/").json()["state"] == "cancelled"


def test_a_shipped_order_cannot_be_cancelled(shop: Caller) -> None:
    parcel = _dispatched(shop)
    shop.post(f"shipments/{parcel}/events/", {"event": "shipped", "event_id": "e-1"})
    before = _snapshot()

    refused(shop.post("orders/DY-1/cancel/", {"reason": "late"}), 409, "wrong_state")

    assert _snapshot() == before


# --- holds ----------------------------------------------------------------------------------------


def test_releasing_the_last_hold_dispatches_and_repeating_it_changes_nothing(shop: Caller) -> None:
    path = f"orders/DY-1/holds/{_held(shop)}/release/"

    first = shop.post(path, {"reason": "called the buyer"})
    before = _snapshot()
    again = shop.post(path, {"reason": "called the buyer"})

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["state"] == "dispatched"
    [hold] = first.json()["holds"]
    assert (hold["state"], hold["resolved_by"]) == ("released", shop.actor)
    assert again.json() == first.json()
    assert _snapshot() == before


def test_a_hold_that_somebody_else_resolved_is_a_conflict_that_names_them(shop: Caller) -> None:
    hold = _held(shop)
    shop.post(f"orders/DY-1/holds/{hold}/release/", {"reason": "fine"})
    before = _snapshot()
    other = Caller(source="crm")

    problem = refused(
        other.post(f"orders/DY-1/holds/{hold}/release/", {"reason": "fine"}), 409, "already_done"
    )
    opposite = {"reason": "no", "follow_up": "cancel"}
    refused(shop.post(f"orders/DY-1/holds/{hold}/uphold/", opposite), 409, "already_done")

    assert shop.key.name in problem["title"]
    assert _snapshot() == before


@pytest.mark.parametrize(
    ("follow_up", "state"), [("cancel", "cancelled"), ("correction", "on_hold")]
)
def test_upholding_a_hold(shop: Caller, follow_up: str, state: str) -> None:
    path = f"orders/DY-1/holds/{_held(shop)}/uphold/"
    body = {"reason": "fraud", "follow_up": follow_up}

    first, again = shop.post(path, body), shop.post(path, body)

    assert (first.status_code, again.status_code) == (200, 200)
    assert first.json()["state"] == state
    assert again.json() == first.json()
    assert first.json()["holds"][0]["follow_up"] == follow_up
    other = {"correction": "cancel", "cancel": "correction"}[follow_up]
    refused(shop.post(path, {**body, "follow_up": other}), 409, "already_done")


def test_a_hold_of_another_order_is_not_found(shop: Caller) -> None:
    hold = _held(shop)
    shop.place(order_document("DY-2"))
    before = _snapshot()

    for number, key in (("DY-2", hold), ("DY-1", hold + 1), ("NOPE", hold), ("DY-1", 2**70)):
        for act in ("release", "uphold"):
            body = {"reason": "x"} | ({"follow_up": "cancel"} if act == "uphold" else {})
            refused(shop.post(f"orders/{number}/holds/{key}/{act}/", body), 404, "not_found")

    assert _snapshot() == before


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("orders/DY-1/cancel/", {}, "reason"),
        ("orders/DY-1/cancel/", {"reason": " \u200b\n"}, "reason"),
        ("orders/DY-1/cancel/", {"reason": 7}, "reason"),
        ("orders/DY-1/cancel/", {"reason": "x" * 1001}, "reason"),
        ("orders/DY-1/cancel/", {"reason": "x", "state": "ready"}, "state"),
        ("orders/DY-1/cancel/", [], ""),
        ("orders/DY-1/holds/{hold}/release/", {"reason": ""}, "reason"),
        ("orders/DY-1/holds/{hold}/release/", {"reason": "x", "by": "me"}, "by"),
        ("orders/DY-1/holds/{hold}/uphold/", {"reason": "x"}, "follow_up"),
        ("orders/DY-1/holds/{hold}/uphold/", {"reason": "x", "follow_up": "no"}, "follow_up"),
    ],
)
def test_an_act_without_what_it_needs_is_refused(
    shop: Caller, path: str, body: Any, field: str
) -> None:
    hold = _held(shop)
    before = _snapshot()

    problem = refused(shop.post(path.format(hold=hold), body), 422, "invalid")

    assert {name for name, _code in fields_of(problem)} == {field}
    assert _snapshot() == before


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("patch", "orders/DY-1/", "orders:write"),
        ("post", "orders/DY-1/cancel/", "orders:write"),
        ("post", "orders/DY-1/holds/{hold}/release/", "holds:release"),
        ("post", "orders/DY-1/holds/{hold}/uphold/", "holds:release"),
        ("post", "shipments/DY-1-1/events/", "shipments:write"),
    ],
)
def test_each_act_needs_its_scope(shop: Caller, method: str, path: str, scope: str) -> None:
    hold = _held(shop)
    before = _snapshot()
    every = {"orders:read", "orders:write", "holds:release", "shipments:write", "feed:write"}
    powerless = Caller(*sorted(every - {scope}))
    body = {"reason": "x", "follow_up": "cancel"}

    problem = refused(getattr(powerless, method)(path.format(hold=hold), body), 403)

    assert scope in problem["title"]
    assert _snapshot() == before


# --- parcels --------------------------------------------------------------------------------------


def test_a_parcel_is_picked_shipped_and_delivered(shop: Caller) -> None:
    path = f"shipments/{_dispatched(shop)}/events/"

    states = [
        shop.post(path, {"event": event, "event_id": f"e-{event}", "waybill": "SF1"}).json()[
            "state"
        ]
        for event in ("picked", "shipped", "delivered")
    ]

    assert states == ["picking", "shipped", "delivered"]
    order = shop.get("orders/DY-1/").json()
    assert (order["state"], order["shipments"][0]["waybill"]) == ("delivered", "SF1")
    stock = Stock.objects.get(sku__code="TEA-1", warehouse__code="EAST-1")
    assert (stock.on_hand, stock.reserved) == (999, 0)


def test_a_repeated_report_has_one_effect_and_the_same_answer(shop: Caller) -> None:
    path = f"shipments/{_dispatched(shop)}/events/"
    report = {"event": "shipped", "event_id": "e-1", "waybill": "SF1"}

    first = shop.post(path, report)
    before = _snapshot()
    answers = [shop.post(path, report) for _ in range(3)]

    assert {answer.content for answer in answers} == {first.content}
    assert _snapshot() == before
    assert TimelineEntry.objects.filter(act="shipped").count() == 1


def test_a_report_that_cannot_follow_is_refused_and_may_be_sent_again_later(shop: Caller) -> None:
    path = f"shipments/{_dispatched(shop)}/events/"
    before = _snapshot()

    early = {"event": "delivered", "event_id": "e-2"}
    refused(shop.post(path, early), 409, "wrong_state")
    refused(shop.post(path, {"event": "freeze_ack", "event_id": "e-3"}), 409, "wrong_state")

    assert _snapshot() == before
    shop.post(path, {"event": "shipped", "event_id": "e-1"})
    assert shop.post(path, early).json()["state"] == "delivered"


def test_a_refused_stop_leaves_the_order_as_it_was(shop: Caller) -> None:
    parcel = _dispatched(shop)
    shop.post("orders/DY-1/cancel/", {"reason": "buyer asked"})

    answer = shop.post(f"shipments/{parcel}/events/", {"event": "freeze_refused", "event_id": "1"})

    assert answer.json()["freeze_answer"] == "refused"
    order = shop.get("orders/DY-1/")
    assert (order.status_code, order.json()["state"]) == (200, "dispatched")
    assert order.json()["stop_requests"][0]["state"] == "refused"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"event_id": "1"}, "event"),
        ({"event": "lost", "event_id": "1"}, "event"),
        ({"event": "picked", "event_id": 1}, "event_id"),
        ({"event": "picked", "event_id": "x" * 151}, "event_id"),
        ({"event": "picked", "waybill": "x" * 65}, "waybill"),
        ({"event": "picked", "at": "2026-11-11T00:00:00"}, "at"),
        ({"event": "picked", "state": "shipped"}, "state"),
    ],
)
def test_an_unreadable_report_is_refused(shop: Caller, body: dict[str, Any], field: str) -> None:
    path = f"shipments/{_dispatched(shop)}/events/"
    before = _snapshot()

    problem = refused(shop.post(path, body), 422, "invalid")

    assert {name for name, _code in fields_of(problem)} == {field}
    assert _snapshot() == before


@pytest.mark.parametrize("number", ["NOPE-1", "a b", "%00", "x" * 200])
def test_a_report_about_an_unknown_parcel_is_not_found(db: None, number: str) -> None:
    answer = Caller().post(f"shipments/{number}/events/", {"event": "picked", "event_id": "1"})

    refused(answer, 404, "not_found")
