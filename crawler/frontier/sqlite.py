"""The frontier on one machine: one SQLite file is the queue and the seen-set at once.

Life of a URL: `add` or a committed page makes it `queued`; `claim` hands it out, which is remembered in memory only;
`commit` makes its outcome true together with the links it led to. A process that dies in between leaves it queued.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Container, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiosqlite
import msgspec

from crawler.core import urls
from crawler.core.model import FAULTS, KINDS, CookieRow, HostId, Kept, Kind, LeaseId, Rejected, Request, State, UrlId
from crawler.frontier import FrontierStatistics, HostState, Lease, OriginState, Settled, SiteCookies
from crawler.frontier.batch import Gathered, Tally
from crawler.frontier.opening import open_reader, open_writer
from crawler.frontier.statements import COOKIES, STANDING_BACK_BEHIND_NOTHING, stored_bodies, ways_to
from crawler.frontier.writing import Writer

_DUE_HOSTS = """
SELECT host_id, name, next_at, pace_ms, failures, rest_reason FROM host
WHERE queued > 0 AND parked IS NULL AND wake_at <= ? ORDER BY wake_at LIMIT ?"""
_WAKE_OF_REVISITS = """max(h.next_at, (SELECT due_at FROM url u
  WHERE u.host_id = h.host_id AND u.due_at IS NOT NULL AND u.page_id IS NOT NULL ORDER BY due_at LIMIT 1))"""
_REVISITED_HOSTS = f"""
SELECT host_id, name, next_at, pace_ms, failures, rest_reason FROM (
  SELECT h.*, {_WAKE_OF_REVISITS} AS at FROM host h WHERE queued > 0 AND parked IS NULL AND delayed > 0)
WHERE at <= ? ORDER BY at LIMIT ?"""
# What is not whole, or could not be read, is asked for as if there were nothing: the next answer may be better.
_REQUEST = """
SELECT u.url_id, o.origin, u.path, u.kind, u.depth, u.priority, u.ruleset, u.hops, u.tries, u.host_id, u.origin_id, u.due_at IS NOT NULL,
  u.fetch_id IS NOT NULL, u.page_id IS NOT NULL, iif(p.truncated OR p.fault IS NOT NULL, NULL, p.etag),
  iif(p.truncated OR p.fault IS NOT NULL, NULL, p.last_modified), b.digest, b.file
FROM json_each(?) j JOIN url u ON u.url_id IN ({choice}) JOIN origin o USING (origin_id) LEFT JOIN fetch p ON p.fetch_id = u.page_id
  LEFT JOIN body b ON b.body_id = p.body_id ORDER BY {order}, u.url_id"""
_NEXT_URLS = _REQUEST.format(
    choice="SELECT url_id FROM url WHERE host_id = j.value AND state = 0 AND due_at IS NULL ORDER BY priority, url_id LIMIT ?",
    order="u.priority",
)
_DUE_URLS = _REQUEST.format(
    choice="SELECT url_id FROM url WHERE host_id = j.value AND due_at <= ? ORDER BY due_at, url_id LIMIT ?",
    order="u.due_at",
)
_REVISITS = _REQUEST.format(
    choice="SELECT url_id FROM url WHERE host_id = j.value AND due_at <= ? AND page_id IS NOT NULL ORDER BY due_at, url_id LIMIT ?",
    order="u.due_at",
)
_ORIGINS = """
SELECT origin_id, origin, robots_at, robots_status, robots_fault, robots_txt, crawl_delay_ms FROM origin
WHERE origin_id IN (SELECT value FROM json_each(?))"""


class _Held:
    """A host in hand: what was handed out of it and not settled yet (row -> whether it had a due time)."""

    __slots__ = ("host", "id", "origins", "out")

    def __init__(self, id_: LeaseId, host: HostState) -> None:
        self.id = id_
        self.host = host
        self.out: dict[UrlId, bool] = {}
        self.origins: set[int] = set()


class SqliteFrontier:
    """See the port `Frontier`. Open it with `SqliteFrontier.open`."""

    def __init__(self, writer: Writer, reader: aiosqlite.Connection, path: Path) -> None:
        self.path = path
        self.writer = writer
        self._reader = reader
        self._lock = asyncio.Lock()
        self._reading = asyncio.Lock()
        self._held: dict[LeaseId, _Held] = {}
        self._by_host: dict[HostId, _Held] = {}
        self._last_lease = 0
        self._out: set[UrlId] = set()
        self._brought_back: set[UrlId] = set()
        writer.held = self._out

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, *, durability: str = "full", links: str = "all") -> AsyncIterator[SqliteFrontier]:
        """Open a crawl's database, made if it does not exist. Raises NotACrawl and NewerFormat, leaving the file untouched."""
        db = await open_writer(path, durability=durability)
        try:
            [row] = await db.execute_fetchall("SELECT value FROM meta WHERE key = 'secret'")
            writer = Writer(db, secret=bytes.fromhex(row[0]), links=links)
            await writer.load()
            async with writer.transaction():
                await db.execute("UPDATE host SET parked = NULL WHERE parked IS NOT NULL")
            reader = await open_reader(path)
            try:
                yield cls(writer, reader, path)
            finally:
                await reader.close()
        finally:
            await db.close()

    def __repr__(self) -> str:
        return repr(self._snapshot())

    @property
    def secret(self) -> bytes:
        """The key of this database's fingerprints."""
        return self.writer.secret

    async def add(self, offers: Sequence[Request | Rejected]) -> int:
        """See the port."""
        async with self._lock:
            return await self.add_locked(offers)

    async def add_locked(self, offers: Sequence[Request | Rejected]) -> int:
        """Do what `add` does, for whoever is within `exclusive`."""
        gathered = Gathered(self.writer.known)
        for offer in offers:
            gathered.offer(offer)
        return await self.writer.write([], gathered, {})

    async def commit(self, batch: Sequence[Settled], cookies: Sequence[SiteCookies] = ()) -> set[LeaseId]:
        """See the port."""
        async with self._lock:
            accepted, refused = self._accept(batch)
            if accepted:
                gathered = Gathered(self.writer.known)
                limit, lowered = self.writer.depth_limit, self.writer.lowered
                for settled in accepted:
                    request, depth = settled.request, settled.offers.depth
                    nearer = lowered.get(request.id)
                    if nearer is not None:
                        depth = min(depth, depth - request.depth + nearer)
                    gathered.settle(settled, depth, limit(settled.request.ruleset))
                delayed = {entry.request.id: self._held[entry.request.lease].out.get(entry.request.id, False) for entry in accepted}
                await self.writer.write(accepted, gathered, delayed, cookies)
                for settled in accepted:
                    self._held[settled.request.lease].out.pop(settled.request.id, None)
                    self._out.discard(settled.request.id)
            return refused

    def _accept(self, batch: Sequence[Settled]) -> tuple[list[Settled], set[LeaseId]]:
        """Sort out entries whose lease has ended, or that were settled before."""
        accepted: list[Settled] = []
        refused: set[LeaseId] = set()
        seen: set[UrlId] = set()
        for settled in batch:
            request = settled.request
            held = self._held.get(request.lease)
            known = held is not None and (request.id == 0 or (request.id in held.out and request.id not in seen))
            if known:
                seen.add(request.id)
                accepted.append(settled)
            else:
                refused.add(request.lease)
        return accepted, refused

    @asynccontextmanager
    async def exclusive(self) -> AsyncIterator[None]:
        """Keep every other writer out for the length of the block, and every claim: what is read must still be so when it is handed out."""
        async with self._lock, self._reading:
            yield

    def put_back(self, requests: Iterable[Request]) -> None:
        """Take back what was handed out and was not asked for."""
        for request in requests:
            held = self._held.get(request.lease)
            if held is not None:
                held.out.pop(request.id, None)
            self._out.discard(request.id)

    def out(self) -> set[UrlId]:
        """Return the rows that are handed out and not settled."""
        return self._out

    async def claim(
        self, *, now: float, hosts: int, urls: int, refill: Sequence[LeaseId] = (), revisits: bool = False
    ) -> list[Lease]:
        """See the port."""
        async with self._reading:
            held = [self._held[lease] for lease in refill if lease in self._held]
            before = {one.host.host_id: set(one.out) for one in held}
            if hosts > 0:
                due = _REVISITED_HOSTS if revisits else _DUE_HOSTS
                rows = await self._reader.execute_fetchall(due, (round(now * 1000), hosts + len(self._held)))
                free = [row for row in rows if row[0] not in self._by_host][:hosts]
                held += [self._hold(_host_state(row)) for row in free]
            return await self._hand_out(held, before, urls, now, revisits=revisits) if held else []

    def _hold(self, host: HostState) -> _Held:
        self._last_lease += 1
        held = _Held(self._last_lease, host)
        self._held[held.id] = self._by_host[host.host_id] = held
        return held

    async def _hand_out(
        self, held: list[_Held], before: dict[HostId, set[UrlId]], urls: int, now: float, *, revisits: bool
    ) -> list[Lease]:
        """Read the next URLs of each host; what was out when the reading began is left out, whatever became of it since."""
        hosts = msgspec.json.encode([one.host.host_id for one in held]).decode()
        enough = urls + max(map(len, before.values()), default=0)
        rows = [*await self._reader.execute_fetchall(_REVISITS if revisits else _DUE_URLS, (hosts, round(now * 1000), enough))]
        if not revisits:
            rows += await self._reader.execute_fetchall(_NEXT_URLS, (hosts, enough))
        by_host: dict[HostId, list[Request]] = {}
        for row in rows:
            one = self._by_host.get(row[9])
            taken = by_host.setdefault(row[9], [])
            if one is None or row[0] in before.get(row[9], ()) or row[0] in one.out or len(taken) >= urls:
                continue
            one.out[row[0]] = bool(row[11])
            self._out.add(row[0])
            taken.append(_request(row, one))
        origins = await self._new_origins(held, by_host)
        leases = []
        for one in held:
            requests = tuple(by_host.get(one.host.host_id, ()))
            if requests:
                leases.append(Lease(one.id, one.host, requests, origins.get(one.id, ())))
            elif not one.out:
                self._let_go(one.id)
        return leases

    async def _new_origins(self, held: list[_Held], by_host: dict[HostId, list[Request]]) -> dict[LeaseId, tuple[OriginState, ...]]:
        owner: dict[int, _Held] = {}
        for one in held:
            for request in by_host.get(one.host.host_id, ()):
                if request.origin_id not in one.origins:
                    one.origins.add(request.origin_id)
                    owner[request.origin_id] = one
        if not owner:
            return {}
        rows = await self._reader.execute_fetchall(_ORIGINS, (msgspec.json.encode(sorted(owner)).decode(),))
        found: dict[LeaseId, list[OriginState]] = {}
        for row in rows:
            found.setdefault(owner[row[0]].id, []).append(_origin_state(row))
        return {lease: tuple(states) for lease, states in found.items()}

    async def renew(self, leases: Sequence[LeaseId]) -> set[LeaseId]:
        """See the port."""
        return {lease for lease in leases if lease not in self._held}

    async def release(self, leases: Sequence[LeaseId]) -> None:
        """See the port."""
        for lease in leases:
            self._let_go(lease)

    def _let_go(self, lease: LeaseId) -> None:
        held = self._held.pop(lease, None)
        if held is not None:
            del self._by_host[held.host.host_id]
            self._out.difference_update(held.out)

    async def park(self, *, after: float, reason: str) -> list[str]:
        """See the port."""
        async with self._lock:
            where = "queued > 0 AND parked IS NULL AND wake_at > ?"
            moment = round(after * 1000)
            rows = await self.writer.db.execute_fetchall(f"SELECT name FROM host WHERE {where}", (moment,))
            async with self.writer.transaction():
                sql = f"UPDATE host SET parked = coalesce(rest_reason, ?) WHERE {where}"
                await self.writer.db.execute(sql, (reason, moment))
            return [row[0] for row in rows]

    @property
    def pages(self) -> int:
        """Pages stored over the whole crawl."""
        return self.writer.pages

    @property
    def queued(self) -> int:
        """URLs that wait, those of parked hosts included."""
        return self.writer.totals.get(State.QUEUED, 0)

    async def parked(self) -> list[tuple[str, str, int]]:
        """Return the hosts that are put off: name, why, URLs that wait there; the most first, at most a thousand."""
        sql = "SELECT name, parked, queued FROM host WHERE parked IS NOT NULL ORDER BY queued DESC LIMIT 1000"
        async with self._reading:
            return [(row[0], row[1], row[2]) for row in await self._reader.execute_fetchall(sql)]

    def grown_hosts(self) -> set[HostId]:
        """See the port."""
        grown, self.writer.grown = self.writer.grown, set()
        return grown

    async def next_wake(self, *, revisits: bool = False) -> float | None:
        """See the port."""
        sql = "SELECT wake_at, host_id FROM host WHERE queued > 0 AND parked IS NULL ORDER BY wake_at LIMIT ?"
        if revisits:
            sql = f"""SELECT {_WAKE_OF_REVISITS} AS at, host_id FROM host h
                WHERE queued > 0 AND parked IS NULL AND delayed > 0 AND at IS NOT NULL ORDER BY at LIMIT ?"""
        async with self._reading:
            rows = await self._reader.execute_fetchall(sql, (len(self._held) + 1,))
        return next((row[0] / 1000 for row in rows if row[1] not in self._by_host), None)

    async def statistics(self) -> FrontierStatistics:
        """See the port."""
        return self._snapshot()

    def _snapshot(self) -> FrontierStatistics:
        totals = self.writer.totals
        out = sum(len(held.out) for held in self._held.values())
        queued, done, failed, excluded = (totals.get(state, 0) for state in (State.QUEUED, State.DONE, State.FAILED, State.EXCLUDED))
        return FrontierStatistics(queued, done, failed, excluded, self.writer.pages, self.writer.errors, len(self._held), out)

    async def drained(self) -> bool:
        """See the port."""
        async with self._reading:
            sql = "SELECT EXISTS (SELECT 1 FROM host WHERE queued > 0 AND parked IS NULL)"
            [row] = await self._reader.execute_fetchall(sql)
        return not row[0]

    async def stored_bodies(self, digests: Iterable[bytes]) -> dict[bytes, str]:
        """Return the files of those bodies that are stored already."""
        async with self._reading:
            return {digest: file for digest, (_, file) in (await stored_bodies(self._reader, digests)).items()}

    async def ways(self, rows: Iterable[UrlId], followed: Container[Kind]) -> dict[UrlId, tuple[Kind, int]]:
        """Return by what kind of followed link each of these URLs can be reached, and how deep it lies by it."""
        async with self._reading:
            return await ways_to(self._reader, rows, followed)

    @property
    def knows_links(self) -> bool:
        """Whether the whole link graph is kept."""
        return self.writer.links == "all"

    async def is_no_page(self, url: str, behind: UrlId) -> bool:
        """Tell whether a URL is known to be no page for another to stand *behind* it: refused, failed, a redirect, standing back itself."""
        if behind in self._brought_back:
            return True
        sql = "SELECT 1 FROM url WHERE fingerprint = ? AND state <> 0 AND page_id IS NULL"
        async with self._reading:
            return bool(list(await self._reader.execute_fetchall(sql, (urls.fingerprint(urls.key(url), self.secret),))))

    async def bring_back(self) -> int:
        """Queue the pages that stand back behind a canonical which turned out to be no page; return how many there are."""
        async with self._lock:
            rows = [(row[0], row[1]) for row in await self.writer.db.execute_fetchall(STANDING_BACK_BEHIND_NOTHING)]
            if rows:
                tally = Tally()
                for _, host_id in rows:
                    tally.move(host_id, State.EXCLUDED, State.QUEUED)
                async with self.writer.transaction():
                    sql = "UPDATE url SET state = 0, reason = NULL, rule = NULL, tries = 0 WHERE url_id = ?"
                    await self.writer.db.executemany(sql, [(row_id,) for row_id, _ in rows])
                    await self.writer.count(tally)
                self._brought_back.update(row_id for row_id, _ in rows)
            return len(rows)

    async def cookies_of(self, site: str) -> list[CookieRow]:
        """Return the cookies that are kept of a site."""
        async with self._reading:
            rows = await self._reader.execute_fetchall(COOKIES, (site,))
        return [CookieRow(*row[:6], *map(bool, row[6:])) for row in rows]


def _host_state(row: Any) -> HostState:
    host_id, name, next_at, pace, failures, reason = row
    return HostState(host_id, name, next_at / 1000, None if pace is None else pace / 1000, failures, reason)


def _origin_state(row: Any) -> OriginState:
    origin_id, origin, at, status, fault, text, delay = row
    return OriginState(
        origin_id, origin, None if at is None else at / 1000, status, None if fault is None else FAULTS[fault - 1], text,
        None if delay is None else delay / 1000,
    )  # fmt: skip


def _request(row: Any, held: _Held) -> Request:
    row_id, origin, path, kind, depth, priority, ruleset, hops, tries, host_id, origin_id, _, asked, has_page, *kept = row
    return Request(
        origin + path, origin, held.host.name, KINDS[kind], depth, priority, ruleset, hops, tries, row_id, host_id, origin_id, held.id,
        bool(asked), Kept(*kept) if has_page else None,
    )  # fmt: skip
