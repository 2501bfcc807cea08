"""How long claiming takes: with few lanes pending, with a million, and after a million went."""

import asyncio
import statistics
import time

import psycopg

from tests.bench.support.backlog import add_changes

ROUNDS = 200
AT_ONCE = 64
LEASE_SECONDS = 30
_CHUNK = 10_000


def growth(address: str, many: int) -> dict[str, float]:
    """Milliseconds per claim of 64 lanes with 1,000 pending, with `many`, and after `many` went.

    The last is with 1,000 pending again, while a writing transaction has been open all along.
    What is claimed is delivered, and as many new changes come, as in a feed that is in use.
    """
    from tests.changefeed.rows import make_endpoint

    make_endpoint(name="claimed from")
    feed = _Feed(address)
    feed.add(1_000)
    few = feed.claim_ms()
    feed.add(many - 1_000)
    full = feed.claim_ms()
    with psycopg.connect(address) as holder:
        holder.execute("SELECT pg_current_xact_id()")
        holder.execute("SELECT count(*) FROM changefeed_endpoint")
        feed.deliver_all()
        feed.add(1_000)
        after = feed.claim_ms()
        holder.rollback()
    return {"claim_few_ms": few, "claim_many_ms": full, "claim_after_many_ms": after}


class _Feed:
    """Orders with one change each, numbered on and on."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._added = 0

    def add(self, orders: int) -> None:
        add_changes(self._address, orders, versions=1, first=self._added + 1)
        self._added += orders

    def deliver_all(self) -> None:
        """Lanes go in the order in which they are due, as completion removes them."""
        with psycopg.connect(self._address, autocommit=True) as connection:
            row = connection.execute("SELECT min(id), max(id) FROM changefeed_feedlane").fetchone()
            assert row is not None
            for start in range(row[0], row[1] + 1, _CHUNK):
                some = {"from": start, "to": start + _CHUNK}
                connection.execute(
                    "UPDATE changefeed_feedlane SET lease_id = gen_random_uuid(), state = 'leased'"
                    " WHERE id >= %(from)s AND id < %(to)s",
                    some,
                )
                connection.execute(
                    "DELETE FROM changefeed_feedlane WHERE id >= %(from)s AND id < %(to)s", some
                )

    def claim_ms(self) -> float:
        """Lower quartile of the rounds, which other work on the machine disturbs least."""
        with psycopg.connect(self._address, autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE changefeed_feedlane, changefeed_change")
            connection.execute("CHECKPOINT")
        return statistics.quantiles(asyncio.run(self._measured()), n=4)[0]

    async def _measured(self) -> list[float]:
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
                ids = [lane.id for lane in lanes]
                await connection.execute(
                    "DELETE FROM changefeed_feedlane WHERE id = ANY(%s)", (ids,)
                )
                self.add(AT_ONCE)
        return taken
