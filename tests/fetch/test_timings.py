"""How long each step of a request took: set for a step that was made, None for one that was not."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl

import pytest
import trustme
from aiohttp import CookieJar

from crawler.core.model import Reply
from crawler.core.settings import Settings
from crawler.fetch.client import Fetcher
from crawler.fetch.guard import Guard
from crawler.fetch.resolver import Resolver
from crawler.fetch.routes import Routes
from crawler.fetch.session import open_session

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
LAST = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi"
HELD_UP = 0.05


class Slow(Resolver):
    """Knows every name, after a while."""

    def __init__(self) -> None:
        super().__init__(5.0)
        self.asked: list[str] = []

    async def _look_up(self, host, port, family):
        self.asked.append(host)
        await asyncio.sleep(HELD_UP)
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "proto": 0, "flags": socket.AI_NUMERICHOST, "family": socket.AF_INET}]


@pytest.fixture
async def slow_names():
    """Return a fetcher whose names take a while."""
    guard, routes, resolver = Guard(open_hosts=("host.test", "seed.test"), open_ports=(), allow=(), deny=()), Routes(Settings()), Slow()
    async with open_session(Settings(), guard, resolver, routes=routes, cookies=CookieJar()) as session:
        yield Fetcher(session, guard, routes), resolver


async def kept(raw, reader, writer):
    """Answer as long as somebody asks."""
    while True:
        await raw.head(reader)
        writer.write(OK)


def steps(reply: Reply) -> tuple[bool, bool, bool, bool]:
    """Return which steps were made: looking up, connecting, securing, and whether the connection was there already."""
    return reply.dns is not None, reply.connect is not None, reply.tls is not None, reply.reused


def add_up(reply: Reply) -> bool:
    made = [part for part in (reply.dns, reply.connect, reply.tls) if part is not None]
    return all(part >= 0 for part in made) and sum(made) <= reply.ttfb <= reply.total


async def test_an_address_is_not_looked_up(raw_server, ask):
    reply = (await ask((await raw_server(OK)).url)).reply

    assert (False, True, False, False) == steps(reply)
    assert add_up(reply)


async def test_a_name_is_looked_up_once_and_known_from_then_on(raw_server, slow_names, ask):
    server, (fetcher, resolver) = await raw_server(LAST), slow_names
    replies = [(await ask(f"http://host.test:{server.port}/", fetcher=fetcher)).reply for _ in range(2)]

    assert [(True, True, False, False), (False, True, False, False)] == [steps(reply) for reply in replies]
    assert ["host.test"] == resolver.asked
    assert all(map(add_up, replies))


async def test_the_time_of_a_slow_look_up_is_told_as_that(raw_server, slow_names, ask):
    server, (fetcher, _) = await raw_server(OK), slow_names
    reply = (await ask(f"http://host.test:{server.port}/", fetcher=fetcher)).reply

    assert reply.dns >= HELD_UP > reply.connect
    assert reply.ttfb >= reply.dns


async def test_two_requests_that_wait_for_one_name_look_it_up_once(raw_server, slow_names, ask):
    server, (fetcher, resolver) = await raw_server(OK), slow_names
    asked = await asyncio.gather(*(ask(f"http://host.test:{server.port}/", fetcher=fetcher) for _ in range(2)))

    assert ["host.test"] == resolver.asked
    assert [False, True] == sorted(steps(one.reply)[0] for one in asked)
    assert all(one.reply.connect < HELD_UP for one in asked)
    assert all(add_up(one.reply) for one in asked)


async def test_two_names_at_once_each_have_a_time_of_their_own(raw_server, slow_names, ask):
    server, (fetcher, _) = await raw_server(OK), slow_names
    asked = await asyncio.gather(*(ask(f"http://{host}:{server.port}/", fetcher=fetcher) for host in ("host.test", "seed.test")))

    assert [(True, True, False, False)] * 2 == [steps(one.reply) for one in asked]
    assert all(one.reply.dns >= HELD_UP > one.reply.connect for one in asked)


async def test_a_connection_that_is_used_again_has_no_steps(raw_server, open_fetcher, ask):
    server, fetcher = await raw_server(kept), await open_fetcher()
    url = f"http://localhost:{server.port}/"
    replies = [(await ask(url, fetcher=fetcher)).reply for _ in range(3)]

    assert [(True, True, False, False), (False, False, False, True), (False, False, False, True)] == [steps(reply) for reply in replies]
    assert all(map(add_up, replies))
    assert 1 == server.connections


async def test_a_connection_that_was_closed_meanwhile_is_not_called_used_again(raw_server, open_fetcher, ask):
    """The server says nothing of closing it and does it."""
    server, fetcher = await raw_server(OK), await open_fetcher()
    replies = [(await ask(server.url, fetcher=fetcher)).reply for _ in range(3)]

    assert [(False, True, False, False)] * 3 == [steps(reply) for reply in replies]
    assert 3 == server.connections


async def test_a_request_that_is_made_again_over_a_new_connection_is_told_as_that(raw_server, open_fetcher, ask):
    async def scene(raw, reader, writer):
        await raw.head(reader)
        writer.write(OK)
        if raw.connections == 1:
            await raw.head(reader)      # and closes: the next one may be asked once more

    server, fetcher = await raw_server(scene), await open_fetcher()
    await ask(server.url, fetcher=fetcher)
    reply = (await ask(server.url, fetcher=fetcher)).reply

    assert (False, True, False, False) == steps(reply)
    assert (2, 3) == (server.connections, len(server.heads))


@pytest.fixture
async def secured(tmp_path):
    """Return the port of a server over TLS that takes up a connection after a while only, and the settings that trust it."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    async def serve(reader, writer):
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(OK)
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    listening = socket.create_server(("127.0.0.1", 0))
    async with await asyncio.start_server(serve, sock=listening, ssl=context, start_serving=False) as server:
        yield server, listening.getsockname()[1], Settings(ca_file=str(tmp_path / "ca.pem"))


async def test_the_handshake_is_told_apart_from_the_connection(secured, open_fetcher, ask):
    server, port, settings = secured
    fetcher = await open_fetcher(settings, names={"localhost": ["127.0.0.1"]})
    later = asyncio.get_running_loop().call_later(HELD_UP, lambda: starting.append(asyncio.ensure_future(server.start_serving())))
    starting = []
    first, again = [(await ask(f"https://localhost:{port}/", fetcher=fetcher)).reply for _ in range(2)]
    later.cancel()

    assert (True, True, True, False) == steps(first)
    assert (False, False, False, True) == steps(again)
    assert 0 < first.connect < HELD_UP / 2 < first.tls
    assert add_up(first)
    assert add_up(again)


async def test_the_connection_is_told_apart_from_the_handshake(secured, open_fetcher, ask):
    """The first address is silent, since nobody takes up the connections in its full queue; the second one is tried after a moment."""
    server, port, settings = secured
    await server.start_serving()
    fetcher = await open_fetcher(settings, names={"localhost": ["127.0.0.66", "127.0.0.1"]})
    with contextlib.ExitStack() as stack:
        stack.enter_context(socket.create_server(("127.0.0.66", port), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(("127.0.0.66", port))
        reply = (await ask(f"https://localhost:{port}/", fetcher=fetcher)).reply

    assert reply.connect > 0.2 > reply.tls
    assert add_up(reply)


async def test_trouble_after_the_headers_tells_the_steps_all_the_same(raw_server, ask):
    server = await raw_server(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort")
    reply = (await ask(server.url)).trouble.reply

    assert (False, True, False, False) == steps(reply)
