"""Calling a replay off: nothing more is told again, and nothing that was pending is lost."""

import asyncio
import threading

import pytest
from django.db import connection, transaction

from changefeed import calling_off, lifecycle, replaying, tasks
from changefeed.models import Change, FeedLane, Replay
from tests.changefeed.conftest import drain_once, drain_until_empty
from tests.changefeed.receiver import accept
from tests.changefeed.rows import change, changes, make_endpoint
from tests.changefeed.test_late_writers import draw, write_late

pytestmark = pytest.mark.django_db(transaction=True)

EVERYTHING = lifecycle.Selection()
WAIT = 20.0


def told(receiver) -> list[tuple[str, int, bool]]:
    again = ((one, one.headers.get("webhook-replay") == "true") for one in receiver.seen)
    return sorted((one.subject, one.version, is_again) for one, is_again in again)


def in_thread(act) -> None:
    try:
        act()
    finally:
        connection.close()


def test_nothing_more_is_told_again_and_what_came_since_is(receiver):
    endpoint = make_endpoint(url=receiver.url)
    changes(subjects=3, versions=2)
    drain_once()
    receiver.seen.clear()
    asked = lifecycle.replay(endpoint, EVERYTHING, actor="user:eve")
    change("O1", 3)
    since = FeedLane.objects.get(subject_id="O1")

    assert lifecycle.call_off(endpoint, actor="user:ada") == 1

    (lane,) = FeedLane.objects.all()
    told_before = Change.objects.get(subject_id="O1", subject_version=2)
    assert (lane.subject_id, lane.head_seq) == ("O1", told_before.seq + 1)
    assert lane.pending_since > since.pending_since
    assert drain_until_empty() == 1
    assert told(receiver) == [("O1", 3, False)]
    asked.refresh_from_db()
    assert asked.called_off_by == "user:ada"
    assert asked.called_off_at is not None
    assert asked.finished_at is not None
    assert asked.called_off_at <= asked.finished_at

    assert lifecycle.call_off(endpoint, actor="user:bob") == 0
    again = Replay.objects.get()
    assert (again.called_off_by, again.finished_at) == ("user:ada", asked.finished_at)


def test_what_was_pending_before_is_told_for_the_first_time(receiver):
    endpoint = make_endpoint(url=receiver.url)
    change("A", 1)
    drain_once()
    change("A", 2)
    change("A", 3)
    receiver.seen.clear()
    lifecycle.replay(endpoint, EVERYTHING, actor="user:eve")
    lifecycle.replay(endpoint, EVERYTHING, actor="user:eve")

    assert lifecycle.call_off(endpoint, actor="user:ada") == 2

    drain_until_empty()
    assert told(receiver) == [("A", 2, False), ("A", 3, False)]


def test_a_parked_lane_with_something_pending_stays_parked(receiver):
    endpoint = make_endpoint(url=receiver.url)
    change("A", 1)
    drain_once()
    change("A", 2)
    FeedLane.objects.update(state="parked", due_at=None, rejections=5)
    lifecycle.replay(endpoint, EVERYTHING, actor="user:eve")

    lifecycle.call_off(endpoint, actor="user:ada")

    lane = FeedLane.objects.get()
    poison = Change.objects.get(subject_version=2).seq
    assert (lane.head_seq, lane.state, lane.due_at, lane.rejections) == (poison, "parked", None, 5)


def test_one_that_is_still_choosing_chooses_no_more(receiver, monkeypatch):
    monkeypatch.setattr(replaying, "CHUNK", 2)
    monkeypatch.setattr(replaying, "INLINE_SECONDS", 0.0)
    endpoint = make_endpoint(url=receiver.url)
    changes(subjects=3, versions=2)
    drain_once()
    receiver.seen.clear()
    asked = lifecycle.replay(endpoint, EVERYTHING, actor="user:eve")
    with transaction.atomic():
        assert replaying._advance_once(asked.pk)
    assert FeedLane.objects.count() == 2

    assert lifecycle.call_off(endpoint, actor="user:ada") == 1
    assert tasks.continue_replays() == 0

    assert not FeedLane.objects.exists()
    assert drain_until_empty() == 0
    assert receiver.seen == []


def test_a_lane_that_is_being_sent_stops_soon_and_ends_where_its_subject_stands(receiver):
    endpoint = make_endpoint(url=receiver.url)
    for version in range(1, 101):
        change("A", version)
    drain_until_empty()
    receiver.seen.clear()
    asked = lifecycle.replay(endpoint, EVERYTHING, actor="user:eve")
    before = len(receiver.versions("A"))

    async def call_off(request, delivery):
        if delivery.version == 2:
            await asyncio.to_thread(
                in_thread, lambda: lifecycle.call_off(endpoint, actor="user:ada")
            )
        return await accept(request, delivery)

    receiver.behaviour = call_off
    drain_until_empty()

    versions = receiver.versions("A")[before:]
    assert versions == sorted(versions)
    assert versions[-1] == 100
    assert len(versions) <= 21, "what was in hand, and the last one"
    assert receiver.overlaps == []
    asked.refresh_from_db()
    assert asked.finished_at is not None


def test_a_change_that_commits_late_is_not_called_off(receiver):
    endpoint = make_endpoint(url=receiver.url)
    change("A", 1)
    early = draw()
    change("A", 3)
    drain_until_empty()
    lifecycle.replay(endpoint, EVERYTHING, actor="user:eve")
    write_late(early, 2)
    receiver.seen.clear()

    lifecycle.call_off(endpoint, actor="user:ada")
    drain_until_empty()

    assert [version for _subject, version, _is_again in told(receiver)] == [2, 3]


def test_a_lane_that_a_writer_holds_is_not_waited_for_and_comes_later(receiver, monkeypatch):
    monkeypatch.setattr(calling_off, "INLINE_SECONDS", 0.2)
    endpoint = make_endpoint(url=receiver.url)
    changes(subjects=2, versions=1)
    drain_once()
    receiver.seen.clear()
    lifecycle.replay(endpoint, EVERYTHING, actor="user:eve")
    held, done = threading.Event(), threading.Event()

    @transaction.atomic
    def hold() -> None:
        FeedLane.objects.select_for_update().get(subject_id="O1")
        held.set()
        assert done.wait(WAIT)

    holder = threading.Thread(target=in_thread, args=(hold,))
    holder.start()
    try:
        assert held.wait(WAIT)
        assert lifecycle.call_off(endpoint, actor="user:ada") == 1
        assert list(FeedLane.objects.values_list("subject_id", flat=True)) == ["O1"]
        assert Replay.objects.get().finished_at is None

        later = lifecycle.replay(endpoint, EVERYTHING, actor="user:eve")
        assert (later.subjects, later.finished_at) == (0, None), "it waits for its turn"
    finally:
        done.set()
        holder.join(WAIT)

    assert tasks.continue_replays() == 0
    assert [one.subjects for one in Replay.objects.order_by("created_at")] == [2, 2]
    drain_until_empty()
    assert told(receiver) == [("O0", 1, True), ("O1", 1, True)]


def test_other_endpoints_go_on_being_told_again(receiver):
    one, other = make_endpoint(url=receiver.url), make_endpoint(url=receiver.url)
    change("A", 1)
    drain_until_empty()
    receiver.seen.clear()
    for endpoint in (one, other):
        lifecycle.replay(endpoint, EVERYTHING, actor="user:eve")

    assert lifecycle.call_off(one, actor="user:ada") == 1

    assert drain_until_empty() == 1
    assert told(receiver) == [("A", 1, True)]
