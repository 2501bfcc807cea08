"""What a receiver does to us ends within bounds: drips, bombs, broken TLS, silence."""

import asyncio
import gzip
import ssl
import subprocess
import threading
import time

import pytest
from aiohttp import web
from django.db import connection, transaction

from changefeed.dispatch import draining
from changefeed.models import Attempt, Endpoint, FeedLane
from changefeed.recording import record_change
from tests.changefeed.conftest import drain_once
from tests.changefeed.receiver import answer
from tests.changefeed.rows import change, changes, make_endpoint

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_slow_drip_ends_with_the_whole_time_for_a_request(receiver, settings):
    settings.FEED_LEASE_SECONDS = 5

    async def drip(request, delivery):
        response = web.StreamResponse(status=500)
        await response.prepare(request)
        try:
            for _ in range(200):
                await response.write(b"x")
                await asyncio.sleep(0.1)
        except ConnectionError:
            pass
        return response

    receiver.behaviour = drip
    make_endpoint(url=receiver.url)
    change("A")
    began = time.monotonic()

    assert drain_once() == 0

    assert 2.5 < time.monotonic() - began < 6
    assert (Attempt.objects.get().outcome, Attempt.objects.get().answer) == ("failed", "timed out")


def test_a_gzip_bomb_is_not_unpacked(receiver):
    bomb = gzip.compress(b"\0" * (64 * 1024 * 1024))
    assert len(bomb) > 60_000

    async def throw(request, delivery):
        return web.Response(
            status=200,
            body=bomb,
            headers={"Content-Encoding": "gzip", "Content-Type": "application/json"},
        )

    receiver.behaviour = throw
    make_endpoint(url=receiver.url, name="single")
    make_endpoint(url=receiver.url, name="batched", batch_size=10)
    change("A")
    began = time.monotonic()

    drain_once()

    assert time.monotonic() - began < 5
    by_name = dict(Attempt.objects.values_list("endpoint__name", "outcome"))
    assert by_name == {"single": "delivered", "batched": "delivered"}


def test_a_headless_flood_is_cut_off():
    """A server that never ends its headers."""

    async def flood(reader, writer):
        try:
            await reader.read(100)
            writer.write(b"HTTP/1.1 200 OK\r\n")
            for number in range(100_000):
                writer.write(b"X-%d: %s\r\n" % (number, b"y" * 1000))
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    with raw_server(flood) as port:
        make_endpoint(url=f"http://127.0.0.1:{port}/")
        change("A")
        assert drain_once() == 0
    assert Attempt.objects.get().outcome == "failed"


def test_nonsense_instead_of_http_is_a_failure_with_a_reason():
    async def mumble(reader, writer):
        await reader.read(100)
        writer.write(b"\x00\xff\xfe not http \x80\r\n\r\n")
        writer.close()

    with raw_server(mumble) as port:
        make_endpoint(url=f"http://127.0.0.1:{port}/")
        change("A")
        assert drain_once() == 0
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.status) == ("failed", None)
    assert attempt.answer


def test_an_untrusted_certificate_is_refused(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1"),
            *("-subj", "/CN=localhost", "-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    seen: list[bytes] = []

    async def read(reader, writer):
        seen.append(await reader.read(100))
        writer.close()

    with raw_server(read, ssl=context) as port:
        make_endpoint(url=f"https://localhost:{port}/")
        change("A")
        assert drain_once() == 0

    assert b"".join(seen) == b""
    attempt = Attempt.objects.get()
    assert (attempt.outcome, attempt.status) == ("failed", None)
    assert "certificate" in attempt.answer.lower()
    assert FeedLane.objects.exists()


def test_a_hanging_subject_does_not_hold_up_what_comes_after_it(receiver, settings):
    """While one request waits for its answer, later changes of others are claimed and sent."""
    settings.FEED_LEASE_SECONDS = 10
    hung = threading.Event()

    async def hang(request, delivery):
        if delivery.subject == "slow":
            hung.set()
            await asyncio.sleep(30)
        return web.Response(status=204)

    receiver.behaviour = hang
    make_endpoint(url=receiver.url)
    change("slow")
    arrived: list[float] = []

    def write_later() -> None:
        assert hung.wait(10)
        began = time.monotonic()
        try:
            change("quick")
        finally:
            connection.close()
        while not receiver.versions("quick") and time.monotonic() - began < 5:
            time.sleep(0.005)
        arrived.append(time.monotonic() - began)

    writer = threading.Thread(target=write_later)
    writer.start()
    drain_once()
    writer.join()

    assert arrived[0] < 1
    assert FeedLane.objects.get().subject_id == "slow"


def test_a_redirect_of_a_batch_is_not_followed(receiver):
    receiver.behaviour = answer(307, Location="http://169.254.169.254/latest/meta-data")
    make_endpoint(url=receiver.url, batch_size=10)
    changes(subjects=3, versions=1)

    assert drain_once() == 0
    assert len(receiver.seen) == 1
    assert set(Attempt.objects.values_list("status", "outcome")) == {(307, "failed")}


def test_a_private_address_is_never_connected_to(receiver, settings):
    settings.FEED_ALLOW_PRIVATE_ADDRESSES = False
    make_endpoint(url=receiver.url, batch_size=10)
    changes(subjects=2, versions=1)

    assert drain_once() == 0

    assert receiver.seen == []
    answers = Attempt.objects.values_list("answer", flat=True)
    assert {answer.partition(":")[0] for answer in answers} == {"address refused"}
    assert Endpoint.objects.get().state in ("active", "open")


class raw_server:
    """A TCP server in a thread, for answers that no HTTP library would give."""

    def __init__(self, handler, **options) -> None:
        self._handler, self._options = handler, options

    def __enter__(self) -> int:
        started = threading.Event()
        self._loop = asyncio.new_event_loop()

        async def serve() -> None:
            server = await asyncio.start_server(
                self._handler, "127.0.0.1", 0, **self._options, limit=1024
            )
            self._port = server.sockets[0].getsockname()[1]
            started.set()

        def run() -> None:
            asyncio.set_event_loop(self._loop)
            self._loop.set_exception_handler(lambda _loop, _context: None)
            self._loop.run_until_complete(serve())
            self._loop.run_forever()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert started.wait(5)
        return self._port

    def __exit__(self, *_error: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)


def test_large_messages_are_taken_in_hand_a_few_at_a_time(receiver, monkeypatch):
    """A backlog of large orders must not fill the memory of whoever sends it."""
    held: list[int] = []
    claim = draining.claim

    async def weighed(*given, **named):
        lanes = await claim(*given, **named)
        held.append(sum(len(one.body) for lane in lanes for one in lane.messages))
        return lanes

    monkeypatch.setattr(draining, "claim", weighed)
    monkeypatch.setattr(draining, "MOST_BYTES_IN_HAND", 500_000)
    monkeypatch.setattr(draining, "FIRST_LANES", 10)
    make_endpoint(url=receiver.url, batch_size=50)
    with transaction.atomic():
        for number in range(300):
            record_change(
                "order.lines_changed",
                subject_kind="order",
                subject_id=f"O{number}",
                subject_version=1,
                new="x" * 10_000,
            )

    assert drain_once() == 300

    assert max(held) <= 520_000
    assert not FeedLane.objects.exists()
