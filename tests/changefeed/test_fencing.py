"""Two dispatchers never hold one lane; a lost lease changes nothing."""

import asyncio
import threading

import psycopg
import pytest
from django.db import connection, transaction

from changefeed.dispatch import draining
from changefeed.dispatch.breaker import EndpointView, sendable
from changefeed.dispatch.claiming import ClaimedLane, claim
from changefeed.dispatch.completing import COMPLETE, Fate, LaneResult, complete
from changefeed.dispatch.database import (
    LANE_MARK,
    LANE_MARK_BITS,
    PLACES,
    connection_parameters,
)
from changefeed.dispatch.loop import drain
from changefeed.dispatch.queueing import MOST_IN_LINE, open_line
from changefeed.models import Change, FeedLane
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


class Writer:
    """A transaction that extends a lane, or several, and commits when told."""

    def __init__(self, *subjects: str, version: int) -> None:
        self._subjects, self._version = subjects, version
        self._has_written, self._may_commit = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=_in_thread, args=(self._write,))

    def __enter__(self):
        self._thread.start()
        assert self._has_written.wait(5)
        return self

    def __exit__(self, *_error) -> None:
        self._may_commit.set()
        self._thread.join()

    def commit(self) -> None:
        self._may_commit.set()

    def _write(self) -> None:
        with transaction.atomic():
            for subject in self._subjects:
                record_change(
                    "order.changed",
                    subject_kind="order",
                    subject_id=subject,
                    subject_version=self._version,
                )
            self._has_written.set()
            assert self._may_commit.wait(20)


async def _until_in_line(link, number: int = 1) -> None:
    """Until so many completions wait behind a writer, their lanes marked."""
    while True:
        found = await link.execute(
            "SELECT count(DISTINCT objid) AS marks, (SELECT count(*) FROM pg_stat_activity"
            "   WHERE wait_event_type = 'Lock' AND query LIKE '%%pg_advisory_xact_lock_shared%%'"
            "     AND datname = current_database()) AS waits"
            " FROM pg_locks WHERE locktype = 'advisory' AND classid = %s",
            [LANE_MARK],
        )
        row = await found.fetchone()
        if (row["marks"], row["waits"]) == (number, number):
            return


def test_a_completion_in_line_is_before_every_claimer():
    """Two claimers ask without a pause while the writer commits, the lease long over: 40 times."""
    make_endpoint()
    change("A", 1)

    async def run() -> None:
        links = [await _connect() for _ in range(3)]
        endpoint = await _endpoint(links[0])
        try:
            async with open_line() as line:
                for version in range(2, 42):
                    (lane,) = await claim(links[0], endpoint, limit=1, depth=5, lease_seconds=30)
                    await asyncio.to_thread(_in_thread, _expire_leases)
                    writer = Writer("A", version=version)
                    await asyncio.to_thread(writer.__enter__)
                    assert line.enter()
                    waiting = asyncio.create_task(line.complete(_result(lane)))
                    await _until_in_line(links[0])

                    async def ask(link) -> ClaimedLane:
                        while True:
                            for one in await claim(
                                link, endpoint, limit=1, depth=5, lease_seconds=30
                            ):
                                return one

                    asking = [asyncio.create_task(ask(link)) for link in links[1:]]
                    writer.commit()
                    assert await waiting is Fate.COMPLETED
                    done, pending = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
                    (taken,) = [task.result() for task in done]
                    assert [message.seq for message in taken.messages] == [taken.last_seq]
                    assert taken.head_seq == lane.last_seq + 1
                    for task in pending:
                        task.cancel()
                    await asyncio.wait(pending)
                    await asyncio.to_thread(writer.__exit__)
                    fates = await complete(links[0], [_let_go(taken)])
                    assert fates == {taken.id: Fate.COMPLETED}
        finally:
            for link in links:
                await link.close()

    asyncio.run(run())


def _let_go(lane: ClaimedLane) -> LaneResult:
    """Nothing sent: the lane stays as it is, due at once."""
    return _result(lane, covered=lane.head_seq - 1)


def test_a_marked_lane_is_claimed_by_nobody_though_its_lease_is_over():
    """The mark alone keeps claimers out; it says nothing while the lease lasts, or without one."""
    make_endpoint()
    change("A", 1)
    change("B", 1)

    async def run() -> list[list[str]]:
        link, holder = await _connect(), await _connect()
        try:
            endpoint = await _endpoint(link)
            await claim(link, endpoint, limit=9, depth=5, lease_seconds=30)
            await asyncio.to_thread(_in_thread, _expire_leases)

            async def take(**options) -> list[str]:
                lanes = await claim(link, endpoint, depth=5, lease_seconds=0, **options)
                return sorted(lane.subject_id for lane in lanes)

            async with holder.transaction():
                await holder.execute(
                    "SELECT pg_advisory_xact_lock_shared(%s, (id & %s)::integer)"
                    " FROM changefeed_feedlane WHERE subject_id = 'A'",
                    [LANE_MARK, LANE_MARK_BITS],
                )
                marked = [await take(limit=9), await take(limit=1, probe=True)]
            return [*marked, await take(limit=9)]
        finally:
            await link.close()
            await holder.close()

    assert asyncio.run(run()) == [["B"], ["B"], ["A", "B"]]


def test_the_lag_of_a_lane_that_was_held_is_that_of_what_the_writer_left():
    make_endpoint()
    change("A", 1)

    async def run() -> None:
        link = await _connect()
        try:
            endpoint = await _endpoint(link)
            (lane,) = await claim(link, endpoint, limit=1, depth=5, lease_seconds=30)
            async with open_line() as line:
                with Writer("A", version=2) as writer:
                    assert line.enter()
                    waiting = asyncio.create_task(line.complete(_result(lane)))
                    await _until_in_line(link)
                    writer.commit()
                    assert await waiting is Fate.COMPLETED
        finally:
            await link.close()

    asyncio.run(run())

    lane, second = FeedLane.objects.get(), Change.objects.get(subject_version=2)
    assert (lane.head_seq, lane.pending_since) == (second.seq, second.at)
    assert (lane.state, lane.lease_id) == ("ready", None)


def test_more_lanes_than_the_line_has_room_for_are_completed_too(receiver):
    """One writer holds ten subjects that are on their way; nothing is sent twice."""
    make_endpoint(url=receiver.url)
    subjects = [f"O{number}" for number in range(MOST_IN_LINE + 4)]
    for subject in subjects:
        change(subject, 1)
    accept, writer = receiver.behaviour, Writer(*subjects, version=2)
    begun = threading.Lock()

    async def hold(request, delivery):
        if delivery.version == 1:
            if begun.acquire(blocking=False):
                await asyncio.to_thread(writer.__enter__)
            await asyncio.to_thread(writer._has_written.wait)
        return await accept(request, delivery)

    receiver.behaviour = hold

    async def run() -> int | None:
        draining = asyncio.create_task(drain(places=PLACES))
        link = await _connect()
        await _until_in_line(link, MOST_IN_LINE)
        await link.close()
        writer.commit()
        return await draining

    assert asyncio.run(run()) == 2 * len(subjects)
    writer.__exit__()
    assert all(receiver.versions(subject) == [1, 2] for subject in subjects)
    assert not FeedLane.objects.exists()


def test_a_lane_held_for_longer_than_its_lease_is_not_sent_again(receiver, settings):
    """Two dispatchers, a lease of two seconds, a writer that takes three, and no room in line."""
    settings.FEED_LEASE_SECONDS = 2
    make_endpoint(url=receiver.url)
    subjects = [f"O{number}" for number in range(4 * MOST_IN_LINE)]
    changes(subjects=len(subjects), versions=1)
    accept, writer = receiver.behaviour, Writer(*subjects, version=2)
    begun = threading.Lock()

    async def hold(request, delivery):
        if delivery.version == 1:
            if begun.acquire(blocking=False):
                await asyncio.to_thread(writer.__enter__)
                threading.Timer(3, writer.commit).start()
            await asyncio.to_thread(writer._has_written.wait)
        return await accept(request, delivery)

    receiver.behaviour = hold

    async def run() -> int:
        both = (drain(seconds=4, linger=None, places=PLACES) for _ in range(2))
        return sum(delivered or 0 for delivered in await asyncio.gather(*both))

    assert asyncio.run(run()) == 2 * len(subjects)
    writer.__exit__()
    assert all(receiver.versions(subject) == [1, 2] for subject in subjects)
    assert not FeedLane.objects.exists()


def test_a_lane_that_a_writer_held_goes_on_without_another_claim(receiver, monkeypatch):
    """Else a subject that is written without a pause would wait for a lucky moment."""
    make_endpoint(url=receiver.url)
    change("A", 1)
    accept, writer = receiver.behaviour, Writer("A", version=2)
    claimed: list[int] = []

    async def count(*given, **named) -> list[ClaimedLane]:
        lanes = await claim(*given, **named)
        claimed.extend(lane.id for lane in lanes)
        return lanes

    monkeypatch.setattr(draining, "claim", count)

    async def hold(request, delivery):
        if delivery.version == 1:
            await asyncio.to_thread(writer.__enter__)
        return await accept(request, delivery)

    receiver.behaviour = hold

    async def run() -> int | None:
        deliveries = asyncio.create_task(drain(places=PLACES))
        link = await _connect()
        await _until_in_line(link)
        await link.close()
        writer.commit()
        return await deliveries

    assert asyncio.run(run()) == 2
    writer.__exit__()
    assert receiver.versions("A") == [1, 2]
    assert len(claimed) == 1
    assert not FeedLane.objects.exists()
