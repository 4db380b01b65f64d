"""Reading a stored body again, wherever the archive has put it.

The database is data: a path in it that leads out of the output folder is not followed.
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

PIECE = 64 * 1024
LONGEST_HEAD = 4 * 1024 * 1024
"""Bytes of a record's headers, or of the headers in it, beyond which it counts as damaged."""
_END = b"\r\n\r\n"


class BodyMissing(Exception):
    """The file that a row names is not there, not within the folder, or damaged. The text says which file."""


def body_path(folder: Path, file: str) -> Path:
    """Return the path of a stored file. Raises BodyMissing."""
    path = folder / file
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        raise BodyMissing(f"the stored file {path} is not there")
    return path


@contextmanager
def open_body(folder: Path, file: str, offset: int | None = None, length: int | None = None) -> Iterator[BinaryIO]:
    """Open the bytes of a stored body, decoded as the page was read. Raises BodyMissing, while it is read too.

    *offset* and *length* are the columns of `body`: where in a WARC file the record lies; None for a file that is the body.
    Of a record a few pieces of 64 KiB are in memory at a time, whatever its size.
    """
    path = body_path(folder, file)
    with path.open("rb") as stored:
        if offset is None:
            yield stored
            return
        with io.BufferedReader(_Payload(stored, path, offset, length or 0), PIECE) as payload:
            yield cast("BinaryIO", payload)


class _Payload(io.RawIOBase):
    """The body of the HTTP answer in one WARC record, which is one gzip member."""

    def __init__(self, file: BinaryIO, path: Path, offset: int, length: int) -> None:
        self._file = file
        self._where = f"the record at {offset:,} of {path}"
        self._left = length
        self._member = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._ready = b""
        file.seek(offset)
        fields = self._head("WARC").split(b"\r\n")
        told = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in fields[1:])}
        kind, size = told.get(b"warc-type", b""), told.get(b"content-length", b"")
        if not fields[0].startswith(b"WARC/1.") or not size.isdigit():
            raise self._damaged("is no WARC record")
        if kind != b"response":
            raise BodyMissing(f"{self._where} is no response but {kind.decode('ascii', 'replace')[:20]!r}")
        self._rest = int(size)
        self._rest -= len(self._head("HTTP")) + len(_END)
        if self._rest < 0:
            raise self._damaged("has HTTP headers longer than itself")

    def readable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def readinto(self, buffer: object) -> int:
        """See io.RawIOBase. Raises BodyMissing where the record is damaged."""
        view = memoryview(buffer).cast("B")     # type: ignore[arg-type]  # whatever has bytes
        wanted = min(len(view), self._rest)
        if wanted and not self._ready:
            self._ready = self._more()
        piece, self._ready = self._ready[:wanted], self._ready[wanted:]
        view[: len(piece)] = piece
        self._rest -= len(piece)
        if piece and not self._rest:
            self._finish()
        return len(piece)

    def _head(self, what: str) -> bytes:
        """Return bytes up to an empty line, and take them off."""
        head = self._ready
        while (end := head.find(_END)) < 0:
            if len(head) > LONGEST_HEAD:
                raise self._damaged(f"has no end of its {what} headers")
            head += self._more()
        self._ready = head[end + len(_END) :]
        return head[:end]

    def _finish(self) -> None:
        """Read what is behind the body: two line ends, and the check sum of the member."""
        behind = self._ready
        while len(behind) <= len(_END) and not self._member.eof:
            more = self._more(last=True)
            if not more and not self._member.eof:
                break
            behind += more
        if behind != _END or not self._member.eof:
            raise self._damaged("does not end where it should")

    def _more(self, *, last: bool = False) -> bytes:
        """Return the next decompressed bytes, at most a piece; nothing only at the *last*."""
        while not self._member.eof:
            packed = self._member.unconsumed_tail
            if not packed:
                packed = self._file.read(min(PIECE, self._left))
                self._left -= len(packed)
            try:
                piece = self._member.decompress(packed, PIECE)
            except zlib.error as error:
                raise self._damaged(f"is damaged: {error}") from None
            if piece:
                return piece
            if not packed:
                break
        if last:
            return b""
        raise self._damaged("ends too early")

    def _damaged(self, how: str) -> BodyMissing:
        return BodyMissing(f"{self._where} {how}")
