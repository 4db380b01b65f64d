"""A crawl as WARC files with their index, made from what is stored: files, or WARC files written while crawling.

Answers of one body come one behind the other, so that the first has it and the rest refer to it, in memory that does not grow.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self

import msgspec

from crawler.archive import Exchange, Original
from crawler.archive.cdxj import INDEX, line, write_sorted
from crawler.archive.files import private
from crawler.archive.reading import BodyMissing, open_body
from crawler.archive.records import EMPTY_DIGEST, Payload
from crawler.archive.volume import Volume, said_of
from crawler.archive.warc import LARGEST
from crawler.core.model import FAULT_CODE, KIND_CODE, Body, Fault, Kind, Reply
from crawler.folder import storage_error
from crawler.query.reader import Reader, Row

STEP = 500
"""Requests that one statement looks at, so that the log of a crawl that runs can start over."""

_WHOLE = f"(f.fault IS NULL OR f.fault IN ({FAULT_CODE[Fault.REDIRECT]}, {FAULT_CODE[Fault.PARSE]}))"
_ANSWERS = f"""
SELECT f.fetch_id, f.body_id, f.url_id, o.origin || u.path, f.at, f.status, f.mime, f.ip, f.truncated, f.wire_bytes, f.headers,
  b.digest, b.bytes, b.file, b.offset, b.length, CASE WHEN u.kind = {KIND_CODE[Kind.ROBOTS]} AND o.robots_at = f.at THEN o.robots_txt END
FROM fetch f JOIN url u ON u.url_id = f.url_id JOIN origin o ON o.origin_id = u.origin_id LEFT JOIN body b ON b.body_id = f.body_id
WHERE f.status IS NOT NULL AND {_WHOLE} AND {{}} LIMIT {STEP}"""
_WITH_BODY = "f.body_id IS NOT NULL AND (f.body_id, f.fetch_id) > (?, ?) AND {} ORDER BY f.body_id, f.fetch_id"
_WITHOUT = "f.body_id IS NULL AND f.fetch_id > ? AND {} ORDER BY f.fetch_id"
_STILL_GOOD = f"""
SELECT o.origin || u.path, f.at, b.digest FROM body b CROSS JOIN fetch f ON f.body_id = b.body_id JOIN url u ON u.url_id = f.url_id
JOIN origin o ON o.origin_id = u.origin_id WHERE b.body_id = (
  SELECT body_id FROM fetch WHERE url_id = ? AND fetch_id < ? AND body_id IS NOT NULL ORDER BY fetch_id DESC LIMIT 1)
AND {_WHOLE} AND {{}} ORDER BY f.fetch_id LIMIT 1"""
"""The record that has the body of a page that had not changed."""
_SELECTED = "EXISTS (SELECT 1 FROM pages WHERE pages.url_id = f.url_id AND (\n{}\n))"


class Told(Protocol):
    """Who is told how it goes."""

    def __call__(self, records: int, /) -> None:
        """So many answers are written."""


def write_warc(
    folder: Path, out: Path, *, reader: Reader, where: str | None = None, largest: int = LARGEST,
    told: Told = lambda _: None, missing: Callable[[str], None] = lambda _: None,
) -> int:  # fmt: skip
    """Write the answers of a crawl to `export-NNNNN.warc.gz` and `index.cdxj` in the folder *out*; return how many.

    *where* is a condition over the columns of the view `pages`, already checked: then only answers of such pages are
    written, those of earlier times too. A body that is not there is left out with its answer, and *missing* is told.
    There are no request records: what was asked is only known to a crawl that writes WARC files itself.
    Files of an export before are replaced. Raises StorageError; files that were whole before that are left.
    """
    try:
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _Files(out, largest) as files:
            lines = _written(files, _rows(reader, where), folder, told, missing)
            return write_sorted(lines, out / INDEX) or 0
    except OSError as error:
        raise storage_error(out, error) from error


class _Files:
    """The WARC files, one after the other; each gets its name when it is whole. A context manager."""

    def __init__(self, folder: Path, largest: int) -> None:
        self._folder = folder
        self._largest = largest
        self._number = 0
        self._out: BinaryIO | None = None
        self._volume: Volume | None = None
        self.name = ""

    def volume(self, at: float) -> Volume:
        """Return the file that the next record goes to."""
        if self._volume is None or self._volume.end >= self._largest:
            self._finish()
            self._number += 1
            self.name = f"export-{self._number:05}.warc.gz"
            self._out = open(self._part, "wb", opener=private)  # noqa: SIM115 - closed by `_finish` or at the end
            self._volume = Volume(self._out, self.name, at, said_of((("description", "made from the files of a crawl"),)))
        return self._volume

    @property
    def _part(self) -> Path:
        return self._folder / f"{self.name}.part"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Finish the file that is open, and remove what an export before made more; after an error leave no half of one."""
        if kind is None:
            self._finish()
            for old in self._folder.glob("export-*.warc.gz"):
                if old.name > self.name:
                    old.unlink()
        elif self._out is not None:
            self._out.close()
            self._part.unlink(missing_ok=True)

    def _finish(self) -> None:
        if self._out is not None:
            self._out.flush()
            os.fsync(self._out.fileno())
            self._out.close()
            self._part.rename(self._folder / self.name)
            self._out = self._volume = None


def _rows(reader: Reader, where: str | None) -> Iterator[tuple[Row, Original | None]]:
    """Yield answers, those of one body one behind the other; those of 304 with where the body lies that is still good."""
    selected = "1" if where is None else _SELECTED.format(where)
    last: Row = (0, 0)
    sql = _ANSWERS.format(_WITH_BODY.format(selected))
    while rows := reader.all(sql, last):
        yield from ((row, None) for row in rows)
        last = (rows[-1][1], rows[-1][0])
    last = (0,)
    sql = _ANSWERS.format(_WITHOUT.format(selected))
    good = _STILL_GOOD.format(selected)
    while rows := reader.all(sql, last):
        for row in rows:
            found: Any = reader.one(good, (row[2], row[0])) if row[5] == 304 else None
            yield row, None if found is None else Original(found[0], found[1] / 1000, found[2])
        last = rows[-1][:1]


def _written(
    files: _Files, rows: Iterator[tuple[Row, Original | None]], folder: Path, told: Told, missing: Callable[[str], None]
) -> Iterator[bytes]:
    """Write each row's answer, and yield its line of the index."""
    count, before = 0, None
    for row, good in rows:
        exchange, payload = _exchange(row, folder)
        if good is not None:
            exchange = msgspec.structs.replace(exchange, original=good)
        digest = EMPTY_DIGEST if exchange.body is None else exchange.body.digest
        if exchange.content:
            digest = hashlib.sha256(exchange.content).digest()
        elif good is not None:
            digest = good.digest
        if before is not None and exchange.body is not None and before.digest == digest:
            exchange = msgspec.structs.replace(exchange, original=before)
        volume = files.volume(exchange.at)
        try:
            offset, length, revisit = volume.add(exchange, payload)
        except BodyMissing as error:
            missing(str(error))
            continue
        if exchange.body is not None and not revisit:
            before = Original(exchange.url, exchange.at, digest)
        reply = exchange.reply
        yield line(
            exchange.url, exchange.at, reply.status, reply.mime, digest, file=files.name, offset=offset, length=length, revisit=revisit
        )
        count += 1
        told(count)


def _exchange(row: Any, folder: Path) -> tuple[Exchange, Payload]:
    _, _, _, url, at, status, mime, ip, truncated, wire, headers, digest, size, file, offset, length, text = row
    told = tuple(msgspec.json.decode(headers or "[]", type=list[tuple[str, str]]))
    reply = Reply(status, told, mime, wire_bytes=wire or 0, ip=ip, truncated=bool(truncated))
    if digest is None:
        cut = "unspecified" if wire and text is None else None
        return Exchange(url, at / 1000, reply, content=text, truncated=cut), text or b""
    body = Body(digest, size, file, offset, length)
    cut = "unspecified" if truncated and status != 206 else None
    return Exchange(url, at / 1000, reply, body, truncated=cut), partial(open_body, folder, file, offset, length)
