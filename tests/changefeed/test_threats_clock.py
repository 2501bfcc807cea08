"""A machine whose clock is an hour wrong: what it decides and stamps is the database's time."""

import time
from datetime import datetime, timedelta
from typing import Any

import apprise
import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from standardwebhooks import Webhook

from changefeed import retention, watching
from changefeed.clock import database_now
from changefeed.dispatch.pinging import ping
from changefeed.keys import create_key
from changefeed.models import (
    AlertDigest,
    ApiKey,
    Attempt,
    Endpoint,
    FeedAlert,
    FeedLane,
    LagSample,
    PullWindow,
)
from changefeed.reading import cursor_for_now, read_page
from tests.changefeed.admin_pages import client_of, park
from tests.changefeed.conftest import drain_once
from tests.changefeed.receiver import answer
from tests.changefeed.rows import change, changes, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = 3600


@pytest.fixture(params=[-1, 1], ids=["an hour behind", "an hour ahead"])
def wrong_clock(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """`time.time`, and with it Django's and Python's now; the monotonic clock goes on."""
    true_time, true_now = time.time, timezone.now
    monkeypatch.setattr("time.time", lambda: true_time() + request.param * HOUR)
    monkeypatch.setattr(timezone, "now", lambda: true_now() + timedelta(hours=request.param))


def ahead(moment: datetime | None) -> float:
    """Seconds from the database's present to the moment."""
    assert moment is not None
    return (moment - database_now()).total_seconds()


@pytest.mark.usefixtures("wrong_clock")
def test_signatures_waits_and_breaker_go_by_the_database(receiver):
    receiver.behaviour = answer(500)
    endpoint = make_endpoint(url=receiver.url)
    changes(subjects=6, versions=1)

    drain_once()
    ping(endpoint)

    endpoint.refresh_from_db()
    assert endpoint.state == "open"
    assert -60 < ahead(endpoint.opened_until) <= 60
    for lane in FeedLane.objects.all():
        assert -60 < ahead(lane.due_at) <= 60
        assert -60 < ahead(lane.pending_since) <= 0
    assert all(-60 < ahead(one.sent_at) <= 1 for one in Attempt.objects.all())
    for delivery in receiver.seen:
        assert abs(int(delivery.headers["webhook-timestamp"]) - database_now().timestamp()) < 60


def test_a_message_sent_by_a_wrong_clock_verifies_at_a_right_one(receiver, monkeypatch):
    endpoint = make_endpoint(url=receiver.url)
    true_time = time.time
    monkeypatch.setattr("time.time", lambda: true_time() + HOUR)
    change("A")
    drain_once()
    monkeypatch.undo()

    (delivery,) = receiver.seen
    assert Webhook(endpoint.secrets[0]).verify(delivery.body, delivery.headers)


@pytest.mark.usefixtures("wrong_clock")
def test_an_open_breaker_is_probed_when_the_database_says_so(receiver):
    endpoint = make_endpoint(url=receiver.url, state="open")
    change("A")
    Endpoint.objects.update(opened_until=database_now() + timedelta(minutes=30))
    assert drain_once() == 0
    assert receiver.seen == []

    Endpoint.objects.update(opened_until=database_now() - timedelta(seconds=1))
    assert drain_once() == 1
    endpoint.refresh_from_db()
    assert endpoint.state == "active"


@pytest.mark.usefixtures("wrong_clock")
def test_a_date_in_retry_after_is_measured_by_the_database(receiver):
    asked = database_now() + timedelta(minutes=10)
    header = asked.strftime("%a, %d %b %Y %H:%M:%S GMT")
    receiver.behaviour = answer(503, **{"Retry-After": header})
    endpoint = make_endpoint(url=receiver.url)
    change("A")

    drain_once()

    endpoint.refresh_from_db()
    assert 540 < ahead(endpoint.opened_until) <= 601


@pytest.mark.usefixtures("wrong_clock")
def test_alerts_pause_and_samples_are_dated_by_the_database(settings, monkeypatch):
    told: list[str] = []

    def notify(_services: Any, **said: Any) -> bool:
        told.append(said["body"])
        return True

    monkeypatch.setattr(apprise.Apprise, "notify", notify)
    settings.ALERT_URLS = ["json://localhost"]
    make_endpoint()
    changes(subjects=2, versions=1)
    first, second = FeedLane.objects.all()
    park(first)

    watching.watch()
    park(second)
    watching.watch()
    assert len(told) == 1
    assert -60 < ahead(FeedAlert.objects.get().raised_at) <= 0
    assert -120 < ahead(LagSample.objects.get().at) <= 0
    passed = database_now() - timedelta(minutes=settings.ALERT_EVERY_MINUTES, seconds=1)
    AlertDigest.objects.update(composed_at=passed)
    watching.watch()

    assert len(told) == 2


@pytest.mark.usefixtures("wrong_clock")
def test_what_is_made_is_dated_by_the_database():
    client = client_of(User.objects.create_superuser("root"))
    client.post(
        "/admin/changefeed/endpoint/add/",
        {
            "name": "WMS",
            "url": "https://wms.example/",
            "concurrency": 1,
            "rate": 0,
            "batch_size": 1,
        },
    )
    key, _plain = create_key("erp", source="erp", scopes=["feed:read"])
    change("A")
    read_page(key, None, 10)
    cursor_for_now(key)

    for model in (Endpoint, ApiKey, PullWindow):
        for created_at in model.objects.values_list("created_at", flat=True):
            assert -60 < ahead(created_at) <= 0, model
    assert PullWindow.objects.count() == 2


@pytest.mark.usefixtures("wrong_clock")
def test_windows_are_kept_as_long_as_the_database_says():
    key, _plain = create_key("erp", source="erp", scopes=["feed:read"])
    cursor = None
    for version in (1, 2, 3):
        change("A", version)
        cursor = read_page(key, cursor, 10).next_cursor
    read_page(key, cursor, 10)
    oldest, middle, latest = PullWindow.objects.order_by("pk")
    kept_for = retention.PULL_WINDOWS_KEPT_FOR
    young, old = kept_for - timedelta(minutes=30), kept_for + timedelta(minutes=30)
    PullWindow.objects.filter(pk=oldest.pk).update(created_at=database_now() - old)
    PullWindow.objects.filter(pk=middle.pk).update(created_at=database_now() - young)

    retention.purge(30)

    assert list(PullWindow.objects.order_by("pk")) == [middle, latest]
