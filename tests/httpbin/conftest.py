"""httpbin on loopback, over HTTP and HTTPS, and crawls of many of its URLs at once that are asked about afterwards.

The fixtures of pytest-httpbin answer one request at a time, in HTTP/1.0 manners; one page that takes its time would hold up
all others. So its application and its certificates are served by werkzeug, a thread for each connection, chunks included.
"""

from __future__ import annotations

import asyncio
import base64
import http.client
import json
import logging
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_httpbin.certs
from werkzeug.serving import WSGIRequestHandler, make_server

from crawler.core.scope import Options
from crawler.core.seeds import Seed
from crawler.core.settings import Settings
from crawler.engine import Crawler, feeder

logging.disable(logging.WARNING)    # it would tell every test run of an extra of its own that is not there
import httpbin.core  # noqa: E402 - see above

logging.disable(logging.NOTSET)

CERTIFICATES = Path(pytest_httpbin.certs.where()).parent


class Chance(threading.local):
    """Chance for each thread by itself: httpbin seeds the one of the whole process, where others draw meanwhile."""

    def __init__(self) -> None:
        own = random.Random()
        self.seed, self.randint = own.seed, own.randint


class Quiet(WSGIRequestHandler):
    """Answers without a line on standard error for every request."""

    def log(self, *_args: object) -> None:
        pass


@contextmanager
def serving(scheme: str) -> Iterator[str]:
    certificate = (str(CERTIFICATES / "server.pem"), str(CERTIFICATES / "server.key")) if scheme == "https" else None
    server = make_server("127.0.0.1", 0, httpbin.app, threaded=True, request_handler=Quiet, ssl_context=certificate)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"{scheme}://127.0.0.1:{server.port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="session", autouse=True)
def _bytes_that_follow_from_their_seed() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(httpbin.core, "random", Chance())
        yield


@pytest.fixture(scope="session")
def plain() -> Iterator[str]:
    """Return the origin of httpbin over HTTP."""
    with serving("http") as origin:
        yield origin


@pytest.fixture(scope="session")
def secure() -> Iterator[str]:
    """Return the origin of httpbin over HTTPS, with a certificate for 127.0.0.1 by an authority that nobody knows."""
    with serving("https") as origin:
        yield origin


class QuickClock:
    """Thirty seconds in one: rests and retries come round while the wire keeps its own time."""

    def __init__(self) -> None:
        self._started = time.time()
        self._offset = time.monotonic()

    def now(self) -> float:
        return self._started + 30 * (time.monotonic() - self._offset)


class Crawl:
    """One crawl of httpbin, and what its database and its folder say. URLs may be given as paths of the plain origin."""

    def __init__(self, folder: Path, origin: str) -> None:
        self.folder = folder
        self.origin = origin
        self.summary = None

    def run(self, *seeds: str, **settings) -> Crawl:
        given = [Seed(self.url(seed), Options(), "test", line) for line, seed in enumerate(seeds, 1)]
        wanted = Settings(**{"delay": 0, "min_free": 0, "parsers": 1, "durability": "normal", **settings})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(feeder, "LONGEST_NAP", 0.03)      # naps are taken in the machine's time, of which thirty times as much passes
            self.summary = asyncio.run(Crawler(wanted, output=self.folder, seeds=given, clock=QuickClock()).run())
        return self

    def url(self, path: str) -> str:
        return self.origin + path if path.startswith("/") else path

    def path(self, url: str) -> str:
        return url.removeprefix(self.origin)

    def query(self, sql: str, *values: object) -> list[sqlite3.Row]:
        db = sqlite3.connect(f"file:{self.folder / 'crawl.db'}?mode=ro", uri=True)
        db.row_factory = sqlite3.Row
        try:
            return db.execute(sql, values).fetchall()
        finally:
            db.close()

    def _one(self, sql: str, path: str) -> sqlite3.Row | None:
        found = self.query(sql, self.url(path))
        assert len(found) <= 1, found
        return found[0] if found else None

    def known(self, path: str) -> sqlite3.Row | None:
        """Return the row of `urls`."""
        return self._one("SELECT * FROM urls WHERE url = ?", path)

    def page(self, path: str) -> sqlite3.Row | None:
        """Return the row of `pages`."""
        return self._one("SELECT * FROM pages WHERE url = ?", path)

    def error(self, path: str) -> sqlite3.Row | None:
        """Return the row of `errors`."""
        return self._one("SELECT * FROM errors WHERE url = ?", path)

    def target(self, path: str) -> str | None:
        """Return where a URL redirected to, as a path if it is one of the plain origin."""
        found = self._one("SELECT target FROM redirects WHERE url = ?", path)
        return self.path(found["target"]) if found else None

    def fetched(self, path: str) -> sqlite3.Row:
        """Return the last row of `fetch` of a URL, with the size of the body."""
        found = self.query(
            "SELECT f.*, x.name AS fault_name, b.bytes FROM fetch f JOIN urls u USING (url_id) LEFT JOIN fault x USING (fault)"
            " LEFT JOIN body b USING (body_id) WHERE u.url = ? ORDER BY fetch_id DESC LIMIT 1",
            self.url(path),
        )
        assert found, f"{path} was never asked for"
        return found[0]

    def headers(self, path: str) -> dict[str, str]:
        """Return the headers of the last answer, names in lower case."""
        return {name.lower(): value for name, value in json.loads(self.fetched(path)["headers"])}

    def body(self, path: str) -> bytes:
        """Return what is stored of a page."""
        page = self.page(path)
        assert page is not None, f"{path} is no page"
        return (self.folder / page["file"]).read_bytes()

    def json(self, path: str) -> dict:
        """Return what a stored page says."""
        return json.loads(self.body(path))

    def links(self, path: str) -> list[str]:
        """Return what a page links to, in the order of the numbers in it."""
        found = [self.path(row["dst"]) for row in self.query("SELECT dst FROM links WHERE src = ?", self.url(path))]
        return sorted(found, key=lambda one: (len(one), one))


@pytest.fixture(scope="module")
def new_crawl(tmp_path_factory, plain) -> Callable[[], Crawl]:
    """Return a maker of crawls with an empty folder each."""
    return lambda: Crawl(tmp_path_factory.mktemp("httpbin") / "crawl", plain)


@pytest.fixture(scope="session")
def answer(plain) -> Callable[..., bytes]:
    """Return a client of Python's own that says what the server answers to someone else."""

    def ask(path: str, **headers: str) -> bytes:
        connection = http.client.HTTPConnection(urlsplit(plain).netloc, timeout=10)
        try:
            connection.request("GET", path, headers=headers)
            return connection.getresponse().read()
        finally:
            connection.close()

    return ask


@pytest.fixture(scope="session")
def authority() -> str:
    """Return the file of the authority that signed the certificate of the secure origin."""
    return pytest_httpbin.certs.where()


@pytest.fixture(scope="session")
def encoded() -> Callable[[str], str]:
    """Return a function that makes a page of httpbin out of any HTML."""
    return lambda html: f"/base64/{base64.urlsafe_b64encode(html.encode()).decode()}"
