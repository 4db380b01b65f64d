"""One request on a real wire: what is sent, byte for byte, and how an answer is taken in."""

from __future__ import annotations

import asyncio
import gzip
import socket

import pytest
from aiohttp import web

import crawler
from crawler.core.model import Fault
from crawler.core.settings import Settings
from crawler.fetch import resolver as resolving
from crawler.fetch.client import DRAINED
from crawler.fetch.resolver import ThreadResolver
from crawler.fetch.session import user_agent

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
KIB = 1024


@pytest.fixture
async def site(aiohttp_server):
    """Return a function that serves handlers on loopback and counts connections."""

    async def serve(**handlers):
        app = web.Application()
        for name, handler in handlers.items():
            app.router.add_get(f"/{name}", handler)
        peers = set()

        async def count(request, response):
            peers.add(request.transport.get_extra_info("peername"))

        app.on_response_prepare.append(count)
        server = await aiohttp_server(app, host="127.0.0.1")
        server.peers = peers
        return server

    return serve


# --- what is sent ----------------------------------------------------------------------------------------------------


async def test_the_headers_are_sent_byte_for_byte(raw_server, ask):
    server = await raw_server(OK)
    await ask(f"{server.url}/a", settings=Settings(contact="me@h.test", headers=("X-Team: crawling ", "Accept-Language: ko, en;q=0.5")))

    lines = server.heads[0].split(b"\r\n")
    assert b"GET /a HTTP/1.1" == lines[0]
    assert {
        b"Host: 127.0.0.1:%d" % server.port,
        b"User-Agent: steadycrawl/%s (+me@h.test)" % crawler.__version__.encode(),
        b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
        b"Accept-Encoding: gzip, deflate, br, zstd",
        b"X-Team: crawling",
        b"Accept-Language: ko, en;q=0.5",
    } == set(lines[1:-2])
    assert [b"", b""] == lines[-2:]


@pytest.mark.parametrize(
    "path",
    [
        "/%7Ea/%2F%2f/%C3%A9", "/a%20b+c?q=%41&x=a+b&&=;", "/a//b/../c/", "/a?b?c",
        "/?", "/a?b?", "/a?",
        "/%zz%", "/[]{}|^`", "/a;p=1,2'!()*", "/?q=[1]",
    ],
)  # fmt: skip
async def test_a_url_is_sent_exactly_as_it_is_spelt(path, raw_server, ask, make_request):
    server = await raw_server(OK)
    request = make_request(f"{server.url}{path}")

    assert b"hi" == (await ask(request)).body
    assert request.url[len(server.url) :].encode() == server.heads[0].split(b" ")[1]


def test_the_user_agent_says_who_we_are():
    assert f"steadycrawl/{crawler.__version__}" == user_agent(Settings())
    assert f"steadycrawl/{crawler.__version__} (+https://h.test/bot)" == user_agent(Settings(contact="https://h.test/bot"))
    assert "mine/1.0" == user_agent(Settings(user_agent="mine/1.0", contact="unused"))


async def test_no_credentials_come_from_the_environment(raw_server, ask, monkeypatch, tmp_path):
    server = await raw_server(OK)
    (tmp_path / "netrc").write_text("default login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9/")

    assert b"hi" == (await ask(server.url)).body
    assert b"authorization" not in server.heads[0].lower()


# --- connections -----------------------------------------------------------------------------------------------------


async def test_a_connection_is_used_again(site, open_fetcher, ask):
    async def page(request):
        return web.Response(text="hello")

    server, fetcher = await site(page=page), await open_fetcher()
    for _ in range(5):
        assert b"hello" == (await ask(str(server.make_url("/page")), fetcher=fetcher)).body

    assert 1 == len(server.peers)


async def test_a_small_unwanted_body_is_read_away_and_the_connection_kept(site, open_fetcher, ask):
    async def missing(request):
        return web.Response(status=404, body=b"x" * DRAINED)

    server, fetcher = await site(missing=missing), await open_fetcher()
    for _ in range(3):
        asked = await ask(str(server.make_url("/missing")), fetcher=fetcher, keep=lambda status: status < 300)
        assert (404, b"") == (asked.reply.status, asked.body)

    assert 1 == len(server.peers)


async def test_a_large_unwanted_body_is_not_read(site, open_fetcher, ask):
    async def missing(request):
        return web.Response(status=404, body=b"x" * 30_000_000)

    server, fetcher = await site(missing=missing), await open_fetcher()
    for _ in range(2):
        asked = await ask(str(server.make_url("/missing")), fetcher=fetcher, keep=lambda status: status < 300)
        assert 404 == asked.reply.status
        assert asked.reply.wire_bytes < 1_000_000

    assert 2 == len(server.peers)


async def test_a_connection_that_the_server_closed_meanwhile_is_no_trouble(raw_server, open_fetcher, ask):
    server, fetcher = await raw_server(OK), await open_fetcher()

    assert [b"hi"] * 3 == [(await ask(server.url, fetcher=fetcher)).body for _ in range(3)]


async def test_the_address_that_answered_is_told(raw_server, ask):
    server = await raw_server(OK)

    assert "127.0.0.1" == (await ask(f"http://host.test:{server.port}/", names={"host.test": ["127.0.0.1"]})).reply.ip


# --- what comes back -------------------------------------------------------------------------------------------------


async def test_the_headers_are_kept_as_they_came(raw_server, ask):
    server = await raw_server(
        b"HTTP/1.1 200 OK\r\nX-b: 2\r\nx-A: 1\r\nX-B: 3\r\nSet-Cookie: a=\xff\xc3\xa9\r\n"
        b"Content-Type: Text/HTML; charset=x\r\nContent-Length: 0\r\n\r\n"
    )
    reply = (await ask(server.url)).reply

    assert (("X-b", "2"), ("x-A", "1"), ("X-B", "3"), ("Set-Cookie", "a=\ufffdé")) == reply.headers[:4]
    assert "text/html" == reply.mime
    assert "2" == reply.header("x-b")


async def test_headers_are_heard_before_the_body_is_read(raw_server, open_fetcher, make_request):
    heard = asyncio.Event()

    async def scene(raw, reader, writer):
        await raw.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
        await heard.wait()      # a body that comes only once the headers were heard
        writer.write(b"hi")
        await writer.drain()

    server, fetcher, body = await raw_server(scene), await open_fetcher(), []

    async def take(chunk):
        body.append(chunk)

    reply = await fetcher.fetch(make_request(server.url), take, heard=heard.set, limit=9, keep=lambda _: True)

    assert 200 == reply.status
    assert b"hi" == b"".join(body)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status, site, ask):
    async def moved(request):
        return web.Response(status=status, headers={"Location": "/elsewhere"})

    async def elsewhere(request):
        raise AssertionError("followed")

    server = await site(moved=moved, elsewhere=elsewhere)
    reply = (await ask(str(server.make_url("/moved")))).reply

    assert (status, "/elsewhere") == (reply.status, reply.header("location"))


@pytest.mark.parametrize("coding", [None, "gzip"])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_beyond_the_limit_is_cut_there_and_flagged(coding, chunked, site, ask):
    body = bytes(range(256)) * 4 * KIB

    async def page(request):
        response = web.Response(body=gzip.compress(body) if coding else body)
        if coding:
            response.headers["Content-Encoding"] = coding
        if chunked:
            response.enable_chunked_encoding()
        return response

    url = str((await site(page=page)).make_url("/page"))
    cut, whole = await ask(url, limit=100_000), await ask(url, limit=len(body))

    assert (body[:100_000], True) == (cut.body, cut.reply.truncated)
    assert (body, False) == (whole.body, whole.reply.truncated)


async def test_an_endless_body_ends_at_the_limit(raw_server, ask):
    async def scene(raw, reader, writer):
        await raw.head(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000000\r\n\r\n")
        while not raw.over.is_set():
            writer.write(b"x" * 10_000)
            await writer.drain()

    asked = await ask((await raw_server(scene)).url, limit=50_000)

    assert (50_000, True) == (len(asked.body), asked.reply.truncated)
    assert asked.reply.wire_bytes < 1_000_000


async def test_a_bomb_is_the_fault_decode_before_it_goes_off(site, ask):
    async def bomb(request):
        return web.Response(body=gzip.compress(bytes(50 * KIB * KIB)), headers={"Content-Encoding": "gzip"})

    asked = await ask(str((await site(bomb=bomb)).make_url("/bomb")), limit=100 * KIB * KIB)

    assert Fault.DECODE is asked.trouble.fault
    assert "a bomb" in asked.trouble.detail
    assert len(asked.body) < 20 * KIB * KIB


async def test_a_gzip_body_that_was_cut_is_kept_and_flagged(raw_server, ask):
    packed = gzip.compress(b"hello " * 5000)[:-20]
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    asked = await ask((await raw_server(head + packed)).url)

    assert asked.reply.truncated
    assert asked.body.startswith(b"hello hello ")


async def test_codings_of_two_headers_are_both_undone(raw_server, ask):
    packed = gzip.compress(gzip.compress(b"hello"))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Encoding: GZIP\r\nContent-Length: {len(packed)}\r\n\r\n".encode()

    assert b"hello" == (await ask((await raw_server(head + packed)).url)).body


async def test_a_part_of_a_body_is_flagged(raw_server, ask):
    server = await raw_server(b"HTTP/1.1 206 Partial Content\r\nContent-Length: 2\r\n\r\nhi")

    assert (await ask(server.url)).reply.truncated


async def test_a_body_that_ends_with_the_connection_is_whole(raw_server, ask):
    asked = await ask((await raw_server(b"HTTP/1.0 200 OK\r\n\r\nall of it")).url)

    assert (b"all of it", False) == (asked.body, asked.reply.truncated)


async def test_a_sink_that_fails_is_not_taken_for_trouble_on_the_network(raw_server, open_fetcher, make_request):
    class DiskFull(Exception):
        pass

    async def full(chunk):
        raise DiskFull

    server, fetcher, heard = await raw_server(OK), await open_fetcher(), []
    with pytest.raises(DiskFull):
        await fetcher.fetch(make_request(server.url), full, heard=lambda: heard.append(1), limit=9, keep=lambda _: True)

    assert [1] == heard


# --- names -----------------------------------------------------------------------------------------------------------


async def test_a_look_up_that_hangs_ends_in_time_and_holds_up_nobody(monkeypatch):
    import threading

    over = threading.Event()
    monkeypatch.setattr(resolving, "_look_up", lambda host, port, family: over.wait(30) or [])
    resolver = ThreadResolver(0.05)
    try:
        with pytest.raises(OSError, match=r"no answer from the name server within 0\.05 s"):
            await resolver.resolve("slow.test", 80)
    finally:
        over.set()
        await resolver.close()


async def test_names_are_looked_up_by_the_system(monkeypatch):
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port, **_: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.1", port))])
    resolver = ThreadResolver(5.0)
    [found] = await resolver.resolve("h.test", 80)
    await resolver.close()

    assert ("h.test", "192.0.2.1", 80) == (found["hostname"], found["host"], found["port"])
