"""The desk's pages of returns: what shows, acts, refuses, and who may."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from changefeed.models import Change
from orders.models import Order, ReturnRecord, Stock
from orders.status import OrderState
from returns.lifecycle import approve_return
from returns.models import ReturnRequest
from tests.factories import make_user
from tests.returns.factories import SHOP, make_delivered, make_return

pytestmark = pytest.mark.usefixtures("world")
LIST = "/admin/returns/returnrequest/"
ACTS = ("approve", "refuse", "receive", "close", "withdraw")


def signed_in(group: str = "agent", user: User | None = None) -> Client:
    client = Client(headers={"Accept-Language": "en"})
    client.force_login(user or make_user(group))
    return client


def page(one: ReturnRequest, act: str = "change") -> str:
    return f"{LIST}{one.pk}/{act}/"


def text(response: Any) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def buttons(client: Client, one: ReturnRequest) -> set[str]:
    shown = text(client.get(page(one)))
    return {act for act in ACTS if f'href="{page(one, act)}"' in shown}


def test_the_list_and_the_page_show_a_return_without_the_phone():
    one = make_return(make_delivered("DY-1"))
    client = signed_in()

    listed, shown = text(client.get(LIST)), text(client.get(page(one)))

    for part in (one.number, "DY-1", "¥99.00", "Return and refund", "Requested"):
        assert part in listed
        assert part in shown
    assert "138****0000" in shown
    for secret in ("13800000000", "林婷"):
        assert secret not in listed + shown


@pytest.mark.parametrize(
    ("group", "waiting", "approved"),
    [
        ("agent", {"approve", "refuse", "withdraw"}, {"withdraw"}),
        ("supervisor", {"approve", "refuse", "withdraw"}, {"receive", "withdraw"}),
        ("warehouse", set(), {"receive"}),
        ("operations", set(), set()),
    ],
)
def test_buttons_are_shown_to_whoever_may_press_them_now(group, waiting, approved):
    one, client = make_return(), signed_in(group)
    assert buttons(client, one) == waiting
    approve_return(one.number, actor=SHOP)
    assert buttons(client, one) == approved


MAY = {
    "agent": {"approve", "refuse", "close", "withdraw", "add", "view"},
    "supervisor": {"approve", "refuse", "close", "withdraw", "receive", "add", "view"},
    "warehouse": {"receive", "view"},
    "operations": {"view"},
    "": set(),
}


@pytest.mark.parametrize("group", MAY)
def test_everything_is_denied_that_is_not_granted(group):
    one, client = make_return(), signed_in(group)
    before = Change.objects.count()
    order = one.order.number
    for verb, url in {
        **{act: page(one, act) for act in ACTS},
        "add": f"{LIST}add/?order={order}",
        "view": page(one),
        "list": LIST,
        "delete": page(one, "delete"),
    }.items():
        allowed = verb in MAY[group] or (verb == "list" and "view" in MAY[group])
        assert (client.get(url).status_code == 200) is allowed, verb
        if not allowed:
            assert client.post(url, {"reason": "x", "post": "yes"}).status_code == 403, verb
    changed = client.post(
        page(one), {"reason": "forged", "refund_amount": "9999", "state": "closed"}
    )
    assert changed.status_code in {200, 403, 405}
    one.refresh_from_db(fields=["reason", "refund_amount"])
    assert (one.reason, str(one.refund_amount)) == ("too small", "99.00")
    assert ReturnRequest.objects.get().state == "requested"
    assert Change.objects.count() == before


def test_nobody_signed_in_sees_nothing():
    one = make_return()
    for url in (LIST, page(one), page(one, "approve"), f"{LIST}add/"):
        assert Client().get(url).status_code == 302


def test_approving_acts_and_says_what_follows():
    one, client = make_return(), signed_in()
    asked = client.get(page(one, "approve"))
    assert "¥99.00 is due once they came" in text(asked)
    assert ReturnRequest.objects.get().state == "requested", "looking at the page does nothing"

    answer = client.post(page(one, "approve"), {"reason": ""}, follow=True)

    assert f"Return {one.number} is approved." in text(answer)
    assert ReturnRequest.objects.get().state == "approved"
    assert ReturnRecord.objects.count() == 1


def test_refusing_needs_a_reason():
    one, client = make_return(), signed_in()
    answer = client.post(page(one, "refuse"), {"reason": "  "})
    assert answer.status_code == 422
    assert ReturnRequest.objects.get().state == "requested"

    client.post(page(one, "refuse"), {"reason": "worn"})

    assert ReturnRequest.objects.get().decision_reason == "worn"


def test_the_second_to_decide_is_told_who_was_first():
    one = make_return()
    alice, bob = make_user("agent", username="alice"), make_user("supervisor", username="bob")
    signed_in(user=alice).post(page(one, "approve"), {"reason": ""})

    answer = signed_in(user=bob).post(page(one, "refuse"), {"reason": "no"}, follow=True)

    assert "The return is Approved already: alice at" in text(answer)
    assert ReturnRequest.objects.get().state == "approved"


def test_the_warehouse_counts_what_came():
    one = make_return(make_delivered(lines=[("TEA-1", 3, "9.00")]), (1, 3))
    approve_return(one.number, actor=SHOP)
    client = signed_in("warehouse")
    east = Stock.objects.get(sku__code="TEA-1", warehouse__code="EAST-1")
    body = {"good_1": "2", "bad_1": "2", "warehouse": str(east.warehouse_id)}

    refused = client.post(page(one, "receive"), body)
    assert refused.status_code == 422
    assert "Good and bad units together may be 0 to 3." in text(refused)
    assert ReturnRequest.objects.get().state == "approved"
    client.post(page(one, "receive"), {**body, "bad_1": "1"})

    line = ReturnRequest.objects.get().lines.get()
    assert (line.good_units, line.bad_units) == (2, 1)
    assert Stock.objects.get(pk=east.pk).on_hand == east.on_hand + 2


def test_a_return_is_requested_for_a_customer_from_delivered_lines():
    order = make_delivered("DY-1", lines=[("TEA-1", 2, "9.00"), ("LENS-85", 1, "90.00")])
    make_return(order, (2, 1))
    client = signed_in()
    url = f"{LIST}add/?order=DY-1"
    asked = client.get(url)
    assert "Every unit is in a return already." in text(asked)
    assert 'name="line_1"' in text(asked)
    assert 'name="line_2"' not in text(asked)
    form = asked.context["form"]
    body = {
        "request_id": str(form["request_id"].value()),
        "kind": "exchange",
        "reason": "broken",
        "line_1": "1",
        "line_2": "1",
    }

    answer = client.post(url, body)
    again = client.post(url, body)

    made = ReturnRequest.objects.get(kind="exchange")
    assert answer.headers["Location"] == again.headers["Location"] == page(made)
    assert [(line.order_line.position, line.quantity) for line in made.lines.all()] == [(1, 1)]
    assert made.requested_by.startswith("user:agent")


def test_a_wrong_form_is_shown_again_with_its_errors():
    make_delivered("DY-1", lines=[("TEA-1", 2, "9.00")])
    client = signed_in()
    url = f"{LIST}add/?order=DY-1"
    body = {
        "request_id": str(client.get(url).context["form"]["request_id"].value()),
        "kind": "exchange",
        "reason": "broken",
    }
    for changes, said in (
        ({}, "Choose at least one line."),
        ({"line_1": "3"}, "less than or equal to 2"),
        ({"line_1": "-1"}, "greater than or equal to 0"),
        ({"line_1": "1", "reason": ""}, "required"),
        ({"line_1": "1", "kind": "gift"}, "not one of the available choices"),
    ):
        answer = client.post(url, {**body, **changes})
        assert (answer.status_code, said in text(answer)) == (422, True), said
    assert not ReturnRequest.objects.exists()


def test_an_order_that_ran_late_may_only_be_exchanged(settings):
    make_delivered("DY-1", delivered_at=timezone.now() - timedelta(days=10))
    client = signed_in()
    url = f"{LIST}add/?order=DY-1"
    asked = client.get(url)
    assert "Exchange only, until" in text(asked)
    assert asked.context["form"]["kind"].value() == "exchange"
    body = {
        "request_id": str(asked.context["form"]["request_id"].value()),
        "kind": "return_refund",
        "reason": "late",
        "line_1": "1",
    }
    answer = client.post(url, body)
    assert answer.status_code == 422
    assert "The time for returning it is over." in text(answer)


def test_orders_that_do_not_exist_or_were_not_delivered_are_told():
    make_delivered("DY-2", state=OrderState.SHIPPED)
    client = signed_in()
    assert "There is no such order." in text(client.get(f"{LIST}add/?order=NONE"))
    assert "Not delivered yet." in text(client.get(f"{LIST}add/?order=DY-2"))
    assert "Which order" in text(client.get(f"{LIST}add/"))


def test_what_a_customer_wrote_stays_text():
    order = make_delivered("DY-1", customer={"external_id": "C-X", "name": "<b>x</b>"})
    one = make_return(order, reason="<script>alert(1)</script> https://evil.example/")
    client = signed_in()
    shown = text(client.get(page(one))) + text(client.get(LIST))
    assert "<script>alert(1)" not in shown
    assert 'href="https://evil.example' not in shown
    assert Order.objects.get().number == "DY-1"


@pytest.mark.parametrize("key", ["0", "999999", "x", "1 OR 1=1", "9" * 30])
def test_returns_that_do_not_exist_are_not_found(key):
    client = signed_in("supervisor")
    assert client.get(f"{LIST}{key}/change/").status_code == 404
    assert client.post(f"{LIST}{key}/approve/", {"reason": "x"}).status_code == 404


def test_the_list_searches_and_filters_with_a_bounded_number_of_queries(
    django_assert_max_num_queries,
):
    orders = [make_delivered(f"DY-{index}") for index in range(5)]
    made = [make_return(order) for order in orders]
    approve_return(made[0].number, actor=SHOP)
    client = signed_in()
    client.get(LIST)
    with django_assert_max_num_queries(12):
        shown = text(client.get(LIST))
    assert all(one.number in shown for one in made)
    assert made[1].number not in text(client.get(f"{LIST}?q=DY-0"))
    assert made[0].number in text(client.get(f"{LIST}?q={made[0].number.lower()}"))
    assert made[0].number not in text(client.get(f"{LIST}?state__exact=requested"))


@pytest.mark.parametrize(
    ("group", "state", "leads"),
    [("agent", "delivered", True), ("warehouse", "delivered", False), ("agent", "ready", False)],
)
def test_the_page_of_a_delivered_order_leads_to_its_return(group, state, leads):
    order = make_delivered("DY-1")
    Order.objects.filter(pk=order.pk).update(state=state)
    shown = text(signed_in(group).get(f"/admin/orders/order/{order.pk}/change/"))
    assert (f'href="{LIST}add/?order=DY-1"' in shown) is leads


def test_the_sidebar_leads_to_returns():
    assert reverse("admin:returns_returnrequest_changelist") == LIST
    assert LIST in text(signed_in().get(LIST))
