"""One parser process from the outside: gives it batches, hears its answers, and ends it when it takes too long."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from crawler.children import launch
from crawler.core.model import Parsed
from crawler.parsing.config import Config
from crawler.parsing.wire import BATCH, CONFIGURE, HEADER, LARGEST, READY, Page, decode_results, frame, longest, patience

PATIENCE = 0.125
"""Share of the deadline after which a process counts as slow: others take its place, and the pages that wait behind its one."""
START_DEADLINE = 60.0
LAST = 19
"""The weakest priority of a process."""
BUFFER = 1 << 20
"""Bytes that the kernel may hold between us and a process."""
ALLOCATION = {"MALLOC_TRIM_THRESHOLD_": str(1 << 25), "MALLOC_MMAP_THRESHOLD_": str(1 << 25), "MALLOC_ARENA_MAX": "1"}
"""For glibc, which otherwise gives memory back after every page and pays for it again with page faults: 10 % of the time."""


class Job:
    """One page that somebody waits for."""

    __slots__ = ("deaths", "done", "page")

    def __init__(self, page: Page, done: asyncio.Future[Parsed]) -> None:
        self.page = page
        self.done = done
        self.deaths = 0


class Pool(Protocol):
    """Who a process belongs to."""

    deadline: float
    """Seconds of processor time that a batch is given."""

    def idle(self, child: Child) -> None:
        """Note that a process can take a batch."""

    def slowed(self, child: Child) -> None:
        """Note that a process has not answered soon."""

    def lost(self, child: Child) -> None:
        """Note that a process is gone."""


class Child(asyncio.Protocol):
    """One process, and what it is busy with."""

    def __init__(self, pool: Pool, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.ready = False
        self.jobs: Sequence[Job] = ()
        self.overran = False
        self.slow = False
        self._began = 0.0
        self._until = 0.0
        self._deadline = pool.deadline
        self._pool = pool
        self._buffer = bytearray()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the line to the process."""
        self._transport = transport  # type: ignore[assignment]  # a socket's transport goes both ways
        self._wait(START_DEADLINE, self._overrun)

    def configure(self, config: Config) -> None:
        """Tell the process what crawl it works for, before anything that is sent later."""
        if self._transport is not None:
            self._transport.write(frame(CONFIGURE, config))

    def work(self, jobs: Sequence[Job]) -> None:
        """Give the process a batch."""
        self.jobs = jobs
        if self._transport is not None:
            self._transport.write(frame(BATCH, [job.page for job in jobs]))
        self._began = processor_time(self.process.pid)
        self._deadline = self._pool.deadline * patience(job.page for job in jobs)
        self._wait(self._deadline * PATIENCE, self._linger)

    def data_received(self, data: bytes) -> None:
        """Take in what the process answers."""
        self._buffer += data
        while len(self._buffer) >= HEADER.size:
            length, kind = HEADER.unpack_from(self._buffer)
            if length > LARGEST:
                self.kill()
                return
            if len(self._buffer) < HEADER.size + length:
                return
            content = bytes(memoryview(self._buffer)[HEADER.size : HEADER.size + length])
            del self._buffer[: HEADER.size + length]
            self._answer(kind, content)

    def _answer(self, kind: int, content: bytes) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if kind == READY:
            self.ready = True
        else:
            jobs, self.jobs = self.jobs, ()
            for job, parsed in zip(jobs, decode_results(content), strict=True):
                if not job.done.done():
                    job.done.set_result(parsed)
        self._pool.idle(self)

    def _wait(self, seconds: float, late: Callable[[], None]) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, late)

    def _linger(self) -> None:
        """Note that the process is slow: it goes on, behind all others, until its deadline."""
        self.slow = True
        self._wait(self._deadline * (1 - PATIENCE), self._overrun)
        self._until = asyncio.get_running_loop().time() + longest(self._deadline) - self._deadline * PATIENCE
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, self.process.pid, LAST)
        self._pool.slowed(self)

    def _overrun(self) -> None:
        """End the process, unless it had to give way to others and has not had its time."""
        left = self._deadline - (processor_time(self.process.pid) - self._began)
        mercy = self._until - asyncio.get_running_loop().time()
        if self.slow and left > 0 and mercy > 0:
            self._wait(max(min(left, mercy), 0.01), self._overrun)
            return
        self.overran = True
        self.kill()

    def kill(self) -> None:
        """End the process at once."""
        if self._timer is not None:
            self._timer.cancel()
        self.process.kill()
        self.hang_up()

    def hang_up(self) -> None:
        """Close the line; the process ends by itself when it is not busy."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """Note that the process is gone, or that we let go of it."""
        if self._timer is not None:
            self._timer.cancel()
        self._pool.lost(self)


def processor_time(pid: int) -> float:
    """Return the seconds of processor time that a process has used; endless where the system does not tell."""
    if sys.platform != "linux":
        return float("inf")
    try:
        return time.clock_gettime((~pid << 3) | 2)      # its CPU clock (linux/posix-timers.h: CPUCLOCK_SCHED)
    except OSError:
        return float("inf")


def start(deadline: float) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a process, with a line to it."""
    ours, theirs = socket.socketpair()
    try:
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER)
            end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        words = str(theirs.fileno()), str(deadline)
        process = launch("crawler.parsing.child", *words, fds=[theirs.fileno()], variables=ALLOCATION)
    except OSError:
        ours.close()
        raise
    finally:
        theirs.close()
    ours.setblocking(False)
    return process, ours


def bury(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process whose line is closed; a busy one is not waited for."""
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
