"""Where a repair puts what is damaged or alien: moved, never deleted, under the path that it had."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from crawler.archive.syncing import Syncer
from crawler.checking.bodies import Folders
from crawler.folder import StorageError, storage_error

QUARANTINE = "quarantine"


class Quarantine:
    """The folder to which what is damaged or alien is moved, under the path that it had."""

    def __init__(self, root: Path) -> None:
        self._root = root
        if (root / QUARANTINE).is_symlink():
            raise StorageError(f"{root / QUARANTINE} is a symbolic link", "Try removing it: what is moved there must stay in the folder.")
        self._folders = Folders(root)
        self._syncer = Syncer(root)

    def take(self, files: Iterable[Path]) -> int:
        """Move files that are there; return how many. What lies behind a link stays: it is none of ours."""
        touched: set[Path] = set()
        moved = 0
        for file in files:
            source, target = self._root / file, self._root / QUARANTINE / file
            if not self._folders.is_real(str(file.parent)) or not _exists(source):
                continue
            try:
                target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                source.rename(free_name(target))
            except OSError as error:
                raise storage_error(target.parent, error) from error
            touched |= {source.parent, target.parent}
            moved += 1
        self._syncer.sync(touched)
        return moved

    def keep_end(self, file: str, start: int) -> None:
        """Move what a file has from *start* on into a file of its own, named after the place; durable before it is cut off."""
        source, target = self._root / file, self._root / QUARANTINE / f"{file}.from-{start}"
        try:
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with source.open("r+b") as whole, open(free_name(target), "xb", opener=private) as end:
                whole.seek(start)
                shutil.copyfileobj(whole, end)
                end.flush()
                os.fsync(end.fileno())
                whole.truncate(start)
                os.fsync(whole.fileno())
            self._syncer.sync([target.parent])
        except OSError as error:
            raise storage_error(target.parent, error) from error


def private(path: str, flags: int) -> int:
    """Open for us alone, and never through a link that somebody planted."""
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _exists(path: Path) -> bool:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return False
    return not stat.S_ISDIR(mode)       # a folder in place of a file is left to people


def free_name(path: Path) -> Path:
    """Return a name that nothing bears: what an earlier repair moved there is kept."""
    names = [path, *(path.with_name(f"{path.name}.{number}") for number in range(1, 10_000))]
    return next(name for name in names if not os.path.lexists(name))
