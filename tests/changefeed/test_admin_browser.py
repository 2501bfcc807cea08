"""The feed's pages in a real browser: filters tried while typing, hostile answers, no script."""

from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

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
