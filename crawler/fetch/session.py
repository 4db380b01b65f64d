"""The one client session of a crawl: its connector, cookies and headers."""

from __future__ import annotations

import aiohttp
from aiohttp.abc import AbstractCookieJar, AbstractResolver
from aiohttp.connector import Connection

import crawler
from crawler.core import targets
from crawler.core.settings import Settings
from crawler.fetch.connector import Connector, Request
from crawler.fetch.decode import ACCEPTED
from crawler.fetch.guard import Guard
from crawler.fetch.routes import Routes
from crawler.fetch.timing import trace_config

BUFFER = 64 * 1024
"""Bytes that one connection may have waiting for us."""


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


def open_session(
    settings: Settings, guard: Guard, resolver: AbstractResolver, *, routes: Routes, cookies: AbstractCookieJar
) -> aiohttp.ClientSession:
    """Return the session, to be used as a context manager."""
    connector = Connector(resolver=resolver, socket_factory=guard.socket, ssl=routes.context or True)
    headers = {
        "User-Agent": user_agent(settings),
        "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        "Accept-Encoding": ACCEPTED,
    }
    for header in map(targets.header, settings.headers):
        if header.origin is None:
            headers[header.name] = header.value
    return aiohttp.ClientSession(
        connector=connector,
        request_class=Request,
        cookie_jar=cookies,
        headers=headers,
        response_class=Response,
        auto_decompress=False,
        trust_env=False,        # proxies and .netrc: see Routes
        trace_configs=[trace_config()],
        read_bufsize=BUFFER,
        max_line_size=64 * 1024,
        max_field_size=64 * 1024,
    )
