"""The search index: two tables that are made when they are first needed, written in the transactions that store pages.

`page_index` knows in which pages a word stands, and not what it has taken in (a contentless table of FTS5); `page_text` has
the text as people read it, for excerpts, and so that an entry can be taken out again, which needs the very words that were
put in. An entry is true while its `fetch_id` is the `page_id` of its URL: whatever happens to a page elsewhere, no search
shows what it once said.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import aiosqlite
import msgspec

from crawler.core import tokens
from crawler.core.model import KIND_CODE, Indexed, Kind, UrlId
from crawler.folder import CrawlError

TABLES = (
    """CREATE TABLE IF NOT EXISTS page_text (
  url_id INTEGER PRIMARY KEY REFERENCES url, fetch_id INTEGER NOT NULL REFERENCES fetch, packed BLOB NOT NULL
) STRICT""",
    # Marks belong to words: Hindi and its like cannot be read without them.
    """CREATE VIRTUAL TABLE IF NOT EXISTS page_index USING fts5 (
  title, text, content = '', tokenize = "unicode61 remove_diacritics 2 categories 'L* N* Co Mn Mc'"
)""",
)
ADD = "INSERT INTO page_index (rowid, title, text) VALUES (?, ?, ?)"
TAKE_OUT = "INSERT INTO page_index (page_index, rowid, title, text) VALUES ('delete', ?, ?, ?)"
ADD_TEXT = "INSERT INTO page_text VALUES (?, ?, ?)"
MISSING = f"""
SELECT u.url_id, u.page_id, o.origin || u.path, f.mime, f.charset, f.headers, b.file, b.offset, b.length
FROM url u JOIN fetch f ON f.fetch_id = u.page_id JOIN body b ON b.body_id = f.body_id JOIN origin o ON o.origin_id = u.origin_id
  LEFT JOIN page_text t ON t.url_id = u.url_id
WHERE u.url_id > ? AND t.fetch_id IS NOT u.page_id AND u.kind <> {KIND_CODE[Kind.ROBOTS]}
  AND (f.mime IS NULL OR f.mime LIKE '%html%' OR f.mime LIKE '%xml%' OR f.mime = 'text/plain' OR f.mime NOT LIKE '%/%'
    OR f.mime IN ('*/*', 'unknown/unknown', 'application/unknown'))
ORDER BY u.url_id LIMIT ?"""
_STALE = """
SELECT t.url_id FROM page_text t LEFT JOIN url u ON u.url_id = t.url_id WHERE t.url_id > ? AND u.page_id IS NULL
ORDER BY t.url_id LIMIT ?"""

Entry = tuple[UrlId, int, Indexed | None]
"""A URL, the fetch that brought its page, and what the index is to keep of it; None is nothing."""


class Stored(NamedTuple):
    """A stored page that is not in the index."""

    url_id: UrlId
    fetch_id: int
    url: str
    mime: str | None
    charset: str | None
    headers: str | None
    file: str
    offset: int | None
    length: int | None


class Index:
    """The search index of one crawl. Whoever writes to it is within a transaction."""

    def __init__(self, db: aiosqlite.Connection) -> None:
        self._db = db
        self.wanted = False
        """Pages that are stored now go into it."""

    def __repr__(self) -> str:
        return f"<Index {'of what is stored' if self.wanted else 'left alone'}>"

    async def begin(self, *, wanted: bool) -> None:
        """Begin a run: make the tables where they are wanted, and note when pages are or will be stored without an entry.

        Raises CrawlError where SQLite has no full-text search.
        """
        self.wanted = wanted
        here = await self._version()
        if here is None and not wanted:
            return
        if here != tokens.VERSION and wanted:
            await self._make(anew=here is not None)
        if here != tokens.VERSION or not wanted:
            [pages] = await self._db.execute_fetchall("SELECT EXISTS (SELECT 1 FROM url WHERE page_id IS NOT NULL)")
            await self._remember("index_gaps", "1" if pages[0] or not wanted else "0")

    async def _version(self) -> int | None:
        rows = list(await self._db.execute_fetchall("SELECT value FROM meta WHERE key = 'index'"))
        return int(rows[0][0]) if rows else None

    async def _make(self, *, anew: bool) -> None:
        if anew:
            for table in ("page_index", "page_text"):
                await self._db.execute(f"DROP TABLE IF EXISTS {table}")
        try:
            for sql in TABLES:
                await self._db.execute(sql)
        except sqlite3.OperationalError as error:
            if "fts5" not in str(error):
                raise
            raise CrawlError(
                "the SQLite of this Python has no full-text search (FTS5)", "Try another Python, or --index off."
            ) from error
        await self._remember("index", str(tokens.VERSION))

    async def _remember(self, key: str, value: str) -> None:
        await self._db.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (key, value))

    async def put(self, entries: Sequence[Entry]) -> None:
        """Put pages in, each in place of what was there of its URL."""
        if not entries:
            return
        latest = {url_id: (url_id, fetch_id, indexed) for url_id, fetch_id, indexed in entries}
        await self.take_out(latest)
        kept = [(url_id, fetch_id, indexed) for url_id, fetch_id, indexed in latest.values() if indexed is not None]
        await self._db.executemany(ADD, [(url_id, indexed.title, indexed.text) for url_id, _, indexed in kept])
        await self._db.executemany(ADD_TEXT, [(url_id, fetch_id, indexed.packed) for url_id, fetch_id, indexed in kept])

    async def take_out(self, url_ids: Iterable[UrlId]) -> None:
        """Take URLs out, as far as they are there."""
        sql = "SELECT url_id, packed FROM page_text WHERE url_id IN (SELECT value FROM json_each(?))"
        before = list(await self._db.execute_fetchall(sql, (msgspec.json.encode(list(url_ids)).decode(),)))
        for url_id, packed in before:
            indexed = tokens.kept(*tokens.unpacked(packed))
            await self._db.execute(TAKE_OUT, (url_id, indexed.title, indexed.text))
            await self._db.execute("DELETE FROM page_text WHERE url_id = ?", (url_id,))

    async def forget(self, url_ids: Sequence[UrlId]) -> None:
        """Take URLs out that are to leave no trace, of a crawl that may have no index."""
        if list(await self._db.execute_fetchall("SELECT 1 FROM sqlite_schema WHERE name = 'page_text'")):
            await self.take_out(url_ids)

    # --- at rest -------------------------------------------------------------------------------------------------

    async def count_missing(self) -> int:
        """Return how many stored pages are not in it."""
        [row] = await self._db.execute_fetchall(f"SELECT count(*) FROM ({MISSING})", (0, -1))
        return int(row[0])

    async def missing(self, after: UrlId, most: int) -> list[Stored]:
        """Return the next stored pages that are not in it."""
        return [Stored(*row) for row in await self._db.execute_fetchall(MISSING, (after, most))]

    async def stale(self, after: UrlId, most: int) -> list[UrlId]:
        """Return the next URLs in it that have no page any more."""
        return [row[0] for row in await self._db.execute_fetchall(_STALE, (after, most))]

    async def complete(self) -> None:
        """Note that every stored page is in it."""
        await self._remember("index_gaps", "0")
