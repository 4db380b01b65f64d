"""Filling the search index of a crawl at rest with the pages that are stored and not in it.

The same parser processes make the same words of the same bytes as during a crawl, so that it does not matter when a page
came in. Each batch is one transaction: whoever stops it goes on where it stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import msgspec

from crawler.archive.reading import BodyMissing, open_body
from crawler.core import tokens
from crawler.core.model import Indexed
from crawler.core.scope import Options, rules_of, ruleset_of
from crawler.core.settings import DEFAULTS
from crawler.folder import DATABASE, held
from crawler.frontier.indexing import Stored
from crawler.frontier.opening import open_writer
from crawler.frontier.writing import Writer
from crawler.parsing.config import Config
from crawler.parsing.pool import ParserPool
from crawler.parsing.wire import Page

BATCH = 100
"""Pages in one transaction."""
ALONE = 500
"""Pages that one parser process reads alone: another would take as long to start."""
AT_ONCE = 8
"""Bodies that are in memory at once, for each parser process."""


class Filled(msgspec.Struct):
    """What was done, so far."""

    total: int = 0
    """Pages that were to be put in."""
    done: int = 0
    unreadable: int = 0
    """Those of them whose stored body could not be read."""


async def fill(folder: Path, *, processes: int, told: Callable[[Filled], None]) -> Filled:
    """Put every stored page into the index. *told* is called after each batch. Raises the subclasses of CrawlError."""
    lock = held(folder)
    await asyncio.to_thread(lock.__enter__)
    try:
        db = await open_writer(folder / DATABASE, durability="full")
        try:
            return await _Filling(folder, Writer(db, secret=b"", links="all"), told).run(processes)
        finally:
            await db.close()
    finally:
        lock.__exit__(None, None, None)


def _config() -> Config:
    """Return what a parser process has to know: it is asked for words, so that few links are enough."""
    rules = rules_of([ruleset_of([], Options(), DEFAULTS)], DEFAULTS)
    return Config(
        rules=rules, secret=bytes(16), max_links=1, parse_size=DEFAULTS.parse_size, parser=DEFAULTS.parser, novelty=False, index=True
    )


class _Filling:
    """One filling of one index."""

    def __init__(self, folder: Path, writer: Writer, told: Callable[[Filled], None]) -> None:
        self._folder = folder
        self._writer = writer
        self._index = writer.index
        self._told = told
        self._filled = Filled()

    async def run(self, processes: int) -> Filled:
        filled = self._filled
        async with self._writer.transaction():
            await self._index.begin(wanted=True)
        await self._take_out_stale()
        filled.total = await self._index.count_missing()
        if filled.total:
            async with ParserPool(processes=min(processes, 1 + filled.total // ALONE)) as parsers:
                parsers.configure(_config())
                await self._put_in(parsers, asyncio.Semaphore(AT_ONCE * processes))
        async with self._writer.transaction():
            await self._index.complete()
        await self._writer.db.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
        return filled

    async def _put_in(self, parsers: ParserPool, room: asyncio.Semaphore) -> None:
        filled = self._filled
        after = 0
        while batch := await self._index.missing(after, BATCH):
            read = await asyncio.gather(*(self._words(row, parsers, room) for row in batch))
            async with self._writer.transaction():
                await self._index.put([(row.url_id, row.fetch_id, indexed) for row, indexed in zip(batch, read, strict=True)])
            after = batch[-1].url_id
            filled.done += len(batch)
            self._told(filled)

    async def _take_out_stale(self) -> None:
        after = 0
        while stale := await self._index.stale(after, BATCH):
            async with self._writer.transaction():
                await self._index.take_out(stale)
            after = stale[-1]

    async def _words(self, row: Stored, parsers: ParserPool, room: asyncio.Semaphore) -> Indexed | None:
        """Return what the index keeps of a page: of one without words an entry all the same, so that it is not read again."""
        async with room:
            try:
                body = await asyncio.to_thread(_head, self._folder, row)
            except (BodyMissing, OSError):
                self._filled.unreadable += 1
                return None
            parsed = await parsers.parse(Page(row.url, _content_type(row), 0, 0, body))
        return parsed.indexed or tokens.indexed(None, "")


def _head(folder: Path, row: Stored) -> bytes:
    with open_body(folder, row.file, row.offset, row.length) as body:
        return body.read(DEFAULTS.parse_size)


def _content_type(row: Stored) -> str | None:
    """Return the media type as the page was read with: as its header has it."""
    said: list[tuple[str, str]] = msgspec.json.decode(row.headers or "[]", type=list[tuple[str, str]])
    header = next((value for name, value in said if name.lower() == "content-type"), None)
    return header or (row.mime if row.charset is None or row.mime is None else f"{row.mime}; charset={row.charset}")
