"""Whatever way a crawl ends, nothing is left of it: no descriptor, task, thread or process."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from aiohttp import web

from crawler.hooks import PageStored


def descriptors() -> dict[str, str]:
    """Return what is open, by number: sockets, pipes, files."""
    found = {}
    for number in os.listdir("/proc/self/fd"):
        try:
            found[number] = str(Path(f"/proc/self/fd/{number}").readlink())
        except OSError:
            continue        # the listing's own
    return found


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split())


async def left_over(before: tuple[dict[str, str], set[str], set[threading.Thread], set[asyncio.Task]]) -> list[object]:
    """Return what there is now and was not before; the server of the test keeps its side of a connection until it notices."""
    for _ in range(100):        # a thread that was told to end does so in its own time
        if not (found := _left_over(before)):
            break
        await asyncio.sleep(0.01)
    return found


def _left_over(before: tuple[dict[str, str], set[str], set[threading.Thread], set[asyncio.Task]]) -> list[object]:
    opened, processes, threads, tasks = before
    sockets = [text for text in descriptors().values() if text not in opened.values() and not text.startswith("socket:")]
    own = {thread for thread in threading.enumerate() if not thread.name.startswith("asyncio_")}
    return [*sockets, *(children() - processes), *(own - threads), *(task for task in asyncio.all_tasks() - tasks if "crawler" in repr(task))]


def now() -> tuple[dict[str, str], set[str], set[threading.Thread], set[asyncio.Task]]:
    return descriptors(), children(), set(threading.enumerate()), asyncio.all_tasks()


pytestmark = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="descriptors are counted in /proc, which is Linux's")


async def count_until(quantity, expected: int) -> int:
    """Let the other side notice that connections are closed."""
    for _ in range(200):
        if quantity() == expected:
            break
        await asyncio.sleep(0.01)
    return quantity()


def sockets() -> int:
    return sum(text.startswith("socket:") for text in descriptors().values())


async def test_nothing_is_left_of_a_crawl_that_finished(site, crawl):
    site.pages = {"/": "<a href='/a'>a</a><a href='/b'>b</a>", "/a": "a", "/b": (302, {"Location": "/a"}, "")}
    await crawl(site.url("/"))      # what is loaded once stays
    before, open_sockets = now(), sockets()
    await crawl(site.url("/"), site.url("/?more"))

    assert [] == await left_over(before)
    assert open_sockets == await count_until(sockets, open_sockets)


async def test_nothing_is_left_of_a_crawl_that_was_stopped_twice_with_requests_in_flight(site, crawl):
    over = asyncio.Event()

    async def silent(request: web.Request) -> web.StreamResponse:
        await over.wait()
        return web.Response(text="x")

    site.pages = {"/": "".join(f"<a href='/{number}'>x</a>" for number in range(20))} | {f"/{number}": silent for number in range(20)}
    before, open_sockets = now(), sockets()
    crawling = asyncio.create_task(crawl(site.url("/")))
    await crawl.until(PageStored)
    crawl.crawler.stop(2)
    crawl.crawler.stop(2)
    summary = await crawling
    over.set()

    assert "stopped" == summary.outcome
    assert [] == await left_over(before)
    assert open_sockets == await count_until(sockets, open_sockets)


async def test_nothing_is_left_of_a_crawl_that_broke(site, crawl, monkeypatch):
    from crawler.frontier.sqlite import SqliteFrontier

    async def broken(self, batch, cookies=()):
        raise ZeroDivisionError("planted")

    site.pages = {"/": "x"}
    monkeypatch.setattr(SqliteFrontier, "commit", broken)
    before, open_sockets = now(), sockets()
    with pytest.raises(ZeroDivisionError):
        await crawl(site.url("/"))

    assert [] == await left_over(before)
    assert open_sockets == await count_until(sockets, open_sockets)


def test_in_development_mode_with_warnings_as_errors_a_crawl_has_nothing_to_complain_of(tmp_path):
    """Python's development mode tells of every file, socket and coroutine that nobody closed or awaited."""
    words = [sys.executable, "-X", "dev", "-W", "error", "-m", "crawler", "demo", "-o", str(tmp_path / "demo"), "-n", "60", "-q"]
    ran = subprocess.run(words, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=100, check=False)

    assert 0 == ran.returncode, ran.stderr
    assert not {word for word in ("Warning", "Traceback", "never", "Unclosed") if word in ran.stderr}
