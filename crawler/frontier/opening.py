"""Making, opening and recognising a crawl's database file."""

from __future__ import annotations

import os
import secrets
import sqlite3
from importlib import resources
from pathlib import Path

import aiosqlite

from crawler.core.model import FAULT_CODE, FAULT_MEANINGS, KIND_CODE, STATE_MEANINGS
from crawler.folder import CrawlError, NewerFormat, NotACrawl, StorageError, storage_error
from crawler.frontier.migrating import migrate

APPLICATION_ID = 0x43524C31     # 'CRL1'
FORMAT = 4
SMALLEST_DATABASE = 512        # one page of the smallest size
OLDEST_SQLITE = (3, 37, 0)      # STRICT tables


async def open_writer(path: Path, *, durability: str) -> aiosqlite.Connection:
    """Open the one connection that ever writes or checkpoints, with the tables made if the file is new.

    Exactly one, because SQLite before 3.51.3 can corrupt a WAL that two connections write or checkpoint at once.
    Raises NotACrawl and NewerFormat, such a file is left untouched, and StorageError.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        raise CrawlError(f"SQLite {sqlite3.sqlite_version} is too old: STRICT tables came with 3.37", "Try a newer Python.")
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        size = os.fstat(descriptor).st_size
        os.close(descriptor)
    except OSError as error:
        raise storage_error(path, error) from error
    if 0 < size < SMALLEST_DATABASE:        # SQLite would take it for empty and write over it
        raise NotACrawl(f"{path} is damaged or no database: it has {size} bytes", "Try a backup of it, or --fresh to start anew.")
    db = await aiosqlite.connect(path, isolation_level=None, cached_statements=256)
    try:
        await _recognise(db, path)
        await db.execute("PRAGMA journal_mode = WAL")
        await db.execute(f"PRAGMA synchronous = {'FULL' if durability == 'full' else 'NORMAL'}")
        await db.execute("PRAGMA wal_autocheckpoint = 4000")
        await db.execute("PRAGMA cache_size = -65536")
        await db.execute("PRAGMA temp_store = MEMORY")
    except BaseException:
        await db.close()
        raise
    return db


async def open_reader(path: Path) -> aiosqlite.Connection:
    """Open a connection that only reads, beside the writer."""
    db = await aiosqlite.connect(f"file:{_quoted(path)}?mode=ro", uri=True, isolation_level=None, cached_statements=64)
    await db.execute("PRAGMA cache_size = -32768")
    return db


def _quoted(path: Path) -> str:
    return str(path.absolute()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")


async def _recognise(db: aiosqlite.Connection, path: Path) -> None:
    try:
        application = await _pragma(db, "application_id")
        version = await _pragma(db, "user_version")
        tables = await _scalar(db, "SELECT count(*) FROM sqlite_schema")
    except sqlite3.DatabaseError as error:
        raise NotACrawl(f"{path} is damaged or no database: {error}", "Try a backup of it, or --fresh to start anew.") from None
    if tables == 0:
        await _create(db)
    elif application != APPLICATION_ID:
        raise NotACrawl(f"{path} is a database, but not one of a crawl", "Try another output folder with -o.")
    elif version > FORMAT:
        raise NewerFormat(
            f"{path} has format {version}, made by a newer version; this one reads format {FORMAT}. It was not touched",
            "Try the newer version.",
        )
    elif version < FORMAT:
        try:
            await migrate(db, path, _schema(), version=version, to=FORMAT)
        except sqlite3.Error as error:
            raise StorageError(
                f"{path} has format {version} and could not be brought to format {FORMAT}: {error}. It is as it was",
                "Try freeing space, then run the same command again.",
            ) from error


async def _create(db: aiosqlite.Connection) -> None:
    schema = _schema()
    await db.execute("PRAGMA page_size = 4096")
    await db.executescript(f"BEGIN IMMEDIATE;\n{schema}\nPRAGMA application_id = {APPLICATION_ID};\nPRAGMA user_version = {FORMAT};\n")
    states = [(int(state), state.name.lower(), meaning) for state, meaning in STATE_MEANINGS.items()]
    await db.executemany("INSERT INTO state (state, name, meaning) VALUES (?, ?, ?)", states)
    faults = [(FAULT_CODE[fault], fault.value, meaning) for fault, meaning in FAULT_MEANINGS.items()]
    await db.executemany("INSERT INTO fault VALUES (?, ?, ?)", faults)
    await db.executemany("INSERT INTO kind VALUES (?, ?)", [(code, kind.value) for kind, code in KIND_CODE.items()])
    meta = [("secret", secrets.token_hex(16)), ("clean", "1"), ("pages", "0"), ("errors", "0")]
    await db.executemany("INSERT INTO meta VALUES (?, ?)", meta)
    await db.execute("COMMIT")


def _schema() -> str:
    return resources.files("crawler.frontier").joinpath("schema.sql").read_text(encoding="utf-8")


async def _pragma(db: aiosqlite.Connection, name: str) -> int:
    return int(await _scalar(db, f"PRAGMA {name}"))


async def _scalar(db: aiosqlite.Connection, sql: str) -> int:
    [row] = await db.execute_fetchall(sql)
    return int(row[0])
