"""How far an export has come, beside its file: `FILE.cursor`, JSON.

The rows are durable before the cursor says so, and the cursor is replaced in one step. What lies behind the bytes it names was
written by an export that was killed, and is cut off before the next one goes on: no row is lost, none is there twice.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from crawler.export.errors import ExportError
from crawler.query.reader import Reader
from crawler.text import safe

VERSION = 1
_ANEW = "another --to, or --force to write it anew."


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: everything that shapes the rows."""

    format: str
    where: str | None = None
    columns: tuple[str, ...] | None = None
    body: bool = False
    """With the decoded text of the stored body."""
    text: bool = False
    """With the main text."""
    distinct: bool = False
    """Without pages whose text is nearly that of an earlier one."""
    excel_safe: bool = False
    jsonl: bool = False
    """Lines instead of a folder of files."""
    base: str | None = None
    """Where the files of a large sitemap will be."""


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """How far it has come."""

    v: int = VERSION
    database: str
    """Which database: `selecting.database_of`."""
    wish: Wish
    last: int = 0
    """The last request that was looked at."""
    anchor: tuple[int, int] | None = None
    """URL and moment of that request: a database in which another has its number is not the one that was exported."""
    bytes: int = 0
    """Size of the file up to there; 0 for a folder."""
    rows: int = 0


def save(path: Path, cursor: Cursor) -> None:
    """Replace the cursor in one step, durably. Raises OSError."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(cursor)) + b"\n")
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def load(path: Path) -> Cursor:
    """Read a cursor. Raises ExportError for a file that is none, OSError where there is none."""
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Cursor)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ExportError(f"{path} is no cursor of an export ({safe(str(error))})", f"Try {_ANEW}") from None
    if found.v != VERSION:
        raise ExportError(f"{path} was written by another version of the crawler", f"Try {_ANEW}")
    return found


def matching(found: Cursor, database: str, wish: Wish, path: Path) -> None:
    """Raise ExportError unless a cursor is of this database and this wish."""
    if found.database != database:
        raise ExportError(f"{path} belongs to an export of another crawl", f"Try -o with that crawl, {_ANEW}")
    for field in Wish.__struct_fields__:
        before, now = getattr(found.wish, field), getattr(wish, field)
        if before != now:
            said = f"{_said(field, before)}, and now it is {_said(field, now)}"
            raise ExportError(f"{path} belongs to an export with {safe(said)}", f"Try the same options again, {_ANEW}")


def _said(field: str, value: object) -> str:
    flag = f"--{field.replace('_', '-')}"
    match value:
        case None | False:
            return f"no {flag}"
        case True:
            return flag
        case tuple():
            return f"{flag} {','.join(map(str, value))}"
        case _:
            return f"{flag} {value}"


def anchor_of(reader: Reader, last: int) -> tuple[int, int] | None:
    """Return URL and moment of a request, None when it is no longer there."""
    found = reader.one("SELECT url_id, at FROM fetch WHERE fetch_id = ?", (last,))
    return None if found is None else (int(found[0] or 0), int(found[1] or 0))


def resumed(found: Cursor, reader: Reader, latest: int, path: Path) -> int:
    """Return the request behind which to go on. Raises ExportError when requests were taken out and others have their numbers."""
    there = anchor_of(reader, found.last)
    if there is not None and found.anchor is not None and there != found.anchor:
        raise ExportError(f"the crawl has forgotten requests that {path} counts on", f"Try {_ANEW}")
    return min(found.last, latest)
