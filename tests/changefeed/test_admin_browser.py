"""The feed's pages in a real browser: filters tried while typing, hostile answers, no script."""

from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from changefeed import kinds
from changefeed.models import Endpoint, FeedLane, LagSample
from tests.browser.conftest import chromium  # noqa: F401
from tests.changefeed.admin_pages import attempt
from tests.changefeed.receiver import Delivery, Receiver
from tests.changefeed.rows import change, make_endpoint

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

HOSTILE = "<img src=x onerror=\"document.title='hacked'\">"


@pytest.fixture
def open_page(chromium: Any, live_server: Any) -> Iterator[Any]:  # noqa: F811
    """Opens an admin page of the feed for a superuser; script errors fail the test."""
    client = Client()
    client.force_login(User.objects.create_superuser("root"))
    contexts, errors = [], []

    def make(path: str, **options: Any) -> Any:
        context = chromium.new_context(locale="en-US", **options)
        contexts.append(context)
        cookie = client.cookies["sessionid"].value
        context.add_cookies([{"name": "sessionid", "value": cookie, "url": live_server.url}])
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(f"{live_server.url}/admin/changefeed/{path}")
        return page

    yield make
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def some_changes() -> None:
    for number in range(3):
        change(f"A{number}", kind="order.received")
    change("A0", 2, kind="order.held", field="state")
    change(HOSTILE, kind="order.received")


def lead(page: Any, text: str) -> None:
    page.locator(f".feed-lead:has-text('{text}')").wait_for()


def test_the_preview_follows_what_is_typed_and_pressed(open_page, some_changes):
    page = open_page("endpoint/add/")
    lead(page, "5 of the last 5 changes")

    page.fill("[name=kinds]", "order.held")
    lead(page, "1 of the last 5 changes")
    page.click('[data-word="order.received"]')
    lead(page, "5 of the last 5 changes")
    page.click('[data-word="order.held"]')
    lead(page, "4 of the last 5 changes")

    assert page.input_value("[name=kinds]") == "order.received"
    assert HOSTILE in page.inner_text("[data-preview-part]")
    assert page.title() != "hacked"
    assert page.is_hidden("[data-preview-button]")
    assert not Endpoint.objects.exists()


def test_without_a_script_a_button_does_the_same(open_page, some_changes):
    page = open_page("endpoint/add/", java_script_enabled=False)

    page.fill("[name=kinds]", "order.held")
    page.click("[name=_preview]")

    lead(page, "1 of the last 5 changes")
    assert page.input_value("[name=kinds]") == "order.held"
    assert not Endpoint.objects.exists()


def test_a_hostile_answer_to_a_ping_is_text(open_page):
    async def reply(_request: web.Request, _delivery: Delivery) -> web.Response:
        return web.Response(status=200, text=HOSTILE)

    with Receiver(behaviour=reply) as receiver:
        endpoint = make_endpoint(url=receiver.url)
        page = open_page(f"endpoint/{endpoint.pk}/change/")

        page.click("[data-ping] button")
        page.locator("[data-ping-verdict]:has-text('It arrived')").wait_for()

    assert page.inner_text("[data-ping-text]") == HOSTILE
    assert page.title() != "hacked"


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_holds_plot_and_answers_within_its_width(open_page, width):
    endpoint = make_endpoint()
    change("A")
    attempt(FeedLane.objects.get(), answer=HOSTILE)
    LagSample.objects.create(
        endpoint=endpoint,
        at=timezone.now().replace(second=0, microsecond=0),
        pending_lanes=1,
        parked_lanes=0,
        oldest_pending_seconds=61,
    )

    page = open_page(f"endpoint/{endpoint.pk}/change/", viewport={"width": width, "height": 900})

    page.locator(".feed-plot.is-drawn canvas").wait_for()
    assert HOSTILE in page.inner_text("[aria-labelledby=feed-attempts].feed-scroll")
    assert page.title() != "hacked"
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.click("text=The same as numbers")
    assert "1 min 1 s" in page.inner_text(".feed-numbers")


def test_the_replay_page_asks_only_what_it_needs(open_page):
    endpoint = make_endpoint()
    page = open_page(f"endpoint/{endpoint.pk}/replay/")

    assert (page.is_visible("[name=subject]"), page.is_visible("[name=since]")) == (True, False)
    page.check("[value=range]")
    assert (page.is_visible("[name=subject]"), page.is_visible("[name=since]")) == (False, True)
    page.check("[value=all]")
    assert (page.is_visible("[name=subject]"), page.is_visible("[name=since]")) == (False, False)


def test_the_picker_and_the_text_stay_in_step(open_page, some_changes):
    page = open_page("endpoint/add/")
    text, family = page.locator("[name=kinds]"), page.locator('[data-family="order"]')
    whole, held = page.locator('[data-all="order.*"]'), page.locator('[data-kind="order.held"]')
    assert page.inner_text(".feed-picker .feed-lead").startswith("Nothing is chosen")

    family.locator("summary").click()
    held.check()
    lead(page, "1 of the last 5 changes")
    assert text.input_value() == "order.held"
    assert whole.evaluate("box => box.indeterminate")
    assert family.locator("[data-some-of]").inner_text().endswith("1")

    whole.click()
    lead(page, "5 of the last 5 changes")
    assert (text.input_value(), held.is_checked()) == ("order.*", True)
    held.uncheck()
    lead(page, "4 of the last 5 changes")
    names = text.input_value().split(", ")
    assert "order.received" in names
    assert not {"order.held", "order.*"} & set(names)
    assert page.inner_text("[data-chosen]") == str(len(names))

    text.fill("shipment.*, order.held")
    assert (held.is_checked(), whole.is_checked()) == (True, False)
    assert page.locator('[data-kind="shipment.frozen"]').is_checked()
    page.click('.feed-word[data-word="order.held"]')
    assert (text.input_value(), held.is_checked()) == ("shipment.*", False)

    page.click(".feed-fields summary")
    page.check('[data-field="shipment"]')
    assert page.input_value("[name=fields]") == "shipment"
    assert not Endpoint.objects.exists()


def test_the_picker_works_by_keyboard_and_finds_kinds(open_page, some_changes):
    page = open_page("endpoint/add/")
    address = page.url

    page.focus("[data-find]")
    page.keyboard.type("ADDRESS_CHANGED")
    page.keyboard.press("Enter")
    shown = page.locator("[data-entry]:visible")
    assert shown.count() == 1
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    assert page.input_value("[name=kinds]") == "order.address_changed"
    assert page.url == address

    page.fill("[data-find]", "no such thing")
    assert page.is_visible("[data-none-found]")
    assert page.locator("[data-family]:visible").count() == 0
    page.fill("[data-find]", "")
    assert page.locator("[data-family]:visible").count() == page.locator("[data-family]").count()


@pytest.mark.parametrize("width", [1280, 390])
def test_the_picker_stays_within_its_width(open_page, some_changes, width):
    page = open_page("endpoint/add/", viewport={"width": width, "height": 900})

    for summary in page.locator(".feed-picker summary").all():
        summary.click()

    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator("[data-entry]:visible").count() == len(kinds.known())


def test_without_a_script_the_picker_is_a_list_to_read(open_page, some_changes):
    endpoint = make_endpoint(kinds=["order.held"])
    page = open_page(f"endpoint/{endpoint.pk}/change/", java_script_enabled=False)

    boxes = page.locator(".feed-picker input[type=checkbox]")
    assert {box.is_enabled() for box in boxes.all()} == {False}
    assert page.locator('[data-kind="order.held"]').is_checked()
    assert page.is_hidden("[data-find]")
    page.fill("[name=kinds]", "order.hled")
    page.click("[name=_save]")
    page.locator("text=Did you mean order.held?").first.wait_for()
    page.fill("[name=kinds]", "order.held, hold.*")
    page.click("[name=_save]")

    endpoint.refresh_from_db()
    assert endpoint.kinds == ["order.held", "hold.*"]


def test_a_dialog_takes_the_focus_keeps_it_and_gives_it_back(open_page):
    endpoint = make_endpoint()
    page = open_page(f"endpoint/{endpoint.pk}/change/")
    opener = page.locator("[hx-get$='/pause/']:visible")

    opener.press("Enter")
    page.locator("#dialog textarea:focus").wait_for()
    assert page.get_attribute("#dialog", "role") == "dialog"
    for _step in range(8):
        page.keyboard.press("Tab")
        assert page.evaluate("document.getElementById('dialog').contains(document.activeElement)")
    page.keyboard.press("Escape")

    page.wait_for_function("document.activeElement.matches(\"[hx-get$='/pause/']\")")
    assert page.is_hidden("#dialog")


def test_pressing_a_dialog_s_button_again_and_again_acts_once(open_page):
    endpoint = make_endpoint()
    (old,) = endpoint.secrets
    page = open_page(f"endpoint/{endpoint.pk}/change/")

    page.locator("[hx-get$='/rotate_secret/']:visible").click()
    page.locator("#dialog button").wait_for()
    page.evaluate("for (let i = 0; i < 4; i++) document.querySelector('#dialog button').click()")
    page.locator(".desk-secret").wait_for()

    endpoint.refresh_from_db()
    assert endpoint.secrets[1:] == [old]
    assert page.inner_text(".desk-secret") == endpoint.secrets[0]
    assert page.locator("text=perhaps by pressing twice").count() == 0
