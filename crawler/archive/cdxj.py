"""The index of WARC files that replay tools look URLs up in: one sorted line for each answer (CDXJ).

A line is `SURT key, moment, JSON`. Lines are sorted in pieces that lie in nameless temporary files, so that memory does not
grow with their number; the index gets its name when it is whole.
"""

from __future__ import annotations

import contextlib
import fcntl
import heapq
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from crawler.archive.files import private
from crawler.archive.records import EMPTY_DIGEST, digest_of
from crawler.archive.warc import FOLDER
from crawler.core.model import KIND_CODE, Kind
from crawler.core.surt import surt
from crawler.folder import DATABASE, InUse, storage_error

INDEX = "index.cdxj"
LINES_AT_ONCE = 50_000
"""Lines that are sorted in memory, about 15 MB."""
FILES_AT_ONCE = 64
"""Sorted pieces beyond which they are merged to one: a process may open 256 files on some systems."""

_ROWS = """
SELECT r.fetch_id, o.origin || u.path, f.at, f.status, f.mime, b.digest, w.file, r.offset, r.length, u.kind,
  b.offset IS NOT NULL AND (b.offset <> r.offset OR b.file <> w.file)
FROM warc_record r JOIN warc w USING (warc_id) JOIN fetch f USING (fetch_id) JOIN url u ON u.url_id = f.url_id
JOIN origin o ON o.origin_id = u.origin_id LEFT JOIN body b ON b.body_id = f.body_id
WHERE r.fetch_id > ? ORDER BY r.fetch_id LIMIT ?"""
_PAGE = 2_000
"""Rows that one look at the database takes: the write-ahead log of a crawl that runs must be able to start over."""


def line(
    url: str, at: float, status: int, mime: str | None, digest: bytes | None, *, file: str, offset: int, length: int, revisit: bool
) -> bytes:  # fmt: skip
    """Return the line of one answer, without its end; *file* is a name without folders."""
    said = {
        "url": url, "mime": "warc/revisit" if revisit else mime or "unk", "status": str(status),
        **({} if digest is None else {"digest": digest_of(digest)}), "length": str(length), "offset": str(offset), "filename": file,
    }  # fmt: skip
    key = surt(url).replace(" ", "%20")
    return f"{key} {time.strftime('%Y%m%d%H%M%S', time.gmtime(int(at)))} ".encode("utf-8", "replace") + msgspec.json.encode(said)


def write_index(folder: Path, *, wanted: Callable[[], bool] = lambda: True) -> int | None:
    """Write the index of a crawl's WARC files; return its lines, None when it was *wanted* no longer or there are no WARC files.

    It reads the database as any reader does, also while a crawl goes on. Raises StorageError, and InUse while another
    process writes the same index.
    """
    database = (folder / DATABASE).absolute().as_uri()
    with contextlib.closing(sqlite3.connect(f"{database}?mode=ro", uri=True, isolation_level=None)) as db:
        if not db.execute("SELECT 1 FROM warc_record LIMIT 1").fetchall():
            return None
        return write_sorted(_lines(db), folder / FOLDER / INDEX, wanted=wanted)


def _lines(db: sqlite3.Connection) -> Iterator[bytes]:
    last = 0
    while rows := db.execute(_ROWS, (last, _PAGE)).fetchall():
        for fetch, url, at, status, mime, digest, file, offset, length, kind, elsewhere in rows:
            last = fetch
            none = EMPTY_DIGEST if kind != KIND_CODE[Kind.ROBOTS] else None
            yield line(
                url, at / 1000, status or 0, mime, digest or none, file=Path(file).name, offset=offset, length=length,
                revisit=bool(elsewhere) or status == 304,
            )  # fmt: skip


def write_sorted(lines: Iterable[bytes], path: Path, *, wanted: Callable[[], bool] = lambda: True) -> int | None:
    """Write lines to a file in the order of their bytes; return how many, None when it was *wanted* no longer."""
    try:
        with contextlib.ExitStack() as stack:
            new = path.with_name(f"{path.name}.new")
            out = stack.enter_context(open(new, "ab", opener=private))
            try:
                fcntl.flock(out, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InUse(f"{path} is being written by another process", "Try again when that has ended.") from None
            out.truncate(0)
            count = 0
            for one in _sorted(lines, path.parent, stack, wanted):
                out.write(one)
                count += 1
            if not wanted():
                new.unlink()
                return None
            out.flush()
            os.fsync(out.fileno())
            new.rename(path)
            return count
    except OSError as error:
        raise storage_error(path, error) from error


def _sorted(lines: Iterable[bytes], place: Path, stack: contextlib.ExitStack, wanted: Callable[[], bool]) -> Iterator[bytes]:
    """Yield lines with their ends in order."""
    pieces: list[BinaryIO] = []
    held: list[bytes] = []
    for one in lines:
        held.append(one + b"\n")
        if len(held) == LINES_AT_ONCE:
            if not wanted():
                return
            held.sort()
            pieces.append(_written(held, place, stack))
            held = []
            if len(pieces) == FILES_AT_ONCE:
                merged = _written(heapq.merge(*pieces), place, stack)
                for piece in pieces:
                    piece.close()
                pieces = [merged]
    held.sort()
    yield from heapq.merge(*pieces, held)


def _written(lines: Iterable[bytes], place: Path, stack: contextlib.ExitStack) -> BinaryIO:
    file = stack.enter_context(tempfile.TemporaryFile(dir=place))  # noqa: SIM115 - closed with the stack
    file.writelines(lines)
    file.seek(0)
    return file
