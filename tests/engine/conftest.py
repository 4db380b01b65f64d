"""A scripted site on loopback, and crawls of it in this process."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from crawler.core.scope import Options
from crawler.core.seeds import Seed
from crawler.core.settings import Settings
from crawler.engine import Crawler
from crawler.engine.crawler import Door
from crawler.engine.steering import Steering
from crawler.hooks import Hooks


class Site:
    """Answers by script: path -> handler, text, or (status, headers, text). Remembers what was asked."""

    def __init__(self) -> None:
        self.pages: dict[str, object] = {}
        self.asked: list[str] = []
        self.hosts: list[str] = []
        self.port = 0

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    @property
    def counts(self) -> Counter[str]:
        return Counter(path for path in self.asked if path != "/robots.txt")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path_qs)
        self.hosts.append(request.host)
        page = self.pages.get(request.path_qs)
        if page is None:
            return web.Response(status=404, text="not here")
        if callable(page):
            return await page(request)
        if isinstance(page, tuple):
            status, headers, text = page
            return web.Response(status=status, headers=headers, text=text, content_type="text/html")
        return web.Response(text=str(page), content_type="text/html")


@pytest.fixture
def real_parsers() -> None:
    """Read pages in parser processes, as a crawl does."""


@pytest.fixture(autouse=True)
def _parser_here(request) -> None:
    if "real_parsers" not in request.fixturenames:
        request.getfixturevalue("parser_here")


@pytest.fixture
async def site():
    one = Site()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", one.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    first = web.TCPSite(runner, "127.0.0.1", 0)
    await first.start()
    one.port = first._server.sockets[0].getsockname()[1]
    for host in ("127.0.0.2", "127.0.0.3"):
        await web.TCPSite(runner, host, one.port).start()
    yield one
    await runner.cleanup()


class Crawl:
    """Crawls a folder again and again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.events: list[object] = []
        self.crawler: Crawler | None = None
        self.steering: Steering | None = None
        self._told = asyncio.Event()

    @asynccontextmanager
    async def _door(self, steering: Steering):
        self.steering = steering
        self._told.set()
        yield

    async def begun(self) -> Steering:
        """Wait until the crawl can be steered."""
        while self.steering is None:
            self._told.clear()
            await self._told.wait()
        return self.steering

    def _note(self, event: object) -> None:
        self.events.append(event)
        self._told.set()

    async def until(self, kind: type) -> None:
        """Wait for an event."""
        while not self.of(kind):
            self._told.clear()
            await self._told.wait()

    async def __call__(self, *seeds: str, options: Options | None = None, door: Door | None = None, **settings):
        hooks = Hooks()
        hooks.subscribe(self._note)
        given = [Seed(url, options or Options(), "test", line) for line, url in enumerate(seeds, 1)]
        wanted = {"delay": 0, "min_free": 0, "parsers": 1, **settings}
        self.steering = None
        self.crawler = Crawler(Settings(**wanted), output=self.folder, seeds=given, hooks=hooks, door=door or self._door)
        return await self.crawler.run()

    def query(self, sql: str) -> list[tuple]:
        db = sqlite3.connect(f"file:{self.folder / 'crawl.db'}?mode=ro", uri=True)
        try:
            return db.execute(sql).fetchall()
        finally:
            db.close()

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Change the database of a crawl at rest: let time pass, say."""
        with contextlib.closing(sqlite3.connect(self.folder / "crawl.db")) as db, db:
            yield db

    def states(self) -> dict[str, tuple[str, str | None]]:
        """Return path -> (state, reason) of everything but robots.txt."""
        rows = self.query("SELECT url, state, reason FROM urls WHERE seen_as <> 'robots'")
        return {"/" + url.split("/", 3)[3]: (state, reason) for url, state, reason in rows}

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def crawl(tmp_path):
    return Crawl(tmp_path / "crawl")
