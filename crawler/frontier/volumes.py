"""The WARC files of a crawl as the database knows them: which are open, how much of them is true, and what lies where.

A file has its row before it is made, so that no crash leaves one that nobody names: at start only open rows are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Any

import msgspec

from crawler.core.model import UrlId
from crawler.frontier.sqlite import SqliteFrontier
from crawler.frontier.statements import stored_bodies

Found = tuple[str, float, bytes]
"""URL, moment and digest of an answer that lies in a WARC file with its body."""

_FIRST = """JOIN fetch f ON f.fetch_id = (
  SELECT g.fetch_id FROM fetch g JOIN warc_record r ON r.fetch_id = g.fetch_id JOIN warc w ON w.warc_id = r.warc_id
  WHERE g.body_id = b.body_id AND r.offset = b.offset AND w.file = b.file ORDER BY g.fetch_id LIMIT 1)
JOIN url u ON u.url_id = f.url_id JOIN origin o ON o.origin_id = u.origin_id"""
_ORIGINALS = f"""
SELECT b.digest, o.origin || u.path, f.at, b.digest FROM json_each(?) j JOIN body b ON b.body_id = j.value {_FIRST}"""
_STILL_GOOD = f"""
SELECT p.url_id, o.origin || u.path, f.at, b.digest FROM json_each(?) j JOIN url p ON p.url_id = j.value
JOIN fetch l ON l.fetch_id = p.page_id JOIN body b ON b.body_id = l.body_id {_FIRST}"""


class Volumes:
    """The rows of `warc`."""

    def __init__(self, frontier: SqliteFrontier) -> None:
        self._frontier = frontier
        self._db = frontier.writer.db

    async def left_open(self) -> list[tuple[int, str, int]]:
        """Return the files that the last run did not close: row, file, and the bytes of it that are true."""
        rows = await self._db.execute_fetchall("SELECT warc_id, file, bytes FROM warc WHERE closed = 0")
        return [(row[0], row[1], row[2]) for row in rows]

    async def close(self, rows: Collection[int]) -> None:
        """Note that nothing more is added to these files; those of which nothing is true are forgotten."""
        if not rows:
            return
        async with self._frontier.exclusive(), self._frontier.writer.transaction():
            await self._db.executemany("DELETE FROM warc WHERE warc_id = ? AND bytes = 0", [(row,) for row in rows])
            await self._db.executemany("UPDATE warc SET closed = 1 WHERE warc_id = ?", [(row,) for row in rows])

    async def begin(self, name: Callable[[int], str]) -> tuple[int, str]:
        """Make the row of a new file, called *name* of its number, and close the one before it; return the row and the name."""
        async with self._frontier.exclusive(), self._frontier.writer.transaction():
            [row] = await self._db.execute_fetchall("SELECT coalesce(max(warc_id), 0) + 1 FROM warc")
            number, file = int(row[0]), name(int(row[0]))
            await self._db.execute("UPDATE warc SET closed = 1 WHERE closed = 0")
            await self._db.execute("INSERT INTO warc (warc_id, file, bytes) VALUES (?, ?, 0)", (number, file))
        return number, file

    async def originals(self, digests: Iterable[bytes]) -> dict[bytes, Found]:
        """Return where bodies lie already in WARC files; what is stored otherwise is left out."""
        ids = [row for row, _ in (await stored_bodies(self._db, digests)).values()]
        return {row[0]: _found(row) for row in await self._select(_ORIGINALS, ids)}

    async def still_good(self, urls: Collection[UrlId]) -> dict[UrlId, Found]:
        """Return where the bodies of pages lie that have not changed since they were stored."""
        return {row[0]: _found(row) for row in await self._select(_STILL_GOOD, urls)}

    async def _select(self, sql: str, ids: Collection[int]) -> Iterable[Any]:
        return await self._db.execute_fetchall(sql, (msgspec.json.encode(list(ids)).decode(),)) if ids else ()


def _found(row: Any) -> Found:
    return row[1], row[2] / 1000, row[3]
