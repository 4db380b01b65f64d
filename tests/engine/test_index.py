"""The search index of a crawl that runs."""

from __future__ import annotations

import asyncio

from aiohttp import web

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


async def test_a_crawl_that_goes_on_without_it_leaves_gaps(site, crawl):
    site.pages |= {"/": "<p>one word <a href=/b>x</a>", "/b": "<p>another word"}
    await crawl(site.url("/"), index="text", max_pages=1)
    await crawl(site.url("/"), max_pages=2)

    assert (["/"], True) == await asyncio.to_thread(found, crawl.folder, "word")
