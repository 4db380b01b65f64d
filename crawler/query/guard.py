"""What a query may do to a connection, and for how long: SQLite's authorizer and progress handler in one place.

`mode=ro` alone is not read-only: ATTACH and VACUUM INTO write other files and `PRAGMA query_only = 0` undoes itself
(measured, SQLite 3.40.1). So every action that is not reading is refused while a statement is compiled.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time

from crawler.query.errors import NOTHING_HERE, GivenUp, QueryError, refused

OPERATIONS_PER_TICK = 1_000
"""Virtual machine steps between two looks at the clock: one step may draw 10 MB of randomness (15 ms), so not more."""

MAX_SQL_BYTES = 1_000_000
MAX_PATTERN_BYTES = 1_000
"""LIKE and GLOB take time in proportion to text times pattern and cannot be stopped while they match."""

_READING = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE})

_DESCRIBING = frozenset(
    {"table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo", "foreign_key_list"}
)
"""Pragmas that describe the schema. They have no setting to change: their argument is always a name."""

_ASKING = frozenset({"data_version", "user_version", "application_id", "page_count", "page_size", "freelist_count"})
"""Pragmas that only tell a number when they are given no argument."""

_CHECKING = frozenset({"quick_check", "integrity_check", "foreign_key_check"})
"""Pragmas that read the whole database and cannot be stopped half-way: for a check alone, never for a query of somebody's own."""

_WARMED = ("json_each('[]')", "json_tree('[]')", *(f"pragma_{name}('sqlite_schema')" for name in sorted(_DESCRIBING)))
"""Table-valued functions, each used once before the guard stands: SQLite declares one on first use, and asks for leave
to UPDATE sqlite_master as it does so, which is never given later. Those that were not declared here cannot be used."""

_HAS_INDEX = "SELECT 1 FROM sqlite_schema WHERE name = 'page_index' AND sql LIKE 'CREATE VIRTUAL TABLE%USING fts5%'"
"""The search index, where a crawl keeps one, is declared on first use likewise. It reads nothing but its own tables."""

_DIRECT_ONLY = 0x80000
"""SQLite's own mark for functions with side effects: load_extension, fts3_tokenizer."""
_UNMARKED = frozenset({"load_extension", "fts3_tokenizer", "sqlite_log", "readfile", "writefile", "edit"})
_FULL_TEXT = frozenset({"bm25", "highlight", "snippet", "match"})

_STATEMENTS = {
    sqlite3.SQLITE_INSERT: "INSERT",
    sqlite3.SQLITE_UPDATE: "UPDATE",
    sqlite3.SQLITE_DELETE: "DELETE",
    sqlite3.SQLITE_ATTACH: "ATTACH",
    sqlite3.SQLITE_TRANSACTION: "BEGIN",
}
_OTHER_TABLE = "this table-valued function"

_FIRST_WORD = re.compile(r"(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*(\w+)", re.DOTALL)


class Guard:
    """The leave and the time that the statements of one connection have."""

    def __init__(self, connection: sqlite3.Connection, timeout: float, max_value: int) -> None:
        self.timeout = timeout
        self.deadline = float("inf")
        """Monotonic moment at which the statement that runs now is stopped."""
        self.cancelled: int | None = None
        """The signal that asked to stop, 0 when nobody named one."""
        self._denied: str | None = None
        self._trusted = False
        self._checking = False
        self._connection = connection
        self._functions = _harmless(connection)
        for function in _WARMED:
            connection.execute(f"SELECT * FROM {function} LIMIT 0")
        with contextlib.suppress(sqlite3.Error):        # what is wrong with it is told to whoever asks it
            if connection.execute(_HAS_INDEX).fetchone():
                connection.execute("SELECT * FROM page_index LIMIT 0")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, max_value)
        connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, min(MAX_SQL_BYTES, max_value))
        connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MAX_PATTERN_BYTES)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.set_progress_handler(self._tick, OPERATIONS_PER_TICK)
        connection.set_authorizer(self._authorize)

    def transaction(self, statement: str) -> None:
        """Run a BEGIN or COMMIT of our own: only they may, so that a query cannot hold the write-ahead log for ever."""
        self._trusted = True
        try:
            self._connection.execute(statement)
        finally:
            self._trusted = False

    def check(self, pragma: str) -> sqlite3.Cursor:
        """Run one of the pragmas that look for damage. Its rows come as they are found; it takes as long as it takes."""
        self.deadline = float("inf")
        self._checking = True
        try:
            return self._connection.execute(f"PRAGMA {pragma}")
        finally:
            self._checking = False

    def start(self, left: float) -> float:
        """Let a statement run for so many seconds from now; return the moment."""
        now = time.monotonic()
        self.deadline = now + left
        self._denied = None
        return now

    def verdict(self, error: Exception, sql: str) -> QueryError | None:
        """Return why the guard itself stopped a statement; None when it did not."""
        code = getattr(error, "sqlite_errorcode", None)
        if self._denied is not None and code in (sqlite3.SQLITE_AUTH, sqlite3.SQLITE_ERROR):
            match = _FIRST_WORD.match(sql)
            word = match[1].upper() if match else ""
            return refused(self._denied if word in ("SELECT", "WITH", "VALUES", "PRAGMA", "EXPLAIN") else word)
        if code != sqlite3.SQLITE_INTERRUPT:
            return None
        if self.cancelled is not None:
            return self.stopped()
        hint = "Try fewer rows, an indexed column in WHERE, or a longer --timeout."
        return GivenUp(f"the query took longer than {self.timeout:g} s", hint, NOTHING_HERE)

    def stopped(self) -> QueryError:
        """Return the error of a query that was cancelled."""
        return GivenUp("the query was stopped", exit_code=128 + self.cancelled if self.cancelled else NOTHING_HERE)

    def _tick(self) -> bool:
        return self.cancelled is not None or time.monotonic() > self.deadline

    def _authorize(self, action: int, first: str | None, second: str | None, *_where: str | None) -> int:
        if action in _READING or (action == sqlite3.SQLITE_TRANSACTION and self._trusted):
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION:
            allowed, what = (second or "").lower() in self._functions, f"the function {second}()"
        elif action == sqlite3.SQLITE_PRAGMA:
            name = (first or "").lower()
            allowed, what = name in _DESCRIBING or (name in _ASKING and second is None), f"PRAGMA {name}"
            allowed = allowed or (self._checking and name in _CHECKING)
        else:
            allowed, what = False, _STATEMENTS.get(action, "this statement")
            if (first or "").startswith("sqlite_"):
                what = _OTHER_TABLE
        if allowed:
            return sqlite3.SQLITE_OK
        self._denied = self._denied or what
        return sqlite3.SQLITE_DENY


def _harmless(connection: sqlite3.Connection) -> frozenset[str]:
    """Return the functions that are built in and not marked by SQLite as having effects, and those of full-text search."""
    listed = connection.execute("SELECT lower(name), builtin, flags FROM pragma_function_list").fetchall()
    marked = {name for name, _, flags in listed if flags & _DIRECT_ONLY}
    built_in = {name for name, builtin, _ in listed if builtin}
    return frozenset((built_in | _FULL_TEXT) - marked - _UNMARKED)
