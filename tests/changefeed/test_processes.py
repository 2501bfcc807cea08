"""Dispatchers as processes: killed in the middle, several at once, woken by a nudge."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest
from aiohttp import web
from django.conf import settings
from django.db import connection

from changefeed import tasks
from changefeed.dispatch.database import APPLICATION_NAME
from changefeed.metrics import feed_figures
from changefeed.models import FeedLane
from tests.changefeed.conftest import drain_until_empty
from tests.changefeed.receiver import Delivery, Receiver
from tests.changefeed.rows import change, changes, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)

MANAGE = Path(__file__).resolve().parents[2] / "manage.py"


def start_drain(*options: str) -> subprocess.Popen[bytes]:
    """`manage.py drain` against the test database."""
    given = connection.settings_dict
    query = f"host={quote(given['HOST'], safe='')}&port={given['PORT']}"
    account = quote(given["USER"]) + (f":{quote(given['PASSWORD'])}" if given["PASSWORD"] else "")
    environment = {
        **os.environ,
        "DATABASE_URL": f"postgresql://{account}@/{given['NAME']}?{query}",
        "BROKER_URL": settings.CELERY_BROKER_URL,
        "CACHE_URL": settings.CACHES["default"]["LOCATION"],
        "SLUICE_FEED_ALLOW_PRIVATE_ADDRESSES": "1",
    }
    return subprocess.Popen(
        [sys.executable, str(MANAGE), "drain", *options],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


async def slowly(request: web.Request, delivery: Delivery) -> web.StreamResponse:
    await asyncio.sleep(0.02)
    return web.Response(status=204)


def first_sight(deliveries: list[Delivery], subject: str) -> list[int]:
    """Versions of a subject in the order in which each was first acknowledged."""
    return list(dict.fromkeys(one.version for one in deliveries if one.subject == subject))


def test_a_dispatcher_killed_in_the_middle_loses_nothing(receiver: Receiver):
    receiver.behaviour = slowly
    make_endpoint(url=receiver.url)
    changes(subjects=60, versions=10)
    process = start_drain()
    try:
        receiver.wait_for(150)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    time.sleep(0.1)
    heads = dict(FeedLane.objects.values_list("subject_id", "head_seq"))
    in_flight = {
        one.id
        for one in receiver.seen
        if one.subject in heads and one.document["data"]["seq"] >= heads[one.subject]
    }
    with connection.cursor() as cursor:
        cursor.execute("UPDATE changefeed_feedlane SET lease_until = now() - interval '1 second'")

    drain_until_empty()

    for number in range(60):
        assert first_sight(receiver.acknowledged, f"O{number}") == list(range(1, 11))
    bodies: dict[str, set[bytes]] = {}
    for one in receiver.seen:
        bodies.setdefault(one.id, set()).add(one.body)
    assert len(bodies) == 600
    assert all(len(variants) == 1 for variants in bodies.values())
    repeated = [one.id for one in receiver.seen]
    again = {one for one in repeated if repeated.count(one) > 1}
    assert again <= in_flight
    subjects = [one.subject for one in receiver.seen if one.id in again]
    assert all(subjects.count(subject) <= 2 for subject in subjects), "one message a subject"
    assert receiver.overlaps == []


def test_a_dispatcher_killed_among_batches_repeats_only_what_was_in_flight(receiver: Receiver):
    receiver.behaviour = slowly
    make_endpoint(url=receiver.url, batch_size=5, concurrency=4)
    changes(subjects=60, versions=8)
    process = start_drain()
    try:
        receiver.wait_for(20)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    time.sleep(0.1)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE changefeed_feedlane SET lease_until = now() - interval '1 second'")

    drain_until_empty()

    bodies: dict[str, set[str]] = {}
    told: list[str] = []
    for one in receiver.seen:
        for message in one.messages:
            told.append(message["id"])
            bodies.setdefault(message["id"], set()).add(json.dumps(message))
    assert len(bodies) == 480
    assert all(len(variants) == 1 for variants in bodies.values())
    # Of each subject what one request holds: its next leaves only when that is on record.
    for number in range(60):
        versions = receiver.versions(f"O{number}")
        assert list(dict.fromkeys(versions)) == list(range(1, 9))
        assert len(versions) - 8 <= 5
    assert len(told) - len(bodies) < 480 / 2
    assert receiver.overlaps == []


def test_two_dispatchers_share_the_work_without_stealing(receiver: Receiver):
    receiver.behaviour = slowly
    make_endpoint(url=receiver.url)
    changes(subjects=80, versions=5)

    processes = [start_drain("--once"), start_drain("--once")]
    printed = [process.communicate(timeout=60)[0].decode() for process in processes]

    counts = [int(re.findall(r"\d+", text)[-1]) for text in printed]
    assert sum(counts) == 400
    assert len(receiver.seen) == 400
    assert receiver.overlaps == []
    for number in range(80):
        assert receiver.versions(f"O{number}") == [1, 2, 3, 4, 5]


def test_sigterm_finishes_what_is_being_sent(receiver: Receiver):
    receiver.behaviour = slowly
    make_endpoint(url=receiver.url)
    changes(subjects=60, versions=20)
    process = start_drain()
    receiver.wait_for(100)

    process.terminate()

    assert process.wait(timeout=15) == 0
    assert not FeedLane.objects.filter(lease_id__isnull=False).exists()
    sent = len(receiver.seen)
    drain_until_empty()
    assert len(receiver.seen) == 1200
    assert sent < 1200
    assert len({one.id for one in receiver.seen}) == 1200


def test_a_dispatcher_survives_the_loss_of_its_database_connections(receiver: Receiver):
    receiver.behaviour = slowly
    make_endpoint(url=receiver.url)
    changes(subjects=60, versions=10)
    process = start_drain()
    try:
        receiver.wait_for(100)
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                " WHERE application_name = %s AND datname = current_database()",
                [APPLICATION_NAME],
            )
            assert cursor.fetchone()[0] >= 1
        time.sleep(0.2)
        with connection.cursor() as cursor:
            cursor.execute(
                "UPDATE changefeed_feedlane SET lease_until = now() - interval '1 second'"
            )
        ends_at = time.monotonic() + 30
        while FeedLane.objects.exists() and time.monotonic() < ends_at:
            time.sleep(0.05)
    finally:
        process.terminate()
        assert process.wait(timeout=15) == 0

    assert not FeedLane.objects.exists()
    for number in range(60):
        assert first_sight(receiver.acknowledged, f"O{number}") == list(range(1, 11))


def test_the_task_drains_and_two_at_once_are_one(receiver: Receiver):
    make_endpoint(url=receiver.url)
    changes(subjects=5, versions=2)

    assert tasks.drain_feed() == 10
    assert tasks.drain_feed() == 0
    assert len(receiver.seen) == 10


def test_a_second_task_joins_only_when_lanes_are_late():
    make_endpoint()
    assert not tasks._is_late()
    change("A")
    assert not tasks._is_late()
    with connection.cursor() as cursor:
        cursor.execute("UPDATE changefeed_feedlane SET due_at = now() - interval '3 seconds'")
    assert tasks._is_late()


def _nudged(times: int = 1) -> None:
    """Nudge as if the last one were long ago, and see it through."""
    tasks._nudged_at = 0.0
    for _ in range(times):
        tasks.nudge()
    with tasks._nudging:
        pass


@pytest.fixture
def a_new_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has nudged in it, and it lasts."""
    moment = uuid4().hex
    monkeypatch.setattr(tasks, "_moment", lambda: moment)


@pytest.mark.usefixtures("a_new_moment")
def test_nudges_are_few_and_a_missing_broker_is_no_error(monkeypatch, caplog):
    sent: list[object] = []
    monkeypatch.setattr(tasks.drain_feed, "apply_async", lambda **options: sent.append(options))

    _nudged(times=100)
    assert sent == [{"retry": False}]

    def refuse(**options: object) -> None:
        raise ConnectionError("no broker")

    monkeypatch.setattr(tasks.drain_feed, "apply_async", refuse)
    monkeypatch.setattr(tasks, "_moment", lambda: uuid4().hex)
    _nudged()
    assert "could not be nudged" in caplog.text


@pytest.mark.usefixtures("a_new_moment")
def test_of_all_processes_together_one_nudge_in_a_moment(monkeypatch):
    """Another process is one that does not know when this one nudged."""
    sent: list[object] = []
    monkeypatch.setattr(tasks.drain_feed, "apply_async", lambda **options: sent.append(options))

    for _process in range(5):
        _nudged()

    assert len(sent) == 1


@pytest.mark.usefixtures("a_new_moment")
def test_a_broker_that_hangs_holds_up_nobody(monkeypatch):
    released = threading.Event()
    asked: list[object] = []

    def hang(**options: object) -> None:
        asked.append(options)
        released.wait(20)

    monkeypatch.setattr(tasks.drain_feed, "apply_async", hang)

    began = time.monotonic()
    for _commit in range(3):
        tasks._nudged_at = 0.0
        tasks.nudge()
    took = time.monotonic() - began
    released.set()
    _nudged()

    assert took < 5
    assert len(asked) <= 2


def test_the_figures_count_what_waits():
    first = make_endpoint(name="a")
    make_endpoint(name="b", kinds=["nothing"])
    changes(subjects=3, versions=2)
    FeedLane.objects.filter(subject_id="O0").update(due_at=None, state="parked")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE changefeed_feedlane SET pending_since = now() - interval '90 s'"
            " WHERE subject_id = 'O1'"
        )

    figures = feed_figures()

    lag, idle = figures.endpoints
    assert (lag.endpoint_id, lag.name, lag.state) == (first.pk, "a", "active")
    assert (lag.pending_lanes, lag.parked_lanes) == (3, 1)
    assert 90 <= lag.oldest_pending_seconds < 95
    assert (idle.pending_lanes, idle.oldest_pending_seconds) == (0, 0.0)
    assert figures.pending_lanes == 3
    assert figures.oldest_pending_seconds == lag.oldest_pending_seconds
    assert figures.outside_partitions == 0
