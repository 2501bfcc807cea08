"""Skipping a change while its subject is being written: nobody waits for ever."""

import threading
import time

import pytest
from django.db import connection

from changefeed import lifecycle
from changefeed.models import Change, FeedLane, LaneState
from tests.changefeed.admin_pages import park
from tests.changefeed.conftest import drain_until_empty
from tests.changefeed.rows import change, make_endpoint

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
