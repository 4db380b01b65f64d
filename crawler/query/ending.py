"""Why a run failed, from the log in its output folder: a database on a full disk cannot say so itself."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from crawler.folder import BEGAN, FAILED, LOG_FILE

TAIL = 64 * 1024
"""Bytes of the log that are read, from its end."""


class _Record(msgspec.Struct):
    text: str = ""


def failure_of(folder: Path) -> str | None:
    """Return what the log says of the failure of the latest run; None where it says nothing of one."""
    found: str | None = None
    for line in _tail(folder / LOG_FILE):
        try:
            text = msgspec.json.decode(line, type=_Record).text
        except msgspec.MsgspecError:
            continue
        if text.startswith(BEGAN):
            found = None
        elif text.startswith(FAILED):
            found = text.removeprefix(FAILED)
    return found


def _tail(file: Path) -> list[bytes]:
    """Return the last lines of a log; anything but a plain file has none."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as log:
            log.seek(max(log.seek(0, os.SEEK_END) - TAIL, 0))
            return log.read(TAIL).split(b"\n")
    except OSError:
        return []
