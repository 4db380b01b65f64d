"""What a check can find, in a closed list of words, and where it is kept until it is repaired."""

from __future__ import annotations

import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Self

import msgspec


class Trouble(StrEnum):
    """What is wrong."""

    DATABASE = "database"       # SQLite finds the file damaged
    REFERENCE = "reference"     # a row names another one that is not there
    COUNTER = "counter"         # a counter is not what counting gives
    MISSING = "missing"         # a stored body has no file
    SIZE = "size"               # its file has another size
    CONTENT = "content"         # its file has the right size, but other bytes
    ODD = "odd"                 # what bears its name is no file of its own: a link, a folder, a name that leads elsewhere
    UNREADABLE = "unreadable"   # this user may not look
    WARC = "warc"               # a WARC file, or a record in it, is not whole
    ORPHAN = "orphan"           # something below pages/ that no row names
    LEFTOVER = "leftover"       # what a killed run left; the next one clears it away
    MODE = "mode"               # other users may do more with it than they should


NOTICES = frozenset({Trouble.LEFTOVER, Trouble.MODE})
"""Worth knowing, and no damage."""

BODIES = frozenset({Trouble.MISSING, Trouble.SIZE, Trouble.CONTENT, Trouble.ODD})
"""Troubles that are over once the body is forgotten and its URLs are fetched again."""


class Finding(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="event", tag="finding"):
    """One thing that is not as it should be."""

    trouble: Trouble
    place: str
    """A file relative to the output folder, a table, or a host."""
    detail: str
    url: str | None = None
    """A page whose body it is."""
    body_id: int | None = None

    @property
    def is_damage(self) -> bool:
        """Tell whether the crawl is not sound because of it."""
        return self.trouble not in NOTICES


class Repaired(msgspec.Struct, frozen=True, tag_field="event", tag="repair"):
    """What was done."""

    moved: int
    """Files that were moved to the quarantine."""
    queued: int
    """URLs that will be fetched again."""
    forgotten: int
    """Bodies whose rows are gone."""
    hosts: int
    """Hosts whose row was missing and was made again."""
    counted: bool
    """The counters were counted anew."""
    indexed: bool
    """The indexes were built anew."""


class Todo:
    """What is to be repaired, in a database that lies in a temporary file and is gone with the process.

    A list would grow with the damage: a disk that was not mounted is ten million findings.
    """

    def __init__(self) -> None:
        self.counts: Counter[Trouble] = Counter()
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("CREATE TABLE body (body_id INTEGER PRIMARY KEY, file TEXT NOT NULL, trouble TEXT NOT NULL)")
        self._db.execute("CREATE TABLE orphan (file BLOB PRIMARY KEY) WITHOUT ROWID")

    def add(self, finding: Finding) -> None:
        """Remember a finding."""
        self.counts[finding.trouble] += 1
        if finding.body_id is not None:
            row = (finding.body_id, finding.place, finding.trouble.value)
            self._db.execute("INSERT OR IGNORE INTO body VALUES (?, ?, ?)", row)

    def add_orphan(self, path: bytes) -> None:
        """Remember what lies below pages/ and belongs to nobody; a file's name need not be text."""
        self._db.execute("INSERT OR IGNORE INTO orphan VALUES (?)", (path,))

    def bodies(self, size: int) -> Iterator[list[tuple[int, str, Trouble]]]:
        """Yield the bodies that can be repaired, so many at once."""
        cursor = self._db.execute("SELECT body_id, file, trouble FROM body ORDER BY body_id")
        while rows := cursor.fetchmany(size):
            yield [(row[0], row[1], Trouble(row[2])) for row in rows]

    def orphans(self, size: int) -> Iterator[list[Path]]:
        """Yield the orphans, relative to the output folder."""
        cursor = self._db.execute("SELECT file FROM orphan ORDER BY file")
        while rows := cursor.fetchmany(size):
            yield [Path(os.fsdecode(row[0])) for row in rows]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._db.close()
