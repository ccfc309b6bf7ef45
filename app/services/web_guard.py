"""Decides whether an address of the web may be reached, before anything connects to it.

A link in a calendar or mail may name anything: the router, a database on this machine, the cloud's
metadata service. So a host is resolved once, every address it has must be public, and the
connection goes to one of exactly these addresses. The only exception is what the operator has put
in the settings: that host at that port may be at home, whatever links point there. Addresses that
tell a machine its secrets (169.254.169.254 and its like) are refused even then.

Of IPv6 only what the internet is made of is public (2000::/3), and of that nothing that carries an
IPv4 address in it: some gateway may unpack it.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from socket import SOCK_STREAM
from ssl import SSLContext
from typing import Final

import anyio
import httpx2

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Awaitable[list[str]]]

_PORTS: Final = {"http": 80, "https": 443}
_INTERNET: Final = ip_network("2000::/3")  # of IPv6; is_global calls much of the rest public, too
_DISGUISED: Final = (  # IPv6 that carries an IPv4 address elsewhere
    *map(ip_network, ("::/96", "::ffff:0:0:0/96", "2001::/32")),
    *map(ip_network, ("2002::/16", "64:ff9b::/96", "64:ff9b:1::/48")),
)
_NOBODYS: Final = tuple(  # protocols and examples; is_global calls some of these public
    map(ip_network, ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "3fff::/20"))
)
_TELLTALE: Final = frozenset(  # machines of some clouds learn their secrets there
    map(ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254"))
)
_ISATAP: Final = (0x0000_5EFE, 0x0200_5EFE)  # before the IPv4 address in the last 32 bits


class AddressRefused(ValueError):
    """This address may not be reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A URL that may be reached, and where."""

    url: httpx2.URL
    addresses: tuple[Address, ...]

    @property
    def pinned(self) -> tuple[httpx2.URL, ...]:
        """The URL with each address in place of the name, so that no second look-up differs."""
        bare = self.url.copy_with(username=None, password=None, fragment=None)
        return tuple(bare.copy_with(host=str(address)) for address in self.addresses)


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system knows them."""
    found = await anyio.getaddrinfo(host, port, type=SOCK_STREAM)
    return [str(address[0]) for *_, address in found]


class WebGuard:
    """Lets public addresses through, and the hosts that the operator configured."""

    def __init__(self, *, trusted: Iterable[str] = (), resolve: Resolve = resolve) -> None:
        """`trusted` are URLs from the settings: their hosts and ports may be anywhere at home."""
        self._trusted = frozenset(_place(parse_url(url)) for url in trusted)
        self._resolve = resolve

    async def check(self, url: str) -> Target:
        """Where this URL may be reached; raises `AddressRefused`, or OSError for a lost host."""
        parsed = parse_url(url)
        host, port = _place(parsed)
        addresses = tuple(dict.fromkeys(map(_address, await self._resolve(host, port))))
        if not addresses:
            raise ConnectionError(f"{host} has no address")
        may_reach = is_harmless if (host, port) in self._trusted else is_public
        if not all(map(may_reach, addresses)):
            raise AddressRefused(f"{host} is not a public address, nor one from the settings")
        return Target(url=parsed, addresses=addresses)


@cache
def certificates() -> SSLContext:
    """Whom to trust with TLS; read once, for that takes longer than to ask somebody."""
    return httpx2.create_ssl_context(trust_env=False)


def is_public(address: Address) -> bool:
    """Whether it belongs to the internet, and to nothing nearer by another spelling."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return is_public(address.ipv4_mapped)
        if address not in _INTERNET or _carries_another(address):
            return False
    elsewhere = address.is_multicast or address in _TELLTALE or _is_in(address, _NOBODYS)
    return address.is_global and not elsewhere


def is_harmless(address: Address) -> bool:
    """Whether a configured host may have it: not a machine's metadata, nor many hosts at once."""
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped:
            return is_harmless(address.ipv4_mapped)
        if not address.is_loopback and _carries_another(address):
            return False
    elsewhere = address.is_link_local or address.is_multicast or address in _TELLTALE
    return not (elsewhere or address.is_unspecified)


def _carries_another(address: IPv6Address) -> bool:
    return _is_in(address, _DISGUISED) or (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP


def _is_in(address: Address, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    return any(address in network for network in networks)


def parse_url(url: str) -> httpx2.URL:
    """The address of something on the web; raises `AddressRefused` for anything else."""
    try:
        parsed = httpx2.URL(url)
    except (httpx2.InvalidURL, TypeError, UnicodeError) as error:
        raise AddressRefused("this is not a web address") from error
    if parsed.scheme not in _PORTS or not parsed.host:
        raise AddressRefused(f"only http and https are reached, not {parsed.scheme[:20]!r}")
    return parsed


def _place(url: httpx2.URL) -> tuple[str, int]:
    return url.host.rstrip(".").lower(), url.port or _PORTS[url.scheme]


def _address(text: str) -> Address:
    return ip_address(text.partition("%")[0])
