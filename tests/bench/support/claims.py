"""How long claiming takes: with few lanes pending, with a million, and after a million went."""

import asyncio
import statistics
import time
from typing import Any

import psycopg

from tests.bench.support.backlog import add_changes

ROUNDS = 200
AT_ONCE = 64
LEASE_SECONDS = 30
_CHUNK = 10_000


def growth(address: str, many: int) -> dict[str, float]:
    """Milliseconds per claim of 64 lanes with 1,000 pending, with `many`, and after `many` went.

    The last is with 1,000 pending again, while a writing transaction has been open all along.
    """
    from tests.changefeed.rows import make_endpoint

    make_endpoint(name="claimed from")
    add_changes(address, 1_000, versions=1)
    _settle(address)
    few = _claim_ms()
    add_changes(address, many, versions=1, first=1_001)
    _settle(address)
    full = _claim_ms()
    with psycopg.connect(address) as holder:
        holder.execute("SELECT pg_current_xact_id()")
        holder.execute("SELECT count(*) FROM changefeed_endpoint")
        _deliver_all(address)
        add_changes(address, 1_000, versions=1, first=many + 2_000)
        time.sleep(2.5)
        after = _claim_ms()
        holder.rollback()
    return {"claim_few_ms": few, "claim_many_ms": full, "claim_after_many_ms": after}


def _settle(address: str) -> None:
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE changefeed_feedlane, changefeed_change")
        connection.execute("CHECKPOINT")


def _deliver_all(address: str) -> None:
    """Lanes go in the order in which they are due, as completion removes them."""
    with psycopg.connect(address, autocommit=True) as connection:
        row = connection.execute("SELECT min(id), max(id) FROM changefeed_feedlane").fetchone()
        assert row is not None
        for start in range(row[0], row[1] + 1, _CHUNK):
            connection.execute(
                "UPDATE changefeed_feedlane SET lease_id = gen_random_uuid(), state = 'leased'"
                " WHERE id >= %s AND id < %s",
                (start, start + _CHUNK),
            )
            connection.execute(
                "DELETE FROM changefeed_feedlane WHERE id >= %s AND id < %s",
                (start, start + _CHUNK),
            )


def _claim_ms() -> float:
    """Lower quartile of the rounds, which other work on the machine disturbs least.

    Every claimed lane is let go again outside the time taken.
    """
    return asyncio.run(_measured())


async def _measured() -> float:
    from changefeed.dispatch.breaker import sendable
    from changefeed.dispatch.claiming import claim
    from changefeed.dispatch.database import open_pool
    from changefeed.dispatch.horizon import Horizon

    taken: list[float] = []
    horizon = Horizon()
    async with open_pool() as pool, pool.connection() as connection:
        await horizon.refresh(connection)
        (endpoint,) = await sendable(connection, horizon=horizon)
        for _round in range(ROUNDS):
            began = time.perf_counter()
            await horizon.refresh(connection)
            lanes = await claim(
                connection,
                endpoint,
                limit=AT_ONCE,
                depth=20,
                lease_seconds=LEASE_SECONDS,
                since=horizon.since(endpoint.id),
            )
            taken.append((time.perf_counter() - began) * 1000)
            assert len(lanes) == AT_ONCE
            await _let_go(connection, [lane.id for lane in lanes])
    return statistics.quantiles(taken, n=4)[0]


async def _let_go(connection: Any, ids: list[int]) -> None:
    await connection.execute(
        "UPDATE changefeed_feedlane SET lease_id = NULL, lease_until = NULL, state = 'ready',"
        " due_at = now() WHERE id = ANY(%s)",
        (ids,),
    )
