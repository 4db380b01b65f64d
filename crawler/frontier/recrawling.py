"""Queueing again what was asked before: in batches, each in one transaction with the place where the next begins.

A recrawl is remembered until everything that it queued has been asked, so that whatever interrupts it, it goes on where it was:
nothing is measured anew, and nothing that was asked since it began is asked once more.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from crawler.core.inhand import ROBOTS_KEPT
from crawler.core.model import KIND_CODE, Kind, Reason, State, UrlId
from crawler.core.revisits import VISITS, Age, Visit, interval
from crawler.frontier.batch import Tally
from crawler.frontier.sqlite import SqliteFrontier
from crawler.frontier.statements import ms

AT_ONCE = 2_000
"""URLs that are looked at in one transaction."""
AT_ONCE_WITH_HISTORY = 500
KEY = "recrawl"

# What was answered or given up; what stood back behind its canonical; and what a robots.txt forbade that is read anew in this run.
_ASKED = f"""
SELECT u.url_id, u.host_id, u.state, f.at, u.page_id IS NOT NULL, u.state <> {State.EXCLUDED} AND
  (u.state = {State.FAILED} OR f.fault IS NOT NULL OR coalesce(f.status, 0) >= 400),
  u.state = {State.EXCLUDED} AND u.reason = '{Reason.ROBOTS}'
FROM url u JOIN origin o USING (origin_id) LEFT JOIN fetch f ON f.fetch_id = u.fetch_id
WHERE u.url_id > ? AND u.url_id <= ? AND u.kind <> {KIND_CODE[Kind.ROBOTS]} AND (u.state IN ({State.DONE}, {State.FAILED})
  OR (u.state = {State.EXCLUDED} AND u.reason = '{Reason.DUPLICATE}' AND u.rule LIKE 'fold canonical%')
  OR (u.state = {State.EXCLUDED} AND u.reason = '{Reason.ROBOTS}' AND u.rule LIKE 'robots.txt%' AND (o.robots_at < ? OR o.robots_at >= ?)))
ORDER BY u.url_id"""
_HISTORY = """
SELECT f.url_id, f.status, f.fault, f.body_id, f.redirect_id FROM json_each(?) j JOIN fetch f ON f.fetch_id IN (
  SELECT fetch_id FROM fetch WHERE url_id = j.value ORDER BY fetch_id DESC LIMIT ?)
ORDER BY f.url_id, f.fetch_id"""
_QUEUE = f"UPDATE url SET state = {State.QUEUED}, tries = 0, due_at = ?, reason = NULL, rule = NULL WHERE url_id = ?"


class Recrawl(msgspec.Struct, frozen=True):
    """A recrawl that is not over."""

    age: Age
    began: float
    """When the run began that started it: ages are measured against this moment."""
    last: UrlId | None = 0
    """The row up to which everything has been looked at; None when that is all of them."""


class _Row(NamedTuple):
    id: UrlId
    host_id: int
    state: int
    at: int | None
    has_page: int
    wrong: int
    """It counts as an error."""
    barred: int
    """robots.txt forbade it, and may say something else now."""


async def open_recrawl(frontier: SqliteFrontier, age: Age | None, *, now: float) -> Recrawl | None:
    """Return the recrawl that this run goes on with, or begins; None when there is none.

    One that is not over goes on, whether it is asked for or not; asked for with another age, a new one takes its place.
    """
    rows = list(await frontier.writer.db.execute_fetchall("SELECT value FROM meta WHERE key = ?", (KEY,)))
    before = msgspec.json.decode(rows[0][0], type=Recrawl) if rows else None
    if before is not None and age in (None, before.age):
        return before
    if age is None:
        return None
    recrawl = Recrawl(age, now)
    async with frontier.exclusive(), frontier.writer.transaction():
        await _remember(frontier, recrawl)
    return recrawl


async def close_recrawl(frontier: SqliteFrontier) -> None:
    """Note that all that a recrawl queued has been asked."""
    async with frontier.exclusive(), frontier.writer.transaction():
        await frontier.writer.db.execute("DELETE FROM meta WHERE key = ?", (KEY,))


async def _remember(frontier: SqliteFrontier, recrawl: Recrawl) -> None:
    value = msgspec.json.encode(recrawl).decode()
    sql = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    await frontier.writer.db.execute(sql, (KEY, value))


async def revisit(frontier: SqliteFrontier, recrawl: Recrawl) -> tuple[Recrawl, int]:
    """Queue what is old enough of the next batch; return how far that came, and how many URLs were queued.

    What had a page gets the moment at which it became due: so the oldest is asked first, and before what is new.
    """
    if recrawl.last is None:
        return recrawl, 0
    db, writer = frontier.writer.db, frontier.writer
    async with frontier.exclusive():
        size = AT_ONCE_WITH_HISTORY if isinstance(recrawl.age, tuple) else AT_ONCE
        sql = "SELECT max(url_id) FROM (SELECT url_id FROM url WHERE url_id > ? ORDER BY url_id LIMIT ?)"
        [(last,)] = await db.execute_fetchall(sql, (recrawl.last, size))
        rows: list[_Row] = []
        if last is not None:
            began = ms(recrawl.began) or 0
            bounds = (recrawl.last, last, began - round(ROBOTS_KEPT * 1000), began)
            rows = [_Row._make(row) for row in await db.execute_fetchall(_ASKED, bounds)]
        due = await _due(frontier, rows, recrawl)
        tally, changes, errors = Tally(), [], 0
        for row in rows:
            if row.id in due:
                tally.move(row.host_id, row.state, State.QUEUED, delayed=due[row.id] is not None)
                changes.append((due[row.id], row.id))
                errors += row.wrong
        reached = Recrawl(recrawl.age, recrawl.began, last)
        async with writer.transaction():
            writer.errors -= errors
            await db.executemany(_QUEUE, changes)
            await writer.count(tally)
            await _remember(frontier, reached)
    return reached, len(changes)


async def _due(frontier: SqliteFrontier, rows: list[_Row], recrawl: Recrawl) -> dict[UrlId, int | None]:
    """Return the rows that are to be asked again, and since when (milliseconds); None is in their turn."""
    asked = [row for row in rows if row.at is not None and not row.barred]
    ages = await _ages(frontier, [row.id for row in asked], recrawl.age)
    began = ms(recrawl.began) or 0
    due: dict[UrlId, int | None] = {row.id: began if row.has_page else None for row in rows if row.barred}
    for row in asked:
        since = (row.at or 0) + ages[row.id]
        if since < began:
            due[row.id] = since
    return due


async def _ages(frontier: SqliteFrontier, rows: list[UrlId], age: Age) -> dict[UrlId, int]:
    """Return the age (milliseconds) beyond which each of these rows is asked again."""
    if not isinstance(age, tuple):
        return dict.fromkeys(rows, round(age * 1000))
    visits: dict[UrlId, list[Visit]] = {row: [] for row in rows}
    found = await frontier.writer.db.execute_fetchall(_HISTORY, (msgspec.json.encode(rows).decode(), VISITS))
    for row, *what in found:
        visits[row].append(Visit(*what))
    return {row: round(interval(seen, *age) * 1000) for row, seen in visits.items()}
