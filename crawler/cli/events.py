"""`--json`: what happens in a crawl, as JSON Lines on standard output. Fields are only ever added.

    {"v":1,"type":"start",...}  page  unchanged  error  progress  network_down  network_up  summary,
    and fatal as the last line of a run that could not go on

Written by a thread of its own: a reader that is slow holds up the committer, which waits for these events, but never the
event loop, where it would make requests run into their timeouts.
"""

from __future__ import annotations

import asyncio
import errno
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

import msgspec

from crawler.folder import CrawlError
from crawler.hooks import Event, NetworkDown, NetworkUp, PageStored, PageUnchanged, Progress, RequestFailed, RunEnded, RunStarted

VERSION = 1
FLUSH_BYTES = 64 * 1024
PROGRESS_GAP = 1.0
"""Seconds between two progress events."""


def encode(event: Event) -> bytes | None:
    """Return the line of an event, None for events that have none."""
    match event:
        case RunStarted() | PageStored() | PageUnchanged() | RequestFailed() | NetworkDown() | NetworkUp():
            fields = msgspec.to_builtins(event)
        case Progress(snapshot):
            fields = {"type": "progress", **msgspec.to_builtins(snapshot)}
        case RunEnded(summary):
            fields = {"type": "summary", **msgspec.to_builtins(summary)}
        case _:
            return None
    return msgspec.json.encode({"v": VERSION, **fields}) + b"\n"


def fatal(error: CrawlError, code: int) -> bytes:
    """Return the line of an error that ended the program."""
    return msgspec.json.encode({"v": VERSION, "type": "fatal", "message": error.message, "hint": error.hint, "code": code}) + b"\n"


class EventLines:
    """Listens to a crawl and writes its events. *on_broken* is called once, when nobody reads them any more."""

    def __init__(self, stream: BinaryIO, on_broken: Callable[[], None]) -> None:
        self._stream = stream
        self._on_broken = on_broken
        self._pending = bytearray()
        self._progress_at = -PROGRESS_GAP
        self._broken = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="events")

    async def __call__(self, event: Event) -> None:
        """Take one event; lines go out with the next progress event, or as soon as there are many."""
        if isinstance(event, Progress):
            if event.snapshot.elapsed - self._progress_at < PROGRESS_GAP:
                return await self._flush()
            self._progress_at = event.snapshot.elapsed
        line = encode(event)
        if line is None:
            return None
        self._pending += line
        if isinstance(event, PageStored | PageUnchanged | RequestFailed) and len(self._pending) < FLUSH_BYTES:
            return None
        return await self._flush()

    async def _flush(self) -> None:
        if self._broken or not self._pending:
            self._pending.clear()
            return
        block = bytes(self._pending)
        self._pending.clear()
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._write, block)
        except OSError as error:
            if error.errno != errno.EPIPE:
                raise
            self._broken = True
            self._on_broken()

    def _write(self, block: bytes) -> None:
        self._stream.write(block)
        self._stream.flush()

    def close(self) -> None:
        """Write what is left, and end the thread."""
        self._thread.shutdown()
        if self._pending and not self._broken:
            self._write(bytes(self._pending))
            self._pending.clear()


def write_fatal(error: CrawlError, code: int) -> None:
    """Write the last line of a run that could not go on."""
    try:
        sys.stdout.buffer.write(fatal(error, code))
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        return
