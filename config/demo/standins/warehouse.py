"""The warehouse that the WMS stand-in plays: picks, ships and delivers what it was told to."""

import asyncio
import hashlib
import json
import os
import zlib
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from config.demo.standins.receipts import Message, lines_of, open_to_append

STAGES = ("picked", "shipped", "delivered")
CALLS_AT_ONCE = 4
STEP_SECONDS = 0.5
RETRY_SECONDS = 1.0


def stages_today(number: str) -> int:
    """How many of STAGES the parcel gets through today; the same for the same parcel.

    Of five, two stay on the shelf, and one each is picked, shipped and delivered, so that there
    is something to see everywhere and something to stop.
    """
    return (0, 0, 1, 2, 3)[zlib.crc32(number.encode()) % 5]


@dataclass(slots=True)
class Parcel:
    """One shipment on the warehouse's floor; `done` counts the STAGES it is through."""

    number: str
    courier: str
    done: int = 0
    is_stopped: bool = False

    @property
    def is_finished(self) -> bool:
        return self.is_stopped or self.done >= stages_today(self.number)

    @property
    def stage(self) -> str:
        if self.is_stopped:
            return "stopped"
        return STAGES[self.done - 1] if self.done else "waiting"

    @property
    def waybill(self) -> str:
        digits = int(hashlib.sha256(self.number.encode()).hexdigest()[:12], 16)
        return f"{self.courier or 'EXP'}{digits:015d}"


class Warehouse:
    """Parcels and their progress, told back to Sluice through its API.

    What it said is kept in `path`. A call that fails is repeated; a repeated event changes
    nothing there.
    """

    def __init__(self, path: Path, api_url: str, api_key: str) -> None:
        self.parcels: dict[str, Parcel] = {}
        self.refusals: list[str] = []
        self.answers: Counter[str] = Counter()
        self.is_open = asyncio.Event()
        self.is_open.set()
        self._api_url = api_url.rstrip("/")
        self._api_key = api_key
        self._work: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
        self._waiting = 0
        self._path = path
        self._file = open_to_append(path)

    @property
    def pending(self) -> int:
        """Parcels and answers that still need a call."""
        return self._work.qsize() + self._waiting

    def recall(self, messages: list[Message]) -> None:
        """Know again, after a restart, what was received and what was said."""
        for message in messages:
            self._note(message)
        for line in lines_of(self._path):
            self._advance(line["parcel"], line["event"])
        for parcel in self.parcels.values():
            if not parcel.is_finished:
                self._work.put_nowait((parcel.number, STAGES[parcel.done]))

    def receive(self, message: Message) -> None:
        """Act on one message of the feed."""
        if event := self._note(message):
            self._work.put_nowait((message["data"]["new"]["number"], event))

    def figures(self) -> dict[str, Any]:
        """The counts for `/state`."""
        return {
            "parcels": len(self.parcels),
            "stages": dict(Counter(parcel.stage for parcel in self.parcels.values())),
            "freeze_answers": dict(self.answers),
            "pending": self.pending,
            "refusals": self.refusals[-20:],
        }

    async def work(self) -> None:
        """Work until cancelled."""
        headers = {"Authorization": f"Api-Key {self._api_key}"}
        timeout = aiohttp.ClientTimeout(total=15)
        async with aiohttp.ClientSession(headers=headers, timeout=timeout) as session:
            await asyncio.gather(*(self._serve(session) for _ in range(CALLS_AT_ONCE)))

    def _note(self, message: Message) -> str:
        """Enter the message on the floor's books; the event to tell first, if any."""
        kind, document = message["type"], message["data"]["new"]
        if not kind.startswith("shipment."):
            return ""
        number = document["number"]
        parcel = self.parcels.get(number)
        if kind == "shipment.released":
            parcel = Parcel(number, document["routing"]["courier"] or "")
            self.parcels[number] = parcel
            return "" if parcel.is_finished else STAGES[0]
        if parcel is None:
            return ""
        if kind == "shipment.cancelled":
            parcel.is_stopped = True
        elif kind == "shipment.freeze_requested":
            return "freeze_refused" if parcel.done else "freeze_ack"
        return ""

    def _advance(self, number: str, event: str) -> None:
        parcel = self.parcels.get(number)
        if parcel is None:
            return
        if event in STAGES:
            parcel.done = max(parcel.done, STAGES.index(event) + 1)
        else:
            self.answers[event] += 1
            parcel.is_stopped = parcel.is_stopped or event == "freeze_ack"

    async def _serve(self, session: aiohttp.ClientSession) -> None:
        while True:
            number, event = await self._work.get()
            self._waiting += 1
            try:
                await self.is_open.wait()
                await self._step(session, number, event)
            finally:
                self._waiting -= 1

    async def _step(self, session: aiohttp.ClientSession, number: str, event: str) -> None:
        parcel = self.parcels[number]
        if event in STAGES and parcel.is_stopped:
            return
        status = await self._tell(session, parcel, event)
        if status is None:
            self._later(RETRY_SECONDS, number, event)
            return
        if status >= 400:
            self.refusals.append(f"{number} {event}: HTTP {status}")
            return
        os.write(self._file, json.dumps({"parcel": number, "event": event}).encode() + b"\n")
        self._advance(number, event)
        if event in STAGES and not parcel.is_finished:
            self._later(STEP_SECONDS, number, STAGES[parcel.done])

    def _later(self, seconds: float, number: str, event: str) -> None:
        def due() -> None:
            self._waiting -= 1
            self._work.put_nowait((number, event))

        self._waiting += 1
        asyncio.get_running_loop().call_later(seconds, due)

    async def _tell(self, session: aiohttp.ClientSession, parcel: Parcel, event: str) -> int | None:
        """The status of Sluice's answer; None when the call is worth repeating."""
        body = {"event": event}
        if event == "shipped":
            body["waybill"] = parcel.waybill
        url = f"{self._api_url}/api/v1/shipments/{parcel.number}/events/"
        with suppress(aiohttp.ClientError, TimeoutError, OSError):
            async with session.post(url, json=body) as response:
                await response.read()
                if response.status < 500 and response.status != 429:
                    return response.status
        return None
