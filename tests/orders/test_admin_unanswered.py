"""The desk's view of what a warehouse has not answered: list, count, order page, asking again."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from orders.actors import Actor
from orders.admin import orders as order_admin
from orders.lifecycle.cancelling import cancel_order
from orders.lifecycle.changing import change_order
from orders.lifecycle.dispatching import dispatch_order
from orders.lifecycle.recalling import ask_again, recall_order
from orders.lifecycle.shipping import record_shipment_event
from orders.models import Order, StopRequest
from tests.changefeed.rows import make_endpoint
from tests.orders.acting import feed, nothing_changes, now_seq
from tests.orders.desk import clean_order, person

pytestmark = pytest.mark.django_db
CRM = Actor("key:CRM", "crm")
ALICE = Actor("user:alice", "admin")
MOVED = {"ship_to": {"street": "中山东路 88 号院 3 栋"}}
LIST = reverse("admin:orders_order_changelist")
GROUPS = ("supervisor", "operations", "agent", "warehouse")


@pytest.fixture(autouse=True)
def english() -> None:
    translation.activate("en")


def signed_in(group: str, language: str = "en") -> Client:
    _user, client = person(group)
    client.cookies["django_language"] = language
    return client


def asked(number: str, *, minutes: int = 0, change: bool = True) -> Order:
    order = clean_order(number)
    dispatch_order(order.pk, actor=Actor("system"))
    if change:
        change_order(number, version=None, fields=MOVED, actor=CRM, reason="customer called")
    else:
        recall_order(order.pk, actor=ALICE, reason="wrong price")
    earlier(order, minutes=minutes)
    return order


def earlier(order: Order, **how_long: int) -> None:
    past = timedelta(**how_long).total_seconds()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_stoprequest SET requested_at = requested_at - make_interval(secs => %s)"
            " WHERE order_id = %s",
            [past, order.pk],
        )
        cursor.execute(
            "UPDATE orders_shipment"
            " SET freeze_requested_at = freeze_requested_at - make_interval(secs => %s)"
            " WHERE order_id = %s",
            [past, order.pk],
        )


def listed(response: Any) -> list[str]:
    return [order.number for order in response.context["cl"].result_list]


# --- the list ---


def test_the_quick_query_shows_who_waits_longest_first(world):
    asked("A-1", minutes=14)
    asked("A-2", minutes=134, change=False)
    clean_order("A-3")
    client = signed_in("supervisor")

    response = client.get(LIST, {"stop": "waiting"})
    text = response.content.decode()

    assert listed(response) == ["A-2", "A-1"]
    assert (response.context["unanswered"].count, response.context["unanswered"].overdue) == (2, 1)
    assert "Hold again · alice" in text
    assert "Change the order · CRM (system)" in text
    assert ">2 h 14 min</time>" in text
    assert ">14 min</time>" in text
    assert text.count('<span class="desk-risk is-high">Overdue</span>') == 1
    assert "After 15 minutes call it" in text


def test_every_list_says_who_waits(world):
    asked("A-1", minutes=20)
    clean_order("A-2")

    response = signed_in("supervisor").get(LIST)
    text = response.content.decode()

    assert listed(response) == ["A-2", "A-1"]
    assert text.count("waits for the warehouse") == 1
    assert ">20 min</time>" in text


def test_an_answered_request_leaves_the_quick_query(world):
    asked("A-1", minutes=20)
    record_shipment_event("A-1-1", "freeze_refused", actor=Actor("key:WMS", "wms"))

    response = signed_in("supervisor").get(LIST, {"stop": "waiting"})

    assert (listed(response), response.context["unanswered"].count) == ([], 0)
    assert "No order waits for a warehouse's answer now." in response.content.decode()


def test_the_quick_query_finds_old_orders_and_joins_other_filters(world, monkeypatch):
    monkeypatch.setattr(order_admin, "NEWEST", 1)
    asked("A-1")
    clean_order("A-2")
    clean_order("A-3")
    client = signed_in("supervisor")

    assert listed(client.get(LIST, {"stop": "waiting"})) == ["A-1"]
    assert listed(client.get(LIST, {"stop": "waiting", "q": "A-1"})) == ["A-1"]
    assert listed(client.get(LIST, {"stop": "waiting", "state__exact": "on_hold"})) == []
    assert listed(client.get(LIST, {"stop": "x"})) == ["A-3"]


def test_the_quick_query_asks_a_fixed_number_of_queries(world):
    client = signed_in("supervisor")

    def queries() -> list[str]:
        with CaptureQueriesContext(
            connection,
        ) as seen:
            assert client.get(LIST, {"stop": "waiting"}).status_code == 200
        return [one["sql"] for one in seen]

    asked("A-1")
    queries()
    few = queries()
    for index in range(2, 7):
        asked(f"A-{index}")

    assert len(queries()) == len(few)


def test_the_count_is_asked_for_by_itself(world):
    asked("A-1", minutes=20)
    client = signed_in("supervisor")
    url = reverse("admin:orders_order_waiting")
    assert f'hx-get="{url}"' in client.get(LIST).content.decode()

    text = client.get(url).content.decode()

    assert 'id="unanswered-count"' in text
    assert "data-alarm" in text
    assert "1 has waited too long" in text


def test_the_count_needs_a_member_who_may_see_orders(world):
    url = reverse("admin:orders_order_waiting")
    _user, stranger = person("nobody")

    assert stranger.get(url).status_code == 403
    assert Client().get(url).status_code == 302
    assert [signed_in(group).get(url).status_code for group in GROUPS] == [200] * 4


# --- the order page ---


def page(client: Client, order: Order) -> tuple[Any, str]:
    response = client.get(reverse("admin:orders_order_change", args=(order.pk,)))
    assert response.status_code == 200
    return response.context["page"].stop, response.content.decode()


def test_the_page_says_since_when_how_long_and_what_to_do(world):
    order = asked("A-1", minutes=300)

    stop, text = page(signed_in("supervisor"), order)

    assert (stop.waited, stop.is_overdue) == ("5 h 0 min", True)
    assert stop.to_call == [("EAST-1", "A-1-1")]
    assert "Call EAST-1: is parcel A-1-1 still there?" in text
    assert "press “Record its answer” at the parcel." in text
    assert "Ask its system again" in text


def test_before_its_time_is_over_nothing_is_overdue(world):
    stop, _text = page(signed_in("supervisor"), asked("A-1", minutes=14))

    assert (stop.waited, stop.is_overdue) == ("14 min", False)


def test_the_wait_is_measured_by_the_databases_clock(world, monkeypatch):
    order = asked("A-1", minutes=20)
    later = timezone.now() + timedelta(hours=1)
    monkeypatch.setattr(timezone, "now", lambda: later)

    stop, text = page(signed_in("supervisor"), order)

    assert stop.waited == "20 min"
    assert "for 20 min." in text


@pytest.mark.parametrize(
    ("group", "may_ask", "may_answer"),
    [
        ("supervisor", True, True),
        ("operations", False, False),
        ("agent", True, False),
        ("warehouse", False, True),
    ],
)
def test_who_may_ask_again_and_who_may_record_the_answer(world, group, may_ask, may_answer):
    order = asked("A-1", minutes=20)
    client = signed_in(group)
    parcel = order.shipments.get()
    again = reverse("admin:orders_order_ask_again", args=(order.pk,))
    answer = reverse("admin:orders_shipment_answer_stop", args=(parcel.pk,))

    _stop, text = page(client, order)
    assert (again in text, answer in text) == (may_ask, may_answer)
    assert ("recorded by a supervisor or the warehouse" in text) == (not may_answer)

    if not may_ask:
        with nothing_changes():
            assert client.post(again).status_code == 403
    if not may_answer:
        with nothing_changes():
            asked_to = {"answer": "freeze_ack", "reason": "Li"}
            assert client.post(answer, asked_to).status_code == 403
    assert client.get(again).status_code == 405
    if may_ask:
        before = now_seq()
        assert client.post(again).status_code == 302
        assert feed(order, before) == ["shipment.freeze_requested"]


def test_asking_again_shows_by_whom_and_whether_it_arrived(world):
    make_endpoint(name="WMS", kinds=["shipment.*"])
    order = asked("A-1", minutes=2)
    client = signed_in("supervisor")

    first = client.post(reverse("admin:orders_order_ask_again", args=(order.pk,)), follow=True)
    with nothing_changes():
        second = client.post(reverse("admin:orders_order_ask_again", args=(order.pk,)), follow=True)

    assert "The warehouse was asked again to stop order A-1." in first.content.decode()
    assert "The warehouse was asked less than a minute ago." in second.content.decode()
    stop, text = page(client, order)
    assert [who for who, _at in stop.again] == [
        Order.objects.get().timeline.get(act="stop_asked_again").actor.removeprefix("user:")
    ]
    assert "asked again by" in text


def test_a_second_request_to_stop_forgets_who_asked_again_for_the_first(world):
    order = asked("A-1", minutes=2)
    ask_again(order.pk, actor=ALICE)
    earlier(order, minutes=2)
    record_shipment_event("A-1-1", "freeze_refused", actor=CRM)
    recall_order(order.pk, actor=ALICE, reason="second")

    stop, _text = page(signed_in("supervisor"), order)

    assert stop.again == []


def test_an_answer_by_hand_needs_to_say_who_said_so(world):
    order = asked("A-1", minutes=20)
    client = signed_in("warehouse")
    url = reverse("admin:orders_shipment_answer_stop", args=(order.shipments.get().pk,))

    with nothing_changes():
        assert client.post(url, {"answer": "freeze_ack", "reason": " "}).status_code == 422
    client.post(url, {"answer": "freeze_refused", "reason": "shift leader Li, by phone"})

    assert StopRequest.objects.get().state == "refused"
    stop, text = page(signed_in("agent"), order)
    assert [one.said for one in stop.answers] == ["shift leader Li, by phone"]
    assert stop.again_link == ""
    assert text.count("shift leader Li, by phone") == 2


@pytest.mark.parametrize("language", ["zh-hans", "en"])
def test_the_pages_open_in_both_languages(world, language):
    order = asked("A-1", minutes=20)
    client = signed_in("supervisor", language)

    assert client.get(LIST, {"stop": "waiting"}).status_code == 200
    assert client.get(reverse("admin:orders_order_waiting")).status_code == 200
    page(client, order)


def test_hostile_words_stay_words(world):
    order = asked("A-1", minutes=20)
    client = signed_in("warehouse")
    url = reverse("admin:orders_shipment_answer_stop", args=(order.shipments.get().pk,))

    client.post(url, {"answer": "freeze_refused", "reason": "<script>alert(1)</script>"})

    assert "<script>alert(1)</script>" not in page(client, order)[1]


def test_the_page_follows_the_latest_asking_to_the_warehouse(world):
    make_endpoint(name="WMS", kinds=["shipment.*"])
    order = asked("A-1")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE orders_shipment"
            " SET freeze_requested_at = freeze_requested_at - interval '2 minutes'"
        )
    ask_again(order.pk, actor=ALICE)

    stop, _text = page(signed_in("supervisor"), order)

    assert [(one.name, one.word) for one in stop.asked_of] == [("WMS", "not received yet")]


def test_a_gift_that_is_answered_says_it_waits_for_its_main_order(world):
    main, gift = clean_order("A-1"), clean_order("G-1", gift_for="A-1")
    dispatch_order(main.pk, actor=Actor("system"))
    cancel_order("A-1", actor=CRM, reason="refund")
    record_shipment_event("G-1-1", "freeze_ack", actor=Actor("key:WMS", "wms"))

    stop, text = page(signed_in("supervisor"), gift)

    assert (stop.headline, stop.to_call, stop.again_link) == (
        *("CRM (system) waits for the answer about main order A-1, for 0 min.", []),
        "",
    )
    assert "Ask its system again" not in text
    assert "It is decided with its main order A-1." in text
