"""Returns over HTTP: answers, repeats, refusals, scopes."""

from typing import Any

import pytest

from changefeed.models import Change
from orders.models import Order
from returns.models import ReturnRequest
from tests.orders.calling import Caller, fields_of, refused
from tests.returns.factories import make_delivered

pytestmark = pytest.mark.usefixtures("world")


@pytest.fixture
def shop(world: None) -> Caller:
    return Caller("returns:read", "returns:write")


def body(order: Order, *lines: tuple[int, int], **changes: Any) -> dict[str, Any]:
    pairs = lines or ((1, 1),)
    return {
        "order": order.number,
        "kind": "return_refund",
        "reason": "too small",
        "lines": [{"position": position, "quantity": units} for position, units in pairs],
        **changes,
    }


def test_a_return_is_requested_and_read(shop):
    order = make_delivered("DY-1", lines=[("TEA-1", 2, "99.00")])

    answer = shop.post("returns/", body(order, (1, 1)))

    assert answer.status_code == 201
    made = answer.json()
    assert answer.headers["Location"] == f"/api/v1/returns/{made['number']}/"
    assert made == {
        **made,
        "order": "DY-1",
        "kind": "return_refund",
        "state": "requested",
        "version": 1,
        "refund_amount": "99.00",
        "currency": "CNY",
        "decided_at": None,
        "warehouse": None,
        "lines": [
            {
                "position": 1,
                "sku": "TEA-1",
                "quantity": 1,
                "good_units": None,
                "bad_units": None,
                "refund_amount": "99.00",
            }
        ],
    }
    assert shop.get(f"returns/{made['number']}/").json() == made
    assert Change.objects.get(kind="return.requested").actor == shop.actor


@pytest.mark.parametrize("by_header", [False, True])
def test_repeating_a_request_answers_with_the_same_return(shop, by_header):
    order = make_delivered(lines=[("TEA-1", 2, "99.00")])
    headers = {"Idempotency_Key": "r-1"} if by_header else {}
    sent = body(order) if by_header else body(order, request_id="r-1")

    first = shop.post("returns/", sent, **headers)
    again = shop.post("returns/", sent, **headers)

    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    other = {**sent, "reason": "another"}
    refused(shop.post("returns/", other, **headers), 409, "different_body")
    assert ReturnRequest.objects.count() == 1


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"kind": "gift"}, "kind", "unknown_kind"),
        ({"reason": " "}, "reason", "string_too_short"),
        ({"lines": []}, "lines", "too_short"),
        ({"lines": [{"position": 1, "quantity": 0}]}, "lines[0].quantity", "greater_than_equal"),
        ({"lines": [{"position": 1, "quantity": 3}]}, "lines[0].quantity", "too_many"),
        ({"lines": [{"position": 2, "quantity": 1}]}, "lines[0].position", "unknown_line"),
        ({"lines": [{"position": True, "quantity": 1}]}, "lines[0].position", "int_type"),
        ({"refund_amount": "9999.00"}, "refund_amount", "extra_forbidden"),
        ({"state": "approved"}, "state", "extra_forbidden"),
        ({"order": "DY 1"}, "order", "code_characters"),
    ],
)
def test_a_wrong_request_names_its_field_and_stores_nothing(shop, changes, field, code):
    order = make_delivered(lines=[("TEA-1", 2, "99.00")])

    answer = shop.post("returns/", {**body(order), **changes})

    assert (field, code) in fields_of(refused(answer, 422))
    assert not ReturnRequest.objects.exists()


def test_unknown_orders_and_returns_are_not_found(shop):
    refused(shop.post("returns/", body(Order(number="NONE"))), 404, "not_found")
    for number in ("RT-NONE", "a%00b", "x" * 200, "％"):
        refused(shop.get(f"returns/{number}/"), 404)


def test_each_call_asks_for_its_scope(world):
    order = make_delivered()
    reader, writer, stranger = Caller("returns:read"), Caller("returns:write"), Caller()
    made = writer.post("returns/", body(order))
    assert made.status_code == 201
    number = made.json()["number"]

    refused(reader.post("returns/", body(order)), 403)
    refused(writer.get(f"returns/{number}/"), 403)
    refused(stranger.get(f"returns/{number}/"), 403)
    assert reader.get(f"returns/{number}/").status_code == 200
    reader.client.defaults.pop("HTTP_AUTHORIZATION", None)
    assert ReturnRequest.objects.count() == 1


def test_reading_takes_a_bounded_number_of_queries(shop, django_assert_max_num_queries):
    order = make_delivered(lines=[("TEA-1", 1, "9.00"), ("LENS-85", 1, "9.00")])
    number = shop.post("returns/", body(order, (1, 1), (2, 1))).json()["number"]
    with django_assert_max_num_queries(4):
        assert shop.get(f"returns/{number}/").status_code == 200
