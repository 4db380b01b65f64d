"""What passes from the thread of a crawl to whoever takes its pages: bounded, so that the slower of the two decides."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from concurrent.futures import Future
from pathlib import Path

from crawler.hooks import Event, PageStored
from crawler.query.results import Page

ROOM = 100
"""Pages that wait for whoever takes them, beyond which the crawl waits; as many may be in the taker's hand."""


class Handover:
    """At most ROOM pages between the thread of a crawl, which waits beyond that, and whoever takes them."""

    def __init__(self) -> None:
        self.folder = Path()
        self._pages: list[Page] = []
        self._lock = threading.RLock()      # see Run
        self._taker: Future[list[Page]] | None = None
        self._over = False
        self._room = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    async def put(self, event: Event) -> None:
        """Take in a page that is durable, and wait for room for the next one."""
        if not isinstance(event, PageStored):
            return
        page = Page(event.url, event.status, event.mime, event.title, event.bytes, event.depth, event.file, self.folder)
        with self._lock:
            if self._over:
                return
            self._loop = asyncio.get_running_loop()
            self._pages.append(page)
            self._give()
            full = len(self._pages) >= ROOM
            if full:
                self._room.clear()
        if full:
            await self._room.wait()

    def take(self) -> Future[list[Page]]:
        """Return what is there as soon as something is; nothing means that nothing more will come."""
        taker: Future[list[Page]] = Future()
        with self._lock:
            self._taker = taker
            self._give()
        return taker

    def end(self, *, left: bool = False) -> None:
        """Let nothing more in; *left*: what is there is of no interest any more."""
        with self._lock:
            self._over = True
            if left:
                self._pages.clear()
            self._give()
            self._make_room()

    def _give(self) -> None:
        """Give what is there to whoever waits, unless he has gone meanwhile."""
        taker = self._taker
        if taker is None or not (self._pages or self._over):
            return
        self._taker = None
        if taker.set_running_or_notify_cancel():
            pages, self._pages = self._pages, []
            taker.set_result(pages)
            self._make_room()

    def _make_room(self) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):     # the crawl has ended, and its loop with it
                self._loop.call_soon_threadsafe(self._room.set)
