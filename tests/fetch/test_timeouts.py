"""Timeouts of some hosts: each holds for the hosts that its pattern matches, and for no other.

Both hosts are the same server, and are asked at the same time. It goes on at the moment at which the impatient one gave up, so that
the other has its answer exactly when it waited longer.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading

import pytest
import trustme

from crawler.core.model import Fault
from crawler.core.settings import Settings
from crawler.core.targets import Timeouts
from crawler.fetch import client
from crawler.fetch import resolver as resolving
from crawler.fetch.guard import Guard
from crawler.fetch.routes import Routes

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
USUAL = {"timeout": 20.0, "connect_timeout": 10.0, "dns_timeout": 5.0, "tls_timeout": 10.0, "header_timeout": 15.0, "read_timeout": 15.0}
SLOW, OTHER = "page.slow.test", "other.test"
NAMES = {SLOW: ["127.0.0.1"], OTHER: ["127.0.0.1"]}


def impatient(words: str, **more) -> Settings:
    return Settings(timeouts=(f"*.slow.test {words}",), **{**USUAL, **more})


def guard() -> Guard:
    return Guard(open_hosts=NAMES, open_ports=(), allow=(), deny=())


@pytest.fixture
def ask_both(open_fetcher, ask):
    """Return a function that asks both hosts at once and lets the server go on when the first one has given up."""

    async def ask_both(settings, port, go_on, *, scheme="http", names=NAMES):
        fetcher = await open_fetcher(settings, guard=guard(), names=names)
        other = asyncio.ensure_future(ask(f"{scheme}://{OTHER}:{port}/", fetcher=fetcher))
        try:
            slow = await ask(f"{scheme}://{SLOW}:{port}/", fetcher=fetcher)
            assert not other.done()
            await go_on()
            return slow.trouble, await other
        finally:
            other.cancel()

    return ask_both


def pausing(before: bytes, after: bytes):
    """Return a scene that pauses between two pieces, and what ends its pause."""
    over = asyncio.Event()

    async def scene(raw, reader, writer):
        await raw.head(reader)
        writer.write(before)
        await over.wait()
        writer.write(after)

    async def go_on():
        over.set()

    return scene, go_on


async def test_the_time_to_the_headers(raw_server, ask_both):
    scene, go_on = pausing(b"", OK + b"hi")
    slow, other = await ask_both(impatient("header=0.1"), (await raw_server(scene)).port, go_on)

    assert (Fault.TIMEOUT, "no complete headers within 0.1 s") == (slow.fault, slow.detail)
    assert b"hi" == other.body


@pytest.mark.parametrize("words", ["read=0.1", "total=0.2"])
async def test_the_time_between_two_pieces_and_for_all_of_it(words, raw_server, ask_both):
    scene, go_on = pausing(OK + b"h", b"i")
    slow, other = await ask_both(impatient(words), (await raw_server(scene)).port, go_on)

    assert Fault.TIMEOUT is slow.fault
    assert 200 == slow.reply.status
    assert b"hi" == other.body


async def test_the_time_for_all_of_it_ends_a_body_that_never_pauses(raw_server, ask):
    async def scene(raw, reader, writer):
        await raw.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not raw.over.is_set():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0)

    url = f"http://{SLOW}:{(await raw_server(scene)).port}/"
    asked = await ask(url, settings=impatient("total=0.1", min_rate=0), guard=guard(), names=NAMES)

    assert Fault.TIMEOUT is asked.trouble.fault
    assert asked.body.startswith(b"x")


async def test_the_time_for_all_of_it_holds_before_the_headers_too(raw_server, ask_both):
    scene, go_on = pausing(b"", OK + b"hi")
    slow, other = await ask_both(impatient("total=0.1"), (await raw_server(scene)).port, go_on)

    assert Fault.TIMEOUT is slow.fault
    assert b"hi" == other.body


async def test_the_time_for_all_of_it_is_named_when_it_was_what_ended(raw_server, scenes, ask):
    asked = await ask((await raw_server(scenes.silent)).url, settings=Settings(timeout=0.1, header_timeout=15.0))

    assert "15 s" not in asked.trouble.detail
    assert "0.1 s" in asked.trouble.detail


async def test_the_minimum_rate(raw_server, ask_both, monkeypatch):
    monkeypatch.setattr(client, "RATE_FROM", 0.0)
    scene, go_on = pausing(OK + b"h", b"i")
    slow, other = await ask_both(impatient("min_rate=1000000000", min_rate=0), (await raw_server(scene)).port, go_on)

    assert (Fault.TIMEOUT, "slower than 1000000000 bytes a second") == (slow.fault, slow.detail)
    assert b"hi" == other.body


async def test_the_time_of_a_look_up(raw_server, ask_both, monkeypatch):
    over, look_up = threading.Event(), resolving._look_up

    def hanging(host, port, family):
        over.wait(10.0)
        return look_up("127.0.0.1", port, family)

    async def go_on():
        over.set()

    monkeypatch.setattr(resolving, "_look_up", hanging)
    try:
        slow, other = await ask_both(impatient("dns=0.1"), (await raw_server(OK + b"hi")).port, go_on, names=None)
    finally:
        over.set()

    assert Fault.DNS is slow.fault
    assert "no answer from the name server within 0.1 s" in slow.detail
    assert b"hi" == other.body


@pytest.fixture
def full():
    """Return a socket on which no connection can be made any more: those that nobody has accepted fill its queue."""
    with contextlib.ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                waiting.connect(listening.getsockname())
        yield listening


async def test_the_time_to_connect(full, open_fetcher, ask):
    """The other one is still at it; the system would try again after a second, which is too long to wait here."""
    fetcher, port = await open_fetcher(impatient("connect=0.1"), guard=guard(), names=NAMES), full.getsockname()[1]
    other = asyncio.ensure_future(ask(f"http://{OTHER}:{port}/", fetcher=fetcher))
    slow = await asyncio.wait_for(ask(f"http://{SLOW}:{port}/", fetcher=fetcher), USUAL["dns_timeout"] / 2)
    still_at_it = not other.done()
    other.cancel()
    await asyncio.wait([other])

    assert Fault.CONNECT is slow.trouble.fault
    assert still_at_it


async def test_the_time_of_a_handshake(ask_both, tmp_path):
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(SLOW, OTHER).configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(OK + b"hi")
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    listening = socket.create_server(("127.0.0.1", 0))      # connections wait here until they are served
    async with await asyncio.start_server(serve, sock=listening, ssl=context, start_serving=False) as server:
        settings = impatient("tls=0.1", ca_file=str(tmp_path / "ca.pem"))
        slow, other = await ask_both(settings, listening.getsockname()[1], server.start_serving, scheme="https")

    assert Fault.TIMEOUT is slow.fault
    assert b"hi" == other.body


async def test_a_time_that_is_longer_than_the_usual_one_holds_too(raw_server, open_fetcher, ask):
    scene, go_on = pausing(b"", OK + b"hi")
    port = (await raw_server(scene)).port
    settings = Settings(header_timeout=0.1, timeouts=("*.slow.test header=15",))
    fetcher = await open_fetcher(settings, guard=guard(), names=NAMES)
    patient = asyncio.ensure_future(ask(f"http://{SLOW}:{port}/", fetcher=fetcher))
    other = await ask(f"http://{OTHER}:{port}/", fetcher=fetcher)
    await go_on()

    assert "no complete headers within 0.1 s" == other.trouble.detail
    assert b"hi" == (await patient).body


def test_a_rule_changes_what_it_names_and_leaves_the_rest():
    routes = Routes(impatient("header=0.5 min_rate=7", min_rate=1024))
    usual = Timeouts(total=20.0, connect=10.0, dns=5.0, tls=10.0, header=15.0, read=15.0, min_rate=1024)

    assert usual == routes.of(f"http://{OTHER}").timeouts
    assert usual == routes.of("http://slow.test").timeouts
    assert Timeouts(total=20.0, connect=10.0, dns=5.0, tls=10.0, header=0.5, read=15.0, min_rate=7) == routes.of(f"https://{SLOW}:8443").timeouts


def test_the_first_rule_that_matches_holds_alone():
    routes = Routes(Settings(timeouts=("a.slow.test header=1", "*.slow.test header=2 read=3", "* read=4")))
    found = [routes.of(f"http://{host}").timeouts for host in ("a.slow.test", "b.slow.test", OTHER)]

    assert [(1, 15), (2, 3), (15, 4)] == [(timeouts.header, timeouts.read) for timeouts in found]
