"""Collects what became of lanes and writes it down, many lanes in one transaction."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from changefeed.dispatch.claiming import ClaimedLane
from changefeed.dispatch.completing import (
    AttemptRecord,
    Fate,
    LaneResult,
    complete,
    log_attempts,
)
from changefeed.dispatch.database import Pool
from changefeed.dispatch.queueing import Line
from changefeed.dispatch.verdicts import Verdict

log = structlog.get_logger(__name__)

_GATHER_SECONDS = 0.01
# A lane that has more to send waits for its progress to be on record, so it waits little.
_GATHER_WITH_RENEWALS_SECONDS = 0.002
_AT_MOST = 1000
_BUSY_RETRY_SECONDS = 0.05


class _NotLogged(Exception):
    """Attempts could not be stored, and the transaction is to be undone."""


class Ledger:
    """What is to be written down for one endpoint's lanes.

    `on_fate` hears what became of each lane: renewed ones may be sent from again, all others are
    out of our hands. For a lane that a writer holds locked, a statement of its own stands in line
    behind the writer, lest the lease run out meanwhile and another dispatcher be first; when the
    line is full, the lane is marked and comes back for another round by itself.
    """

    def __init__(
        self,
        pool: Pool,
        lease_seconds: int,
        on_fate: Callable[[ClaimedLane, Fate], None],
        line: Line | None = None,
    ) -> None:
        self._pool = pool
        self._lease_seconds = lease_seconds
        self._on_fate = on_fate
        self._line = line
        self._in_line: dict[int, asyncio.Task[None]] = {}
        self._marked: set[int] = set()
        self._kept_if_held: set[int] = set()
        self._results: list[tuple[ClaimedLane, LaneResult]] = []
        self._attempts: list[AttemptRecord] = []
        self._have_results = asyncio.Event()
        self._has_renewals = False

    @property
    def is_empty(self) -> bool:
        return not self._results and not self._in_line

    def log(self, attempt: AttemptRecord) -> None:
        """Write an attempt down with the next results."""
        self._attempts.append(attempt)

    def release(self, lane: ClaimedLane, verdict: Verdict, *, keeps_if_held: bool = False) -> None:
        """Let the lane go, as far as it came.

        With `keeps_if_held`, one that a writer holds is renewed instead: on a subject that is
        written without a pause, the next claim might not find a free moment for long.
        """
        if keeps_if_held:
            self._kept_if_held.add(lane.id)
        self._add(lane, verdict, renewal=None)

    def renew(self, lane: ClaimedLane, verdict: Verdict) -> None:
        """Put on record how far the lane came, and hold it longer."""
        self._has_renewals = True
        self._add(lane, verdict, renewal=float(self._lease_seconds))

    def _add(self, lane: ClaimedLane, verdict: Verdict, renewal: float | None) -> None:
        covered = lane.covered_seq()
        result = LaneResult(
            lane_id=lane.id,
            lease_id=lane.lease.id,
            claimed_head=lane.head_seq,
            covered_seq=covered,
            state=verdict.state,
            delay=verdict.delay,
            attempts=verdict.attempts,
            rejections=verdict.rejections,
            pending_since=lane.pending_since(),
            ahead=lane.ahead(covered),
            renewal=renewal,
        )
        self._results.append((lane, result))
        self._have_results.set()

    async def keep(self) -> None:
        """Write down whatever comes, until cancelled."""
        try:
            while True:
                await self._have_results.wait()
                await asyncio.sleep(
                    _GATHER_WITH_RENEWALS_SECONDS if self._has_renewals else _GATHER_SECONDS
                )
                await self.flush()
        finally:
            for task in self._in_line.values():
                task.cancel()

    async def flush(self) -> None:
        """Write down what there is, or wait for what stands in line."""
        if not self._results and self._in_line:
            await asyncio.wait(self._in_line.values(), return_when=asyncio.FIRST_COMPLETED)
            return
        results, self._results = self._results[:_AT_MOST], self._results[_AT_MOST:]
        attempts, self._attempts = self._attempts, []
        self._has_renewals = any(one.renewal is not None for _lane, one in self._results)
        began = time.monotonic()
        fates = await self._write([result for _lane, result in results], attempts)
        held_up: list[ClaimedLane] = []
        for lane, result in results:
            fate = fates.get(result.lane_id, Fate.LOST)
            if fate is Fate.BUSY:
                if not self._stand_in_line(lane, result):
                    held_up.append(lane)
                continue
            self._kept_if_held.discard(lane.id)
            if fate is Fate.RENEWED:
                lane.head_seq = max(lane.head_seq, result.covered_seq + 1)
                lane.lease = replace(lane.lease, ends_at=began + self._lease_seconds)
            self._on_fate(lane, fate)
        if not self._results:
            self._have_results.clear()
        await self._mark(held_up)
        if held_up:
            await asyncio.sleep(_BUSY_RETRY_SECONDS)

    async def _write(
        self, results: list[LaneResult], attempts: list[AttemptRecord]
    ) -> dict[int, Fate]:
        """One transaction for both; attempts that cannot be stored stop no delivery."""
        async with self._pool.connection() as connection:
            try:
                async with connection.transaction():
                    fates = await complete(connection, results)
                    try:
                        await log_attempts(connection, attempts)
                    except Exception as problem:
                        raise _NotLogged from problem
            except _NotLogged as undone:
                # The first line only: what follows would show the row.
                reason = f"{undone.__cause__}".partition("\n")[0]
                log.error("feed.attempts_lost", attempts=len(attempts), problem=reason)
                async with connection.transaction():
                    fates = await complete(connection, results)
        return fates

    def _stand_in_line(self, lane: ClaimedLane, result: LaneResult) -> bool:
        """Wait for the lane's writer if there is room for it, else take another round."""
        if self._line is None or not self._line.enter():
            self._results.append((lane, result))
            return False
        if lane.id in self._kept_if_held:
            self._kept_if_held.discard(lane.id)
            result = replace(result, renewal=float(self._lease_seconds))
        waiting = self._wait(self._line, lane, result)
        self._in_line[lane.id] = asyncio.create_task(waiting)
        return True

    async def _mark(self, held_up: list[ClaimedLane]) -> None:
        """Keep other dispatchers away from what was sent, once its lease comes near its end."""
        if self._line is None or not (held_up or self._marked):
            return
        soon = self._lease_seconds / 2
        marked = {lane.id for lane in held_up if lane.lease.seconds_left() < soon}
        # Who has just found room in line has not marked its lane there yet.
        marked |= self._marked & self._in_line.keys()
        if marked or self._marked:
            self._marked = marked
            await self._line.marks.hold(id(self), marked)

    async def _wait(self, line: Line, lane: ClaimedLane, result: LaneResult) -> None:
        fate = await line.complete(result)
        if fate is not Fate.BUSY and lane.id in self._marked:
            self._marked.discard(lane.id)
            await line.marks.hold(id(self), self._marked)
        del self._in_line[lane.id]
        if fate is Fate.BUSY:
            self._results.append((lane, result))
            self._have_results.set()
        else:
            # Nobody knows how long it took, nor what the writer added.
            lane.is_outdated = True
            self._on_fate(lane, fate)
