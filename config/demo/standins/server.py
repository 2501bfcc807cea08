"""The HTTP side of the stand-ins: signed messages in, figures out, and a switch for each system."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiohttp import web
from standardwebhooks import Webhook, WebhookVerificationError

from config.demo.standins.page import page
from config.demo.standins.receipts import Book, lines_of
from config.demo.standins.warehouse import Warehouse

LARGEST_MESSAGE = 4 * 1024 * 1024


@dataclass(slots=True)
class System:
    """One receiving system and its switch."""

    name: str
    webhook: Webhook
    book: Book
    is_on: bool = True
    resets: bool = False
    delay_seconds: float = 0.0
    turned_away: int = 0
    forged: int = 0

    def figures(self) -> dict[str, Any]:
        return {
            "on": self.is_on,
            "turned_away": self.turned_away,
            "forged": self.forged,
            **self.book.figures(),
        }


class StandIns:
    """All systems of one process, kept in one directory."""

    def __init__(self, home: Path, config: dict[str, Any]) -> None:
        self.systems = {
            name: System(name, Webhook(secret), Book.opened(home / f"{name}.jsonl"))
            for name, secret in config["secrets"].items()
        }
        self.warehouse: Warehouse | None = None
        if api := config.get("api"):
            self.warehouse = Warehouse(home / "warehouse.jsonl", api["url"], api["key"])
            received = lines_of(home / "wms.jsonl")
            self.warehouse.recall([line["message"] for line in received if "message" in line])

    def application(self) -> web.Application:
        app = web.Application(client_max_size=LARGEST_MESSAGE)
        app.add_routes(
            [
                web.get("/", self._page),
                web.get("/state", self._state),
                web.post("/control/{system}", self._control),
                web.post("/{system}/feed", self._feed),
            ]
        )
        app.cleanup_ctx.append(self._working)
        return app

    def figures(self) -> dict[str, Any]:
        found: dict[str, Any] = {name: one.figures() for name, one in self.systems.items()}
        if self.warehouse:
            found["warehouse"] = self.warehouse.figures()
        return found

    async def _working(self, app: web.Application) -> AsyncIterator[None]:
        task = asyncio.create_task(self.warehouse.work()) if self.warehouse else None
        yield
        if task:
            task.cancel()

    def _system(self, request: web.Request) -> System:
        try:
            return self.systems[request.match_info["system"]]
        except KeyError:
            raise web.HTTPNotFound from None

    async def _feed(self, request: web.Request) -> web.Response:
        system = self._system(request)
        if system.delay_seconds:
            await asyncio.sleep(system.delay_seconds)
        if not system.is_on:
            system.turned_away += 1
            if system.resets and request.transport:
                request.transport.abort()
            return web.Response(status=503, text="switched off")
        body = await request.read()
        try:
            system.webhook.verify(body, dict(request.headers), json_parse=False)
        except WebhookVerificationError:
            system.forged += 1
            return web.Response(status=401, text="signature does not fit")
        # A test message tells of no subject; it is answered and kept nowhere.
        if json.loads(body).get("type") == "ping":
            return web.Response(text="ok")
        message = system.book.enter(request.headers["webhook-id"], body)
        if message and self.warehouse and system.name == "wms":
            self.warehouse.receive(message)
        return web.Response(text="ok")

    async def _control(self, request: web.Request) -> web.Response:
        """Switch a system: {"on": bool, "resets": bool, "delay_seconds": number}, each optional."""
        system = self._system(request)
        if request.content_type == "application/json":
            wanted = await request.json()
        else:
            wanted = {"on": (await request.post()).get("on") == "1"}
        system.is_on = bool(wanted.get("on", system.is_on))
        system.resets = bool(wanted.get("resets", system.resets))
        system.delay_seconds = float(wanted.get("delay_seconds", system.delay_seconds))
        if self.warehouse and system.name == "wms":
            (self.warehouse.is_open.set if system.is_on else self.warehouse.is_open.clear)()
        if request.content_type != "application/json":
            raise web.HTTPSeeOther("/")
        return web.json_response(system.figures())

    async def _state(self, request: web.Request) -> web.Response:
        return web.json_response(self.figures())

    async def _page(self, request: web.Request) -> web.Response:
        is_chinese = not request.headers.get("Accept-Language", "zh").lower().startswith("en")
        text = page(self.figures(), is_chinese=is_chinese)
        return web.Response(text=text, content_type="text/html")
