"""The order page after dispatch: who asked, who must answer, what was decided, who knows of it."""

from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from changefeed.models import Change, FeedLane
from orders.actors import Actor
from orders.lifecycle.cancelling import cancel_order
from orders.lifecycle.changing import change_order
from orders.lifecycle.dispatching import dispatch_order
from orders.lifecycle.recalling import recall_order
from orders.lifecycle.shipping import record_shipment_event
from orders.models import Order, StopRequest
from tests.changefeed.admin_pages import attempt
from tests.changefeed.rows import make_endpoint
from tests.orders.desk import clean_order, person

pytestmark = pytest.mark.django_db
CRM = Actor("key:CRM", "crm")
WMS = Actor("key:WMS", "wms")
MOVED = {"ship_to": {"city": "宁波市", "district": "鄞州区", "street": "中山东路 88 号院 3 栋"}}


@pytest.fixture(autouse=True)
def english() -> None:
    translation.activate("en")


def signed_in(group: str) -> Client:
    _user, client = person(group)
    client.cookies["django_language"] = "en"
    return client


def page(client: Client, order: Order):
    response = client.get(reverse("admin:orders_order_change", args=(order.pk,)))
    assert response.status_code == 200
    return response.context["page"], response.content.decode()


def dispatched(number: str = "S-1") -> Order:
    order = clean_order(number)
    dispatch_order(order.pk, actor=Actor("system"))
    order.refresh_from_db()
    return order


def asked_by_crm(number: str = "S-1") -> Order:
    order = dispatched(number)
    change_order(number, version=None, fields=MOVED, actor=CRM, reason="customer called")
    return order


def test_while_the_warehouse_is_silent_the_page_says_who_waits_for_whom(world):
    order = asked_by_crm()
    StopRequest.objects.update(requested_at=timezone.now() - timedelta(hours=5))

    shown, text = page(signed_in("supervisor"), order)

    stop = shown.stop
    assert stop.headline == "CRM (system) waits for EAST-1 to answer, for 5 h 0 min."
    assert stop.headline in text
    assert [(one.parcel, one.word, one.is_waiting) for one in stop.answers] == [
        ("S-1-1", "no answer yet", True)
    ]
    assert stop.outlook[1] == "Picked already: nothing is changed, and the parcel goes out."
    assert "customer called" in text
    assert "宁波市 鄞州区 中山东路 8***" in text
    assert "3 栋" not in text
    parcel = order.shipments.get()
    assert reverse("admin:orders_shipment_answer_stop", args=(parcel.pk,)) in text


def test_who_may_not_answer_for_the_warehouse_is_not_offered_it(world):
    order = asked_by_crm()

    shown, text = page(signed_in("agent"), order)

    assert [one.answer_link for one in shown.stop.answers] == [""]
    assert "Record its answer" not in text


def test_the_request_to_stop_is_followed_to_the_warehouse(world):
    endpoint = make_endpoint(name="WMS", kinds=["shipment.*"])
    order = asked_by_crm()
    client = signed_in("supervisor")

    (waiting,) = page(client, order)[0].stop.asked_of
    lane = FeedLane.objects.get()
    assert (waiting.name, waiting.word, waiting.is_late) == ("WMS", "not received yet", True)
    assert waiting.link == reverse("admin:changefeed_feedlane_change", args=(lane.pk,))

    attempt(lane, seq=lane.last_seq, outcome="delivered", status=204)
    lane.delete()
    (arrived,) = page(client, order)[0].stop.asked_of
    assert (arrived.word, arrived.is_late) == ("received", False)
    assert arrived.link == reverse("admin:changefeed_endpoint_change", args=(endpoint.pk,))


def test_without_anybody_who_takes_the_request_the_page_says_to_call(world):
    make_endpoint(name="ERP", kinds=["order.*"])
    order = asked_by_crm()

    _shown, text = page(signed_in("supervisor"), order)

    assert "No downstream system takes requests to stop: call the warehouse." in text


def test_the_warehouse_stopped_it_and_the_change_is_made(world):
    make_endpoint(name="CRM")
    order = asked_by_crm()
    record_shipment_event("S-1-1", "freeze_ack", actor=WMS)

    shown, text = page(signed_in("supervisor"), order)

    order.refresh_from_db()
    assert order.city == "宁波市"
    stop = shown.stop
    assert stop.result == (
        "The warehouse stopped it: the change was made and the order screened again."
    )
    assert [(one.word, one.who) for one in stop.answers] == [("stopped", "WMS (system)")]
    assert [(one.name, one.word) for one in stop.told] == [("CRM", "not received yet")]
    assert stop.remedy == ""
    assert "Who knows the outcome:" in text
    decided = Change.objects.filter(kind="order.address_changed")
    assert decided.count() == 1


@pytest.mark.parametrize("event", ["freeze_refused", "shipped"])
def test_it_was_too_late_and_nothing_changed(world, event):
    order = asked_by_crm()
    record_shipment_event("S-1-1", event, actor=WMS)

    shown, text = page(signed_in("supervisor"), order)

    order.refresh_from_db()
    assert order.city == "杭州市"
    assert shown.stop.headline == "It was too late: nothing was changed."
    words = {"freeze_refused": "picked already", "shipped": "shipped already"}
    assert [one.word for one in shown.stop.answers] == [words[event]]
    assert "Ask the courier to redirect it, or tell the customer." in text


def test_cancelling_and_holding_are_told_in_their_own_words(world):
    client = signed_in("supervisor")
    cancelled, held = dispatched("S-2"), dispatched("S-3")
    cancel_order("S-2", actor=CRM, reason="refund")
    recall_order(held.pk, actor=Actor("user:alice"), reason="wrong price")

    assert page(client, cancelled)[0].stop.asked == "asked to cancel the order"
    record_shipment_event("S-2-1", "freeze_ack", actor=WMS)
    record_shipment_event("S-3-1", "freeze_ack", actor=WMS)

    assert page(client, cancelled)[0].stop.result == (
        "The warehouse stopped it: the order was cancelled."
    )
    assert page(client, held)[0].stop.result == "The warehouse stopped it: it was held."


def test_an_old_request_is_folded_away(world):
    order = asked_by_crm()
    record_shipment_event("S-1-1", "freeze_refused", actor=WMS)
    client = signed_in("supervisor")
    assert page(client, order)[0].stop.is_news is True

    StopRequest.objects.update(answered_at=timezone.now() - timedelta(days=2))
    assert page(client, order)[0].stop.is_news is False


def test_the_page_tells_which_systems_know_everything(world):
    make_endpoint(name="BI", state="open")
    make_endpoint(name="CRM")
    order = dispatched()
    FeedLane.objects.filter(endpoint__name="CRM").delete()

    shown, text = page(signed_in("supervisor"), order)

    behind, done = shown.telling.systems()
    assert (behind.name, behind.word, behind.more) == (
        *("BI", "3 changes still to come"),
        "not answering",
    )
    assert (done.name, done.word, done.is_late) == ("CRM", "knows everything", False)
    assert "1 of 2 does not know everything yet." in text
    assert "/admin/changefeed/change/?q=S-1" in text


@pytest.mark.parametrize("group", ["agent", "warehouse"])
def test_systems_are_not_named_to_who_may_not_see_them(world, group):
    make_endpoint(name="SECRET-WMS")
    order = asked_by_crm()

    shown, text = page(signed_in(group), order)

    assert shown.telling is None
    assert shown.stop.asked_of == []
    assert shown.stop.asked_count == "Received by 0 of 1 downstream systems."
    assert "SECRET-WMS" not in text
    assert "/admin/changefeed/" not in text


def test_the_story_says_what_was_asked_and_of_which_parcel(world):
    order = asked_by_crm()
    record_shipment_event("S-1-1", "freeze_ack", actor=WMS)

    shown, _text = page(signed_in("agent"), order)

    notes = {item.act: item.notes for item in shown.timeline}
    assert notes["stop_requested"] == ["Change the order"]
    assert notes["warehouse_stopped"] == ["S-1-1"]
    assert notes["changed"] == ["address or recipient"]
