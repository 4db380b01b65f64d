"""A folder with the main text of each page in a file of its own, under a front matter that tells where it is from.

A file's name comes from the URL's digest, so that a page that is fetched anew takes the place of its older text. A file is
written beside its place and renamed, and the cursor in the folder follows when all files of a step are durable.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Self

import msgspec

from crawler.archive.names import file_of
from crawler.archive.syncing import Syncer
from crawler.export.cursor import Cursor, anchor_of, load, matching, resumed, save, sync_folder
from crawler.export.errors import ExportError, writing
from crawler.export.lines import Watch
from crawler.export.selecting import Selection
from crawler.export.texts import Tally
from crawler.query.reader import Reader, Row, Value
from crawler.text import is_hidden

CURSOR = "export.cursor"
COLUMNS = ("url", "title", "lang", "fetched", "sha256")
"""The front matter."""

_SHORT = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_NO_CHARACTERS = "\ufffe\uffff"


class Corpus:
    """The folder. A context manager: no other export writes to it meanwhile."""

    def __init__(self, path: Path, cursor: Cursor, reader: Reader, *, going_on: bool, force: bool, latest: int, markdown: bool) -> None:
        """Look at what is there. Raises ExportError when it must not be written to; nothing is changed yet."""
        self.path, self.rows = path, 0
        self._beside = path / CURSOR
        self._reader, self._mime = reader, "text/markdown" if markdown else "text/plain"
        self._written: list[Path] = []
        self._descriptor = -1
        with writing(path):
            self._cursor = _begun(path, cursor, going_on=going_on, force=force)
        self.after = resumed(self._cursor, reader, latest, self._beside)
        self.rows = self._cursor.rows

    def __enter__(self) -> Self:
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(self._descriptor)
                raise ExportError(f"another export is writing {self.path}", "Try again when it has ended, or another --to.") from None
            self._syncer = Syncer(self.path)
            save(self._beside, self._cursor)
        return self

    def put(self, row: Row, text: str) -> None:
        """Write the file of one page."""
        url = str(row[0])
        place = self.path / file_of(url, self._mime, hashlib.sha256(url.encode()).digest()).removeprefix("pages/")
        with writing(place):
            if not place.parent.is_dir():
                place.parent.mkdir(parents=True, exist_ok=True)
                self._written += [place.parent.parent, self.path]
            part = self.path / ".part"
            part.write_bytes(f"{front_matter(row)}\n{text}\n".encode())
            part.replace(place)
        self._written += [place, place.parent]

    def keep(self, last: int, rows: int) -> None:
        """Make the files of a step durable, then say so in the cursor. Raises StorageError."""
        with writing(self.path):
            self._syncer.sync(dict.fromkeys(self._written))
            self._written = []
            self._cursor = msgspec.structs.replace(self._cursor, last=last, anchor=anchor_of(self._reader, last), rows=rows)
            save(self._beside, self._cursor)

    def __exit__(self, *_exc: object) -> None:
        with contextlib.suppress(OSError):
            (self.path / ".part").unlink(missing_ok=True)
            sync_folder(self.path)
        os.close(self._descriptor)


def write_corpus(
    corpus: Corpus, selection: Selection, tally: Tally, watch: Watch, main: Callable[[tuple[Value, ...]], str | None]
) -> None:
    """Write the pages of a selection whose columns are `COLUMNS` and those that lead to a body."""
    for step in selection.steps(corpus.after):
        for row in step.rows:
            text = main(row[len(COLUMNS) :])
            if text is not None:
                corpus.put(row[: len(COLUMNS)], text)
                tally.rows += 1
        corpus.keep(step.last, corpus.rows + tally.rows)
        watch(tally.rows, step.share)


def _begun(path: Path, cursor: Cursor, *, going_on: bool, force: bool) -> Cursor:
    beside = path / CURSOR
    if path.exists() and not path.is_dir():
        raise ExportError(f"{path} is a file", "Try --to with a folder, or --jsonl for one file.")
    there = path.is_dir() and any(path.iterdir())
    if going_on and not force:
        if beside.exists():
            found = load(beside)
            matching(found, cursor.database, cursor.wish, beside)
            return found
        if there:
            raise ExportError(f"{path} has no {CURSOR} in it", "Try another --to, or --force to write into it.")
    elif there and not force:
        raise ExportError(f"{path} is there already", "Try --continue to add to it, --force to write it anew, or another --to.")
    return cursor


def front_matter(row: Row) -> str:
    """Return the head of a file: YAML between two lines of three hyphens."""
    lines = [f"{name}: {'null' if value is None else quoted(str(value))}" for name, value in zip(COLUMNS, row, strict=True)]
    return "\n".join(["---", *lines, "---", ""])


def quoted(text: str) -> str:
    """Return a text as a double-quoted scalar of YAML (1.2, 5.7): on one line, and nothing in it acts or hides."""
    return f'"{"".join([_SHORT.get(char) or (_escape(char) if is_hidden(char) or char in _NO_CHARACTERS else char) for char in text])}"'


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
