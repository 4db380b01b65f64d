"""A fetcher with a guard that lets loopback in, and a server that says exactly the bytes it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from inspect import signature
from unittest.mock import Mock

import aioresponses.core
import pytest
from aiohttp import ClientResponse, CookieJar
from aiohttp.abc import AbstractResolver

from crawler.core.model import Reply, Request
from crawler.core.settings import Settings
from crawler.fetch.client import Fetcher, Trouble
from crawler.fetch.guard import Guard
from crawler.fetch.routes import Routes
from crawler.fetch.session import open_session

LOOPBACK = ("127.0.0.1", "host.test", "seed.test", "localhost")
QUICK = Settings(timeout=5.0, connect_timeout=2.0, dns_timeout=2.0, header_timeout=2.0, read_timeout=2.0)


if "stream_writer" in signature(ClientResponse.__init__).parameters:    # aioresponses#289: a fixed release needs no help

    class _Response(ClientResponse):
        def __init__(self, *args, **more):
            more.setdefault("stream_writer", Mock(output_size=0))
            super().__init__(*args, **more)

    aioresponses.core.ClientResponse = _Response


class Names(AbstractResolver):
    """A resolver that knows a few names; everything else does not exist."""

    def __init__(self, names: dict[str, list[str]]) -> None:
        self._names = names

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[dict[str, object]]:
        if host not in self._names:
            raise OSError(None, "no such name")
        return [
            {"hostname": host, "host": address, "port": port, "proto": 0, "flags": socket.AI_NUMERICHOST,
             "family": socket.AF_INET6 if ":" in address else socket.AF_INET}
            for address in self._names[host]
        ]  # fmt: skip

    async def close(self) -> None:
        pass


class Asked:
    """What came of one request."""

    def __init__(self) -> None:
        self.body = b""
        self.heard = 0
        self.answer: Reply | Trouble | None = None

    @property
    def reply(self) -> Reply:
        assert isinstance(self.answer, Reply), (self.answer.fault, self.answer.detail) if self.answer else None
        return self.answer

    @property
    def trouble(self) -> Trouble:
        assert isinstance(self.answer, Trouble), self.answer
        return self.answer


@pytest.fixture
async def open_fetcher() -> AsyncIterator[Callable[..., Awaitable[Fetcher]]]:
    """Return a function that opens a fetcher; all are closed at the end."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_(settings: Settings = QUICK, *, guard: Guard | None = None, names: dict[str, list[str]] | None = None) -> Fetcher:
            guard = guard or Guard(open_hosts=LOOPBACK, open_ports=(), allow=(), deny=())
            if names is None:
                return await stack.enter_async_context(Fetcher.open(settings, guard))
            routes = Routes(settings)
            opening = open_session(settings, guard, Names(names), routes=routes, cookies=CookieJar(unsafe=True))
            return Fetcher(await stack.enter_async_context(opening), guard, routes)

        yield open_


@pytest.fixture
def ask(open_fetcher, make_request):
    """Return a function that asks for one URL."""

    async def ask(
        url: str | Request, *, fetcher: Fetcher | None = None, limit: int = 1 << 20, keep: Callable[[int], bool] = lambda _: True, **chosen
    ) -> Asked:
        asked = Asked()

        async def take(chunk: bytes) -> None:
            asked.body += chunk

        def heard() -> None:
            asked.heard += 1

        fetcher = fetcher or await open_fetcher(**chosen)
        request = url if isinstance(url, Request) else make_request(url)
        asked.answer = await fetcher.fetch(request, take, heard=heard, limit=limit, keep=keep)
        return asked

    return ask


class RawServer:
    """Plays one scene for every connection, and remembers what it was sent."""

    def __init__(self, scene: Callable[[RawServer, asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> None:
        self.scene = scene
        self.connections = 0
        self.heads: list[bytes] = []
        self.over = asyncio.Event()
        self.tasks: set[asyncio.Task[None]] = set()
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.tasks.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await self.scene(self, reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            await writer.wait_closed()

    async def head(self, reader: asyncio.StreamReader) -> bytes:
        """Read one request's head."""
        self.heads.append(await reader.readuntil(b"\r\n\r\n"))
        return self.heads[-1]


@pytest.fixture
async def raw_server() -> AsyncIterator[Callable[..., Awaitable[RawServer]]]:
    """Return a function that starts a server on loopback: with a scene, or with the bytes of its one answer."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(scene, host: str = "127.0.0.1", port: int = 0) -> RawServer:
            if isinstance(scene, bytes):
                scene = saying(scene)
            raw = RawServer(scene)
            server = await asyncio.start_server(raw.serve, host, port)
            raw.port = server.sockets[0].getsockname()[1]
            raw.url = f"http://{f'[{host}]' if ':' in host else host}:{raw.port}"

            async def stop() -> None:
                raw.over.set()
                server.close()
                for task in raw.tasks:
                    task.cancel()
                await asyncio.gather(*raw.tasks, return_exceptions=True)
                await server.wait_closed()

            stack.push_async_callback(stop)
            return raw

        yield start


def saying(*chunks: bytes):
    """Return a scene: read the head, say this, close."""

    async def scene(raw: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await raw.head(reader)
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()

    return scene


async def silent(raw: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the head and say nothing."""
    await raw.head(reader)
    await raw.over.wait()


async def reset(raw: RawServer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Read the head and reset the connection."""
    await raw.head(reader)
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@pytest.fixture
def scenes():
    """Return the scenes that a raw server can play."""

    class Scenes:
        pass

    Scenes.saying, Scenes.silent, Scenes.reset = staticmethod(saying), staticmethod(silent), staticmethod(reset)
    return Scenes
