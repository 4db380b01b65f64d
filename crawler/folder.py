"""The output folder of one crawl: its parts, who holds it, and what can be wrong with it.

The lock is an flock on LOCK: the kernel frees it however its holder ends. Inside stands who holds it, for people.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

DATABASE = "crawl.db"
LOG_FILE = "crawl.log"
BEGAN, FAILED = "run begins: ", "run failed: "
"""How the lines of the log begin that say so."""
_LOOKS, _LOOKS_AT_NOBODY = 5, 100


class CrawlError(Exception):
    """Something that a person has to know: `message` says what and where, `hint` what to try."""

    exit_code = 70

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Return what is wrong, and on lines of its own what to try."""
        return "\n".join(filter(None, (self.message, self.hint)))


class InUse(CrawlError):
    """Another crawler holds the folder."""

    exit_code = 5


class NotACrawl(CrawlError):
    """The folder holds no crawl, or a damaged one."""

    exit_code = 6


class NewerFormat(CrawlError):
    """The crawl was made by a newer version; it was not touched."""

    exit_code = 6


class StorageError(CrawlError):
    """The disk is full, or does not let us write."""

    exit_code = 4


class Holder(msgspec.Struct, frozen=True):
    """Who holds a folder."""

    pid: int
    machine: str
    since: float


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Hold the folder, made if need be, until the end of the block. Raises InUse and StorageError."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / "LOCK", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise storage_error(folder, error) from error
    with os.fdopen(descriptor, "r+") as lock:
        if not _locked(lock):
            raise _in_use(folder, lock)
        lock.seek(0)
        lock.truncate()
        lock.write(msgspec.json.encode(Holder(os.getpid(), socket.gethostname(), time.time())).decode())
        lock.flush()
        yield
        lock.seek(0)
        lock.truncate()


def _locked(lock: IO[str]) -> bool:
    """Take the lock. A tenth of a second is given to somebody who only looked who holds it (`is_held`), two to nobody.

    Nobody's name stands in it when whoever held it is through, but has just started a process: that has a copy of the lock until it
    runs its own program.
    """
    for look in range(_LOOKS_AT_NOBODY):
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        if look >= _LOOKS and _holder(lock) is not None:
            break
        time.sleep(0.02)
    return False


def is_held(folder: Path) -> Holder | None:
    """Return who holds the folder, None when nobody does."""
    try:
        with (folder / "LOCK").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return _holder(lock)
    except OSError:
        return None
    return None


def _holder(lock: IO[str]) -> Holder | None:
    lock.seek(0)
    try:
        return msgspec.json.decode(lock.read(4096), type=Holder)
    except msgspec.DecodeError:
        return None


def _in_use(folder: Path, lock: IO[str]) -> InUse:
    holder = _holder(lock)
    if holder is None:
        who = "another process"
    else:
        where = "this machine" if holder.machine == socket.gethostname() else holder.machine
        who = f"process {holder.pid} on {where} since {time.strftime('%H:%M', time.localtime(holder.since))}"
    return InUse(f"{folder} is being crawled by {who}", "Try crawler status, or -o for another directory.")


def storage_error(place: Path, error: OSError) -> StorageError:
    """Say what the disk refused, where, and what to try."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        hint = "Try freeing space, then run the same command again. --max-bytes stops earlier by itself."
    else:
        hint = "Try another place with -o, or make this one writable, then run the same command again."
    return StorageError(f"cannot write to {place}: {(error.strerror or str(error)).lower()}", hint)
