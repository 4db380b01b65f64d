"""Parser processes under one roof: batches without a timer, a deadline for each, and no page costs more than itself.

What piled up while a process was busy is its next batch (as in group commit). A batch that overruns its deadline costs its
process: killed with SIGKILL, because nothing else ends a loop inside C, and replaced; its pages are repeated one by one, so
that the culprit is found and the others are not lost. An own pool, because pebble's breaks when an idle worker dies and
needs three seconds more for a hang in C (see docs/decisions).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from crawler.children import launch
from crawler.core.documents import is_plain, reading_of
from crawler.core.model import NOTHING_PARSED, Parsed
from crawler.folder import CrawlError
from crawler.parsing.config import Config
from crawler.parsing.wire import BATCH, CONFIGURE, HEADER, LARGEST, READY, Page, decode_results, frame, longest, patience

DEADLINE = 2.0
PATIENCE = 0.125
"""Share of the deadline after which a process counts as slow: others take its place, and the pages that wait behind its one."""
SPARES = 2
"""Processes beyond the usual ones, for each of them, that may stand in for slow ones."""
START_DEADLINE = 60.0
LAST = 19
"""The weakest priority of a process."""
BUFFER = 1 << 20
"""Bytes that the kernel may hold between us and a process."""
ALLOCATION = {"MALLOC_TRIM_THRESHOLD_": str(1 << 25), "MALLOC_MMAP_THRESHOLD_": str(1 << 25), "MALLOC_ARENA_MAX": "1"}
"""For glibc, which otherwise gives memory back after every page and pays for it again with page faults: 10 % of the time."""
LARGE = 256 * 1024
"""Bytes of a page from which it is read by itself, so that nothing waits behind it."""
LIVES = 2
"""Processes that one page may end before it counts as unreadable."""


class _Job:
    """One page that somebody waits for."""

    __slots__ = ("deaths", "done", "page")

    def __init__(self, page: Page, done: asyncio.Future[Parsed]) -> None:
        self.page = page
        self.done = done
        self.deaths = 0


class _Child(asyncio.Protocol):
    """One process, and what it is busy with."""

    def __init__(self, pool: ParserPool, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.ready = False
        self.jobs: Sequence[_Job] = ()
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

    def work(self, jobs: Sequence[_Job]) -> None:
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
        if self.slow and left > 0 and asyncio.get_running_loop().time() < self._until:
            self._wait(max(left, 0.01), self._overrun)
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


class ParserPool:
    """Reads pages in processes of their own. An async context manager; nothing is left of it afterwards."""

    def __init__(self, *, processes: int, deadline: float = DEADLINE, batch: int = 16, batch_bytes: int = 1 << 20) -> None:
        self.deadline = deadline
        self._processes = processes
        self._batch = batch
        self._batch_bytes = batch_bytes
        self._config: Config | None = None
        self._children: set[_Child] = set()
        self._idle: list[_Child] = []
        self._waiting: deque[_Job] = deque()
        self._alone: deque[_Job] = deque()      # pages of a batch that went wrong: one by one
        self._threads = ThreadPoolExecutor(max_workers=2, thread_name_prefix="parsers")
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._failure: CrawlError | None = None
        self._false_starts = 0
        self._starting = 0

    def __repr__(self) -> str:
        busy = sum(bool(child.jobs) for child in self._children)
        return f"<ParserPool {len(self._children)} processes, {busy} busy, {len(self._waiting) + len(self._alone)} pages waiting>"

    @property
    def pids(self) -> list[int]:
        """The processes, for whoever watches them."""
        return [child.process.pid for child in self._children]

    async def __aenter__(self) -> Self:
        for _ in range(self._processes):
            self._spawn()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._closing = True
        for task in tuple(self._tasks):
            await asyncio.wait([task])
        children = tuple(self._children)
        for child in children:
            child.hang_up()
        loop = asyncio.get_running_loop()
        await asyncio.gather(*(loop.run_in_executor(self._threads, _bury, child.process) for child in children))
        for job in (*self._waiting, *self._alone, *(job for child in children for job in child.jobs)):
            job.done.cancel()
        await asyncio.to_thread(self._threads.shutdown)

    def configure(self, config: Config) -> None:
        """Say what crawl the pages belong to; counts for every page that is given later."""
        self._config = config
        for child in self._children:
            child.configure(config)

    async def parse(self, page: Page) -> Parsed:
        """Read one page. Whatever is wrong with the page is in the answer's `fault`. Raises CrawlError when no process can be had."""
        if self._failure is not None:
            raise self._failure
        if self._config is None:
            raise RuntimeError("configure the pool before its first page")
        wordless = not (self._config.index and is_plain(page.content_type))
        if wordless and reading_of(page.body, page.content_type, page.kind) is None and not page.headers:
            return NOTHING_PARSED       # a picture need not cross to another process to say nothing
        job = _Job(page, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self._feed()
        return await job.done

    # --- batches -------------------------------------------------------------------------------------------------

    def idle(self, child: _Child) -> None:
        """Note that a process can take a batch."""
        self._false_starts = 0
        if child.slow:
            child.hang_up()     # it can not be made quick again, and has its successor
            return
        self._idle.append(child)
        self._feed()

    def slowed(self, child: _Child) -> None:
        """Give the pages of a slow process to others as well: reading twice harms nobody, and one bad page holds up no good ones."""
        if len(child.jobs) > 1:
            again = [*self._alone, *(job for job in child.jobs if not job.done.done())]
            self._alone = deque(sorted(again, key=lambda job: len(job.page.body)))      # what takes long is seldom small
        self._spawn_if_wanted()
        self._feed()

    def _feed(self) -> None:
        while self._idle and (jobs := self._next()):
            self._idle.pop().work(jobs)

    def _next(self) -> list[_Job]:
        """Return the next batch: a suspect alone, or whatever has piled up."""
        while self._alone:
            job = self._alone.popleft()
            if not job.done.done():
                return [job]
        jobs: list[_Job] = []
        size = 0
        while self._waiting and len(jobs) < self._batch and (not jobs or size + len(self._waiting[0].page.body) <= self._batch_bytes):
            if jobs and len(self._waiting[0].page.body) > LARGE:
                break
            job = self._waiting.popleft()
            if not job.done.done():
                jobs.append(job)
                size += len(job.page.body) if len(job.page.body) <= LARGE else self._batch_bytes
        return jobs

    # --- processes -----------------------------------------------------------------------------------------------

    def _spawn_if_wanted(self) -> None:
        """Keep as many quick processes as there are to be, as far as slow ones leave room for it."""
        quick = self._starting + sum(not child.slow for child in self._children)
        if quick < self._processes and self._starting + len(self._children) < (1 + SPARES) * self._processes:
            self._spawn()

    def _spawn(self) -> None:
        self._starting += 1
        task = asyncio.create_task(self._start())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            process, line = await loop.run_in_executor(self._threads, _launch, self.deadline)
        except OSError as error:
            self._give_up(f"a parser process cannot be started: {error.strerror or error}")
            return
        finally:
            self._starting -= 1
        child = _Child(self, process)
        self._children.add(child)
        await loop.connect_accepted_socket(lambda: child, line)
        if self._config is not None:
            child.configure(self._config)
        if self._closing:
            child.hang_up()

    def lost(self, child: _Child) -> None:
        """Replace a process that is gone; its pages are repeated one by one, a page that was alone has had its chance."""
        if self._closing:
            return
        self._children.discard(child)
        if child in self._idle:
            self._idle.remove(child)
        task = asyncio.create_task(self._reap(child.process))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        jobs, child.jobs = child.jobs, ()
        for job in jobs:
            if len(jobs) == 1 or not child.slow:        # the pages of a slow batch were given to others
                self._blame(job, alone=len(jobs) == 1, overran=child.overran)
        self._false_starts += not child.ready
        if self._false_starts > 3 * self._processes:
            self._give_up("parser processes end before they are ready")
            return
        self._spawn_if_wanted()
        self._feed()

    def _blame(self, job: _Job, *, alone: bool, overran: bool) -> None:
        job.deaths += alone
        if alone and overran:
            self._condemn(job, f"reading its links took more than {self.deadline * patience([job.page]):g} s")
        elif job.deaths >= LIVES:
            self._condemn(job, f"reading its links ended {LIVES} parser processes")
        else:
            self._alone.append(job)

    def _condemn(self, job: _Job, why: str) -> None:
        if not job.done.done():
            job.done.set_result(Parsed(fault=why))

    def _give_up(self, what: str) -> None:
        self._failure = CrawlError(what, "Try fewer --parsers, or more memory; crawler doctor tells what is missing.")
        for job in (*self._waiting, *self._alone):
            if not job.done.done():
                job.done.set_exception(self._failure)
        self._waiting.clear()
        self._alone.clear()

    async def _reap(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        await asyncio.get_running_loop().run_in_executor(self._threads, process.wait)


def processor_time(pid: int) -> float:
    """Return the seconds of processor time that a process has used; endless where the system does not tell."""
    if sys.platform != "linux":
        return float("inf")
    try:
        return time.clock_gettime((~pid << 3) | 2)      # its CPU clock (linux/posix-timers.h: CPUCLOCK_SCHED)
    except OSError:
        return float("inf")


def _launch(deadline: float) -> tuple[subprocess.Popen[bytes], socket.socket]:
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


def _bury(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process whose line is closed; a busy one is not waited for."""
    try:
        process.wait(0.5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
