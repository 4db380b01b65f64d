"""Copying bodies and WARC files: only what a copied database names, each under its name only once it is durable."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from crawler.archive.names import is_file_of
from crawler.archive.syncing import Syncer
from crawler.checking.bodies import Folders
from crawler.folder import CrawlError
from crawler.query.reader import Reader
from crawler.query.values import whole

CHUNK = 500
"""Files that are made durable together."""
BLOCK = 1024 * 1024
TEMPORARY = "tmp"

_BODIES = f"SELECT body_id, file, bytes FROM body WHERE body_id > ? AND offset IS NULL ORDER BY body_id LIMIT {CHUNK}"
_TOTAL = "SELECT count(*) FROM body WHERE offset IS NULL"
_WARCS = "SELECT file, bytes, closed FROM warc ORDER BY warc_id"

Work = list[tuple[Path, int, bool]]
"""Files below the folder: the name, how many bytes of it, and whether it may be a hard link."""


class Copied:
    """What became of the files so far."""

    def __init__(self) -> None:
        self.copied = 0
        self.bytes = 0
        self.there = 0
        """Files that an earlier backup had copied."""
        self.lost: list[str] = []
        """The first few files that are not there, or not as they were stored."""
        self.lost_count = 0

    def lose(self, file: str) -> None:
        """Count a file that could not be copied."""
        self.lost_count += 1
        if len(self.lost) < 10:
            self.lost.append(file)


class NoLinks(CrawlError):
    """Hard links cannot be made there."""

    exit_code = 2


class Copier:
    """Copies files from one output folder to another."""

    def __init__(self, source: Path, target: Path, *, link: bool, syncer: Syncer) -> None:
        self._source = source
        self._target = target
        self._link = link
        self._syncer = syncer
        self._from = Folders(source)
        self._made: set[Path] = set()
        self._count = 0

    def copy(self, database: Reader, done: Copied, tell: Callable[[str, int, int, bool], None]) -> None:
        """Copy what a database names and what is not there yet. Raises OSError and NoLinks."""
        for name in ("pages", TEMPORARY):
            self._make(self._target / name)
        total, seen, last = whole(database.all(_TOTAL)[0][0]), 0, -1
        while rows := database.all(_BODIES, (last,)):
            last = whole(rows[-1][0])
            self._take(sorted((Path(str(file)), whole(size), True) for _, file, size in rows), done)
            seen += len(rows)
            tell("bodies", seen, total, False)
        for file, size, closed in database.all(_WARCS):
            self._take([(Path(str(file)), whole(size), bool(closed))], done)
            tell(f"WARC file {file!s}", done.bytes, 0, True)

    def _take(self, files: Work, done: Copied) -> None:
        """Copy a few files; none has its name before all of them are durable."""
        ready: list[tuple[Path, Path]] = []
        touched: set[Path] = set()
        for name, size, linkable in files:
            target = self._target / name
            if not _may_be_named(str(name)) or not self._from.is_real(str(name.parent)):
                done.lose(str(name))
            elif _size(target) == size:
                done.there += 1
            elif (made := self._temporary(self._source / name, size, linkable=linkable)) is None:
                done.lose(str(name))
            else:
                ready.append((made, target))
                done.copied += 1
                done.bytes += size
        if not ready:
            return
        self._syncer.sync(made for made, _ in ready)
        for made, target in ready:
            touched |= self._make(target.parent) | {target.parent}
            made.rename(target)
        self._syncer.sync(touched)

    def _temporary(self, source: Path, size: int, *, linkable: bool) -> Path | None:
        """Make the copy under a passing name; None when the source is not what was stored."""
        self._count += 1
        path = self._target / TEMPORARY / f"backup-{self._count}"
        path.unlink(missing_ok=True)
        found = _size(source)
        if found < size or (linkable and found != size):
            return None
        if self._link and linkable:
            self._hard_link(source, path)
            return path
        with open(source, "rb", opener=_unfollowed) as old, open(path, "xb", opener=private) as new:
            left = size
            while left and (block := old.read(min(BLOCK, left))):
                left -= new.write(block)
        return None if left else path

    def _hard_link(self, source: Path, path: Path) -> None:
        try:
            os.link(source, path, follow_symlinks=False)
        except OSError as error:
            if error.errno == errno.EMLINK:
                shutil.copyfile(source, path)
            elif error.errno in (errno.EXDEV, errno.EPERM, errno.ENOTSUP):
                why = "it is on another file system" if error.errno == errno.EXDEV else (error.strerror or "").lower()
                raise NoLinks(f"no hard links can be made in {self._target}: {why}", "Try it without --link.") from error
            else:
                raise

    def _make(self, folder: Path) -> set[Path]:
        """Make a folder with those above it; return those that got an entry by that."""
        if folder in self._made or folder == self._target:
            return set()
        touched = self._make(folder.parent)
        self._made.add(folder)
        if folder.is_symlink():
            raise NotADirectoryError(errno.ENOTDIR, "is a symbolic link", str(folder))
        if folder.is_dir():
            return touched
        folder.mkdir(mode=0o700)
        return touched | {folder.parent}


def _may_be_named(file: str) -> bool:
    """Tell whether the database may name such a file: a body, or a WARC file in a folder of its own."""
    parts = PurePosixPath(file).parts
    return is_file_of(file) or (len(parts) > 1 and not {"..", "/"} & set(parts) and file.endswith((".warc", ".warc.gz")))


def _size(path: Path) -> int:
    try:
        found = os.lstat(path)
    except OSError:
        return -1
    return found.st_size if stat.S_ISREG(found.st_mode) else -1


def _unfollowed(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW)


def private(path: str, flags: int) -> int:
    """Open for us alone, and never through a link that somebody planted."""
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)

