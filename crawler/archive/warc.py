"""Whole exchanges in WARC files, written in the only order that survives a power cut.

The row of a file, with no bytes, is committed before the file is made; records are written behind one another by one
thread and synced once for a batch; only then may rows say how many bytes are true. What lies behind them after a crash is
cut off at the next start, and the file gets no more: each run writes files of its own.
"""

from __future__ import annotations

import asyncio
import errno
import os
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import BinaryIO

import aiofiles.os

from crawler.archive import Exchange
from crawler.archive.files import FileArchive, private
from crawler.archive.records import Payload
from crawler.archive.volume import Said, Volume
from crawler.core.model import Place
from crawler.finishing import finish
from crawler.folder import NotACrawl, storage_error

FOLDER = "warc"
LARGEST = 1024 * 1024 * 1024
"""Bytes from which a new file is begun: between two batches, so that one may be larger by a batch."""

Begin = Callable[[Callable[[int], str]], Awaitable[tuple[int, str]]]

_FILE = re.compile(r"warc/crawl-[0-9]{14}-[0-9]{5,}\.warc\.gz")
_fdatasync = getattr(os, "fdatasync", os.fsync)      # macOS has no fdatasync


def name_of(at: float, number: int) -> str:
    """Return the path of a WARC file below the output folder; names sort by time."""
    return f"{FOLDER}/crawl-{time.strftime('%Y%m%d%H%M%S', time.gmtime(at))}-{number:05}.warc.gz"


def cut(folder: Path, file: str, size: int) -> int:
    """Cut a WARC file that a crash left open to the bytes that are true, none: delete it; return how many are missing.

    Raises StorageError, and NotACrawl for a path that no WARC file of ours has: the database is data.
    """
    path = folder / file
    if not _FILE.fullmatch(file) or path.parent.is_symlink() or path.is_symlink():
        raise NotACrawl(f"{folder / 'crawl.db'} names {path} as its WARC file", "Try a backup of the folder, or --fresh to start anew.")
    try:
        if not path.exists():
            return size
        if size == 0:
            path.unlink()
            return 0
        with open(path, "r+b", opener=private) as out:
            there = os.fstat(out.fileno()).st_size
            if there > size:
                out.truncate(size)
                os.fsync(out.fileno())
            return max(size - there, 0)
    except OSError as error:
        raise storage_error(path, error) from error


class WarcArchive(FileArchive):
    """See the port `Recording`. Bodies wait for their batch as with files; *said* is what each file says of the crawl."""

    def __init__(self, folder: Path, *, durable: bool = True, min_free: int = 0, said: Said = (), largest: int = LARGEST) -> None:
        super().__init__(folder, durable=durable, min_free=min_free)
        self._durable = durable
        self._said = said
        self._largest = largest
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="warc")
        self._volume: Volume | None = None
        self._out: BinaryIO | None = None
        self._row = 0
        self._file = ""
        self.begin: Begin | None = None
        """Makes the row of a new file, and says its number and name; set before the first `record`."""

    async def close(self) -> None:
        """End the threads, and close the file."""
        await super().close()
        await asyncio.to_thread(self._thread.shutdown)
        if self._out is not None:
            self._out.close()

    @property
    def written(self) -> bool:
        """Whether anything was recorded."""
        return self._volume is not None

    async def record(self, exchanges: Sequence[Exchange]) -> list[Place]:
        """See the port."""
        if not exchanges:
            return []
        if self._volume is None or self._volume.end >= self._largest:
            await self._next(exchanges[0].at)
        write = aiofiles.os.wrap(self._append)
        places: list[Place] = await finish(write([(one, *self._payload(one)) for one in exchanges], executor=self._thread))
        return places

    async def _next(self, at: float) -> None:
        if self.begin is None:
            raise RuntimeError("a WARC file needs a row first")
        self._row, self._file = await self.begin(lambda number: name_of(at, number))
        await finish(aiofiles.os.wrap(self._open)(at, executor=self._thread))

    def _open(self, at: float) -> None:
        """Make the next file and close the one before; in the archive's thread, like all that follows."""
        path = self.folder / self._file
        try:
            if self._out is not None:
                self._out.close()
            path.parent.mkdir(mode=0o700, exist_ok=True)
            if path.parent.is_symlink():
                raise NotADirectoryError(errno.ENOTDIR, "is a symbolic link", str(path.parent))
            self._out = open(path, "xb", buffering=0, opener=private)  # noqa: SIM115 - closed by `close`
            self._volume = Volume(self._out, path.name, at, self._said)
            self._sync([path.parent, self.folder])
        except OSError as error:
            raise storage_error(path, error) from error

    def _payload(self, exchange: Exchange) -> tuple[Payload, Path | None]:
        """Return the body of an exchange, and the temporary file that is needed no longer then."""
        if exchange.body is None:
            return exchange.content or b"", None
        draft = self.given(exchange.body)
        return draft.data if draft.spill is None else partial(_opened, draft.spill), draft.spill

    def _append(self, work: Sequence[tuple[Exchange, Payload, Path | None]]) -> list[Place]:
        if self._volume is None or self._out is None:
            raise RuntimeError("no WARC file is open")
        places = []
        try:
            self._leave_room()
            for exchange, payload, _ in work:
                offset, length, revisit = self._volume.add(exchange, payload)
                places.append(Place(self._row, self._file, offset, length, self._volume.end, revisit))
            if self._durable:
                _fdatasync(self._out.fileno())
            for _, _, spill in work:
                if spill is not None:
                    spill.unlink()
        except OSError as error:
            raise storage_error(self.folder / self._file, error) from error
        return places


def _opened(path: Path) -> BinaryIO:
    return path.open("rb")
