"""The crawl's end of its dashboard: starts the process, hears its troubles, and ends it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import subprocess
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO

import msgspec

from crawler.children import launch
from crawler.dashboard.address import Bound

log = logging.getLogger("crawler.dashboard")

GRACE = 5.0
"""Seconds that the dashboard has to say goodbye to who watches."""
GLANCE = 0.25
"""Seconds between two looks at whether it is still there."""

MOST_LINES = 500
"""Lines of the dashboard's troubles that the log of the crawl has room for."""


class Order(msgspec.Struct, frozen=True):
    """What the crawl says first: what to serve, and where."""

    folder: str
    token: str
    hosts: frozenset[str]
    descriptor: int
    """Of the socket that listens."""


@asynccontextmanager
async def served_beside(folder: Path, bound: Bound, token: str, *, died: Callable[[int], None]) -> AsyncIterator[None]:
    """Serve the crawl in a folder from a process of its own for the length of the block. Its end is not the crawl's.

    *died* is told the exit code, within a second, when it ends while the block runs; the log has it in any case.
    """
    process = await asyncio.to_thread(_start, folder, bound, token)
    watching = asyncio.create_task(_watch(process, died))
    try:
        yield
    finally:
        if watching.cancel() and (code := process.poll()) is not None:
            _note(code)
        await asyncio.to_thread(_end, process)


async def _watch(process: subprocess.Popen[bytes], died: Callable[[int], None]) -> None:
    while (code := process.poll()) is None:  # noqa: ASYNC110 - the system tells nobody but the one who asks
        await asyncio.sleep(GLANCE)
    _note(code)
    died(code)


def _note(code: int) -> None:
    log.error("the dashboard ended before the crawl did, with %s", code)


def _start(folder: Path, bound: Bound, token: str) -> subprocess.Popen[bytes]:
    descriptor = bound.sock.fileno()
    process = launch("crawler.dashboard.child", fds=[descriptor], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    bound.sock.close()      # it lives on over there
    if process.stdin is not None and process.stderr is not None:
        threading.Thread(target=_hear, args=(process.stderr,), daemon=True, name="dashboard").start()
        order = Order(str(folder), token, bound.hosts, descriptor)
        with contextlib.suppress(OSError):      # a process that could not even start is told of soon
            process.stdin.write(msgspec.json.encode(order) + b"\n")     # the token is in no argument and no variable that others may see
            process.stdin.flush()
    return process


def _hear(stream: IO[bytes]) -> None:
    for number, line in enumerate(stream):      # all of them are read: a pipe that is full would stop the other process
        if number < MOST_LINES:
            log.warning("dashboard: %s", line.decode("utf-8", "replace").rstrip())
        elif number == MOST_LINES:
            log.warning("dashboard: further lines are left out")
    stream.close()


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(GRACE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
