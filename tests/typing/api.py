"""What type checkers say of the public names. Never run: `mypy` reads it, and what must be an error is marked as one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import assert_type

from crawler import Crawl, Hooks, Page, Results, Settings, Summary, crawl, open_crawl
from crawler.hooks import PageStored, RequestFailed


async def a_notebook() -> None:
    async for page in crawl("https://example.org/", output="output/x", max_pages=100):
        assert_type(page, Page)
        assert_type(page.title, str | None)
        assert_type(page.body(), bytes)
        assert_type(page.text, str)
        assert_type(page.links, list[str])
    summary = await crawl(["https://example.org/", Path("seeds.txt")], Settings(max_pages=100, delay=0.5)).run()
    assert_type(summary, Summary)


async def a_block() -> None:
    async with crawl("https://example.org/", max_time="2h", delay=None, exclude=["/archive/"]) as pages:
        assert_type(pages, Crawl)
        assert_type(aiter(pages), AsyncIterator[Page])
    assert_type(pages.summary, Summary | None)


def a_script() -> None:
    for page in crawl(output="output/x"):
        assert_type(page, Page)
    with open_crawl("output/x") as results:
        assert_type(results, Results)
        for found in results.pages("mime = ?", ["text/html"]):
            assert_type(found, Page)
    assert_type(crawl(Path("seeds.txt"), scope="site").run_sync(), Summary)


def hooks() -> None:
    told = Hooks()

    @told.on_page
    async def stored(event: PageStored) -> None:
        assert_type(event.title, str | None)

    @told.on_failure
    async def failed(event: RequestFailed) -> None:
        assert_type(event.final, bool)

    crawl("https://example.org/", hooks=told)


def mistakes() -> None:
    crawl("https://example.org/", max_page=100)  # type: ignore[call-arg]
    crawl("https://example.org/", max_pages="many")  # type: ignore[arg-type]
    crawl("https://example.org/", scope="everywhere")  # type: ignore[arg-type]
    crawl(1)  # type: ignore[arg-type]
    Settings(depth="deep")  # type: ignore[arg-type]
    Settings(deep=1)  # type: ignore[call-arg]
