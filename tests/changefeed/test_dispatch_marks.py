"""Marks on lanes: held for as long as they are asked for, by one connection, and then gone."""

import asyncio

import psycopg
import pytest

from changefeed.dispatch import marks as marks_module
from changefeed.dispatch.database import LANE_MARK, connection_parameters
from changefeed.dispatch.marks import Marks

pytestmark = pytest.mark.django_db(transaction=True)

_HELD = """
SELECT coalesce(array_agg(DISTINCT objid::bigint ORDER BY objid::bigint), '{}') AS held,
       coalesce(array_agg(DISTINCT pid), '{}') AS pids
FROM pg_locks WHERE locktype = 'advisory' AND classid = %s AND objsubid = 2
"""


class Look:
    """What another connection sees of the marks."""

    def __init__(self, link: psycopg.AsyncConnection) -> None:
        self._link = link

    async def held(self) -> list[int]:
        return list((await self._row())["held"])

    async def end_the_holder(self) -> None:
        (pid,) = (await self._row())["pids"]
        await self._link.execute("SELECT pg_terminate_backend(%s)", [pid])
        while await self.held():
            pass

    async def _row(self):
        return await (await self._link.execute(_HELD, [LANE_MARK])).fetchone()


def _with_marks(act):
    async def run():
        link = await psycopg.AsyncConnection.connect(**connection_parameters())
        marks = Marks()
        try:
            return await act(marks, Look(link))
        finally:
            await marks.close()
            await link.close()

    return asyncio.run(run())


def test_each_owner_has_its_own_marks_and_the_last_takes_the_connection_along():
    async def act(marks: Marks, look: Look) -> list[list[int]]:
        seen = []
        for owner, lane_ids in (
            (1, {5, 6}),
            (2, {6, 2**31 + 7}),
            (1, {5}),
            (1, set()),
            (2, set()),
        ):
            await marks.hold(owner, lane_ids)
            if owner == 2 and not lane_ids:
                assert marks._link is None
                # The server notices a moment after we have gone.
                while await look.held():
                    pass
            seen.append(await look.held())
        return seen

    assert _with_marks(act) == [[5, 6], [5, 6, 7], [5, 6, 7], [6, 7], []]


def test_marks_lost_with_their_connection_come_back_with_the_next_call():
    async def act(marks: Marks, look: Look) -> list[list[int]]:
        await marks.hold(1, {5, 6})
        await look.end_the_holder()
        lost = await look.held()
        await marks.hold(1, {6, 8})
        return [lost, await look.held()]

    assert _with_marks(act) == [[], [6, 8]]


def test_a_process_that_stands_still_does_not_keep_its_marks(monkeypatch):
    monkeypatch.setattr(marks_module, "_IDLE_MILLISECONDS", 50)

    async def act(marks: Marks, look: Look) -> list[int]:
        await marks.hold(1, {5})
        while await look.held():
            pass
        return await look.held()

    assert _with_marks(act) == []


def test_marks_do_not_fill_the_lock_table(monkeypatch):
    monkeypatch.setattr(marks_module, "MOST_MARKS", 3)

    async def act(marks: Marks, look: Look) -> list[list[int]]:
        await marks.hold(1, set(range(1, 10)))
        first = await look.held()
        await marks.hold(1, set(range(3, 10)))
        return [first, await look.held()]

    assert _with_marks(act) == [[1, 2, 3], [3, 4, 5]]
