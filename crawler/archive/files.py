"""One immutable file for each distinct body, written in the only order that survives a power cut.

Bodies to `tmp/` and synced; their final names to `tmp/intent` and synced; renamed, folders synced; only then may a row
name them. At start the names in `intent` that no row bears are deleted, so that there is no orphan and no scan.
The file work of a whole batch is one hop to one thread: three hops a page cost four times the HTTP exchange (measured).
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import hashlib
import itertools
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import aiofiles
import aiofiles.os
from aiofiles.threadpool.binary import AsyncBufferedIOBase

from crawler.archive.names import file_of, is_file_of
from crawler.archive.syncing import Syncer
from crawler.core.model import Body, Request
from crawler.finishing import finish
from crawler.folder import StorageError, storage_error

IN_MEMORY = 256 * 1024
"""Bytes up to which a body waits in memory for its batch; larger ones stream to disk chunk by chunk."""

FOLDERS_REMEMBERED = 100_000


class FileDraft:
    """A body that is arriving: in memory while it is small, in `tmp/` beyond that."""

    def __init__(self, archive: FileArchive, url: str) -> None:
        self._archive = archive
        self._url = url
        self._chunks: list[bytes] = []
        self._file: AsyncBufferedIOBase | None = None
        self._hash = hashlib.sha256()
        self._head = b""
        self.spill: Path | None = None
        self.size = 0
        self.kept = False

    async def write(self, chunk: bytes) -> None:
        """Take in the next bytes."""
        self.size += len(chunk)
        if self.size <= IN_MEMORY:
            self._chunks.append(chunk)
            return
        with self._archive.translating():
            if self._file is None:
                await self._spill()
            if self._file is not None:
                self._hash.update(chunk)
                await finish(self._file.write(chunk))

    async def _spill(self) -> None:
        self.spill = self._archive.new_temporary()
        await finish(self._open(self.spill))
        self._head = b"".join(self._chunks)
        self._hash.update(self._head)
        self._chunks = []
        if self._file is not None:
            await finish(self._file.write(self._head))

    async def _open(self, path: Path) -> None:
        """Open the file and keep it in one step, so that whoever is cancelled meanwhile still has it to close."""
        self._file = await aiofiles.open(path, "xb", opener=private, executor=self._archive.executor)

    def head(self, size: int) -> bytes:
        """Return the first bytes, for the parser; a spilled body is read back by `read_head`."""
        data = self._head if self.spill is not None else b"".join(self._chunks)
        return data[:size]

    async def read_head(self, size: int) -> bytes:
        """Return the first bytes of a body of any size."""
        if self.spill is None or size <= len(self._head):
            return self.head(size)
        read = aiofiles.os.wrap(_read)
        return await finish(read(self.spill, size, executor=self._archive.executor))

    async def keep(self, mime: str | None) -> Body:
        """Say that the body is whole; `flush` makes it durable."""
        if self._file is not None:
            with self._archive.translating():
                await finish(self._file.close())
            self._file = None
            digest = self._hash.digest()
        else:
            data = b"".join(self._chunks)
            self._chunks = [data]
            digest = hashlib.sha256(data).digest()
        body = Body(digest, self.size, file_of(self._url, mime, digest))
        self.kept = True
        self._archive.take(body, self)
        return body

    @property
    def data(self) -> bytes:
        """The whole body, of a draft that stayed in memory."""
        return self._chunks[0] if self._chunks else b""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if not self.kept:
            await self._discard()

    async def _discard(self) -> None:
        if self._file is not None:
            with contextlib.suppress(OSError):      # what could not be written is thrown away anyhow
                await finish(self._file.close())
            self._file = None
        if self.spill is not None:
            await finish(aiofiles.os.wrap(_remove)(self.spill, executor=self._archive.executor))


class FileArchive:
    """See the port `Archive`. `open` makes the folders and cleans up after a crash."""

    def __init__(self, folder: Path, *, durable: bool = True, min_free: int = 0) -> None:
        self.folder = folder
        self.executor = ThreadPoolExecutor(max_workers=2, thread_name_prefix="files")
        self._temporary = folder / "tmp"
        self._syncer = Syncer(self._temporary) if durable else None
        self._min_free = min_free
        self._count = itertools.count(1)
        self._kept: dict[bytes, list[FileDraft]] = {}
        self._folders: set[Path] = set()

    def open(self) -> list[str]:
        """Make the folders; delete what a crash left in `tmp/`; return the names that were about to be born."""
        try:
            for place in (self._temporary, self.folder / "pages"):
                place.mkdir(mode=0o700, exist_ok=True)
                if place.is_symlink():      # leftovers are deleted there: never somewhere else
                    raise NotADirectoryError(errno.ENOTDIR, "is a symbolic link", str(place))
            intent = self._temporary / "intent"
            if not intent.exists():
                intent.touch(mode=0o600)
                self._sync([self._temporary, self.folder])
            names = intent.read_text(encoding="ascii", errors="replace").splitlines()
            for leftover in self._temporary.iterdir():
                if leftover != intent:
                    leftover.unlink()
        except OSError as error:
            raise storage_error(self._temporary, error) from error
        return [name for name in names if is_file_of(name)]     # a power cut may have left half a line

    def forget(self, names: Collection[str]) -> int:
        """Delete files that were renamed into place but never got their row; return how many there were."""
        found = 0
        for name in names:
            path = self.folder / name
            if path.exists():
                path.unlink()
                found += 1
        return found

    async def close(self) -> None:
        """End the threads."""
        await asyncio.to_thread(self.executor.shutdown)

    def draft(self, request: Request) -> FileDraft:
        """See the port."""
        return FileDraft(self, request.url)

    async def holds(self, file: str) -> bool:
        """Tell whether a stored file is still there."""
        return await finish(asyncio.get_running_loop().run_in_executor(self.executor, (self.folder / file).is_file))

    def new_temporary(self) -> Path:
        """Return a fresh name below `tmp/`."""
        return self._temporary / str(next(self._count))

    @contextlib.contextmanager
    def translating(self) -> Iterator[None]:
        """Turn what the disk refuses into StorageError."""
        try:
            yield
        except OSError as error:
            raise storage_error(self._temporary, error) from error

    def take(self, body: Body, draft: FileDraft) -> None:
        """Remember a kept draft until its flush."""
        self._kept.setdefault(body.digest, []).append(draft)

    def given(self, body: Body) -> FileDraft:
        """Return a draft of a body, which is nobody's any more; which one of equal ones makes no difference."""
        draft = self._kept[body.digest].pop()
        if not self._kept[body.digest]:
            del self._kept[body.digest]
        return draft

    async def flush(self, bodies: Collection[Body], *, stored: Mapping[bytes, str]) -> None:
        """See the port."""
        work: list[tuple[Path, FileDraft]] = []
        spare: list[Path] = []
        seen = set(stored)
        for body in bodies:
            draft = self.given(body)
            if body.digest not in seen:
                seen.add(body.digest)
                work.append((self.folder / body.file, draft))
            elif draft.spill is not None:
                spare.append(draft.spill)
        if work or spare:
            write = aiofiles.os.wrap(self._write)
            await finish(write(work, spare, executor=self.executor))

    def _write(self, work: list[tuple[Path, FileDraft]], spare: list[Path]) -> None:
        """Write, sync, announce, rename, sync: everything for one batch, in the file thread."""
        try:
            self._leave_room()
            temporary = [self._written(draft) for _, draft in work]
            self._sync(temporary)
            if work:
                self._announce([str(path.relative_to(self.folder)) for path, _ in work])
            touched = {path.parent for path, _ in work}
            for (path, _), source in zip(work, temporary, strict=True):
                touched |= self._make_folder(path.parent)
                source.rename(path)
            self._sync(touched)
            for path in spare:
                path.unlink()
        except OSError as error:
            raise storage_error(self.folder / "pages", error) from error

    def _written(self, draft: FileDraft) -> Path:
        if draft.spill is not None:
            return draft.spill
        path = self.new_temporary()
        with open(path, "xb", buffering=0, opener=private) as file:
            view = memoryview(draft.data)
            while view:     # a full disk can write less than it was given
                view = view[file.write(view) :]
        return path

    def _announce(self, names: list[str]) -> None:
        intent = self._temporary / "intent"
        with open(intent, "wb", buffering=0, opener=private) as file:
            file.write("".join(f"{name}\n" for name in names).encode("ascii"))
            if self._syncer is not None:
                os.fsync(file.fileno())

    def _make_folder(self, path: Path) -> set[Path]:
        """Make the folder of a body if need be; return the folders that got an entry by that, to be synced with the rest."""
        if path in self._folders:
            return set()
        if len(self._folders) > FOLDERS_REMEMBERED:
            self._folders.clear()
        self._folders.add(path)
        if path.exists():
            return set()
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.mkdir(mode=0o700, exist_ok=True)
        return {path.parent, path.parent.parent}

    def _sync(self, paths: Collection[Path]) -> None:
        if self._syncer is not None and paths:
            self._syncer.sync(paths)

    def _leave_room(self) -> None:
        if not self._min_free:
            return
        free = shutil.disk_usage(self.folder).free
        if free < self._min_free:
            raise StorageError(
                f"only {free / 1e9:.1f} GB are free below {self.folder}, less than the {self._min_free / 1e9:.1f} GB to be left",
                "Try freeing space, or a smaller --min-free, then run the same command again.",
            )


def private(path: str, flags: int) -> int:
    """Open for us alone, and never through a link that somebody planted."""
    return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


def _read(path: Path, size: int) -> bytes:
    with path.open("rb") as file:
        return file.read(size)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
