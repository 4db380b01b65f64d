"""Crawls from Python: `async for page in crawl("https://example.org/", max_pages=100)`.

A crawl runs in a thread and an event loop of its own, so that a caller who computes for minutes, who blocks his loop or
closes it, is no reason for a request to time out. What passes between the two is a bounded number of pages without their
bodies; whoever takes them slowly slows the crawl down. Leaving the loop asks the crawl to stop, at once and from anywhere:
requests in flight land, everything is committed, and the next call for the same folder waits for that and goes on.
"""

from crawler.library.calls import Crawl, crawl, open_crawl

__all__ = ["Crawl", "crawl", "open_crawl"]
