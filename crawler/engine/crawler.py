"""A crawl from start to end: opens everything, runs feeder, workers and committer, and closes everything in order.

Stop means: stop feeding. What is in flight may land within a grace, is committed, and the same command goes on.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shlex
import signal
import sqlite3
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import aiofiles.os
import msgspec

import crawler
from crawler.archive.cdxj import write_index
from crawler.archive.files import FileArchive
from crawler.archive.warc import WarcArchive
from crawler.clock import Clock, SystemClock
from crawler.core import policy
from crawler.core.metrics import Fold, Snapshot, Summary
from crawler.core.metrics import Outcome as RunOutcome
from crawler.core.model import (
    NETWORK_FAULTS,
    Failed,
    Fetched,
    Redirected,
    Request,
    RobotsRead,
    State,
    Visited,
)
from crawler.core.policy import Next
from crawler.core.schedule import Schedule
from crawler.core.seeds import Seed, Source
from crawler.core.settings import Settings
from crawler.engine import telling
from crawler.engine.archiving import Recorder, close_left_open, said
from crawler.engine.bounds import Bounds, Running, decide_alike, remembered
from crawler.engine.committer import BACKLOG, BATCH, Committer
from crawler.engine.feeder import Feeder
from crawler.engine.looking import Lookout
from crawler.engine.network import Network
from crawler.engine.novelty import Novelty
from crawler.engine.recording import Landed
from crawler.engine.recrawling import Recrawling
from crawler.engine.steering import MOST_WORKERS, Steering
from crawler.engine.trial import refuse_slow_patterns
from crawler.engine.visiting import Visitor
from crawler.fetch.client import Fetcher
from crawler.fetch.cookiefile import read_cookie_file
from crawler.fetch.cookies import SiteJar
from crawler.fetch.routes import Routes, need_extra
from crawler.finishing import finish
from crawler.folder import DATABASE, StorageError, held
from crawler.frontier import editing
from crawler.frontier.ledger import Ledger, Past
from crawler.frontier.sampling import Sampler
from crawler.frontier.sqlite import SqliteFrontier
from crawler.frontier.volumes import Volumes
from crawler.hooks import Hooks, HostRested, Progress, RunEnded, RunStarted, Stopping
from crawler.parsing.pool import ParserPool

Door = Callable[[Steering], AbstractAsyncContextManager[object]]
"""Opens a way by which the running crawl can be steered, for as long as it runs."""
GRACE = 10.0
"""Seconds that requests in flight have to land after a stop."""
PROGRESS_EVERY = 0.2
MOST_WRONG = 40
"""Kinds of errors that are told while a crawl runs."""
PRODUCT = "steadycrawl"
"""The product token that robots.txt addresses us by."""


class Crawler:
    """One crawl of one output folder. `run` it once; `stop` it from a signal handler."""

    def __init__(
        self,
        settings: Settings,
        *,
        output: Path,
        seeds: Sequence[Seed] = (),
        sources: Sequence[Source] = (),
        hooks: Hooks | None = None,
        argv: Sequence[str] = (),
        clock: Clock | None = None,
        door: Door | None = None,
    ) -> None:
        self._settings = settings
        self._output = output
        self._seeds = seeds
        self._sources = sources
        self._hooks = hooks or Hooks()
        self._argv = argv
        self._clock = clock or SystemClock()
        self._door = door
        self._workers: list[asyncio.Task[None]] = []
        self._lookout = Lookout(self._hooks if door else None)
        self._ending = False
        self._stops = 0
        self._received = 0
        self._signal: int | None = None
        self._dropped = 0
        self._parked: list[tuple[str, str, int]] = []
        self._deadline: float | None = None

    def stop(self, signum: int) -> None:
        """Stop feeding; called again, drop what is in flight."""
        self._stops += 1
        self._signal = self._signal or signum
        if hasattr(self, "_feeder"):
            self._feeder.stir()

    async def run(self) -> Summary:
        """Crawl until there is nothing more to do. Raises the subclasses of CrawlError."""
        await asyncio.to_thread(self._prepare)
        await refuse_slow_patterns(self._settings, [seed.url for seed in self._seeds])
        lock = held(self._output)
        await asyncio.to_thread(lock.__enter__)
        try:
            async with AsyncExitStack() as stack:
                return await self._run(stack)
        except sqlite3.OperationalError as error:
            raise StorageError(
                f"cannot write to {self._output / DATABASE}: {error}",
                "Try freeing space, then run the same command again.",
            ) from error
        finally:
            lock.__exit__(None, None, None)

    def _prepare(self) -> None:
        """Read the files that settings name, before anything is made or held. Raises WrongSettings."""
        settings = self._settings
        if settings.pdf:
            need_extra("pdf", "pypdf", "--pdf")
        self._routes = Routes(settings)
        self._cookie_file = None if settings.cookies in ("on", "off") else read_cookie_file(Path(settings.cookies))

    # --- setting up ----------------------------------------------------------------------------------------------

    async def _run(self, stack: AsyncExitStack) -> Summary:
        settings = self._settings
        past = await self._open(stack)
        started, pages_before = self._clock.now(), self._frontier.pages
        unjudged = past.resumed and (past.unjudged or not decide_alike(past.settings, remembered(settings)))
        await self._ledger.begin(
            now=started, version=crawler.__version__, argv=shlex.join(self._argv), settings=remembered(settings),
            sources=self._sources or past.sources, repeated=settings.concurrency + BATCH + BACKLOG, unjudged=unjudged,
        )  # fmt: skip
        async with self._frontier.writer.transaction():
            await self._frontier.writer.index.begin(wanted=settings.index == "text")
        await editing.remove_forgotten(self._frontier, self._output)
        self._recrawling = Recrawling(self._frontier, self._hooks)
        await self._recrawling.open(settings.recrawl, now=started, first=not past.resumed)
        self._bounds = Bounds(settings, frontier=self._frontier, ledger=self._ledger, hooks=self._hooks, agent=PRODUCT)
        new = await self._bounds.sow(self._seeds, unjudged=unjudged or past.resumed)
        self._sampler = Sampler(self._frontier, clock=self._clock, received=lambda: self._received)
        await self._sampler.begin()
        self._fold = Fold(started)
        await self._wire(stack, started, past)
        statistics = await self._frontier.statistics()
        await self._hooks.send(
            RunStarted(
                str(self._output), past.resumed, pages_before, statistics.queued, past.clean, 0 if past.clean else past.repeated,
                self._bounds.seeds, len(new) if past.resumed else 0,
            )
        )  # fmt: skip
        return await self._crawl(started, unjudged=unjudged or (past.resumed and bool(new)))

    async def _open(self, stack: AsyncExitStack) -> Past:
        """Open the archive and the frontier, and put right what a run that was killed has left; return what came before."""
        settings = self._settings
        durable, min_free = settings.durability == "full", settings.min_free
        if settings.save == "warc":
            self._archive: FileArchive = WarcArchive(self._output, durable=durable, min_free=min_free, said=said(settings))
        else:
            self._archive = FileArchive(self._output, durable=durable, min_free=min_free)
        stack.push_async_callback(self._archive.close)
        names = await asyncio.to_thread(self._archive.open)
        opening = SqliteFrontier.open(self._output / DATABASE, durability=settings.durability, links=settings.links)
        self._frontier = await stack.enter_async_context(opening)
        self._ledger = Ledger(self._frontier)
        past = await self._ledger.past()
        await asyncio.to_thread(self._archive.forget, await self._ledger.unborn(names))
        self._volumes = Volumes(self._frontier)
        await close_left_open(self._output, self._volumes, self._hooks)
        return past

    async def _wire(self, stack: AsyncExitStack, started: float, past: Past) -> None:
        """Put the parts together."""
        settings, frontier, clock, bounds = self._settings, self._frontier, self._clock, self._bounds
        jar = await self._jar()
        self._fetcher = await stack.enter_async_context(Fetcher.open(settings, bounds.guard, routes=self._routes, cookies=jar))
        self._novelty = Novelty(
            settings, scope=bounds.scope, ledger=self._ledger, hooks=self._hooks, clock=clock, changed=bounds.changed, spawn=self._spawn,
        )  # fmt: skip
        if settings.undamp:
            await self._ledger.forget_patterns(settings.undamp)
        await self._novelty.restore()
        self._parsers = ParserPool(processes=settings.parsers or _processes())
        self._parsers.configure(bounds.config())
        await stack.enter_async_context(self._parsers)
        self._queue: asyncio.Queue[Request] = asyncio.Queue(maxsize=max(settings.concurrency, MOST_WORKERS))
        not_before = 0.0 if past.clean else started
        self._schedule = Schedule(settings, agent=PRODUCT, not_before=not_before)
        archive = self._archive
        recorder = Recorder(settings, archive=archive, volumes=self._volumes) if isinstance(archive, WarcArchive) else None
        self._committer = Committer(
            frontier=frontier, archive=archive, schedule=self._schedule, fold=self._fold, hooks=self._hooks, clock=clock,
            committed=self._committed, jar=jar, recorder=recorder,
        )  # fmt: skip
        self._feeder = Feeder(
            settings, queue=self._queue, frontier=frontier, schedule=self._schedule, scope=bounds.scope, committer=self._committer,
            clock=clock, agent=PRODUCT, over=self._over,
        )  # fmt: skip
        self._visitor = Visitor(
            settings, fetcher=self._fetcher, archive=self._archive, parsers=self._parsers, schedule=self._schedule, scope=bounds.scope,
            secret=frontier.secret, clock=clock, adopted=bounds.adopted, hooks=self._hooks,
            jar=jar, cookies_of=frontier.cookies_of, is_no_page=frontier.is_no_page,
        )  # fmt: skip
        bounds.attach(Running(self._parsers, self._feeder, self._spawn, self._grown, lambda: self._ending))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        self._group.create_task(work)

    async def _jar(self) -> SiteJar | None:
        """Return the jar, which takes in a site's cookies when it is first asked."""
        if self._settings.cookies == "off":
            return None
        if self._cookie_file is not None:
            await self._ledger.take_cookie_file(*self._cookie_file)
        return SiteJar(clock=self._clock.now)

    # --- running -------------------------------------------------------------------------------------------------

    async def _crawl(self, started: float, *, unjudged: bool) -> Summary:
        self._started = started
        self._set_deadline()
        outcome: RunOutcome = "failed"
        try:
            async with asyncio.TaskGroup() as group:
                self._group = group
                background = self._begin(group, unjudged=unjudged)
                async with self._door(self._steering()) if self._door else contextlib.nullcontext():
                    await self._feeder.run()
                    await self._land(self._workers)
                await self._settle_all()
                for task in background:
                    task.cancel()
            await self._sampler.note()
            outcome = await self._outcome()
            await self._recrawling.close(outcome, full=self._feeder.full)
        except ExceptionGroup as group_error:
            raise group_error.exceptions[0] from group_error
        finally:
            clean = outcome != "failed" and self._dropped == 0
            with contextlib.suppress(*(() if clean else (sqlite3.Error,))):     # a full disk has been told already
                await self._ledger.end(outcome, now=self._clock.now(), clean=clean)
        await self._index()
        summary = telling.summary(
            self._clock.now(), outcome, self._fold, self._frontier, self._feeder, parked=self._parked, signum=self._signal,
            dropped=self._dropped, insecure=self._settings.insecure, recrawl=bool(self._recrawling),
        )  # fmt: skip
        await self._hooks.send(RunEnded(summary))
        return summary

    def _begin(self, group: asyncio.TaskGroup, *, unjudged: bool) -> list[asyncio.Task[None]]:
        """Begin everything but the feeder; return what goes on until the end of all else."""
        committing = group.create_task(self._committer.run())
        self._network = Network(
            fetcher=self._fetcher, schedule=self._schedule, ledger=self._ledger, hooks=self._hooks, clock=self._clock, group=group,
            settle=self._settle, stir=self._feeder.stir,
        )  # fmt: skip
        self._feeder.network = self._network
        if unjudged:
            self._bounds.judge_again()
        self._recrawling.attach(self._feeder, self._settings)
        if self._recrawling:
            group.create_task(self._revisit())
        self._hire()
        return [committing, group.create_task(self._tell_progress()), group.create_task(self._sampler.run())]

    async def _settle_all(self) -> None:
        """See to it that everything which has landed is durable."""
        await self._network.close()
        while self._committer.unsettled:
            await self._feeder.wait_stirred(1.0)
        await self._novelty.remember()
        await editing.remove_forgotten(self._frontier, self._output)

    def _set_deadline(self) -> None:
        self._deadline = None if self._settings.max_time is None else self._started + self._settings.max_time

    def _hire(self) -> None:
        """Have as many workers as requests may be in flight; those that are one too many have nothing to do."""
        more = self._settings.concurrency - len(self._workers)
        self._workers += [self._group.create_task(self._work(len(self._workers) + number)) for number in range(more)]

    async def _index(self) -> None:
        """Write the index of the WARC files that this run has added to; a second signal leaves it to `crawler cdxj`."""
        if isinstance(self._archive, WarcArchive) and self._archive.written:
            write = aiofiles.os.wrap(write_index)
            await finish(write(self._output, wanted=lambda: self._stops < 2, executor=self._archive.executor))

    def _over(self) -> str | None:
        """Say why nothing more is to be released, None while that is not so."""
        if self._stops:
            return "stop"
        if self._deadline is not None and self._clock.now() >= self._deadline:
            return f"{self._settings.max_time:g} s"
        most = self._settings.max_bytes
        if most is not None and self._received >= most:
            return f"{most:,} bytes"
        return None

    async def _work(self, number: int) -> None:
        """Visit, hand over, take the next."""
        while True:
            request = await self._queue.get()
            sent = self._clock.now()
            self._lookout.left(number, request, sent)
            outcome = await self._visitor.visit(request)
            self._lookout.landed(number)
            if not self._network.holds_back(outcome, sent):
                await self._committer.take(self._judge(outcome))
            self._feeder.landed(request)

    def _settle(self, late: Landed | Visited) -> None:
        """Settle what the network had held back."""
        self._committer.take_nowait(late if isinstance(late, Landed) else self._judge(late))

    def _judge(self, outcome: Visited) -> Landed:
        """Decide what becomes of a URL and its host; the host is rested at once, the rest is true after the commit."""
        now, schedule, host_id = self._clock.now(), self._schedule, outcome.request.host_id
        chance = random.random()  # noqa: S311 - spreads retries, guards nothing
        next_ = policy.after(outcome, self._settings, now=now, chance=chance)
        rest = next_.rest
        if outcome.reply is not None:
            self._received += outcome.reply.wire_bytes
        if isinstance(outcome, RobotsRead):
            rest = schedule.learn(outcome, now) or (None if schedule.is_dead(outcome.request) else rest)
            if outcome.text is not None and self._settings.sitemaps != "off":
                named = schedule.sitemaps(outcome.request)
                outcome = msgspec.structs.replace(outcome, offers=self._visitor.sitemaps(outcome.request, named))
        elif isinstance(outcome, Failed):
            broken = schedule.breaker(host_id, now, chance) if outcome.reply is None and outcome.fault in NETWORK_FAULTS else None
            if broken is not None:      # it is the host, so the URL loses no attempt
                next_, rest = Next(State.QUEUED, outcome.request.tries), broken
        if rest is not None:
            schedule.rest(host_id, rest, now)
            self._group.create_task(self._hooks.send(HostRested(outcome.request.host, rest.seconds, rest.why)))
        again = isinstance(outcome, Redirected) and self._visitor.is_circle(outcome)
        near = self._novelty.note(outcome) if isinstance(outcome, Fetched) else None
        return Landed(outcome, next_, now, again, schedule.crawl_delay(host_id), near)

    def _committed(self, elsewhere: bool) -> None:  # noqa: FBT001 - a callback that is told one thing
        """Note a commit; *elsewhere*: hosts that are not in hand got URLs."""
        self._fold.frontier(self._clock.now(), self._frontier.queued)
        if elsewhere:
            self._feeder.look()
        self._feeder.stir()

    async def _revisit(self) -> None:
        """Queue in the background what a recrawl asks again."""
        await self._recrawling.run(queued=self._grown, ending=lambda: self._ending)
        self._feeder.expected()

    def _grown(self) -> None:
        """Note that URLs were queued by something else than a page."""
        self._committed(self._schedule.stirred(self._frontier.grown_hosts()))

    # --- steering ------------------------------------------------------------------------------------------------

    def _steering(self) -> Steering:
        return Steering(
            self, feeder=self._feeder, frontier=self._frontier, schedule=self._schedule, hooks=self._hooks, clock=self._clock,
            lookout=self._lookout, terminate=signal.SIGTERM,
        )  # fmt: skip

    @property
    def settings(self) -> Settings:
        """The settings as they are now."""
        return self._settings

    def wrong(self) -> Mapping[str, int]:
        """Return what went wrong how often in this run, the most frequent first."""
        return dict(self._fold.errors.most_common(MOST_WRONG))

    async def apply(self, settings: Settings) -> None:
        """Go by changed settings from now on; those that hold for the whole crawl are remembered."""
        self._settings = self._bounds.settings = settings
        self._feeder.reconfigure(settings)
        self._schedule.reconfigure(settings, self._clock.now())
        self._set_deadline()
        self._hire()
        await self._ledger.reconfigure(remembered(settings))

    def forget(self, rows: Collection[int]) -> None:
        """Compare no page any more with those that have been forgotten."""
        self._novelty.forget(rows)

    async def sow(self, seeds: Sequence[Seed]) -> int:
        """Take in further seeds; return how many are new. What was refused before may be let in by them, in the background."""
        return await self._bounds.add(seeds)

    async def exclude(self, pattern: str) -> None:
        """Leave out what matches a pattern from now on, and what waits of it in the background."""
        self._settings = msgspec.structs.replace(self._settings, exclude=(*self._settings.exclude, pattern))
        await self._bounds.change(self._settings)

    # --- stopping ------------------------------------------------------------------------------------------------

    async def _land(self, workers: Sequence[asyncio.Task[None]]) -> None:
        """Let what is in flight land; after a stop for ten seconds at most, after a second one not at all."""
        self._ending = True
        if self._stops:
            await self._hooks.send(Stopping(self._feeder.busy, GRACE, self._stops))
        until = asyncio.get_running_loop().time() + GRACE
        while self._feeder.busy and self._stops < 2:
            left = until - asyncio.get_running_loop().time() if self._stops else GRACE
            if left <= 0:
                break
            await self._feeder.wait_stirred(min(left, 1.0))
        self._dropped = self._feeder.busy
        for worker in workers:
            worker.cancel()
        if workers:
            await asyncio.wait(workers)

    async def _outcome(self) -> RunOutcome:
        if self._stops:
            return "stopped"
        if self._feeder.limit is not None:
            return "limit"
        self._parked = await self._frontier.parked()
        return "parked" if self._parked else "finished"

    async def _tell_progress(self) -> None:
        while self._hooks.heard:
            due = asyncio.get_running_loop().time() + PROGRESS_EVERY
            await asyncio.sleep(PROGRESS_EVERY)
            self._lookout.late(asyncio.get_running_loop().time() - due)
            await self._hooks.send(Progress(self.snapshot()))

    def snapshot(self) -> Snapshot:
        """Return where the crawl stands."""
        return telling.snapshot(
            self._clock.now(), self._settings, self._fold, self._frontier, self._schedule, self._feeder, stopping=bool(self._stops),
            down_since=self._network.since,
        )  # fmt: skip


def _processes() -> int:
    """Return how many parser processes this machine bears: on two processors two made 10 % more pages/s than one."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return processors if processors <= 2 else processors - 1
