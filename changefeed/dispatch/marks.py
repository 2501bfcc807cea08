"""Marks on lanes whose holder waits to write down what arrived: no claim takes them meanwhile."""

import asyncio
from collections.abc import Set
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg.rows import DictRow

from changefeed.dispatch.database import LANE_MARK, LANE_MARK_BITS, connection_parameters

# Each mark takes one of the some 6,400 places that a server's lock table has by default.
MOST_MARKS = 500
# A process that stands still keeps its marks no longer than this.
_IDLE_MILLISECONDS = 5000

_BEGIN = "SELECT set_config('idle_in_transaction_session_timeout', %s, true)"
_CHANGE = """
SELECT (SELECT count(pg_advisory_lock_shared(%(mark)s, id)) FROM unnest(%(added)s::int[]) AS id),
       (SELECT count(pg_advisory_unlock_shared(%(mark)s, id)) FROM unnest(%(gone)s::int[]) AS id)
"""


class Marks:
    """The marks of one process, held by one connection that is open only while there are any.

    They are held inside a transaction, which a pooler keeps on one connection, and only as long
    as `hold` is called again and again.
    """

    def __init__(self) -> None:
        self._wanted: dict[int, Set[int]] = {}
        self._held: set[int] = set()
        self._link: AsyncConnection[DictRow] | None = None
        self._turn = asyncio.Lock()

    async def hold(self, owner: int, lane_ids: Set[int]) -> None:
        """Hold the marks of these lanes for the owner, and no others of it."""
        if lane_ids:
            self._wanted[owner] = {lane_id & LANE_MARK_BITS for lane_id in lane_ids}
        else:
            self._wanted.pop(owner, None)
        async with self._turn:
            wanted = set().union(*self._wanted.values())
            if not wanted:
                await self.close()
                return
            try:
                await self._change(wanted)
            except psycopg.Error:
                # The server ends a connection that was still for too long, and with it the marks.
                await self.close()
                with suppress(psycopg.Error):
                    await self._change(wanted)

    async def close(self) -> None:
        """Give all marks up."""
        link, self._link, self._held = self._link, None, set()
        if link is not None:
            await link.close()

    async def _change(self, wanted: Set[int]) -> None:
        kept = wanted & self._held
        added = sorted(wanted - kept)[: max(0, MOST_MARKS - len(kept))]
        gone = sorted(self._held - kept)
        if self._link is None:
            parameters: dict[str, Any] = {**connection_parameters(), "autocommit": False}
            self._link = await AsyncConnection.connect(**parameters)
            await self._link.execute(_BEGIN, [str(_IDLE_MILLISECONDS)])
        await self._link.execute(_CHANGE, {"mark": LANE_MARK, "added": added, "gone": gone})
        self._held = {*kept, *added}
