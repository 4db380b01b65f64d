"""A recrawl in a run: queues in the background what is old enough, and knows when all of it has been asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from crawler.core.metrics import Outcome
from crawler.core.revisits import Age
from crawler.core.settings import Settings
from crawler.engine.feeder import Feeder
from crawler.finishing import finish
from crawler.frontier.recrawling import Recrawl, close_recrawl, open_recrawl, revisit
from crawler.frontier.sqlite import SqliteFrontier
from crawler.hooks import Hooks, Notice


class Recrawling:
    """The recrawl of one run, if there is one; `bool` tells."""

    def __init__(self, frontier: SqliteFrontier, hooks: Hooks) -> None:
        self._frontier = frontier
        self._hooks = hooks
        self._recrawl: Recrawl | None = None
        self._queued = 0

    def __bool__(self) -> bool:
        return self._recrawl is not None

    async def open(self, age: Age | None, *, now: float, first: bool) -> None:
        """Begin a recrawl, or go on with the one that is not over; in a crawl's first run there is nothing to ask again."""
        self._recrawl = None if first else await open_recrawl(self._frontier, age, now=now)

    def attach(self, feeder: Feeder, settings: Settings) -> None:
        """Let the feeder wait for what comes, and take known pages first where their number is limited."""
        if self._recrawl is not None:
            feeder.expecting += 1
            feeder.revisiting = settings.max_pages is not None

    async def run(self, *, queued: Callable[[], None], ending: Callable[[], bool]) -> None:
        """Queue what is old enough, batch by batch, and say how much that was; a stop leaves the rest to the next run."""
        recrawl = self._recrawl
        if recrawl is None:
            return
        if recrawl.last != 0:
            await self._hooks.send(Notice(f"goes on with the recrawl that began at {_utc(recrawl.began)}"))
        while recrawl.last is not None and not ending():
            reached, more = await finish(revisit(self._frontier, recrawl))
            self._recrawl = recrawl = reached
            self._queued += more
            queued()
        if recrawl.last is None and self._queued:
            urls = "1 URL is" if self._queued == 1 else f"{self._queued:,} URLs are"
            await self._hooks.send(Notice(f"{urls} asked again"))

    async def close(self, outcome: Outcome, *, full: bool) -> None:
        """End the recrawl when all that it queued has been asked, but for hosts that are put off; else the next run goes on with it."""
        over = outcome in ("finished", "parked") or (outcome == "limit" and full)
        if self._recrawl is not None and self._recrawl.last is None and over:
            await close_recrawl(self._frontier)


def _utc(moment: float) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
