"""Every trouble on the network is one fault: by the type of the exception, by what a server really does."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from types import SimpleNamespace
from unittest.mock import Mock

import aiohttp
import pytest
import yarl
from aiohttp import http_exceptions
from aioresponses import aioresponses

from crawler.core.model import Fault
from crawler.core.settings import Settings
from crawler.fetch import client
from crawler.fetch.decode import DecodeError
from crawler.fetch.faults import FAULTS, TooSlow, chain, detail_of, fault_of
from crawler.fetch.guard import GuardRefused

KEY = SimpleNamespace(host="h.test", port=80, ssl=True, is_ssl=False)
INFO = Mock(real_url=yarl.URL("http://h.test/"))


def caused(error: BaseException, cause: BaseException) -> BaseException:
    error.__cause__ = cause
    return error


EXCEPTIONS = [
    (GuardRefused("10.0.0.1 is a private address"), Fault.GUARD),
    (aiohttp.ClientConnectorError(KEY, GuardRefused("no")), Fault.GUARD),
    (aiohttp.ClientConnectorError(KEY, OSError(-1, "Multiple exceptions: no, no")), Fault.GUARD),
    (caused(OSError("all addresses failed"), GuardRefused("no")), Fault.GUARD),
    (caused(aiohttp.ClientOSError("x"), ExceptionGroup("two", [OSError("a"), GuardRefused("no")])), Fault.GUARD),
    (DecodeError("a bomb"), Fault.DECODE),
    (TooSlow("slower than 1024 bytes a second"), Fault.TIMEOUT),
    (aiohttp.ClientConnectorDNSError(KEY, OSError(None, "no such name")), Fault.DNS),
    (aiohttp.ClientSSLError(KEY, OSError("x")), Fault.TLS),
    (aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError("x")), Fault.TLS),
    (aiohttp.ClientConnectorCertificateError(KEY, ssl.CertificateError("x")), Fault.TLS),
    (aiohttp.ClientConnectorError(KEY, ssl.SSLError("x")), Fault.TLS),
    (aiohttp.ClientConnectorError(KEY, ConnectionRefusedError(errno.ECONNREFUSED, "refused")), Fault.CONNECT),
    (aiohttp.ClientProxyConnectionError(KEY, OSError("x")), Fault.CONNECT),
    (aiohttp.ConnectionTimeoutError("x"), Fault.CONNECT),
    (aiohttp.SocketTimeoutError("x"), Fault.TIMEOUT),
    (aiohttp.ServerTimeoutError("x"), Fault.TIMEOUT),
    (aiohttp.ServerDisconnectedError(), Fault.RESET),
    (aiohttp.ServerConnectionError("x"), Fault.RESET),
    (aiohttp.ServerFingerprintMismatch(b"a", b"b", "h", 1), Fault.RESET),
    (aiohttp.ClientConnectionResetError("x"), Fault.RESET),
    (aiohttp.ClientConnectionError("x"), Fault.RESET),
    (aiohttp.ClientOSError(errno.ECONNRESET, "reset"), Fault.RESET),
    (caused(aiohttp.ClientOSError("x"), ssl.SSLError("x")), Fault.TLS),
    (aiohttp.ClientPayloadError("short"), Fault.TRUNCATED),
    (aiohttp.ClientResponseError(INFO, (), status=400, message="bad"), Fault.PROTOCOL),
    (aiohttp.ContentTypeError(INFO, (), message="bad"), Fault.PROTOCOL),
    (aiohttp.ClientHttpProxyError(INFO, (), message="bad"), Fault.CONNECT),
    (aiohttp.TooManyRedirects(INFO, ()), Fault.PROTOCOL),
    (aiohttp.InvalidURL("x"), Fault.PROTOCOL),
    (aiohttp.InvalidUrlClientError("x"), Fault.PROTOCOL),
    (aiohttp.NonHttpUrlClientError("x"), Fault.PROTOCOL),
    (aiohttp.RedirectClientError("x"), Fault.PROTOCOL),
    (http_exceptions.BadStatusLine("x"), Fault.PROTOCOL),
    (http_exceptions.LineTooLong(b"x", 10), Fault.PROTOCOL),
    (aiohttp.ClientError("x"), Fault.PROTOCOL),
    (TimeoutError(), Fault.TIMEOUT),
    (TimeoutError(), Fault.TIMEOUT),
    (ssl.SSLError("x"), Fault.TLS),
    (ConnectionResetError("x"), Fault.RESET),
    (BrokenPipeError("x"), Fault.RESET),
]


@pytest.mark.parametrize(("error", "fault"), EXCEPTIONS, ids=lambda part: type(part).__name__ if isinstance(part, Exception) else part)
def test_every_exception_of_the_client_is_one_fault(error, fault):
    assert fault is fault_of(error)


def test_no_exception_of_the_client_is_left_out():
    known = {type(error) for error, _ in EXCEPTIONS}
    kinds = [kind for kind in vars(aiohttp.client_exceptions).values() if isinstance(kind, type)]
    all_of_them = [kind for kind in kinds if issubclass(kind, aiohttp.ClientError)]

    assert 20 < len(all_of_them)
    for kind in all_of_them:
        assert kind in known or any(issubclass(kind, row[0]) for row in FAULTS)


def test_no_row_of_the_table_is_hidden_by_an_earlier_one():
    for index, (kind, _, _) in enumerate(FAULTS):
        assert not any(applies is None and issubclass(kind, earlier) for earlier, applies, _ in FAULTS[:index]), kind


@pytest.mark.parametrize("error", [ValueError("x"), KeyError("x"), OSError(errno.ENOSPC, "full"), RuntimeError(), AssertionError()])
def test_a_bug_and_a_full_disk_are_no_faults(error):
    assert None is fault_of(error)


def test_a_detail_is_one_line_that_says_what_happened():
    assert "the answer is not valid HTTP: bad line" == detail_of(aiohttp.ClientResponseError(INFO, (), message="bad\n  line"))
    assert "no such place" == detail_of(caused(OSError(), OSError("no such place")))
    assert "TimeoutError" == detail_of(TimeoutError())
    assert "10.0.0.1 is private" == detail_of(aiohttp.ClientConnectorError(KEY, GuardRefused("10.0.0.1 is private")))
    assert "no, never" == detail_of(aiohttp.ClientConnectorError(KEY, OSError(-1, "Multiple exceptions: no, never")))
    assert 300 == len(detail_of(aiohttp.ClientError("x" * 1000)))


def test_a_chain_of_causes_that_bites_its_tail_ends():
    one, two = ValueError("one"), ValueError("two")
    one.__cause__, two.__cause__ = two, one

    assert [one, two] == chain(one)


# --- through the client, with the wire replaced ------------------------------------------------------------------------


@pytest.mark.parametrize(("error", "fault"), EXCEPTIONS, ids=lambda part: type(part).__name__ if isinstance(part, Exception) else part)
async def test_an_exception_becomes_a_value_and_the_headers_count_as_heard(error, fault, ask):
    with aioresponses() as wire:
        wire.get("http://h.test/", exception=error)
        asked = await ask("http://h.test/")

    assert fault is asked.trouble.fault
    assert asked.trouble.detail
    assert None is asked.trouble.reply
    assert 1 == asked.heard


async def test_a_bug_is_no_value_but_the_headers_count_as_heard_all_the_same(open_fetcher, make_request):
    fetcher, heard = await open_fetcher(), []
    with aioresponses() as wire:
        wire.get("http://h.test/", exception=KeyError("a bug"))
        with pytest.raises(KeyError):
            await fetcher.fetch(make_request("http://h.test/"), None, heard=lambda: heard.append(1), limit=1, keep=lambda _: True)

    assert [1] == heard


@pytest.mark.parametrize("status", [200, 204, 301, 404, 429, 500, 503, 599])
async def test_a_status_is_never_a_fault(status, ask):
    with aioresponses() as wire:
        wire.get("http://h.test/", status=status, body=b"hello", content_type="text/html; charset=utf-8")
        asked = await ask("http://h.test/")

    assert (status, "text/html") == (asked.reply.status, asked.reply.mime)
    assert b"hello" == asked.body


# --- on a real wire ----------------------------------------------------------------------------------------------------

OK = b"HTTP/1.1 200 OK\r\n"
IMPATIENT = Settings(timeout=2.0, connect_timeout=0.3, dns_timeout=0.1, header_timeout=0.1, read_timeout=0.3)


@pytest.mark.parametrize(
    ("answer", "fault"),
    [
        (b"", Fault.RESET),
        (b"HTTP/1.1 200 O", Fault.RESET),
        (OK + b"Content-Length: 10\r\n\r\nshort", Fault.TRUNCATED),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", Fault.TRUNCATED),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nxyz\r\n", Fault.PROTOCOL),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", Fault.PROTOCOL),
        (b"HTTP/1.1 abc OK\r\n\r\n", Fault.PROTOCOL),
        (OK + b"X-Long: " + b"a" * 70_000 + b"\r\n\r\n", Fault.PROTOCOL),
        (OK + b"".join(b"X-%d: y\r\n" % number for number in range(100_000)) + b"\r\n", Fault.PROTOCOL),
        (OK + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", Fault.PROTOCOL),
        (OK + b"Content-Length: -1\r\n\r\nhello", Fault.PROTOCOL),
        (b"HTTP/1.1 999 No\r\nContent-Length: 2\r\n\r\nhi", Fault.PROTOCOL),
        (b"HTTP/1.1 600 No\r\nContent-Length: 2\r\n\r\nhi", Fault.PROTOCOL),
        (b"HTTP/1.1 000 No\r\nContent-Length: 2\r\n\r\nhi", Fault.PROTOCOL),
        (OK + b"Content-Encoding: compress\r\nContent-Length: 2\r\n\r\nhi", Fault.DECODE),
        (OK + b"Content-Encoding: gzip, gzip, gzip\r\nContent-Length: 2\r\n\r\nhi", Fault.DECODE),
        (OK + b"Content-Encoding: br\r\nContent-Length: 4\r\n\r\n\xff\xff\xff\xff", Fault.DECODE),
    ],
    ids=["nothing", "half-a-status-line", "short-body", "unfinished-chunks", "bad-chunk", "another-protocol", "bad-status",
         "header-of-70-KB", "endless-headers", "two-lengths", "negative-length", "999", "600", "000", "unknown-coding", "three-codings",
         "broken-coding"],
)  # fmt: skip
async def test_what_a_server_says_wrong_is_one_fault(answer, fault, raw_server, ask):
    server = await raw_server(answer)
    asked = await ask(server.url)

    assert (fault, 1) == (asked.trouble.fault, asked.heard), asked.trouble.detail
    assert server.connections <= 2


async def test_a_broken_body_keeps_the_head_that_came_with_it(raw_server, ask):
    server = await raw_server(OK + b"Content-Type: text/plain\r\nContent-Length: 10\r\n\r\nshort")
    asked = await ask(server.url)

    assert asked.trouble.reply is not None
    assert (200, "text/plain", 5) == (asked.trouble.reply.status, asked.trouble.reply.mime, asked.trouble.reply.wire_bytes)


async def test_a_made_up_status_is_never_taken_for_an_answer(raw_server, ask):
    server = await raw_server(b"garbage\r\n\r\n")

    assert None is (await ask(server.url)).trouble.reply


async def test_a_reset_is_the_fault_reset(raw_server, scenes, ask):
    server = await raw_server(scenes.reset)

    assert Fault.RESET is (await ask(server.url)).trouble.fault


async def test_a_header_of_9_kb_is_fine(raw_server, ask):
    server = await raw_server(OK + b"X-Long: " + b"a" * 9_000 + b"\r\nContent-Length: 2\r\n\r\nhi")
    asked = await ask(server.url)

    assert b"hi" == asked.body
    assert 9_000 == len(asked.reply.header("x-long"))


async def test_a_server_that_says_nothing_is_the_fault_timeout(raw_server, scenes, ask):
    server = await raw_server(scenes.silent)
    asked = await ask(server.url, settings=IMPATIENT)

    assert Fault.TIMEOUT is asked.trouble.fault


async def test_a_server_that_falls_silent_in_its_body_is_the_fault_timeout(raw_server, ask):
    async def scene(raw, reader, writer):
        await raw.head(reader)
        writer.write(OK + b"Content-Length: 100\r\n\r\nhalf")
        await raw.over.wait()

    asked = await ask((await raw_server(scene)).url, settings=IMPATIENT)

    assert Fault.TIMEOUT is asked.trouble.fault
    assert b"half" == asked.body
    assert 200 == asked.trouble.reply.status


@pytest.mark.parametrize("drip", [b"HTTP/1.1 103 Early Hints\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"], ids=["hints", "continue"])
async def test_a_server_that_never_comes_to_the_end_of_its_headers_is_the_fault_timeout(drip, raw_server, ask):
    async def scene(raw, reader, writer):
        await raw.head(reader)
        while not raw.over.is_set():
            writer.write(drip)
            await writer.drain()
            await asyncio.sleep(0)

    asked = await ask((await raw_server(scene)).url, settings=IMPATIENT)

    assert Fault.TIMEOUT is asked.trouble.fault
    assert "no complete headers within 0.1 s" == asked.trouble.detail


async def test_a_body_slower_than_the_minimum_rate_is_the_fault_timeout(raw_server, ask, monkeypatch):
    monkeypatch.setattr(client, "RATE_FROM", 0.0)

    async def scene(raw, reader, writer):
        await raw.head(reader)
        writer.write(OK + b"\r\n")
        while not raw.over.is_set():
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0)

    server = await raw_server(scene)
    slow = await ask(server.url, settings=Settings(min_rate=10**9))

    assert Fault.TIMEOUT is slow.trouble.fault
    assert "slower than 1000000000 bytes a second" == slow.trouble.detail
    assert b"xx" == (await ask(server.url, settings=Settings(min_rate=0), limit=2)).body


async def test_a_closed_port_is_the_fault_connect(ask):
    with socket.socket() as bound:      # nobody listens, and nobody else can take it
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        asked = await ask(f"http://127.0.0.1:{port}/")

    assert Fault.CONNECT is asked.trouble.fault


async def test_a_name_without_address_is_the_fault_dns(ask):
    assert Fault.DNS is (await ask("http://nowhere.test/", names={})).trouble.fault


async def test_a_server_that_speaks_no_tls_is_the_fault_tls(raw_server, ask):
    async def scene(raw, reader, writer):
        await reader.read(100)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    server = await raw_server(scene)

    assert Fault.TLS is (await ask(f"https://127.0.0.1:{server.port}/")).trouble.fault
