"""Endpoints that lead inside, and receivers that attack: by the admin's form, ping and dispatcher.

A canary listens on every inner address of this machine; it must not be connected to even once.
"""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from changefeed.dispatch import addresses, sending
from changefeed.dispatch.addresses import AddressPolicy
from changefeed.dispatch.backoff import RETRY_AFTER_CAP_SECONDS, retry_after
from changefeed.dispatch.pinging import ping
from changefeed.models import Attempt, Endpoint, FeedLane
from tests.changefeed.admin_pages import root
from tests.changefeed.conftest import drain_once
from tests.changefeed.receiver import Receiver, answer
from tests.changefeed.rows import change, changes, make_endpoint
from tests.changefeed.test_dispatch_limits import raw_server

pytestmark = pytest.mark.django_db(transaction=True)


class Canary:
    """Counts every connection to the loopback addresses, whether or not it says anything."""

    def __init__(self) -> None:
        self.connections = 0
        self._listeners = [socket.create_server(("127.0.0.1", 0))]
        self.port = self._listeners[0].getsockname()[1]
        if socket.has_ipv6:
            six = socket.create_server(("::1", self.port), family=socket.AF_INET6)
            self._listeners.append(six)
        for listener in self._listeners:
            threading.Thread(target=self._listen, args=(listener,), daemon=True).start()

    def _listen(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _peer = listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.close()

    def close(self) -> None:
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()


@pytest.fixture
def canary() -> Iterator[Canary]:
    listening = Canary()
    yield listening
    listening.close()


@pytest.fixture
def outside_only(settings) -> None:
    settings.FEED_ALLOW_PRIVATE_ADDRESSES = False


SPELLINGS = [
    "127.0.0.1",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "127.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "0",
    "0.0.0.0",
    "localhost",
    "localhost.",
    "LOCALHOST",
    "１２７.0.0.1",
    "①②⑦.0.0.1",
    "127。0。0。1",
    "ｌｏｃａｌｈｏｓｔ",
    "٢١٣٠٧٠٦٤٣٣",
    "good.example@127.0.0.1",
    "127.0.0.1%00.example.com",
    "127.0.0.1%2eexample.com",
    "[::1]",
    "[::]",
    "[::1%25lo]",
    "[fe80::1%25lo]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[0:0:0:0:0:ffff:127.0.0.1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
]


def test_no_spelling_of_an_inner_address_is_connected_to(canary, outside_only):
    """By ping and by the dispatcher; the rows are written past the form's own checks."""
    made = [
        make_endpoint(name=f"e{number}", url=f"http://{host}:{canary.port}/hook")
        for number, host in enumerate(SPELLINGS)
    ]
    for endpoint in made:
        answered = ping(endpoint)
        assert (answered.outcome, answered.status) == ("failed", None), endpoint.url
    change("A")

    assert drain_once(seconds=60) == 0

    assert canary.connections == 0
    assert Attempt.objects.filter(outcome="failed", status=None).count() == len(SPELLINGS)
    assert FeedLane.objects.count() == len(SPELLINGS)


def test_the_canary_sings_where_private_addresses_are_allowed(canary, settings):
    """The negative control of this file."""
    settings.FEED_ALLOW_PRIVATE_ADDRESSES = True

    ping(make_endpoint(url=f"http://127.0.0.1:{canary.port}/hook"))

    assert canary.connections == 1


def test_a_name_that_turns_inward_after_it_was_checked_is_not_followed(
    canary, outside_only, monkeypatch
):
    """Public when asked, private when connecting: the address that was checked is the one used."""
    asked: list[str] = []

    async def rebinding(self, host, port, **_options):
        asked.append(host)
        address = "203.0.114.1" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    connected: list[str] = []

    async def connect(self, sock, address):
        connected.append(address[0])
        raise ConnectionRefusedError(111, "nobody there")

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", rebinding)
    monkeypatch.setattr(asyncio.selector_events.BaseSelectorEventLoop, "sock_connect", connect)
    endpoint = make_endpoint(url=f"http://rebinding.example:{canary.port}/hook")

    first, second = ping(endpoint), ping(endpoint)

    assert connected == ["203.0.114.1"]
    assert "address refused" not in first.text
    assert second.text == "address refused: rebinding.example"
    assert canary.connections == 0


def test_the_socket_itself_refuses_what_slipped_through_all_else(canary, outside_only, monkeypatch):
    """With checks of URL and resolver gone, and the library's own, nothing is connected to."""
    permits = AddressPolicy.permits

    async def careless(self, host, port=0, family=0):
        return [
            {"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 6,
             "flags": 0}
        ]  # fmt: skip

    monkeypatch.setattr(addresses.VettingResolver, "resolve", careless)
    monkeypatch.setattr(AddressPolicy, "refused_literal", lambda self, url: None)
    for host in ("anything.example", "127.0.0.1", "[::1]"):
        answered = ping(make_endpoint(url=f"http://{host}:{canary.port}/"))
        assert (answered.outcome, answered.status) == ("failed", None)
        assert "address refused" in answered.text
    assert canary.connections == 0
    monkeypatch.setattr(AddressPolicy, "permits", lambda self, address: True)
    ping(make_endpoint(url=f"http://anything.example:{canary.port}/"))
    monkeypatch.setattr(AddressPolicy, "permits", permits)
    assert canary.connections == 1, "the negative control"


def test_no_socket_is_opened_for_an_inner_address_or_a_name():
    policy = AddressPolicy(allow_private=False)

    for entry in ("localhost", "127.0.0.1", "::1", "", "2130706433", "127.1"):
        with pytest.raises(PermissionError):
            policy.open_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", (entry, 80)))


@pytest.mark.parametrize("status", [302, 307])
def test_no_redirect_is_followed_by_ping_single_or_batch(canary, receiver, settings, status):
    inside = f"http://127.0.0.1:{canary.port}/latest/meta-data"
    receiver.behaviour = answer(status, Location=inside, Refresh=f"0; url={inside}")
    single = make_endpoint(url=receiver.url)
    make_endpoint(url=receiver.url, batch_size=10)

    answered = ping(single)
    changes(subjects=1, versions=1)
    assert drain_once() == 0

    assert (answered.outcome, answered.status) == ("failed", status)
    assert len(receiver.seen) == 3
    assert canary.connections == 0
    assert set(Attempt.objects.values_list("status", "outcome")) == {(status, "failed")}


FORM = {"name": "WMS", "concurrency": 4, "rate": 0, "batch_size": 1}


@pytest.mark.parametrize(
    "url",
    [
        "http://good@127.0.0.1/",
        "http://user:pass@wms.example/",
        "http://:@wms.example/",
        "ftp://wms.example/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "javascript:alert(1)",
        "http://wms.example/\r\nX-Evil: 1",
        "http://wms.example\\@127.0.0.1/",
        "http://exa mple/",
        "http://[::1/",
        "http://",
        "http://127.0.0.1%00.example.com/",
        "http://wms.example:99999/",
    ],
)
def test_the_form_refuses_addresses_that_hide_where_they_lead(canary, url):
    response = root().post("/admin/changefeed/endpoint/add/", FORM | {"url": url})

    assert response.status_code == 200
    assert response.context["adminform"].form.errors
    assert not Endpoint.objects.exists()


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "169.254.169.254"]
)
def test_what_the_form_takes_still_leads_nowhere_inside(canary, outside_only, host):
    """A network may be allowed later, so the form asks no resolver; every request is checked."""
    client = root()
    client.post("/admin/changefeed/endpoint/add/", FORM | {"url": f"http://{host}:{canary.port}/"})
    pinged = [
        client.post(
            f"/admin/changefeed/endpoint/{pk}/ping/", headers={"accept": "application/json"}
        )
        for pk in Endpoint.objects.values_list("pk", flat=True)
    ]
    change("A")
    drain_once()

    assert canary.connections == 0
    assert not any(one.json()["is_delivered"] for one in pinged)
    assert not Attempt.objects.filter(outcome="delivered").exists()


# -- receivers that attack ---------------------------------------------------------------------


async def _huge(request, delivery):
    response = web.StreamResponse(status=500, headers={"Content-Type": "application/json"})
    await response.prepare(request)
    try:
        for _ in range(1024):
            await response.write(b"x" * 65536)
    except ConnectionError:
        pass
    return response


def test_an_answer_of_64_mib_is_cut_off_for_a_ping_too(receiver):
    receiver.behaviour = _huge
    began = time.monotonic()

    answered = ping(make_endpoint(url=receiver.url))

    assert (answered.outcome, answered.status) == ("failed", 500)
    assert answered.text == "x" * 500
    assert len(answered.document) == 64 * 1024
    assert time.monotonic() - began < 5


def _endless(line: Callable[[int], bytes], start: bytes = b"HTTP/1.1 200 OK\r\n"):
    async def flood(reader, writer):
        try:
            await reader.read(100)
            writer.write(start)
            for number in range(200_000):
                writer.write(line(number))
                await writer.drain()
        except ConnectionError:
            pass
        writer.close()

    return flood


@pytest.mark.parametrize(
    "server",
    [
        _endless(lambda number: b"X-%d: %s\r\n" % (number, b"y" * 1000)),
        _endless(lambda number: b"y" * 1000, b"HTTP/1.1 200 OK\r\nX: "),
        _endless(lambda number: b"y" * 1000, b"HTTP/1.1 "),
        _endless(lambda number: b"HTTP/1.1 100 Continue\r\n\r\n", b""),
        _endless(lambda _number: b"", b"\x00\xff not http\r\n\r\n"),
        _endless(lambda _number: b"", b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n"),
        _endless(lambda _number: b"", b"HTTP/1.1 99999 What\r\n\r\n"),
        _endless(lambda _number: b"", b"HTTP/1.1 \xd9\xa2\xd9\xa0\xd9\xa0 OK\r\n\r\n"),
    ],
    ids=[
        *("headers", "one header", "status line", "continues", "no http"),
        *("negative length", "status of five digits", "arabic digits"),
    ],
)
def test_no_server_breaks_a_ping_or_the_dispatcher_or_other_endpoints(receiver, settings, server):
    settings.FEED_LEASE_SECONDS = 5
    make_endpoint(url=receiver.url, name="good")
    with raw_server(server) as port:
        hostile = make_endpoint(url=f"http://127.0.0.1:{port}/?token=sekret-in-query", name="bad")
        answered = ping(hostile)
        change("A")
        assert drain_once() == 1

    assert answered.outcome == "failed"
    bad = Attempt.objects.get(endpoint=hostile)
    assert (bad.outcome, FeedLane.objects.get().endpoint_id) == ("failed", hostile.pk)
    assert (
        "sekret" not in bad.answer + answered.text + Endpoint.objects.get(name="bad").state_reason
    )


RETRY_AFTER = [
    "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
    "Mon, 01 Jan 2030 00:00:00 +99999999999999",
    "\x1b[31m",
]


@pytest.mark.parametrize("header", RETRY_AFTER)
def test_an_odd_retry_after_stops_nobody_else(receiver, header):
    """Dates with numbers of many digits once ended the dispatcher for all endpoints."""

    async def busy(reader, writer):
        await reader.read(100)
        head = f"HTTP/1.1 503 Busy\r\nRetry-After: {header}\r\nContent-Length: 0\r\n\r\n"
        writer.write(head.encode())
        await writer.drain()
        writer.close()

    make_endpoint(url=receiver.url)
    with raw_server(busy) as port:
        hostile = make_endpoint(url=f"http://127.0.0.1:{port}/")
        change("A")
        assert drain_once() == 1
        assert ping(hostile).outcome in ("failed", "throttled")

    assert len(receiver.seen) == 1
    assert Attempt.objects.get(endpoint=hostile).outcome in ("failed", "throttled")


_DATED = st.builds(
    "{}, {} {} {} {}:{}:{} {}{}".format,
    st.sampled_from(["Mon", "", "x"]),
    st.integers(),
    st.sampled_from(["Jan", "Feb", "13"]),
    st.integers(),
    *[st.integers()] * 3,
    st.sampled_from(["GMT", "+", "-"]),
    st.integers(),
)


@given(st.text() | _DATED)
def test_any_retry_after_is_nothing_or_within_an_hour(header):
    asked = retry_after(header, datetime(2026, 11, 11, tzinfo=UTC))

    assert asked is None or 0 <= asked <= RETRY_AFTER_CAP_SECONDS


def test_an_error_that_nobody_foresaw_is_that_endpoints_alone(receiver, monkeypatch):
    """Whatever a library makes of an answer, the feed goes on for everybody else."""

    def surprised(header, now):
        raise RecursionError("so deep")

    monkeypatch.setattr(sending, "retry_after", surprised)
    with Receiver(behaviour=answer(503, **{"Retry-After": "1"})) as odd:
        make_endpoint(url=odd.url, name="odd")
        make_endpoint(url=receiver.url, name="good")
        change("A")
        assert drain_once() == 1

    failed = Attempt.objects.get(endpoint__name="odd")
    assert (failed.outcome, failed.answer) == ("failed", "unreadable answer: RecursionError")
