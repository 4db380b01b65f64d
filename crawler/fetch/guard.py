"""Where this crawler refuses to connect, decided on the address that is really connected to.

A guard in the resolver does not work: address literals never reach it, and a name can change between look-up and connect.
The connector's socket factory sees every final address, after DNS and for every spelling of it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

from crawler.fetch.timing import asking

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# `ipaddress.is_private` is the wrong test: it misses shared, translated, tunnelled and cloud metadata addresses.
PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
        "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/3", "168.63.129.16/32",
        "::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10",
        "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SIX_TO_FOUR = ipaddress.IPv6Network("2002::/16")

# Ports of services that take a line of HTTP for a command of theirs (Fetch standard, "port blocking").
BAD_PORTS = frozenset(
    (1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111, 113, 115,
     117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548, 554, 556, 563, 587,
     601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6379, 6566, 6665, 6666, 6667, 6668,
     6669, 6679, 6697, 10080, 11211)
)  # fmt: skip

REFUSED = -1
"""The errno of our refusals: of a host with several addresses that are all refused, nothing but its errno comes through."""


class GuardRefused(OSError):
    """We do not connect there. An OSError, because with any other aiohttp fails on hosts that have several addresses."""

    def __init__(self, why: str) -> None:
        super().__init__(REFUSED, why)

    def __str__(self) -> str:
        return str(self.strerror)


class Guard:
    """Judges addresses and ports."""

    def __init__(self, *, open_hosts: Iterable[str], open_ports: Iterable[int], allow: Iterable[str], deny: Iterable[str]) -> None:
        self._open_hosts = set(open_hosts)
        self._open_ports = set(open_ports)
        self._allow = tuple(ipaddress.ip_network(network) for network in allow)
        self._deny = tuple(ipaddress.ip_network(network) for network in deny)

    def open(self, hosts: Iterable[str], ports: Iterable[int]) -> None:
        """Let hosts that a seed names have private addresses, and a port of another service."""
        self._open_hosts.update(hosts)
        self._open_ports.update(ports)

    def refusal(self, host: str, text: str, *, named: bool = False) -> str | None:
        """Return why an address of a host is not connected to, None when it may be.

        *named*: it is the user's own proxy, which may have a private address. As a target of the crawl it may not.
        """
        address = ipaddress.ip_address(text.partition("%")[0])
        for one in unwrapped(address):
            if _within(one, self._deny):
                return f"{text} lies in a network given by --deny-net"
            if _within(one, self._allow) or host in self._open_hosts or named:
                continue
            if _within(one, PRIVATE):
                return f"{text} is a private address; --allow-net lets it in"
        return None

    def refused_port(self, port: int) -> str | None:
        """Return why a port is not connected to, None when it may be."""
        if port in BAD_PORTS and port not in self._open_ports:
            return f"port {port} belongs to another service than HTTP"
        return None

    def refused_literal(self, host: str) -> str | None:
        """Return why a host that is an address is not asked for, whoever connects to it: a proxy would not know better."""
        text = host.strip("[]")
        try:
            ipaddress.ip_address(text)
        except ValueError:
            return None
        return self.refusal(host, text)

    def socket(self, info: tuple[int, int, int, str, tuple[object, ...]]) -> socket.socket:
        """Make the socket for one address; raises GuardRefused."""
        family, kind, protocol, _, address = info
        now = asking.get()
        refusal = self.refusal(now.host, str(address[0]), named=now.proxied)
        if refusal is not None:
            raise GuardRefused(refusal)
        return socket.socket(family, kind, protocol)


def unwrapped(address: Address) -> tuple[Address, ...]:
    """Return an address and the IPv4 address that it stands for, if it does: mapped, translated or tunnelled."""
    if isinstance(address, ipaddress.IPv4Address):
        return (address,)
    if address.ipv4_mapped is not None:
        return (address.ipv4_mapped,)
    packed = address.packed
    if address in _NAT64:
        return (ipaddress.IPv4Address(packed[12:]),)
    if address in _SIX_TO_FOUR:
        return (address, ipaddress.IPv4Address(packed[2:6]))
    if address.teredo is not None:
        return (address, *address.teredo)
    return (address,)


def _within(address: Address, networks: Iterable[Network]) -> bool:
    return any(address.version == network.version and address in network for network in networks)
