"""Drains one endpoint: claims ahead, sends from many lanes at once, records how far each came."""

import asyncio
import random
import time
from contextlib import suppress
from dataclasses import dataclass

from changefeed.dispatch import backoff, breaker, verdicts
from changefeed.dispatch.answers import ItemOutcome, outcomes
from changefeed.dispatch.backoff import Draw
from changefeed.dispatch.breaker import FAILURES_TO_OPEN, FRESH_ATTEMPTS, EndpointView
from changefeed.dispatch.claiming import ClaimedLane, claim, read_on
from changefeed.dispatch.coalescing import CHANGES_IN_VIEW
from changefeed.dispatch.completing import AttemptRecord, Fate
from changefeed.dispatch.database import Pool
from changefeed.dispatch.horizon import Horizon
from changefeed.dispatch.ledger import Ledger
from changefeed.dispatch.loads import MOST_BYTES, Item, Load, halves, load_of, may_join, room_for
from changefeed.dispatch.messages import Message, Parcel, parcel_of
from changefeed.dispatch.queueing import Line
from changefeed.dispatch.sending import TOTAL_SECONDS, Answer, Sender
from changefeed.models import AttemptOutcome, EndpointState

MESSAGES_PER_LANE = 20
MOST_LANES_IN_HAND = 1000
# What is in hand must be sent within this share of a lease, at the pace seen so far.
_SHARE_OF_LEASE = 0.15
_LOOK_SECONDS = 0.05
draw: Draw = random.uniform


@dataclass(frozen=True, slots=True)
class Limits:
    """What the settings say about leases and addresses."""

    lease_seconds: int
    allow_private: bool

    @property
    def request_seconds(self) -> float:
        """Time for one request, well inside the lease."""
        return min(TOTAL_SECONDS, self.lease_seconds * 0.6)


class _LaneQueue(asyncio.Queue[ClaimedLane]):
    """Lanes to send from; one that is under way goes on before others begin."""

    def _put(self, item: ClaimedLane) -> None:
        if item.arrived:
            self._queue.appendleft(item)  # type: ignore[attr-defined]
        else:
            super()._put(item)

    def first(self) -> ClaimedLane | None:
        """The next lane, left where it is."""
        return self._queue[0] if self._queue else None  # type: ignore[attr-defined]


class EndpointDrain:
    """One endpoint until nothing of it is due, it stops answering, or `halt()` is called.

    A lane's next message leaves only when the arrival of the one before is on record: a process
    that dies repeats what was in flight and no more. Memory is bounded by the lanes in hand, at
    most MOST_LANES_IN_HAND or twice the endpoint's concurrency, each with up to
    MESSAGES_PER_LANE messages.
    """

    def __init__(
        self,
        pool: Pool,
        endpoint: EndpointView,
        limits: Limits,
        horizon: Horizon | None = None,
        line: Line | None = None,
    ) -> None:
        self._pool = pool
        self._endpoint = endpoint
        self._limits = limits
        self._horizon = horizon or Horizon()
        self._ledger = Ledger(pool, limits.lease_seconds, self._on_fate, line)
        self._queue = _LaneQueue()
        self._moved = asyncio.Event()
        self._in_hand = 0
        self._idle = 0
        self._is_halted = False
        self._failures = endpoint.failures
        self._is_probing = False
        self._is_sending = endpoint.state == EndpointState.ACTIVE
        self._pace = asyncio.Lock()
        self._sent_at = 0.0
        # A slow endpoint gets few lanes at a time, so that leases do not run out while waiting.
        rate = endpoint.rate
        self._breadth = min(endpoint.concurrency, rate * 5) if rate else endpoint.concurrency
        self.delivered = 0

    def halt(self) -> None:
        """Start nothing new; what is being sent is still completed."""
        self._is_halted = True
        self._moved.set()

    def heed(self, present: EndpointView | None) -> None:
        """Halt if the endpoint was paused, removed, set up otherwise, or answers others no more.

        A drain lasts as long as something is due, which may be hours. Whoever begins the next one
        sees the endpoint as it is then.
        """
        if present is None or not present.is_set_up_as(self._endpoint):
            is_over = True
        else:
            is_over = self._is_sending and present.state != EndpointState.ACTIVE
        if is_over:
            self.halt()

    @property
    def name(self) -> str:
        """The endpoint's."""
        return self._endpoint.name

    async def give_up(self) -> None:
        """Leave the endpoint alone for a while; what was in hand is free when its lease ends."""
        await self._open_breaker("sending failed here, see the log")

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
            self._is_sending = True
            async with asyncio.TaskGroup() as group:
                keeper = group.create_task(self._ledger.keep())
                workers = [group.create_task(self._work()) for _ in range(self._breadth)]
                await self._claim_until_empty()
                for task in (*workers, keeper):
                    task.cancel()
        return self.delivered

    # -- claiming -------------------------------------------------------------------------------

    async def _claim_until_empty(self) -> None:
        """Keep enough lanes in hand that no sender is idle, few enough that no lease runs out."""
        least = min(2 * self._breadth * self._endpoint.batch_size, MOST_LANES_IN_HAND)
        least = most = max(least, 2 * self._breadth)
        limit = self._limits.lease_seconds * _SHARE_OF_LEASE
        began, delivered, was_full = time.monotonic(), self.delivered, False
        while not self._is_halted:
            self._moved.clear()
            if was_full and self._idle > self._breadth // 2:
                # Lanes wait for their progress to be written down: others can be sent meanwhile.
                in_time = round((self.delivered - delivered) / (time.monotonic() - began) * limit)
                most = max(least, min(2 * most, MOST_LANES_IN_HAND, in_time))
            if self._in_hand > most // 2:
                await self._wait_until_moved()
                continue
            wanted = most - self._in_hand
            lanes = await self._claim(limit=wanted)
            was_full = len(lanes) == wanted
            for lane in lanes:
                self._queue.put_nowait(lane)
            if not lanes:
                if not self._in_hand:
                    break
                await self._wait_until_moved()
        while self._in_hand:
            self._moved.clear()
            await self._moved.wait()
        await self._remember_failures()

    async def _wait_until_moved(self) -> None:
        """Until a lane is settled, but not long: others become due while one receives no answer."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._moved.wait(), _LOOK_SECONDS)

    async def _claim(self, limit: int, probe: bool = False) -> list[ClaimedLane]:
        async with self._pool.connection() as connection:
            await self._horizon.refresh(connection)
            lanes = await claim(
                connection,
                self._endpoint,
                limit=limit,
                depth=1 if probe else self._depth,
                lease_seconds=self._limits.lease_seconds,
                probe=probe,
                since=self._horizon.since(self._endpoint.id),
            )
        self._in_hand += len(lanes)
        return lanes

    def _on_fate(self, lane: ClaimedLane, fate: Fate) -> None:
        """A renewed lane goes on; any other is done with here."""
        if fate is Fate.RENEWED:
            self._queue.put_nowait(lane)
            return
        self._in_hand -= 1
        self._moved.set()

    async def _probe(self) -> bool:
        """Send one message to an endpoint that did not answer; whether it does now."""
        endpoint = self._endpoint
        async with self._pool.connection() as connection:
            if not await breaker.begin_probe(connection, endpoint.id, self._probe_seconds):
                return False
        lanes = await self._claim(limit=1, probe=True)
        self._is_probing = True
        for lane in lanes:
            await self._deliver(self._loads_from(lane))
        self._is_probing = False
        while not self._ledger.is_empty:
            await self._ledger.flush()
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
            self._idle += 1
            lane = await self._queue.get()
            self._idle -= 1
            if lane.is_outdated:
                await self._read_on(lane)
                continue
            await self._deliver(self._loads_from(lane))

    async def _read_on(self, lane: ClaimedLane) -> None:
        """Put a renewed lane back into the queue as it is now."""
        async with self._pool.connection() as connection:
            current = await read_on(connection, self._endpoint, lane, depth=self._depth)
        if current is None:
            self._on_fate(lane, Fate.LOST)
        else:
            self._queue.put_nowait(current)

    @property
    def _depth(self) -> int:
        return CHANGES_IN_VIEW if self._endpoint.coalesce else MESSAGES_PER_LANE

    def _loads_from(self, lane: ClaimedLane) -> list[Load]:
        """What goes with this lane into one request: what is there already, nothing waited for."""
        room = room_for(lane, self._endpoint.batch_size)
        loads = [load_of(lane, room, MOST_BYTES)]
        room -= len(loads[0].messages)
        room_bytes = MOST_BYTES - sum(len(one.body) for one in loads[0].messages)
        while room > 0 and room_bytes > 0 and loads[0].messages:
            following = self._queue.first()
            if following is None or following.is_outdated or not may_join(following, lane):
                break
            load = load_of(self._queue.get_nowait(), room, room_bytes)
            room -= len(load.messages)
            room_bytes -= sum(len(one.body) for one in load.messages)
            loads.append(load)
        return loads

    async def _deliver(self, loads: list[Load]) -> None:
        """Send the loads, in halves where the endpoint refuses the whole; then settle each lane."""
        items: list[Item] = [(load, message) for load in loads for message in load.messages]
        # Enough to find two refused messages; of more, the rest comes in smaller batches later.
        splits_left = 2 * len(items).bit_length()
        parts = [items] if items else []
        while parts:
            await self._keep_pace()
            if self._is_halted:
                break
            part = [item for item in parts.pop() if self._is_open(item[0])]
            if not part:
                continue
            parcel = parcel_of(
                [message for _load, message in part], as_batch=self._endpoint.batch_size > 1
            )
            answer = await self._sender.send(parcel, part[0][0].lane.lease.clock)
            is_refused = answer.outcome is AttemptOutcome.REJECTED and len(part) > 1
            if is_refused and splits_left:
                splits_left -= 1
                self._failures = 0
                first, second = halves(part)
                parts += [second, first]
                continue
            await self._take_answer(parcel, part, answer, is_counted=not is_refused)
        for load in loads:
            self._settle(load)

    async def _take_answer(
        self, parcel: Parcel, part: list[Item], answer: Answer, *, is_counted: bool
    ) -> None:
        """Note for each lane of a request which of its messages arrived, and log it."""
        attempts_before = min(load.lane.attempts for load, _message in part)
        found = outcomes(answer, [message.id for _load, message in part], is_batch=parcel.is_batch)
        by_lane: dict[int, tuple[Load, list[Message], list[ItemOutcome]]] = {}
        for (load, message), outcome in zip(part, found, strict=True):
            entry = by_lane.setdefault(load.lane.id, (load, [], []))
            entry[1].append(message)
            entry[2].append(outcome)
        for load, messages, results in by_lane.values():
            arrived, failure = load.take(results)
            self.delivered += arrived
            if arrived:
                self._log(load, parcel, answer, messages[arrived - 1], results[0], arrived)
            if failure is not None:
                load.is_counted = is_counted
                load.retry_after = None if failure.is_own else answer.retry_after
                self._log(load, parcel, answer, messages[arrived], failure, 1)
        if answer.outcome is AttemptOutcome.DELIVERED:
            self._failures = 0
        else:
            await self._note_failure(answer, attempts_before)

    def _settle(self, load: Load) -> None:
        """Hand the lane to the ledger with what follows for it."""
        lane, failure = load.lane, load.failure
        if failure is not None:
            outcome = failure.outcome
            if outcome is AttemptOutcome.REJECTED and not load.is_counted:
                outcome = AttemptOutcome.FAILED
            verdict = verdicts.after_failure(
                outcome, lane.attempts, lane.rejections, load.retry_after, draw
            )
            self._ledger.release(lane, verdict)
        elif not lane.waiting:
            goes_on = not self._is_halted and not self._is_probing
            self._ledger.release(lane, verdicts.ready(), keeps_if_held=goes_on)
        elif lane.arrived and not self._is_halted and self._may_send(lane):
            self._ledger.renew(lane, verdicts.ready())
        else:
            self._ledger.release(lane, verdicts.untouched(lane.attempts, lane.rejections))

    def _is_open(self, load: Load) -> bool:
        """Whether the lane's messages may still go: none failed, and the lease lasts."""
        return load.failure is None and self._may_send(load.lane)

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

    def _log(
        self,
        load: Load,
        parcel: Parcel,
        answer: Answer,
        message: Message,
        outcome: ItemOutcome,
        messages: int,
    ) -> None:
        self._ledger.log(
            AttemptRecord(
                endpoint_id=self._endpoint.id,
                subject_kind=load.lane.subject_kind,
                subject_id=load.lane.subject_id,
                seq=message.seq,
                messages=messages,
                batch=parcel.id if parcel.is_batch else "",
                sent_at=answer.sent_at,
                outcome=outcome.outcome,
                status=outcome.status,
                latency_ms=answer.latency_ms,
                answer=outcome.text,
            )
        )

    async def _remember_failures(self) -> None:
        if self._failures != self._endpoint.failures and not self._is_halted:
            async with self._pool.connection() as connection:
                await breaker.count_failures(connection, self._endpoint.id, self._failures)
