"""Skipping a change while its subject is being written: nobody waits for ever."""

import threading
import time

import pytest
from django.db import connection, transaction

from changefeed import lifecycle
from changefeed.models import Change, FeedLane, LaneState
from orders.models import Order
from tests.changefeed.admin_pages import park
from tests.changefeed.conftest import drain_until_empty
from tests.changefeed.rows import change, make_endpoint
from tests.factories import order_document
from tests.orders.calling import Caller

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("place", [0, 1], ids=["the first endpoint's", "a later endpoint's"])
def test_a_writer_and_a_skip_of_one_subject_wait_in_the_same_order(place, receiver, monkeypatch):
    endpoints = [make_endpoint(url=receiver.url), make_endpoint(url=receiver.url)]
    change("A", 1)
    FeedLane.objects.exclude(endpoint=endpoints[place]).delete()
    lane = FeedLane.objects.get()
    park(lane)
    record = lifecycle.record_change
    failures: list[Exception] = []
    writer = threading.Thread(target=_write, args=(failures,))

    def record_amid_a_write(*given, **named):
        writer.start()
        _until_it_waits_or_is_done(writer)
        record(*given, **named)

    monkeypatch.setattr(lifecycle, "record_change", record_amid_a_write)
    lifecycle.skip_change(lane, actor="user:eve", reason="no such street")
    writer.join()

    assert failures == []
    assert not FeedLane.objects.filter(state=LaneState.PARKED).exists()
    drain_until_empty()
    poison, *others = Change.objects.order_by("seq").values_list("event_id", flat=True)
    told = [one.id for one in receiver.seen]
    assert str(poison) not in told
    assert sorted(told) == sorted(str(one) for one in [*others, *others])


def test_a_gap_has_its_place_in_the_order_of_its_subject(world, receiver):
    """A writer has drawn its sequence and not reached the lanes when somebody skips."""
    Caller().place(order_document("DY-1", paid_at=None))
    make_endpoint(url=receiver.url, kinds=["order.*", "lane.*"])
    version = Order.objects.get(number="DY-1").version
    edit("DY-1", "宁波市")
    lane = FeedLane.objects.get()
    park(lane)
    skipper = threading.Thread(target=_skip, args=(lane,))

    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE orders_order SET urgent = NOT urgent WHERE number = 'DY-1'")
        cursor.execute("SELECT nextval('changefeed_change_seq')")
        (early,) = cursor.fetchone()
        skipper.start()
        _until_it_waits_or_is_done(skipper)
        cursor.execute(
            "INSERT INTO changefeed_change"
            " (seq, subject_kind, subject_id, subject_version, kind)"
            " VALUES (%s, 'order', 'DY-1', %s, 'order.changed')",
            (early, version + 2),
        )
    skipper.join()

    gap = Change.objects.get(kind="lane.skipped")
    assert gap.seq > early
    assert gap.subject_version == version + 2
    drain_until_empty()
    assert [one.document["type"] for one in receiver.seen] == ["order.changed", "lane.skipped"]
    assert receiver.versions("DY-1") == [version + 2] * 2


def test_a_gap_of_a_subject_without_versions_of_its_own_bears_the_newest_told(receiver):
    make_endpoint(url=receiver.url)
    for version in (4, 5, 6):
        change("A", version)
    lane = park(FeedLane.objects.get())

    lifecycle.skip_change(lane, actor="user:eve", reason="no such street")

    drain_until_empty()
    assert receiver.versions("A") == [5, 6, 6]


def edit(number: str, city: str) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE orders_order SET city = %s WHERE number = %s", (city, number))


def _skip(lane: FeedLane) -> None:
    try:
        lifecycle.skip_change(lane, actor="user:eve", reason="no such street")
    finally:
        connection.close()


def _write(failures: list[Exception]) -> None:
    try:
        change("A", 2)
    except Exception as failure:
        failures.append(failure)
    finally:
        connection.close()


def _until_it_waits_or_is_done(writer: threading.Thread) -> None:
    ends = time.monotonic() + 5
    while writer.is_alive() and time.monotonic() < ends:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
            if cursor.fetchone() != (0,):
                return
        time.sleep(0.01)
