"""Drains one endpoint: claims ahead, sends from many lanes at once, records how far each came."""

import asyncio
import time
from contextlib import suppress

from changefeed.dispatch.breaker import EndpointView
from changefeed.dispatch.claiming import ClaimedLane, claim, read_on
from changefeed.dispatch.coalescing import CHANGES_IN_VIEW
from changefeed.dispatch.completing import Fate
from changefeed.dispatch.database import Pool
from changefeed.dispatch.delivering import Delivery, Limits
from changefeed.dispatch.gate import Gate
from changefeed.dispatch.horizon import Horizon
from changefeed.dispatch.ledger import Ledger
from changefeed.dispatch.loads import MOST_BYTES, Load, load_of, may_join, room_for
from changefeed.dispatch.queueing import Line
from changefeed.dispatch.sending import Sender
from changefeed.models import EndpointState

MESSAGES_PER_LANE = 20
MOST_LANES_IN_HAND = 1000
# As many lanes as hold so much, going by those claimed before; of the first, not too many.
MOST_BYTES_IN_HAND = 64 * 1024 * 1024
FIRST_LANES = 64
# What is in hand must be sent within this share of a lease, at the pace seen so far.
_SHARE_OF_LEASE = 0.15
_LOOK_SECONDS = 0.05


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
    MESSAGES_PER_LANE messages, and by MOST_BYTES_IN_HAND where messages are large.
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
        self._bytes_a_lane = 0.0
        self._gate = Gate(pool, endpoint, self._moved.set)
        # A slow endpoint gets few lanes at a time, so that leases do not run out while waiting.
        rate = endpoint.rate
        self._breadth = min(endpoint.concurrency, rate * 5) if rate else endpoint.concurrency

    def halt(self) -> None:
        """Start nothing new; what is being sent is still completed."""
        self._gate.halt()

    def heed(self, present: EndpointView | None) -> None:
        """Halt if the endpoint is no longer as it was when this drain began; see `Gate.heed`."""
        self._gate.heed(present)

    @property
    def name(self) -> str:
        """The endpoint's."""
        return self._endpoint.name

    async def give_up(self) -> None:
        """Leave the endpoint alone for a while; what was in hand is free when its lease ends."""
        await self._gate.open_breaker("sending failed here, see the log")

    async def run(self) -> int:
        """Drain; the number of messages acknowledged."""
        endpoint, limits = self._endpoint, self._limits
        try:
            sender = Sender(
                endpoint, allow_private=limits.allow_private, total_seconds=limits.request_seconds
            )
        except ValueError as misconfigured:
            await self._gate.open_breaker(str(misconfigured))
            return 0
        async with sender:
            delivery = Delivery(endpoint, sender, self._ledger, self._gate, limits)
            if endpoint.state == EndpointState.ACTIVE or await self._probe(delivery):
                await self._drain(delivery)
        return delivery.delivered

    async def _drain(self, delivery: Delivery) -> None:
        """Claim, send and write down side by side until nothing is due."""
        async with asyncio.TaskGroup() as group:
            keeper = group.create_task(self._ledger.keep())
            workers = [group.create_task(self._work(delivery)) for _ in range(self._breadth)]
            await self._claim_until_empty(delivery)
            for task in (*workers, keeper):
                task.cancel()

    # -- claiming -------------------------------------------------------------------------------

    async def _claim_until_empty(self, delivery: Delivery) -> None:
        """Keep enough lanes in hand that no sender is idle, few enough that no lease runs out."""
        least = min(2 * self._breadth * self._endpoint.batch_size, MOST_LANES_IN_HAND)
        least = most = max(least, 2 * self._breadth)
        limit = self._limits.lease_seconds * _SHARE_OF_LEASE
        began, before, was_full = time.monotonic(), delivery.delivered, False
        while not self._gate.is_halted:
            self._moved.clear()
            if was_full and self._idle > self._breadth // 2:
                # Lanes wait for their progress to be written down: others can be sent meanwhile.
                pace = (delivery.delivered - before) / (time.monotonic() - began)
                in_time = round(pace * limit)
                most = max(least, min(2 * most, MOST_LANES_IN_HAND, in_time))
            fit = min(most, self._lanes_that_fit())
            if self._in_hand > fit // 2:
                await self._wait_until_moved()
                continue
            wanted = fit - self._in_hand
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
        await self._gate.remember_failures()

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
        if lanes:
            held = sum(len(message.body) for lane in lanes for message in lane.messages)
            self._bytes_a_lane = max(held / len(lanes), self._bytes_a_lane / 2, 1.0)
        return lanes

    def _lanes_that_fit(self) -> int:
        """How many lanes of the size seen so far may be in hand."""
        if not self._bytes_a_lane:
            return FIRST_LANES
        return max(1, int(MOST_BYTES_IN_HAND / self._bytes_a_lane))

    def _on_fate(self, lane: ClaimedLane, fate: Fate) -> None:
        """A renewed lane goes on; any other is done with here."""
        if fate is Fate.RENEWED:
            self._queue.put_nowait(lane)
            return
        self._in_hand -= 1
        self._moved.set()

    async def _probe(self, delivery: Delivery) -> bool:
        """Send one message to an endpoint that did not answer; whether it does now."""
        seconds = self._limits.request_seconds
        if not await self._gate.begin_probe(seconds + 2):
            return False
        ends_at = time.monotonic() + seconds
        # A lane of which nothing is wanted any more ends without a word, which proves nothing.
        while not (self._gate.has_answered or self._gate.is_halted):
            lanes = await self._claim(limit=1, probe=True) if time.monotonic() < ends_at else []
            if not lanes:
                return False
            for lane in lanes:
                await delivery.deliver(self._loads_from(lane))
            while not self._ledger.is_empty:
                await self._ledger.flush()
        self._gate.is_probing = False
        if self._gate.is_halted:
            return False
        await self._gate.close_breaker()
        return True

    # -- sending --------------------------------------------------------------------------------

    async def _work(self, delivery: Delivery) -> None:
        while True:
            self._idle += 1
            lane = await self._queue.get()
            self._idle -= 1
            if lane.is_outdated:
                await self._read_on(lane)
                continue
            await delivery.deliver(self._loads_from(lane))

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
