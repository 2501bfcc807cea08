"""The dispatcher: drains all endpoints side by side until nothing is due, or until stopped."""

import asyncio
import time
from contextlib import suppress

import psycopg
import structlog
from django.conf import settings
from psycopg_pool import PoolTimeout

from changefeed.dispatch import breaker
from changefeed.dispatch.breaker import EndpointView
from changefeed.dispatch.database import Pool, open_pool, take_place
from changefeed.dispatch.delivering import Limits
from changefeed.dispatch.draining import EndpointDrain
from changefeed.dispatch.horizon import horizon_of_process
from changefeed.dispatch.queueing import open_line

POLL_SECONDS = 0.05
LOST = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.errors.IdleInTransactionSessionTimeout,
    PoolTimeout,
)
"""What a lost database connection raises; it ends a dispatcher, whatever it was at."""

log = structlog.get_logger(__name__)


class Dispatcher:
    """One process's share of the work; several at once never hold the same lane.

    Endpoints with a rate limit are left to the dispatcher at place 0, so that the limit holds
    for all dispatchers together.
    """

    def __init__(self, pool: Pool, *, place: int = 0) -> None:
        self._pool = pool
        self._place = place
        self._limits = Limits(
            lease_seconds=settings.FEED_LEASE_SECONDS,
            allow_private=settings.FEED_ALLOW_PRIVATE_ADDRESSES,
        )
        self._horizon = horizon_of_process()
        self._horizon.doubt()
        self._drains: dict[int, tuple[EndpointDrain, asyncio.Task[int]]] = {}
        self._is_stopped = asyncio.Event()
        self._delivered = 0

    def stop(self) -> None:
        """Finish what is being sent and return from `run`."""
        self._is_stopped.set()
        for drain, _task in self._drains.values():
            drain.halt()

    async def run(self, *, seconds: float | None = None, linger: float | None = 0.0) -> int:
        """Drain until nothing has been due for `linger` seconds; the messages acknowledged.

        With `linger` None it waits for more until stopped. `seconds` bounds the time in which
        new requests begin. A lost database connection raises; leases then run out by themselves.
        """
        ends_at = None if seconds is None else time.monotonic() + seconds
        idle_since = time.monotonic()
        async with open_line() as self._line:
            return await self._run(ends_at, idle_since, linger)

    async def _run(self, ends_at: float | None, idle_since: float, linger: float | None) -> int:
        try:
            while not self._is_stopped.is_set():
                # What a drain left when it halted is looked for before we call it a day.
                await self._collect()
                await self._start_drains()
                now = time.monotonic()
                if self._drains:
                    idle_since = now
                elif linger is not None and now - idle_since >= linger:
                    break
                if ends_at is not None and now >= ends_at:
                    self.stop()
                await self._pause()
            self.stop()
            while self._drains:
                await asyncio.wait([task for _drain, task in self._drains.values()])
                await self._collect()
        finally:
            for _drain, task in self._drains.values():
                task.cancel()
        return self._delivered

    async def _start_drains(self) -> None:
        """Begin with what is due, and end what is no longer as it was when its drain began."""
        async with self._pool.connection() as connection:
            await self._horizon.refresh(connection)
            present = await breaker.present(connection, self._drains) if self._drains else {}
            endpoints = await breaker.sendable(
                connection, horizon=self._horizon, busy=self._drains.keys()
            )
        for endpoint_id, (drain, _task) in self._drains.items():
            drain.heed(present.get(endpoint_id))
        for endpoint in endpoints:
            if endpoint.id not in self._drains and self._is_mine(endpoint):
                drain = EndpointDrain(self._pool, endpoint, self._limits, self._horizon, self._line)
                self._drains[endpoint.id] = (drain, asyncio.create_task(drain.run()))

    def _is_mine(self, endpoint: EndpointView) -> bool:
        return self._place == 0 or not endpoint.rate

    async def _collect(self) -> None:
        """Take the drains that ended out. A mistake of ours in one of them stops no other."""
        for endpoint_id, (drain, task) in list(self._drains.items()):
            if not task.done():
                continue
            del self._drains[endpoint_id]
            try:
                self._delivered += task.result()
            except Exception as mistake:
                if _is_lost(mistake):
                    raise
                log.exception("feed.drain_failed", endpoint=drain.name)
                await drain.give_up()

    async def _pause(self) -> None:
        """Until a drain ends, a stop, or the next poll."""
        waits = [task for _drain, task in self._drains.values()]
        if waits:
            await asyncio.wait(waits, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        else:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_stopped.wait(), POLL_SECONDS)


def _is_lost(mistake: Exception) -> bool:
    """Whether a lost connection is among what went wrong."""
    if isinstance(mistake, ExceptionGroup):
        return mistake.subgroup(LOST) is not None
    return isinstance(mistake, LOST)


async def drain(
    *, seconds: float | None = None, linger: float | None = 0.0, places: int = 1
) -> int | None:
    """Run one dispatcher if one of `places` is free; None when all are taken."""
    async with take_place(places) as place:
        if place is None:
            return None
        async with open_pool() as pool:
            return await Dispatcher(pool, place=place).run(seconds=seconds, linger=linger)
