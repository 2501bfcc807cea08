"""Asynchronous connections to Django's database, and the places that limit dispatchers."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from django.db import connection
from psycopg import AsyncConnection
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

Pool = AsyncConnectionPool[AsyncConnection[DictRow]]
PLACES = 8
APPLICATION_NAME = "sluice-feed"
PLACE_IDLE_SECONDS = 30
PLACE_PING_SECONDS = 3.0
_ALLOW_IDLE = "SELECT set_config('idle_in_transaction_session_timeout', %s, true)"
_PLACE_LOCK = 0x51C1CE
LANE_MARK = 0x51C1CF
"""Class of the advisory locks on lanes whose holder waits to write down what it sent."""
LANE_MARK_BITS = 0x7FFFFFFF


def connection_parameters() -> dict[str, Any]:
    """What psycopg needs to reach the same database as Django, tests included."""
    parameters = dict(connection.get_connection_params())
    for name in ("cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    # Plans are cheap next to a batch, and a pooler in between may not keep prepared statements.
    return {
        **parameters,
        "application_name": APPLICATION_NAME,
        "autocommit": True,
        "prepare_threshold": None,
        "row_factory": dict_row,
    }


@asynccontextmanager
async def open_pool(
    *, least: int = 1, most: int = 4, idle_seconds: float = 600
) -> AsyncIterator[Pool]:
    """A few autocommit connections shared by all endpoints of one dispatcher."""
    pool: Pool = AsyncConnectionPool(
        kwargs=connection_parameters(),
        min_size=least,
        max_size=most,
        max_idle=idle_seconds,
        open=False,
        timeout=10,
    )
    await pool.open()
    try:
        yield pool
    finally:
        await pool.close()


@asynccontextmanager
async def take_place(places: int) -> AsyncIterator[int | None]:
    """The number of a free dispatcher place below `places`, held until the block ends, or None.

    Held by a lock of an open transaction, which frees it when the process dies and which a
    pooler keeps on one connection. It reads nothing, so it holds no vacuum back. A process that
    stands still loses it after PLACE_IDLE_SECONDS, lest endpoints with a rate wait for it for
    ever; then, or when its connection is lost, the block is cancelled and one of `loop.LOST` raised
    in an ExceptionGroup, for the place is another's by then.
    """
    parameters = {**connection_parameters(), "autocommit": False}
    async with await AsyncConnection.connect(**parameters) as holder:
        await holder.execute(_ALLOW_IDLE, [f"{PLACE_IDLE_SECONDS}s"])
        for place in range(places):
            taken = await holder.execute(
                "SELECT pg_try_advisory_xact_lock(%s, %s) AS taken", (_PLACE_LOCK, place)
            )
            row = await taken.fetchone()
            if row and row["taken"]:
                async with asyncio.TaskGroup() as group:
                    keeper = group.create_task(_keep(holder))
                    yield place
                    keeper.cancel()
                return
        yield None


async def _keep(holder: AsyncConnection[DictRow]) -> None:
    """Show that we are alive, and notice when the server has given up on us."""
    while True:
        await asyncio.sleep(PLACE_PING_SECONDS)
        await holder.execute("SELECT 1")
