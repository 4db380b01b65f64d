"""When the network goes away in mid-crawl, the crawl waits: no URL loses an attempt, and it goes on by itself."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import web

from crawler.core.model import Fault
from crawler.engine import network
from crawler.hooks import Hooks, NetworkDown, NetworkUp, RequestFailed

HOSTS = [f"127.0.0.{number}" for number in range(11, 19)]
PAGES = 12


class Islands:
    """Eight hosts of a few pages each, which can all go away and come back."""

    def __init__(self) -> None:
        self.port = 0
        self.asked: list[str] = []
        self._runner: web.AppRunner | None = None
        self.down_after = 0
        self.gone = asyncio.Event()
        """Nobody is answered any more. From one moment to the next: one that answers while others have gone says that it is not the network."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if self.gone.is_set():
            request.transport.abort()
            return web.Response()
        self.asked.append(f"{request.host}{request.path}")
        if request.path == "/robots.txt":
            raise web.HTTPNotFound
        if self.down_after and len(self.asked) >= self.down_after:
            self.down_after = 0
            self.gone.set()
        links = "".join(f"<a href='/{number}'>x</a>" for number in range(PAGES)) if request.path == "/" else ""
        response = web.Response(text=f"<p>{request.path}</p>{links}", content_type="text/html")
        response.force_close()
        return response

    async def up(self) -> None:
        self.gone.clear()
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self.answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0.05)
        await self._runner.setup()
        for host in HOSTS:
            site = web.TCPSite(self._runner, host, self.port, reuse_address=True)
            await site.start()
            self.port = self.port or site._server.sockets[0].getsockname()[1]

    async def down(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def seeds(self) -> list[str]:
        return [f"http://{host}:{self.port}/" for host in HOSTS]


@pytest.fixture
async def islands():
    one = Islands()
    await one.up()
    yield one
    await one.down()


async def into_an_outage(islands: Islands, crawl, monkeypatch) -> asyncio.Task:
    """Begin a crawl, take all hosts away, and return the crawl once it has found that the network is down."""
    monkeypatch.setattr(network, "wait_before_probe", lambda probes: 0.02)
    islands.down_after = 40
    crawling = asyncio.create_task(crawl(*islands.seeds()))
    await islands.gone.wait()
    await islands.down()
    told = asyncio.create_task(crawl.until(NetworkDown))
    await asyncio.wait([told, crawling], return_when=asyncio.FIRST_COMPLETED)
    assert told.done(), f"the crawl has ended: {crawling}"
    return crawling


async def test_an_outage_costs_no_url_an_attempt_and_the_crawl_goes_on_by_itself(islands, crawl, monkeypatch, real_parsers):
    crawling = await into_an_outage(islands, crawl, monkeypatch)
    status = crawl.query("SELECT value FROM meta WHERE key = 'network_down'")
    snapshot = crawl.crawler.snapshot()
    await islands.up()
    summary = await crawling

    assert [(str(round(crawl.of(NetworkDown)[0].since * 1000)),)] == status
    assert snapshot.network_down >= 0
    assert 1 == len(crawl.of(NetworkUp))
    assert [("",)] == crawl.query("SELECT value FROM meta WHERE key = 'network_down'")
    assert ("finished", len(HOSTS) * (PAGES + 1), ()) == (summary.outcome, summary.pages, summary.errors)
    assert [(0,)] == crawl.query("SELECT count(*) FROM urls WHERE seen_as <> 'robots' AND (state <> 'done' OR tries <> 1)")
    assert [(0,)] == crawl.query("SELECT count(*) FROM fetch WHERE fault IS NOT NULL")
    assert [] == crawl.of(RequestFailed)


async def test_dead_hosts_beside_one_that_lives_are_no_outage(islands, crawl, monkeypatch):
    """Five dead ports and a host that answers: the failures count, after a look at whether the living one can be reached."""
    await islands.down()
    lone = web.Application()

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/robots.txt":
            raise web.HTTPNotFound
        return web.Response(text="<p>x</p>", content_type="text/html")

    lone.router.add_route("*", "/{tail:.*}", answer)
    runner = web.AppRunner(lone)
    await runner.setup()
    await web.TCPSite(runner, HOSTS[0], islands.port, reuse_address=True).start()
    try:
        summary = await crawl(*islands.seeds(), tries=1)
    finally:
        await runner.cleanup()

    assert [] == crawl.of(NetworkDown)
    assert ("parked", 1) == (summary.outcome, summary.pages)
    assert len(HOSTS) - 1 == len(summary.parked)


async def test_hosts_that_die_in_mid_crawl_beside_one_that_lives_are_put_off(islands, crawl, monkeypatch):
    """Each failure is held back first, for hosts are many; the breaker's rests grow all the same, and the crawl has its end."""
    from crawler.core import outage, policy

    monkeypatch.setattr(policy, "BREAKER_WAIT", 0.05)
    monkeypatch.setattr(policy, "CURES", {**policy.CURES, Fault.CONNECT: policy.Cure(wait=0.02, whole_host=True)})
    monkeypatch.setattr(network.Network, "_reachable", lambda self, within: asyncio.sleep(0, result=True))
    for module in (network, outage):
        monkeypatch.setattr(module, "WITHIN", 0.2)
    islands.down_after = 40
    crawling = asyncio.create_task(crawl(*islands.seeds(), max_rest=0.5))
    await islands.gone.wait()
    await islands.down()
    summary = await crawling

    assert "parked" == summary.outcome
    assert [(0,)] == crawl.query("SELECT count(*) FROM urls WHERE seen_as <> 'robots' AND state NOT IN ('done', 'queued', 'parked', 'failed')")


async def test_a_stop_while_the_network_is_down_loses_nothing(islands, crawl, monkeypatch):
    crawling = await into_an_outage(islands, crawl, monkeypatch)
    crawl.crawler.stop(2)
    first = await crawling
    await islands.up()
    second = await crawl(*islands.seeds())

    assert "stopped" == first.outcome
    assert ("finished", len(HOSTS) * (PAGES + 1)) == (second.outcome, second.pages)
    assert [(0,)] == crawl.query("SELECT count(*) FROM fetch WHERE fault IS NOT NULL")


async def test_a_host_that_is_down_for_a_moment_loses_no_url(site, crawl, monkeypatch):
    """The host alone cannot be told from the network, but what fails on all of its URLs is not their fault."""
    from crawler.core import policy

    monkeypatch.setattr(policy, "BREAKER_WAIT", 0.05)
    monkeypatch.setattr(policy, "CURES", {**policy.CURES, Fault.RESET: policy.Cure(wait=0.05)})
    asked: list[str] = []

    async def page(request: web.Request) -> web.StreamResponse:
        asked.append(request.path)
        if 10 <= len(asked) < 60:
            request.transport.abort()
        return web.Response(text="<p>y</p>", content_type="text/html")

    site.pages = {"/": "".join(f"<a href='/{number}'>x</a>" for number in range(30))} | {f"/{number}": page for number in range(30)}
    summary = await crawl(site.url("/"), concurrency=8)

    assert ("finished", 31, ()) == (summary.outcome, summary.pages, summary.errors)


async def test_a_listener_that_raises_or_cancels_itself_cannot_stop_the_crawl(site, tmp_path, caplog):
    from crawler import Crawler, Settings
    from crawler.core.scope import Options
    from crawler.core.seeds import Seed

    site.pages = {"/": "<a href='/a'>a</a>", "/a": "a"}
    hooks, seen = Hooks(), []

    @hooks.on_page
    async def broken(event):
        raise ZeroDivisionError

    @hooks.on_response
    async def gone(event):
        raise asyncio.CancelledError

    hooks.on_request.append(lambda event: seen.append(("request", event.url)))
    hooks.on_response.append(lambda event: seen.append(("response", event.status)))
    hooks.on_run_end.append(lambda event: seen.append(("end", event.summary.outcome)))
    seeds = [Seed(site.url("/"), Options(), "test", 1)]
    summary = await Crawler(Settings(delay=0, min_free=0, parsers=1), output=tmp_path / "o", seeds=seeds, hooks=hooks).run()

    assert ("finished", 2) == (summary.outcome, summary.pages)
    assert 3 == seen.count(("response", 200)) + seen.count(("response", 404))
    assert ("request", site.url("/a")) in seen
    assert ("end", "finished") == seen[-1]
    assert "a listener failed on PageStored" in caplog.text
    with pytest.raises(RuntimeError, match="frozen"):
        hooks.on_page.append(print)
