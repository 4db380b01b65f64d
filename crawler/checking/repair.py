"""Making a damaged folder a sound one, at rest, without deleting anything of it.

Damaged and alien files are moved to `quarantine/`. A body that is gone is forgotten and its URLs are queued, so that the same
crawl command fetches just these. First the file, then its row: cut short in between, the next check finds a missing file
and the next repair goes on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from crawler.archive.names import is_file_of
from crawler.checking.counting import BY_HOST, ERRORS, HOST_COUNTERS, IS_ERROR, PAGES, ROBOTS, STATES
from crawler.checking.finding import BODIES, Repaired, Todo, Trouble
from crawler.checking.quarantine import Quarantine
from crawler.checking.warcrepair import repair_warcs
from crawler.core import urls
from crawler.core.model import State
from crawler.folder import DATABASE
from crawler.frontier.batch import Tally
from crawler.frontier.opening import open_writer
from crawler.frontier.statements import WAKE_HOST
from crawler.frontier.writing import Writer

CHUNK = 500
"""Files that are moved together, and bodies that are forgotten in one transaction."""

_OF_BODIES = "(SELECT value FROM json_each(?))"
_TO_QUEUE = f"""
SELECT DISTINCT u.url_id, u.host_id, u.state, u.due_at IS NOT NULL, u.page_id IS NOT NULL, {IS_ERROR}
FROM fetch b JOIN url u ON u.url_id = b.url_id AND b.fetch_id IN (u.page_id, u.fetch_id) LEFT JOIN fetch f ON f.fetch_id = u.fetch_id
WHERE b.body_id IN {_OF_BODIES} AND u.kind <> {ROBOTS} AND u.state IN ({int(State.QUEUED)}, {int(State.DONE)}, {int(State.FAILED)})"""
_QUEUE = "UPDATE url SET state = 0, page_id = NULL, due_at = NULL, tries = 0, reason = NULL, rule = NULL WHERE url_id = ?"
_HOSTLESS = """
SELECT DISTINCT o.host_id, o.origin FROM origin o LEFT JOIN host h USING (host_id) WHERE h.host_id IS NULL ORDER BY o.host_id"""
_BODILESS = "SELECT DISTINCT body_id FROM fetch WHERE body_id IS NOT NULL AND body_id NOT IN (SELECT body_id FROM body)"
_LOOSE = (
    *(
        f"""UPDATE {table} SET {column} = NULL
        WHERE {column} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {there} t WHERE t.{key} = {table}.{column})"""
        for table, column, there, key in (
            ("url", "parent_id", "url", "url_id"),
            ("url", "page_id", "fetch", "fetch_id"),
            ("url", "fetch_id", "fetch", "fetch_id"),
            ("fetch", "redirect_id", "url", "url_id"),
            ("fetch", "canonical_id", "url", "url_id"),
            ("fetch", "near_id", "url", "url_id"),
        )
    ),
    "DELETE FROM link WHERE src_id NOT IN (SELECT url_id FROM url) OR dst_id NOT IN (SELECT url_id FROM url)",
)
"""References to nothing that may just as well be none. Others are not touched: only a backup has what they name."""


async def repair(root: Path, todo: Todo, *, now: float, reindex: bool) -> Repaired:
    """Repair what can be. The caller holds the folder. Raises StorageError when something cannot be moved."""
    async with _writer(root / DATABASE) as writer:
        if reindex:
            await writer.db.execute("REINDEX")
        hosts = await _find_hosts(writer) if todo.counts[Trouble.REFERENCE] else 0
        moved = queued = forgotten = 0
        quarantine = Quarantine(root)
        if todo.counts[Trouble.REFERENCE]:
            lost = [row[0] for row in await writer.db.execute_fetchall(_BODILESS)]
            queued += await _forget(writer, lost)
            async with writer.transaction():
                for sql in _LOOSE:
                    await writer.db.execute(sql)
        for bodies in todo.bodies(CHUNK):
            hurt = [(body_id, file, trouble) for body_id, file, trouble in bodies if trouble in BODIES]
            moved += quarantine.take(Path(file) for _, file, _ in hurt if is_file_of(file))
            queued += await _forget(writer, [body_id for body_id, _, _ in hurt])
            forgotten += len(hurt)
        for orphans in todo.orphans(CHUNK):
            moved += quarantine.take(orphans)
        if todo.counts[Trouble.WARC]:
            moved += await repair_warcs(root, writer, quarantine)
        await _recount(writer)
        done = Repaired(moved, queued, forgotten, hosts, counted=bool(todo.counts[Trouble.COUNTER]), indexed=reindex)
        if moved or queued or forgotten or hosts or done.counted or reindex:
            async with writer.transaction():
                told = {name: getattr(done, name) for name in done.__struct_fields__}
                sql = "INSERT INTO intervention (run_id, at, command, argument, urls) VALUES (NULL, ?, 'repair', ?, ?)"
                await writer.db.execute(sql, (round(now * 1000), msgspec.json.encode(told).decode(), queued))
        return done


@asynccontextmanager
async def _writer(path: Path) -> AsyncIterator[Writer]:
    db = await open_writer(path, durability="full")
    try:
        [row] = await db.execute_fetchall("SELECT value FROM meta WHERE key = 'secret'")
        writer = Writer(db, secret=bytes.fromhex(row[0]), links="all")
        await writer.load()
        yield writer
    finally:
        await db.close()


async def _find_hosts(writer: Writer) -> int:
    """Make the rows of hosts again that origins name; how quick they were is lost, and begins anew."""
    names = {row[0]: urls.host_of(row[1]) for row in await writer.db.execute_fetchall(_HOSTLESS)}
    async with writer.transaction():
        rows = [(host_id, name, urls.site_of(name)) for host_id, name in names.items()]
        await writer.db.executemany("INSERT OR IGNORE INTO host (host_id, name, site) VALUES (?, ?, ?)", rows)
    await writer.load()
    return len(names)


async def _forget(writer: Writer, bodies: Sequence[int]) -> int:
    """Forget bodies and queue the URLs that had them, in one transaction; return how many URLs."""
    if not bodies:
        return 0
    ids = (msgspec.json.encode(list(bodies)).decode(),)
    async with writer.transaction():
        rows = list(await writer.db.execute_fetchall(_TO_QUEUE, ids))
        tally = Tally()
        for _, host_id, state, delayed, page, wrong in rows:
            tally.move(host_id, State(state), State.QUEUED, was_delayed=bool(delayed))
            writer.pages -= page
            writer.errors -= wrong
        await writer.db.executemany(_QUEUE, [(row[0],) for row in rows])
        at = f"SELECT fetch_id FROM fetch WHERE body_id IN {_OF_BODIES}"
        await writer.db.execute(f"DELETE FROM warc_record WHERE fetch_id IN ({at})", ids)
        await writer.db.execute(f"UPDATE url SET page_id = NULL WHERE kind = {ROBOTS} AND page_id IN ({at})", ids)
        await writer.db.execute(f"UPDATE fetch SET body_id = NULL WHERE body_id IN {_OF_BODIES}", ids)
        await writer.db.execute(f"DELETE FROM body WHERE body_id IN {_OF_BODIES}", ids)
        await writer.count(tally)
    return len(rows)


async def _recount(writer: Writer) -> None:
    """Count hosts, states, pages and errors anew, and work out when each host wakes."""
    columns = ", ".join(HOST_COUNTERS)
    async with writer.transaction():
        await writer.db.execute("CREATE TEMP TABLE counted AS " + BY_HOST)
        await writer.db.execute("CREATE UNIQUE INDEX temp.counted_host ON counted(host_id)")
        sums = ", ".join(f"coalesce((SELECT {name} FROM counted c WHERE c.host_id = host.host_id), 0)" for name in HOST_COUNTERS)
        await writer.db.execute(f"UPDATE host SET ({columns}) = (SELECT {sums})")
        await writer.db.execute("DROP TABLE temp.counted")
        await writer.db.execute(
            f"WITH c AS ({STATES}) UPDATE state SET urls = coalesce((SELECT c.urls FROM c WHERE c.state = state.state), 0)"
        )
        for key, sql in (("pages", PAGES), ("errors", ERRORS)):
            await writer.db.execute(f"INSERT OR REPLACE INTO meta VALUES (?, CAST(({sql}) AS TEXT))", (key,))
        await writer.db.execute(WAKE_HOST.replace("(SELECT value FROM json_each(?))", "(SELECT host_id FROM host)"))
    await writer.load()
