"""Replays: counted first, told again in order under the same id, once per request for them."""

import threading
import uuid
from datetime import timedelta

import pytest
from aiohttp import web
from django.db import connection, transaction
from django.utils import timezone

from changefeed import lifecycle, replaying, tasks
from changefeed.errors import BadSelection
from changefeed.lifecycle import ReplayCount, Selection
from changefeed.models import Change, FeedLane, Replay
from changefeed.recording import record_change
from tests.changefeed.conftest import drain_once, drain_until_empty, make_all_due
from tests.changefeed.receiver import accept, answer
from tests.changefeed.rows import change, changes, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)

EVERYTHING = Selection()


def of_subject(subject: str) -> Selection:
    return Selection("order", subject)


def is_replay(delivery) -> bool:
    return delivery.headers.get("webhook-replay") == "true"


def test_a_replayed_message_has_its_id_and_bytes_and_says_so(receiver):
    endpoint = make_endpoint(url=receiver.url)
    changes(subjects=2, versions=3)
    drain_once()
    first_time = {one.id: one for one in receiver.seen}
    receiver.seen.clear()

    asked = lifecycle.replay(endpoint, of_subject("O1"), actor="user:eve", reason="lost its disk")
    assert drain_once() == 3

    assert [one.version for one in receiver.seen] == [1, 2, 3]
    assert all(is_replay(one) for one in receiver.seen)
    assert not any(is_replay(one) for one in first_time.values())
    assert all(one.body == first_time[one.id].body for one in receiver.seen)
    assert (asked.actor, asked.reason, asked.subjects) == ("user:eve", "lost its disk", 1)
    assert asked.finished_at is not None
    assert not FeedLane.objects.exists()


def test_the_count_is_known_first_and_counting_changes_nothing(receiver):
    endpoint = make_endpoint(url=receiver.url, kinds=["order.changed"])
    changes(subjects=4, versions=3)
    change("O1", 4, kind="order.held")
    drain_once()

    assert lifecycle.count_replay(endpoint, EVERYTHING) == ReplayCount(4, 12)
    assert lifecycle.count_replay(endpoint, of_subject("O1")) == ReplayCount(1, 3)
    assert lifecycle.count_replay(endpoint, of_subject("nobody")) == ReplayCount(0, 0)
    assert not FeedLane.objects.exists()
    assert not Replay.objects.exists()


def test_everything_can_be_told_again_in_batches_apart_from_what_is_new(receiver):
    endpoint = make_endpoint(url=receiver.url, batch_size=50)
    changes(subjects=5, versions=4)
    drain_once()
    receiver.seen.clear()

    lifecycle.replay(endpoint, EVERYTHING, actor="user:eve")
    change("O2", 5)
    change("new", 1)
    assert drain_until_empty() == 22

    for one in receiver.seen:
        fresh = [m for m in one.messages if m["data"]["subject"]["version"] == 5]
        fresh += [m for m in one.messages if m["data"]["subject"]["id"] == "new"]
        assert is_replay(one) == (not fresh)
        assert len(fresh) in (0, len(one.messages))
    assert receiver.versions("O2") == [1, 2, 3, 4, 1, 2, 3, 4, 5]
    assert receiver.versions("O3") == [1, 2, 3, 4] * 2


def test_a_time_range_takes_each_subject_from_its_first_change_in_it_to_its_newest(receiver):
    endpoint = make_endpoint(url=receiver.url)
    change("A", 1)
    change("B", 1)
    change("A", 2)
    change("C", 1)
    change("A", 3)
    drain_once()
    receiver.seen.clear()
    times = list(Change.objects.order_by("seq").values_list("at", flat=True))
    selection = Selection(since=times[2], until=times[4])

    assert lifecycle.count_replay(endpoint, selection) == ReplayCount(2, 3)
    lifecycle.replay(endpoint, selection, actor="user:eve")
    drain_once()

    assert sorted((one.subject, one.version) for one in receiver.seen) == [
        *(("A", 2), ("A", 3)),
        ("C", 1),
    ]


def test_asking_twice_under_one_key_is_asking_once(receiver):
    endpoint = make_endpoint(url=receiver.url)
    changes(subjects=2, versions=2)
    drain_once()
    key = uuid.uuid4()

    first = lifecycle.replay(endpoint, EVERYTHING, actor="user:eve", key=key)
    drain_once()
    again = lifecycle.replay(endpoint, EVERYTHING, actor="user:eve", key=key)
    assert drain_once() == 0

    assert first == again
    assert Replay.objects.count() == 1
    assert len(receiver.seen) == 8


def test_pending_changes_stay_first_tellings_behind_the_replay(receiver):
    receiver.behaviour = answer(500)
    endpoint = make_endpoint(url=receiver.url)
    change("A", 1)
    receiver.behaviour = accept
    drain_once()
    receiver.behaviour = answer(422)
    change("A", 2)
    drain_once()
    FeedLane.objects.update(state="parked", due_at=None)
    receiver.behaviour = accept
    receiver.seen.clear()

    lifecycle.replay(endpoint, of_subject("A"), actor="user:eve")
    assert FeedLane.objects.get().state == "parked"
    lifecycle.resume_lane(FeedLane.objects.get(), actor="user:eve")
    drain_once()

    assert [(one.version, is_replay(one)) for one in receiver.seen] == [(1, True), (2, False)]


def test_a_replay_asked_for_while_the_lane_is_being_sent_loses_nothing(receiver):
    """What was told meanwhile comes round again, as a replay."""
    endpoint = make_endpoint(url=receiver.url)
    change("A", 1)
    drain_once()
    asked: list[bool] = []

    async def ask(request, delivery):
        if not asked and delivery.version == 2:
            asked.append(True)
            import asyncio

            await asyncio.to_thread(_in_thread, endpoint)
        return await accept(request, delivery)

    receiver.behaviour = ask
    change("A", 2)
    change("A", 3)
    drain_until_empty()

    told = [(one.version, is_replay(one)) for one in receiver.seen]
    assert told == [(1, False), (2, False), (1, True), (2, True), (3, False)]
    assert receiver.overlaps == []


def _in_thread(endpoint) -> None:
    try:
        lifecycle.replay(endpoint, of_subject("A"), actor="user:eve")
    finally:
        connection.close()


def test_a_change_committed_during_the_replay_is_told_once_and_last(receiver):
    endpoint = make_endpoint(url=receiver.url)
    change("A", 1)
    drain_once()
    written, go_on = threading.Event(), threading.Event()

    def write() -> None:
        try:
            with transaction.atomic():
                record_change(
                    "order.changed", subject_kind="order", subject_id="A", subject_version=2
                )
                written.set()
                go_on.wait(5)
        finally:
            connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    assert written.wait(5)
    threading.Timer(0.3, go_on.set).start()
    lifecycle.replay(endpoint, of_subject("A"), actor="user:eve")
    writer.join()
    drain_until_empty()

    assert receiver.versions("A") == [1, 1, 2]


def test_a_long_replay_goes_on_in_pieces_without_telling_anything_twice(receiver, monkeypatch):
    monkeypatch.setattr(replaying, "CHUNK", 7)
    monkeypatch.setattr(replaying, "INLINE_SECONDS", 0.0)
    endpoint = make_endpoint(url=receiver.url)
    changes(subjects=10, versions=3)
    drain_once()
    receiver.seen.clear()

    asked = lifecycle.replay(endpoint, EVERYTHING, actor="user:eve")
    assert asked.finished_at is None
    drain_once()
    assert tasks.continue_replays() == 0
    drain_once()

    assert sorted((one.subject, one.version) for one in receiver.seen) == sorted(
        (f"O{number}", version) for number in range(10) for version in (1, 2, 3)
    )
    asked.refresh_from_db()
    assert (asked.subjects, asked.finished_at is None) == (10, False)


def test_replays_of_a_coalescing_endpoint_are_told_as_recorded(receiver):
    endpoint = make_endpoint(url=receiver.url, coalesce=True)
    for version in (1, 2):
        change("A", version, kind="order.address_changed", field="ship_to", new=version)
    drain_once()
    receiver.seen.clear()

    lifecycle.replay(endpoint, of_subject("A"), actor="user:eve")
    drain_once()

    assert [one.version for one in receiver.seen] == [1, 2]


def test_what_had_arrived_ahead_of_a_pending_change_is_told_again_too(receiver):
    """The receiver has the title, not yet the address, and loses its disk."""

    async def refuse_addresses(request, delivery):
        is_address = delivery.document["data"]["field"] == "ship_to"
        return web.Response(status=500 if is_address else 200)

    endpoint = make_endpoint(url=receiver.url, coalesce=True)
    change("A", 1, field="invoice_title", new="old")
    drain_once()
    receiver.behaviour = refuse_addresses
    change("A", 2, field="ship_to", new="b")
    change("A", 3, field="invoice_title", new="new")
    change("A", 4, field="ship_to", new="c")
    assert drain_once() == 1
    assert FeedLane.objects.get().delivered_seqs is not None
    receiver.behaviour = accept
    receiver.acknowledged.clear()

    lifecycle.replay(endpoint, EVERYTHING, actor="user:eve", reason="lost its disk")
    make_all_due()
    drain_until_empty()

    told = [one.document["data"] for one in receiver.acknowledged]
    assert [one["subject"]["version"] for one in told] == [1, 2, 3, 4]
    assert [is_replay(one) for one in receiver.acknowledged] == [True, True, True, False]


def test_a_replay_that_failed_goes_on_as_a_replay(receiver):
    endpoint = make_endpoint(url=receiver.url)
    changes(subjects=1, versions=2)
    drain_once()
    receiver.seen.clear()
    receiver.behaviour = answer(500)
    lifecycle.replay(endpoint, EVERYTHING, actor="user:eve")
    drain_once()
    receiver.behaviour = accept
    make_all_due()
    drain_until_empty()

    assert [is_replay(one) for one in receiver.seen] == [True] * 3


def test_a_replay_under_way_waits_since_it_was_asked_for(receiver):
    """Not since its changes were recorded, which may be months ago and would alert people."""
    endpoint = make_endpoint(url=receiver.url)
    changes(subjects=1, versions=3)
    drain_once()
    lifecycle.replay(endpoint, EVERYTHING, actor="user:eve")
    asked_at = FeedLane.objects.get().pending_since

    async def refuse_second(request, delivery):
        return await (accept if delivery.version == 1 else answer(500))(request, delivery)

    receiver.behaviour = refuse_second
    drain_once()

    lane = FeedLane.objects.get()
    assert (lane.head_seq, lane.attempts) == (Change.objects.get(subject_version=2).seq, 1)
    assert lane.pending_since == asked_at


def test_what_is_new_behind_a_replay_waits_since_it_was_recorded(receiver):
    endpoint = make_endpoint(url=receiver.url)
    changes(subjects=1, versions=2)
    drain_once()
    lifecycle.replay(endpoint, EVERYTHING, actor="user:eve")
    change("O0", 3)

    async def refuse_third(request, delivery):
        return await (answer(500) if delivery.version == 3 else accept)(request, delivery)

    receiver.behaviour = refuse_third
    drain_once()

    assert [is_replay(one) for one in receiver.seen[2:]] == [True, True, False]
    assert FeedLane.objects.get().pending_since == Change.objects.get(subject_version=3).at


@pytest.mark.parametrize(
    "given",
    [
        {"subject_kind": "order"},
        {"subject_id": "A"},
        {"since": timezone.now(), "until": timezone.now() - timedelta(days=1)},
    ],
)
def test_half_a_subject_or_an_empty_range_is_refused(given):
    with pytest.raises(BadSelection):
        Selection(**given)
