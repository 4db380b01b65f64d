"""What the live page shows: one look at a crawl, from its socket while it runs and from its database at any time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from crawler import words
from crawler.control.client import Reply, Unanswered, Unwilling
from crawler.control.dialogue import ask
from crawler.core.metrics import Flying, HostView, Recent, Snapshot, View
from crawler.dashboard import verdict
from crawler.dashboard.desk import Desk
from crawler.dashboard.verdict import Level, Phase, Verdict
from crawler.folder import CrawlError, is_held
from crawler.query import standing
from crawler.query.reader import Reader
from crawler.query.status import Status, read_status
from crawler.text import encodable, safe

EVERY = 1.0
"""Seconds between two looks while somebody watches; nobody looks when nobody does."""
STATUS_EVERY, STATUS_SHARE = 3.0, 0.02
"""Seconds between two looks at the database, and the share of the time that they may take where it is large."""
PATIENCE = 5.0
"""Seconds in which a running crawl has to answer."""
_GROWTH = {1: "growing", 0: "steady", -1: "shrinking"}


class Tile(msgspec.Struct, frozen=True):
    """A number in words."""

    key: str
    label: str
    value: str
    note: str = ""
    level: str = ""
    """`warn` or `bad` where one should look."""


class Live(msgspec.Struct, frozen=True):
    """One look."""

    now: float
    """Unix seconds."""
    name: str
    folder: str
    phase: Phase
    phase_words: str
    level: Level
    verdict: str
    detail: str
    steerable: bool
    """A crawl runs that takes commands."""
    tiles: tuple[Tile, ...]
    numbers: dict[str, float]
    """For charts."""
    hosts: tuple[HostView, ...] = ()
    flying: tuple[Flying, ...] = ()
    latest: tuple[Recent, ...] = ()
    faults: tuple[Recent, ...] = ()
    wrong: dict[str, int] = {}
    settings: dict[str, object] = {}


class Looked(NamedTuple):
    """One look, and what it was made of."""

    at: float
    """Of the monotonic clock."""
    live: Live
    encoded: bytes
    status: Status | None
    """None where the database cannot be read."""
    reply: Reply | None
    """What the running crawl said, None where none answered."""


class Watch:
    """Looks at a crawl for all who watch: one look for any number of them."""

    def __init__(self, folder: Path, desk: Desk) -> None:
        self.folder = folder
        self.name = encodable(folder.resolve().name)
        self._desk = desk
        self._looking = asyncio.Lock()
        self._last: Looked | None = None
        self._status: Status | None = None
        self._status_due = 0.0
        self.searchable = False
        """There is an index to search, as far as is known."""

    async def look(self, *, fresh: bool = False) -> Looked:
        """Return a look that is no older than half the time between two of them; *fresh*: of now."""
        async with self._looking:
            if fresh:
                self._status_due = 0.0
            if fresh or self._last is None or time.monotonic() - self._last.at > EVERY / 2:
                self._last = await self._looked()
            return self._last

    async def follow(self) -> AsyncIterator[bytes]:
        """Yield looks as JSON, for ever. Whoever is slow to ask for the next one misses those between, and holds up nobody."""
        while True:
            yield (await self.look()).encoded
            await asyncio.sleep(EVERY)

    async def status(self) -> Status:
        """Return where the database says the crawl stands, a few seconds old at most."""
        began = time.monotonic()
        if self._status is None or began >= self._status_due:
            status, self.searchable = await self._desk.run(self._read)
            self._status = status
            took = time.monotonic() - began
            self._status_due = began + max(STATUS_EVERY, took / STATUS_SHARE)
        return self._status

    def _read(self) -> tuple[Status, bool]:
        with Reader.open(self.folder) as reader:
            index = reader.one("SELECT 1 FROM meta WHERE key = 'index'")
        return read_status(self.folder), index is not None

    async def _looked(self) -> Looked:
        reply: Reply | None = None
        try:
            reply = await ask(self.folder, {"command": "status", "closely": True}, PATIENCE)
        except (Unanswered, Unwilling):
            pass
        except CrawlError:      # nobody crawls: what was thought a moment ago may be over
            if self._status is not None and self._status.running:
                self._status_due = 0.0
        try:
            status = await self.status()
        except CrawlError as error:     # a crawl that has only just begun, or a folder that is gone
            begins = await self._desk.run(lambda: is_held(self.folder)) is not None
            live = _unreadable(self.name, self.folder, error, time.time(), begins=begins)
            return Looked(time.monotonic(), live, msgspec.json.encode(live), None, None)
        live = seen(self.name, self.folder, status, reply, time.time())
        return Looked(time.monotonic(), live, msgspec.json.encode(live), status, reply)


def seen(name: str, folder: Path, status: Status, reply: Reply | None, now: float) -> Live:
    """Return one look, from what the database says and, where a crawl runs, what it says of itself. Pure."""
    snapshot = None if reply is None else reply.snapshot
    view = None if reply is None else reply.view
    phase = verdict.phase_of(status, snapshot, paused=reply is not None and reply.paused)
    if reply is None or snapshot is None or view is None:
        said = verdict.at_rest(status, phase, now)
        tiles, numbers = _tiles_at_rest(status), _numbers_at_rest(status)
        view, settings = View((), (), (), (), {}, 0.0, 0), {}
    else:
        said = verdict.running(status, snapshot, view, phase)
        tiles, numbers = _tiles(status, snapshot, view), _numbers(status, snapshot, view)
        settings = reply.settings
        view = msgspec.structs.replace(view, hosts=(*view.hosts, *_not_in_hand(status, view.hosts, now)))
    return Live(
        now=now, name=name, folder=encodable(str(folder)), phase=phase, phase_words=_phase_words(status, snapshot, phase),
        level=said.level, verdict=said.words, detail=said.detail, steerable=snapshot is not None, tiles=tiles, numbers=numbers,
        hosts=view.hosts, flying=view.flying, latest=view.pages, faults=view.faults, wrong=view.wrong, settings=settings,
    )  # fmt: skip


def _unreadable(name: str, folder: Path, error: CrawlError, now: float, *, begins: bool) -> Live:
    """Return a look at a folder without a database to read; *begins*: a process holds it and is about to make one."""
    said = Verdict("waits", "The crawl begins") if begins else Verdict("trouble", encodable(error.message), encodable(error.hint))
    return Live(now, name, encodable(str(folder)), "unreachable", "no numbers yet", said.level, said.words, said.detail, False, (), {})


def _not_in_hand(status: Status, in_hand: tuple[HostView, ...], now: float) -> list[HostView]:
    """Return the hosts that rest longer than the crawl keeps them in hand, and those that are put off."""
    shown = {host.host for host in in_hand}
    found = {host.host: host for host in (*status.waiting.named, *status.waiting.parked, *status.top) if host.queued}
    return [
        HostView(
            host.host, host.queued, 0, host.gap, max(0.0, (host.next_at or now) - now), host.rest_reason or "", host.parked,
        )
        for name, host in found.items() if name not in shown
    ]  # fmt: skip


def _phase_words(status: Status, snapshot: Snapshot | None, phase: Phase) -> str:
    if snapshot is None:
        run = status.run
        return "" if run is None or run.ended is None else f"the last run took {words.span(run.ended - run.started)}"
    return f"{phase} for {words.span(snapshot.elapsed)}" if phase == "running" else f"{phase}, {words.span(snapshot.elapsed)} into the run"


def _tiles(status: Status, seen: Snapshot, view: View) -> tuple[Tile, ...]:
    wrong = sum(view.wrong.values())
    mostly = ", ".join(f"{times:,} × {safe(word)}" for word, times in list(view.wrong.items())[:2])  # noqa: RUF001 - the sign that is meant
    end, _, by = standing.when(status.eta).partition(", by ")
    known, until = end.startswith("in "), f"by {by}" if by else ""
    growth = "" if status.frontier is None else standing.TRENDS[status.frontier.trend]
    return (
        Tile("pages", "pages", f"{seen.pages:,}", f"{seen.run_pages:,} in this run"),
        Tile("speed", "pages a second", words.rate(seen.pages_per_second).removesuffix("/s"), "over ten seconds"),
        Tile("received", "received a second", words.size(seen.bytes_per_second), f"{words.size(seen.bytes)} in this run"),
        Tile("errors", "errors", f"{seen.errors:,}", mostly if seen.errors else "", "warn" if wrong and seen.errors else ""),
        Tile("waiting", "URLs waiting", f"{seen.queued:,}", growth or _GROWTH[seen.trend]),
        Tile("end", "to go", end.removeprefix("in ") if known else "no estimate", until if known else end.removeprefix("no estimate: ")),
        Tile("flight", "in flight", f"{seen.in_flight:,}", f"to {words.count(seen.hosts, 'host')} in hand"),
        Tile("lag", "event loop late by", f"{view.lag * 1000:,.0f} ms", "at most, lately", "bad" if view.lag > verdict.LATE else ""),
        Tile("memory", "memory", words.size(view.memory), "of the crawling process"),
    )


def _numbers(status: Status, seen: Snapshot, view: View) -> dict[str, float]:
    return {
        "pages": seen.pages, "errors": seen.errors, "queued": seen.queued, "done": status.states.get("done", 0),
        "pages_per_second": seen.pages_per_second, "bytes_per_second": seen.bytes_per_second, "lag": view.lag,
        "memory": view.memory, "in_flight": seen.in_flight,
    }  # fmt: skip


def _tiles_at_rest(status: Status) -> tuple[Tile, ...]:
    speed = "" if status.whole is None else f"{words.rate(status.whole.pages)} in the last run"
    parked = f"{words.count(status.parked_hosts, 'host')} put off" if status.parked_hosts else ""
    return (
        Tile("pages", "pages", f"{status.pages:,}", speed),
        Tile("errors", "errors", f"{status.errors:,}"),
        Tile("waiting", "URLs waiting", f"{status.states.get('queued', 0) + status.states.get('parked', 0):,}", parked),
        Tile("excluded", "left out", f"{status.states.get('excluded', 0):,}"),
        Tile("hosts", "hosts", f"{status.hosts:,}"),
        Tile("disk", "database", words.size(status.database_bytes)),
    )


def _numbers_at_rest(status: Status) -> dict[str, float]:
    queued = status.states.get("queued", 0) + status.states.get("parked", 0)
    return {"pages": status.pages, "errors": status.errors, "queued": queued, "done": status.states.get("done", 0)}
