"""A polite, fast web crawler that can be killed at any moment and goes on where it stopped.

    from crawler import crawl

    async for page in crawl("https://example.org/", max_pages=100):
        print(page.url, page.title)

The names are resolved on first use, so that a command which needs one of them does not load what the others need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from crawler.version import __version__

if TYPE_CHECKING:
    from crawler.core.metrics import Summary
    from crawler.core.settings import Settings
    from crawler.engine import Crawler
    from crawler.folder import CrawlError
    from crawler.hooks import Hooks
    from crawler.library import Crawl, crawl, open_crawl
    from crawler.query.results import Page, Results

__all__ = [
    "Crawl", "CrawlError", "Crawler", "Hooks", "Page", "Results", "Settings", "Summary", "__version__", "crawl", "open_crawl",
]  # fmt: skip

_HOMES = {
    "Crawl": "crawler.library",
    "CrawlError": "crawler.folder",
    "Crawler": "crawler.engine",
    "Hooks": "crawler.hooks",
    "Page": "crawler.query.results",
    "Results": "crawler.query.results",
    "Settings": "crawler.core.settings",
    "Summary": "crawler.core.metrics",
    "crawl": "crawler.library",
    "open_crawl": "crawler.library",
}


def __getattr__(name: str) -> object:
    """Import a public name from where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
