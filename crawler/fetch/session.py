"""The one client session of a crawl: its connector, resolver, cookies and headers."""

from __future__ import annotations

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection

import crawler
from crawler.core.settings import Settings
from crawler.fetch.decode import ACCEPTED
from crawler.fetch.guard import Guard

RESOLVER_THREADS = 64
DNS_KEPT = 60
BUFFER = 64 * 1024
"""Bytes that one connection may have waiting for us."""


class ThreadResolver(AbstractResolver):
    """The system's resolver on threads of its own: hanging look-ups must not hold up files or the database."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._threads = ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="dns")

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:
        """Return the addresses of a host. Raises OSError, also when the answer takes too long."""
        loop = asyncio.get_running_loop()
        look_up = loop.run_in_executor(self._threads, _look_up, host, port, family)
        try:
            async with asyncio.timeout(self._timeout):
                return await look_up
        except TimeoutError:
            raise OSError(None, f"no answer from the name server within {self._timeout:g} s") from None

    async def close(self) -> None:
        """End the threads, without waiting for look-ups that hang."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def _look_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, family=family, flags=socket.AI_ADDRCONFIG)
    return [
        ResolveResult(
            hostname=host, host=str(address[0]), port=int(address[1]), family=kind, proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, protocol, _, address in found
    ]  # fmt: skip


class Response(aiohttp.ClientResponse):
    """An answer that knows who gave it: a short one has given its connection back before anyone could look."""

    peer: str | None = None

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        """See aiohttp."""
        name = connection.transport.get_extra_info("peername") if connection.transport is not None else None
        self.peer = str(name[0]) if name else None
        return await super().start(connection)


def user_agent(settings: Settings) -> str:
    """Return the User-Agent header: who we are, and where the owner of a site reaches whoever runs us."""
    if settings.user_agent is not None:
        return settings.user_agent
    name = f"steadycrawl/{crawler.__version__}"
    return f"{name} (+{settings.contact})" if settings.contact else name


def open_session(settings: Settings, guard: Guard, resolver: AbstractResolver) -> aiohttp.ClientSession:
    """Return the session, to be used as a context manager. No limit of its own on connections: the schedule has them."""
    connector = aiohttp.TCPConnector(
        limit=0,
        resolver=resolver,
        ttl_dns_cache=DNS_KEPT,
        family=socket.AF_UNSPEC,
        socket_factory=guard.socket,
    )
    headers = {
        "User-Agent": user_agent(settings),
        "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "Accept-Encoding": ACCEPTED,
    }
    for line in settings.headers:
        name, _, value = line.partition(":")
        headers[name.strip()] = value.strip()
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.CookieJar(unsafe=True),      # hosts that are addresses have cookies too
        headers=headers,
        response_class=Response,
        auto_decompress=False,
        trust_env=False,
        read_bufsize=BUFFER,
        max_line_size=64 * 1024,
        max_field_size=64 * 1024,
        timeout=aiohttp.ClientTimeout(
            total=settings.timeout,
            connect=settings.dns_timeout + settings.connect_timeout,
            sock_connect=settings.connect_timeout,
            sock_read=settings.read_timeout,
        ),
    )
