"""Is a crawl's folder sound? The database by itself, rows against files, files against rows.

The check only reads. At rest it holds the folder, so that nothing changes under it. Beside a running crawl it sees what is
committed, and leaves out what only holds still at rest: files without a row (they get theirs in a moment), leftovers.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from crawler.checking.bodies import check_bodies
from crawler.checking.database import check_database
from crawler.checking.finding import Finding, Todo, Trouble
from crawler.checking.strays import check_leftovers, check_modes, check_orphans
from crawler.checking.warcs import check_warcs
from crawler.query.errors import QueryError
from crawler.query.reader import Reader
from crawler.query.values import whole

FOREVER = float("inf")
_SIZES = "SELECT count(*), coalesce(sum(bytes), 0) FROM body"


class Stage(msgspec.Struct, frozen=True):
    """What is being done, for people who wait. `total` is 0 where nobody knows how much there is."""

    name: str
    done: int = 0
    total: int = 0
    is_bytes: bool = False


class Checked(msgspec.Struct, frozen=True, tag_field="event", tag="summary"):
    """How much was looked at."""

    bodies: int
    bytes: int
    files: int
    deep: bool
    at_rest: bool
    left_out: tuple[str, ...]


def verify(root: Path, todo: Todo, *, deep: bool, at_rest: bool, tell: Callable[[Stage], None]) -> Iterator[Finding | Checked]:
    """Check a crawl's folder; yield what is wrong as it is found, and at the end how much was looked at.

    *todo* remembers what a repair needs. Raises QueryError when there is no crawl, or none that this version can read.
    """
    with Reader.open(root, timeout=FOREVER) as reader:
        for finding in _check(root, reader, todo, deep=deep, at_rest=at_rest, tell=tell):
            if isinstance(finding, Finding):
                todo.add(finding)
            yield finding


def _check(
    root: Path, reader: Reader, todo: Todo, *, deep: bool, at_rest: bool, tell: Callable[[Stage], None]
) -> Iterator[Finding | Checked]:
    counted = _Counted()
    left_out: tuple[str, ...] = () if at_rest else ("files below pages/ that no row names", "leftovers in tmp/")
    yield from check_modes(root)
    try:
        yield from check_database(reader, deep=deep, tell=lambda name: tell(Stage(name)))
        if not todo.counts[Trouble.DATABASE]:
            bodies, size = map(whole, reader.all(_SIZES)[0])
            stage = "contents" if deep else "files of bodies"

            def told_bodies(rows: int, read: int) -> None:
                counted.bodies += rows
                counted.bytes += read
                tell(Stage(stage, counted.bytes, size, is_bytes=True) if deep else Stage(stage, counted.bodies, bodies))

            def told_files(files: int) -> None:
                counted.files += files
                tell(Stage("files without a row", counted.files, bodies))

            def told_records(read: int) -> None:
                counted.packed += read
                tell(Stage("WARC records", counted.packed, is_bytes=True))

            yield from check_bodies(root, reader, deep=deep, tell=told_bodies)
            yield from check_warcs(root, reader, deep=deep, at_rest=at_rest, tell=told_records)
            if at_rest:
                yield from check_orphans(root, reader, orphan=todo.add_orphan, tell=told_files)
        else:
            left_out = ("whatever lies on disk: the database that names it is damaged",)
    except (QueryError, sqlite3.Error) as error:
        yield Finding(Trouble.DATABASE, reader.file.name, f"cannot be read: {error}")
        left_out = ("the rest: the database is damaged",)
    if at_rest:
        yield from check_leftovers(root)
    yield Checked(counted.bodies, counted.bytes, counted.files, deep, at_rest, left_out)


class _Counted:
    bodies = bytes = files = packed = 0
