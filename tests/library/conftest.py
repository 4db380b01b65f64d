"""A small site on loopback, served by a thread, so that tests that await and tests that do not can crawl it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

PAGES = 30
KOREAN = "등대"


class Site:
    """Thirty pages that the first one links to, and a few odd ones that nobody links to."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.url = ""
        self.gate = threading.Event()
        """Until it is set, `/slow` is not answered."""

    def answer(self, path: str, heads: Mapping[str, str]) -> tuple[int, str, bytes] | tuple[int, str, bytes, dict[str, str]]:
        said = "\n".join(f"{name}: {heads.get(name)}" for name in ("User-Agent", "X-Who", "Cookie"))
        if path == "/slow":
            self.gate.wait(30)
        if path.startswith("/page/"):
            return 200, "text/html", f"<title>Page {path[6:]}</title><p>It is number {path[6:]}.".encode()
        links = "".join(f"<a href=/page/{number}>{number}</a>" for number in range(PAGES))
        return {
            "/": (200, "text/html", f"<title>Start</title>{links}".encode()),
            "/korean": (200, "text/html; charset=euc-kr", f"<title>{KOREAN}</title>{KOREAN}".encode("euc-kr")),
            "/plain": (200, "text/plain; charset=euc-kr", KOREAN.encode("euc-kr")),
            "/robots.txt": (200, "text/plain", b"User-agent: *\nDisallow: /secret"),
            "/secret": (200, "text/html", b"<title>Secret</title>"),
            "/moved": (302, "text/html", b"", {"Location": "/moved/on", "Set-Cookie": "seen=yes"}),
            "/moved/on": (301, "text/html", b"", {"Location": "/echo"}),
            "/to-secret": (302, "text/html", b"", {"Location": "/secret"}),
            "/circle": (302, "text/html", b"", {"Location": "/circle"}),
            "/echo": (200, "text/plain", said.encode()),
            "/slow": (200, "text/html", b"<title>Slow</title>"),
            "/escape": (200, "text/html", b"<title>\x1b]0;owned\x07</title>"),
        }.get(path, (404, "text/plain", b"not here"))


@pytest.fixture(scope="session")
def _served() -> Iterator[Site]:
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            site.asked[self.path] += 1
            status, mime, body, *more = site.answer(self.path, self.headers)
            self.send_response(status)
            self.send_header("Content-Type", mime)
            for name, value in more[0].items() if more else ():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    site.url = f"http://127.0.0.1:{server.server_port}/"
    yield site
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def site(_served: Site) -> Iterator[Site]:
    _served.asked.clear()
    _served.gate.clear()
    yield _served
    _served.gate.set()


@pytest.fixture(autouse=True)
def _nothing_blocks_the_loop() -> None:
    """The caller's loop is his own, and he may read pages in it; that of the crawl is watched by the tests of the engine."""


@pytest.fixture(autouse=True)
def _parser_here(parser_here) -> None: ...


@pytest.fixture(autouse=True)
def _place(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
