"""A parser process: reads batches from a socket, answers each, and ends when the socket closes.

Bounded in memory by the kernel. Bounded in time by its parent; and by an alarm of its own, for a parent that was killed
can kill nobody: a signal ends even a loop inside C.
"""

from __future__ import annotations

import resource
import signal
import socket
import sys
import traceback

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
)

MEMORY = 1 << 30
ALARM = 60
"""Seconds after which a batch ends its process, if the parent is not there to do it sooner."""


def main(descriptor: int) -> None:
    """Serve one parent until it is gone."""
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(signum, signal.SIG_IGN)       # the parent decides when this process ends
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _limit_memory()
    harvester: Harvester | None = None
    with socket.socket(fileno=descriptor) as connection:
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
                harvester = Harvester.of(decode_config(content))
            elif kind == BATCH and harvester is not None:
                signal.alarm(ALARM)
                results = [_read(harvester, page) for page in decode_batch(content)]
                signal.alarm(0)
                connection.sendall(frame(RESULTS, results))


def _limit_memory() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    if soft == resource.RLIM_INFINITY or soft > wanted:
        resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))


def _read(harvester: Harvester, page: Page) -> Parsed:
    """Read one page; whatever is wrong with it is its own trouble."""
    try:
        return harvester.harvest(page.body, page.url, page.content_type, page.depth, page.ruleset)
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
        main(int(sys.argv[1]))
    except (BrokenPipeError, ConnectionResetError):
        sys.exit(0)
