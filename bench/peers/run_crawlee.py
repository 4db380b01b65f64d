"""Crawlee for Python on the benchmark's terms: every page of the start URLs' hosts, robots.txt obeyed, bodies in files.

Runs with an interpreter that has Crawlee; it must not be named crawlee.py, or it would import itself.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import logging
from pathlib import Path

from crawlee import ConcurrencySettings
from crawlee.configuration import Configuration
from crawlee.crawlers import (
    BeautifulSoupCrawler,
    BeautifulSoupCrawlingContext,
    ParselCrawler,
    ParselCrawlingContext,
)
from crawlee.storage_clients import FileSystemStorageClient, MemoryStorageClient, StorageClient


def build(options: argparse.Namespace) -> BeautifulSoupCrawler | ParselCrawler:
    """Make the crawler that is asked for; it does not begin with less than the wanted concurrency."""
    wanted = options.concurrency
    at_once = ConcurrencySettings(min_concurrency=wanted, desired_concurrency=wanted, max_concurrency=wanted)
    storage: StorageClient = FileSystemStorageClient() if options.storage == "files" else MemoryStorageClient()
    configuration = Configuration(storage_dir=str(options.output / "storage"))
    make = BeautifulSoupCrawler if options.parser == "beautifulsoup" else ParselCrawler
    return make(
        configuration=configuration,
        concurrency_settings=at_once,
        storage_client=storage,
        respect_robots_txt_file=True,
        configure_logging=False,
    )


async def crawl(options: argparse.Namespace) -> None:
    """Crawl the start URLs; each body gets a file, each file a line in the list."""
    folder: Path = options.output
    (folder / "bodies").mkdir()
    crawler = build(options)
    with (folder / "stored.tsv").open("w", encoding="utf-8") as stored:

        async def page(context: BeautifulSoupCrawlingContext | ParselCrawlingContext) -> None:
            url = context.request.loaded_url or context.request.url
            name = f"bodies/{hashlib.sha256(url.encode()).hexdigest()[:32]}"
            (folder / name).write_bytes(await context.http_response.read())
            stored.write(f"{url}\t{name}\n")
            await context.enqueue_links(strategy="same-hostname")

        crawler.router.default_handler(page)
        await crawler.run(options.urls)


def main() -> None:
    """Read the command line and crawl."""
    parser = argparse.ArgumentParser(description="crawl with Crawlee")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--parser", choices=("beautifulsoup", "parsel"), required=True)
    parser.add_argument("--storage", choices=("memory", "files"), default="memory", help="of its request queue")
    parser.add_argument("urls", nargs="+")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    asyncio.run(crawl(options))


if __name__ == "__main__":
    main()
