"""Where the socket is. The path of a Unix socket may have about a hundred bytes, and an output folder may lie deeper.

Then the socket lies in a folder of its own in the system's place for temporary files, and a symbolic link leads to it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from crawler.control import SOCKET

LONGEST_PATH = 100
"""Bytes of a path that every system takes (macOS: 103, Linux: 107)."""


def prepare(folder: Path) -> Path:
    """Return where to make the socket of a folder that is held; what a killed run left there is removed."""
    clear(folder)
    path = folder / SOCKET
    if len(os.fsencode(path)) <= LONGEST_PATH:
        return path
    away = Path(tempfile.mkdtemp(prefix="crawler-")) / SOCKET
    path.symlink_to(away)
    return away


def clear(folder: Path) -> None:
    """Remove the socket of a folder, and the folder elsewhere in which it was made."""
    path = folder / SOCKET
    with contextlib.suppress(OSError):
        if path.is_symlink():
            away = path.readlink()
            if away.name == SOCKET and away.parent.name.startswith("crawler-"):     # ours, whatever the link says
                away.unlink(missing_ok=True)
                away.parent.rmdir()
    path.unlink(missing_ok=True)


def found(folder: Path) -> Path:
    """Return the path to connect to."""
    path = folder / SOCKET
    return path.readlink() if path.is_symlink() else path
