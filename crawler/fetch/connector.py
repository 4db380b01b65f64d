"""Connections: guarded addresses, a time for each step, SOCKS, and never one on which something came unasked.

A pooled connection may hold bytes that no request asked for: plain aiohttp would read them as the answer to the next URL.
So a connection is looked at when it leaves the pool, and once more at the moment that the request is written.
"""

from __future__ import annotations

import asyncio
import functools
import select
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

import aiohappyeyeballs
import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.helpers import _EXC_SENTINEL, set_exception

from crawler.fetch.resolver import Resolver
from crawler.fetch.timing import asking

if TYPE_CHECKING:
    from aiohttp.client_reqrep import ConnectionKey
    from aiohttp.tracing import Trace

DNS_KEPT = 60
NAMES_KEPT = 10_000


class HandshakeTimeout(TimeoutError):
    """The TLS handshake took longer than allowed."""


class Connector(aiohttp.TCPConnector):
    """The one connector of a crawl. No limit of its own on connections: the schedule has them."""

    def __init__(self, **more: Any) -> None:
        super().__init__(limit=0, ttl_dns_cache=DNS_KEPT, dns_cache_max_size=NAMES_KEPT, family=socket.AF_UNSPEC, **more)
        self._factory: functools.partial[Protocol] = functools.partial(  # type: ignore[assignment]  # makes a kind of what it is to make
            Protocol, loop=self._loop
        )

    @property
    def resolver(self) -> AbstractResolver:
        """What looks names up."""
        return self._resolver

    async def _get(self, key: ConnectionKey, traces: list[Trace]) -> Connection | None:
        """Return a pooled connection on which nothing came since its last answer."""
        while (connection := await super()._get(key, traces)) is not None:
            if is_quiet(connection.protocol):
                return connection
            connection.close()
        return None

    async def _resolve_host(self, host: str, port: int, traces: Sequence[Trace] | None = None) -> list[ResolveResult]:
        """Leave names to a SOCKS proxy."""
        if asking.get().socks is None:
            return await super()._resolve_host(host, port, traces)
        return [ResolveResult(hostname=host, host=host, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def _wrap_create_connection(
        self, *args: Any, addr_infos: Any, req: aiohttp.ClientRequest, timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own
        client_error: Callable[..., Exception] = aiohttp.ClientConnectorError, **kwargs: Any,
    ) -> tuple[asyncio.Transport, ResponseHandler]:  # fmt: skip
        """Connect, then secure, each in its own time. As aiohttp's, which has one time for both and knows no SOCKS."""
        now = asking.get()
        secured: ssl.SSLContext | None = kwargs.pop("ssl", None)
        name = kwargs.pop("server_hostname", None)
        try:
            now.laps.start()
            async with asyncio.timeout(timeout.sock_connect):
                if now.socks is not None:
                    sock = await _through_socks(now.socks, addr_infos[0][4], self.reach_host)
                else:
                    sock = await self._reach(addr_infos)
            now.laps.connect = now.laps.lap()
            if secured is None:
                return await self._loop.create_connection(*args, **kwargs, sock=sock)
            now.laps.start()
            return await self._secure(*args, **kwargs, sock=sock, ssl=secured, server_hostname=name)
        except ssl.CertificateError as error:
            raise aiohttp.ClientConnectorCertificateError(req.connection_key, error) from error
        except ssl.SSLError as error:
            raise aiohttp.ClientConnectorSSLError(req.connection_key, error) from error
        except TimeoutError:
            raise
        except OSError as error:
            raise client_error(req.connection_key, error) from error

    async def _reach(self, addr_infos: Any) -> socket.socket:
        """Return a socket that is connected to one of the addresses, which the guard has seen."""
        return await aiohappyeyeballs.start_connection(
            addr_infos=addr_infos, local_addr_infos=self._local_addr_infos, happy_eyeballs_delay=self._happy_eyeballs_delay,
            interleave=self._interleave, loop=self._loop, socket_factory=self._socket_factory,
        )  # fmt: skip

    async def reach_host(self, host: str, port: int) -> socket.socket:
        """Return a socket that is connected to a host by its name, without a proxy before it. Raises OSError."""
        return await self._reach(self._convert_hosts_to_addr_infos(await super()._resolve_host(host, port)))

    def _update_proxy_auth_header_and_build_proxy_req(self, req: aiohttp.ClientRequest) -> aiohttp.ClientRequest:
        """As aiohttp's, but an https proxy is no part of the target: it gets no client certificate of its, and none of its trust."""
        proxied = super()._update_proxy_auth_header_and_build_proxy_req(req)
        proxied._ssl = True  # noqa: SLF001 - what the session trusts
        return proxied

    async def _secure(self, *args: Any, **kwargs: Any) -> tuple[asyncio.Transport, ResponseHandler]:
        now = asking.get()
        limit = now.timeouts.tls
        try:
            async with asyncio.timeout(limit):
                made: tuple[asyncio.Transport, ResponseHandler] = await self._loop.create_connection(*args, **kwargs)
        except TimeoutError:
            raise HandshakeTimeout(f"no TLS handshake within {limit:g} s") from None
        except ConnectionError as error:        # asyncio's has no words, and would pass for one that was never made
            raise ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the server hung up within the TLS handshake") from error
        now.laps.tls = now.laps.lap()
        return made

    async def _start_tls_connection(
        self, underlying_transport: asyncio.Transport, req: aiohttp.ClientRequest, timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own
        client_error: type[Exception] = aiohttp.ClientConnectorError,
    ) -> tuple[asyncio.BaseTransport, ResponseHandler]:  # fmt: skip
        """Secure a tunnel, in the time that any handshake has and with its trouble."""
        now = asking.get()
        limit = now.timeouts.tls
        now.laps.start()
        try:
            async with asyncio.timeout(limit):
                made = await super()._start_tls_connection(underlying_transport, req, aiohttp.ClientTimeout(timeout.total), client_error)
        except TimeoutError:
            raise HandshakeTimeout(f"no TLS handshake within {limit:g} s") from None
        except aiohttp.ClientConnectionError as error:
            broken = _broken_handshake(error)
            if broken is None:
                raise
            if isinstance(broken, ssl.CertificateError):
                raise aiohttp.ClientConnectorCertificateError(req.connection_key, broken) from None
            raise aiohttp.ClientConnectorSSLError(req.connection_key, broken) from None
        now.laps.tls = now.laps.lap()
        return made


async def knock(session: aiohttp.ClientSession, host: str, port: int) -> None:
    """Connect as the session does, with a name that is looked up anew, and hang up. Raises OSError."""
    connector = session.connector
    if not isinstance(connector, Connector):
        raise TypeError("knocking needs the crawl's own connector")
    connector.clear_dns_cache(host, port)
    if isinstance(connector.resolver, Resolver):
        connector.resolver.forget_failures()
    (await connector.reach_host(host, port)).close()


class Protocol(ResponseHandler):
    """Tells whoever reads a body that the rest of it is no valid HTTP; aiohttp's tells only whoever waits for the headers."""

    def set_exception(self, exc: BaseException, exc_cause: BaseException = _EXC_SENTINEL) -> None:
        """See aiohttp."""
        body = self._payload
        super().set_exception(exc, exc_cause)
        if body is not None and not body.is_eof() and body.exception() is None:
            set_exception(body, exc, exc_cause)


def _broken_handshake(error: aiohttp.ClientConnectionError) -> ssl.SSLError | None:
    """Return what really went wrong in a tunnel, None where aiohttp says it well.

    A handshake that fails within the TLS of a proxy dies of a slip in Python's own code (TypeError, 3.11). aiohttp takes that
    for a transport that knows no TLS within TLS, and its words have the proxy's password in them.
    """
    cause = error.__cause__
    slip = isinstance(cause, TypeError)
    if cause is not None and slip:
        cause = cause.__context__
    if isinstance(cause, ConnectionError):
        return ssl.SSLEOFError(ssl.SSL_ERROR_EOF, "the server hung up within the TLS handshake")
    if not slip:
        return None
    return cause if isinstance(cause, ssl.SSLError) else ssl.SSLError(ssl.SSL_ERROR_SSL, "no TLS within the TLS of the proxy")


class Request(aiohttp.ClientRequest):
    """A request that is only written to a connection on which nothing has come before it."""

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        """See aiohttp, which asks once more over another connection after this error."""
        if asking.get().laps.reused and not is_quiet(conn.protocol):
            raise aiohttp.ServerDisconnectedError("something came before it was asked for")
        asking.get().send()
        return await super().send(conn)


def is_quiet(protocol: ResponseHandler | None) -> bool:
    """Tell whether nothing waits to be read on a connection: no bytes, no answer, no end."""
    if protocol is None or protocol.transport is None or protocol.should_close:
        return False
    sock = protocol.transport.get_extra_info("socket")
    number = -1 if sock is None else sock.fileno()
    if number < 0:
        return False
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return not poll.poll(0)


async def _through_socks(url: str, address: tuple[Any, ...], reach: Callable[[str, int], Awaitable[socket.socket]]) -> socket.socket:
    """Return a socket that a SOCKS proxy has connected; it looks the name up, too. Raises OSError."""
    from python_socks import ProxyError, ProxyTimeoutError  # the extra `socks`
    from python_socks.async_.asyncio import Proxy

    proxy = Proxy.from_url(url.replace("socks5h:", "socks5:", 1), rdns=True, forward=_Door(reach))
    try:
        made: socket.socket = await proxy.connect(address[0], address[1])
    except (ProxyError, ProxyTimeoutError) as error:
        raise OSError(None, f"the proxy refused: {error}") from error
    return made


class _Door:
    """The way to a SOCKS proxy: through the guard, like every other."""

    def __init__(self, reach: Callable[[str, int], Awaitable[socket.socket]]) -> None:
        self._reach = reach

    async def connect(self, dest_host: str, dest_port: int, **_: Any) -> socket.socket:
        """See python_socks."""
        try:
            return await self._reach(dest_host, dest_port)
        except OSError as error:
            raise OSError(error.errno, f"no way to the proxy {dest_host}:{dest_port}: {error.strerror or error}") from error
