"""One signed POST to an endpoint, and what its answer means."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from changefeed.dispatch.addresses import AddressPolicy, VettingResolver
from changefeed.dispatch.backoff import retry_after
from changefeed.dispatch.breaker import EndpointView
from changefeed.dispatch.messages import Message
from changefeed.errors import AddressRefused
from changefeed.models import AttemptOutcome
from changefeed.signatures import key_of, sign

CONNECT_SECONDS = 3.0
TOTAL_SECONDS = 10.0
MOST_ANSWER_BYTES = 64 * 1024
KEPT_ANSWER_CHARACTERS = 500
_TRANSIENT_REFUSALS = {408, 425, 429}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: an HTTP status with the first characters of its body, or a reason for none.

    `retry_after` is in seconds, when the endpoint asked for a pause.
    """

    outcome: AttemptOutcome
    status: int | None
    text: str
    sent_at: datetime
    latency_ms: int
    retry_after: float | None = None

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

    async def send(self, message: Message) -> Answer:
        """POST the message once; every way to fail becomes an Answer."""
        sent_at = datetime.now(UTC)
        began = time.monotonic()
        status, text, pause = await self._post(message, int(sent_at.timestamp()))
        return Answer(
            outcome=_meaning(status, pause),
            status=status,
            text=text,
            sent_at=sent_at,
            latency_ms=round((time.monotonic() - began) * 1000),
            retry_after=pause,
        )

    async def _post(self, message: Message, timestamp: int) -> tuple[int | None, str, float | None]:
        headers = {
            "webhook-id": message.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": sign(message.id, timestamp, message.body, self._keys),
        }
        if self._refused:
            return None, f"address refused: {self._refused}", None
        status: int | None = None
        try:
            async with self._session.post(
                self._url, data=message.body, headers=headers, allow_redirects=False
            ) as response:
                status = response.status
                pause = retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
                return status, await _first_bytes(response), pause
        except AddressRefused as refused:
            return None, f"address refused: {refused}", None
        except TimeoutError:
            return status, "timed out", None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return status, f"{type(error).__name__}: {error}"[:KEPT_ANSWER_CHARACTERS], None


async def _first_bytes(response: aiohttp.ClientResponse) -> str:
    """The first characters of the answer; the connection is dropped if much more is coming."""
    room = MOST_ANSWER_BYTES
    kept = b""
    while room > 0:
        chunk = await response.content.read(room)
        if not chunk:
            break
        room -= len(chunk)
        if len(kept) < KEPT_ANSWER_CHARACTERS:
            kept += chunk[:KEPT_ANSWER_CHARACTERS]
    else:
        response.close()
    return kept[:KEPT_ANSWER_CHARACTERS].decode(errors="replace").replace("\x00", "")


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
    if 400 <= status < 500 and status not in _TRANSIENT_REFUSALS:
        return AttemptOutcome.REJECTED
    return AttemptOutcome.FAILED
