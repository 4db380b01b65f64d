"""Read-only access to the database of a crawl, also while the crawl writes it.

A reader never writes and never checkpoints: two connections that do can corrupt a write-ahead log before SQLite 3.51.3.
It creates no file but the `-wal` and `-shm` beside the database that SQLite needs to read one. While rows are being read
the log cannot start over, so whoever reads should not stop in mid-result for long.
"""

from __future__ import annotations

import contextlib
import operator
import signal
import sqlite3
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Self

from crawler.folder import DATABASE
from crawler.query.errors import NO_ACCESS, UNUSABLE, QueryError, explained, unopened
from crawler.query.guard import Guard

Value = None | int | float | str | bytes
Row = tuple[Value, ...]
Parameters = Sequence[Value] | Mapping[str, Value]

APPLICATION_ID = 0x43524C31     # 'CRL1'
FORMAT = 4
TIMEOUT = 30.0
MAX_VALUE = 10_000_000
CACHE_KIB = 32_768
_FOLDERS_LOOKED_AT = 1_000

_unreadable = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


class Rows:
    """The rows of one query, read as they are asked for: memory does not grow with their number."""

    def __init__(self, reader: Reader, sql: str, parameters: Parameters, limit: int | None) -> None:
        self.truncated = False
        """There were more rows than the limit; known once the last row was read."""
        self._reader, self._guard, self._sql, self._limit = reader, reader.guard, sql, limit
        started = self._guard.start(reader.guard.timeout)
        self._cursor = reader.connection.cursor()
        try:
            self._cursor.execute(sql, parameters)
        except (sqlite3.Error, sqlite3.Warning, MemoryError, OverflowError, ValueError) as error:
            self._cursor.close()
            raise reader.failure(error, sql) from error
        self._left = reader.guard.timeout - (time.monotonic() - started)
        self.columns = tuple(column[0] for column in self._cursor.description or ())
        if not self.columns:
            raise QueryError("the query is empty", "Try SELECT, or one of the named queries.")

    def __iter__(self) -> Generator[Row, None, None]:
        """Yield the rows once. Only SQLite's own work counts against the time limit, not what happens to the rows."""
        guard, fetch, now = self._guard, self._cursor.fetchone, time.monotonic
        left, count = self._left, 0
        try:
            while guard.cancelled is None:
                started = now()
                guard.deadline = started + left
                row = fetch()
                if row is None:
                    return
                left -= now() - started
                if count == self._limit:
                    self.truncated = True
                    return
                count += 1
                yield row
            raise guard.stopped()
        except (sqlite3.Error, MemoryError) as error:
            raise self._reader.failure(error, self._sql) from error
        finally:
            self.close()

    def close(self) -> None:
        """End the query, and with it the hold on the write-ahead log."""
        self._cursor.close()


class Reader:
    """One guarded connection. A context manager; used by the thread that opened it, `cancel` by anyone."""

    def __init__(self, connection: sqlite3.Connection, file: Path, *, timeout: float, max_value: int) -> None:
        self.file = file
        self.connection = connection
        self.guard = Guard(connection, timeout, max_value)

    @classmethod
    def open(cls, path: str | Path, *, timeout: float = TIMEOUT, max_value: int = MAX_VALUE, oldest: int = FORMAT) -> Reader:
        """Open a crawl: its output folder or its database file.

        *timeout* is the seconds that one query may work, *max_value* the bytes of one value, *oldest* the oldest format that
        the caller can read.
        Raises QueryError when there is no crawl, or none that this version can read.
        """
        file = _database(Path(path))
        try:
            connection = _connect(file, oldest)
        except sqlite3.Error as error:
            raise unopened(error, str(file)) from error
        try:
            return cls(connection, file, timeout=timeout, max_value=max_value)
        except BaseException:
            connection.close()
            raise

    def rows(self, sql: str, parameters: Parameters = (), *, limit: int | None = None) -> Rows:
        """Run one reading statement; at most *limit* rows come back. *parameters* are bound, by place or by name."""
        return Rows(self, sql, parameters, limit)

    def all(self, sql: str, parameters: Parameters = ()) -> list[Row]:
        """Return all rows of a query that is known to have few."""
        return list(self.rows(sql, parameters))

    def one(self, sql: str, parameters: Parameters = ()) -> Row | None:
        """Return the first row, or None."""
        return next(iter(self.rows(sql, parameters, limit=1)), None)

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all queries inside see the same moment of a crawl that goes on."""
        self.guard.transaction("BEGIN")
        try:
            yield
        finally:
            self.guard.transaction("ROLLBACK")

    def cancel(self, signum: int = 0) -> None:
        """Stop the query that runs and refuse further ones. Safe from a signal handler and from another thread."""
        self.guard.cancelled = signum

    @contextlib.contextmanager
    def cancelled_by(self, *signals: signal.Signals) -> Iterator[None]:
        """Let signals cancel while inside (main thread only); the second one acts as if nobody had asked for the first."""

        def cancel(signum: int, _frame: FrameType | None) -> None:
            self.cancel(signum)
            signal.signal(signum, signal.SIG_DFL)

        before = {number: signal.signal(number, cancel) for number in signals}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler or signal.SIG_DFL)

    def tables(self) -> list[str]:
        """Return the names of views and tables, views first: they are what people query. What a virtual table consists of is its own."""
        sql = "SELECT name, sql LIKE 'CREATE VIRTUAL %' FROM sqlite_schema WHERE type IN ('view', 'table') ORDER BY type DESC, name"
        found = [(str(name), virtual) for name, virtual in self.all(sql)]
        inner = ("sqlite_", *(f"{name}_" for name, virtual in found if virtual))
        return [name for name, _ in found if not name.startswith(inner)]

    def columns(self, tables: Iterable[str]) -> dict[str, list[str]]:
        """Return for each column name the tables and views that have it."""
        having: dict[str, list[str]] = {}
        for table in tables:
            for (name,) in self.all("SELECT name FROM pragma_table_xinfo(?)", (table,)):
                having.setdefault(str(name), []).append(table)
        return having

    def failure(self, error: Exception, sql: str) -> QueryError:
        """Return what to tell people about an error that a query ended in."""
        if verdict := self.guard.verdict(error, sql):
            return verdict
        if isinstance(error, MemoryError):
            return QueryError("not enough memory", "Try a query with fewer or smaller rows.", NO_ACCESS)
        return explained(error, sql, self)

    def close(self) -> None:
        """Close the connection; nothing is written by that."""
        self.connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Reader of {self.file}, {self.guard.timeout:g} s a query>"


def _database(path: Path) -> Path:
    """Return the database file of a crawl; QueryError when there is none at *path*."""
    file = path / DATABASE if path.is_dir() else path
    if file.is_file():
        return file
    if not path.exists():
        raise QueryError(f"there is no {path}", "Try -o with the output folder of a crawl.", UNUSABLE)
    near = _crawls_below(path if path.is_dir() else path.parent)
    hint = f"Try -o {' or -o '.join(near)}." if near else "Try -o with the output folder of a crawl."
    raise QueryError(f"{path} holds no crawl (there is no {DATABASE} in it)", hint, UNUSABLE)


def _crawls_below(folder: Path) -> list[str]:
    """Return up to three folders directly below that hold a crawl, newest first."""
    found: list[tuple[float, str]] = []
    with contextlib.suppress(OSError):
        for _, entry in zip(range(_FOLDERS_LOOKED_AT), folder.iterdir(), strict=False):
            with contextlib.suppress(OSError):
                found.append(((entry / DATABASE).stat().st_mtime, str(entry)))
    return [name for _, name in sorted(found, reverse=True)[:3]]


def _connect(file: Path, oldest: int) -> sqlite3.Connection:
    """Open the file for reading and make sure that it is a crawl of this format.

    The header is asked for through SQLite: a file that this process opens and closes itself would, on closing, lose all
    locks that SQLite holds on it in the same process (sqlite.org/howtocorrupt.html 2.2), a crawl's own among them.
    """
    uri = file.absolute().as_uri()
    try:
        return _checked(f"{uri}?mode=ro", file, oldest)
    except sqlite3.OperationalError as error:
        wal = file.with_name(file.name + "-wal")
        if error.sqlite_errorcode & 0xFF not in _unreadable or (wal.exists() and wal.stat().st_size):
            raise
        # In a folder that may not be written to, no -shm can be made: without a log there is nothing to read from it.
        return _checked(f"{uri}?mode=ro&immutable=1", file, oldest)


def _checked(uri: str, file: Path, oldest: int) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        connection.text_factory = operator.methodcaller("decode", "utf-8", "replace")   # robots.txt may be anything
        # A crafted database must not get functions with effects into its views, nor be mapped into memory.
        for pragma in ("trusted_schema = OFF", "cell_size_check = ON", "mmap_size = 0", f"cache_size = -{CACHE_KIB}"):
            connection.execute(f"PRAGMA {pragma}")
        _refuse_others(connection, file, oldest)
    except BaseException:
        connection.close()
        raise
    return connection


def _refuse_others(connection: sqlite3.Connection, file: Path, oldest: int) -> None:
    """Raise QueryError for a database that is no crawl's, or of a format that this version does not know."""
    application = connection.execute("PRAGMA application_id").fetchone()[0]
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if application != APPLICATION_ID or version < 1:
        raise QueryError(f"{file} is no database of a crawl", "Try -o with the output folder of a crawl.", UNUSABLE)
    if version > FORMAT:
        message = f"{file} has format {version}, and this version reads format {FORMAT}"
        raise QueryError(message, "Try the newer version that wrote it. Nothing was changed.", UNUSABLE)
    if version < oldest:
        message = f"{file} has format {version}, and this version reads format {FORMAT}"
        raise QueryError(message, "Try resume, which makes a copy and brings it forward. Nothing was changed.", UNUSABLE)
