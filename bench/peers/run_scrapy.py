"""Scrapy on the benchmark's terms: every page of the start URLs' hosts, robots.txt obeyed, each body in a file.

Runs with an interpreter that has Scrapy; it must not be named scrapy.py, or it would import itself.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import scrapy
from scrapy.crawler import CrawlerProcess
from scrapy.http import Response, TextResponse
from scrapy.linkextractors import LinkExtractor


class Store:
    """The pipeline: a file per body and a line per file."""

    def open_spider(self, spider: Site) -> None:
        """Make the folder and the list."""
        self._folder = Path(spider.output)
        (self._folder / "bodies").mkdir()
        self._list = (self._folder / "stored.tsv").open("w", encoding="utf-8")

    def process_item(self, item: dict[str, object], spider: Site) -> dict[str, object]:
        """Write a body."""
        url, body = item["url"], item["body"]
        assert isinstance(url, str)
        assert isinstance(body, bytes)
        name = f"bodies/{hashlib.sha256(url.encode()).hexdigest()[:32]}"
        (self._folder / name).write_bytes(body)
        self._list.write(f"{url}\t{name}\n")
        return item

    def close_spider(self, spider: Site) -> None:
        """Finish the list."""
        self._list.close()


class Site(scrapy.Spider):
    """Follows every link to the allowed hosts."""

    name = "site"

    def __init__(self, *, output: str, start_urls: list[str]) -> None:
        super().__init__()
        self.output = output
        self.start_urls = start_urls
        self.allowed_domains = sorted({urlsplit(url).hostname or "" for url in start_urls})
        self._links = LinkExtractor(allow_domains=sorted({urlsplit(url).netloc for url in start_urls}))  # with its port

    def parse(self, response: Response) -> Iterator[object]:
        """Hand the body to the pipeline and follow the links."""
        yield {"url": response.url, "body": response.body}
        if isinstance(response, TextResponse):
            for link in self._links.extract_links(response):
                yield response.follow(link)


def main() -> None:
    """Crawl the start URLs."""
    parser = argparse.ArgumentParser(description="crawl with Scrapy")
    parser.add_argument("--output", required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("urls", nargs="+")
    options = parser.parse_args()
    settings = {
        "ROBOTSTXT_OBEY": True,
        "CONCURRENT_REQUESTS": options.concurrency,
        "CONCURRENT_REQUESTS_PER_DOMAIN": options.concurrency,
        "DOWNLOAD_DELAY": 0,
        "ITEM_PIPELINES": {Store: 300},
        "LOG_LEVEL": "ERROR",
        "TELNETCONSOLE_ENABLED": False,
    }
    process = CrawlerProcess(settings)
    process.crawl(Site, output=options.output, start_urls=options.urls)
    process.start()


if __name__ == "__main__":
    main()
