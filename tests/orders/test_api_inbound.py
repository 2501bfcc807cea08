"""Changes made in other systems: taken once, applied through our acts, never echoed blindly."""

import threading
from typing import Any

import pytest
from django.db import connection

from changefeed.models import Change, Endpoint, FeedLane, Inbox
from orders.lifecycle.dispatching import dispatch_ready
from orders.models import Customer, Order, Shipment, StopRequest
from tests.factories import order_document
from tests.orders.calling import Caller, fields_of, refused

pytestmark = pytest.mark.django_db

MOVED = {"province": "浙江省", "city": "杭州市", "district": "西湖区", "street": "文三路 1 号"}


@pytest.fixture
def crm(world: None) -> Caller:
    Caller().place(order_document("DY-1", paid_at=None))
    return Caller("feed:write", source="crm")


def told(message: str = "e-1", number: str = "DY-1", **parts: Any) -> dict[str, Any]:
    subject = {"kind": parts.pop("kind", "order"), "id": number}
    if "version" in parts:
        subject["version"] = parts.pop("version")
    return {"id": message, "subject": subject, "changes": {"ship_to": MOVED}} | parts


def listen(source: str) -> Endpoint:
    return Endpoint.objects.create(
        name=f"to {source}", url="http://127.0.0.1:1/", source=source, secrets=["whsec_eA=="]
    )


def seen() -> tuple[Any, ...]:
    return (
        list(Order.objects.order_by("id").values()),
        list(Customer.objects.order_by("id").values()),
        Change.objects.count(),
        Inbox.objects.count(),
    )


def test_a_change_is_applied_screened_and_told_to_everybody_else(crm: Caller):
    crm_endpoint, wms_endpoint = listen("crm"), listen("wms")
    decisions = Order.objects.get().decisions.count()

    answer = crm.post("changes/", told())

    assert (answer.status_code, answer.json()) == (
        200,
        {"outcome": "applied", "version": 2, "repeated": False},
    )
    order = Order.objects.get()
    assert (order.district, order.street) == ("西湖区", "文三路 1 号")
    assert order.decisions.count() == decisions + 1
    change = Change.objects.get(kind="order.address_changed")
    assert (change.source, change.source_event_id, change.actor) == ("crm", "e-1", crm.actor)
    assert FeedLane.objects.filter(endpoint=wms_endpoint).exists()
    assert not FeedLane.objects.filter(endpoint=crm_endpoint).exists()


def test_the_origin_is_told_when_something_else_was_stored(crm: Caller):
    endpoint = listen("crm")

    crm.post("changes/", told(changes={"ship_to": MOVED | {"province": "浙江"}}))

    assert Order.objects.get().province == "浙江省"
    lane = FeedLane.objects.get(endpoint=endpoint)
    assert lane.head_seq == Change.objects.get(kind="order.address_changed").seq


def test_one_id_sent_many_times_is_one_change(crm: Caller):
    first = crm.post("changes/", told())
    before = seen()

    again = crm.post("changes/", told())

    assert again.status_code == 200
    assert again.json() == first.json() | {"repeated": True}
    assert seen() == before


def test_the_same_id_with_other_content_is_refused(crm: Caller):
    crm.post("changes/", told())
    before = seen()

    answer = crm.post("changes/", told(changes={"invoice_title": "公司"}))

    assert refused(answer, 409)["type"] == "urn:sluice:different_body"
    assert seen() == before


def test_another_system_may_use_the_same_id(crm: Caller):
    crm.post("changes/", told())
    erp = Caller("feed:write", source="erp")

    answer = erp.post("changes/", told(changes={"invoice_title": "公司"}))

    assert answer.json()["outcome"] == "applied"
    assert Order.objects.get().invoice_title == "公司"


def test_an_equal_value_changes_nothing_and_emits_nothing(crm: Caller):
    crm.post("changes/", told())
    changes = Change.objects.count()

    answer = crm.post("changes/", told("e-2", version=1))

    assert answer.json() == {"outcome": "unchanged", "version": 2, "repeated": False}
    assert Change.objects.count() == changes


def test_an_older_version_is_refused_with_the_present_one(crm: Caller):
    crm.post("changes/", told())
    before = seen()

    answer = crm.post("changes/", told("e-2", version=1, changes={"invoice_title": "公司"}))

    assert refused(answer, 409)["current_version"] == 2
    assert seen() == before


def test_what_was_refused_may_be_sent_again_under_its_id(crm: Caller):
    crm.post("changes/", told(changes={"ship_to": {"province": "亚特兰蒂斯"}}))

    answer = crm.post("changes/", told())

    assert (answer.status_code, answer.json()["repeated"]) == (200, False)


def test_a_warehouse_that_has_the_order_is_asked_first(crm: Caller):
    Caller().place(order_document("DY-2"))
    assert dispatch_ready() == 1

    answer = crm.post("changes/", told(number="DY-2"))

    assert (answer.status_code, answer.json()["outcome"]) == (202, "waiting")
    order = Order.objects.get(number="DY-2")
    assert order.street != "文三路 1 号"
    stop = StopRequest.objects.get()
    assert (stop.state, stop.actor) == (StopRequest.State.WAITING, crm.actor)

    wms = Caller("shipments:write", source="wms")
    shipment = Shipment.objects.get()
    wms.post(f"shipments/{shipment.number}/events/", {"event": "freeze_ack", "event_id": "w-1"})

    order.refresh_from_db()
    assert order.street == "文三路 1 号"


def test_a_customers_phone_reaches_the_others(crm: Caller):
    crm_endpoint, wms_endpoint = listen("crm"), listen("wms")
    number = Customer.objects.get().external_id

    answer = crm.post(
        "changes/", told(number=number, kind="customer", changes={"phone": "+8613911112222"})
    )

    assert answer.json() == {"outcome": "applied", "version": 2, "repeated": False}
    assert Customer.objects.get().phone == "+8613911112222"
    assert FeedLane.objects.filter(endpoint=wms_endpoint, subject_kind="customer").exists()
    assert not FeedLane.objects.filter(endpoint=crm_endpoint).exists()


def test_a_number_written_otherwise_is_told_back_in_its_one_form(crm: Caller):
    endpoint = listen("crm")
    number = Customer.objects.get().external_id

    crm.post("changes/", told(number=number, kind="customer", changes={"phone": "139 1111 2222"}))

    assert Customer.objects.get().phone == "+8613911112222"
    assert FeedLane.objects.filter(endpoint=endpoint, subject_kind="customer").exists()


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (told(kind="spaceship"), 422, ("subject.kind", "unknown_subject")),
        (told(number="DY-404"), 404, None),
        (told(changes={}), 422, ("changes", "empty")),
        (told(changes={"grand_total": "1.00"}), 422, ("grand_total", "extra_forbidden")),
        (
            told(changes={"ship_to": {"phone": "not a phone"}}),
            422,
            ("ship_to.phone", "invalid_phone"),
        ),
        (told(message=""), 422, ("id", "blank")),
        (told(kind="customer", number="C-404", changes={"name": "x"}), 404, None),
        (told(version="seven"), 422, ("subject.version", "invalid")),
    ],
)
def test_bad_messages_are_refused_and_change_nothing(crm: Caller, body, status, field):
    before = seen()

    answer = crm.post("changes/", body)

    if field is None:
        refused(answer, status)
    else:
        assert fields_of(refused(answer, status)) == {field}
    assert seen() == before


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"phone": "138****0000"}, "masked"),
        ({"name": ""}, "length"),
        ({"phone": 5}, "wrong_type"),
        ({"crm_grade": "A"}, "unknown_field"),
    ],
)
def test_bad_contacts_are_refused(crm: Caller, changes, code):
    number = Customer.objects.get().external_id
    before = seen()

    answer = crm.post("changes/", told(number=number, kind="customer", changes=changes))

    assert fields_of(refused(answer, 422)) == {(next(iter(changes)), code)}
    assert seen() == before


def test_a_key_needs_the_scope(crm: Caller):
    before = seen()

    refused(Caller("feed:read", source="erp").post("changes/", told()), 403)

    assert seen() == before


@pytest.mark.django_db(transaction=True)
def test_of_the_same_message_sent_at_once_one_is_applied(crm: Caller):
    answers: list[Any] = []
    barrier = threading.Barrier(6)

    def send() -> None:
        try:
            barrier.wait()
            answers.append(crm.post("changes/", told()).json())
        finally:
            connection.close()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answer["repeated"] for answer in answers) == [False] + [True] * 5
    assert {answer["version"] for answer in answers} == {2}
    assert Change.objects.filter(kind="order.address_changed").count() == 1
