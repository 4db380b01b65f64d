"""Questions to the database, each in a thread, a few at a time, stopped when nobody waits for the answer any more."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
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
CHORES = 4
"""Threads for what is quick, and for looks at the crawl: no question of somebody's may hold those up."""
MOST_WAITING = 16
UNBROKEN = 30.0
"""Seconds for which questions may follow upon each other without a gap: while one reads, the crawl's write-ahead log only grows."""
MOST_SENDING = 4
"""Answers that are taken away at once: each lies on the disk meanwhile."""

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
        self._chores = ThreadPoolExecutor(CHORES, thread_name_prefix="chore")
        self._waiting = 0
        self._working = 0
        self._since = 0.0
        self._idle = asyncio.Event()
        self._sending = 0
        self._asked: set[Reader] = set()
        self._ending = False

    async def ask(self, work: Callable[[Reader], T], timeout: float = TIMEOUT) -> T:  # noqa: ASYNC109 - SQLite's own work is measured
        """Return what *work* makes of a reader, in a thread. Raises QueryError and what *work* raises.

        Cancelled, it stops the query: whoever closes a tab in mid-question need not be waited for.
        """
        if self._waiting >= MOST_WAITING:
            raise Busy
        readers: list[Reader] = []
        wanted = not self._ending

        def answer() -> T:
            with Reader.open(self.folder, timeout=timeout, max_value=MAX_VALUE) as reader:
                readers.append(reader)
                self._asked.add(reader)
                try:
                    if not wanted or self._ending:
                        reader.cancel()
                    return work(reader)
                finally:
                    self._asked.discard(reader)

        self._waiting += 1
        try:
            await self._gap()
            self._working += 1
            return await self._answered(answer)
        except asyncio.CancelledError:
            wanted = False
            for reader in readers:
                reader.cancel()
            raise
        finally:
            self._waiting -= 1

    async def _gap(self) -> None:
        """Wait for the others where they have followed upon each other for long."""
        while self._working and time.monotonic() - self._since > UNBROKEN:
            await self._idle.wait()
        if not self._working:
            self._since = time.monotonic()
            self._idle.clear()

    async def _answered(self, answer: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, answer)
        finally:
            self._working -= 1
            if not self._working:
                self._idle.set()

    async def run(self, work: Callable[[], T]) -> T:
        """Return what something plain comes to that reads files, in a thread that no question occupies."""
        return await asyncio.get_running_loop().run_in_executor(self._chores, work)

    @contextlib.contextmanager
    def sending(self) -> Iterator[None]:
        """Count somebody who takes an answer away. Raises Busy where there are many."""
        if self._sending >= MOST_SENDING:
            raise Busy
        self._sending += 1
        try:
            yield
        finally:
            self._sending -= 1

    def stop(self) -> None:
        """Stop the questions that are worked on, and those that come: there is nobody any more to be told the answer."""
        self._ending = True
        for reader in tuple(self._asked):
            reader.cancel()

    def close(self) -> None:
        """Take no further question; one that is being worked on may end."""
        for threads in (self._threads, self._chores):
            threads.shutdown(wait=False, cancel_futures=True)


class NotThere(CrawlError):
    """What was asked for is not there."""

    exit_code = 1
