"""The loop of a crawl: a feeder, N workers and one committer around a bounded queue."""

from crawler.engine.crawler import Crawler

__all__ = ["Crawler"]
