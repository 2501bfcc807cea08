"""A receiver that writes down everything it sees and misbehaves on request, as a process.

`python -m tests.chaos.receiver` prints the port of its controls. Told to begin a run, it gives
each endpoint a port and appends a line to the run's file when a request begins and when it ends.
"""

import asyncio
import gzip
import hashlib
import json
import time
from dataclasses import dataclass, field
from itertools import count
from typing import IO, Any

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

HOST = "127.0.0.1"
USUAL_DELAY = 0.004
HANG_SECONDS = 60.0
DRIP_EVERY = 0.2
BOMB = gzip.compress(bytes(64 * 1024**2))
HUGE_CHUNK = b"x" * 256 * 1024
HUGE_CHUNKS = 256


@dataclass(slots=True)
class Mode:
    """How one endpoint behaves: `name`, for all or only for the named subjects and sequences."""

    name: str = "ok"
    subjects: frozenset[str] = frozenset()
    seqs: frozenset[int] = frozenset()
    seconds: float = 0.0

    def is_for(self, items: list[dict[str, Any]]) -> bool:
        if not (self.subjects or self.seqs):
            return True
        return any(one["subject"] in self.subjects or one["seq"] in self.seqs for one in items)


@dataclass(slots=True)
class Desk:
    """One endpoint: its port, the secrets it holds, its behaviour."""

    name: str
    secrets: list[str]
    mode: Mode = field(default_factory=Mode)
    port: int = 0
    runner: web.AppRunner | None = None


class Receiver:
    """All endpoints of one run, each on a port of its own."""

    def __init__(self) -> None:
        self._file: IO[str] | None = None
        self._numbers = count(1)
        self.desks: dict[str, Desk] = {}

    def note(self, **line: Any) -> None:
        """Append one line."""
        if self._file is not None:
            self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
            self._file.flush()

    async def begin(self, path: str, secrets: dict[str, list[str]]) -> dict[str, int]:
        """Listen for these endpoints, noting in this file; their ports."""
        await self.finish()
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115
        self.desks = {name: Desk(name, list(held)) for name, held in secrets.items()}
        for desk in self.desks.values():
            await self.open(desk)
        return {name: desk.port for name, desk in self.desks.items()}

    async def finish(self) -> None:
        """Listen no more and close the file."""
        for desk in self.desks.values():
            await self.close(desk)
        if self._file is not None:
            self._file.close()
            self._file = None

    # -- ports ----------------------------------------------------------------------------------

    async def open(self, desk: Desk) -> None:
        """Listen, on the same port as before."""

        async def handle(request: web.Request) -> web.StreamResponse:
            return await self._receive(desk, request)

        app = web.Application(client_max_size=64 * 1024**2)
        app.router.add_post("/hook", handle)
        desk.runner = web.AppRunner(
            app, handler_cancellation=True, access_log=None, shutdown_timeout=0.05
        )
        await desk.runner.setup()
        await web.TCPSite(desk.runner, HOST, desk.port, reuse_address=True).start()
        desk.port = desk.runner.addresses[0][1]

    async def close(self, desk: Desk) -> None:
        """Stop listening: connections are refused, open ones end."""
        if desk.runner is not None:
            await desk.runner.cleanup()
            desk.runner = None

    async def control(self, request: web.Request) -> web.Response:
        """Begin or finish a run, or change what one endpoint does or holds."""
        told = await request.json()
        if "begin" in told:
            return web.json_response({"ports": await self.begin(told["begin"], told["secrets"])})
        if "finish" in told:
            await self.finish()
            return web.json_response({})
        desk = self.desks[told["endpoint"]]
        if "secrets" in told:
            desk.secrets = told["secrets"]
        if "mode" in told:
            desk.mode = Mode(
                told["mode"],
                frozenset(told.get("subjects", ())),
                frozenset(told.get("seqs", ())),
                told.get("seconds", 0.0),
            )
            if told["mode"] == "dead":
                await self.close(desk)
            elif desk.runner is None:
                await self.open(desk)
        return web.json_response({"at": time.monotonic()})

    # -- receiving ------------------------------------------------------------------------------

    async def _receive(self, desk: Desk, request: web.Request) -> web.StreamResponse:
        number = next(self._numbers)
        began = time.monotonic()
        status: int | None = None
        asked = 0.0
        ended = 0.0
        try:
            body = await request.read()
            verified = verifies(body, request, desk.secrets)
            items = items_of(body, request)
            self.note(
                what="began",
                request=number,
                endpoint=desk.name,
                at=began,
                verified=verified,
                signatures=len(request.headers.get("webhook-signature", "").split()),
                is_replay=request.headers.get("webhook-replay") == "true",
                items=items,
            )
            mode = desk.mode if desk.mode.is_for(items) else Mode()
            if not verified:
                mode = Mode("400")
            status, asked, response = await self._behave(mode, request)
            ended = time.monotonic()
            return response
        except Answered as answered:
            status, ended = answered.status, answered.at
            raise asyncio.CancelledError from None
        finally:
            self.note(
                what="ended",
                request=number,
                at=ended or time.monotonic(),
                status=status,
                asked=asked,
            )

    async def _behave(
        self, mode: Mode, request: web.Request
    ) -> tuple[int | None, float, web.StreamResponse]:
        name = mode.name
        if name in {"drip", "huge"}:
            await self._pour(name, request)
        if name == "hang":
            await asyncio.sleep(HANG_SECONDS)
        await asyncio.sleep(mode.seconds if name == "slow" else USUAL_DELAY)
        if name == "reset":
            if request.transport is not None:
                request.transport.abort()
            return None, 0.0, web.Response(status=204)
        if name == "429":
            wait = max(1, round(mode.seconds))
            return 429, float(wait), web.Response(status=429, headers={"Retry-After": str(wait)})
        if name == "bomb":
            return 200, 0.0, web.Response(body=BOMB, headers={"Content-Encoding": "gzip"})
        if name.isdigit():
            return int(name), 0.0, web.Response(status=int(name), text=f"chaos answers {name}")
        return 204, 0.0, web.Response(status=204)

    async def _pour(self, name: str, request: web.Request) -> None:
        """Answer 200 with a body that does not end, or ends too late; raises Answered."""
        response = web.StreamResponse()
        at = time.monotonic()
        try:
            await response.prepare(request)
            if name == "huge":
                for _ in range(HUGE_CHUNKS):
                    await response.write(HUGE_CHUNK)
            else:
                for _ in range(int(HANG_SECONDS / DRIP_EVERY)):
                    await response.write(b".")
                    await asyncio.sleep(DRIP_EVERY)
        except (OSError, asyncio.CancelledError):
            pass
        raise Answered(200, at)


class Answered(Exception):
    """The status line went out at a moment; the rest is misbehaviour."""

    def __init__(self, status: int, at: float) -> None:
        super().__init__(status)
        self.status = status
        self.at = at


def verifies(body: bytes, request: web.Request, secrets: list[str]) -> bool:
    """Whether every secret held verifies the message, as the published library sees it."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    try:
        for secret in secrets:
            Webhook(secret).verify(body, headers, json_parse=False)
    except WebhookVerificationError:
        return False
    return True


def items_of(body: bytes, request: web.Request) -> list[dict[str, Any]]:
    """The messages in a request, one or a batch of them."""
    document = json.loads(body)
    if "data" in document and "subject" in document["data"]:
        return [_item(document, body, request.headers["webhook-id"])]
    return [
        _item(one, json.dumps(one, sort_keys=True).encode(), one["id"])
        for one in document["messages"]
    ]


def _item(document: dict[str, Any], body: bytes, message_id: str) -> dict[str, Any]:
    data = document["data"]
    new = data.get("new")
    told = new if isinstance(new, dict) and "token" in new else {"token": "", "value": new}
    return {
        "id": message_id,
        "seq": data["seq"],
        "subject": f"{data['subject']['kind']}:{data['subject']['id']}",
        "version": data["subject"]["version"],
        "field": data["field"],
        "value": told["value"],
        "token": told["token"],
        "sha": hashlib.sha256(body).hexdigest(),
        "covers": [one["id"] for one in data.get("covers", ())],
    }


async def serve() -> None:
    """Listen until killed."""
    app = web.Application()
    app.router.add_post("/", Receiver().control)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve())
