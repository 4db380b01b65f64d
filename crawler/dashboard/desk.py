"""Questions to the database, each in a thread, a few at a time, stopped when nobody waits for the answer any more."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from crawler.folder import CrawlError
from crawler.query.errors import NO_ACCESS, QueryError
from crawler.query.reader import Reader

TIMEOUT = 10.0
"""Seconds that one question may work."""
MAX_VALUE = 1_000_000
"""Bytes of one value: a page shows a few hundred characters of it."""
AT_ONCE = 2
"""Questions that are worked on at once: the crawl has the rest of the machine."""
MOST_WAITING = 16

T = TypeVar("T")


class Busy(QueryError):
    """More questions than anybody could have typed."""

    def __init__(self) -> None:
        super().__init__("too many questions at once", "Try again in a moment.", NO_ACCESS)


class Desk:
    """Asks the crawl in one folder. `close` it at the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="question")
        self._waiting = 0

    async def ask(self, work: Callable[[Reader], T], timeout: float = TIMEOUT) -> T:  # noqa: ASYNC109 - SQLite's own work is measured
        """Return what *work* makes of a reader, in a thread. Raises QueryError and what *work* raises.

        Cancelled, it stops the query: whoever closes a tab in mid-question need not be waited for.
        """
        if self._waiting >= MOST_WAITING:
            raise Busy
        readers: list[Reader] = []
        wanted = True

        def answer() -> T:
            with Reader.open(self.folder, timeout=timeout, max_value=MAX_VALUE) as reader:
                readers.append(reader)
                if not wanted:
                    reader.cancel()
                return work(reader)

        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, answer)
        except asyncio.CancelledError:
            wanted = False
            for reader in readers:
                reader.cancel()
            raise
        finally:
            self._waiting -= 1

    async def run(self, work: Callable[[], T]) -> T:
        """Return what something plain comes to that reads files, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """Take no further question; one that is being worked on may end."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class NotThere(CrawlError):
    """What was asked for is not there."""

    exit_code = 1
