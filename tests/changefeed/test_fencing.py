"""Two dispatchers never hold one lane; a lost lease changes nothing."""

import asyncio
import threading

import psycopg
import pytest
from django.db import connection, transaction

from changefeed.dispatch.breaker import EndpointView, sendable
from changefeed.dispatch.claiming import ClaimedLane, claim
from changefeed.dispatch.completing import COMPLETE, Fate, LaneResult, complete
from changefeed.dispatch.database import connection_parameters
from changefeed.models import FeedLane
from changefeed.recording import record_change
from tests.changefeed.conftest import drain_once
from tests.changefeed.rows import change, changes, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)


async def _connect():
    return await psycopg.AsyncConnection.connect(**connection_parameters())


async def _endpoint(link) -> EndpointView:
    (endpoint,) = await sendable(link)
    return endpoint


def _result(lane: ClaimedLane, covered: int | None = None) -> LaneResult:
    return LaneResult(
        lane_id=lane.id,
        lease_id=lane.lease.id,
        claimed_head=lane.head_seq,
        covered_seq=lane.last_seq if covered is None else covered,
        state="ready",
        delay=0.0,
        attempts=0,
        rejections=0,
        pending_since=None,
    )


def _expire_leases() -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE changefeed_feedlane SET lease_until = now() - interval '1 second'")


def test_two_dispatchers_claim_disjoint_lanes():
    make_endpoint()
    changes(subjects=300, versions=1)

    async def race() -> list[set[int]]:
        links = [await _connect(), await _connect()]
        endpoint = await _endpoint(links[0])

        async def take(link) -> set[int]:
            taken: set[int] = set()
            while lanes := await claim(link, endpoint, limit=7, depth=5, lease_seconds=30):
                assert taken.isdisjoint(lane.id for lane in lanes)
                taken.update(lane.id for lane in lanes)
            return taken

        try:
            return list(await asyncio.gather(*(take(link) for link in links)))
        finally:
            for link in links:
                await link.close()

    first, second = asyncio.run(race())

    assert first.isdisjoint(second)
    assert len(first | second) == 300
    assert first
    assert second


def _complete_after_losing_the_lease(statement: str) -> Fate:
    """Claim, lose the lease to another who sends the first of two, then complete as if done."""

    async def run() -> Fate:
        link = await _connect()
        try:
            endpoint = await _endpoint(link)
            (slow,) = await claim(link, endpoint, limit=1, depth=5, lease_seconds=30)
            await asyncio.to_thread(_in_thread, _expire_leases)
            (fast,) = await claim(link, endpoint, limit=1, depth=5, lease_seconds=30)
            assert fast.id == slow.id
            assert fast.lease.id != slow.lease.id
            fates = await complete(link, [_result(slow)], statement)
            return fates[slow.id]
        finally:
            await link.close()

    return asyncio.run(run())


def _in_thread(act) -> None:
    try:
        act()
    finally:
        connection.close()


def test_completion_under_a_lost_lease_changes_nothing():
    make_endpoint()
    change("A", 1)
    change("A", 2)

    fate = _complete_after_losing_the_lease(COMPLETE)

    assert fate is Fate.LOST
    lane = FeedLane.objects.get()
    assert lane.state == "leased"
    assert lane.last_seq == lane.head_seq + 1


def test_without_the_fence_a_lost_lease_would_take_the_lane():
    """The negative control of the test above."""
    make_endpoint()
    change("A", 1)
    change("A", 2)
    unfenced = COMPLETE.replace("WHERE lane.lease_id = result.lease_id", "WHERE true")
    assert unfenced != COMPLETE

    _complete_after_losing_the_lease(unfenced)

    assert not FeedLane.objects.exists()


def test_a_lane_extended_while_it_was_sent_is_not_deleted():
    make_endpoint()
    change("A", 1)

    async def run() -> Fate:
        link = await _connect()
        try:
            endpoint = await _endpoint(link)
            (lane,) = await claim(link, endpoint, limit=1, depth=5, lease_seconds=30)
            await asyncio.to_thread(_in_thread, lambda: change("A", 2))
            return (await complete(link, [_result(lane)]))[lane.id]
        finally:
            await link.close()

    assert asyncio.run(run()) is Fate.COMPLETED
    lane = FeedLane.objects.get()
    assert (lane.head_seq, lane.state, lane.lease_id) == (lane.last_seq, "ready", None)


def test_completion_does_not_wait_for_a_writer_that_holds_the_lane(receiver):
    """The writer commits half a second later; its change follows and nothing is sent twice."""
    make_endpoint(url=receiver.url)
    change("A", 1)
    written, go_on = threading.Event(), threading.Event()

    async def hold(request, delivery):
        if not written.is_set():
            threading.Thread(target=_in_thread, args=(write,)).start()
            await asyncio.to_thread(written.wait)
            threading.Timer(0.5, go_on.set).start()
        return await receiver_accept(request, delivery)

    def write() -> None:
        with transaction.atomic():
            record_change("order.changed", subject_kind="order", subject_id="A", subject_version=2)
            written.set()
            go_on.wait(5)

    receiver_accept = receiver.behaviour
    receiver.behaviour = hold

    drain_once()

    assert receiver.versions("A") == [1, 2]
    assert not FeedLane.objects.exists()


def test_the_claimed_messages_end_at_what_was_committed():
    make_endpoint()
    change("A", 1)
    opened, go_on = threading.Event(), threading.Event()

    def write() -> None:
        with transaction.atomic():
            record_change("order.changed", subject_kind="order", subject_id="B", subject_version=1)
            opened.set()
            go_on.wait(5)

    writer = threading.Thread(target=_in_thread, args=(write,))
    writer.start()
    assert opened.wait(5)

    async def run() -> list[ClaimedLane]:
        link = await _connect()
        try:
            return await claim(link, await _endpoint(link), limit=9, depth=5, lease_seconds=30)
        finally:
            await link.close()

    lanes = asyncio.run(run())
    go_on.set()
    writer.join()

    assert [lane.subject_id for lane in lanes] == ["A"]
    assert FeedLane.objects.count() == 2
