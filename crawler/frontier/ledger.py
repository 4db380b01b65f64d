"""What a crawl remembers of itself from run to run: its seeds, its settings, its runs, and whether it ended by itself.

Everything goes through the frontier's one writer, in transactions like any batch.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import msgspec

from crawler.core import urls
from crawler.core.model import KINDS, CookieRow, Kind, Link, Reason, State, UrlId
from crawler.core.scope import Options, Scope
from crawler.core.seeds import Seed, Source
from crawler.frontier.batch import Tally
from crawler.frontier.sqlite import SqliteFrontier
from crawler.frontier.statements import ADD_COOKIE, SET_COOKIE, cookie_row

REJUDGED_AT_ONCE = 2_000
_OF_BOUNDS = frozenset({Reason.SCOPE, Reason.DEPTH, Reason.TRAP, Reason.GUARD})
_OF_ROBOTS = frozenset({Reason.ROBOTS, Reason.NOFOLLOW})


class Past(msgspec.Struct, frozen=True):
    """What the runs before left."""

    resumed: bool
    clean: bool
    unjudged: bool
    """Changed bounds were not yet applied to everything that waits."""
    settings: dict[str, object]
    sources: tuple[Source, ...]
    repeated: int
    """Requests that may be repeated after an unclean end, at the most."""


class Rejudged(NamedTuple):
    """What applying changed bounds to one batch came to; *last* is where the next begins, None when there is none."""

    last: UrlId | None
    allowed: int
    refused: int


class Ledger:
    """The memory of one crawl."""

    def __init__(self, frontier: SqliteFrontier) -> None:
        self._frontier = frontier
        self._db = frontier.writer.db

    async def past(self) -> Past:
        """Return what the runs before left."""
        rows = await self._db.execute_fetchall("SELECT key, value FROM meta")
        meta = {str(row[0]): str(row[1]) for row in rows}
        runs = list(await self._db.execute_fetchall("SELECT 1 FROM run LIMIT 1"))
        return Past(
            resumed=bool(runs),
            clean=meta["clean"] == "1",
            unjudged=meta.get("unjudged") == "1",
            settings=msgspec.json.decode(meta.get("settings", "{}")),
            sources=msgspec.json.decode(meta.get("sources", "[]"), type=tuple[Source, ...]),
            repeated=int(meta.get("repeated", "0")),
        )

    async def begin(
        self, *, now: float, version: str, argv: str, settings: dict[str, object], sources: Sequence[Source], repeated: int,
        unjudged: bool,
    ) -> None:  # fmt: skip
        """Open a run: from here on the crawl counts as unclean until `end`, and as *unjudged* until `judged`."""
        writer = self._frontier.writer
        async with writer.transaction():
            config = msgspec.json.encode(settings).decode()
            sql = "INSERT INTO run (started_at, version, argv, config) VALUES (?, ?, ?, ?)"
            cursor = await self._db.execute(sql, (round(now * 1000), version, argv, config))
            writer.run_id = cursor.lastrowid or 0
            await self._remember("settings", config)
            await self._remember("sources", msgspec.json.encode(sources).decode())
            await self._remember("repeated", str(repeated))
            await self._remember("unjudged", str(int(unjudged)))
            await self._remember("clean", "0")
            await self._remember("network_down", "")

    async def end(self, outcome: str, *, now: float, clean: bool) -> None:
        """Close the run and fold the write-ahead log into the database."""
        async with self._frontier.writer.transaction():
            sql = "UPDATE run SET ended_at = ?, outcome = ? WHERE run_id = ?"
            await self._db.execute(sql, (round(now * 1000), outcome, self._frontier.writer.run_id))
            await self._remember("clean", "1" if clean else "0")
        await self._db.execute("PRAGMA analysis_limit = 1000")
        await self._db.execute("PRAGMA optimize")
        await self._db.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")

    async def _remember(self, key: str, value: str) -> None:
        await self._db.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))

    # --- cookies -------------------------------------------------------------------------------------------------

    async def take_cookie_file(self, digest: str, rows: Sequence[CookieRow]) -> None:
        """Take in the cookies of a file, unless it is the one of the run before: what servers have said since beats an old file."""
        known = list(await self._db.execute_fetchall("SELECT value FROM meta WHERE key = 'cookie_file'"))
        if known and known[0][0] == digest:
            return
        async with self._frontier.writer.transaction():
            await self._db.executemany(f"{ADD_COOKIE} ON CONFLICT DO UPDATE SET {SET_COOKIE}", map(cookie_row, rows))
            await self._remember("cookie_file", digest)

    # --- the network ---------------------------------------------------------------------------------------------

    async def network_down(self, since: float | None) -> None:
        """Remember that the network is down since a moment, or up."""
        async with self._frontier.exclusive(), self._frontier.writer.transaction():
            await self._remember("network_down", "" if since is None else str(round(since * 1000)))

    # --- seeds ---------------------------------------------------------------------------------------------------

    async def seeds(self, given: Sequence[Seed]) -> tuple[list[tuple[Options, list[str]]], list[tuple[Seed, int]], list[Seed]]:
        """Compare the seeds given with those remembered; `remember_seeds` makes the new ones so, once their URLs are queued.

        Returns each ruleset's options with its seeds' URLs, the seeds that are new with their ruleset, and those whose options
        differ from what they were first crawled with: these stay as they were, for what they led to has spread by then.
        """
        rulesets: list[tuple[Options, list[str]]] = []
        numbers: dict[Options, int] = {}
        for number, options in await self._db.execute_fetchall("SELECT ruleset, options FROM ruleset ORDER BY ruleset"):
            numbers[msgspec.json.decode(options, type=Options)] = number
            rulesets.append((msgspec.json.decode(options, type=Options), []))
        known: dict[str, int] = {}
        for url, number in await self._db.execute_fetchall("SELECT url, ruleset FROM seed"):
            rulesets[number][1].append(url)
            known[url] = number
        new: list[tuple[Seed, int]] = []
        async with self._frontier.writer.transaction():
            for options in dict.fromkeys([Options(), *(seed.options for seed in given)]):
                if options not in numbers:
                    numbers[options] = len(rulesets)
                    rulesets.append((options, []))
                    row = (numbers[options], msgspec.json.encode(options).decode())
                    await self._db.execute("INSERT INTO ruleset VALUES (?, ?)", row)
        for seed in given:
            if seed.url not in known:
                known[seed.url] = numbers[seed.options]
                new.append((seed, numbers[seed.options]))
                rulesets[numbers[seed.options]][1].append(seed.url)
        return rulesets, new, [seed for seed in given if known[seed.url] != numbers[seed.options]]

    async def remember_seeds(self, new: Sequence[tuple[Seed, int]], *, unjudged: bool) -> None:
        """Remember seeds whose URLs are in the frontier: the other way round a crash in between would lose them for good."""
        async with self._frontier.writer.transaction():
            await self._remember("unjudged", str(int(unjudged)))
            rows = [(seed.url, number, seed.source, seed.line) for seed, number in new]
            await self._db.executemany("INSERT OR IGNORE INTO seed VALUES (?, ?, ?, ?)", rows)

    async def twins(self) -> list[tuple[int, str]]:
        """Return the hosts that seeds' redirects let in: (ruleset, host)."""
        rows = list(await self._db.execute_fetchall("SELECT value FROM meta WHERE key = 'twins'"))
        return msgspec.json.decode(rows[0][0], type=list[tuple[int, str]]) if rows else []

    async def remember_twins(self, twins: Collection[tuple[int, str]]) -> None:
        """Remember the hosts that seeds' redirects let in."""
        async with self._frontier.exclusive(), self._frontier.writer.transaction():
            await self._remember("twins", msgspec.json.encode(sorted(twins)).decode())

    # --- after a crash, after a change -----------------------------------------------------------------------------

    async def unborn(self, names: Collection[str]) -> list[str]:
        """Return those file names that no row bears: a crash came between the renaming and the transaction."""
        orphans = []
        for name in names:
            rows = await self._db.execute_fetchall("SELECT 1 FROM body WHERE file = ? AND digest >= ? AND digest < ?", _bounds(name))
            if not list(rows):
                orphans.append(name)
        return orphans

    async def rejudge(self, scope: Scope, after: int, *, robots: bool) -> Rejudged:
        """Apply changed bounds to the next batch of what waits or was refused, from the row behind *after* on."""
        sql = """SELECT u.url_id, o.origin || u.path, h.name, u.host_id, u.kind, u.depth, u.ruleset, u.state, u.reason, u.due_at IS NOT NULL
            FROM url u JOIN origin o USING (origin_id) JOIN host h ON h.host_id = u.host_id
            WHERE u.url_id > ? AND u.state IN (0, 3) ORDER BY u.url_id LIMIT ?"""
        async with self._frontier.exclusive():
            rows = list(await self._db.execute_fetchall(sql, (after, REJUDGED_AT_ONCE)))
            if rows:
                return Rejudged(rows[-1][0], *await self._apply(rows, scope, robots=robots))
            async with self._frontier.writer.transaction():
                await self._remember("unjudged", "0")
            return Rejudged(None, 0, 0)

    async def _apply(self, rows: Sequence[Any], scope: Scope, *, robots: bool) -> tuple[int, int]:
        tally, out = Tally(), self._frontier.out()
        changes: list[tuple[object, ...]] = []
        for row_id, url, host, host_id, kind, depth, ruleset, state, reason, delayed in rows:
            if row_id in out or (state == State.EXCLUDED and not _open_again(reason, robots=robots)):
                continue
            verdict = scope.verdict(url, host, KINDS[kind], depth, ruleset)
            new = State.QUEUED if verdict is None else State.EXCLUDED
            if new == state:
                continue
            tally.move(host_id, state, new, was_delayed=bool(delayed))
            changes.append((new, verdict and verdict[0], verdict and verdict[1], row_id))
        if changes:
            writer = self._frontier.writer
            async with writer.transaction():
                await self._db.executemany("UPDATE url SET state = ?, reason = ?, rule = ?, due_at = NULL WHERE url_id = ?", changes)
                await writer.count(tally)
            writer.known.clear()
        allowed = sum(change[0] == State.QUEUED for change in changes)
        return allowed, len(changes) - allowed


def _open_again(reason: str | None, *, robots: bool) -> bool:
    """Tell whether changed settings may let a refused URL in; an address refused before is simply asked about once more."""
    return reason in _OF_BOUNDS or (reason in _OF_ROBOTS and not robots)


def _bounds(name: str) -> tuple[str, bytes, bytes]:
    """Return a file name with the bounds of the digests that it can stand for: its index is the digest's."""
    mark = name.rpartition("-")[2].partition(".")[0]
    low = bytes.fromhex(mark)
    return name, low, low + b"\xff" * 17


def seed_links(new: Sequence[tuple[Seed, int]]) -> list[Link]:
    """Return new seeds as links."""
    return [Link(urls.spell(seed.url), Kind.SEED, 0, ruleset) for seed, ruleset in new]
