"""A browser, a crawl that runs without end, and the pages that show it, all in this process but for the browser."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from aiohttp import web

from crawler.control import server
from crawler.control.client import Reply
from crawler.control.dialogue import ask
from crawler.core.scope import Options
from crawler.core.seeds import Seed
from crawler.core.settings import Settings
from crawler.dashboard import address
from crawler.dashboard.serving import served
from crawler.engine import Crawler

from .chromium import MISSING, Page, connected, installed, started

together = pytest_asyncio.fixture(scope="package", loop_scope="package")

HOSTS, DELAY = 20, 2.0
"""Of the endless site: more than the table of hosts can show without scrolling; and seconds between two requests to one of them."""


@pytest.fixture(scope="package")
def chromium(tmp_path_factory):
    """The address of a browser."""
    program = installed()
    if program is None:
        pytest.skip(MISSING)
    with started(program, tmp_path_factory.mktemp("chromium")) as where:
        yield where


@together
async def tab(chromium):
    """A tab; one for all tests, as a process that shows pages takes long to start."""
    async with connected(chromium) as browser:
        one = await browser.open()
        await one.begin()
        yield one


@pytest_asyncio.fixture(loop_scope="package")
async def page(tab):
    """A tab as new."""
    await tab.begin()
    yield tab
    blameless(tab)


@pytest_asyncio.fixture(loop_scope="package")
async def steered(crawl, tab):
    """The live page as it is opened from the terminal, once it may change the crawl; tests that follow each other share it."""
    if tab.visited[:1] != [crawl.secret_url] or crawl.url != await tab.js("location.href"):
        await tab.begin()
        await tab.go(crawl.secret_url)
    await tab.until("document.querySelector('#pause:not(:disabled)') && !document.querySelector('dialog[open]')")
    yield tab
    blameless(tab)
    tab.forgiven = ()
    tab.said.clear()
    if (await crawl.says()).paused:
        await ask(crawl.folder, {"command": "resume"})
    await tab.js(TIDY)


TIDY = """for (const form of document.querySelectorAll('#steer form')) form.reset();
document.activeElement?.blur();
for (const each of document.querySelectorAll('.scroll')) each.removeAttribute('style');
for (const each of document.querySelectorAll('[aria-sort] button')) { each.click(); each.closest('[aria-sort]')?.querySelector('button').click() }
for (const each of document.querySelectorAll('#filter')) { each.value = ''; each.dispatchEvent(new Event('input')) }
document.querySelector('#answer button')?.click()"""


def blameless(page: Page) -> None:
    """Raise where a page had anything to complain of, or asked anybody but the server that it came from. True for every test."""
    late = "/static/icon.svg"       # a browser asks for it when it likes, also of a server that has just gone with its test
    assert [] == [each for each in page.complaints(*page.forgiven) if not ("ERR_CONNECTION_REFUSED" in each and each.endswith(late))]
    assert [] == foreign(page)


def foreign(page: Page) -> list[str]:
    """Return the requests of a page that went anywhere but to where its pages come from."""
    origins = {urlsplit(url).netloc for url in page.visited}
    return [url for url in page.asked if urlsplit(url).netloc not in origins and url.split(":", 1)[0] not in ("about", "data")]


@pytest.fixture(autouse=True)
def _nothing_blocks_the_loop() -> None:
    """Do not look: it is shown where the same is asked without a browser, and doubles what a crawl costs."""


@pytest.fixture(autouse=True)
def _quick(monkeypatch) -> None:
    """Look more often than once a second: tests wait for what they look for."""
    monkeypatch.setattr("crawler.dashboard.live.EVERY", 0.1)
    monkeypatch.setattr("crawler.dashboard.live.STATUS_EVERY", 0.5)
    monkeypatch.setattr("crawler.dashboard.live.STATUS_SHARE", 1.0)


class Served:
    """The pages of a crawl, and what opens them to changes."""

    def __init__(self, folder: Path, port: int, token: str) -> None:
        self.folder = folder
        self.port = port
        self.token = token
        self.url = f"http://127.0.0.1:{port}/"
        self.secret_url = f"{self.url}#token={token}"

    async def says(self) -> Reply:
        """Ask the crawl itself how it is."""
        return await ask(self.folder, {"command": "status", "closely": True})


@asynccontextmanager
async def serving(folder: Path, *, port: int = 0, token: str = "") -> AsyncIterator[Served]:
    """Serve the pages of a crawl as the commands do."""
    token = token or secrets.token_urlsafe(24)
    bound = address.bind(address.Address(port=port))
    one = Served(folder, bound.sock.getsockname()[1], token)
    async with served(folder, bound, token):
        yield one


class Crawling:
    """A crawl that runs until it is stopped, and can be steered."""

    def __init__(self, folder: Path, seeds: list[str], **settings: object) -> None:
        self.folder = folder
        self.listening = asyncio.Event()
        given = [Seed(url, Options(), "test", line) for line, url in enumerate(seeds, 1)]
        wanted = Settings(**{"min_free": 0, "parsers": 1, "durability": "normal", **settings})
        self.crawler = Crawler(wanted, output=folder, seeds=given, door=self._door)

    @asynccontextmanager
    async def _door(self, steering) -> AsyncIterator[None]:
        async with server.serve(self.folder, steering):
            self.listening.set()
            yield

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Crawl for the length of the block, and be ready to be asked within it."""
        task = asyncio.create_task(self.crawler.run())
        ready = asyncio.create_task(self.listening.wait())
        await asyncio.wait((task, ready), return_when=asyncio.FIRST_COMPLETED)
        try:
            yield
        finally:
            ready.cancel()
            self.crawler.stop(2)
            self.crawler.stop(2)
            await task


@asynccontextmanager
async def site(answer, hosts: int = 1) -> AsyncIterator[int]:
    """Serve a site on the first loopback addresses; yield its port."""
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    try:
        port = 0
        for host in range(1, hosts + 1):
            listening = web.TCPSite(runner, f"127.0.0.{host}", port)
            await listening.start()
            port = runner.addresses[0][1]
        yield port
    finally:
        await runner.cleanup()


class Endless:
    """A site of which each page leads to two more, and every fifth is not there. Counts what is asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        if request.path == "/":         # so that hosts are asked one after the other from then on, and not all at once
            await asyncio.sleep(int(request.host.split(":")[0].rpartition(".")[2]) * DELAY / HOSTS)
        path = request.path.strip("/") or "1"
        number = int(path) if path.isdecimal() else 0
        if number % 5 == 0:
            return web.Response(status=404, text="not here")
        links = "".join(f'<a href="/{target}">{target}</a> ' for target in (2 * number, 2 * number + 1))
        return web.Response(text=f"<!doctype html><title>Page {number}</title>{links}", content_type="text/html")


@asynccontextmanager
async def crawling(folder: Path, parsers: type) -> AsyncIterator[Served]:
    """Crawl the endless site, and serve the pages of that."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("crawler.engine.crawler.ParserPool", parsers)
        async with AsyncExitStack() as stack:
            endless = Endless()
            port = await stack.enter_async_context(site(endless.answer, HOSTS))
            seeds = [f"http://127.0.0.{host}:{port}/" for host in range(1, HOSTS + 1)]
            await stack.enter_async_context(Crawling(folder, seeds, delay=DELAY).running())
            one = await stack.enter_async_context(serving(folder))
            one.site, one.asked = port, lambda: endless.asked
            yield one


@together
async def crawl(tmp_path_factory, parser_class):
    """A crawl of an endless site that runs, and its pages; a test that changes it changes it back."""
    async with crawling(tmp_path_factory.mktemp("endless") / "crawl", parser_class) as one:
        yield one
