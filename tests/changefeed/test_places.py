"""Places of dispatchers: one each, given up by whoever dies, stands still or loses its server."""

import asyncio
import time

import pytest
from django.db import connection

from changefeed.dispatch import database
from changefeed.dispatch.database import take_place
from changefeed.dispatch.loop import LOST

pytestmark = pytest.mark.django_db(transaction=True)

_HOLDERS = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND classid = %s AND objsubid = 2
"""


def _end_holders() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_HOLDERS, [database._PLACE_LOCK])
    connection.close()


async def _first_free(places: int = 1) -> int | None:
    async with take_place(places) as place:
        return place


def test_a_place_is_held_until_the_block_ends():
    async def hold() -> list[int | None]:
        async with take_place(1) as mine:
            other = await _first_free()
        return [mine, other, await _first_free()]

    assert asyncio.run(hold()) == [0, None, 0]


def test_whoever_loses_its_place_stops(monkeypatch):
    """Else two would send to an endpoint with a rate."""
    monkeypatch.setattr(database, "PLACE_PING_SECONDS", 0.05)

    async def hold() -> None:
        async with take_place(1) as mine:
            assert mine == 0
            await asyncio.to_thread(_end_holders)
            await asyncio.sleep(20)

    began = time.monotonic()
    with pytest.raises(ExceptionGroup) as lost:
        asyncio.run(hold())

    assert lost.value.subgroup(LOST) is not None
    assert time.monotonic() - began < 10


def test_a_process_that_stands_still_does_not_keep_its_place(monkeypatch):
    monkeypatch.setattr(database, "PLACE_IDLE_SECONDS", 1)
    monkeypatch.setattr(database, "PLACE_PING_SECONDS", 3600.0)
    taken: list[int | None] = []

    async def stand_still() -> None:
        async with take_place(1):
            ends = time.monotonic() + 20
            while not taken or (taken[-1] is None and time.monotonic() < ends):
                taken.append(await _first_free())
                await asyncio.sleep(0.1)

    with pytest.raises(LOST):
        asyncio.run(stand_still())

    assert (taken[0], taken[-1]) == (None, 0)


def test_a_place_is_kept_by_whoever_is_at_work(monkeypatch):
    monkeypatch.setattr(database, "PLACE_IDLE_SECONDS", 1)
    monkeypatch.setattr(database, "PLACE_PING_SECONDS", 0.1)

    async def work() -> int | None:
        async with take_place(1):
            await asyncio.sleep(2.0)
            return await _first_free()

    assert asyncio.run(work()) is None
