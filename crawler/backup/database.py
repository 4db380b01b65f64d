"""Copying a database that is being written, by SQLite's own online backup and from a connection that can only read.

A read transaction that is open before the first step keeps all steps on one moment: without it, each commit of the crawl would
begin the copy anew, and beside a busy crawl it would never end.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

from crawler.folder import CrawlError
from crawler.query.errors import unopened
from crawler.query.reader import Reader

STEP = 2_000
"""Pages that are copied at once: 8 MB, so that Ctrl-C is heard."""


class NotCopied(CrawlError):
    """The database could not be copied."""

    exit_code = 6


def copy_database(reader: Reader, target: Path, tell: Callable[[int, int], None]) -> int:
    """Write the database to a new file as of one moment, durable; return its size. *tell* is given bytes done and bytes in all.

    Raises OSError, and NotCopied when a page cannot be read.
    """
    for leftover in ("", "-journal", "-wal", "-shm"):
        target.with_name(target.name + leftover).unlink(missing_ok=True)
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
    page = int(str(reader.all("PRAGMA page_size")[0][0]))

    def told(_status: int, left: int, total: int) -> None:
        tell((total - left) * page, total * page)

    try:
        with contextlib.closing(sqlite3.connect(target, isolation_level=None)) as copy, reader.snapshot():
            copy.execute("PRAGMA synchronous = OFF")      # it is made durable as a whole, below
            reader.all("SELECT 1 FROM meta LIMIT 1")      # a transaction begins with the first read
            reader.connection.backup(copy, pages=STEP, progress=told)
            copy.execute("PRAGMA journal_mode = DELETE")  # no log beside it: it can be read where nobody may write
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            raise OSError(28, os.strerror(28), str(target)) from error
        told_error = unopened(error, str(reader.file)) if hasattr(error, "sqlite_errorcode") else None
        message = f"{reader.file} could not be copied: {error}" if told_error is None else told_error.message
        raise NotCopied(message, "Try verify, which tells what is damaged.") from error
    descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def fingerprint(reader: Reader) -> str:
    """Return what all copies of one crawl have in common and no other crawl has; the secret itself stays secret."""
    row = reader.one("SELECT value FROM meta WHERE key = 'secret'")
    return hashlib.sha256(str(row).encode()).hexdigest()[:32]


def is_older_copy(copy: Reader, reader: Reader) -> bool:
    """Tell whether all that happened in a copy has happened in the crawl too: nobody has crawled on in the copy, or repaired it."""
    for table, moment in (("run", "started_at"), ("intervention", "at")):
        last = copy.one(f"SELECT {table}_id, {moment} FROM {table} ORDER BY {table}_id DESC LIMIT 1")
        if last is not None and reader.one(f"SELECT 1 FROM {table} WHERE {table}_id = ? AND {moment} = ?", last) is None:
            return False
    return True
