"""What people change by hand in what is known: ask again, leave out, forget. In batches, each one transaction.

Whoever calls holds the frontier `exclusive`: nothing is handed out or written meanwhile. What is being fetched right now is
left alone, and each row is looked at again before it is changed, for it may have moved on since it was chosen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

import msgspec

from crawler.core.model import HostId, State, UrlId
from crawler.frontier.batch import ROBOTS_CODE, Tally
from crawler.frontier.sqlite import SqliteFrontier

AT_ONCE = 2_000
"""Rows in one transaction."""
FORGOTTEN = "forgotten"
"""Key of `meta`: bodies that lost a page and may be needed by none."""

_ROWS = """
SELECT u.url_id, u.host_id, u.state, u.due_at IS NOT NULL, u.reason = 'skipped' AND u.rule = 'by hand', u.page_id IS NOT NULL,
  f.fault IS NOT NULL OR f.status >= 400
FROM url u LEFT JOIN fetch f ON f.fetch_id = u.fetch_id
WHERE u.url_id IN (SELECT value FROM json_each(?)) AND u.kind <> ?"""
_ASK_AGAIN = "UPDATE url SET state = 0, tries = 0, due_at = NULL, reason = NULL, rule = NULL WHERE url_id = ?"
_LEAVE_OUT = "UPDATE url SET state = 3, due_at = NULL, reason = 'skipped', rule = 'by hand' WHERE url_id = ?"
_CHOSEN = "(SELECT value FROM json_each(?1))"
_FORGET = (
    f"DELETE FROM warc_record WHERE fetch_id IN (SELECT fetch_id FROM fetch WHERE url_id IN {_CHOSEN})",
    f"UPDATE url SET fetch_id = NULL, page_id = NULL, parent_id = NULL WHERE url_id IN {_CHOSEN}",
    f"DELETE FROM fetch WHERE url_id IN {_CHOSEN}",
    f"DELETE FROM listing WHERE url_id IN {_CHOSEN} OR sitemap_id IN {_CHOSEN}",
    # what points to a row has no index for it but links: one pass over each table for a whole batch
    f"UPDATE url SET parent_id = NULL WHERE parent_id IN {_CHOSEN}",
    f"UPDATE fetch SET redirect_id = NULL WHERE redirect_id IN {_CHOSEN}",
    f"UPDATE fetch SET canonical_id = NULL WHERE canonical_id IN {_CHOSEN}",
    f"UPDATE fetch SET near_id = NULL WHERE near_id IN {_CHOSEN}",
    f"DELETE FROM link WHERE src_id IN {_CHOSEN}",
    f"DELETE FROM link WHERE dst_id IN {_CHOSEN}",
    f"DELETE FROM url WHERE url_id IN {_CHOSEN}",
)


class Action(StrEnum):
    """What is done to URLs."""

    RETRY = "retry"
    """Ask again for what went wrong, at once and with all its tries."""
    REQUEUE = "requeue"
    """Ask again, whatever came of it; what was skipped by hand is let in again."""
    SKIP = "skip"
    """Never ask for what waits."""
    FORGET = "forget"
    """Remove every trace: rows, history, and bodies that no other page shares."""


class Edited(NamedTuple):
    """What came of it."""

    changed: int
    busy: int
    """Being fetched right now, and left alone."""


class _Row(NamedTuple):
    id: UrlId
    host_id: int
    state: int
    delayed: int
    skipped: int | None
    """Left out by hand."""
    page: int
    wrong: int | None


async def edit(frontier: SqliteFrontier, action: Action, rows: Collection[UrlId]) -> Edited:
    """Do *action* to those of these rows that it means something to. Whoever calls holds the frontier `exclusive`."""
    writer, out = frontier.writer, frontier.out()
    found = await writer.db.execute_fetchall(_ROWS, (msgspec.json.encode(list(rows)).decode(), ROBOTS_CODE))
    known = [_Row._make(row) for row in found]
    free = [row for row in known if row.id not in out]
    chosen = [row for row in free if _applies(action, row)]
    if chosen:
        tally = Tally()
        async with writer.transaction():
            match action:
                case Action.RETRY | Action.REQUEUE:
                    await _move(frontier, tally, chosen, State.QUEUED, _ASK_AGAIN)
                case Action.SKIP:
                    await _move(frontier, tally, chosen, State.EXCLUDED, _LEAVE_OUT)
                case Action.FORGET:
                    await _forget(frontier, tally, chosen)
            await writer.count(tally)
        writer.known.clear()
    return Edited(len(chosen), len(known) - len(free))


def _applies(action: Action, row: _Row) -> bool:
    match action:
        case Action.RETRY:
            return bool(row.wrong) and (row.state in (State.DONE, State.FAILED) or (row.state == State.QUEUED and bool(row.delayed)))
        case Action.REQUEUE:
            return row.state in (State.DONE, State.FAILED) or (row.state == State.EXCLUDED and bool(row.skipped))
        case Action.SKIP:
            return row.state == State.QUEUED
        case Action.FORGET:
            return True


def _is_error(row: _Row) -> bool:
    """Tell whether a row is one that the counter of errors has counted."""
    return row.state == State.FAILED or (row.state == State.DONE and bool(row.wrong))


async def _move(frontier: SqliteFrontier, tally: Tally, rows: Sequence[_Row], state: State, sql: str) -> None:
    for row in rows:
        tally.move(row.host_id, row.state, state, was_delayed=bool(row.delayed))
    frontier.writer.errors -= sum(map(_is_error, rows))
    await frontier.writer.db.executemany(sql, [(row.id,) for row in rows])


async def _forget(frontier: SqliteFrontier, tally: Tally, rows: Sequence[_Row]) -> None:
    writer = frontier.writer
    for row in rows:
        tally.remove(row.host_id, row.state, was_delayed=bool(row.delayed))
    writer.errors -= sum(map(_is_error, rows))
    writer.pages -= sum(row.page for row in rows)
    ids = msgspec.json.encode([row.id for row in rows]).decode()
    sql = f"SELECT DISTINCT b.body_id, b.file FROM fetch f JOIN body b USING (body_id) WHERE f.url_id IN {_CHOSEN}"
    bodies = [(row[0], row[1]) for row in await writer.db.execute_fetchall(sql, (ids,))]
    if bodies:
        before = await _forgotten(frontier)
        await _remember(frontier, list(dict.fromkeys([*before, *bodies])))
    await writer.index.forget([row.id for row in rows])
    for statement in _FORGET:
        await writer.db.execute(statement, (ids,))


async def _forgotten(frontier: SqliteFrontier) -> list[tuple[int, str]]:
    found = list(await frontier.writer.db.execute_fetchall("SELECT value FROM meta WHERE key = ?", (FORGOTTEN,)))
    return msgspec.json.decode(found[0][0], type=list[tuple[int, str]]) if found else []


async def _remember(frontier: SqliteFrontier, bodies: Sequence[tuple[int, str]]) -> None:
    value = msgspec.json.encode(bodies).decode()
    await frontier.writer.db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (FORGOTTEN, value))


async def remove_forgotten(frontier: SqliteFrontier, folder: Path) -> int:
    """Delete the bodies that forgotten pages had and no other page has; return how many. Only while nothing is being stored.

    Rows first, then files, then the list of both: killed in between, the next call goes on. What lies in a WARC file stays there.
    """
    bodies = await _forgotten(frontier)
    if not bodies:
        return 0
    db = frontier.writer.db
    async with frontier.exclusive():
        async with frontier.writer.transaction():
            sql = """DELETE FROM body WHERE body_id = ? AND offset IS NULL
                AND NOT EXISTS (SELECT 1 FROM fetch f WHERE f.body_id = body.body_id)"""
            await db.executemany(sql, [(body_id,) for body_id, _ in bodies])
        sql = "SELECT body_id FROM body WHERE body_id IN (SELECT value FROM json_each(?))"
        needed = {row[0] for row in await db.execute_fetchall(sql, (msgspec.json.encode([body_id for body_id, _ in bodies]).decode(),))}
        files = [folder / file for body_id, file in bodies if body_id not in needed]
        removed = await asyncio.to_thread(_remove, files)
        async with frontier.writer.transaction():
            await db.execute("DELETE FROM meta WHERE key = ?", (FORGOTTEN,))
    return removed


def _remove(files: Sequence[Path]) -> int:
    found = [path for path in files if path.is_file()]
    for path in found:
        path.unlink()
    return len(found)


async def host_named(frontier: SqliteFrontier, name: str) -> HostId | None:
    """Return the host of that name, None for one that was never met."""
    rows = list(await frontier.writer.db.execute_fetchall("SELECT host_id FROM host WHERE name = ?", (name,)))
    return HostId(rows[0][0]) if rows else None


async def put_off(frontier: SqliteFrontier, host_id: HostId, why: str) -> None:
    """Put a host off beyond this run. Whoever calls holds the frontier `exclusive`."""
    async with frontier.writer.transaction():
        await frontier.writer.db.execute("UPDATE host SET parked = ? WHERE host_id = ?", (why, host_id))


async def take_up(frontier: SqliteFrontier, host_id: HostId, *, now: float) -> None:
    """End the rest of a host, or take it up again after it was put off. Whoever calls holds the frontier `exclusive`."""
    sql = """UPDATE host SET parked = NULL, rest_reason = NULL, failures = 0, next_at = min(next_at, ?1), wake_at = min(wake_at, ?1)
        WHERE host_id = ?2"""
    async with frontier.writer.transaction():
        await frontier.writer.db.execute(sql, (round(now * 1000), host_id))


async def note(frontier: SqliteFrontier, command: str, argument: object, urls: int | None, *, now: float) -> None:
    """Write down that somebody has changed something. Whoever calls holds the frontier `exclusive`."""
    writer = frontier.writer
    sql = "INSERT INTO intervention (run_id, at, command, argument, urls) VALUES (?, ?, ?, ?, ?)"
    async with writer.transaction():
        row = (writer.run_id or None, round(now * 1000), command, msgspec.json.encode(argument).decode(), urls)
        await writer.db.execute(sql, row)
