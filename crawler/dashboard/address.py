"""Where the pages are served: this machine only unless told otherwise, and by which names a browser may call for them."""

from __future__ import annotations

import errno
import ipaddress
import os
import re
import socket

import msgspec

from crawler.folder import CrawlError

HOST, PORT = "127.0.0.1", 8765
"""The first port that is tried; the same each time, so that a page that is open finds a crawl that is started again."""
HIGHEST_PORT = 65_535
HTTP_PORT = 80
"""A browser does not say in Host that it comes by this one."""
BACKLOG = 128

_ADDRESS = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:\s]+))?(?::(?P<port>\d{1,5}))?")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?")


class BadAddress(CrawlError):
    """An address that cannot be listened on."""

    exit_code = 2


class Address(msgspec.Struct, frozen=True):
    """An address to listen on."""

    host: str = HOST
    port: int | None = None
    """None: the usual one, or any that is free where that is taken."""

    @property
    def is_loopback(self) -> bool:
        """Tell whether nobody on another machine can reach it."""
        return self.host == "localhost" or ipaddress.ip_address(self.host).is_loopback


class Bound(msgspec.Struct, frozen=True):
    """An address that is listened on."""

    sock: socket.socket
    url: str
    """By which a browser on this machine, or the first allowed name, comes there; ends in a slash."""
    hosts: frozenset[str]
    """What the Host header may say, in lower case."""


def read(text: str) -> Address:
    """Return the address in words like `8080`, `127.0.0.1:8080`, `[::1]:8080`. Raises BadAddress."""
    text = text.strip()
    if text.isdigit():
        text = f":{text}"
    match = _ADDRESS.fullmatch(text)
    if match is None or not text:
        raise BadAddress(f"{text!r} is no address to listen on", f"Try {HOST}:{PORT}, or a port alone.")
    port = None if match["port"] is None else int(match["port"])
    if port is not None and port > HIGHEST_PORT:
        raise BadAddress(f"there is no port {port}", f"Try one up to {HIGHEST_PORT:,}, or 0 for any that is free.")
    host = (match["host"] or HOST).strip("[]").lower()
    if host != "localhost":
        try:
            host = str(ipaddress.ip_address(host))
        except ValueError:
            raise BadAddress(f"{host!r} is no address of this machine", f"Try {HOST}, or the number of a network interface.") from None
    return Address(host, port)


def bind(address: Address, names: tuple[str, ...] = ()) -> Bound:
    """Listen. *names*: further names by which browsers may come, without a port. Raises BadAddress.

    A browser says in Host by what name it was sent here. Only the address itself and names that were given are answered: a
    name of somebody else that leads here (DNS rebinding) is not.
    """
    allowed = tuple(name.strip().lower().rstrip(".") for name in names)
    for name in allowed:
        if not _NAME.fullmatch(name):
            raise BadAddress(f"{name!r} is no host name", "Try one like crawler.example.org, without a port.")
    anywhere = address.host != "localhost" and ipaddress.ip_address(address.host).is_unspecified
    if anywhere and not allowed:
        hint = "Try --allow-host with the name that the browser will use."
        raise BadAddress(f"whoever listens on {address.host} has to know its name", hint)
    sock = _listening(address)
    port = sock.getsockname()[1]
    shown = f"[{address.host}]" if ":" in address.host else address.host
    own = [] if anywhere else [shown]
    if address.is_loopback:
        own = list(dict.fromkeys([shown, "127.0.0.1", "localhost", "[::1]"]))
    hosts = [f"{name}:{port}" for name in (*own, *allowed)]
    hosts += allowed if port != HTTP_PORT else (*own, *allowed)     # a proxy in front listens on a port of its own
    return Bound(sock, f"http://{hosts[0]}/", frozenset(hosts))


def _listening(address: Address) -> socket.socket:
    wanted = (PORT, 0) if address.port is None else (address.port,)
    for port in wanted:
        try:
            return _bound(address.host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or port == wanted[-1]:
                raise _refused(address.host, port, error) from None
    raise AssertionError(wanted)


def _bound(host: str, port: int) -> socket.socket:
    number = HOST if host == "localhost" else host
    sock = socket.socket(socket.AF_INET6 if ":" in number else socket.AF_INET)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((number, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _refused(host: str, port: int, error: OSError) -> BadAddress:
    hint = "Try another port, or 0 for any that is free." if error.errno in (errno.EADDRINUSE, errno.EACCES) else f"Try {HOST}."
    return BadAddress(f"cannot listen on {host}, port {port}: {(error.strerror or os.strerror(error.errno or 0)).lower()}", hint)
