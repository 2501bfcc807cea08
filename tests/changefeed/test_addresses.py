"""Endpoints reach the public internet and nothing inside, whatever the address looks like."""

import asyncio
import socket

import pytest

from changefeed.dispatch.addresses import AddressPolicy, VettingResolver, is_public
from changefeed.errors import AddressRefused
from changefeed.models import Attempt, Endpoint, FeedLane
from tests.changefeed.conftest import drain_once
from tests.changefeed.rows import change, make_endpoint

INSIDE = [
    "127.0.0.1",
    "127.8.8.8",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "100.100.100.200",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "::ffff:10.0.0.1",
    "fe80::1",
    "fe80::1%eth0",
    "fc00::1",
    "fd00:ec2::254",
    "fec0::1",
    "ff02::1",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2001:0:1::1",
]


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside_are_not_public(address):
    assert not is_public(address)
    assert not AddressPolicy(allow_private=False).permits(address)
    assert AddressPolicy(allow_private=True).permits(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "223.5.5.5", "2400:3200::1", "::ffff:8.8.8.8"])
def test_addresses_of_the_internet_are_public(address):
    assert is_public(address)
    assert AddressPolicy(allow_private=False).permits(address)


@pytest.mark.parametrize(
    ("address", "permitted"),
    [("10.20.3.4", True), ("::ffff:10.20.3.4", True), ("10.21.0.1", False), ("fd00::5", True)],
)
def test_an_endpoint_may_name_private_networks(address, permitted):
    policy = AddressPolicy(allow_private=False, allowed_networks=["10.20.0.0/16", "fd00::/8"])
    assert policy.permits(address) is permitted


def test_a_name_that_leads_inside_is_refused_at_the_moment_of_connecting(monkeypatch):
    """A resolver that answers differently each time, as in DNS rebinding."""
    answers = iter(["8.8.8.8", "127.0.0.1"])

    async def resolve(self, host, port, **kwargs):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    monkeypatch.setattr(asyncio.BaseEventLoop, "getaddrinfo", resolve)

    async def twice():
        resolver = VettingResolver(AddressPolicy(allow_private=False))
        first = await resolver.resolve("rebinding.example", 443)
        with pytest.raises(AddressRefused):
            await resolver.resolve("rebinding.example", 443)
        return first

    (found,) = asyncio.run(twice())
    assert (found["host"], found["port"]) == ("8.8.8.8", 443)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "[::ffff:127.0.0.1]", "[::1]"])
def test_nothing_is_sent_inside_unless_allowed(receiver, settings, host):
    settings.FEED_ALLOW_PRIVATE_ADDRESSES = False
    make_endpoint(url=f"http://{host}:{receiver.port}/hook")
    change("A")

    assert drain_once() == 0

    assert receiver.seen == []
    attempt = Attempt.objects.get()
    assert attempt.outcome == "failed"
    assert attempt.answer.startswith(("address refused", "InvalidUrlClientError"))
    assert FeedLane.objects.get().state == "backoff"


@pytest.mark.django_db(transaction=True)
def test_an_endpoint_with_its_network_allowed_is_reached(receiver, settings):
    settings.FEED_ALLOW_PRIVATE_ADDRESSES = False
    make_endpoint(url=receiver.url, allowed_networks=["127.0.0.0/8"])
    change("A")

    assert drain_once() == 1
    assert Endpoint.objects.get().state == "active"
