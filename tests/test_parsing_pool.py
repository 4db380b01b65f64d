"""Parser processes, real ones: pages come back right, whatever happens to the processes, and nothing is left of them."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pytest

import crawler
from crawler.core.model import Kind, Parsed
from crawler.core.scope import Rules, Ruleset
from crawler.folder import CrawlError
from crawler.parsing import process
from crawler.parsing.config import Config
from crawler.parsing.pool import LIVES, ParserPool
from crawler.parsing.wire import BATCH, CONFIGURE, Page, frame, longest

needs_pidfd = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="only Linux lets one wait for a process that is no child")

ATTACK = b"<div>" * 80_000
"""lexbor is quadratic in the depth of elements: 5 s of C, 400 KB."""
SLOW = b"<div>" * 20_000
"""A third of a second, or a second on a busy machine."""
PATIENT = 60.0


def config(*, exclude: tuple[str, ...] = (), max_links: int = 5_000) -> Config:
    rules = Rules((Ruleset("any", None, frozenset()),), exclude=exclude)
    return Config(rules=rules, secret=b"key", max_links=max_links, parse_size=4 << 20, parser="lexbor")


def opened(*, processes: int = 1, deadline: float = PATIENT, **more: int) -> ParserPool:
    pool = ParserPool(processes=processes, deadline=deadline, **more)
    pool.configure(config())
    return pool


async def read(pool: ParserPool, body: bytes, *, url: str = "http://host.test/", ruleset: int = 0) -> Parsed:
    return await pool.parse(Page(url, "text/html; charset=utf-8", 0, ruleset, body))


async def links(pool: ParserPool, *names: object) -> list[str]:
    """Read pages of one link each, at once."""
    pages = await asyncio.gather(*(read(pool, f"<a href={name}>".encode()) for name in names))
    return [page.fault or page.offers.urls for page in pages]


def urls(*names: object) -> list[str]:
    return [f"http://host.test/{name}" for name in names]


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn; the test's own timeout is the end of it."""
    while not condition():  # noqa: ASYNC110 - what is waited for is the pool's own, and sets no event
        await asyncio.sleep(0)


def has_ended(descriptor: int, seconds: float = 0) -> bool:
    """Tell whether a process has ended; its descriptor is readable then, whether anyone collected it or not."""
    return bool(select.select([descriptor], [], [], seconds)[0])


# --- reading ------------------------------------------------------------------------------------------------------


async def test_a_page_comes_back_as_it_was_read():
    async with opened() as pool:
        body = "<html lang=ko><title>제목</title><a href=a><a href=a><a href='/b' rel=nofollow>".encode("cp949")
        page = await pool.parse(Page("http://host.test/dir/", "text/html; charset=euc-kr", 3, 0, body))

    assert ("제목", "ko", "euc-kr", 3, None) == (page.title, page.lang, page.charset, page.links, page.fault)
    assert "http://host.test/dir/a\nhttp://host.test/b" == page.offers.urls
    assert (4, b"\0\1", (("nofollow", "rel nofollow on the link"),)) == (page.offers.depth, page.offers.verdicts, page.offers.rules)


async def test_a_thousand_pages_at_once_come_back_each_to_its_own_asker():
    async with opened(processes=2) as pool:
        assert urls(*range(1_000)) == await links(pool, *range(1_000))


async def test_batches_are_bounded_in_pages_and_in_bytes():
    """A bound below one page lets pages through one at a time."""
    async with opened(batch=3, batch_bytes=1) as pool:
        assert urls(*range(20)) == await links(pool, *range(20))


async def test_a_page_and_an_answer_larger_than_the_kernels_buffers_pass():
    async with opened() as pool:
        body = b"".join(b"<a href=%d%s>" % (number, b"x" * 500) for number in range(5_000))
        page = await read(pool, body + b" " * (1 << 20))

    assert 3 << 20 < len(body) + (1 << 20)
    assert (5_000, True) == (page.links, page.links_truncated)
    assert len(page.offers.urls) > 2_000_000


async def test_a_page_is_cut_at_the_size_that_is_parsed():
    async with opened() as pool:
        page = await read(pool, b"<a href=1>" + b" " * (4 << 20) + b"<a href=2>")

    assert (urls(1), 1) == (page.offers.urls.split("\n"), page.links)


async def test_what_is_configured_while_a_process_is_busy_counts_for_later_pages():
    async with opened() as pool:
        await links(pool, "warm")
        first = asyncio.create_task(read(pool, SLOW + b"<a href=private>"))
        await until(lambda: "1 busy" in repr(pool))
        pool.configure(config(exclude=("private",)))
        later = await read(pool, b"<a href=private>")

        assert b"\0" == (await first).offers.verdicts
        assert (b"\1", (("scope", "exclude private"),)) == (later.offers.verdicts, later.offers.rules)


async def test_what_was_configured_last_counts_in_a_process_started_later():
    async with opened() as pool:
        await links(pool, "warm")
        pool.configure(config(max_links=1))
        os.kill(pool.pids[0], signal.SIGKILL)

        assert (await read(pool, b"<a href=1><a href=2>")).links_truncated


async def test_a_page_before_the_first_configuration_is_a_mistake_of_the_caller():
    async with ParserPool(processes=1) as pool:
        with pytest.raises(RuntimeError, match="configure"):
            await read(pool, b"<a href=x>")


async def test_an_exception_costs_its_page_and_no_other():
    """A ruleset that does not exist is one of the few things that make a harvest raise."""
    async with opened() as pool:
        before = await links(pool, "warm")
        pids = pool.pids
        odd, others = await asyncio.gather(read(pool, b"<a href=x>", ruleset=7), links(pool, *range(5)))

        assert urls("warm") == before
        assert "IndexError: list index out of range" == odd.fault
        assert urls(*range(5)) == others
        assert pids == pool.pids


async def test_an_asker_who_gives_up_disturbs_nobody():
    async with opened(batch=1) as pool:
        await links(pool, "warm")
        busy = asyncio.create_task(read(pool, SLOW + b"<a href=slow>"))
        waiting = [asyncio.create_task(links(pool, number)) for number in range(6)]
        await until(lambda: "1 busy, 6 pages waiting" in repr(pool))
        for task in (busy, *waiting[::2]):
            task.cancel()

        assert [urls(1), urls(3), urls(5)] == await asyncio.gather(*waiting[1::2])
        assert busy.cancelled()


async def test_the_name_of_a_pool_tells_what_goes_on():
    pool = opened(processes=2, batch=1)
    assert "<ParserPool 0 processes, 0 busy, 0 pages waiting>" == repr(pool)
    async with pool:
        await until(lambda: len(pool.pids) == 2)
        await links(pool, *range(4))
        assert "<ParserPool 2 processes, 0 busy, 0 pages waiting>" == repr(pool)


# --- what goes wrong ----------------------------------------------------------------------------------------------


async def test_a_page_that_overruns_costs_itself_and_its_neighbours_nothing():
    """lexbor does not come back: the process is killed, and the pages of its batch are read one by one."""
    async with opened(deadline=0.5) as pool:
        await links(pool, "warm")
        before = pool.pids
        pages = await asyncio.gather(*(read(pool, ATTACK if number == 3 else b"<a href=%d>" % number) for number in range(8)))

        assert "reading its links took more than 0.5 s" == pages.pop(3).fault
        assert urls(0, 1, 2, 4, 5, 6, 7) == [page.offers.urls for page in pages]
        assert before != pool.pids


async def test_a_sitemap_is_given_more_time_than_a_page():
    """The same attack, named a sitemap: five deadlines pass before it is given up, so 50,000 entries are read on any machine."""
    async with opened(deadline=0.1) as pool:
        pages = await asyncio.gather(*(pool.parse(Page("http://host.test/", "text/html", 0, 0, ATTACK, kind)) for kind in (Kind.A, Kind.SITEMAP)))

    assert ["reading its links took more than 0.1 s", "reading its links took more than 0.5 s"] == [page.fault for page in pages]


ALARMS = """
import signal, sys
from crawler.parsing import child

signal.setitimer = lambda which, seconds: print(seconds, flush=True)
child.main(int(sys.argv[1]), 1.0)
"""


@pytest.mark.parametrize(("kind", "deadlines"), [(Kind.A, 1), (Kind.SITEMAP, 5)])
def test_the_alarm_of_a_process_comes_after_all_mercy_of_its_parent(kind: Kind, deadlines: int):
    """One that came sooner ended processes that were only slow, and their page was said to have ended two of them."""
    ours, theirs = socket.socketpair()
    with ours, theirs, subprocess.Popen(
        [sys.executable, "-c", ALARMS, str(theirs.fileno())], pass_fds=[theirs.fileno()], stdout=subprocess.PIPE, text=True
    ) as process:
        theirs.close()
        ours.sendall(frame(CONFIGURE, config()) + frame(BATCH, [Page("http://host.test/", "text/html", 0, 0, b"", kind)]))
        assert process.stdout is not None
        alarm = float(process.stdout.readline())
        ours.close()        # and with it the process ends

    assert alarm > longest(1.0 * deadlines)


async def test_a_process_that_is_shown_mercy_has_no_more_of_it_than_there_is(monkeypatch: pytest.MonkeyPatch):
    """One deadline more beyond all mercy, and its own alarm would come first."""
    waits = []
    monkeypatch.setattr(process.Child, "_wait", lambda self, seconds, late: waits.append((seconds, late == self._overrun)))
    monkeypatch.setattr(process, "processor_time", lambda _: 0.0)
    monkeypatch.setattr(process.os, "setpriority", lambda *_: None)
    nobody = types.SimpleNamespace(pid=os.getpid())
    child = process.Child(types.SimpleNamespace(deadline=2.0, slowed=lambda _: None), nobody)

    child.work([])
    child._linger()
    monkeypatch.setattr(child, "_until", asyncio.get_running_loop().time() + 0.5)
    child._overrun()

    [(lingering, _), (overrun, is_last), (again, goes_on)] = waits
    assert (0.25, 1.75, True, True) == (lingering, overrun, is_last, goes_on)
    assert 0 < again <= 0.5


async def test_a_process_killed_while_idle_is_replaced():
    async with opened(processes=2) as pool:
        await until(lambda: len(pool.pids) == 2)
        await links(pool, *range(8))
        before = set(pool.pids)
        for pid in before:
            os.kill(pid, signal.SIGKILL)

        assert urls(*range(50)) == await links(pool, *range(50))
        await until(lambda: len(pool.pids) == 2)
        assert before.isdisjoint(pool.pids)


async def test_a_process_whose_death_was_noticed_is_given_nothing_more():
    async with opened() as pool:
        await links(pool, "warm")
        (before,) = pool.pids
        os.kill(before, signal.SIGKILL)
        await until(lambda: before not in pool.pids)

        assert urls("x") == await links(pool, "x")


async def test_a_process_killed_while_busy_is_replaced_and_its_pages_are_read():
    async with opened() as pool:
        await links(pool, "warm")
        before = pool.pids
        asked = asyncio.gather(read(pool, SLOW + b"<a href=slow>"), *(links(pool, number) for number in range(20)))
        await until(lambda: "1 busy" in repr(pool))
        os.kill(before[0], signal.SIGKILL)
        slow, *others = await asked

        assert urls("slow") == slow.offers.urls.split("\n")
        assert [urls(number) for number in range(20)] == others
        assert before != pool.pids


async def test_a_page_that_ends_process_after_process_is_given_up():
    async with opened() as pool:
        asked = asyncio.create_task(read(pool, ATTACK))
        for _ in range(LIVES):
            await until(lambda: "1 busy" in repr(pool))
            pid = pool.pids[0]
            os.kill(pid, signal.SIGKILL)
            await until(lambda pid=pid: pid not in pool.pids)

        assert f"reading its links ended {LIVES} parser processes" == (await asked).fault
        assert urls("after") == await links(pool, "after")


async def test_processes_that_end_before_they_are_ready_are_no_endless_loop(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    async with opened() as pool:
        with pytest.raises(CrawlError, match="end before they are ready"):
            await read(pool, b"<a href=x>")
        with pytest.raises(CrawlError, match="end before they are ready"):
            await read(pool, b"<a href=x>")


async def test_a_process_that_cannot_be_started_is_said_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "nothing"))
    async with opened() as pool:
        with pytest.raises(CrawlError, match="cannot be started: No such file"):
            await read(pool, b"<a href=x>")


async def test_signals_for_the_crawl_do_not_end_its_processes():
    """A terminal sends Ctrl+C to everyone in the foreground; who is done decides the parent."""
    async with opened() as pool:
        await links(pool, "warm")
        before = pool.pids
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(before[0], signum)

        assert urls("x") == await links(pool, "x")
        assert before == pool.pids


# --- the end ------------------------------------------------------------------------------------------------------


async def test_closing_leaves_no_process_and_no_zombie():
    async with opened(processes=2) as pool:
        await until(lambda: len(pool.pids) == 2)
        await links(pool, *range(4))
        pids = pool.pids

    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


async def test_closing_does_not_wait_for_a_busy_process():
    """Nor for whoever waits for a page: their tasks are cancelled."""
    async with opened(batch=1) as pool:
        await links(pool, "warm")
        asked = [asyncio.create_task(read(pool, ATTACK)) for _ in range(3)]
        await until(lambda: "1 busy, 2 pages waiting" in repr(pool))
        pids = pool.pids

    await asyncio.wait(asked)
    assert [True] * 3 == [task.cancelled() for task in asked]
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


async def test_a_pool_that_is_closed_at_once_has_started_nothing_that_stays():
    async with opened(processes=2) as pool:
        pass

    for pid in pool.pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


SCRIPT = f"""
import asyncio
from crawler.core.scope import Rules, Ruleset
from crawler.parsing.config import Config
from crawler.parsing.pool import ParserPool
from crawler.parsing.wire import Page

rules = Rules((Ruleset("any", None, frozenset()),))

async def crawl():
    async with ParserPool(processes=2, deadline=60) as pool:
        pool.configure(Config(rules=rules, secret=b"k", max_links=9, parse_size=1 << 20, parser="lexbor"))
        ask = "http://host.test/", "text/html", 0, 0
        page = await pool.parse(Page(*ask, b"<a href=x>"))
        while len(pool.pids) < 2:
            await asyncio.sleep(0)
        slow = asyncio.create_task(pool.parse(Page(*ask, {SLOW[:5]!r} * {len(SLOW) // 5})))
        await asyncio.sleep(0)
        print(page.offers.urls, *pool.pids, flush=True)
        await asyncio.Event().wait()

asyncio.run(crawl())
"""


@needs_pidfd
def test_a_crawl_that_is_killed_leaves_no_orphans(tmp_path: Path):
    """One process idle, one busy; and the script has no main guard, which processes by spawn would need."""
    script = tmp_path / "crawl.py"
    script.write_text(SCRIPT)
    home = str(Path(crawler.__file__).resolve().parents[1])
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": home}) as crawl:
        assert crawl.stdout is not None
        url, *pids = crawl.stdout.readline().decode().split()
        ends = [os.pidfd_open(int(pid)) for pid in pids]
        alive = [not has_ended(end) for end in ends]
        crawl.kill()

    assert ("http://host.test/x", [True, True]) == (url, alive)
    assert [True, True] == [has_ended(end, 50) for end in ends]
    for end in ends:
        os.close(end)
