"""A writer that drew its sequence early and commits late, without its subject's lock: not lost."""

import asyncio

import psycopg
import pytest
from django.db import connection

from changefeed.dispatch.breaker import sendable
from changefeed.dispatch.claiming import claim
from changefeed.dispatch.completing import LaneResult, complete
from changefeed.dispatch.database import connection_parameters
from changefeed.models import FeedLane
from tests.changefeed.conftest import drain_until_empty
from tests.changefeed.rows import change, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)


def draw() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval('changefeed_change_seq')")
        return int(cursor.fetchone()[0])


def write_late(seq: int, version: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO changefeed_change"
            " (seq, subject_kind, subject_id, subject_version, kind)"
            " VALUES (%s, 'order', 'A', %s, 'order.changed')",
            (seq, version),
        )


async def send_all_while(late) -> None:
    """Claim, have something happen, and write down that all that was claimed arrived."""
    async with await psycopg.AsyncConnection.connect(**connection_parameters()) as link:
        (endpoint,) = await sendable(link)
        (lane,) = await claim(link, endpoint, limit=1, depth=20, lease_seconds=30)
        await asyncio.to_thread(late)
        await complete(
            link,
            [
                LaneResult(
                    lane_id=lane.id,
                    lease_id=lane.lease.id,
                    claimed_head=lane.head_seq,
                    covered_seq=lane.last_seq,
                    state="ready",
                    delay=0.0,
                    attempts=0,
                    rejections=0,
                    pending_since=None,
                )
            ],
        )


def test_a_change_that_commits_between_two_that_are_being_sent_is_told(receiver):
    make_endpoint(url=receiver.url)
    change("A", 1)
    early = draw()
    change("A", 3)

    def late() -> None:
        write_late(early, 2)
        connection.close()

    asyncio.run(send_all_while(late))

    assert FeedLane.objects.exists()
    drain_until_empty()
    assert 2 in receiver.versions("A")


def test_a_change_that_commits_late_into_a_waiting_lane_takes_its_place(receiver):
    make_endpoint(url=receiver.url)
    change("A", 1)
    early = draw()
    change("A", 3)
    write_late(early, 2)

    drain_until_empty()

    assert receiver.versions("A") == [1, 2, 3]
