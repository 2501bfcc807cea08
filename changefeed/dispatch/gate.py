"""Whether a drain may go on: it halts when its endpoint is silent, paused, or set up otherwise."""

from collections.abc import Callable

from changefeed.dispatch import backoff, breaker
from changefeed.dispatch.breaker import FAILURES_TO_OPEN, FRESH_ATTEMPTS, EndpointView
from changefeed.dispatch.database import Pool
from changefeed.dispatch.sending import Answer
from changefeed.models import AttemptOutcome, EndpointState


class Gate:
    """What one drain knows of its endpoint's breaker; `on_halt` is called when it halts.

    While `is_probing`, one message decides whether the others follow; `has_answered` says that
    the endpoint said something since, if only that it refuses a message.
    """

    def __init__(self, pool: Pool, endpoint: EndpointView, on_halt: Callable[[], None]) -> None:
        self._pool = pool
        self._endpoint = endpoint
        self._on_halt = on_halt
        self._failures = endpoint.failures
        self._is_passed = endpoint.state == EndpointState.ACTIVE
        self.is_halted = False
        self.is_probing = False
        self.has_answered = False

    def halt(self) -> None:
        """Let nothing new begin."""
        self.is_halted = True
        self._on_halt()

    def heed(self, present: EndpointView | None) -> None:
        """Halt if the endpoint was paused, removed, set up otherwise, or answers others no more.

        A drain lasts as long as something is due, which may be hours. Whoever begins the next one
        sees the endpoint as it is then.
        """
        if present is None or not present.is_set_up_as(self._endpoint):
            is_over = True
        else:
            is_over = self._is_passed and present.state != EndpointState.ACTIVE
        if is_over:
            self.halt()

    async def begin_probe(self, seconds: float) -> bool:
        """Whether this drain is the one that probes, for so many seconds."""
        async with self._pool.connection() as connection:
            self.is_probing = await breaker.begin_probe(connection, self._endpoint.id, seconds)
        return self.is_probing

    async def close_breaker(self) -> None:
        """The endpoint answered the probe: let everything pass."""
        async with self._pool.connection() as connection:
            await breaker.close_breaker(connection, self._endpoint.id)
        self._is_passed = True

    def note_answer(self) -> None:
        """It answers, whatever it says: earlier failures do not count any more."""
        self._failures = 0
        self.has_answered = True

    async def note_failure(self, answer: Answer, attempts_before: int) -> None:
        """Count a failure against the endpoint, and stop sending to it when that is enough.

        `attempts_before` are those of the request's freshest lane.
        """
        if answer.outcome is AttemptOutcome.REJECTED:
            self.note_answer()
            return
        if answer.outcome is AttemptOutcome.GONE:
            async with self._pool.connection() as connection:
                await breaker.pause(connection, self._endpoint.id, answer.described())
            self.halt()
            return
        if attempts_before < FRESH_ATTEMPTS or self.is_probing:
            self._failures += 1
        is_enough = self.is_probing or self._failures >= FAILURES_TO_OPEN
        if self.is_halted or not (is_enough or answer.retry_after is not None):
            return
        await self.open_breaker(answer.described(), answer.retry_after)

    async def open_breaker(self, reason: str, asked: float | None = None) -> None:
        """Stop sending to this endpoint for a while, or for the seconds that it asked for."""
        self.halt()
        if asked is None:
            seconds = backoff.breaker_delay(self._endpoint.openings, backoff.draw)
        else:
            # Asked for no time at all, we take a little, lest we press it without a pause.
            seconds = max(asked, backoff.breaker_delay(0, backoff.draw))
        async with self._pool.connection() as connection:
            await breaker.open_breaker(
                connection,
                self._endpoint.id,
                seconds=seconds,
                failures=self._failures,
                reason=reason,
                counted=asked is None,
            )

    async def remember_failures(self) -> None:
        """Leave the count to the dispatcher that comes next."""
        if self._failures != self._endpoint.failures and not self.is_halted:
            async with self._pool.connection() as connection:
                await breaker.count_failures(connection, self._endpoint.id, self._failures)
