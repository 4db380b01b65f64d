"""The one way out: whatever piled up while the last commit ran is the next transaction. No timer, no waiting.

Bodies are durable before the rows that name them; only after both is anything counted, told or forgotten.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from crawler.archive.files import FileArchive
from crawler.clock import Clock
from crawler.core.metrics import Fold
from crawler.core.model import Barred, Fetched, Kind, Outcome, Place, Redirected, Reply, RobotsRead, State
from crawler.core.schedule import Schedule
from crawler.engine.archiving import Recorder
from crawler.engine.recording import Landed, body_of, is_gone, is_new, is_page, is_unchanged, settled_of, word_of
from crawler.fetch.cookies import SiteJar
from crawler.finishing import finish
from crawler.frontier import HostState, Settled
from crawler.frontier.sqlite import SqliteFrontier
from crawler.hooks import Hooks, PageStored, PageUnchanged, RequestFailed

BATCH = 100
"""Outcomes in one transaction, at the most."""
BACKLOG = 100
"""Outcomes that may wait for the committer."""
BACKLOG_BYTES = 64 * 1024 * 1024


class Committer:
    """Takes outcomes in landing order and makes them true."""

    def __init__(
        self, *, frontier: SqliteFrontier, archive: FileArchive, schedule: Schedule, fold: Fold, hooks: Hooks, clock: Clock,
        committed: Callable[[bool], None], jar: SiteJar | None = None, recorder: Recorder | None = None,
    ) -> None:  # fmt: skip
        self._frontier = frontier
        self._archive = archive
        self._schedule = schedule
        self._fold = fold
        self._hooks = hooks
        self._clock = clock
        self._committed = committed
        self._jar = jar
        self._recorder = recorder
        self._landed: deque[Landed] = deque()
        self._bytes = 0
        self._something = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.pages_waiting = 0
        """Pages of URLs that had none, landed and not durable yet."""
        self.unsettled = 0
        """Outcomes that have landed and are not durable yet."""

    async def take(self, landed: Landed) -> None:
        """Take in an outcome; waits while too much waits for the disk."""
        while not self._room.is_set():
            await self._room.wait()
        self.take_nowait(landed)

    def take_nowait(self, landed: Landed) -> None:
        """Take in an outcome at once: a refusal, that has no body."""
        self._landed.append(landed)
        self._bytes += landed.size
        self.unsettled += 1
        self.pages_waiting += is_new(landed.outcome)
        if len(self._landed) >= BACKLOG or self._bytes >= BACKLOG_BYTES:
            self._room.clear()
        self._something.set()

    async def run(self) -> None:
        """Commit for ever; end by cancelling it while nothing is unsettled."""
        while True:
            await self._something.wait()
            batch = [self._landed.popleft() for _ in range(min(BATCH, len(self._landed)))]
            self._bytes -= sum(landed.size for landed in batch)
            if not self._landed:
                self._something.clear()
            self._room.set()
            if batch:
                await finish(self._commit(batch))

    async def _commit(self, batch: list[Landed]) -> None:
        bodies = [body for landed in batch if (body := body_of(landed.outcome)) is not None]
        stored = await self._frontier.stored_bodies({body.digest for body in bodies}) if bodies else {}
        places: list[Place | None] = [None] * len(batch)
        if self._recorder is not None:
            places = await self._recorder.record(batch, stored)
        else:
            await self._archive.flush(bodies, stored=stored)
        now = self._clock.now()
        hosts: dict[int, HostState] = {}
        settled = [settled_of(landed, self._host(landed, hosts, now), stored, place) for landed, place in zip(batch, places, strict=True)]
        cookies = self._jar.take_changes() if self._jar is not None else []
        refused = await self._frontier.commit(settled, cookies)
        if self._jar is not None:
            self._jar.written(cookies)
        if refused:
            raise RuntimeError(f"the frontier refused outcomes of leases {sorted(refused)}")
        elsewhere = self._count(batch, now)
        if self._hooks.heard:
            await self._tell(batch, settled)
        self._committed(elsewhere)

    def _host(self, landed: Landed, hosts: dict[int, HostState], now: float) -> HostState:
        request = landed.outcome.request
        state = hosts.get(request.host_id)
        if state is None:
            memory = self._schedule.memory(request.host_id, now)
            state = hosts[request.host_id] = HostState(
                request.host_id, request.host, memory.next_at, memory.pace, memory.failures, memory.rest_reason, memory.parked
            )
        return state

    def _count(self, batch: list[Landed], now: float) -> bool:
        """Count a batch that is durable; return whether hosts that are not in hand got URLs."""
        new = read = received = 0
        for landed in batch:
            outcome = landed.outcome
            self._schedule.settled(outcome.request)
            new += is_new(outcome)
            read += self._revisited(outcome) or is_page(outcome)
            reply = _reply(outcome)
            if reply is not None:
                received += reply.wire_bytes
                self._fold.answered(reused=reply.reused)
            self._note(landed)
            if isinstance(outcome, Redirected):
                self._schedule.hurry(outcome.request.host_id)
        self.unsettled -= len(batch)
        self.pages_waiting -= new
        self._fold.settled(now, read, received)
        return self._schedule.stirred(self._frontier.grown_hosts())

    def _revisited(self, outcome: Outcome) -> bool:
        """Count what became of a page that there was; return whether it is what it was."""
        unchanged = is_unchanged(outcome)
        if outcome.request.kept is not None:
            self._fold.revisited(unchanged=unchanged, changed=is_page(outcome) and not unchanged, gone=is_gone(outcome))
        return unchanged

    def _note(self, landed: Landed) -> None:
        outcome = landed.outcome
        if isinstance(outcome, Barred):
            self._fold.skip(outcome.reason.value)
        elif outcome.request.kind is not Kind.ROBOTS and landed.next.state != State.QUEUED:
            word = word_of(outcome)
            if word is not None:
                self._fold.error(word)

    async def _tell(self, batch: list[Landed], settled: list[Settled]) -> None:
        for landed, entry in zip(batch, settled, strict=True):
            outcome = landed.outcome
            if landed.void:
                continue        # it never happened
            if is_unchanged(outcome):
                answer = _reply(outcome)
                await self._hooks.send(PageUnchanged(outcome.request.url, answer.status if answer else 0, outcome.request.depth))
            elif isinstance(outcome, Fetched) and is_page(outcome):
                reply = outcome.reply
                file, size = (None, 0) if entry.body is None else (entry.body.file, entry.body.size)
                title = outcome.parsed.title
                await self._hooks.send(PageStored(outcome.request.url, reply.status, reply.mime, size, file, outcome.request.depth, title))
            elif (word := word_of(outcome)) is not None and not isinstance(outcome, RobotsRead):
                attempt = entry.attempt
                status = None if attempt is None else attempt.status
                fault = None if attempt is None or attempt.fault is None else attempt.fault.value
                final = landed.next.state != State.QUEUED
                detail = attempt.detail if attempt is not None else word
                await self._hooks.send(RequestFailed(outcome.request.url, status, fault, detail, final))


def _reply(outcome: Outcome) -> Reply | None:
    return None if isinstance(outcome, Barred) else outcome.reply
