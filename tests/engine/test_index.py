"""The search index of a crawl that runs."""

from __future__ import annotations

import asyncio

from aiohttp import web

from crawler.engine.filling import fill
from crawler.hooks import PageStored
from crawler.query.reader import Reader
from crawler.query.search import has_gaps, search


def found(folder, words: str) -> tuple[list[str], bool]:
    with Reader.open(folder) as reader:
        return ["/" + one.url.split("/", 3)[3] for one in search(reader, words, limit=10)], has_gaps(reader)


async def test_pages_are_found_while_the_crawl_runs(site, crawl):
    searched = asyncio.Event()

    async def last(_request: web.Request) -> web.Response:
        await searched.wait()
        return web.Response(text="<p>the last lighthouse", content_type="text/html")

    site.pages |= {"/": "<p>a first lighthouse <a href=/last>x</a>", "/last": last}
    running = asyncio.create_task(crawl(site.url("/"), index="text"))
    await crawl.until(PageStored)
    assert (["/"], False) == await asyncio.to_thread(found, crawl.folder, "lighthouse")
    searched.set()
    await running

    assert (["/", "/last"], False) == (sorted((now := await asyncio.to_thread(found, crawl.folder, "lighthouse"))[0]), now[1])


async def test_a_page_that_asks_not_to_be_kept_is_not_in_it(site, crawl):
    site.pages |= {"/": '<meta name="robots" content="noindex"><p>secret words <a href=/b>x</a>', "/b": "<p>open words"}
    await crawl(site.url("/"), index="text", obey_noindex=True)

    assert (["/b"], False) == await asyncio.to_thread(found, crawl.folder, "words")


async def test_a_crawl_that_keeps_no_bodies_can_be_searched(site, crawl):
    site.pages |= {"/": "<p>one word <a href=/b>x</a>", "/b": "<p>another word"}
    await crawl(site.url("/"), index="text", save="none")

    assert (["/", "/b"], False) == (sorted((now := await asyncio.to_thread(found, crawl.folder, "word"))[0]), now[1])


async def test_a_page_that_has_changed_or_is_gone_is_found_by_what_it_says_now(site, crawl):
    site.pages |= {"/": "<p>start <a href=/b>x</a><a href=/c>x</a>", "/b": "<p>before 東京", "/c": "<p>before 京都"}
    await crawl(site.url("/"), index="text")
    site.pages |= {"/b": "<p>after 大阪", "/c": (410, {}, "gone")}
    await crawl(site.url("/"), index="text", recrawl=0.0)

    words = {word: (await asyncio.to_thread(found, crawl.folder, word))[0] for word in ("before", "京都", "after", "大阪", "start")}
    assert {"before": [], "京都": [], "after": ["/b"], "大阪": ["/b"], "start": ["/"]} == words
    assert [(2,)] == crawl.query("SELECT count(*) FROM page_text")


async def test_warc_files_can_be_indexed_later(site, crawl):
    site.pages |= {"/": "<p>one word <a href=/b>x</a>", "/b": "<p>another word 東京"}
    await crawl(site.url("/"), save="warc")
    filled = await fill(crawl.folder, processes=1, told=lambda _: None)

    assert (2, 0) == (filled.done, filled.unreadable)
    assert (["/b"], False) == await asyncio.to_thread(found, crawl.folder, "東京")


async def test_a_crawl_that_goes_on_without_it_leaves_gaps(site, crawl):
    site.pages |= {"/": "<p>one word <a href=/b>x</a>", "/b": "<p>another word"}
    await crawl(site.url("/"), index="text", max_pages=1)
    await crawl(site.url("/"), max_pages=2)

    assert (["/"], True) == await asyncio.to_thread(found, crawl.folder, "word")
