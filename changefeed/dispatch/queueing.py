"""Completions that stand in line behind a writer, each on a connection of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psycopg

from changefeed.dispatch.completing import COMPLETE_IN_LINE, Fate, LaneResult, complete
from changefeed.dispatch.database import Pool, open_pool
from changefeed.dispatch.marks import Marks

MOST_IN_LINE = 6


class Line:
    """Room for a few completions that wait for a lane's lock; shared by all endpoints.

    One lane a statement: what waits for one lock and holds no other cannot deadlock. The statement
    is its own transaction, so the server finishes it even if this process stands still or dies.
    Whoever finds no room tries again from time to time, and has `marks` to keep the lane by.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._free = MOST_IN_LINE
        self.marks = Marks()

    def enter(self) -> bool:
        """Take one of the places, if one is free; `complete` gives it back."""
        if not self._free:
            return False
        self._free -= 1
        return True

    async def complete(self, result: LaneResult) -> Fate:
        """Apply the result when the writer is done; BUSY when that could not be waited for."""
        try:
            async with self._pool.connection() as connection:
                fates = await complete(connection, [result], COMPLETE_IN_LINE)
        except psycopg.Error:
            # A time limit of the database, or no connection: to be tried again.
            return Fate.BUSY
        finally:
            self._free += 1
        return fates[result.lane_id]


@asynccontextmanager
async def open_line() -> AsyncIterator[Line]:
    """A line whose connections are opened when they are needed, and closed soon after."""
    async with open_pool(least=0, most=MOST_IN_LINE, idle_seconds=30) as pool:
        line = Line(pool)
        try:
            yield line
        finally:
            await line.marks.close()
