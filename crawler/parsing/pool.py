"""Parser processes under one roof: batches without a timer, a deadline for each, and no page costs more than itself.

What piled up while a process was busy is its next batch (as in group commit). A batch that overruns its deadline costs its
process: killed with SIGKILL, because nothing else ends a loop inside C, and replaced; its pages are repeated one by one, so
that the culprit is found and the others are not lost. An own pool, because pebble's breaks when an idle worker dies and
needs three seconds more for a hang in C (see docs/decisions).
"""

from __future__ import annotations

import asyncio
import subprocess
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from crawler.core.documents import is_plain, reading_of
from crawler.core.model import NOTHING_PARSED, Parsed
from crawler.folder import CrawlError
from crawler.parsing.config import Config
from crawler.parsing.process import Child, Job, bury, start
from crawler.parsing.wire import Page, patience

DEADLINE = 2.0
SPARES = 2
"""Processes beyond the usual ones, for each of them, that may stand in for slow ones."""
LARGE = 256 * 1024
"""Bytes of a page from which it is read by itself, so that nothing waits behind it."""
LIVES = 2
"""Processes that one page may end before it counts as unreadable."""


class ParserPool:
    """Reads pages in processes of their own. An async context manager; nothing is left of it afterwards."""

    def __init__(self, *, processes: int, deadline: float = DEADLINE, batch: int = 16, batch_bytes: int = 1 << 20) -> None:
        self.deadline = deadline
        self._processes = processes
        self._batch = batch
        self._batch_bytes = batch_bytes
        self._config: Config | None = None
        self._children: set[Child] = set()
        self._idle: list[Child] = []
        self._waiting: deque[Job] = deque()
        self._alone: deque[Job] = deque()      # pages of a batch that went wrong: one by one
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
        await asyncio.gather(*(loop.run_in_executor(self._threads, bury, child.process) for child in children))
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
        job = Job(page, asyncio.get_running_loop().create_future())
        self._waiting.append(job)
        self._feed()
        return await job.done

    # --- batches -------------------------------------------------------------------------------------------------

    def idle(self, child: Child) -> None:
        """Note that a process can take a batch."""
        self._false_starts = 0
        if child.slow:
            child.hang_up()     # it can not be made quick again, and has its successor
            return
        self._idle.append(child)
        self._feed()

    def slowed(self, child: Child) -> None:
        """Give the pages of a slow process to others as well: reading twice harms nobody, and one bad page holds up no good ones."""
        if len(child.jobs) > 1:
            again = [*self._alone, *(job for job in child.jobs if not job.done.done())]
            self._alone = deque(sorted(again, key=lambda job: len(job.page.body)))      # what takes long is seldom small
        self._spawn_if_wanted()
        self._feed()

    def _feed(self) -> None:
        while self._idle and (jobs := self._next()):
            self._idle.pop().work(jobs)

    def _next(self) -> list[Job]:
        """Return the next batch: a suspect alone, or whatever has piled up."""
        while self._alone:
            job = self._alone.popleft()
            if not job.done.done():
                return [job]
        jobs: list[Job] = []
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
            process, line = await loop.run_in_executor(self._threads, start, self.deadline)
        except OSError as error:
            self._give_up(f"a parser process cannot be started: {error.strerror or error}")
            return
        finally:
            self._starting -= 1
        child = Child(self, process)
        self._children.add(child)
        await loop.connect_accepted_socket(lambda: child, line)
        if self._config is not None:
            child.configure(self._config)
        if self._closing:
            child.hang_up()

    def lost(self, child: Child) -> None:
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

    def _blame(self, job: Job, *, alone: bool, overran: bool) -> None:
        job.deaths += alone
        if alone and overran:
            self._condemn(job, f"reading its links took more than {self.deadline * patience([job.page]):g} s")
        elif job.deaths >= LIVES:
            self._condemn(job, f"reading its links ended {LIVES} parser processes")
        else:
            self._alone.append(job)

    def _condemn(self, job: Job, why: str) -> None:
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
