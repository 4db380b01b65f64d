"""Through HTTP, HTTPS and SOCKS proxies on loopback: who is told what, and which proxy is asked for which host."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import socket
import ssl

import pytest
import trustme

from crawler.core.model import Fault
from crawler.core.scope import Options
from crawler.core.seeds import Seed
from crawler.core.settings import Settings
from crawler.engine import Crawler
from crawler.fetch.guard import Guard
from crawler.fetch.routes import Routes, WrongSettings

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"
SECRET = base64.b64encode(b"me:p@ss").decode()


def quick(*proxies: str, **more) -> Settings:
    return Settings(timeout=5.0, connect_timeout=2.0, header_timeout=2.0, read_timeout=2.0, proxies=proxies, **more)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.close()


class Proxy:
    """An HTTP and a SOCKS5 proxy that want user `me` with password `p@ss`; every name leads to the one target."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.heads: list[bytes] = []
        self.asked: list[tuple[str, int]] = []
        self.credentials: list[tuple[bytes, bytes]] = []
        self.refusal: bytes | None = None
        self.port = 0
        self.tasks: set[asyncio.Task[None]] = set()

    async def http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._watched(self._http(reader, writer), writer)

    async def socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._watched(self._socks(reader, writer), writer)

    async def _watched(self, serving, writer: asyncio.StreamWriter) -> None:
        self.tasks.add(asyncio.current_task())
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await serving
        writer.close()
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await writer.wait_closed()

    async def _http(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            self.heads.append(head)
            if f"proxy-authorization: basic {SECRET}".lower().encode() not in head.lower():
                writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
            elif self.refusal is not None:
                writer.write(self.refusal)
            elif head.startswith(b"CONNECT "):
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                await self._tunnel(reader, writer)
                return
            else:
                inner_reader, inner = await asyncio.open_connection("127.0.0.1", self.target)
                method, url, rest = head.split(b" ", 2)
                lines = [line for line in rest.split(b"\r\n") if not line.lower().startswith(b"proxy-")]
                inner.write(b" ".join([method, b"/" + url.split(b"/", 3)[3], b"\r\n".join(lines)]))
                answer = await inner_reader.readuntil(b"\r\n\r\n")
                writer.write(answer + await inner_reader.readexactly(2))
                inner.close()
            await writer.drain()

    async def _socks(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly((await reader.readexactly(2))[1])
        writer.write(b"\x05\x02")
        user = await reader.readexactly((await reader.readexactly(2))[1])
        password = await reader.readexactly((await reader.readexactly(1))[0])
        self.credentials.append((user, password))
        if (user, password) != (b"me", b"p@ss"):
            writer.write(b"\x01\x01")
            return
        writer.write(b"\x01\x00")
        kind = (await reader.readexactly(4))[3]
        if kind == 3:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            host = socket.inet_ntoa(await reader.readexactly(4))
        self.asked.append((host, int.from_bytes(await reader.readexactly(2), "big")))
        writer.write(b"\x05" + (self.refusal or b"\x00") + b"\x00\x01" + bytes(6))
        if self.refusal is None:
            await self._tunnel(reader, writer)

    async def _tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner = await asyncio.open_connection("127.0.0.1", self.target)
        await asyncio.gather(pump(reader, inner), pump(inner_reader, writer))


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="module")
def tls(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "nowhere.test", "proxy.test").configure_cert(context)
    return context


@pytest.fixture
async def serve():
    """Return a function that serves connections on loopback; all end with the test."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(handler, *, tls: ssl.SSLContext | None = None) -> int:
            server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=tls)
            stack.callback(server.close)
            return server.sockets[0].getsockname()[1]

        yield start


@pytest.fixture
async def target(serve, tls):
    """Return a function that serves a target which keeps its connections open, and the heads that it was sent."""

    tasks: set[asyncio.Task[None]] = set()

    async def start(*, secure: bool) -> tuple[int, list[bytes]]:
        heads: list[bytes] = []

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.current_task())
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while True:
                    heads.append(await reader.readuntil(b"\r\n\r\n"))
                    writer.write(OK)
                    await writer.drain()
            writer.close()

        return await serve(answer, tls=tls if secure else None), heads

    yield start
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture
async def proxying(serve, tls):
    """Return a function that serves a proxy of a kind: http, https or socks5."""
    made: list[Proxy] = []

    async def start(kind: str, to: int) -> tuple[Proxy, str]:
        proxy = Proxy(to)
        made.append(proxy)
        proxy.port = await serve(proxy.socks if kind == "socks5" else proxy.http, tls=tls if kind == "https" else None)
        return proxy, f"{kind}://me:p%40ss@127.0.0.1:{proxy.port}"

    yield start
    tasks = [task for proxy in made for task in proxy.tasks]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_name_that_resolves_nowhere_is_reached_and_each_is_told_its_own_secret_alone(
    kind, scheme, target, proxying, ask, open_fetcher, ca_file
):
    port, heads = await target(secure=scheme == "https")
    proxy, url = await proxying(kind, port)
    origin = f"{scheme}://nowhere.test:{port}"
    settings = quick(url, ca_file=ca_file, auth=(f"{origin} bearer target-secret",))
    fetcher = await open_fetcher(settings, names={})

    first, second = await ask(f"{origin}/a?b", fetcher=fetcher), await ask(f"{origin}/c", fetcher=fetcher)

    assert (b"hi", b"hi") == (first.body, second.body)
    assert [b"GET /a?b HTTP/1.1", b"GET /c HTTP/1.1"] == [head.split(b"\r\n")[0] for head in heads]
    assert all(b"Authorization: Bearer target-secret\r\n" in head for head in heads)
    assert not any(b"proxy-" in head.lower() or SECRET.encode() in head for head in heads)
    if kind == "socks5":
        assert ([("nowhere.test", port)], [(b"me", b"p@ss")]) == (proxy.asked, proxy.credentials)
    elif scheme == "https":
        assert [b"CONNECT nowhere.test:%d HTTP/1.1" % port] == [head.split(b"\r\n")[0] for head in proxy.heads]
        assert b"target-secret" not in proxy.heads[0]
    else:
        assert [b"GET %s/a?b HTTP/1.1" % origin.encode(), b"GET %s/c HTTP/1.1" % origin.encode()] == [head.split(b"\r\n")[0] for head in proxy.heads]


async def test_an_https_proxy_is_checked_even_where_the_target_need_not_be(target, proxying, ask):
    port, heads = await target(secure=True)
    proxy, url = await proxying("https", port)

    asked = await ask(f"https://nowhere.test:{port}/", settings=quick(url, insecure=("nowhere.test",)), names={})

    assert Fault.TLS is asked.trouble.fault
    assert ([], []) == (proxy.heads, heads)


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
async def test_a_target_with_a_bad_certificate_is_the_fault_tls_behind_any_proxy(kind, target, proxying, ask, ca_file):
    port, heads = await target(secure=True)
    _, url = await proxying(kind, port)

    asked = await ask(f"https://another.test:{port}/", settings=quick(url, ca_file=ca_file), names={})

    assert Fault.TLS is asked.trouble.fault
    assert "Hostname mismatch, certificate is not valid for 'another.test'" in asked.trouble.detail
    assert "p%40ss" not in asked.trouble.detail
    assert [] == heads


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
async def test_a_target_that_says_nothing_in_the_handshake_is_the_fault_timeout_behind_any_proxy(kind, serve, proxying, ask, ca_file):
    over = asyncio.Event()

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await over.wait()
        writer.close()

    port = await serve(silence)
    _, url = await proxying(kind, port)
    asked = await ask(f"https://nowhere.test:{port}/", settings=quick(url, ca_file=ca_file, tls_timeout=0.1), names={})
    over.set()

    assert Fault.TIMEOUT is asked.trouble.fault
    assert "TLS handshake within 0.1 s" in asked.trouble.detail


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
async def test_a_target_that_hangs_up_within_the_handshake_is_the_fault_tls_behind_any_proxy(kind, serve, proxying, ask, ca_file):
    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.close()

    port = await serve(leave)
    _, url = await proxying(kind, port)
    asked = await ask(f"https://nowhere.test:{port}/", settings=quick(url, ca_file=ca_file), names={})

    assert Fault.TLS is asked.trouble.fault
    assert "hung up" in asked.trouble.detail


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
async def test_the_handshake_with_a_target_behind_a_proxy_is_timed(kind, target, proxying, open_fetcher, ask, ca_file):
    port, _ = await target(secure=True)
    _, url = await proxying(kind, port)
    fetcher = await open_fetcher(quick(url, ca_file=ca_file), names={})
    new, used = [(await ask(f"https://nowhere.test:{port}/", fetcher=fetcher)).reply for _ in range(2)]

    assert (False, True) == (new.reused, used.reused)
    assert 0 < new.tls < new.ttfb
    assert (None, None) == (used.connect, used.tls)


async def test_each_host_goes_its_own_way(target, proxying, ask, open_fetcher):
    port, heads = await target(secure=False)
    one, one_url = await proxying("http", port)
    two, two_url = await proxying("http", port)
    settings = quick("127.0.0.1 direct", f"*.one.test {one_url}", two_url)
    fetcher = await open_fetcher(settings, names={})
    for host in ("127.0.0.1", "a.one.test", "a.one.test.", "b.test"):
        assert b"hi" == (await ask(f"http://{host}:{port}/", fetcher=fetcher)).body

    assert (2, 1, 4) == (len(one.heads), len(two.heads), len(heads))
    assert b"//b.test:" in two.heads[0]


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
async def test_a_proxy_whose_name_is_not_found_is_named(kind, ask):
    asked = await ask("http://h.test/", settings=quick(f"{kind}://proxy.test:3128"), names={})

    assert asked.trouble.fault in {Fault.DNS, Fault.CONNECT}
    assert "proxy.test:3128" in asked.trouble.detail


@pytest.mark.parametrize(("kind", "refusal", "detail"), [
    ("http", b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", "the proxy refused the tunnel: status 502 Bad Gateway"),
    ("socks5", b"\x05", "the proxy refused: "),
])  # fmt: skip
async def test_a_tunnel_that_is_refused_is_the_fault_connect(kind, refusal, detail, target, proxying, ask, ca_file):
    port, heads = await target(secure=True)
    proxy, url = await proxying(kind, port)
    proxy.refusal = refusal

    asked = await ask(f"https://nowhere.test:{port}/", settings=quick(url, ca_file=ca_file), names={})

    assert Fault.CONNECT is asked.trouble.fault
    assert detail in asked.trouble.detail
    assert [] == heads


@pytest.mark.parametrize(("kind", "detail"), [("http", "status 407"), ("socks5", "the proxy refused")])
async def test_wrong_credentials_are_the_fault_connect(kind, detail, target, proxying, ask):
    port, _ = await target(secure=True)
    _, url = await proxying(kind, port)

    asked = await ask(f"https://nowhere.test:{port}/", settings=quick(url.replace("p%40ss", "wrong-word")), names={})

    assert Fault.CONNECT is asked.trouble.fault
    assert detail in asked.trouble.detail
    assert "wrong-word" not in asked.trouble.detail


@pytest.mark.parametrize("kind", ["http", "https", "socks4", "socks5"])
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_proxy_that_is_down_is_the_fault_connect(kind, scheme, ask):
    with socket.socket() as lonely:
        lonely.bind(("127.0.0.1", 0))
        proxy = f"{kind}://u:password@127.0.0.1:{lonely.getsockname()[1]}"
        asked = await ask(f"{scheme}://nowhere.test/", settings=quick(proxy), names={})

    assert Fault.CONNECT is asked.trouble.fault
    assert "password" not in asked.trouble.detail


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
async def test_a_private_address_is_not_asked_for_through_a_proxy(kind, target, proxying, ask):
    port, heads = await target(secure=False)
    proxy, url = await proxying(kind, port)
    asked = await ask(f"http://10.0.0.1:{port}/", settings=quick(url), names={})

    assert Fault.GUARD is asked.trouble.fault
    assert ([], [], []) == (proxy.heads, proxy.asked, heads)


@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
async def test_a_proxy_in_a_denied_network_is_not_connected_to(kind, target, proxying, ask, open_fetcher):
    port, _ = await target(secure=False)
    proxy, url = await proxying(kind, port)
    guard = Guard(open_hosts=["127.0.0.1"], open_ports=(), allow=(), deny=["127.0.0.0/8"])
    asked = await ask(f"http://nowhere.test:{port}/", settings=quick(url), guard=guard, names={})

    assert Fault.GUARD is asked.trouble.fault
    assert "--deny-net" in asked.trouble.detail
    assert ([], []) == (proxy.heads, proxy.credentials)


async def test_a_socks_proxy_with_a_name_is_looked_up_by_the_crawlers_own_resolver(target, proxying, ask, open_fetcher):
    port, _ = await target(secure=False)
    proxy, url = await proxying("socks5", port)
    guard = Guard(open_hosts=["proxy.test"], open_ports=(), allow=(), deny=())
    fetcher = await open_fetcher(quick(url.replace("127.0.0.1", "proxy.test")), guard=guard, names={"proxy.test": ["127.0.0.1"]})

    assert b"hi" == (await ask(f"http://nowhere.test:{port}/", fetcher=fetcher)).body
    assert [("nowhere.test", port)] == proxy.asked


# --- from the environment --------------------------------------------------------------------------------------------


@pytest.fixture
def environment(monkeypatch):
    for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "REQUEST_METHOD"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    return monkeypatch


def way(origin: str, *proxies: str, asked: bool = True) -> str | None:
    route = Routes(Settings(proxies=proxies, env_proxies=asked)).of(origin)
    return route.proxy or route.socks


def test_the_environment_is_heard_only_when_asked(environment):
    environment.setenv("HTTP_PROXY", "http://one.test:1")
    environment.setenv("HTTPS_PROXY", "two.test:2")
    environment.setenv("NO_PROXY", "h.test,.inside.test,port.test:81")

    assert [None, None] == [way("http://a.test", asked=False), way("https://a.test", asked=False)]
    assert ["http://one.test:1", "http://two.test:2"] == [way("http://a.test"), way("https://a.test")]
    assert [None, None, None, "http://one.test:1"] == [
        way("http://h.test:8080"), way("https://x.inside.test"), way("http://port.test:81"), way("http://port.test")
    ]  # fmt: skip
    assert ["socks5://s.test:1080", None] == [way("http://h.test", "socks5://s.test"), way("http://a.test", "a.test direct")]


def test_a_header_of_a_cgi_program_is_no_proxy(environment):
    environment.setenv("HTTP_PROXY", "http://one.test:1")
    environment.setenv("REQUEST_METHOD", "GET")

    assert way("http://a.test") is None


def test_a_proxy_of_the_environment_that_is_spelt_wrong_is_named_without_its_password(environment):
    environment.setenv("HTTPS_PROXY", "http://me:p@ss/word@one.test")

    with pytest.raises(WrongSettings, match=r"^the environment's https proxy must be a proxy like") as caught:
        Routes(Settings(env_proxies=True))
    assert "word@" not in str(caught.value)


# --- in a crawl ------------------------------------------------------------------------------------------------------


async def test_a_redirect_from_a_proxied_to_a_direct_host_leaves_the_proxy(target, proxying, serve, tmp_path):
    port, heads = await target(secure=False)

    async def moved(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        status = b"404 Not Found" if b"robots" in head else b"302 Found\r\nLocation: http://127.0.0.1:%d/there" % port
        writer.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nhi")
        await writer.drain()
        writer.close()

    proxy, url = await proxying("http", await serve(moved))
    settings = Settings(
        delay=0, min_free=0, parsers=1, scope="any", allow_net=("127.0.0.0/8",), proxies=("127.0.0.1 direct", url),
    )  # fmt: skip
    summary = await Crawler(settings, output=tmp_path / "o", seeds=[Seed("http://nowhere.test/", Options(), "test", 1)]).run()

    assert ("finished", ()) == (summary.outcome, summary.errors)
    assert [b"http://nowhere.test/robots.txt", b"http://nowhere.test/"] == [head.split(b" ")[1] for head in proxy.heads]
    assert [b"/robots.txt", b"/there"] == [head.split(b" ")[1] for head in heads]
    assert not any(b"proxy" in head.lower() for head in heads)
