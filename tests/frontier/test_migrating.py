"""Databases of older formats become databases of this one, whole or not at all, and a copy is kept."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from crawler.folder import StorageError
from crawler.frontier import migrating
from crawler.frontier.opening import APPLICATION_ID, FORMAT, open_writer

FORMATS = Path(__file__).parent / "formats"


def shape(path: Path) -> dict[str, set[tuple[str, str]]]:
    """Return the columns of every table and view, and the names of the indexes."""
    db = sqlite3.connect(path)
    try:
        found = {}
        for kind, name in db.execute("SELECT type, name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'").fetchall():
            columns = db.execute("SELECT name, type FROM pragma_table_xinfo(?)", (name,)).fetchall() if kind != "index" else []
            found[f"{kind} {name}"] = set(columns)
        return found
    finally:
        db.close()


def version_of(path: Path) -> int:
    db = sqlite3.connect(path)
    try:
        return db.execute("PRAGMA user_version").fetchone()[0]
    finally:
        db.close()


@pytest.fixture
def old(tmp_path, version):
    path = tmp_path / "crawl.db"
    db = sqlite3.connect(path)
    db.executescript((FORMATS / f"{version}.sql").read_text(encoding="utf-8"))
    db.execute("INSERT INTO run (started_at, version, argv, config) VALUES (1, '0', 'crawler seeds.txt', '{}')")
    db.execute("INSERT INTO meta VALUES ('secret', 'ab')")
    db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {version}")
    db.commit()
    db.close()
    return path


@pytest.mark.parametrize("version", range(1, FORMAT))
async def test_an_older_format_becomes_this_one_with_everything_in_it(old, version, tmp_path):
    await (await open_writer(old, durability="full")).close()
    new = tmp_path / "new.db"
    await (await open_writer(new, durability="full")).close()

    assert shape(new) == shape(old)
    assert FORMAT == version_of(old)
    db = sqlite3.connect(old)
    assert [("crawler seeds.txt", 0)] == db.execute("SELECT argv, requests FROM runs").fetchall()
    db.close()


@pytest.mark.parametrize("version", range(1, FORMAT))
async def test_a_copy_of_the_older_format_is_kept(old, version):
    await (await open_writer(old, durability="full")).close()
    copy = old.with_name(f"crawl.db.format{version}")

    assert version == version_of(copy)
    assert 0o600 == copy.stat().st_mode & 0o777


@pytest.mark.parametrize("version", range(1, FORMAT))
async def test_a_migration_that_fails_leaves_the_database_as_it_was(old, version, monkeypatch):
    before = shape(old)
    monkeypatch.setitem(migrating.STEPS, version, (*migrating.STEPS[version], "ALTER TABLE nothing ADD COLUMN x INTEGER"))
    with pytest.raises(StorageError, match="could not be brought to format"):
        await open_writer(old, durability="full")

    assert (before, version) == (shape(old), version_of(old))
