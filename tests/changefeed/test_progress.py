"""How far a lane came is on record before its next message leaves; claims skip what is done."""

import asyncio
import time

import pytest
from aiohttp import web
from django.db import connection
from structlog.testing import capture_logs

from changefeed.dispatch import completing
from changefeed.dispatch.breaker import sendable
from changefeed.dispatch.claiming import claim
from changefeed.dispatch.database import open_pool
from changefeed.dispatch.draining import MESSAGES_PER_LANE
from changefeed.dispatch.horizon import BEGINNING, Horizon
from changefeed.models import Attempt, Change, FeedLane
from tests.changefeed.conftest import drain_once
from tests.changefeed.rows import change, changes, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_message_leaves_only_after_the_one_before_is_on_record(receiver):
    recorded: list[tuple[int, int, int]] = []

    def look() -> tuple[int, int]:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT head_seq FROM changefeed_feedlane")
                (head,) = cursor.fetchone()
                cursor.execute("SELECT count(*) FROM changefeed_attempt")
                return head, cursor.fetchone()[0]
        finally:
            connection.close()

    async def compare(request, delivery):
        head, attempts = await asyncio.to_thread(look)
        recorded.append((delivery.document["data"]["seq"], head, attempts))
        return web.Response(status=204)

    receiver.behaviour = compare
    make_endpoint(url=receiver.url)
    changes(subjects=1, versions=8)

    assert drain_once() == 8

    assert [seq for seq, _head, _attempts in recorded] == [head for _seq, head, _n in recorded]
    assert [attempts for _seq, _head, attempts in recorded] == list(range(8))
    assert Attempt.objects.count() == 8


@pytest.mark.parametrize("batch_size", [1, 10])
def test_the_lag_of_a_lane_is_the_age_of_its_first_undelivered_change(receiver, batch_size):
    async def refuse_second(request, delivery):
        listed = [
            {
                "id": message["id"],
                "status": 500 if message["data"]["subject"]["version"] == 2 else 200,
            }
            for message in delivery.messages
        ]
        if batch_size == 1:
            return web.Response(status=listed[0]["status"])
        return web.json_response({"results": listed}, status=207)

    receiver.behaviour = refuse_second
    make_endpoint(url=receiver.url, batch_size=batch_size)
    for version in (1, 2, 3):
        change("A", version)

    assert drain_once() == 1

    lane = FeedLane.objects.get()
    second = Change.objects.get(subject_version=2)
    assert (lane.head_seq, lane.pending_since) == (second.seq, second.at)


@pytest.mark.parametrize("batch_size", [1, 10])
def test_the_lag_of_a_lane_with_more_than_was_read_is_that_of_what_comes_next(receiver, batch_size):
    """Twenty are read at once; of what follows, the first is of no interest to the endpoint."""
    make_endpoint(url=receiver.url, kinds=["order.changed"], batch_size=batch_size)
    for version in range(1, MESSAGES_PER_LANE + 1):
        change("A", version)
    change("A", MESSAGES_PER_LANE + 1, kind="order.noted")
    change("A", MESSAGES_PER_LANE + 2)

    async def refuse_last(request, delivery):
        is_last = delivery.messages[-1]["data"]["subject"]["version"] > MESSAGES_PER_LANE
        return web.Response(status=500 if is_last else 204)

    receiver.behaviour = refuse_last

    assert drain_once() == MESSAGES_PER_LANE

    last = Change.objects.get(subject_version=MESSAGES_PER_LANE + 2)
    assert FeedLane.objects.get().pending_since == last.at


def test_the_lag_of_a_lane_extended_while_it_was_sent_is_that_of_the_extension(receiver):
    make_endpoint(url=receiver.url)
    change("A", 1)

    def extend() -> None:
        try:
            change("A", 2)
            change("A", 3)
        finally:
            connection.close()

    async def extend_then_refuse(request, delivery):
        if delivery.version == 1:
            await asyncio.to_thread(extend)
            return web.Response(status=204)
        return web.Response(status=500)

    receiver.behaviour = extend_then_refuse

    assert drain_once() == 1

    second = Change.objects.get(subject_version=2)
    lane = FeedLane.objects.get()
    assert (lane.head_seq, lane.pending_since) == (second.seq, second.at)


def test_attempts_that_cannot_be_stored_stop_no_delivery(receiver, monkeypatch):
    monkeypatch.setattr(completing, "_LOG", completing._LOG.replace("_attempt\n", "_nowhere\n"))
    make_endpoint(url=receiver.url)
    changes(subjects=5, versions=4)

    with capture_logs() as logs:
        assert drain_once() == 20

    assert all(receiver.versions(f"O{number}") == [1, 2, 3, 4] for number in range(5))
    assert not FeedLane.objects.exists()
    assert not Attempt.objects.exists()
    lost = [entry for entry in logs if entry["event"] == "feed.attempts_lost"]
    assert sum(entry["attempts"] for entry in lost) == 20
    assert lost[0]["problem"] == 'relation "changefeed_nowhere" does not exist'


def test_a_lease_is_renewed_while_its_lane_goes_on(receiver, settings):
    """Twelve answers of half a second take longer than the lease, and nothing is sent twice."""
    settings.FEED_LEASE_SECONDS = 5

    async def slowly(request, delivery):
        await asyncio.sleep(0.5)
        return web.Response(status=204)

    receiver.behaviour = slowly
    make_endpoint(url=receiver.url)
    changes(subjects=1, versions=12)

    assert drain_once() == 12
    assert receiver.versions("O0") == list(range(1, 13))


def test_a_claim_begins_at_the_first_pending_lane_and_misses_none():
    make_endpoint()
    changes(subjects=30, versions=1)

    async def walk() -> tuple[str, list[str], str]:
        horizon = Horizon()
        async with open_pool() as pool, pool.connection() as link:
            (endpoint,) = await sendable(link)
            unknown = horizon.since(endpoint.id)
            await horizon.refresh(link)
            lanes = await claim(
                link,
                endpoint,
                limit=100,
                depth=5,
                lease_seconds=30,
                since=horizon.since(endpoint.id),
            )
            return unknown, [lane.subject_id for lane in lanes], horizon.since(endpoint.id)

    unknown, claimed, since = asyncio.run(walk())

    assert unknown == BEGINNING
    assert sorted(claimed) == sorted(f"O{number}" for number in range(30))
    assert since != BEGINNING


def test_what_was_due_before_the_horizon_is_found_by_the_next_look(receiver):
    """A writer that took long: its lane was due before the horizon moved on."""
    make_endpoint(url=receiver.url)
    change("early")
    drain_once()

    async def late() -> list[str]:
        horizon = Horizon()
        async with open_pool() as pool, pool.connection() as link:
            await horizon.refresh(link)
            await link.execute("SELECT 1")
            await asyncio.to_thread(_write_long_ago)
            found: list[str] = []
            ends_at = time.monotonic() + 5
            while not found and time.monotonic() < ends_at:
                await horizon.refresh(link)
                found = [one.name for one in await sendable(link, horizon=horizon)]
            return found

    assert len(asyncio.run(late())) == 1
    assert FeedLane.objects.get().subject_id == "late"


def _write_long_ago() -> None:
    try:
        change("late")
        with connection.cursor() as cursor:
            cursor.execute("UPDATE changefeed_feedlane SET due_at = now() - interval '1 hour'")
    finally:
        connection.close()
