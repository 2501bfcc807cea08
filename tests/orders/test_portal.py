"""The portal: sign-in by code, and nobody sees another customer's orders."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.urls import reverse

from orders.actors import Actor
from orders.lifecycle.placing import place_order
from orders.models import Customer
from orders.tasks import send_login_code
from tests.factories import order_document

SIGN_IN = "/portal/sign-in/"
CODE = "/portal/sign-in/code/"
SHOP = Actor("key:shop", "shop")


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """(phone, text) of every message; jobs run at once."""
    messages: list[tuple[str, str]] = []
    monkeypatch.setattr(
        "orders.tasks.send_text_message", lambda phone, text: messages.append((phone, text))
    )
    monkeypatch.setattr(send_login_code, "delay", send_login_code)
    cache.clear()
    yield messages
    cache.clear()


def make_buyer(phone: str, number: str) -> Customer:
    """A customer with one order."""
    external_id = f"C-{number}"
    buyer = {"external_id": external_id, "phone": phone, "name": "王某"}
    placed = place_order(order_document(number, customer=buyer), actor=SHOP)
    assert placed.outcome == "created", placed.errors
    return Customer.objects.get(external_id=external_id)


def code_in(messages: list[tuple[str, str]]) -> str:
    found = re.search(r"[A-Z0-9]{4}-?[A-Z0-9]{4}|\d{6}", messages[-1][1])
    assert found
    return found[0]


def sign_in(client: Client, phone: str, sent: list[tuple[str, str]]) -> None:
    assert client.post(SIGN_IN, {"phone": phone}).status_code == 302
    response = client.post(CODE, {"code": code_in(sent)})
    assert (response.status_code, response["Location"]) == (302, "/portal/")


def test_customer_signs_in_with_any_writing_of_the_phone(world, sent, client):
    make_buyer("+8613100000001", "P-1")

    sign_in(client, "131 ００00-0001", sent)

    page = client.get("/portal/").content.decode()
    assert "P-1" in page
    assert [phone for phone, _text in sent] == ["+8613100000001"]


def test_every_page_hides_other_customers_orders(world, sent):
    mine, theirs = Client(), Client()
    make_buyer("+8613100000001", "P-1")
    make_buyer("+8613100000002", "P-2")
    sign_in(mine, "13100000001", sent)
    sign_in(theirs, "13100000002", sent)

    for client, own, other in ((mine, "P-1", "P-2"), (theirs, "P-2", "P-1")):
        assert other not in client.get("/portal/").content.decode()
        assert client.get(f"/portal/orders/{own}/").status_code == 200
        foreign = client.get(f"/portal/orders/{other}/")
        missing = client.get("/portal/orders/P-404/")
        assert foreign.status_code == missing.status_code == 404
        assert foreign.content.replace(other.encode(), b"") == missing.content.replace(
            b"P-404", b""
        )


def test_pages_ask_strangers_to_sign_in(world, client):
    make_buyer("+8613100000001", "P-1")
    for url in ("/portal/", "/portal/orders/P-1/"):
        response = client.get(url)
        assert response.status_code == 302
        assert response["Location"].startswith(SIGN_IN)


def test_unknown_phone_gets_the_same_answer_and_no_message(world, sent):
    make_buyer("+8613100000001", "P-1")
    answers = []
    for phone in ("13100000001", "13100000009"):
        client = Client()
        asked = client.post(SIGN_IN, {"phone": phone})
        page = client.get(CODE).content.decode()
        masked = re.sub(r'value="[A-Za-z0-9]{64}"', "", page).replace(phone[1:], "")
        answers.append((asked.status_code, asked["Location"], masked))
    assert answers[0] == answers[1]
    assert [phone for phone, _text in sent] == ["+8613100000001"]
    assert User.objects.filter(username__startswith="portal-").count() == 1


def test_codes_to_one_number_are_limited_however_it_is_written(world, sent):
    make_buyer("+8613100000001", "P-1")
    for text in ("13100000001", "+8613100000001", "１３１００００0001", "131-0000-0001"):
        Client().post(SIGN_IN, {"phone": text}, HTTP_X_FORWARDED_FOR=f"10.0.0.{len(text)}")
    assert len(sent) == 1


def test_code_works_once_and_only_in_its_own_session(world, sent):
    make_buyer("+8613100000001", "P-1")
    asker, thief = Client(), Client()
    asker.post(SIGN_IN, {"phone": "13100000001"})
    code = code_in(sent)

    assert thief.post(CODE, {"code": code}).status_code == 302
    assert thief.get("/portal/").status_code == 302

    assert asker.post(CODE, {"code": code})["Location"] == "/portal/"
    asker.post("/portal/sign-out/")
    asker.post(CODE, {"code": code})
    assert asker.get("/portal/").status_code == 302


def test_session_from_before_sign_in_is_dead_afterwards(world, sent, client):
    make_buyer("+8613100000001", "P-1")
    client.post(SIGN_IN, {"phone": "13100000001"})
    before = client.cookies["sessionid"].value

    client.post(CODE, {"code": code_in(sent)})

    old = Client()
    old.cookies["sessionid"] = before
    assert old.get("/portal/").status_code == 302
    assert client.cookies["sessionid"].value != before
    assert client.get("/portal/")["Cache-Control"] == "private, no-store"


@pytest.mark.django_db(transaction=True)
def test_parallel_guesses_are_not_evaluated_more_than_three_times(sent, monkeypatch):
    from django.core.management import call_command

    from tests.factories import make_world

    make_world()
    call_command("rules", "starter")
    make_buyer("+8613100000001", "P-1")
    client = Client()
    client.post(SIGN_IN, {"phone": "13100000001"})
    cookie = client.cookies["sessionid"].value
    evaluated: list[str] = []
    from allauth.account import forms

    compare = forms.compare_user_code

    def count(*, actual: str, expected: str) -> bool:
        evaluated.append(actual)
        return bool(compare(actual=actual, expected=expected))

    monkeypatch.setattr(forms, "compare_user_code", count)

    def guess(number: int) -> None:
        one = Client()
        one.cookies["sessionid"] = cookie
        one.post(CODE, {"code": f"{number:06d}"})
        connection.close()

    with ThreadPoolExecutor(20) as pool:
        list(pool.map(guess, range(200)))

    assert 1 <= len(evaluated) <= 3


def test_unsafe_verbs_need_the_token(world, sent):
    strict = Client(enforce_csrf_checks=True)
    for url in (SIGN_IN, "/portal/sign-out/", reverse("set_language")):
        assert strict.post(url, {"phone": "13100000001"}).status_code == 403
    assert sent == []


def test_held_order_looks_received_and_hostile_names_stay_text(world, sent, client):
    buyer = {"external_id": "C-X", "phone": "+8613100000001", "name": "x"}
    hostile = '<img src=x onerror="alert(1)">'
    place_order(
        order_document(
            "P-9",
            customer=buyer,
            coupons=[{"code": "c", "type": "满299减100", "discount": "1.00"}],
            ship_to={
                "name": hostile,
                "province": "新疆维吾尔自治区",
                "city": "乌鲁木齐市",
                "district": "天山区",
            },
        ),
        actor=SHOP,
    )
    sign_in(client, "13100000001", sent)

    page = client.get("/portal/orders/P-9/", headers={"accept-language": "en"})

    assert "On hold" not in page.content.decode()
    assert hostile not in page.content.decode()
    assert "script-src 'self';" in page["Content-Security-Policy"]
    assert page["X-Frame-Options"] == "DENY"
