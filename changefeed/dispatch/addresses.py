"""Which network addresses an endpoint may reach, checked on the very address connected to."""

import asyncio
import errno
import socket
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Any

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from changefeed.errors import AddressRefused

# Refused on top of what `is_global` refuses: prefixes that translate to any IPv4 address, the
# old site-local range, and a protocol range with a cloud's metadata service in it.
_ALSO_INSIDE = [
    ip_network(text)
    for text in (
        "64:ff9b::/96",
        "64:ff9b:1::/48",
        "2002::/16",
        "2001::/32",
        "fec0::/10",
        "192.0.0.0/24",
    )
]


def is_public(address: str) -> bool:
    """True for a unicast address of the public internet, also inside an IPv6 wrapping."""
    parsed = ip_address(address.partition("%")[0])
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
        return is_public(str(parsed.ipv4_mapped))
    if any(parsed in network for network in _ALSO_INSIDE):
        return False
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved


class AddressPolicy:
    """Decides for one endpoint; private addresses only when allowed for all or by its list."""

    def __init__(self, *, allow_private: bool, allowed_networks: Sequence[str] = ()) -> None:
        self._allow_private = allow_private
        self._allowed = [ip_network(network, strict=False) for network in allowed_networks]

    def permits(self, address: str) -> bool:
        """Whether a connection to this numeric address may be made."""
        if self._allow_private or is_public(address):
            return True
        parsed: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
        if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is not None:
            parsed = parsed.ipv4_mapped
        return any(parsed in network for network in self._allowed)

    def refused_literal(self, url: URL) -> str | None:
        """The URL's host when it is a forbidden numeric address, else None.

        Names are left to the resolver; numeric hosts never reach it.
        """
        host = url.host or ""
        try:
            ip_address(host.partition("%")[0])
        except ValueError:
            return None
        return None if self.permits(host) else host

    def open_socket(self, entry: tuple[Any, ...]) -> socket.socket:
        """A socket for this very address, the last moment at which it can be refused.

        Whatever a URL or a resolver made of a host's name, nothing is connected to but this.
        `entry` is as getaddrinfo gives it. Raises PermissionError, which connecting understands.
        """
        family, kind, protocol, _name, address = entry
        if not self._is_numeric_and_permitted(str(address[0])):
            raise PermissionError(errno.EACCES, f"address refused: {address[0]}")
        opened = socket.socket(family, kind, protocol)
        opened.setblocking(False)
        return opened

    def _is_numeric_and_permitted(self, address: str) -> bool:
        try:
            return self.permits(address)
        except ValueError:  # a name here would be looked up by whoever connects
            return False


class VettingResolver(AbstractResolver):
    """Resolves names and passes on only permitted addresses, to which aiohttp then connects.

    Nothing is looked up a second time, so a name cannot point elsewhere in between.
    """

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, family=family, flags=socket.AI_ADDRCONFIG
        )
        permitted = [entry for entry in found if self._policy.permits(str(entry[4][0]))]
        if not permitted:
            raise AddressRefused(host)
        return [self._result(host, port, entry) for entry in permitted]

    async def close(self) -> None:
        """Nothing is held."""

    @staticmethod
    def _result(host: str, port: int, entry: tuple[Any, ...]) -> ResolveResult:
        family, _type, proto, _name, address = entry
        return ResolveResult(
            hostname=host,
            host=str(address[0]),
            port=port,
            family=family,
            proto=proto,
            flags=socket.AI_NUMERICHOST,
        )
