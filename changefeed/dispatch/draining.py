"""Drains one endpoint: claims ahead, sends on many lanes at once, completes in small batches."""

import asyncio
import random
import time
from dataclasses import dataclass

from changefeed.dispatch import backoff, breaker, verdicts
from changefeed.dispatch.backoff import Draw
from changefeed.dispatch.breaker import FAILURES_TO_OPEN, FRESH_ATTEMPTS, EndpointView
from changefeed.dispatch.claiming import ClaimedLane, claim
from changefeed.dispatch.completing import (
    AttemptRecord,
    Fate,
    LaneResult,
    complete,
    log_attempts,
)
from changefeed.dispatch.database import Pool
from changefeed.dispatch.sending import TOTAL_SECONDS, Answer, Sender
from changefeed.dispatch.verdicts import Verdict
from changefeed.models import AttemptOutcome, EndpointState

MESSAGES_PER_LANE = 20
draw: Draw = random.uniform
_FLUSH_EVERY_SECONDS = 0.01
_FLUSH_AT_MOST = 500
_BUSY_RETRY_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class Limits:
    """What the settings say about leases and addresses."""

    lease_seconds: int
    allow_private: bool

    @property
    def request_seconds(self) -> float:
        """Time for one request, well inside the lease."""
        return min(TOTAL_SECONDS, self.lease_seconds * 0.6)


class EndpointDrain:
    """One endpoint until nothing of it is due, it stops answering, or `halt()` is called.

    Memory is bounded by the lanes in hand: at most four times the endpoint's concurrency, each
    with up to MESSAGES_PER_LANE messages.
    """

    def __init__(self, pool: Pool, endpoint: EndpointView, limits: Limits) -> None:
        self._pool = pool
        self._endpoint = endpoint
        self._limits = limits
        self._queue: asyncio.Queue[ClaimedLane] = asyncio.Queue()
        self._queue_is_low = asyncio.Event()
        self._flushed = asyncio.Event()
        self._results: list[LaneResult] = []
        self._attempts: list[AttemptRecord] = []
        self._have_results = asyncio.Event()
        self._in_hand = 0
        self._is_halted = False
        self._failures = endpoint.failures
        self._is_probing = False
        self._pace = asyncio.Lock()
        self._sent_at = 0.0
        # A slow endpoint gets few lanes at a time, so that leases do not run out while waiting.
        rate = endpoint.rate
        self._breadth = min(endpoint.concurrency, rate * 5) if rate else endpoint.concurrency
        self.delivered = 0

    def halt(self) -> None:
        """Start nothing new; what is being sent is still completed."""
        self._is_halted = True
        self._queue_is_low.set()

    async def run(self) -> int:
        """Drain; the number of messages acknowledged."""
        endpoint, limits = self._endpoint, self._limits
        try:
            sender = Sender(
                endpoint, allow_private=limits.allow_private, total_seconds=limits.request_seconds
            )
        except ValueError as misconfigured:
            await self._open_breaker(str(misconfigured))
            return 0
        async with sender as self._sender:
            if endpoint.state != EndpointState.ACTIVE and not await self._probe():
                return self.delivered
            async with asyncio.TaskGroup() as group:
                flusher = group.create_task(self._flush_forever())
                workers = [group.create_task(self._work()) for _ in range(self._breadth)]
                await self._claim_until_empty()
                for task in (*workers, flusher):
                    task.cancel()
        return self.delivered

    # -- claiming -------------------------------------------------------------------------------

    async def _claim_until_empty(self) -> None:
        while not self._is_halted:
            lanes = await self._claim(limit=2 * self._breadth)
            for lane in lanes:
                self._queue.put_nowait(lane)
            if lanes:
                await self._wait_for_low_queue()
            elif self._in_hand:
                await self._wait_for_flush()
            else:
                break
        while self._in_hand:
            await self._wait_for_flush()
        await self._remember_failures()

    async def _wait_for_low_queue(self) -> None:
        self._queue_is_low.clear()
        if self._queue.qsize() > self._breadth and not self._is_halted:
            await self._queue_is_low.wait()

    async def _wait_for_flush(self) -> None:
        self._flushed.clear()
        await self._flushed.wait()

    async def _claim(self, limit: int, probe: bool = False) -> list[ClaimedLane]:
        async with self._pool.connection() as connection:
            lanes = await claim(
                connection,
                self._endpoint,
                limit=limit,
                depth=1 if probe else MESSAGES_PER_LANE,
                lease_seconds=self._limits.lease_seconds,
                probe=probe,
            )
        self._in_hand += len(lanes)
        return lanes

    async def _probe(self) -> bool:
        """Send one message to an endpoint that did not answer; whether it does now."""
        endpoint = self._endpoint
        async with self._pool.connection() as connection:
            if not await breaker.begin_probe(connection, endpoint.id, self._probe_seconds):
                return False
        lanes = await self._claim(limit=1, probe=True)
        self._is_probing = True
        for lane in lanes:
            self._finish(lane, *await self._deliver(lane))
        self._is_probing = False
        while self._results:
            await self._flush()
        if self._is_halted or not lanes:
            return False
        async with self._pool.connection() as connection:
            await breaker.close_breaker(connection, endpoint.id)
        return True

    @property
    def _probe_seconds(self) -> float:
        return self._limits.request_seconds + 2

    # -- sending --------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            lane = await self._queue.get()
            self._finish(lane, *await self._deliver(lane))
            if self._queue.qsize() <= self._breadth:
                self._queue_is_low.set()

    async def _deliver(self, lane: ClaimedLane) -> tuple[int, Verdict]:
        """Send the lane's messages in order; the last sequence covered, and what follows."""
        covered = lane.head_seq - 1
        attempts, rejections = lane.attempts, lane.rejections
        for message in lane.messages:
            await self._keep_pace()
            if self._is_halted or not self._may_send(lane):
                return covered, verdicts.untouched(attempts, rejections)
            answer = await self._sender.send(message)
            self._log(lane, message.seq, answer)
            if answer.outcome is not AttemptOutcome.DELIVERED:
                await self._note_failure(answer, attempts)
                return covered, verdicts.after_failure(
                    answer.outcome, attempts, rejections, answer.retry_after, draw
                )
            covered, attempts, rejections = message.seq, 0, 0
            self._failures = 0
            self.delivered += 1
        if lane.is_read_out:
            covered = max(covered, lane.last_seq)
        return covered, verdicts.ready()

    def _may_send(self, lane: ClaimedLane) -> bool:
        """Whether a request begun now ends before the lease does."""
        return lane.lease.seconds_left() > self._limits.request_seconds + 0.5

    async def _keep_pace(self) -> None:
        """Wait for this endpoint's next free moment, one sender after the other."""
        if not self._endpoint.rate:
            return
        async with self._pace:
            if not self._is_halted:
                due = self._sent_at + 1 / self._endpoint.rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                self._sent_at = time.monotonic()

    async def _note_failure(self, answer: Answer, attempts_before: int) -> None:
        """Count a failure against the endpoint, and stop sending to it when that is enough."""
        if answer.outcome is AttemptOutcome.REJECTED:
            self._failures = 0
            return
        if answer.outcome is AttemptOutcome.GONE:
            async with self._pool.connection() as connection:
                await breaker.pause(connection, self._endpoint.id, answer.described())
            self.halt()
            return
        if attempts_before < FRESH_ATTEMPTS or self._is_probing:
            self._failures += 1
        asked = answer.retry_after
        is_enough = self._is_probing or self._failures >= FAILURES_TO_OPEN
        if self._is_halted or not (is_enough or asked is not None):
            return
        await self._open_breaker(answer.described(), asked)

    async def _open_breaker(self, reason: str, asked: float | None = None) -> None:
        """Stop sending to this endpoint for a while, or for the seconds that it asked for."""
        self.halt()
        seconds = asked
        if seconds is None:
            seconds = backoff.breaker_delay(self._endpoint.openings, draw)
        async with self._pool.connection() as connection:
            await breaker.open_breaker(
                connection,
                self._endpoint.id,
                seconds=seconds,
                failures=self._failures,
                reason=reason,
                counted=asked is None,
            )

    # -- completing -----------------------------------------------------------------------------

    def _finish(self, lane: ClaimedLane, covered: int, verdict: Verdict) -> None:
        self._results.append(
            LaneResult(
                lane_id=lane.id,
                lease_id=lane.lease.id,
                claimed_head=lane.head_seq,
                covered_seq=covered,
                state=verdict.state,
                delay=verdict.delay,
                attempts=verdict.attempts,
                rejections=verdict.rejections,
                pending_since=lane.pending_since(covered),
            )
        )
        self._have_results.set()

    def _log(self, lane: ClaimedLane, seq: int, answer: Answer) -> None:
        self._attempts.append(
            AttemptRecord(
                endpoint_id=self._endpoint.id,
                subject_kind=lane.subject_kind,
                subject_id=lane.subject_id,
                seq=seq,
                sent_at=answer.sent_at,
                outcome=answer.outcome,
                status=answer.status,
                latency_ms=answer.latency_ms,
                answer=answer.text,
            )
        )

    async def _flush_forever(self) -> None:
        while True:
            await self._have_results.wait()
            await asyncio.sleep(_FLUSH_EVERY_SECONDS)
            await self._flush()

    async def _flush(self) -> None:
        """Complete what is finished; what a writer holds locked comes back for another round."""
        results, self._results = self._results[:_FLUSH_AT_MOST], self._results[_FLUSH_AT_MOST:]
        attempts, self._attempts = self._attempts, []
        async with self._pool.connection() as connection:
            fates = await complete(connection, results)
            await log_attempts(connection, attempts)
        busy = [one for one in results if fates.get(one.lane_id) is Fate.BUSY]
        self._results.extend(busy)
        self._in_hand -= len(results) - len(busy)
        if not self._results:
            self._have_results.clear()
        elif busy:
            await asyncio.sleep(_BUSY_RETRY_SECONDS)
        self._flushed.set()

    async def _remember_failures(self) -> None:
        if self._failures != self._endpoint.failures and not self._is_halted:
            async with self._pool.connection() as connection:
                await breaker.count_failures(connection, self._endpoint.id, self._failures)
