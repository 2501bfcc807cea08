"""A receiver in a process of its own: it acknowledges, counts messages, and verifies nothing.

A message is known by its `schema_version`, and by the `mark` in its new value where it has one.
`GET` answers with what came so far, as JSON; any `POST` is answered with 204.
"""

import asyncio
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Any

HOST = "127.0.0.1"
_MESSAGE = b'"schema_version":'
_MARK = re.compile(rb'"mark": ?(\d+)')
_LENGTH = re.compile(rb"\r\ncontent-length: ?(\d+)", re.IGNORECASE)
_TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"


@dataclass(slots=True)
class Arrivals:
    """What came: requests, messages, the monotonic times of the first and the last, and marks."""

    requests: int = 0
    messages: int = 0
    first_at: float = 0.0
    last_at: float = 0.0
    marks: list[tuple[int, float]] | None = None

    def count(self, body: bytes) -> None:
        now = time.monotonic()
        self.first_at = self.first_at or now
        self.last_at = now
        self.requests += 1
        self.messages += body.count(_MESSAGE)
        if self.marks is not None:
            self.marks += [(int(found), now) for found in _MARK.findall(body)]


class _Connection(asyncio.Protocol):
    """HTTP/1.1 with keep-alive, as much of it as a dispatcher speaks."""

    def __init__(self, arrivals: list[Arrivals]) -> None:
        self._arrivals = arrivals
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._received, 0, end + 2)
            stop = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < stop:
                return
            head, body = self._received[:end], self._received[end + 4 : stop]
            self._received = self._received[stop:]
            self._answer(head, body)

    def _answer(self, head: bytes, body: bytes) -> None:
        if head.startswith(b"POST"):
            self._arrivals[0].count(body)
            self._transport.write(_TAKEN)
            return
        so_far = self._arrivals[0]
        if head.startswith(b"GET /reset"):
            marks: list[tuple[int, float]] | None = [] if b"marks" in head[:40] else None
            self._arrivals[0] = Arrivals(marks=marks)
        text = json.dumps(
            [so_far.requests, so_far.messages, so_far.first_at, so_far.last_at, so_far.marks]
        ).encode()
        self._transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(text) + text)


async def _serve() -> None:
    arrivals = [Arrivals()]
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(arrivals), HOST, 0, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@dataclass(frozen=True, slots=True)
class Sink:
    """The running receiver."""

    port: int
    pid: int

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}/hook"

    def arrivals(self) -> Arrivals:
        """What came since the last reset."""
        return self._ask("/")

    def reset(self, *, marks: bool = False) -> None:
        """Count from nothing, with the time of every mark if asked for."""
        self._ask("/reset/marks" if marks else "/reset")

    def wait_for(self, messages: int, seconds: float = 300.0) -> Arrivals:
        """What came, once it is so many messages. Raises TimeoutError."""
        ends_at = time.monotonic() + seconds
        while (so_far := self.arrivals()).messages < messages:
            if time.monotonic() > ends_at:
                raise TimeoutError(f"{so_far.messages} of {messages} messages came")
            time.sleep(0.1)
        return so_far

    def _ask(self, path: str) -> Arrivals:
        connection = HTTPConnection(HOST, self.port, timeout=10)
        connection.request("GET", path)
        requests, messages, first, last, marks = json.loads(connection.getresponse().read())
        connection.close()
        return Arrivals(requests, messages, first, last, marks)


@contextmanager
def sink() -> Iterator[Sink]:
    """A receiver for the time of the block."""
    command = [sys.executable, "-m", "tests.bench.support.sink"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Sink(int(process.stdout.readline()), process.pid)
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    asyncio.run(_serve())
