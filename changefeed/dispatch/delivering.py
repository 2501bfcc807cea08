"""Sends what goes into one request, and settles each lane by what came back."""

import asyncio
import time
from dataclasses import dataclass

from changefeed.dispatch import backoff, verdicts
from changefeed.dispatch.answers import ItemOutcome, outcomes
from changefeed.dispatch.breaker import EndpointView
from changefeed.dispatch.claiming import ClaimedLane
from changefeed.dispatch.completing import AttemptRecord
from changefeed.dispatch.gate import Gate
from changefeed.dispatch.ledger import Ledger
from changefeed.dispatch.loads import Item, Load, halves
from changefeed.dispatch.messages import Message, Parcel, parcel_of
from changefeed.dispatch.sending import TOTAL_SECONDS, Answer, Sender
from changefeed.models import AttemptOutcome


@dataclass(frozen=True, slots=True)
class Limits:
    """What the settings say about leases and addresses."""

    lease_seconds: int
    allow_private: bool

    @property
    def request_seconds(self) -> float:
        """Time for one request, well inside the lease."""
        return min(TOTAL_SECONDS, self.lease_seconds * 0.6)


class Delivery:
    """Requests to one endpoint, as many side by side as are asked for, at its pace.

    `delivered` counts the messages acknowledged so far.
    """

    def __init__(
        self, endpoint: EndpointView, sender: Sender, ledger: Ledger, gate: Gate, limits: Limits
    ) -> None:
        self._endpoint = endpoint
        self._sender = sender
        self._ledger = ledger
        self._gate = gate
        self._limits = limits
        self._pace = asyncio.Lock()
        self._sent_at = 0.0
        self.delivered = 0

    async def deliver(self, loads: list[Load]) -> None:
        """Send the loads, in halves where the endpoint refuses the whole; then settle each lane."""
        items: list[Item] = [(load, message) for load in loads for message in load.messages]
        # Enough to find two refused messages; of more, the rest comes in smaller batches later.
        splits_left = 2 * len(items).bit_length()
        parts = [items] if items else []
        while parts:
            await self._keep_pace()
            if self._gate.is_halted:
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
                self._gate.note_answer()
                first, second = halves(part)
                parts += [second, first]
                continue
            await self._take_answer(parcel, part, answer, is_counted=not is_refused)
        for load in loads:
            self._settle(load)

    async def _keep_pace(self) -> None:
        """Wait for this endpoint's next free moment, one sender after the other."""
        if not self._endpoint.rate:
            return
        async with self._pace:
            if not self._gate.is_halted:
                due = self._sent_at + 1 / self._endpoint.rate
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                self._sent_at = time.monotonic()

    def _is_open(self, load: Load) -> bool:
        """Whether the lane's messages may still go: none failed, and the lease lasts."""
        return load.failure is None and self._may_send(load.lane)

    def _may_send(self, lane: ClaimedLane) -> bool:
        """Whether a request begun now ends before the lease does."""
        return lane.lease.seconds_left() > self._limits.request_seconds + 0.5

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
            self._gate.note_answer()
        else:
            await self._gate.note_failure(answer, attempts_before)

    def _settle(self, load: Load) -> None:
        """Hand the lane to the ledger with what follows for it."""
        lane, failure = load.lane, load.failure
        if failure is not None:
            outcome = failure.outcome
            if outcome is AttemptOutcome.REJECTED and not load.is_counted:
                outcome = AttemptOutcome.FAILED
            verdict = verdicts.after_failure(
                outcome, lane.attempts, lane.rejections, load.retry_after, backoff.draw
            )
            self._ledger.release(lane, verdict)
        elif not lane.waiting:
            goes_on = not self._gate.is_halted and not self._gate.is_probing
            self._ledger.release(lane, verdicts.ready(), keeps_if_held=goes_on)
        elif lane.arrived and not self._gate.is_halted and self._may_send(lane):
            self._ledger.renew(lane, verdicts.ready())
        else:
            self._ledger.release(lane, verdicts.untouched(lane.attempts, lane.rejections))

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
