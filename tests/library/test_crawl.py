"""`crawl` as whoever writes a notebook or a script meets it."""

from __future__ import annotations

import asyncio
import gc
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import crawler
from crawler import CrawlError, Hooks, Settings, crawl, open_crawl
from crawler.folder import InUse, NotACrawl, held
from crawler.library import running

ROOT = Path(crawler.__file__).parents[1]
QUICK = {"delay": 0, "parsers": 1, "min_free": 0, "durability": "normal"}
OUTPUT = "results"


def stored() -> set[str]:
    """Return the paths of all pages that are stored."""
    with open_crawl(OUTPUT) as results:
        return {"/" + page.url.split("/", 3)[3] for page in results.pages()}


def outcomes() -> list[str | None]:
    with open_crawl(OUTPUT) as results:
        return [outcome for (outcome,) in results.rows("SELECT outcome FROM runs ORDER BY run_id")]


# --- to the end ---------------------------------------------------------------------------------------------------


async def test_pages_come_when_they_are_durable(site):
    """Each can be read from the disk and asked of the database at the moment in which it comes."""
    seen = {}
    pages = crawl(site.url, output=OUTPUT, **QUICK)
    async for page in pages:
        with pages.results() as results:
            assert results.page(page.url) is not None
        seen[page.url] = (page.title, page.size, page.text)

    assert 31 == len(seen)
    assert ("Page 7", 39, "<title>Page 7</title><p>It is number 7.") == seen[f"{site.url}page/7"]
    assert ("finished", 31) == (pages.summary.outcome, pages.summary.pages)


def test_a_script_needs_no_loop(site):
    pages = crawl(site.url, output=OUTPUT, **QUICK)

    assert {"Start", *(f"Page {number}" for number in range(30))} == {page.title for page in pages}
    assert "finished" == pages.summary.outcome


async def test_a_run_can_be_awaited(site):
    summary = await crawl(site.url, Settings(max_pages=5, delay=0, min_free=0), output=OUTPUT).run()

    assert ("limit", 5) == (summary.outcome, summary.pages)
    assert 5 == len(stored())


async def test_a_run_can_be_waited_for_where_a_loop_runs_already(site):
    """In a notebook one always does."""
    summary = crawl(site.url, output=OUTPUT, max_pages=1, **QUICK).run_sync()

    assert 1 == summary.pages


def test_a_crawl_runs_once(site):
    pages = crawl(site.url, output=OUTPUT, max_pages=1, **QUICK)
    pages.run_sync()

    with pytest.raises(RuntimeError, match="call crawl"):
        pages.run_sync()


def test_a_caller_who_computes_for_long_is_no_reason_for_a_fault(site):
    """The loop of the crawl is not the caller's, so no request is late because he is."""
    finished = threading.Event()
    hooks = Hooks()
    hooks.on_response.append(lambda event: finished.set() if event.url.endswith("/page/29") else None)
    pages = iter(crawl(site.url, output=OUTPUT, hooks=hooks, **QUICK))
    next(pages)

    assert finished.wait(20)
    assert 30 == len(list(pages))


# --- leaving early ------------------------------------------------------------------------------------------------


async def leave_by_break(pages):
    async for _ in pages:
        break


async def leave_by_error(pages):
    with pytest.raises(ZeroDivisionError):
        async for _ in pages:
            1 / 0  # noqa: B018


async def leave_by_cancellation(pages):
    """Wherever the task is when it is cancelled."""
    one = asyncio.Event()

    async def take() -> None:
        async for _ in pages:
            one.set()

    task = asyncio.create_task(take())
    await one.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def leave_by_block(pages):
    async with pages:
        async for _ in pages:
            break
    assert pages.summary is not None


async def leave_by_loop(pages):
    for _ in pages:
        break


@pytest.mark.parametrize("leave", [leave_by_break, leave_by_error, leave_by_cancellation, leave_by_block, leave_by_loop])
async def test_whoever_leaves_early_can_go_on_later(leave, site):
    """What was in flight has landed: nothing is asked for twice. The next call waits until the folder is free."""
    first = crawl(site.url, output=OUTPUT, concurrency=2, **QUICK)
    await leave(first)
    if leave in (leave_by_error, leave_by_cancellation):
        gc.collect()        # pytest.raises keeps the traceback, and with it the loop
    second = await crawl(site.url, output=OUTPUT, **QUICK).run()

    assert "stopped" == first.summary.outcome
    assert first.summary.pages < 31
    assert ("finished", 31) == (second.outcome, second.pages)
    assert ["stopped", "finished"] == outcomes()
    assert {1} == set(site.asked.values())


async def test_the_next_call_waits_for_what_is_still_landing(site, monkeypatch):
    asked, wait, ended = threading.Event(), running._wait_for_others, []

    def noted(*words) -> None:
        asked.set()
        wait(*words)
        ended.append(first.summary is not None)

    seeds = [f"{site.url}slow", f"{site.url}page/1"]
    first = crawl(seeds, output=OUTPUT, depth=0, **QUICK)
    async for page in first:
        assert f"{site.url}page/1" == page.url
        break
    monkeypatch.setattr(running, "_wait_for_others", noted)
    second = asyncio.create_task(crawl(seeds, output=OUTPUT).run())
    await asyncio.to_thread(asked.wait, 20)
    assert None is first.summary
    site.gate.set()

    assert 2 == (await second).pages
    assert [True] == ended
    assert 1 == site.asked["/slow"]


async def test_who_gives_up_waiting_for_a_page_gets_it_later(site):
    pages = aiter(crawl([f"{site.url}slow", f"{site.url}page/1"], output=OUTPUT, depth=0, **QUICK))
    assert "Page 1" == (await anext(pages)).title
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(anext(pages), 0.01)
    site.gate.set()

    assert ["Slow"] == [page.title async for page in pages]


async def test_closing_waits_until_all_is_committed(site):
    pages = crawl(site.url, output=OUTPUT, concurrency=2, **QUICK)
    async for _ in pages:
        break
    await pages.aclose()

    with held(Path(OUTPUT)):        # nobody holds it any more
        assert ["stopped"] == outcomes()


async def test_a_stop_lets_what_is_in_flight_come(site):
    """The pages of a crawl that was told to stop, and not left, still come."""
    pages = crawl(site.url, output=OUTPUT, concurrency=2, **QUICK)
    seen = 0
    async for _ in pages:
        seen += 1
        pages.stop()

    assert seen == len(stored()) < 31
    assert "stopped" == pages.summary.outcome


async def test_a_cancelled_run_stops(site):
    began = asyncio.Event()
    loop = asyncio.get_running_loop()
    hooks = Hooks()
    hooks.on_page.append(lambda _: loop.call_soon_threadsafe(began.set) and None)
    one = crawl(site.url, output=OUTPUT, hooks=hooks, concurrency=1, **QUICK)
    task = asyncio.create_task(one.run())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await one.aclose()

    assert "stopped" == one.summary.outcome


def test_pages_that_were_never_asked_for_start_nothing(site):
    iter(crawl(site.url, output=OUTPUT, **QUICK))

    assert not Path(OUTPUT).exists()


# --- what is said, and what is remembered -------------------------------------------------------------------------


def test_the_folder_remembers_what_is_not_said_again(site):
    crawl(site.url, Settings(max_pages=3, delay=0, min_free=0), output=OUTPUT).run_sync()

    assert 3 == crawl(site.url, output=OUTPUT).run_sync().pages
    assert 5 == crawl(site.url, Settings(max_pages=5), output=OUTPUT).run_sync().pages
    assert 6 == crawl(output=OUTPUT, max_pages=6).run_sync().pages


def test_none_takes_back_what_is_remembered(site):
    crawl(site.url, output=OUTPUT, depth=0, exclude=["/page/1"], **QUICK).run_sync()

    assert 31 == crawl(site.url, output=OUTPUT, depth=None, exclude=[]).run_sync().pages


def test_a_range_may_be_said_by_settings():
    with pytest.raises(NotACrawl, match="no crawl in results to go on with"):
        crawl(None, Settings(recrawl=(86_400, 864_000)), output=OUTPUT).run_sync()


def test_a_fresh_crawl_begins_anew(site):
    crawl(site.url, output=OUTPUT, max_pages=2, **QUICK).run_sync()
    crawl(site.url, output=OUTPUT, max_pages=1, fresh=True, **QUICK).run_sync()

    assert 1 == len(stored())
    assert 2 == len([folder for folder in Path().iterdir() if folder.name.startswith(OUTPUT)])


def test_seeds_may_be_files_and_urls(site):
    Path("seeds.txt").write_text(f"{site.url}page/1 depth=0\n", encoding="utf-8")
    crawl([Path("seeds.txt"), f"{site.url}page/2"], output=OUTPUT, depth=0, **QUICK).run_sync()

    assert {"/page/1", "/page/2"} == stored()


def test_the_environment_is_the_command_lines_business(site, monkeypatch):
    monkeypatch.setenv("CRAWLER_MAX_PAGES", "1")
    Path("crawler.toml").write_text("max_pages = 1\n", encoding="utf-8")

    assert 31 == crawl(site.url, output=OUTPUT, **QUICK).run_sync().pages


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"max_page": 3}, "there is no setting max_page\nDid you mean max_pages?"),
        ({"max_pages": 0}, "max_pages must be at least 1, got 0"),
        ({"max_time": "soon"}, "max_time must be a time like 500ms, 30s or 2h, got 'soon'"),
        ({"exclude": ["("]}, "exclude must be a regular expression (missing ), unterminated subpattern at position 0), got ['(']"),
        ({"auth": ["https://a.example hush"]}, "auth must be an origin with its credentials, like 'https://example.org basic USER:PASSWORD' or 'https://example.org bearer TOKEN', got something else"),
        ({"tries": None}, "tries must be a whole number, got 'none'"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)  # fmt: skip
def test_a_wrong_setting_is_named_at_once(keywords, message):
    with pytest.raises(CrawlError) as error:
        crawl("https://example.org/", **keywords)

    assert (message, 2) == (str(error.value), error.value.exit_code)


@pytest.mark.parametrize("seeds", [[], "-", Path("nowhere.txt")], ids=str)
def test_seeds_that_are_none_are_named_at_once(seeds):
    with pytest.raises(CrawlError):
        crawl(seeds)


async def test_errors_are_those_of_the_command_line(site):
    Path("a-file").touch()
    with pytest.raises(NotACrawl, match="a-file is a file, not a folder"):
        async for _ in crawl(site.url, output="a-file"):
            pass
    with pytest.raises(CrawlError, match="is no usable URL"):
        await crawl("http://exa mple/", output=OUTPUT).run()
    with pytest.raises(NotACrawl, match="no crawl in results to go on with"):
        crawl(output=OUTPUT).run_sync()
    with held(Path(OUTPUT)), pytest.raises(InUse, match="results is being crawled by process"):
        await crawl(site.url, output=OUTPUT, **QUICK).run()


def test_other_seeds_are_refused(site):
    crawl(site.url, output=OUTPUT, max_pages=1, **QUICK).run_sync()
    with pytest.raises(CrawlError, match="Try --add-seeds"):
        crawl("https://other.example/", output=OUTPUT).run_sync()


# --- manners of a library -----------------------------------------------------------------------------------------


def test_no_signal_handler_is_installed(site):
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    for _ in crawl(site.url, output=OUTPUT, max_pages=1, **QUICK):
        assert before == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]


def test_hooks_hear_every_event_of_every_run(site):
    heard = []
    hooks = Hooks()
    hooks.on_page.append(lambda event: heard.append(event.url))
    hooks.on_run_end.append(lambda event: heard.append(event.summary.outcome))
    for pages in (1, 2):
        for _ in crawl(site.url, output=OUTPUT, hooks=hooks, max_pages=pages, concurrency=1, **QUICK):
            pass

    assert [site.url, "limit", f"{site.url}page/0", "limit"] == heard


SCRIPT = """
import sys
from crawler import Hooks, crawl

hooks = Hooks()
hooks.on_page.append(lambda event: 1 / 0)
for page in crawl(sys.argv[1], hooks=hooks, output="results", concurrency=2, delay=0, parsers=1, min_free=0):
    print(page.title)
    break
kept = iter(crawl(sys.argv[1] + "page/1", output="kept", delay=0, parsers=1, min_free=0))
print(next(kept).title)
"""


def test_a_script_without_a_main_guard_ends_in_order(site):
    """It leaves one loop and forgets another, and has a bad hook: both crawls are stopped and committed, and nothing is printed."""
    Path("script.py").write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-W", "error", "script.py", site.url], capture_output=True, text=True, check=False,
        env={"PYTHONPATH": str(ROOT)}, timeout=60,
    )  # fmt: skip

    said = [line for line in done.stderr.splitlines() if not line.startswith("Executing <")]       # a busy machine is slow, and -X dev says so
    assert (0, "Start\nPage 1\n", []) == (done.returncode, done.stdout, said)
    assert ["stopped"] == outcomes()
    with open_crawl("kept") as kept:
        assert [1] == [clean for (clean,) in kept.rows("SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'clean'")]
