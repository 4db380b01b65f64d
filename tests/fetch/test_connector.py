"""What comes unasked on a connection is never the answer to the next URL, and a connection that died costs nothing."""

from __future__ import annotations

import asyncio
import contextlib
import ssl

import aiohttp
import pytest
import trustme

from crawler.core.model import Fault
from crawler.core.settings import Settings

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"
EVIL = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"
LATE = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Line:
    """A server that keeps connections open, and says more than it was asked: along with its answer, or a moment later."""

    def __init__(self) -> None:
        self.paths: list[bytes] = []
        self.connections = 0
        self.along = b""
        self.writers: list[asyncio.StreamWriter] = []
        self.url = ""
        self.tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.current_task())
        self.connections += 1
        self.writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while True:
                self.paths.append((await reader.readuntil(b"\r\n\r\n")).split(b" ")[1])
                writer.write(GOOD + self.along)
                self.along = b""
                await writer.drain()
        writer.close()

    async def say(self, data: bytes) -> None:
        """Say something on the first connection while nobody asks; its bytes are on the other side when this ends."""
        self.writers[0].write(data)
        await self.writers[0].drain()


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(params=["http", "https"])
async def line(request, authority):
    one, context = Line(), None
    if request.param == "https":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(context)
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0, ssl=context)
    one.url = f"{request.param}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield one
    server.close()
    for task in one.tasks:
        task.cancel()
    await asyncio.gather(*one.tasks, return_exceptions=True)


@pytest.fixture
async def fetcher(open_fetcher, authority, tmp_path):
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return await open_fetcher(Settings(timeout=5.0, connect_timeout=2.0, header_timeout=2.0, ca_file=str(tmp_path / "ca.pem")))


async def test_a_connection_on_which_nothing_came_is_used_again(line, fetcher, ask):
    bodies = [(await ask(f"{line.url}/{number}", fetcher=fetcher)).body for number in range(3)]

    assert ([b"good"] * 3, 1) == (bodies, line.connections)


@pytest.mark.parametrize("along", [EVIL, EVIL * 2, EVIL[:20], b"\r\n", LATE])
async def test_what_comes_with_a_good_answer_is_not_the_next_one(along, line, fetcher, ask):
    line.along = along
    asked = [await ask(f"{line.url}/{number}", fetcher=fetcher) for number in range(3)]

    assert [(b"good", 200)] * 3 == [(one.body, one.reply.status) for one in asked]
    assert [b"/0", b"/1", b"/2"] == line.paths


@pytest.mark.parametrize("pieces", [[EVIL], [EVIL[:1], EVIL[1:]], [EVIL[:25], EVIL[25:40], EVIL[40:]], [LATE], [b"x"]])
@pytest.mark.parametrize("turns", [0, 1, 20])
async def test_what_comes_while_nobody_asks_is_not_the_next_answer(pieces, turns, line, fetcher, ask):
    """Whether the event loop has already seen it (after some turns) or not yet."""
    await ask(f"{line.url}/0", fetcher=fetcher)
    for piece in pieces:
        await line.say(piece)
        for _ in range(turns):
            await asyncio.sleep(0)
    asked = await ask(f"{line.url}/1", fetcher=fetcher)

    assert (b"good", 200) == (asked.body, asked.reply.status)
    assert ([b"/0", b"/1"], 2) == (line.paths, line.connections)


async def test_plain_aiohttp_takes_it_for_the_next_answer(line, authority):
    """What all of this is for. When this fails, aiohttp has learnt it."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{line.url}/0", ssl=context) as response:
            assert b"good" == await response.read()
        await line.say(EVIL)
        async with session.get(f"{line.url}/1", ssl=context) as response:
            assert b"evil" == await response.read()


@pytest.mark.parametrize("turns", [0, 20])
async def test_a_connection_that_the_server_closed_meanwhile_costs_no_fault(turns, line, fetcher, ask):
    await ask(f"{line.url}/0", fetcher=fetcher)
    line.writers[0].close()
    for _ in range(turns):
        await asyncio.sleep(0)
    asked = await ask(f"{line.url}/1", fetcher=fetcher)

    assert (b"good", [b"/0", b"/1"], 2) == (asked.body, line.paths, line.connections)


async def test_bytes_after_the_body_are_no_part_of_it(fetcher, make_request):
    heard, body = asyncio.Event(), []

    async def scene(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
        await heard.wait()
        writer.write(b"good and more")
        await writer.drain()
        await reader.read()
        writer.close()

    async def take(chunk: bytes) -> None:
        body.append(chunk)

    server = await asyncio.start_server(scene, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    reply = await fetcher.fetch(make_request(url), take, heard=heard.set, limit=99, keep=lambda _: True)
    server.close()

    assert (200, b"good") == (reply.status, b"".join(body))


@pytest.mark.xfail(reason="the client's parser gives up a whole answer when bytes that are no HTTP come in one packet with it")
async def test_bytes_after_the_body_in_one_packet_with_the_headers_are_no_part_of_it(raw_server, ask):
    asked = await ask((await raw_server(GOOD + b" and more")).url)

    assert (b"good", 200) == (asked.body, asked.reply.status)


@pytest.mark.parametrize("name", ["X-A", "Content-Type", "Set-Cookie", "Location", "Server", "ETag", "Last-Modified", "Retry-After"])
@pytest.mark.parametrize("value", [bytes(range(0x80, 0x100)), b"\xff", b"a\x1b[2Jb", b"a\x00b", b"\xc3\x28", b"\xed\xa0\x80"])
async def test_header_values_that_are_no_text_harm_nothing(name, value, raw_server, ask):
    head = b"HTTP/1.1 200 OK\r\n%s: %s\r\nContent-Length: 2\r\n\r\nhi" % (name.encode(), value)
    asked = await ask((await raw_server(head)).url)

    if b"\0" in value or b"\x1b" in value:
        assert asked.body == b"hi" or Fault.PROTOCOL is asked.trouble.fault
    else:
        assert b"hi" == asked.body
        assert value.decode("utf-8", "replace") == asked.reply.header(name.lower())
