"""The search index: one entry for each page, in the transaction that stores it."""

from __future__ import annotations

import sqlite3

import msgspec
import pytest

from crawler.core import tokens
from crawler.core.model import Body, Kind, Request, State
from crawler.folder import CrawlError
from crawler.frontier import Attempt, Settled, indexing
from crawler.frontier.editing import Action, edit
from crawler.frontier.sqlite import SqliteFrontier

NOW = 1_000_000.0
URL = "http://h.test/a"
BODY = Body(b"\1" * 32, 10, "pages/a")


@pytest.fixture
async def frontier(tmp_path):
    async with SqliteFrontier.open(tmp_path / "crawl.db", durability="normal") as one:
        yield one


async def begin(frontier, *, wanted=True):
    async with frontier.writer.transaction():
        await frontier.writer.index.begin(wanted=wanted)


async def store(frontier, text, url=URL):
    """Store a page with a text, None for one that has none."""
    await frontier.add([Request(url, "http://h.test", "h.test", Kind.SEED, 0, 0)])
    await frontier.writer.db.execute("UPDATE url SET state = 0")    # it is asked for again
    await frontier.writer.db.execute("UPDATE host SET queued = 1")
    leases = await frontier.claim(now=NOW, hosts=10, urls=10)
    [request] = [each for lease in leases for each in lease.requests if each.url == url]
    page = Settled(request, State.DONE, 1, attempt=Attempt(NOW, 200), body=BODY, page=True)
    await frontier.commit([msgspec.structs.replace(page, indexed=None if text is None else tokens.indexed("T", text))])
    await frontier.release([lease.id for lease in leases])


async def query(frontier, sql, *parameters):
    return [tuple(row) for row in await frontier.writer.db.execute_fetchall(sql, parameters)]


async def rows(frontier, word):
    return [row for (row,) in await query(frontier, "SELECT rowid FROM page_index WHERE page_index MATCH ?", tokens.question(word).match)]


async def gaps(frontier):
    return await query(frontier, "SELECT value FROM meta WHERE key = 'index_gaps'")


async def test_without_the_option_there_are_no_tables(frontier):
    await begin(frontier, wanted=False)
    await store(frontier, None)

    assert [] == await query(frontier, "SELECT name FROM sqlite_schema WHERE name LIKE 'page#_%' ESCAPE '#'")
    assert [] == await query(frontier, "SELECT * FROM meta WHERE key LIKE 'index%'")


async def test_a_page_that_is_stored_again_replaces_its_entry(frontier):
    await begin(frontier)
    await store(frontier, "früher 東京 word")
    assert [1] == await rows(frontier, "früher")
    await store(frontier, "später 京都 word")

    assert ([], []) == (await rows(frontier, "früher"), await rows(frontier, "東京"))
    assert ([1], [1], [1]) == (await rows(frontier, "später"), await rows(frontier, "京都"), await rows(frontier, "word"))
    assert [(1, 2)] == await query(frontier, "SELECT url_id, fetch_id FROM page_text")
    assert [(1,)] == await query(frontier, "SELECT id FROM page_index_docsize")


async def test_a_page_that_has_no_text_any_more_loses_its_entry(frontier):
    await begin(frontier)
    await store(frontier, "before")
    await store(frontier, None)

    assert ([], []) == (await rows(frontier, "before"), await query(frontier, "SELECT * FROM page_text"))


async def test_a_transaction_that_fails_leaves_neither_page_nor_entry(frontier, monkeypatch):
    await begin(frontier)
    await store(frontier, "before")

    async def fail(batch, _tally):
        if batch:
            raise sqlite3.OperationalError("disk full")

    monkeypatch.setattr(frontier.writer, "_propagate", fail)    # what comes after the entry in the same transaction
    with pytest.raises(sqlite3.OperationalError, match="disk full"):
        await store(frontier, "after")
    assert [(1,)] == await query(frontier, "SELECT page_id FROM url")
    assert ([1], []) == (await rows(frontier, "before"), await rows(frontier, "after"))
    assert [(1, 1)] == await query(frontier, "SELECT url_id, fetch_id FROM page_text")


async def test_what_is_forgotten_leaves_no_trace(frontier):
    await begin(frontier)
    await store(frontier, "one")
    async with frontier.exclusive():
        await edit(frontier, Action.FORGET, [1])

    assert ([], []) == (await rows(frontier, "one"), await query(frontier, "SELECT * FROM page_text"))


async def test_gaps_are_known(frontier):
    await begin(frontier)
    assert [("0",)] == await gaps(frontier)         # from the first page on
    await store(frontier, "one")
    await begin(frontier)
    assert [("0",)] == await gaps(frontier)         # it goes on
    await begin(frontier, wanted=False)
    assert [("1",)] == await gaps(frontier)         # and is interrupted


async def test_an_index_that_begins_late_has_gaps(frontier):
    await begin(frontier, wanted=False)
    await store(frontier, None)
    await begin(frontier)

    assert [("1",)] == await gaps(frontier)


async def test_an_index_of_another_version_is_made_anew(frontier, monkeypatch):
    await begin(frontier)
    await store(frontier, "one")
    monkeypatch.setattr(tokens, "VERSION", tokens.VERSION + 1)
    await begin(frontier)

    assert ([], []) == (await rows(frontier, "one"), await query(frontier, "SELECT * FROM page_text"))
    assert [("1",)] == await gaps(frontier)


async def test_a_sqlite_without_full_text_search_is_told(frontier, monkeypatch):
    monkeypatch.setattr(indexing, "TABLES", ("CREATE VIRTUAL TABLE x USING fts55 (a)",))
    with pytest.raises(CrawlError, match="no full-text search"):
        await begin(frontier)
