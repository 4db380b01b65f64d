"""A parser process: reads batches from a socket, answers each, and ends when the socket closes.

Bounded in memory by the kernel. Bounded in time by its parent; a parent that was killed can kill nobody, so a thread ends
this process when the socket hangs up, in the middle of a page too, and where a loop in C never lets that thread run, the
kernel's alarm does: a signal ends even that.
"""

from __future__ import annotations

import gc
import os
import resource
import select
import signal
import socket
import sys
import threading
import traceback

from crawler import signals
from crawler.core.model import Parsed
from crawler.parsing.harvest import Harvester
from crawler.parsing.wire import (
    BATCH,
    CONFIGURE,
    HEADER,
    READY,
    RESULTS,
    Page,
    decode_batch,
    decode_config,
    frame,
    longest,
    patience,
)

MEMORY = 1 << 30
GRACE = 1.0
"""Seconds beyond all mercy of its parent after which a batch ends its process, because nobody was there to do it sooner."""


def main(descriptor: int, deadline: float) -> None:
    """Serve one parent until it is gone."""
    signals.ignore()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory()
    harvester: Harvester | None = None
    gc.freeze()     # what is imported stays: nothing for the collector to look at
    with socket.socket(fileno=descriptor) as connection:
        threading.Thread(target=_end_with, args=(connection,), daemon=True).start()
        connection.sendall(frame(READY))
        while True:
            header = _receive(connection, HEADER.size)
            if header is None:
                return
            length, kind = HEADER.unpack(header)
            content = _receive(connection, length)
            if content is None:
                return
            if kind == CONFIGURE:
                harvester = Harvester(decode_config(content))
            elif kind == BATCH and harvester is not None:
                pages = decode_batch(content)
                signal.setitimer(signal.ITIMER_REAL, longest(deadline * patience(pages)) + GRACE)
                results = [_read(harvester, page) for page in pages]
                signal.setitimer(signal.ITIMER_REAL, 0)
                connection.sendall(frame(RESULTS, results))


def _end_with(connection: socket.socket) -> None:
    poll = select.poll()
    poll.register(connection, 0)    # a hang-up is always reported
    poll.poll()
    os._exit(0)


def _limit_memory() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    if soft == resource.RLIM_INFINITY or soft > wanted:
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))


def _read(harvester: Harvester, page: Page) -> Parsed:
    """Read one page; whatever is wrong with it is its own trouble."""
    try:
        return harvester.harvest(page)
    except Exception as error:  # noqa: BLE001 - one page must not cost its batch
        return Parsed(fault="".join(traceback.format_exception_only(error)).strip()[:500])


def _receive(connection: socket.socket, length: int) -> bytes | None:
    """Return exactly so many bytes, None when the parent is gone."""
    data = bytearray(length)
    view = memoryview(data)
    while view:
        received = connection.recv_into(view)
        if received == 0:
            return None
        view = view[received:]
    return bytes(data)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), float(sys.argv[2]))
    except (BrokenPipeError, ConnectionResetError):
        sys.exit(0)
