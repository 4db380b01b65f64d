"""What can go wrong with a look at the database, in words: what, where, and what to try."""

from __future__ import annotations

import difflib
import re
import sqlite3
from collections.abc import Iterable
from typing import Protocol

from crawler.folder import CrawlError

NOTHING_HERE, WRONG_QUERY, NO_ACCESS, UNUSABLE = 1, 2, 4, 6
"""Exit codes of the design: an answer that could not be had in time, a wrong command line, storage, no (usable) crawl."""

_COLUMN = re.compile(r"no such column: (?:.*\.)?(.+)")
_TABLE = re.compile(r"no such table: (?:.*\.)?(.+)")
_FUNCTION = re.compile(r"no such function: (.+)")
_NEAR = re.compile(r'near "(.+)": syntax error', re.DOTALL)
_WORD = re.compile(r"[A-Za-z_]+")


class QueryError(CrawlError):
    """A question that has no answer. `message` says what and where, `hint` what to try, `exit_code` how the command ends."""

    def __init__(self, message: str, hint: str = "", exit_code: int = WRONG_QUERY) -> None:
        super().__init__(message, hint)
        self.exit_code = exit_code


class GivenUp(QueryError):
    """A question that might have an answer, but took too long for anybody to wait."""


class Names(Protocol):
    """Where the names that a query may use are looked up, once a name was wrong."""

    def tables(self) -> list[str]:
        """Return the names of tables and views."""

    def columns(self, tables: Iterable[str]) -> dict[str, list[str]]:
        """Return for each column name the tables and views that have it."""


def nearest(word: str, names: Iterable[str]) -> list[str]:
    """Return the up to three names that look most like *word*."""
    by_lower = {name.lower(): name for name in names}
    return [by_lower[name] for name in difflib.get_close_matches(word.lower(), by_lower, n=3, cutoff=0.6)]


def refused(what: str) -> QueryError:
    """Return the error for a statement that would do more than read."""
    hint = "Try a SELECT; only the crawler itself changes its database."
    return QueryError(f"{what} is refused: a query may only read", hint)


def explained(error: Exception, sql: str, names: Names) -> QueryError:
    """Translate an error of SQLite about a query into one for people."""
    text = str(error)
    code = getattr(error, "sqlite_errorcode", 0)
    if code & 0xFF in _DAMAGE:
        return _damage(text, code)
    if "one statement at a time" in text:
        return QueryError("there is more than one statement", "Try one query at a time, without a semicolon in it.")
    if code == sqlite3.SQLITE_TOOBIG:
        return QueryError("a value or the query is larger than the limit", "Try substr(), or fewer values in one group.")
    if (missing := re.search(r"did not supply a value for binding parameter :(\w+)", text)) is not None:
        return QueryError(f"the query has no value for :{missing[1]}", f"Try --param {missing[1]}=...")
    return _misspelt(text, sql, names) or QueryError(f"SQLite says: {text}", _ANY_QUERY)


def unopened(error: sqlite3.Error, file: str) -> QueryError:
    """Translate an error of SQLite about opening a database."""
    return _damage(f"{file}: {error}", error.sqlite_errorcode)


def _damage(text: str, code: int) -> QueryError:
    message, hint, exit_code = _DAMAGE.get(code & 0xFF, _OTHER_DAMAGE)
    return QueryError(f"{message} ({text})", hint, exit_code)


_ANY_QUERY = "Try crawler query without a query for the list of those that have a name."
_COPY = "Try a copy of the folder that you may write to."
_OTHER_DAMAGE = ("the database cannot be read", "Try a copy of the folder, or --fresh to start anew beside it.", UNUSABLE)
_DAMAGE: dict[int, tuple[str, str, int]] = {
    sqlite3.SQLITE_NOTADB: ("the file is no database", "Try -o with the output folder of a crawl.", UNUSABLE),
    sqlite3.SQLITE_CORRUPT: ("the database is damaged", "Try a copy of the folder, or --fresh to start anew beside it.", UNUSABLE),
    sqlite3.SQLITE_IOERR: ("the database cannot be read", "Try again; if it stays, check the disk.", NO_ACCESS),
    sqlite3.SQLITE_CANTOPEN: ("the database cannot be opened", _COPY, NO_ACCESS),
    sqlite3.SQLITE_READONLY: ("the database cannot be opened", _COPY, NO_ACCESS),
    sqlite3.SQLITE_PERM: ("the database may not be read", "Try as the user who crawls.", NO_ACCESS),
    sqlite3.SQLITE_FULL: ("no room to sort on disk", "Try fewer rows, or free space for temporary files.", NO_ACCESS),
    sqlite3.SQLITE_BUSY: ("the database is locked by another program", "Try again in a moment.", NO_ACCESS),
    sqlite3.SQLITE_NOMEM: ("not enough memory", "Try a query with fewer or smaller rows.", NO_ACCESS),
}


def _misspelt(text: str, sql: str, names: Names) -> QueryError | None:
    """Return an error with the nearest names when SQLite missed one, or with the place of a syntax error."""
    if match := _COLUMN.fullmatch(text):
        return QueryError(text, _column_hint(match[1], sql, names))
    if match := _TABLE.fullmatch(text):
        tables = names.tables()
        near = nearest(match[1], tables)
        return QueryError(text, f"Try {' or '.join(near)}." if near else f"Try one of {', '.join(tables)}.")
    if match := _FUNCTION.fullmatch(text):
        return QueryError(text, "Try one that SQLite has built in: https://sqlite.org/lang_corefunc.html")
    if match := _NEAR.fullmatch(text):
        return QueryError(f"syntax error near {match[1]!r}{_place(match[1], sql)}", _ANY_QUERY)
    if "incomplete input" in text:
        return QueryError("the query ends too early", "Try closing what is open: a bracket, a quote, or the clause at the end.")
    return None


def _column_hint(word: str, sql: str, names: Names) -> str:
    """Name similar columns, of the tables in the query before any others."""
    tables = names.tables()
    mentioned = {name.lower() for name in _WORD.findall(sql)}
    here = [table for table in tables if table.lower() in mentioned]
    for group in filter(None, (here, tables)):
        columns = names.columns(group)
        if near := nearest(word, columns):
            return "Try " + " or ".join(f"{name} (in {', '.join(columns[name][:4])})" for name in near) + "."
    if here:
        return f"Try one of {', '.join(names.columns(here))}."
    return "Try PRAGMA table_info(urls) for the columns of a table or view."


def _place(token: str, sql: str) -> str:
    """Return ` (line 2, column 5)` when the token occurs only once in the query."""
    found = [match.start() for match in re.finditer(re.escape(token), sql)]
    if len(found) != 1:
        return ""
    line = sql.count("\n", 0, found[0]) + 1
    column = found[0] - (sql.rfind("\n", 0, found[0]) + 1) + 1
    return f" (line {line}, column {column})"
