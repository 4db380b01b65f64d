"""Files against rows: what lies in the output folder and belongs to nobody. One folder after another, in constant memory."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from crawler.checking.bodies import kind_of
from crawler.checking.finding import Finding, Trouble
from crawler.query.reader import Reader

_DIGEST = re.compile(rb"-([0-9a-f]{32})\.[a-z0-9]{1,5}$")
_NAMED = "SELECT 1 FROM body WHERE digest >= ? AND digest < ? AND file = ?"
_AFTER = b"\xff" * 17
"""Behind the last digest that begins with the sixteen bytes of a name."""
MOST_ANNOUNCED = 1_000_000
"""Bytes of `tmp/intent` that are read; a batch of a hundred names takes 15,000."""

DATABASE_FILES = ("crawl.db", "crawl.db-wal", "crawl.db-shm")


def check_orphans(root: Path, reader: Reader, *, orphan: Callable[[bytes], None], tell: Callable[[int], None]) -> Iterator[Finding]:
    """Find what lies below `pages/` and no row names; *orphan* is given each path, *tell* how many files were looked at."""
    announced = announced_names(root) | _forgotten_names(reader)
    top = os.fsencode(root)
    if not stat.S_ISDIR(_mode(root / "pages")):
        return
    todo = [b"pages"]
    while todo:
        folder = todo.pop()
        try:        # paths of bytes: names need not be text
            entries = sorted(os.scandir(top + b"/" + folder), key=lambda entry: entry.name)
        except OSError as error:
            yield Finding(Trouble.UNREADABLE, os.fsdecode(folder), f"cannot be listed: {(error.strerror or str(error)).lower()}")
            continue
        inner = []
        for entry in entries:
            path = folder + b"/" + entry.name
            if entry.is_dir(follow_symlinks=False):
                inner.append(path)
            elif _is_named(reader, path):
                continue        # a link in its place was told with its body
            elif not entry.is_file(follow_symlinks=False):
                orphan(path)
                kind = kind_of(entry.stat(follow_symlinks=False).st_mode)
                yield Finding(Trouble.ORPHAN, os.fsdecode(path), f"is {kind}; it was not followed")
            elif path in announced:
                yield Finding(Trouble.LEFTOVER, os.fsdecode(path), "belongs to no page any more; the next run deletes it")
            else:
                orphan(path)
                yield Finding(Trouble.ORPHAN, os.fsdecode(path), "belongs to no page")
        tell(len(entries) - len(inner))
        todo += reversed(inner)


def _is_named(reader: Reader, path: bytes) -> bool:
    match = _DIGEST.search(path)
    if match is None:
        return False
    first = bytes.fromhex(match[1].decode())
    return reader.one(_NAMED, (first, first + _AFTER, path.decode(errors="replace"))) is not None


def announced_names(root: Path) -> frozenset[bytes]:
    """Return the names that were about to be born when the last run ended."""
    intent = root / "tmp" / "intent"
    if not stat.S_ISREG(_mode(intent)):
        return frozenset()
    with intent.open("rb") as file:
        return frozenset(file.read(MOST_ANNOUNCED).splitlines())


def _forgotten_names(reader: Reader) -> frozenset[bytes]:
    """Return the files of pages that were forgotten by hand, which the next run deletes."""
    row = reader.one("SELECT value FROM meta WHERE key = 'forgotten'")
    try:
        found = [] if row is None else msgspec.json.decode(str(row[0]), type=list[tuple[int, str]])
    except msgspec.DecodeError:
        return frozenset()
    return frozenset(name.encode() for _, name in found)


def check_leftovers(root: Path) -> Iterator[Finding]:
    """Find what a killed run left in `tmp/`."""
    if not stat.S_ISDIR(_mode(root / "tmp")):
        return
    with os.scandir(root / "tmp") as entries:
        for entry in entries:
            if entry.name != "intent":
                detail = "was left by a run that was killed; the next run deletes it"
                yield Finding(Trouble.LEFTOVER, f"tmp/{entry.name}", detail)


def check_modes(root: Path) -> Iterator[Finding]:
    """Tell when others may read the cookies, or put files of their own into the folder."""
    for name in DATABASE_FILES:
        mode = _mode(root / name)
        if mode & 0o077:
            yield Finding(Trouble.MODE, name, f"others may read or write it ({stat.filemode(mode)}), and it holds cookies")
            break
    for name in (".", "pages", "tmp"):
        mode = _mode(root / name)
        if mode & 0o022 and not mode & stat.S_ISVTX:
            yield Finding(Trouble.MODE, name, f"others may write to it ({stat.filemode(mode)})")


def _mode(path: Path) -> int:
    """Return the mode of what bears a name, links not followed; 0 when nothing does."""
    try:
        return os.lstat(path).st_mode
    except OSError:
        return 0
