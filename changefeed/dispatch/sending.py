"""One signed POST to an endpoint, and what its answer means."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from changefeed.dispatch.addresses import AddressPolicy, VettingResolver
from changefeed.dispatch.backoff import retry_after
from changefeed.dispatch.breaker import EndpointView
from changefeed.dispatch.clock import DatabaseClock
from changefeed.dispatch.messages import Parcel
from changefeed.dispatch.redaction import Redaction
from changefeed.errors import AddressRefused
from changefeed.models import AttemptOutcome
from changefeed.signatures import key_of, sign

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 10.0
MOST_ANSWER_BYTES = 64 * 1024
KEPT_ANSWER_CHARACTERS = 500
# Enough that no secret is cut in two before it is found.
_READ_ANSWER_BYTES = 4096
TRANSIENT_REFUSALS = {408, 425, 429}
REPLAY_HEADER = "webhook-replay"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: an HTTP status with the first characters of its body, or a reason for none.

    `retry_after` is in seconds, when the endpoint asked for a pause. `document` is what could be
    read of the body; `is_cut` says that it may be JSON with its end missing.
    """

    outcome: AttemptOutcome
    status: int | None
    text: str
    sent_at: datetime
    latency_ms: int
    retry_after: float | None = None
    document: bytes = b""
    is_cut: bool = False

    def described(self) -> str:
        """One line for people."""
        return f"HTTP {self.status}" if self.status else self.text


class Sender:
    """A long-lived session to one endpoint; an async context manager.

    Making one raises ValueError when the endpoint has no readable secret or an odd network.
    """

    def __init__(
        self, endpoint: EndpointView, *, allow_private: bool, total_seconds: float = TOTAL_SECONDS
    ) -> None:
        self._url = URL(endpoint.url)
        self._keys = [key_of(secret) for secret in endpoint.secrets]
        self._redaction = Redaction(endpoint.url, endpoint.secrets)
        if not self._keys:
            raise ValueError("no signing secret")
        self._concurrency = endpoint.concurrency
        self._total_seconds = total_seconds
        self._policy = AddressPolicy(
            allow_private=allow_private, allowed_networks=endpoint.allowed_networks
        )
        self._refused = self._policy.refused_literal(self._url)

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                resolver=VettingResolver(self._policy),
                socket_factory=self._policy.open_socket,
                limit=self._concurrency,
                keepalive_timeout=4,
            ),
            timeout=aiohttp.ClientTimeout(
                total=self._total_seconds, sock_connect=min(CONNECT_SECONDS, self._total_seconds)
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={
                "Content-Type": "application/json",
                "User-Agent": "Sluice-Feed/1",
                "Accept-Encoding": "identity",
            },
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    async def send(self, parcel: Parcel, clock: DatabaseClock) -> Answer:
        """POST the parcel once, signed with the clock's time; every failure becomes an Answer."""
        sent_at = clock.now()
        began = time.monotonic()
        reply = await self._post(parcel, int(sent_at.timestamp()), clock)
        return Answer(
            outcome=_meaning(reply.status, reply.pause),
            status=reply.status,
            text=self._redaction.text(reply.text())[:KEPT_ANSWER_CHARACTERS],
            sent_at=sent_at,
            latency_ms=round((time.monotonic() - began) * 1000),
            retry_after=reply.pause,
            document=self._redaction.document(bytes(reply.body)),
            is_cut=reply.is_json and not reply.is_whole,
        )

    async def _post(self, parcel: Parcel, timestamp: int, clock: DatabaseClock) -> _Reply:
        reply = _Reply()
        if self._refused:
            reply.problem = f"address refused: {self._refused}"
            return reply
        headers = {
            "webhook-id": parcel.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(parcel.id, timestamp, parcel.body, self._keys),
        }
        if parcel.is_replay:
            headers[REPLAY_HEADER] = "true"
        try:
            async with self._session.post(
                self._url, data=parcel.body, headers=headers, allow_redirects=False
            ) as response:
                reply.status = response.status
                reply.is_json = "json" in response.headers.get("Content-Type", "")
                if asked := response.headers.get("Retry-After"):
                    reply.pause = retry_after(asked, clock.now())
                await reply.read(response)
        except AddressRefused as refused:
            reply.problem = f"address refused: {refused}"
        except TimeoutError:
            reply.problem = "timed out"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reply.problem = f"{type(error).__name__}: {error}"
        except Exception as error:
            # Nothing that a receiver answers may end the sending to all others.
            reply.problem = f"unreadable answer: {type(error).__name__}"
        return reply


@dataclass(slots=True)
class _Reply:
    """An answer while it is being read, or the problem that ended it."""

    status: int | None = None
    pause: float | None = None
    is_json: bool = False
    is_whole: bool = False
    body: bytearray = field(default_factory=bytearray)
    problem: str = ""

    async def read(self, response: aiohttp.ClientResponse) -> None:
        """Take the first of the body; the connection is dropped if much more is coming."""
        while len(self.body) < MOST_ANSWER_BYTES:
            chunk = await response.content.read(MOST_ANSWER_BYTES - len(self.body))
            if not chunk:
                self.is_whole = True
                return
            self.body += chunk
        response.close()

    def text(self) -> str:
        """What people are shown of it, still to be cut to KEPT_ANSWER_CHARACTERS."""
        if self.problem:
            shown = self.problem.encode(errors="replace").decode()
        else:
            shown = self.body[:_READ_ANSWER_BYTES].decode(errors="replace")
        return shown.replace("\x00", "")


def _meaning(status: int | None, pause: float | None) -> AttemptOutcome:
    """A 2xx status line is an acknowledgement, even if the body never ends."""
    if status is None:
        return AttemptOutcome.FAILED
    if 200 <= status < 300:
        return AttemptOutcome.DELIVERED
    if status == 410:
        return AttemptOutcome.GONE
    if status == 429 or (status == 503 and pause is not None):
        return AttemptOutcome.THROTTLED
    if 400 <= status < 500 and status not in TRANSIENT_REFUSALS:
        return AttemptOutcome.REJECTED
    return AttemptOutcome.FAILED
