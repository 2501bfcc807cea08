"""Partitions exist before they are needed and go only when nobody needs them."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from changefeed import retention
from changefeed.errors import CursorExpired
from changefeed.keys import create_key
from changefeed.lifecycle import Selection, replay
from changefeed.models import Attempt, Change, FeedLane, PullCursor, PullWindow, Replay
from changefeed.reading import read_page
from tests.changefeed.rows import change, make_endpoint
from tests.changefeed.test_threats_cursors import forged


def _partition_of(seq: int) -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tableoid::regclass::text FROM changefeed_change WHERE seq = %s", [seq]
        )
        return str(cursor.fetchone()[0])


def _move_sequence_to(value: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval('changefeed_change_seq', %s)", [value])


@pytest.fixture
def sequence(db):
    """Put the sequence back, which no rollback does."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT last_value FROM changefeed_change_seq")
        (before,) = cursor.fetchone()
    yield
    _move_sequence_to(before)


def test_a_change_beyond_the_partitions_is_kept_and_moved(sequence):
    _move_sequence_to(70_000_000)
    change("A")
    assert _partition_of(70_000_001) == "changefeed_change_default"

    made = retention.make_partitions()

    assert made == retention.CHANGE_PARTITIONS_AHEAD + 1
    assert _partition_of(70_000_001) == "changefeed_change_p000070"
    assert retention.make_partitions() == 0


def test_an_attempt_of_a_day_without_partition_is_kept_and_moved(db):
    long_ago = timezone.now() - timedelta(days=100)
    endpoint = make_endpoint()
    attempt = Attempt.objects.create(
        endpoint=endpoint,
        subject_kind="order",
        subject_id="A",
        seq=1,
        sent_at=long_ago,
        outcome="delivered",
        latency_ms=1,
    )

    retention.make_partitions()

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM ONLY changefeed_attempt_default")
        assert cursor.fetchone() == (0,)
    assert Attempt.objects.count() == 1
    dropped = retention.purge(30)
    assert dropped == [f"changefeed_attempt_{attempt.sent_at:%Y%m%d}"]
    assert not Attempt.objects.exists()


@pytest.fixture
def old_partition(sequence):
    """One change in a partition of its own, sixty days old, the sequence long past it."""
    _move_sequence_to(50_000_000)
    retention.make_partitions()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO changefeed_change (subject_kind, subject_id, subject_version, kind, at)"
            " VALUES ('order', 'OLD', 1, 'order.changed', now() - interval '60 days')"
        )
    _move_sequence_to(51_500_000)
    return "changefeed_change_p000050"


def test_an_old_partition_that_nobody_needs_is_dropped(old_partition):
    assert old_partition in retention.purge(30)
    assert not Change.objects.exists()


def test_a_young_partition_stays(old_partition):
    assert old_partition not in retention.purge(90)
    assert Change.objects.exists()


def test_a_pending_lane_keeps_its_partition(old_partition):
    seq = Change.objects.get().seq
    FeedLane.objects.create(
        endpoint=make_endpoint(),
        subject_kind="order",
        subject_id="OLD",
        head_seq=seq,
        last_seq=seq,
        pending_since=timezone.now(),
    )

    assert old_partition not in retention.purge(30)
    assert Change.objects.exists()


def test_a_consumer_that_has_not_acknowledged_keeps_the_partition(old_partition):
    key, _plain = create_key("ERP", source="erp", scopes=["feed:read"])
    read_page(key, None, 10)

    assert old_partition not in retention.purge(30)
    assert Change.objects.exists()


def test_an_unfinished_replay_keeps_what_it_has_not_looked_at(old_partition):
    seq = Change.objects.get().seq
    asked = Replay.objects.create(
        endpoint=make_endpoint(), actor="user:eve", first_seq=seq, next_seq=seq, last_seq=seq
    )

    assert old_partition not in retention.purge(30)
    assert Change.objects.exists()

    Replay.objects.filter(pk=asked.pk).update(next_seq=seq + 1, finished_at=timezone.now())
    assert old_partition in retention.purge(30)


@pytest.fixture
def own_partitions():
    """What a test makes and commits goes with it."""
    yield
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT inhrelid::regclass::text FROM pg_inherits"
            " WHERE inhparent = 'changefeed_change'::regclass"
            " AND inhrelid::regclass::text >= 'changefeed_change_p000050'"
        )
        for (part,) in cursor.fetchall():
            cursor.execute(f"DROP TABLE {part}")


@pytest.mark.django_db(transaction=True)
def test_a_replay_that_begins_while_old_changes_are_dropped_finds_them(
    own_partitions, old_partition, monkeypatch
):
    """Who drops has looked for whom they are, and somebody asks for them at that moment."""
    endpoint = make_endpoint()
    is_needed = retention._is_needed
    replayed = []

    def ask() -> None:
        try:
            replayed.append(replay(endpoint, Selection(), actor="user:eve").subjects)
        finally:
            connection.close()

    asking = threading.Thread(target=ask)

    def look_and_hesitate(*given: Any) -> bool:
        found = is_needed(*given)
        if given[0] == old_partition and not asking.ident:
            asking.start()
            asking.join(1)
        return found

    monkeypatch.setattr(retention, "_is_needed", look_and_hesitate)
    dropped = retention.purge(30)
    asking.join()

    if old_partition in dropped:
        assert replayed == [0]
        assert not FeedLane.objects.exists()
    else:
        assert replayed == [1]
        assert Change.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_cursor_shown_again_after_its_changes_went_is_gone_not_short(
    own_partitions, old_partition
):
    key, _plain = create_key("ERP", source="erp", scopes=["feed:read"])
    change("A")
    first = read_page(key, None, 1)
    assert [row["subject_id"] for row in first.rows] == ["OLD"]
    early = forged(key, PullWindow.objects.get().pk, 1)
    last = read_page(key, first.next_cursor, 1)
    read_page(key, last.next_cursor, 1)
    assert old_partition in retention.purge(30)

    before = PullCursor.objects.values().get()

    for cursor in (early, first.next_cursor):
        with pytest.raises(CursorExpired):
            read_page(key, cursor, 1)

    assert PullCursor.objects.values().get() == before
    change("B")
    assert [row["subject_id"] for row in read_page(key, last.next_cursor, 1).rows] == ["B"]


def test_lanes_of_endpoints_that_are_gone_are_removed(db):
    FeedLane.objects.create(
        endpoint_id=424242,
        subject_kind="order",
        subject_id="A",
        head_seq=1,
        last_seq=1,
        pending_since=timezone.now(),
    )

    retention.purge(30)

    assert not FeedLane.objects.exists()
