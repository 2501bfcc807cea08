"""A stand-in downstream system: a real HTTP server that remembers what it was sent."""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

Behaviour = Callable[[web.Request, "Delivery"], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Delivery:
    """One request as it arrived, holding one message or a batch of them."""

    body: bytes
    headers: dict[str, str]
    began: float

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def messages(self) -> list[Any]:
        document = self.document
        return list(document["messages"]) if document["type"] == "batch" else [document]

    @property
    def subjects(self) -> set[str]:
        found = [message["data"].get("subject") for message in self.messages]
        return {str(subject["id"]) for subject in found if subject}

    @property
    def subject(self) -> str:
        return str(self.messages[0]["data"]["subject"]["id"])

    @property
    def version(self) -> int:
        return int(self.messages[0]["data"]["subject"]["version"])


async def accept(request: web.Request, delivery: Delivery) -> web.StreamResponse:
    """Acknowledge."""
    return web.Response(status=204)


def answer(status: int, **headers: str) -> Behaviour:
    """Always this status."""

    async def reply(request: web.Request, delivery: Delivery) -> web.StreamResponse:
        return web.Response(status=status, headers=headers, text=f"answered {status}")

    return reply


@dataclass
class Receiver:
    """Runs in a thread of its own between `with` and its end; `behaviour` may be swapped."""

    behaviour: Behaviour = accept
    port: int = 0
    seen: list[Delivery] = field(default_factory=list)
    acknowledged: list[Delivery] = field(default_factory=list)
    overlaps: list[str] = field(default_factory=list)
    _busy: set[str] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def versions(self, subject: str) -> list[int]:
        """Acknowledged versions of one subject in order of arrival."""
        found = [
            message["data"]["subject"] for one in self.acknowledged for message in one.messages
        ]
        return [one["version"] for one in found if one["id"] == subject]

    def wait_for(self, count: int, seconds: float = 20.0) -> None:
        """Return once so many requests have arrived; fail the test otherwise."""
        ends = time.monotonic() + seconds
        while len(self.seen) < count:
            assert time.monotonic() < ends, f"{len(self.seen)} of {count} arrived"
            time.sleep(0.005)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        headers = {name.lower(): value for name, value in request.headers.items()}
        delivery = Delivery(body, headers, time.monotonic())
        subjects = delivery.subjects
        self.overlaps += self._busy & subjects
        self._busy |= subjects
        self.seen.append(delivery)
        try:
            response = await self.behaviour(request, delivery)
        finally:
            self._busy -= subjects
        if 200 <= response.status < 300:
            self.acknowledged.append(delivery)
        return response

    def __enter__(self) -> Self:
        started = threading.Event()
        self._loop = asyncio.new_event_loop()

        async def serve() -> None:
            app = web.Application()
            app.router.add_post("/hook", self._handle)
            self._runner = web.AppRunner(app, shutdown_timeout=0.1)
            await self._runner.setup()
            site = web.TCPSite(self._runner, "127.0.0.1", self.port)
            await site.start()
            self.port = self._runner.addresses[0][1]
            started.set()

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            self._loop.run_until_complete(serve())
            self._loop.run_forever()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert started.wait(5)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
