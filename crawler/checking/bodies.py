"""Rows against files: every stored body, in chunks of rows, so that neither memory nor a snapshot grows with their number.

Nothing is followed that is no plain file in its own folders: the folder may have been changed by anyone.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from crawler.archive.names import is_file_of
from crawler.archive.reading import BodyMissing, open_body
from crawler.checking.finding import Finding, Trouble
from crawler.query.reader import Reader, Row
from crawler.query.values import whole, whole_or_none

CHUNK = 2_000
"""Rows that are looked at together, in the order of their folders."""
READERS = 4
"""Threads that read bodies: a disk answers several at once sooner than one after another."""
BLOCK = 256 * 1024
FOLDERS_REMEMBERED = 100_000

_CHUNK = f"SELECT body_id, digest, bytes, file, offset, length FROM body WHERE body_id > ? ORDER BY body_id LIMIT {CHUNK}"
_URL = """
SELECT o.origin || u.path FROM fetch f JOIN url u ON u.url_id = f.url_id JOIN origin o USING (origin_id)
WHERE f.body_id = ? ORDER BY u.page_id = f.fetch_id DESC LIMIT 1"""

Tell = Callable[[int, int], None]
"""Told after each chunk: how many bodies more were looked at, and their bytes."""


class Stored(msgspec.Struct, frozen=True, gc=False):
    """One row of `body`."""

    body_id: int
    digest: bytes
    size: int
    file: str
    offset: int | None
    length: int | None


class Folders:
    """Knows which folders below the output folder are really there, and not links to somewhere else."""

    def __init__(self, root: Path) -> None:
        self._root = Path(os.path.realpath(root))
        self._real: dict[str, bool] = {}

    def is_real(self, folder: str) -> bool:
        """Tell whether a folder, relative to the output folder, is reached without following a link."""
        found = self._real.get(folder)
        if found is None:
            if len(self._real) >= FOLDERS_REMEMBERED:
                self._real.clear()
            place = str(self._root / folder)
            found = self._real[folder] = os.path.realpath(place) == place
        return found


def check_bodies(root: Path, reader: Reader, *, deep: bool, tell: Tell) -> Iterator[Finding]:
    """Look at the file of every body; *deep* reads them all and compares the digests."""
    folders = Folders(root)
    warcs: dict[str, int] = {}
    last = -1
    with ThreadPoolExecutor(READERS, thread_name_prefix="verify") as pool:
        try:
            while rows := reader.all(_CHUNK, (last,)):
                last = whole(rows[-1][0])
                chunk = sorted(map(_stored, rows), key=lambda one: (one.file, one.offset or 0))
                whole_ones = []
                for one in chunk:
                    finding = _in_warc(root, reader, one, warcs) if one.offset is not None else _as_file(root, folders, one)
                    if finding is None:
                        whole_ones.append(one)
                    else:
                        yield from _told(reader, one, finding)
                if deep:
                    for one, finding in zip(whole_ones, pool.map(lambda one: _read(root, one), whole_ones), strict=True):
                        if finding is not None:
                            yield from _told(reader, one, finding)
                tell(len(chunk), sum(one.size for one in chunk))
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _stored(row: Row) -> Stored:
    body_id, digest, size, file, offset, length = row
    return Stored(
        whole(body_id), digest if isinstance(digest, bytes) else b"", whole(size), str(file), whole_or_none(offset), whole_or_none(length)
    )


def _told(reader: Reader, one: Stored, finding: Finding) -> Iterator[Finding]:
    """Add what only the database knows; a notice is nothing to repair. A body that was forgotten meanwhile may be gone."""
    if reader.one("SELECT 1 FROM body WHERE body_id = ?", (one.body_id,)) is None:
        return
    row = reader.one(_URL, (one.body_id,))
    url = None if row is None else str(row[0])
    yield msgspec.structs.replace(finding, url=url, body_id=one.body_id if finding.is_damage else None)


def _as_file(root: Path, folders: Folders, one: Stored) -> Finding | None:
    """Look at a body that is a file of its own, without opening it."""
    if not is_file_of(one.file):
        return Finding(Trouble.ODD, one.file, "is no name that a body can have; it was not looked at")
    if not folders.is_real(os.path.dirname(one.file)):  # noqa: PTH120 - ten million Path objects cost a minute
        return _behind_a_link(root, one)
    try:
        found = os.lstat(root / one.file)
    except OSError as error:
        return _unseen(one.file, error)
    return _looked_at(one, found)


def _looked_at(one: Stored, found: os.stat_result) -> Finding | None:
    if not stat.S_ISREG(found.st_mode):
        return Finding(Trouble.ODD, one.file, f"is {kind_of(found.st_mode)}, no file; it was not followed")
    if found.st_size != one.size:
        return Finding(Trouble.SIZE, one.file, f"has {found.st_size:,} bytes and should have {one.size:,}")
    if found.st_mode & stat.S_IWOTH:
        return Finding(Trouble.MODE, one.file, f"everyone may write to it ({stat.filemode(found.st_mode)})")
    return None


def _behind_a_link(root: Path, one: Stored) -> Finding:
    folder = Path(one.file).parent
    try:
        os.lstat(root / folder)
    except OSError as error:
        return _unseen(one.file, error)
    return Finding(Trouble.ODD, one.file, f"one of its folders is a symbolic link: {folder}; it was not followed")


def _unseen(file: str, error: OSError) -> Finding:
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        return Finding(Trouble.MISSING, file, "is not there")
    return Finding(Trouble.UNREADABLE, file, f"cannot be looked at: {(error.strerror or str(error)).lower()}")


def _in_warc(root: Path, reader: Reader, one: Stored, sizes: dict[str, int]) -> Finding | None:
    """Look whether the record of a body lies within what is true of its WARC file."""
    if one.file not in sizes:
        row = reader.one("SELECT bytes FROM warc WHERE file = ?", (one.file,))
        sizes[one.file] = -1 if row is None else min(whole(row[0]), size_of(root, one.file))
    end = (one.offset or 0) + (one.length or 0)
    if one.length is None or end > sizes[one.file]:
        return Finding(Trouble.MISSING, one.file, f"the record at {one.offset:,} lies beyond what there is of the WARC file")
    return None


def size_of(root: Path, file: str) -> int:
    """Return the size of a plain file below the folder, -1 for anything else."""
    path = root / file
    try:
        found = os.lstat(path)
    except OSError:
        return -1
    return found.st_size if stat.S_ISREG(found.st_mode) and Folders(root).is_real(str(Path(file).parent)) else -1


def _read(root: Path, one: Stored) -> Finding | None:
    """Read a body and compare its digest."""
    digest, size = hashlib.sha256(), 0
    try:
        with open_body(root, one.file, one.offset, one.length) as body:
            while block := body.read(BLOCK):
                digest.update(block)
                size += len(block)
    except BodyMissing as error:        # gone since it was looked at, or a record that is none
        return Finding(Trouble.CONTENT if one.offset is not None else Trouble.MISSING, one.file, str(error))
    except PermissionError as error:
        return Finding(Trouble.UNREADABLE, one.file, f"cannot be read: {(error.strerror or str(error)).lower()}")
    except (OSError, EOFError, ValueError) as error:
        return Finding(Trouble.CONTENT, one.file, f"cannot be read: {error}")
    if (size, digest.digest()) == (one.size, one.digest):
        return None
    where = "" if one.offset is None else f" at {one.offset:,}"
    return Finding(Trouble.CONTENT, one.file, f"its bytes{where} are not those that were stored")


def kind_of(mode: int) -> str:
    """Return in words what is not a file."""
    if stat.S_ISLNK(mode):
        return "a symbolic link"
    return "a folder" if stat.S_ISDIR(mode) else "a device, pipe or socket"
