"""One request on the wire: bounded in time and bytes, its trouble a value and never an exception.

Redirects are not followed here: each hop is a request of its own, with scope, robots and politeness of its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Self

import aiohttp
import yarl
from aiohttp.abc import AbstractCookieJar

from crawler.core import secrets, urls
from crawler.core.model import Fault, Reply, Request, Wire
from crawler.core.settings import Settings
from crawler.fetch.connector import knock
from crawler.fetch.decode import DecodeError, Decoder, codings_of
from crawler.fetch.faults import TooSlow, detail_of, fault_of
from crawler.fetch.guard import Guard
from crawler.fetch.resolver import open_resolver
from crawler.fetch.routes import Route, Routes
from crawler.fetch.session import Response, open_session
from crawler.fetch.timing import Asking, Laps, asking

RATE_FROM = 10.0
"""Seconds after which the minimum rate counts."""
DRAINED_WITHIN = 1.0
"""Seconds that an unwanted body may take."""
DRAINED = 64 * 1024
"""Bytes of an unwanted body that are read to keep the connection."""

Sink = Callable[[bytes], Awaitable[None]]
Heard = Callable[[], None]


class Trouble(Exception):
    """What went wrong, and the head of the answer if there was one."""

    def __init__(self, fault: Fault, detail: str, reply: Reply | None = None) -> None:
        super().__init__(detail)
        self.fault = fault
        self.detail = detail
        self.reply = reply


class Fetcher:
    """The session and everything that one request may do to us."""

    def __init__(self, session: aiohttp.ClientSession, guard: Guard, routes: Routes, *, wired: bool = False) -> None:
        self._session = session
        self._guard = guard
        self._routes = routes
        self._wired = wired

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, guard: Guard, *, routes: Routes | None = None, cookies: AbstractCookieJar | None = None
    ) -> AsyncIterator[Fetcher]:
        """Open the one session of a crawl; leaving the block closes every connection and ends the resolver's threads.

        Raises WrongSettings when a setting names files or extras that are not there.
        """
        if routes is None:
            routes = await asyncio.to_thread(Routes, settings)      # reads certificates
        resolver = open_resolver(settings)
        jar = aiohttp.DummyCookieJar() if cookies is None else cookies     # an empty jar is false
        try:
            async with open_session(settings, guard, resolver, routes=routes, cookies=jar) as session:
                yield cls(session, guard, routes, wired=settings.save == "warc")
        finally:
            await resolver.close()

    async def fetch(
        self, request: Request, sink: Sink, *, heard: Heard, limit: int, keep: Callable[[int], bool],
        conditions: Mapping[str, str] | None = None,
    ) -> Reply | Trouble:  # fmt: skip
        """Ask once. The decoded body goes to *sink* when *keep* says so of the status; *heard* is called at the headers.

        *conditions* are headers of this request alone.
        At most *limit* decoded bytes are taken; a body beyond that is cut and the reply flagged `truncated`.
        """
        url = _target(request.url)
        route = self._routes.of(urls.split(request.url)[0])     # what is really asked: a redirect of robots.txt leads elsewhere
        refusal = self._guard.refused_port(url.port or 0) or self._guard.refused_literal(route.host)
        if refusal is not None:
            heard()
            return Trouble(Fault.GUARD, refusal)
        now = Asking(route.via, route.timeouts, route.socks, proxied=route.proxied)
        asking.set(now)
        exchange = _Exchange(route, now.laps, sink, limit, wired=self._wired)
        once = _Once(heard)
        try:
            return await self._exchange(url, route, exchange, once, keep, conditions or {})
        except Trouble as trouble:
            return trouble
        except Exception as error:
            fault = fault_of(error)
            if fault is None:
                raise       # no trouble on the network but a bug: the worker makes a `crash` of it
            return Trouble(fault, detail_of(error), exchange.reply)
        finally:
            once()

    async def _exchange(
        self, url: yarl.URL, route: Route, exchange: _Exchange, heard: Heard, keep: Callable[[int], bool],
        conditions: Mapping[str, str],
    ) -> Reply:  # fmt: skip
        headers = {**(route.headers or {}), **conditions} if conditions else route.headers
        context = self._session.get(
            url, allow_redirects=False, ssl=route.ssl, headers=headers, timeout=route.client_timeout, proxy=route.proxy,
            trace_request_ctx=exchange.laps,
        )  # fmt: skip
        with _Deadline(asking.get()) as deadline:
            async with asyncio.timeout(route.to_headers) as limit:
                asking.get().limit = limit
                response = await context
            deadline.met = True
        try:
            heard()
            exchange.head(response)
            if not keep(response.status):
                await exchange.drain(response)
            else:
                await exchange.body(response)
            return exchange.finished()
        finally:
            if exchange.whole:
                response.release()
            else:
                response.close()

    async def reaches(self, origin: str, within: float = float("inf")) -> bool:
        """Tell whether an origin can be connected to right now, within so many seconds: its name is looked up anew, nothing is asked."""
        route = self._routes.of(origin)
        asking.set(Asking(route.via, route.timeouts, proxied=route.proxied))
        port = yarl.URL(route.proxy or route.socks or origin).port or 0
        try:
            async with asyncio.timeout(min(within, (route.timeouts.dns or 0.0) + (route.timeouts.connect or 0.0))):
                await knock(self._session, route.via.strip("[]"), port)
        except (OSError, TimeoutError):
            return False
        return True


class _Exchange:
    """One answer as it arrives."""

    def __init__(self, route: Route, laps: Laps, sink: Sink, limit: int, *, wired: bool) -> None:
        self._route = route
        self._wired = wired
        self._slowest = route.timeouts.min_rate or 0.0
        self.laps = laps
        self._sink = sink
        self._limit = limit
        self._started = time.monotonic()
        self._wire = 0
        self._size = 0
        self._truncated = False
        self._ttfb = 0.0
        self._response: aiohttp.ClientResponse | None = None
        self._ip: str | None = None
        self.whole = False
        """The body was read to its end, so that the connection can be used again."""

    @property
    def reply(self) -> Reply | None:
        """What is known of the answer so far."""
        return None if self._response is None else self.finished()

    def head(self, response: aiohttp.ClientResponse) -> None:
        """Take in the head of an answer."""
        self._ttfb = time.monotonic() - self._started
        if not 100 <= response.status <= 599:
            raise Trouble(Fault.PROTOCOL, f"status {response.status} does not exist")
        self._response = response
        self._ip = response.peer if isinstance(response, Response) else None

    async def drain(self, response: aiohttp.ClientResponse) -> None:
        """Read a small unwanted body away, so that the connection can be used again; a large or slow one is not worth it.

        Trouble with it is none: the status and the headers are all that was wanted.
        """
        try:
            async with asyncio.timeout(DRAINED_WITHIN):
                async for _ in self._chunks(response):
                    if self._wire > DRAINED:
                        return
            self.whole = True
        except Exception as error:
            if fault_of(error) is None:
                raise

    async def body(self, response: aiohttp.ClientResponse) -> None:
        """Read the body into the sink, decoded, up to the limits."""
        codings = codings_of(response.headers.getall("Content-Encoding", [])) if "Content-Encoding" in response.headers else []
        decoder = Decoder(codings) if codings else None
        async for chunk in self._chunks(response):
            if self._wire > self._limit:
                self._truncated = True
            if decoder is None:
                await self._take(chunk)
            else:
                for piece in decoder.feed(chunk):
                    await self._take(piece)
                    if self._truncated:
                        break
            if self._truncated:
                return
        self.whole = True
        if decoder is not None and not decoder.complete():
            self._truncated = True

    async def _take(self, piece: bytes) -> None:
        room = self._limit - self._size
        if len(piece) > room:
            piece = piece[:room]
            self._truncated = True
        self._size += len(piece)
        await self._sink(piece)

    async def _chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """Yield the bytes on the wire, no slower than the minimum rate."""
        slowest = self._slowest
        while True:
            chunk = await response.content.readany()
            if not chunk:
                return
            self._wire += len(chunk)
            yield chunk
            elapsed = time.monotonic() - self._started
            if slowest and elapsed > RATE_FROM and self._wire < (elapsed - self._ttfb) * slowest:
                raise TooSlow(f"slower than {slowest:.0f} bytes a second")

    def finished(self) -> Reply:
        """Return the reply as it stands."""
        response = self._response
        if response is None:
            raise ValueError("no head yet")
        kind = response.headers.get("Content-Type")
        return Reply(
            response.status,
            tuple((_text(name), _text(value)) for name, value in response.raw_headers),
            mime=_mime(kind),
            charset=None,
            wire_bytes=self._wire,
            ttfb=self._ttfb,
            total=time.monotonic() - self._started,
            ip=self._ip,
            truncated=self._truncated or response.status == 206,
            dns=self.laps.dns,
            connect=self.laps.connect,
            tls=self.laps.tls,
            reused=self.laps.reused,
            wire=self._wire_of(response) if self._wired else None,
        )

    def _wire_of(self, response: aiohttp.ClientResponse) -> Wire:
        """Return the heads of both sides. What is meant for one origin only is a secret, whatever its name."""
        own = {name.lower() for name in self._route.headers or ()}
        asked = tuple(
            (name, secrets.REDACTED if name.lower() in own or secrets.is_secret(name) else value)
            for name, value in response.request_info.headers.items()
        )
        version = response.version
        return Wire(
            asked, "1.1" if version is None else f"{version.major}.{version.minor}", response.reason or "", response.raw_headers,
            None if self._route.proxied else self._ip,
        )  # fmt: skip


class _Once:
    """Calls something at most once."""

    def __init__(self, call: Heard) -> None:
        self._call: Heard | None = call

    def __call__(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call()


class _Deadline:
    """Names the timeout that our own clock set around the headers."""

    def __init__(self, now: Asking) -> None:
        self._now = now
        self._started = time.monotonic()
        self.met = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if isinstance(error, TimeoutError) and not isinstance(error, aiohttp.ClientError) and not self.met:
            limits = self._now.timeouts
            if limits.total is not None and time.monotonic() - self._started >= limits.total:
                raise TooSlow(f"no complete answer within {limits.total:g} s") from error
            if self._now.sent:
                raise TooSlow(f"no complete headers within {limits.header or 0.0:g} s") from error
            raise TooSlow(f"no connection within {(limits.dns or 0.0) + (limits.connect or 0.0):g} s") from error


def _target(url: str) -> yarl.URL:
    """Return a URL that is sent exactly as it is spelt; yarl would drop a bare `?` at the end, so it travels in the path."""
    target = yarl.URL(url, encoded=True)
    if not url.endswith("?") or target.raw_query_string:
        return target
    return yarl.URL.build(scheme=target.scheme, authority=target.raw_authority, path=f"{target.raw_path}?", encoded=True)


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _mime(kind: str | None) -> str | None:
    """Return the media type of a Content-Type header, lower case, without its parameters."""
    if kind is None:
        return None
    mime = kind.partition(";")[0].strip().lower()
    return mime[:100] or None


__all__ = ["DecodeError", "Fetcher", "Trouble"]
