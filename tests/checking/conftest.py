"""A small site in a thread of its own, for crawls by the program's own command line."""

from __future__ import annotations

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

PAGES = 12


class Site(ThreadingHTTPServer):
    """Serves a dozen pages that link to each other, and one that is missing. Remembers what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: Counter[str] = Counter()

    @property
    def seed(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/p/0"


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        number = self.path.removeprefix("/p/")
        here = number.isdigit() and int(number) < PAGES
        if self.path != "/robots.txt":
            self.server.asked[self.path] += 1
        links = " ".join(f'<a href="/p/{(int(number) * 5 + step) % (PAGES + 1)}">{step}</a>' for step in (1, 2, 3)) if here else ""
        body = f"<title>Page {number}</title><p>{f'words of {number} ' * 20}{links}".encode() if here else b"not here"
        self.send_response(200 if here else 404)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_words: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site():
    with Site() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()
