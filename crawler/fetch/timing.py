"""How long each step of one request took: looking up, connecting, securing. The client's own trace signals tell most of it.

The TLS handshake has no signal of its own; the connector notes it.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from types import SimpleNamespace

import aiohttp
from aiohttp.tracing import TraceConfig

from crawler.core.targets import Timeouts


class Laps:
    """The steps of one request, in seconds; None for a step that was not made."""

    __slots__ = ("_since", "connect", "dns", "reused", "sent", "tls")

    def __init__(self) -> None:
        self.dns: float | None = None
        self.connect: float | None = None
        """TCP alone."""
        self.tls: float | None = None
        self.reused = False
        """The request went over a connection that had served another one before."""
        self.sent = False
        self._since = 0.0

    def start(self) -> None:
        """Begin a step."""
        self._since = time.monotonic()

    def lap(self) -> float:
        """Return the seconds since the step began."""
        return time.monotonic() - self._since


class Asking:
    """What the connector has to know of the request that wants a connection: it is told hosts and addresses only."""

    __slots__ = ("host", "laps", "limit", "proxied", "socks", "timeouts")

    def __init__(self, host: str, timeouts: Timeouts, socks: str | None = None, *, proxied: bool = False) -> None:
        self.host = host
        """The host that is connected to: of a proxy, if there is one."""
        self.timeouts = timeouts
        self.proxied = proxied
        """The host is a proxy that the user named, not a target of the crawl."""
        self.socks = socks
        """The SOCKS proxy's URL."""
        self.laps = Laps()
        self.limit: asyncio.Timeout | None = None
        """What ends the wait for the headers."""

    @property
    def sent(self) -> bool:
        """Whether the request has been written."""
        return self.laps.sent

    def send(self) -> None:
        """Note that the request is being written: the time to the headers begins."""
        self.laps.sent = True
        if self.limit is not None and self.timeouts.header is not None:
            now = asyncio.get_running_loop().time()
            self.limit.reschedule(min(now + self.timeouts.header, self.limit.when() or float("inf")))


asking: contextvars.ContextVar[Asking] = contextvars.ContextVar("asking", default=Asking("", Timeouts()))  # noqa: B039 - nobody asks


def trace_config() -> TraceConfig:
    """Return what makes a session note the steps in the `Laps` that each request gives as its trace context."""
    trace = TraceConfig()
    trace.on_dns_resolvehost_start.append(_dns_starts)
    trace.on_dns_resolvehost_end.append(_dns_ends)
    trace.on_connection_reuseconn.append(_reused)
    trace.on_connection_create_start.append(_new)
    return trace


async def _dns_starts(_: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceDnsResolveHostStartParams) -> None:
    if context.trace_request_ctx is not None:
        context.trace_request_ctx.start()


async def _dns_ends(_: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceDnsResolveHostEndParams) -> None:
    if context.trace_request_ctx is not None:
        context.trace_request_ctx.dns = context.trace_request_ctx.lap()


async def _reused(_: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceConnectionReuseconnParams) -> None:
    if context.trace_request_ctx is not None:
        context.trace_request_ctx.reused = True


async def _new(_: aiohttp.ClientSession, context: SimpleNamespace, __: aiohttp.TraceConnectionCreateStartParams) -> None:
    if context.trace_request_ctx is not None:
        context.trace_request_ctx.reused = False
