"""The database by itself: is the file sound, do its rows hold together, are its counters right."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator

from crawler.checking.counting import BY_HOST, ERRORS, HOST_COUNTERS, PAGES, STATES
from crawler.checking.finding import Finding, Trouble
from crawler.query.errors import QueryError
from crawler.query.reader import Reader, Value
from crawler.query.values import whole_or_none

INDEX_TROUBLE = re.compile(r"row \d+ missing from index|wrong # of entries in index|non-unique entry in index|rowid not at end of record")
"""What a new index heals: the rows themselves are sound."""

_COUNTED = ", ".join(f"h.{name}, coalesce(c.{name}, 0)" for name in HOST_COUNTERS)
_HOSTS = f"""
WITH counted AS ({BY_HOST}) SELECT h.name, {_COUNTED} FROM host h LEFT JOIN counted c USING (host_id)
WHERE {" OR ".join(f"h.{name} <> coalesce(c.{name}, 0)" for name in HOST_COUNTERS)}"""
_STATES = f"""
WITH counted AS ({STATES}) SELECT s.name, s.urls, coalesce(c.urls, 0) FROM state s LEFT JOIN counted c USING (state)
WHERE s.urls <> coalesce(c.urls, 0)"""
_ALIEN_PAGES = """
SELECT o.origin || u.path FROM url u JOIN fetch f ON f.fetch_id IN (u.page_id, u.fetch_id) JOIN origin o USING (origin_id)
WHERE f.url_id <> u.url_id"""

Check = Callable[[Reader], Iterator[Finding]]


def check_file(reader: Reader, *, deep: bool) -> Iterator[Finding]:
    """Let SQLite look for damage; *deep* compares each index with its table too."""
    for (line,) in reader.guard.check("integrity_check" if deep else "quick_check"):
        if line != "ok":
            yield Finding(Trouble.DATABASE, reader.file.name, str(line))


def check_references(reader: Reader) -> Iterator[Finding]:
    """Find rows that name a row which is not there."""
    for table, rowid, parent, _ in reader.guard.check("foreign_key_check"):
        row = "a row" if rowid is None else f"row {rowid}"
        yield Finding(Trouble.REFERENCE, str(table), f"{row} names a {parent} that is not there")
    for (url,) in reader.rows(_ALIEN_PAGES):
        yield Finding(Trouble.REFERENCE, "url", "its request belongs to another URL", url=str(url))


def check_counters(reader: Reader) -> Iterator[Finding]:
    """Count, and compare with the counters that the writer keeps."""
    for name, *pairs in reader.rows(_HOSTS):
        wrong = [(column, *pairs[2 * i : 2 * i + 2]) for i, column in enumerate(HOST_COUNTERS)]
        said = ", ".join(_differs(column, kept, counted) for column, kept, counted in wrong if kept != counted)
        yield Finding(Trouble.COUNTER, str(name), said)
    for name, kept, counted in reader.rows(_STATES):
        yield Finding(Trouble.COUNTER, "state", _differs(name, kept, counted))
    for key, sql in (("pages", PAGES), ("errors", ERRORS)):
        kept = whole_or_none((reader.one("SELECT value FROM meta WHERE key = ?", (key,)) or (None,))[0])
        counted = reader.all(sql)[0][0]
        if kept != counted:
            yield Finding(Trouble.COUNTER, "meta", _differs(key, kept, counted))


def _differs(name: Value, kept: Value, counted: Value) -> str:
    return f"{name!s} is {kept!s} and should be {counted!s}"


def check_database(reader: Reader, *, deep: bool, tell: Callable[[str], None]) -> Iterator[Finding]:
    """Do all of it, as of one moment. What cannot be read any more is one finding, and ends the check."""
    checks: tuple[tuple[str, Check], ...] = (
        ("the database file", lambda one: check_file(one, deep=deep)),
        ("what rows say of each other", check_references),
        ("the counters", check_counters),
    )
    with reader.snapshot():
        for name, check in checks:
            tell(name)
            found = False
            try:
                for finding in check(reader):
                    found = True
                    yield finding
            except (QueryError, sqlite3.Error) as error:
                yield Finding(Trouble.DATABASE, reader.file.name, f"{name} cannot be checked: {error}")
                return
            if found and name == checks[0][0]:
                return      # sums over damaged pages say nothing
