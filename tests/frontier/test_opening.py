"""Opening a database: ours is made or opened, anything else is refused in words and left exactly as it was."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from crawler.core.model import Kind, Request
from crawler.folder import CrawlError, NewerFormat, NotACrawl, StorageError
from crawler.frontier import opening
from crawler.frontier.opening import APPLICATION_ID, FORMAT
from crawler.frontier.sqlite import SqliteFrontier


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "crawl.db"


async def make(path: Path) -> None:
    async with SqliteFrontier.open(path) as frontier:
        await frontier.add([Request("http://h.test/a", "http://h.test", "h.test", Kind.SEED, 0, 0)])


async def refusal(path: Path, kind: type[CrawlError] = NotACrawl) -> CrawlError:
    """Return how the file is refused; nothing in its folder may have changed by that."""
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    with pytest.raises(kind) as refused:
        async with SqliteFrontier.open(path):
            pass
    assert before == {file.name: file.read_bytes() for file in path.parent.iterdir()}
    assert kind is type(refused.value)
    assert str(path) in refused.value.message
    assert refused.value.hint
    return refused.value


def execute(path: Path, *statements: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        rows = []
        for statement in statements:
            rows = db.execute(statement).fetchall()
        return rows
    finally:
        db.close()


async def test_a_new_database_is_a_crawl_of_this_format(path):
    await make(path)

    assert [(APPLICATION_ID,)] == execute(path, "PRAGMA application_id")
    assert [(FORMAT,)] == execute(path, "PRAGMA user_version")
    assert [("wal",)] == execute(path, "PRAGMA journal_mode")
    assert [("ok",)] == execute(path, "PRAGMA integrity_check")


async def test_every_database_has_a_secret_of_its_own(tmp_path):
    async with SqliteFrontier.open(tmp_path / "one.db") as one, SqliteFrontier.open(tmp_path / "two.db") as two:
        assert 16 == len(one.secret) == len(two.secret)
        assert one.secret != two.secret
    async with SqliteFrontier.open(tmp_path / "one.db") as again:
        assert one.secret == again.secret


async def test_an_empty_file_becomes_a_crawl(path):
    path.touch()
    await make(path)

    assert [(1,)] == execute(path, "SELECT count(*) FROM url")


async def test_a_crawl_is_opened_again_with_everything_in_it(path):
    await make(path)
    async with SqliteFrontier.open(path) as frontier:
        assert 1 == (await frontier.statistics()).queued


async def test_a_newer_format_is_left_untouched(path):
    await make(path)
    execute(path, f"PRAGMA user_version = {FORMAT + 1}", "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA journal_mode = DELETE")

    error = await refusal(path, NewerFormat)

    assert 6 == error.exit_code
    assert f"format {FORMAT + 1}" in error.message
    assert "not touched" in error.message


async def test_a_newer_format_in_wal_mode_is_left_untouched(path):
    await make(path)
    execute(path, f"PRAGMA user_version = {FORMAT + 1}")

    await refusal(path, NewerFormat)


async def test_a_database_of_somebody_else_is_left_untouched(path):
    execute(path, "CREATE TABLE diary (entry)", "INSERT INTO diary VALUES ('dear diary')")

    assert "not one of a crawl" in (await refusal(path)).message


@pytest.mark.parametrize("content", [b"\0" * 4096, b"#!/bin/sh\nexit\n" * 400, b"SQLite format 3\0" + os.urandom(8000), b"x"],
                         ids=["zeros", "text", "header-only", "one-byte"])  # fmt: skip
async def test_what_is_no_database_is_refused(content, path):
    path.write_bytes(content)

    assert 6 == (await refusal(path)).exit_code


async def test_a_crawl_whose_first_page_is_damaged_is_refused(path):
    await make(path)
    with path.open("r+b") as file:
        file.seek(100)
        file.write(os.urandom(3996))

    assert "damaged" in (await refusal(path)).message


async def test_a_crawl_that_was_cut_short_is_refused(path):
    await make(path)
    os.truncate(path, 3 * 4096)

    assert "damaged" in (await refusal(path)).message


async def test_files_are_for_their_owner_alone(path):
    before = os.umask(0)
    try:
        async with SqliteFrontier.open(path) as frontier:
            await frontier.add([Request("http://h.test/a", "http://h.test", "h.test", Kind.SEED, 0, 0)])
            modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
    finally:
        os.umask(before)

    assert {"crawl.db": 0o600, "crawl.db-wal": 0o600, "crawl.db-shm": 0o600} == modes


async def test_a_planted_link_is_not_followed(path, tmp_path_factory):
    victim = tmp_path_factory.mktemp("elsewhere") / "victim"
    path.symlink_to(victim)

    with pytest.raises(StorageError):
        await make(path)

    assert not victim.exists()


async def test_a_database_that_cannot_be_opened_is_a_storage_error(path):
    path.mkdir()

    with pytest.raises(StorageError) as refused:
        await make(path)

    assert str(path) in refused.value.message


@pytest.mark.parametrize("name", ["with space", "what?", "half%20", "hash#", "한글"])
async def test_a_folder_may_have_any_name(name, tmp_path):
    (tmp_path / name).mkdir()
    await make(tmp_path / name / "crawl.db")

    assert ["crawl.db"] == [file.name for file in (tmp_path / name).iterdir()]
    assert [name] == [file.name for file in tmp_path.iterdir()]


@pytest.mark.parametrize(("durability", "level"), [("full", 2), ("normal", 1)])
async def test_the_durability_that_was_asked_for_is_set(durability, level, path):
    async with SqliteFrontier.open(path, durability=durability) as frontier:
        assert [(level,)] == list(await frontier.writer.db.execute_fetchall("PRAGMA synchronous"))


async def test_the_reader_cannot_write(path):
    async with SqliteFrontier.open(path) as frontier:
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            await frontier._reader.execute("DELETE FROM meta")


async def test_a_sqlite_that_is_too_old_is_named(path, monkeypatch):
    monkeypatch.setattr(opening, "OLDEST_SQLITE", (99, 0, 0))

    with pytest.raises(CrawlError, match="too old"):
        await make(path)

    assert not path.exists()
