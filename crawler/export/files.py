"""Where an export goes: a file that grows by whole steps, a file that appears when it is whole, or standard output."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Self, TextIO

import msgspec

from crawler.export.cursor import Cursor, anchor_of, load, matching, resumed, save, sync_folder
from crawler.export.errors import ExportError, writing
from crawler.query.reader import Reader

BUFFER = 1 << 20


class Stdout:
    """Standard output, exact UTF-8 whatever the terminal's encoding. Nothing is remembered."""

    def __init__(self) -> None:
        self.after = 0
        self.rows = 0
        self.fresh = True
        self.stream: TextIO = sys.stdout

    def __enter__(self) -> Self:
        sys.stdout.flush()
        if isinstance(sys.stdout, io.TextIOWrapper):
            self.stream = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="", write_through=False)
        return self

    def keep(self, last: int, rows: int) -> None:  # noqa: ARG002 - the same as a file's
        """Let a step go out."""
        self.stream.flush()

    def __exit__(self, *_exc: object) -> None:
        if self.stream is not sys.stdout and isinstance(self.stream, io.TextIOWrapper):
            with contextlib.suppress(BrokenPipeError):
                self.stream.detach()


class Growing:
    """A file that grows by whole steps. `keep` makes a step true; what is not kept is cut off when it is opened again."""

    def __init__(self, path: Path, cursor: Cursor, reader: Reader, *, going_on: bool, force: bool, latest: int) -> None:
        """Look at what is there. Raises ExportError when it must not be written to; nothing is changed yet."""
        self.path = path
        self.beside = path.with_name(path.name + ".cursor")
        self._reader = reader
        self._cursor = cursor
        with writing(path):
            self._cursor = _begun(self.beside, path, cursor, going_on=going_on, force=force)
        self.after = resumed(self._cursor, reader, latest, self.beside)
        self.rows = self._cursor.rows
        self.fresh = self._cursor.bytes == 0
        self.stream: TextIO = sys.stdout        # until it is opened

    def __enter__(self) -> Self:
        with writing(self.path):
            self._raw = open_locked(self.path)
            try:
                self._refuse_shorter(self._raw.seek(0, os.SEEK_END))
                if self.fresh:
                    save(self.beside, self._cursor)     # before an old file is emptied: what it said is no longer so
                self._raw.truncate(self._cursor.bytes)
                self._raw.seek(self._cursor.bytes)
            except BaseException:
                self._raw.close()
                raise
        self.stream = io.TextIOWrapper(io.BufferedWriter(self._raw, BUFFER), encoding="utf-8", newline="")
        return self

    def _refuse_shorter(self, size: int) -> None:
        if size < self._cursor.bytes:
            what = f"{self.path} is shorter ({size:,} bytes) than {self.beside.name} says ({self._cursor.bytes:,} bytes)"
            raise ExportError(what, "Try the file as it was, another --to, or --force to write it anew.")

    def keep(self, last: int, rows: int) -> None:
        """Make everything up to a request durable, then say so in the cursor. Raises StorageError."""
        with writing(self.path):
            self.stream.flush()
            os.fsync(self._raw.fileno())
            self._cursor = msgspec.structs.replace(
                self._cursor, last=last, anchor=anchor_of(self._reader, last), bytes=self._raw.tell(), rows=rows
            )
            save(self.beside, self._cursor)

    def __exit__(self, *_exc: object) -> None:
        with contextlib.suppress(OSError):      # a full disk has been told already; the rest is cut off next time
            self.stream.close()
        self._raw.close()


def _begun(beside: Path, path: Path, cursor: Cursor, *, going_on: bool, force: bool) -> Cursor:
    """Return the cursor to go on from: the one that is there, or a new one."""
    if path.is_dir():
        raise ExportError(f"{path} is a folder", "Try --to with the name of a file.")
    if force or not going_on:
        refuse_existing(path, force=force, grows=True)
        return cursor
    if not beside.exists():
        if path.exists() and path.stat().st_size:       # an empty one was made by an export that was killed at once
            raise ExportError(f"{path} has no cursor beside it ({beside.name})", "Try another --to, or --force to write it anew.")
        return cursor
    found = load(beside)
    matching(found, cursor.database, cursor.wish, beside)
    if found.bytes and not path.exists():
        raise ExportError(f"{path} is gone, and {beside.name} is still there", "Try the file as it was, or --force to write it anew.")
    return found


def refuse_existing(path: Path, *, force: bool, grows: bool) -> None:
    """Raise ExportError when a file is there and must not be overwritten."""
    if path.exists() and not force:
        more = "--continue to add to it, " if grows else ""
        raise ExportError(f"{path} is there already", f"Try {more}--force to write it anew, or another --to.")


def open_locked(path: Path) -> io.FileIO:
    """Open a file for writing that no other export writes. Raises OSError, and ExportError when another does."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    raw = os.fdopen(descriptor, "r+b", buffering=0)
    try:
        fcntl.flock(raw, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raw.close()
        raise ExportError(f"another export is writing {path}", "Try again when it has ended, or another --to.") from None
    return raw


@contextlib.contextmanager
def whole(path: Path | None, *, force: bool) -> Iterator[BinaryIO]:
    """Write a file beside its place, and put it there when it is whole; None is standard output.

    Raises ExportError when there is one already, StorageError when the disk refuses.
    """
    if path is None:
        sys.stdout.flush()
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if path.is_dir():
        raise ExportError(f"{path} is a folder", "Try --to with the name of a file.")
    refuse_existing(path, force=force, grows=False)
    part = path.with_name(path.name + ".part")
    with writing(path):
        raw = open_locked(part)
        try:
            raw.truncate(0)
            with io.BufferedWriter(raw, BUFFER) as file:
                yield file
                file.flush()
                os.fsync(raw.fileno())
                part.replace(path)
            sync_folder(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise
