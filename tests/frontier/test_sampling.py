"""The rows that tell how a crawl went over time: when they are written, in whose transaction, and how many are kept."""

from __future__ import annotations

import asyncio
import contextlib
import itertools

import pytest

from crawler.core.model import Kind, Request
from crawler.frontier import sampling
from crawler.frontier.ledger import Ledger
from crawler.frontier.sampling import KEPT, Sampler
from crawler.frontier.sqlite import SqliteFrontier

START = 1_800_000_000.0


class Clock:
    """A clock that is set."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def frontier(tmp_path):
    async with SqliteFrontier.open(tmp_path / "crawl.db", durability="normal") as frontier:
        yield frontier


async def begin(frontier: SqliteFrontier, clock: Clock) -> Sampler:
    """Begin a run, as the engine does."""
    await Ledger(frontier).begin(now=clock.at, version="1", argv="", settings={}, sources=(), repeated=0, unjudged=False)
    sampler = Sampler(frontier, clock=clock, received=lambda: round(clock.at - START))
    await sampler.begin()
    return sampler


async def add(frontier: SqliteFrontier, path: str) -> None:
    """Make a transaction that has something else to write."""
    await frontier.add([Request(f"http://h.test/{path}", "http://h.test", "h.test", Kind.SEED, 0, 0)])


async def rows(frontier: SqliteFrontier, columns: str = "at / 1000.0") -> list[tuple]:
    return [tuple(row) for row in await frontier.writer.db.execute_fetchall(f"SELECT {columns} FROM sample ORDER BY at")]


async def test_a_row_rides_in_the_next_transaction_once_ten_seconds_have_passed(frontier, clock):
    """It counts what that transaction writes too."""
    await begin(frontier, clock)
    for second, path in ((9.9, "a"), (10.0, "b"), (10.1, "c"), (25.0, "d")):
        clock.at = START + second
        await add(frontier, path)

    assert [(0.0, 0, 0), (10.0, 2, 10), (25.0, 4, 25)] == await rows(frontier, f"at / 1000.0 - {START}, queued, wire_bytes")


async def test_after_an_hour_a_row_a_minute_is_enough(frontier, clock):
    await begin(frontier, clock)
    for second in (3599, 3609, 3619, 3668.9, 3669.1):
        clock.at = START + second
        await add(frontier, str(second))

    assert [0, 3599, 3609, 3669.1] == [pytest.approx(at - START) for (at,) in await rows(frontier)]


async def test_two_rows_of_the_same_moment_are_two_rows(frontier, clock):
    """A run that ends in the millisecond in which it began; the moment is the key."""
    sampler = await begin(frontier, clock)
    await sampler.note()
    clock.at -= 3600        # what the machine took for the time was put right between two runs
    await begin(frontier, clock)

    assert [(1, 0), (1, 1), (2, 2)] == await rows(frontier, f"run_id, at - {round(START * 1000)}")


async def test_a_row_that_finds_no_transaction_gets_its_own(frontier, clock, monkeypatch):
    """While every host rests nothing is committed."""
    monkeypatch.setattr(sampling, "OFTEN", 0.01)
    monkeypatch.setattr(sampling, "PATIENCE", 0.0)
    sampler = await begin(frontier, clock)
    written = asyncio.Event()
    note = sampler.note

    async def noting() -> None:
        await note()
        written.set()

    monkeypatch.setattr(sampler, "note", noting)
    running = asyncio.create_task(sampler.run())
    clock.at += 10
    await asyncio.wait_for(written.wait(), 5)
    running.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await running

    assert [START, START + 10] == [at for (at,) in await rows(frontier)]


async def test_a_long_run_is_thinned_when_the_next_begins(frontier, clock):
    """Evenly over its time, its first and last row kept; a short one is left alone."""
    await begin(frontier, clock)
    first, many = round(START * 1000), 5 * KEPT
    values = [(first + number * 60_000,) for number in range(1, many + 1)]
    await frontier.writer.db.executemany("INSERT INTO sample VALUES (?, 1, 0, 0, 0, 0, 0, 0, 0)", values)
    clock.at = START + 60 * many + 1
    await begin(frontier, clock)
    kept = [at for at, run in await rows(frontier, "at, run_id") if run == 1]
    gaps = {(b - a) // 60_000 for a, b in itertools.pairwise(kept[:-1])}
    clock.at += 10
    await begin(frontier, clock)

    assert len(kept) <= KEPT
    assert (first, first + many * 60_000) == (kept[0], kept[-1])
    assert {5, 6} >= gaps
    assert len(kept) + 2 == len(await rows(frontier))


async def test_a_transaction_that_fails_takes_its_row_with_it(frontier, clock):
    """A row must not speak of what never became true."""
    await begin(frontier, clock)
    clock.at += 10
    with pytest.raises(RuntimeError, match="no"):
        async with frontier.writer.transaction():
            await frontier.writer.ride(frontier.writer)
            raise RuntimeError("no")

    assert [START] == [at for (at,) in await rows(frontier)]
