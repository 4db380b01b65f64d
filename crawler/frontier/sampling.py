"""How a crawl went over time: its counters as rows of `sample`, by the one writer and within bounds.

A row that is due rides in whatever transaction comes next; only where none comes for a while it gets a small one of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from crawler.clock import Clock
from crawler.core.model import State
from crawler.finishing import finish
from crawler.frontier.sqlite import SqliteFrontier
from crawler.frontier.writing import Writer

OFTEN, OFTEN_FOR, SELDOM = 10.0, 3600.0, 60.0
"""Seconds between two rows in the first hour of a run, how long that is, and seconds between two later ones."""
PATIENCE = 2.0
"""Seconds that a row which is due waits for somebody else's transaction."""
KEPT = 2_000
"""Rows of one earlier run that are kept: its first hour has 360, a day 1,740. Two of them lie 20 minutes apart after a month."""

_ADD = """
INSERT INTO sample (at, run_id, pages, errors, queued, done, failed, excluded, wire_bytes)
SELECT max(?, coalesce((SELECT max(at) FROM sample), 0) + 1), ?, ?, ?, ?, ?, ?, ?, ?"""
_RUN_BEFORE = """
SELECT run_id, started_at FROM run WHERE run_id = (SELECT run_id FROM sample WHERE run_id < ? ORDER BY at DESC LIMIT 1)"""
_OF_RUN = "SELECT count(*), min(at), max(at) FROM sample WHERE run_id = ? AND at >= ?"
_THIN = """
DELETE FROM sample WHERE run_id = :run AND at > :first AND at < :last
  AND at NOT IN (SELECT min(at) FROM sample WHERE run_id = :run AND at >= :first GROUP BY (at - :first) / :step)"""


class Sampler:
    """Knows when the next row is due. `received` tells the bytes that this run has received."""

    def __init__(self, frontier: SqliteFrontier, *, clock: Clock, received: Callable[[], int]) -> None:
        self._frontier = frontier
        self._clock = clock
        self._received = received
        self._began = self._last = clock.now()

    def __repr__(self) -> str:
        return f"<Sampler next in {self.wait:.1f} s>"

    @property
    def wait(self) -> float:
        """Seconds until a row is due; not above zero when it is."""
        return self._last + (OFTEN if self._last - self._began < OFTEN_FOR else SELDOM) - self._clock.now()

    async def begin(self) -> None:
        """Write the first row of a run, and be heard in the transactions of all others."""
        await self._thin()
        await self.note()
        self._frontier.writer.ride = self.ride

    async def ride(self, writer: Writer) -> None:
        """Add a row to the transaction that is open, if one is due."""
        if self.wait <= 0:
            await self._add(writer)

    async def note(self) -> None:
        """Write a row now, in a transaction of its own."""
        async with self._frontier.exclusive(), self._frontier.writer.transaction():
            await self._add(self._frontier.writer)

    async def run(self) -> None:
        """Write what is due and finds no other transaction; for ever, end it by cancelling."""
        while True:
            await asyncio.sleep(max(self.wait, 0.0) + PATIENCE)
            if self.wait <= 0:
                await finish(self.note())

    async def _thin(self) -> None:
        """Leave the latest earlier run a bounded number of rows, evenly spread over its time; the runs before it had their turn."""
        writer = self._frontier.writer
        for run, started in list(await writer.db.execute_fetchall(_RUN_BEFORE, (writer.run_id,))):
            [(count, first, last)] = await writer.db.execute_fetchall(_OF_RUN, (run, started))
            if count > KEPT:
                step = (last - first) // (KEPT - 1) + 1
                async with writer.transaction():
                    await writer.db.execute(_THIN, {"run": run, "first": first, "last": last, "step": step})

    async def _add(self, writer: Writer) -> None:
        self._last = self._clock.now()
        totals = [writer.totals.get(state, 0) for state in (State.QUEUED, State.DONE, State.FAILED, State.EXCLUDED)]
        row = (round(self._last * 1000), writer.run_id, writer.pages, writer.errors, *totals, self._received())
        await writer.db.execute(_ADD, row)
