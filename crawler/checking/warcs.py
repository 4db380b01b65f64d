"""WARC files by themselves: is all there that rows count on, and (deep) is each record one whole gzip member."""

from __future__ import annotations

import itertools
import zlib
from collections.abc import Callable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import BinaryIO

from crawler.checking.bodies import CHUNK, size_of
from crawler.checking.finding import Finding, Trouble
from crawler.query.reader import Reader
from crawler.query.values import whole

BLOCK = 256 * 1024

_FILES = "SELECT file, bytes, closed FROM warc ORDER BY warc_id"
_RECORDS = f"""
SELECT r.fetch_id, w.file, r.offset, r.length FROM warc_record r JOIN warc w USING (warc_id)
WHERE r.fetch_id > ? AND r.offset + r.length <= w.bytes ORDER BY r.fetch_id LIMIT {CHUNK}"""
_OUTSIDE = """
SELECT r.fetch_id, coalesce(w.file, 'warc'), r.offset FROM warc_record r LEFT JOIN warc w USING (warc_id)
WHERE w.warc_id IS NULL OR r.offset + r.length > w.bytes"""


def check_warcs(root: Path, reader: Reader, *, deep: bool, at_rest: bool, tell: Callable[[int], None]) -> Iterator[Finding]:
    """Look at each WARC file; *deep* unpacks every record. *tell* is given the bytes that were read."""
    for _, file, offset in reader.rows(_OUTSIDE):
        yield Finding(Trouble.WARC, str(file), f"the record at {whole(offset):,} lies beyond what is true of the file")
    for file, size, closed in reader.all(_FILES):
        found = size_of(root, str(file))
        if found < whole(size):
            what = "is not there, or no plain file" if found < 0 else f"has {found:,} bytes and should have {whole(size):,}"
            yield Finding(Trouble.WARC, str(file), what)
        elif found > whole(size) and closed:
            yield Finding(Trouble.WARC, str(file), f"has {found - whole(size):,} bytes more than were written")
        elif found > whole(size) and at_rest:
            behind = f"{found - whole(size):,} bytes at its end are of a killed run; the next run cuts them off"
            yield Finding(Trouble.LEFTOVER, str(file), behind)
    if deep:
        yield from _records(root, reader, tell)


def _records(root: Path, reader: Reader, tell: Callable[[int], None]) -> Iterator[Finding]:
    """Unpack the records that rows name, a chunk of them in the order in which they lie in their files."""
    last = -1
    while rows := reader.all(_RECORDS, (last,)):
        last = whole(rows[-1][0])
        in_order = sorted((str(file), whole(offset), whole(length)) for _, file, offset, length in rows)
        for file, group in itertools.groupby(in_order, itemgetter(0)):
            if size_of(root, file) < 0:
                continue        # told already
            with (root / file).open("rb") as warc:
                for _, offset, length in group:
                    problem = member_problem(warc, offset, length)
                    if problem is not None:
                        yield Finding(Trouble.WARC, file, f"the record at {offset:,} {problem}")
                    tell(length)


def member_problem(file: BinaryIO, offset: int, length: int) -> str | None:
    """Return what is wrong with the gzip member at a place of a file; None when it is whole, ends there, and is a WARC record."""
    file.seek(offset)
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
    head = b""
    left = length
    try:
        while left and not unpack.eof:
            block = file.read(min(BLOCK, left))
            if not block:
                return "is cut short"
            left -= len(block)
            while block and not unpack.eof:         # at most a few blocks in memory, however small they were packed
                data = unpack.decompress(block, BLOCK)
                head = (head + data[:5])[:5]
                block = unpack.unconsumed_tail
    except zlib.error as error:
        return f"cannot be unpacked: {error}"
    except OSError as error:
        return f"cannot be read: {(error.strerror or str(error)).lower()}"
    if not unpack.eof:
        return "is cut short"
    if left or unpack.unused_data:
        return "ends before its length is up"
    return None if head == b"WARC/" else "is no WARC record"
