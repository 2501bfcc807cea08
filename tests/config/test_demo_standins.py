"""The stand-in systems verify, keep, notice repeats and disorder, and are switched off and on."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from standardwebhooks import Webhook

from config.demo.standins.receipts import Book
from config.demo.standins.server import StandIns
from config.demo.standins.warehouse import stages_today

SECRETS = {"wms": "whsec_d21z", "erp": "whsec_ZXJw"}
RECEIVER = {"secrets": SECRETS, "api": None}


def message(number: int, seq: int, version: int = 1, kind: str = "order.received") -> bytes:
    subject = {"kind": "order", "id": "DY-1", "version": version}
    new = {"number": "DY-1-1", "routing": {"courier": "SF"}}
    data = {"seq": seq, "subject": subject, "new": new}
    return orjson.dumps({"id": f"m-{number}", "type": kind, "data": data})


def signed(body: bytes, *, system: str = "wms", number: int = 1) -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "webhook-id": f"m-{number}",
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(SECRETS[system]).sign(f"m-{number}", now, body.decode()),
    }


def test_a_test_message_is_answered_and_kept_nowhere(tmp_path):
    ping = orjson.dumps({"id": "m-1", "type": "ping", "data": {}})

    async def use(client: Any) -> None:
        answer = await client.post("/wms/feed", data=ping, headers=signed(ping))
        assert (answer.status, await answer.text()) == (200, "ok")
        state = await (await client.get("/state")).json()
        assert (state["wms"]["received"], state["wms"]["forged"]) == (0, 0)

    with_client(tmp_path, use)


def with_client(home: Path, use: Callable[[Any], Awaitable[None]], config: Any = RECEIVER) -> None:
    async def run() -> None:
        stand_ins = StandIns(home, config)
        async with TestClient(TestServer(stand_ins.application())) as client:
            await use(client)

    asyncio.run(run())


def test_signed_message_is_kept_and_acknowledged(tmp_path: Path) -> None:
    async def use(client: Any) -> None:
        body = message(1, seq=7)
        assert (await client.post("/wms/feed", data=body, headers=signed(body))).status == 200
        state = await (await client.get("/state")).json()
        assert (state["wms"]["received"], state["wms"]["kinds"]) == (1, {"order.received": 1})
        assert state["erp"]["received"] == 0

    with_client(tmp_path, use)
    kept = json.loads((tmp_path / "wms.jsonl").read_text())
    assert kept["message"] == json.loads(message(1, seq=7))


@pytest.mark.parametrize("change", ["another system's secret", "another body", "no signature"])
def test_message_whose_signature_does_not_fit_is_refused(tmp_path: Path, change: str) -> None:
    async def use(client: Any) -> None:
        body = message(1, seq=7)
        headers = signed(body, system="erp" if change.startswith("another s") else "wms")
        if change == "no signature":
            del headers["webhook-signature"]
        sent = message(1, seq=8) if change == "another body" else body
        assert (await client.post("/wms/feed", data=sent, headers=headers)).status == 401
        state = await (await client.get("/state")).json()
        assert (state["wms"]["forged"], state["wms"]["received"]) == (1, 0)

    with_client(tmp_path, use)
    assert (tmp_path / "wms.jsonl").read_text() == ""


def test_system_that_is_off_turns_messages_away_until_it_is_on(tmp_path: Path) -> None:
    async def use(client: Any) -> None:
        body = message(1, seq=7)
        await client.post("/control/wms", json={"on": False})
        assert (await client.post("/wms/feed", data=body, headers=signed(body))).status == 503
        other = message(2, seq=8)
        headers = signed(other, system="erp", number=2)
        assert (await client.post("/erp/feed", data=other, headers=headers)).status == 200
        await client.post("/control/wms", json={"on": True})
        assert (await client.post("/wms/feed", data=body, headers=signed(body))).status == 200
        state = await (await client.get("/state")).json()
        assert (state["wms"]["turned_away"], state["wms"]["received"]) == (1, 1)

    with_client(tmp_path, use)


def test_page_switches_a_system_and_speaks_the_visitors_language(tmp_path: Path) -> None:
    async def use(client: Any) -> None:
        answer = await client.post("/control/erp", data={"on": "0"}, allow_redirects=False)
        assert (answer.status, answer.headers["Location"]) == (303, "/")
        chinese = await (await client.get("/", headers={"Accept-Language": "zh-CN"})).text()
        english = await (await client.get("/", headers={"Accept-Language": "en"})).text()
        assert ("模拟的下游系统" in chinese, "已停机" in chinese) == (True, True)
        assert ("Stand-in systems" in english, "Off: switch on" in english) == (True, True)

    with_client(tmp_path, use)


def test_unknown_system_is_not_found(tmp_path: Path) -> None:
    async def use(client: Any) -> None:
        assert (await client.post("/tms/feed", data=b"{}")).status == 404

    with_client(tmp_path, use)


def test_repeat_is_counted_and_changes_nothing(tmp_path: Path) -> None:
    book = Book.opened(tmp_path / "wms.jsonl")
    body = message(1, seq=7)
    assert book.enter("m-1", body) is not None
    assert book.enter("m-1", body) is None
    figures = book.figures()
    assert (figures["received"], figures["distinct"], figures["repeated"]) == (2, 1, 1)
    assert (figures["altered"], figures["disordered"]) == ([], [])


def test_repeat_with_another_body_is_noticed(tmp_path: Path) -> None:
    book = Book.opened(tmp_path / "wms.jsonl")
    book.enter("m-1", message(1, seq=7))
    book.enter("m-1", message(1, seq=8))
    assert book.figures()["altered"] == ["m-1"]


@pytest.mark.parametrize(
    ("first", "second", "disordered"),
    [
        ((7, 1), (8, 1), []),
        ((7, 1), (9, 3), []),
        ((8, 2), (7, 1), ["order:DY-1"]),
        ((7, 2), (8, 1), ["order:DY-1"]),
    ],
)
def test_order_of_first_arrivals_is_watched(
    tmp_path: Path, first: tuple[int, int], second: tuple[int, int], disordered: list[str]
) -> None:
    book = Book.opened(tmp_path / "wms.jsonl")
    book.enter("m-1", message(1, *first))
    book.enter("m-2", message(2, *second))
    assert book.figures()["disordered"] == disordered


def test_book_knows_everything_again_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "wms.jsonl"
    book = Book.opened(path)
    book.enter("m-1", message(1, seq=7))
    book.enter("m-1", message(1, seq=7))
    book.enter("m-2", message(2, seq=8))
    before = book.figures()
    with path.open("a") as file:
        file.write('{"id": "m-3", "sha2')  # a line that the kill tore and nobody was answered for
    again = Book.opened(path)
    assert again.figures() == before
    again.enter("m-3", message(3, seq=9))
    assert Book.opened(path).figures() == again.figures()


def test_warehouse_reports_each_stage_once_and_goes_on_after_a_restart(tmp_path: Path) -> None:
    number = next(f"DY-{n}-1" for n in range(99) if stages_today(f"DY-{n}-1") == 3)
    told: list[tuple[str, str, Any]] = []

    async def event(request: web.Request) -> web.Response:
        told.append(
            (
                request.match_info["number"],
                request.headers["Authorization"],
                await request.json(),
            )
        )
        return web.json_response({}, status=503 if len(told) == 1 else 200)

    async def run() -> None:
        api = web.Application()
        api.add_routes([web.post("/api/v1/shipments/{number}/events/", event)])
        async with TestServer(api) as server:
            config = {"secrets": SECRETS, "api": {"url": str(server.make_url("")), "key": "k"}}
            body = message(1, seq=7, kind="shipment.released").replace(b"DY-1-1", number.encode())
            await until(config, body, 2)
            await until(config, None, 4)

    async def until(config: Any, body: bytes | None, calls: int) -> None:
        async with TestClient(TestServer(StandIns(tmp_path, config).application())) as client:
            if body:
                await client.post("/wms/feed", data=body, headers=signed(body))
            async with asyncio.timeout(20):
                while len(told) < calls:
                    await asyncio.sleep(0.02)

    asyncio.run(run())
    events = [call[2]["event"] for call in told]
    assert events[:2] == ["picked", "picked"]
    assert list(dict.fromkeys(events)) == ["picked", "shipped", "delivered"]
    assert {call[:2] for call in told} == {(number, "Api-Key k")}
    waybills = {call[2]["waybill"] for call in told if call[2]["event"] == "shipped"}
    assert len(waybills) == 1
    assert waybills.pop().startswith("SF")


@pytest.mark.parametrize(("done", "answer"), [(0, "freeze_ack"), (1, "freeze_refused")])
def test_warehouse_stops_only_what_it_has_not_picked(
    tmp_path: Path, done: int, answer: str
) -> None:
    number = next(f"DY-{n}-1" for n in range(99) if stages_today(f"DY-{n}-1") == done)
    told: list[str] = []

    async def event(request: web.Request) -> web.Response:
        told.append((await request.json())["event"])
        return web.json_response({})

    async def run() -> None:
        api = web.Application()
        api.add_routes([web.post("/api/v1/shipments/{number}/events/", event)])
        async with TestServer(api) as server:
            config = {"secrets": SECRETS, "api": {"url": str(server.make_url("")), "key": "k"}}
            async with TestClient(TestServer(StandIns(tmp_path, config).application())) as client:
                for n, kind in enumerate(("released", "freeze_requested"), start=1):
                    body = message(n, seq=n, kind=f"shipment.{kind}")
                    body = body.replace(b"DY-1-1", number.encode())
                    await client.post("/wms/feed", data=body, headers=signed(body, number=n))
                    async with asyncio.timeout(20):
                        while (await (await client.get("/state")).json())["warehouse"]["pending"]:
                            await asyncio.sleep(0.02)

    asyncio.run(run())
    assert told == ["picked"] * done + [answer]
