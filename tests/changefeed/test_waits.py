"""The database server's clock is set back by an hour: what waits does not wait an hour for it."""

import pytest
from django.db import connection

from changefeed import tasks, waits
from changefeed.models import Endpoint, FeedLane
from tests.changefeed.conftest import drain_once
from tests.changefeed.rows import change, changes, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)


def set_clock_back(hours: int) -> None:
    """All that was stamped until now lies so much later."""
    with connection.cursor() as cursor:
        for table, columns in (
            ("changefeed_feedlane", ("due_at", "lease_until")),
            ("changefeed_endpoint", ("opened_until",)),
        ):
            for column in columns:
                cursor.execute(
                    f"UPDATE {table} SET {column} = {column} + make_interval(hours => %s)", [hours]
                )


def lanes(**fields):
    FeedLane.objects.update(**fields)


def in_seconds(column: str, seconds: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE changefeed_feedlane SET {column} = now() + make_interval(secs => %s)",
            [seconds],
        )


def test_what_is_ready_is_sent_after_the_next_watch(receiver):
    make_endpoint(url=receiver.url)
    changes(subjects=3, versions=2)
    set_clock_back(hours=1)
    assert drain_once() == 0

    tasks.watch_feed()

    assert drain_once() == 6
    assert receiver.versions("O0") == [1, 2]


def test_what_a_dead_process_held_is_free_after_one_more_lease(settings):
    make_endpoint()
    change("A")
    in_seconds("lease_until", 20)
    lanes(lease_id="00000000-0000-4000-8000-000000000001", state="leased")
    set_clock_back(hours=1)

    assert waits.shorten() == 1 + 1

    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM lease_until - now()) FROM changefeed_feedlane")
        (left,) = cursor.fetchone()
    assert settings.FEED_LEASE_SECONDS - 5 < left <= settings.FEED_LEASE_SECONDS


@pytest.mark.parametrize(("state", "hours"), [("half_open", 1), ("open", 2)])
def test_a_probe_comes_within_a_minute(state, hours):
    make_endpoint()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE changefeed_endpoint SET state = %s, opened_until = now() + interval '9 s'",
            [state],
        )
    set_clock_back(hours)

    assert waits.shorten() == 1

    with connection.cursor() as cursor:
        cursor.execute("SELECT extract(epoch FROM opened_until - now()) FROM changefeed_endpoint")
        assert 0 < cursor.fetchone()[0] <= 60


def test_no_wait_that_may_be_is_shortened():
    make_endpoint()
    change("A")
    in_seconds("due_at", 3600)
    lanes(state="backoff")
    Endpoint.objects.update(state="open")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE changefeed_endpoint SET opened_until = now() + interval '1 hour'")
    before = [*FeedLane.objects.values(), *Endpoint.objects.values()]

    assert waits.shorten() == 0

    assert [*FeedLane.objects.values(), *Endpoint.objects.values()] == before
