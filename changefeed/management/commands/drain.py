"""Deliver the feed as a plain process, until SIGTERM, or once until nothing is due."""

import asyncio
import logging
import signal
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils.translation import gettext as _

from changefeed import collecting
from changefeed.dispatch.database import PLACES, open_pool, take_place
from changefeed.dispatch.loop import LOST, Dispatcher

log = logging.getLogger(__name__)

_RETRY_SECONDS = 1.0


class Command(BaseCommand):
    help = "Deliver pending changes to the endpoints."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--once", action="store_true", help="end when nothing is due")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["once"]:
            collecting.settle()
        delivered = asyncio.run(self._run(once=options["once"]))
        self.stdout.write(_("%(count)d changes delivered") % {"count": delivered})

    async def _run(self, *, once: bool) -> int:
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stopping.set)
        delivered = 0
        while not stopping.is_set():
            try:
                delivered += await self._drain(stopping, linger=0.0 if once else None)
            except* LOST as lost:
                log.warning("database lost, trying again: %s", _first_of(lost))
                if once:
                    raise
            else:
                if once:
                    break
            await self._wait(stopping)
        return delivered

    async def _drain(self, stopping: asyncio.Event, linger: float | None) -> int:
        async with take_place(PLACES) as place, open_pool() as pool:
            if place is None:
                log.warning("all %d places for dispatchers are taken", PLACES)
                return 0
            dispatcher = Dispatcher(pool, place=place)
            watcher = asyncio.create_task(self._stop_when(stopping, dispatcher))
            try:
                return await dispatcher.run(linger=linger)
            finally:
                watcher.cancel()

    async def _stop_when(self, stopping: asyncio.Event, dispatcher: Dispatcher) -> None:
        await stopping.wait()
        dispatcher.stop()

    async def _wait(self, stopping: asyncio.Event) -> None:
        waiting = asyncio.create_task(stopping.wait())
        await asyncio.wait([waiting], timeout=_RETRY_SECONDS)
        waiting.cancel()


def _first_of(lost: BaseExceptionGroup[Exception]) -> BaseException:
    """What went wrong first, out of however many groups."""
    found: BaseException = lost
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
