"""What a crawl remembers of itself from run to run: its seeds, its settings, its runs, and whether it ended by itself.

Everything goes through the frontier's one writer, in transactions like any batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from crawler.core import urls
from crawler.core.folds import UNFOLDED, Folds
from crawler.core.model import KIND_CODE, KINDS, CookieRow, Kind, Link, Reason, State, UrlId
from crawler.core.robots import Robots
from crawler.core.scope import ALL, MOST_SITEMAPS, SITEMAP_DEPTH, Options, Scope
from crawler.core.seeds import Seed, Source
from crawler.core.settings import Settings
from crawler.frontier.batch import Tally
from crawler.frontier.sqlite import SqliteFrontier
from crawler.frontier.statements import ADD_COOKIE, SET_COOKIE, cookie_row, ways_to
from crawler.frontier.writing import LATE

REJUDGED_AT_ONCE = 2_000
MOST_PATTERNS = 20_000
REJUDGE_URL = "UPDATE url SET state = ?, reason = ?, rule = ?, kind = ?, depth = ?, priority = ?, due_at = NULL WHERE url_id = ?"
_OF_BOUNDS = frozenset({Reason.SCOPE, Reason.DEPTH, Reason.TRAP, Reason.GUARD, Reason.LIMIT})
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


class _Row(NamedTuple):
    """A URL that waits or was refused, as it is judged anew."""

    id: UrlId
    url: str
    host: str
    host_id: int
    kind: int
    depth: int
    ruleset: int
    hops: int
    state: int
    reason: str | None
    rule: str | None
    delayed: int
    priority: int

    def may_change(self, settings: Settings) -> bool:
        """Tell whether changed settings may mean something to it."""
        return self.state != State.EXCLUDED or _open_again(self.reason, self.rule, settings)

    def link(self, kind: Kind | None = None, depth: int | None = None) -> Link:
        """Return it as a link, of another kind perhaps, from elsewhere."""
        return Link(self.url, kind or KINDS[self.kind], self.depth if depth is None else depth, self.ruleset, self.hops)

    def new_priority(self, depth: int, *, late: bool) -> int:
        """Return its priority: a redirect's hop keeps its own."""
        return self.priority if self.priority < 0 else depth + (LATE if late else 0)


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

    async def reconfigure(self, settings: dict[str, object], *, unjudged: bool = False) -> None:
        """Remember settings that changed in mid-run; *unjudged*: they have still to be applied to what waits."""
        async with self._frontier.exclusive(), self._frontier.writer.transaction():
            await self._remember("settings", msgspec.json.encode(settings).decode())
            if unjudged:
                await self._remember("unjudged", "1")

    async def end(self, outcome: str, *, now: float, clean: bool) -> None:
        """Close the run and fold the write-ahead log into the database."""
        async with self._frontier.writer.transaction():
            sql = "UPDATE run SET ended_at = ?, outcome = ? WHERE run_id = ?"
            await self._db.execute(sql, (round(now * 1000), outcome, self._frontier.writer.run_id))
            await self._remember("clean", "1" if clean else "0")
            if outcome != "failed":     # then what was written last may have no rows: the next start cuts it off
                await self._db.execute("UPDATE warc SET closed = 1 WHERE closed = 0")
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
        async with self._frontier.exclusive(), self._frontier.writer.transaction():
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
        async with self._frontier.exclusive(), self._frontier.writer.transaction():
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

    async def rejudge(self, scope: Scope, after: int, settings: Settings) -> Rejudged:
        """Apply changed bounds to the next batch of what waits or was refused, from the row behind *after* on."""
        sql = """SELECT u.url_id, o.origin || u.path, h.name, u.host_id, u.kind, u.depth, u.ruleset, u.hops, u.state, u.reason, u.rule,
            u.due_at IS NOT NULL, u.priority FROM url u JOIN origin o USING (origin_id) JOIN host h ON h.host_id = u.host_id
            WHERE u.url_id > ? AND u.state IN (0, 3) ORDER BY u.url_id LIMIT ?"""
        async with self._frontier.exclusive():
            rows = list(await self._db.execute_fetchall(sql, (after, REJUDGED_AT_ONCE)))
            if rows:
                return Rejudged(rows[-1][0], *await self._apply(rows, scope, settings))
            async with self._frontier.writer.transaction():
                await self._remember("unjudged", "0")
            return Rejudged(None, 0, 0)

    async def _apply(self, rows: Sequence[Any], scope: Scope, settings: Settings) -> tuple[int, int]:
        tally, out, writer = Tally(), self._frontier.out(), self._frontier.writer
        folds = Folds(name for name in settings.fold if name != "canonical")
        changes: list[tuple[object, ...]] = []
        folded: list[Link] = []
        hurried: list[tuple[int, UrlId]] = []
        moved: Counter[State] = Counter()
        waiting = [row for row in map(_Row._make, rows) if row.id not in out and row.may_change(settings)]
        ways = await self._ways(waiting, scope)
        for row in waiting:
            link = row.link(*ways.get(row.id, ()))
            if link.kind in scope.left_out and row.state == State.QUEUED and not self._frontier.knows_links:
                continue        # nobody knows how else it is linked to
            verdict = scope.verdict(link.url, row.host, link.kind, link.depth, link.ruleset, link.hops)
            if verdict is None and link.kind not in UNFOLDED and (into := folds.fold(link.url)) is not None:
                verdict = Reason.DUPLICATE, into[1]
                folded.append(msgspec.structs.replace(link, url=into[0]))
            if verdict is None and row.state == State.EXCLUDED:
                verdict = await writer.budgets.judge(row.host_id)
            new = State.QUEUED if verdict is None else State.EXCLUDED
            priority = row.new_priority(link.depth, late=scope.is_late(link.url, link.ruleset))
            if new != row.state:
                moved[new] += 1
                tally.move(row.host_id, row.state, new, was_delayed=bool(row.delayed))
            if new != row.state or (verdict or (None, None)) != (row.reason, row.rule):     # what keeps it out may be another rule now
                changes.append((new, *(verdict or (None, None)), KIND_CODE[link.kind], link.depth, priority, row.id))
            elif new == State.QUEUED and priority < row.priority:
                hurried.append((priority, row.id))
        if changes or hurried:
            async with writer.transaction():
                await self._db.executemany(REJUDGE_URL, changes)
                await self._db.executemany("UPDATE url SET priority = ? WHERE url_id = ?", hurried)     # no longer the last of their host
                await writer.count(tally)
            writer.known.clear()
        if folded:      # before the last batch is noted as judged, so that none is lost between two runs
            await self._frontier.add_locked([scope.judge(link) for link in folded])
        return moved[State.QUEUED], moved[State.EXCLUDED]

    async def _ways(self, rows: Sequence[_Row], scope: Scope) -> dict[UrlId, tuple[Kind, int]]:
        """Return how those URLs can be reached else whose own kind of link is not followed."""
        others = [row.id for row in rows if KINDS[row.kind] in scope.left_out]
        return await ways_to(self._db, others, scope.rules.follow) if others else {}

    # --- sitemaps ------------------------------------------------------------------------------------------------

    async def named_sitemaps(self, after: int, scope: Scope, agent: str) -> tuple[int | None, list[Link]]:
        """Return the sitemaps that the next remembered robots.txt files name, and where the next batch begins."""
        sql = "SELECT origin_id, origin, robots_txt FROM origin WHERE origin_id > ? AND robots_txt IS NOT NULL ORDER BY origin_id LIMIT 200"
        rows = list(await self._db.execute_fetchall(sql, (after,)))
        links: list[Link] = []
        for _, origin, text in rows:
            if b"sitemap" in bytes(text).lower() or b"site-map" in bytes(text).lower():
                named = Robots.parse(bytes(text), agent).sitemaps[:MOST_SITEMAPS]
                links += scope.sitemap_links(f"{origin}/robots.txt", origin, named)
        return rows[-1][0] if rows else None, links

    # --- what is new ---------------------------------------------------------------------------------------------

    async def patterns(self) -> list[tuple[str, int, int, str | None]]:
        """Return the URL patterns of which most pages are alike: pattern, pages, alike ones, and how it is damped."""
        sql = "SELECT pattern, pages, alike, damped FROM pattern ORDER BY alike DESC LIMIT ?"
        return [(row[0], row[1], row[2], row[3]) for row in await self._db.execute_fetchall(sql, (MOST_PATTERNS,))]

    async def remember_patterns(self, counted: Iterable[tuple[str, int, int, str | None]], now: float) -> None:
        """Write down what was counted of URL patterns."""
        rows = [(pattern, pages, alike, damped, None if damped is None else round(now * 1000)) for pattern, pages, alike, damped in counted]
        if not rows:
            return
        sql = """INSERT INTO pattern VALUES (?, ?, ?, ?, ?)
            ON CONFLICT (pattern) DO UPDATE SET pages = excluded.pages, alike = excluded.alike,
            at = CASE WHEN damped IS excluded.damped THEN at ELSE excluded.at END, damped = excluded.damped"""
        async with self._frontier.exclusive(), self._frontier.writer.transaction():
            await self._db.executemany(sql, rows)

    async def forget_patterns(self, patterns: Collection[str]) -> None:
        """Forget that patterns are damped; `all` is every one."""
        async with self._frontier.exclusive(), self._frontier.writer.transaction():
            if ALL in patterns:
                await self._db.execute("DELETE FROM pattern")
            await self._db.executemany("DELETE FROM pattern WHERE pattern = ?", [(pattern,) for pattern in patterns])

    async def latest_simhashes(self, most: int) -> list[tuple[int, int]]:
        """Return (simhash, row) of the pages that were read last, oldest first."""
        sql = """SELECT simhash, url_id FROM (SELECT fetch_id, simhash, url_id, near_id FROM fetch ORDER BY fetch_id DESC LIMIT ?)
            WHERE simhash IS NOT NULL AND near_id IS NULL ORDER BY fetch_id"""
        return [(row[0], row[1]) for row in await self._db.execute_fetchall(sql, (most,))]


def _open_again(reason: str | None, rule: str | None, settings: Settings) -> bool:
    """Tell whether changed settings may let a refused URL in; an address refused before is simply asked about once more."""
    if reason in _OF_BOUNDS:
        return True
    if reason == Reason.ROBOTS:
        return not settings.robots
    if reason == Reason.NOFOLLOW:
        return not settings.robots or _disobeyed(rule or "") <= set(settings.disobey)
    if reason == Reason.DUPLICATE:
        return rule is None or not rule.startswith("fold canonical") or "canonical" not in settings.fold
    return False


def _disobeyed(rule: str) -> set[str]:
    """Return the directives that have to be disobeyed for a refusal by this rule to fall."""
    found: set[str] = set()
    for part in rule.split("; "):
        first, *words = part.removesuffix(" on the link").split()
        found.update(words if first == "rel" else ["meta" if first == "meta" else "x-robots-tag"])
    return found


def _bounds(name: str) -> tuple[str, bytes, bytes]:
    """Return a file name with the bounds of the digests that it can stand for: its index is the digest's."""
    mark = name.rpartition("-")[2].partition(".")[0]
    low = bytes.fromhex(mark)
    return name, low, low + b"\xff" * 17


def seed_links(new: Sequence[tuple[Seed, int]]) -> list[Link]:
    """Return new seeds as links."""
    return [Link(urls.spell(seed.url), Kind.SEED, 0, ruleset) for seed, ruleset in new]


def guessed_sitemaps(seeds: Iterable[str], ruleset: int) -> list[Link]:
    """Return where the sitemap of each seed's origin is by custom."""
    origins = dict.fromkeys(urls.split(url)[0] for url in seeds)
    return [Link(f"{origin}/sitemap.xml", Kind.SITEMAP, SITEMAP_DEPTH, ruleset) for origin in origins]
