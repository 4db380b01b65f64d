"""The one writer: turns batches of outcomes into transactions. Nothing else in the program changes the database.

A transaction that fails is rolled back whole and everything that memory learnt from it is forgotten.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager

import aiosqlite
import msgspec

from crawler.core import urls
from crawler.core.model import FAULT_CODE, KIND_CODE, KINDS, Body, Kind, Place, Reason, State, UrlId
from crawler.frontier import Attempt, HostState, OriginState, Settled, SiteCookies
from crawler.frontier.batch import (
    ROBOTS_CODE,
    Gathered,
    Offer,
    Row,
    Tally,
    Weighed,
    depth_of,
    depth_refusal,
    following,
)
from crawler.frontier.budgets import Budgets
from crawler.frontier.indexing import Entry, Index
from crawler.frontier.known import Known
from crawler.frontier.origins import Origins
from crawler.frontier.statements import (
    ADD_COOKIE,
    ADD_FETCH,
    ADD_RECORD,
    ADD_URL,
    BETTER_URL,
    CHILDREN,
    COUNT_HOST,
    COUNT_RUN,
    LINK_CODES,
    LIST_URL,
    LOOK_UP,
    OTHER_LINKS,
    SETTLE_URL,
    STATE_HOST,
    STATE_ORIGIN,
    WAKE_HOST,
    attempt_row,
    cookie_row,
    ms,
    stored_bodies,
)

CAPPED = frozenset({Reason.SCOPE, Reason.TRAP, Reason.LIMIT, Reason.DUPLICATE})
"""Reasons of which there is no end on some hosts."""
LATE = 1_000_000
"""Added to the priority of what comes last in its host."""
SEED_CODE = KIND_CODE[Kind.SEED]
LISTED_CODE = KIND_CODE[Kind.LISTED]


class Writer:
    """Writes batches through one aiosqlite connection; only one call at a time (the frontier holds the lock)."""

    def __init__(self, db: aiosqlite.Connection, *, secret: bytes, links: str) -> None:
        self.db = db
        self.known = Known()
        self.secret = secret
        self.run_id = 0
        self.totals: dict[int, int] = {}
        self.pages = 0
        self.errors = 0
        self.depth_limit: Callable[[int], int | None] = lambda _: None
        self.lowered: dict[UrlId, int] = {}
        """Rows that are being fetched while a shorter way to them was found."""
        self.followed = frozenset(range(len(KINDS)))
        """Kinds of links by which a page counts as nearer to a seed."""
        self.is_late: Callable[[str, int], bool] = lambda _url, _ruleset: False
        """Does a URL (of a ruleset) come after all others of its host?"""
        self.budgets = Budgets(db)
        self.index = Index(db)
        self.held: AbstractSet[UrlId] = frozenset()
        """Rows handed out at the moment; the frontier's own set."""
        self.grown: set[int] = set()
        """Hosts that got further URLs."""
        self.ride: Callable[[Writer], Awaitable[None]] | None = None
        """Called in each transaction of a batch, for a row that is due besides."""
        self.links = links
        self._origins = Origins(db)
        self._next = {"url": 1, "fetch": 1, "body": 1}

    async def load(self) -> None:
        """Read the counters; bounded work, whatever the size of the database."""
        for table in self._next:
            [row] = await self.db.execute_fetchall(f"SELECT coalesce(max({table}_id), 0) + 1 FROM {table}")
            self._next[table] = int(row[0])
        await self._origins.load()
        self.totals = {int(row[0]): int(row[1]) for row in await self.db.execute_fetchall("SELECT state, urls FROM state")}
        rows = await self.db.execute_fetchall("SELECT key, value FROM meta WHERE key IN ('pages', 'errors')")
        meta = {str(row[0]): int(row[1]) for row in rows}
        self.pages, self.errors = meta["pages"], meta["errors"]

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Run the block in one transaction; roll back and forget what was learnt when anything goes wrong."""
        before = dict(self._next), dict(self.totals), self.pages, self.errors, dict(self.lowered)
        places = self._origins.next
        try:
            await self.db.execute("BEGIN IMMEDIATE")
            yield
            await self.db.execute("COMMIT")
        except BaseException:
            self._next, self.totals, self.pages, self.errors, self.lowered = before
            self.known.clear()
            self._origins.forget(places)
            self.budgets.forget()
            if self.db.in_transaction:
                await self.db.execute("ROLLBACK")
            raise

    async def write(
        self, batch: Sequence[Settled], gathered: Gathered, delayed: Mapping[UrlId, bool], cookies: Sequence[SiteCookies] = ()
    ) -> int:
        """Write a batch in one transaction; return how many URLs were new."""
        async with self.transaction():
            tally = Tally()
            weighed = await self._weigh(gathered)
            await self._add(weighed, tally)
            await self._improve(weighed, tally)
            await self._settle(batch, gathered, weighed, tally, delayed)
            await self._link(batch, gathered, weighed)
            await self._list(gathered, weighed)
            await self._ask_again(batch, gathered, weighed, tally)
            await self._propagate(batch, tally)
            await self.count(tally, [settled.host for settled in batch if settled.host is not None])
            await self._count_run([settled.attempt for settled in batch if settled.attempt is not None])
            await self._keep_cookies(cookies)
            if self.ride is not None:
                await self.ride(self)
        for url, row in weighed.rows.items():
            self.known.learn(url, row, gathered.offers[url].rank)
        return len(weighed.new)

    async def _count_run(self, attempts: Sequence[Attempt]) -> None:
        answered = [attempt for attempt in attempts if attempt.status is not None]
        if answered:
            fresh = sum(not attempt.reused for attempt in answered)
            await self.db.execute(COUNT_RUN, (len(answered), fresh, self.run_id))

    async def _keep_cookies(self, cookies: Sequence[SiteCookies]) -> None:
        await self._many("DELETE FROM cookie WHERE site = ?", [(site,) for site, _ in cookies])
        await self._many(ADD_COOKIE, [cookie_row(row) for _, rows in cookies for row in rows])

    async def _many(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            await self.db.executemany(sql, rows)

    async def _look_up(self, marks: Iterable[int]) -> dict[int, Row]:
        rows = await self.db.execute_fetchall(LOOK_UP, (msgspec.json.encode(list(marks)).decode(),))
        return {row[1]: Row(*row) for row in rows}

    async def _weigh(self, gathered: Gathered) -> Weighed:
        """Look up what memory did not know, and sort it into new, better and known."""
        weighed = Weighed()
        offers = list(gathered.offers.values())
        if not offers:
            return weighed
        for offer in offers:
            if offer.fingerprint is None:
                offer.fingerprint = urls.fingerprint(urls.key(offer.url), self.secret)
        found: dict[int, Row | None] = dict.fromkeys(offer.fingerprint for offer in offers if offer.fingerprint is not None)
        found.update(await self._look_up(found))
        taken: dict[int, Offer] = {}
        for offer in offers:
            await self._place(offer, found, taken, weighed)
        return weighed

    async def _place(self, offer: Offer, found: dict[int, Row | None], taken: dict[int, Offer], weighed: Weighed) -> None:
        """Find the row that an offer belongs to by its fingerprint; a true collision goes to the next free value."""
        mark = offer.fingerprint or 0
        identity = urls.key(offer.url)
        while True:
            if mark not in found:
                found[mark] = (await self._look_up([mark])).get(mark)
            row = found[mark]
            if row is not None:
                if urls.key(row.url) == identity:
                    return weighed.known_already(row, offer)
            elif mark not in taken:
                taken[mark] = offer
                offer.fingerprint = mark
                return weighed.new.append(offer)
            elif urls.key(taken[mark].url) == identity:
                return weighed.same_batch(taken[mark], offer)
            mark = following(mark)

    async def _add(self, weighed: Weighed, tally: Tally) -> None:
        """Insert the new URLs, with the hosts and origins they need."""
        if not weighed.new:
            return
        await self._origins.find({urls.split(offer.url)[0] for offer in weighed.new})
        kept: list[Offer] = []
        for offer in weighed.new:
            host_id = self._origins[urls.split(offer.url)[0]][1]
            if offer.reason is None and offer.kind not in (ROBOTS_CODE, SEED_CODE):
                offer.reason, offer.rule = await self.budgets.judge(host_id) or (None, None)
            if offer.reason not in CAPPED or self._origins.takes_refusal(host_id):
                kept.append(offer)
            else:
                tally.unrecorded(host_id)
        weighed.new = kept
        weighed.number(self._next["url"])
        for offer in kept:
            if offer.parent is None and offer.parent_url is not None:
                offer.parent = weighed.rows.get(offer.parent_url) or self.known.row(offer.parent_url)
            if offer.reason is None and offer.priority >= 0 and self.is_late(offer.url, offer.ruleset):
                offer.priority += LATE
        await self._many(ADD_URL, [self._url_row(weighed.rows[offer.url], offer, tally) for offer in kept])
        self._next["url"] += len(kept)

    def _url_row(self, row: int, offer: Offer, tally: Tally) -> tuple[object, ...]:
        origin, path = urls.split(offer.url)
        origin_id, host_id = self._origins[origin]
        if offer.kind == ROBOTS_CODE:
            state = State.DONE
        else:
            state = State.QUEUED if offer.reason is None else State.EXCLUDED
            tally.move(host_id, None, state)
        return (
            row, offer.fingerprint, origin_id, host_id, path, int(state), offer.depth, offer.priority,
            None if self.links == "none" else offer.parent,
            offer.kind, offer.hops, offer.ruleset, offer.reason, offer.rule,
        )  # fmt: skip

    async def _improve(self, weighed: Weighed, tally: Tally) -> None:
        """Write down better offers of URLs that have a row: nearer to a seed, or allowed after all."""
        for row, offer in weighed.better:
            await self._better(row, offer, tally)

    async def _better(self, row: Row, offer: Offer, tally: Tally) -> None:
        state, kind, reason, rule = row.state, offer.kind, offer.reason, offer.rule
        parent = None if self.links == "none" else offer.parent
        if state == State.EXCLUDED and reason is None and kind != SEED_CODE:
            reason, rule = await self.budgets.judge(row.host_id) or (None, None)
        if state == State.EXCLUDED and reason is None:
            state = State.QUEUED
            tally.move(row.host_id, row.state, state)
        elif state != State.EXCLUDED:
            reason = rule = None
            kind = row.kind
            self.lowered[row.id] = min(offer.depth, self.lowered.get(row.id, offer.depth))
        late = LATE if offer.priority >= 0 and self.is_late(offer.url, offer.ruleset) else 0
        hops = offer.hops if row.state == State.EXCLUDED else None
        changes = (state, offer.depth, offer.priority + late, parent, offer.ruleset, hops, kind, reason, rule, row.id)
        await self.db.execute(BETTER_URL, changes)

    async def _settle(
        self, batch: Sequence[Settled], gathered: Gathered, weighed: Weighed, tally: Tally, delayed: Mapping[UrlId, bool]
    ) -> None:
        bodies = await self._add_bodies(batch)
        fetches: list[tuple[object, ...]] = []
        places: list[tuple[int, Place]] = []
        changes: list[tuple[object, ...]] = []
        entries: list[Entry] = []
        for settled in batch:
            request = settled.request
            url_id = request.id or weighed.rows[request.url]
            fetch_id = None
            if settled.attempt is not None:
                fetch_id = self._next["fetch"]
                self._next["fetch"] += 1
                target = gathered.redirects.get(url_id)
                redirect_id = None if target is None else weighed.rows.get(target) or self.known.row(target)
                body_id = None if settled.body is None else bodies[settled.body.digest]
                canonical = gathered.canonicals.get(url_id)
                canonical_id = None if canonical is None else weighed.rows.get(canonical) or self.known.row(canonical)
                row = attempt_row(settled.attempt, redirect_id, body_id, canonical_id)
                fetches.append((fetch_id, url_id, self.run_id, *row))
                if (settled.page or settled.gone) and self.index.wanted:
                    entries.append((url_id, fetch_id, None if settled.gone else settled.indexed))
                if settled.place is not None:
                    places.append((fetch_id, settled.place))
            self._tally(settled, weighed, tally, was_delayed=delayed.get(request.id, False))
            page_id = fetch_id if settled.page else None
            changes.append(
                (settled.state, settled.tries, ms(settled.due_at), fetch_id, settled.gone, page_id, settled.reason, settled.rule, url_id)
            )
            if settled.origin is not None:
                await self._remember_origin(settled.origin)
        await self._many(ADD_FETCH, fetches)
        await self._many(ADD_RECORD, [(fetch_id, place.volume, place.offset, place.length) for fetch_id, place in places])
        ends = {place.volume: place.end for _, place in places}
        await self._many("UPDATE warc SET bytes = ? WHERE warc_id = ?", [(end, volume) for volume, end in ends.items()])
        await self._many(SETTLE_URL, changes)
        await self.index.put(entries)
        await self._many(f"UPDATE url SET kind = {ROBOTS_CODE} WHERE url_id = ?", [(row,) for row in tally.dropped])

    def _tally(self, settled: Settled, weighed: Weighed, tally: Tally, *, was_delayed: bool) -> None:
        request = settled.request
        if request.kind is Kind.ROBOTS:
            row = weighed.found.get(request.url)
            if row is not None and row.kind != ROBOTS_CODE:     # linked to as a page before it was asked for as robots.txt
                tally.drop(row.host_id, row.state, row.id)
            return
        tally.move(request.host_id, State.QUEUED, settled.state, was_delayed=was_delayed, delayed=settled.due_at is not None)
        had_page = request.kept is not None
        self.pages += settled.page and not had_page
        self.pages -= settled.gone and had_page
        attempt = settled.attempt
        wrong = attempt is not None and (attempt.fault is not None or (attempt.status or 0) >= 400)
        self.errors += settled.state == State.FAILED or (settled.state == State.DONE and wrong)

    async def _add_bodies(self, batch: Sequence[Settled]) -> dict[bytes, int]:
        """Insert the bodies that are new; return the row of each digest."""
        bodies: dict[bytes, Body] = {}
        for settled in batch:
            if settled.body is not None:
                bodies.setdefault(settled.body.digest, settled.body)      # the first is the one that was written
        if not bodies:
            return {}
        ids = {digest: row for digest, (row, _) in (await stored_bodies(self.db, bodies)).items()}
        new = [body for digest, body in bodies.items() if digest not in ids]
        rows = [(row, body.digest, body.size, body.file, body.offset, body.length) for row, body in enumerate(new, self._next["body"])]
        await self._many("INSERT INTO body (body_id, digest, bytes, file, offset, length) VALUES (?, ?, ?, ?, ?, ?)", rows)
        self._next["body"] += len(rows)
        again = [(digest, body) for digest, body in bodies.items() if digest in ids and body.offset is not None]
        moved = [(body.file, body.offset, body.length, ids[digest]) for digest, body in again]
        await self._many("UPDATE body SET file = ?, offset = ?, length = ? WHERE body_id = ?", moved)
        return ids | {digest: row for row, digest, *_ in rows}

    async def _remember_origin(self, origin: OriginState) -> None:
        fault = None if origin.robots_fault is None else FAULT_CODE[origin.robots_fault]
        row = (ms(origin.robots_at), origin.robots_status, fault, origin.robots_text, ms(origin.crawl_delay), origin.origin_id)
        await self.db.execute(STATE_ORIGIN, row)

    async def _link(self, batch: Sequence[Settled], gathered: Gathered, weighed: Weighed) -> None:
        if self.links != "all":
            return
        rows = weighed.rows
        resolved = [(src, rows[url], kind, marked) for src, url, kind, marked in gathered.open_links if url in rows]
        for robots, url, kind in gathered.robots_links:
            source, target = (rows.get(each) or self.known.row(each) for each in (robots, url))
            if source is not None and target is not None:
                resolved.append((source, target, kind, False))
        links = gathered.links + resolved
        renewed = [settled.request.id for settled in batch if settled.renewed]
        if renewed:
            await self._unlink(renewed, links)
        await self._many("INSERT OR IGNORE INTO link VALUES (?, ?, ?, ?)", links)

    async def _unlink(self, sources: Sequence[UrlId], links: Iterable[tuple[int, int, int, bool]]) -> None:
        """Drop the links of these URLs that are not among *links*, and what a sitemap said of a URL that it lists no longer."""
        kept: dict[UrlId, dict[tuple[int, int], int]] = {source: {} for source in sources}
        for source, target, kind, marked in links:
            if source in kept:      # of several that differ in their mark alone the first is the one that is inserted
                kept[source].setdefault((target, kind), (target * LINK_CODES + kind) * 2 + marked)
        for source, codes in kept.items():
            gone = await self.db.execute_fetchall(OTHER_LINKS, (source, msgspec.json.encode(list(codes.values())).decode()))
            unlisted = [(row[0], source) for row in gone if row[1] == LISTED_CODE and (row[0], LISTED_CODE) not in codes]
            await self._many("DELETE FROM listing WHERE url_id = ? AND sitemap_id = ?", unlisted)

    async def _list(self, gathered: Gathered, weighed: Weighed) -> None:
        """Write down what sitemaps say of the URLs they list."""
        said = [
            (weighed.rows.get(url) or self.known.row(url), sitemap, lastmod, priority)
            for sitemap, url, lastmod, priority in gathered.listed
        ]
        await self._many(LIST_URL, [row for row in said if row[0] is not None])

    async def _ask_again(self, batch: Sequence[Settled], gathered: Gathered, weighed: Weighed, tally: Tally) -> None:
        """Queue the targets of redirects that a changed cookie may answer differently now."""
        for settled in batch:
            if not settled.again or settled.attempt is None:
                continue
            target = gathered.redirects[settled.request.id]
            row = weighed.rows.get(target) or self.known.row(target)
            sql = "SELECT host_id FROM url WHERE url_id = ? AND state = 1"
            for (host_id,) in await self.db.execute_fetchall(sql, (row,)):
                sql = "UPDATE url SET state = 0, due_at = ?, hops = ?, tries = 0 WHERE url_id = ?"
                await self.db.execute(sql, (ms(settled.attempt.at), settled.offers.hops, row))
                tally.move(host_id, State.DONE, State.QUEUED, delayed=True)

    async def _propagate(self, batch: Sequence[Settled], tally: Tally) -> None:
        """Carry a shorter way to a page on to the pages behind it, so that depths are exact in whatever order pages came."""
        if not self.lowered:
            return
        settled = {entry.request.id for entry in batch}
        followed = msgspec.json.encode(sorted(self.followed)).decode()
        work = [(row, depth) for row, depth in self.lowered.items()]
        while work:
            parent, depth = work.pop()
            for *fields, kind in await self.db.execute_fetchall(CHILDREN, (parent, followed)):
                child, nearer = Row(*fields), depth_of(kind, depth)
                if nearer >= child.depth:
                    continue
                refusal = depth_refusal(nearer, self.depth_limit(child.ruleset)) if child.reason == Reason.DEPTH else None
                reason = Reason.DEPTH if refusal is not None else child.reason if child.reason != Reason.DEPTH else None
                priority = child.priority if child.priority < 0 else nearer + (LATE if child.priority >= LATE else 0)
                await self._carry(child, nearer, priority, reason, refusal, tally)
                work.append((child.id, nearer))
        self.lowered = {row: depth for row, depth in self.lowered.items() if row in self.held and row not in settled}

    async def _carry(self, child: Row, depth: int, priority: int, reason: str | None, rule: str | None, tally: Tally) -> None:
        state = child.state
        if state == State.EXCLUDED and reason is None:
            state = State.QUEUED
            tally.move(child.host_id, child.state, state)
        if child.id in self.held:
            self.lowered[child.id] = depth
        sql = """UPDATE url SET state = ?, depth = ?, priority = ?, reason = ?,
            rule = coalesce(?, CASE WHEN ? IS NULL THEN NULL ELSE rule END) WHERE url_id = ?"""
        await self.db.execute(sql, (state, depth, priority, reason, rule, reason, child.id))

    async def count(self, tally: Tally, hosts: Iterable[HostState] = ()) -> None:
        """Move the counters of hosts and states, and work out when each touched host wakes."""
        await self._many(COUNT_HOST, tally.host_rows())
        latest = {host.host_id: host for host in hosts}
        if tally.made_room:
            self.budgets.forget()       # what was let in and is refused after all leaves room
        rows = [
            (ms(host.next_at), ms(host.pace), host.failures, host.rest_reason, host.parked, host.host_id)
            for host in latest.values()
        ]
        await self._many(STATE_HOST, rows)
        touched = sorted(tally.hosts.keys() | latest.keys())
        await self.db.execute(WAKE_HOST, (msgspec.json.encode(touched).decode(),))
        await self.db.executemany("UPDATE state SET urls = urls + ? WHERE state = ?", [(n, s) for s, n in tally.states.items() if n])
        for state, moved in tally.states.items():
            self.totals[state] = self.totals.get(state, 0) + moved
        self.grown.update(host_id for host_id, moved in tally.hosts.items() if moved["found"])
        meta = [(str(self.pages), "pages"), (str(self.errors), "errors")]
        await self.db.executemany("UPDATE meta SET value = ? WHERE key = ?", meta)
