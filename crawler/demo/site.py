"""The demo site on its loopback addresses: open, answer, write down, close.

    async with DemoSite.start() as site:
        ...  # crawl site.seeds, then compare with site.truth()

Each instance stands alone: its own port, its own first visits, its own record. A default crawl of the seeds ends, for the one
calendar that it can enter has 24 months; the endless one is closed by robots.txt (`atlas` tells more).
"""

from __future__ import annotations

import asyncio
import errno
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress

from aiohttp import web

from crawler.demo.answers import Answer, Asked, answer
from crawler.demo.catalogue import VOLUMES, Catalogue
from crawler.demo.nouns import Manner, Page, Seen, Truth

HOSTS = tuple(f"127.0.0.{place}" for place in range(1, 1 + len(VOLUMES)))
"""The addresses of a whole site: one for each volume."""
TRIES = 20
"""Ports tried until one is free on every address."""
GRACE = 1.0
"""Seconds that an answer on its way may take when the site closes."""


class DemoSite:
    """A little world of lighthouses, served on several loopback addresses with one port."""

    def __init__(self, hosts: Sequence[str], port: int, *, pace: float) -> None:
        """Prepare a site; use `start`, which also serves it."""
        self.hosts = tuple(hosts)
        """The addresses it has."""
        self.port = port
        self.pace = pace
        self.requests: list[Seen] = []
        """Every request in the order of arrival, those for robots.txt too."""
        self._catalogue = Catalogue(self.hosts, port, pace=pace)
        self._bodies: dict[tuple[str, str], bytes] = {}
        self._woken: set[tuple[str, str]] = set()
        self._closing = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def start(cls, port: int = 0, *, pace: float = 1.0, hosts: Sequence[str] = HOSTS) -> AsyncIterator[DemoSite]:
        """Serve a site while the context lasts.

        *port* 0 lets the system choose. *pace* is what every wait of the site is multiplied by, those that it asks of its
        visitors (Crawl-delay, Retry-After) included; 0 is a site without waits. Of *hosts* those are taken that can be
        bound: macOS has 127.0.0.1 alone, which then carries all volumes.

        Raises OSError when the port is taken, or none of the addresses can be had.
        """
        if pace < 0:
            raise ValueError(f"pace must not be negative, got {pace!r}")
        async with AsyncExitStack() as opened:
            sockets = _bind(hosts, port)
            for listener in sockets:
                opened.callback(listener.close)
            names = [listener.getsockname() for listener in sockets]
            site = cls([name[0] for name in names], names[0][1], pace=pace)
            await site._serve(sockets, opened)
            yield site

    def __repr__(self) -> str:
        """Tell where it is and how busy it was."""
        state = "closed" if self._closing.is_set() else "open"
        return f"<DemoSite {state}, port {self.port} on {len(self.hosts)} hosts, {len(self.requests)} requests>"

    @property
    def seeds(self) -> tuple[str, ...]:
        """URLs to start from, one for each host."""
        return tuple(f"{origin}/" for origin in self._catalogue.origins.values())

    def truth(self) -> Truth:
        """Return what a right crawl of the seeds with default settings stores, sees refused and leaves alone."""
        return self._catalogue.truth()

    def body(self, url: str) -> bytes:
        """Return the decoded body of one of the site's pages, without a request.

        Raises LookupError when there is no page at that URL.
        """
        for host, origin in self._catalogue.origins.items():
            path = url.removeprefix(origin)
            if path.startswith("/") and isinstance(page := self._catalogue.find(host, path), Page):
                return self._written(page, host, path)
        raise LookupError(f"no page of this site: {url}")

    async def _serve(self, sockets: Sequence[socket.socket], opened: AsyncExitStack) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=GRACE)
        opened.push_async_callback(runner.cleanup)
        opened.callback(self._closing.set)  # runs before the cleanup: no answer rests while the site waits for it
        await runner.setup()
        for listener in sockets:
            await web.SockSite(runner, listener).start()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        """Write a request down and answer it. What is said is decided before anything is awaited."""
        # The socket's own address, not the Host header: a visitor under the name localhost is at home, too.
        host = str(request.get_extra_info("sockname", (request.host,))[0])
        asked = Asked(request.raw_path, request.headers, request.cookies, request.method)
        told = self._told(host, asked)
        self.requests.append(Seen(time.monotonic(), host, asked.path, told.status, asked.method))
        await self._rest(told.wait)
        if told.pieces > 1 and asked.method == "GET":
            return await self._drip(request, told)
        return web.Response(status=told.status, headers=told.headers, body=told.body)

    def _told(self, host: str, asked: Asked) -> Answer:
        entry = self._catalogue.find(host, asked.path)
        body, first = b"", False
        if isinstance(entry, Page):
            body = self._written(entry, host, asked.path)
            first = (host, asked.path) not in self._woken
            if entry.manner is Manner.BUSY:
                self._woken.add((host, asked.path))
        return answer(entry, body, asked, first=first, pace=self.pace)

    def _written(self, page: Page, host: str, path: str) -> bytes:
        """Return a body, written once: the same page is asked for often in a test that measures."""
        key = host, path
        if key not in self._bodies:
            self._bodies[key] = page.write()
        return self._bodies[key]

    async def _drip(self, request: web.Request, told: Answer) -> web.StreamResponse:
        response = web.StreamResponse(status=told.status, headers=told.headers)
        size = -(-len(told.body) // told.pieces)
        with suppress(ConnectionError):  # a client may leave in the middle; aiohttp would log a traceback
            await response.prepare(request)
            for start in range(0, len(told.body), size):
                await response.write(told.body[start : start + size])
                await self._rest(told.rest)
            await response.write_eof()
        return response

    async def _rest(self, seconds: float) -> None:
        """Wait, but not beyond the end of the site."""
        if seconds:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closing.wait(), seconds)


def _bind(hosts: Sequence[str], port: int, tries: int = TRIES) -> list[socket.socket]:
    """Open a listening socket on every address that there is, all with one port.

    The port that the system chose for the first address can be taken on another one; then it is asked for a new one.
    """
    try:
        return _bind_once(hosts, port)
    except OSError as error:
        if port or error.errno != errno.EADDRINUSE or tries == 1:
            raise
    return _bind(hosts, port, tries - 1)


def _bind_once(hosts: Sequence[str], port: int) -> list[socket.socket]:
    with ExitStack() as opened:
        sockets: list[socket.socket] = []
        for host in hosts:
            try:
                listener = socket.create_server((host, port))
            except OSError as error:
                if error.errno != errno.EADDRNOTAVAIL:
                    raise
                continue
            sockets.append(opened.enter_context(listener))
            port = listener.getsockname()[1]
        if not sockets:
            raise OSError(errno.EADDRNOTAVAIL, f"none of the addresses {', '.join(hosts)} can be had")
        opened.pop_all()
        return sockets
