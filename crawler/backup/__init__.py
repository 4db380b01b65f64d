"""A copy of a crawl that is a crawl: of one moment, whole or not there, made while the crawl goes on.

The database is copied first, under a name that nothing takes for a crawl; then the bodies that this copy names, each under
its final name only when it is durable; last the database gets its own name. Bodies never change, so that what was copied
once is not copied again. Nothing here writes to the crawl or checkpoints its log.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from crawler.archive.syncing import Syncer
from crawler.backup.bodies import Copied, Copier, private
from crawler.backup.database import copy_database, fingerprint, is_older_copy
from crawler.folder import DATABASE, CrawlError, held, storage_error
from crawler.query.reader import Reader

NOTE = "backup.json"
PART = f"{DATABASE}.part"
FOREVER = float("inf")

Tell = Callable[[str, int, int, bool], None]
"""Told how far it is: what is done, how much of it, of how much, and whether that is bytes."""


class Note(msgspec.Struct, frozen=True):
    """What lies beside a backup: whose it is, and whether it is whole."""

    crawl: str
    """A fingerprint of the crawl, the same for all its copies."""
    source: str
    started: float
    finished: float | None = None
    """None while it is being made, and for ever if that was cut short: the same command goes on."""


class Done(msgspec.Struct, frozen=True):
    """What a backup came to."""

    continued: bool
    """One was there that had been cut short."""
    database_bytes: int
    bodies: Copied


class NoPlace(CrawlError):
    """The target cannot be used; nothing was done."""

    exit_code = 2


def back_up(source: Path, target: Path, *, link: bool, database_only: bool, now: Callable[[], float], tell: Tell) -> Done:
    """Copy a crawl to *target*, or bring an earlier copy there up to date.

    Raises NoPlace, InUse when somebody crawls in the target, QueryError when there is no crawl, and StorageError.
    """
    _refuse_overlap(source, target)
    with Reader.open(source, timeout=FOREVER) as reader:
        crawl = fingerprint(reader)
        _refuse_strangers(target, crawl, source)
        with held(target), _translated(target):
            earlier = _read_note(target)
            continued = earlier is not None and earlier.finished is None
            if (target / DATABASE).exists():
                _refuse_crawled_on(target, reader)
            syncer = Syncer(target)
            note = Note(crawl, str(source.absolute()), now())
            if not (target / DATABASE).exists():
                _write_note(target, note, syncer)
            part = target / PART
            size = copy_database(reader, part, lambda done, total: tell("database", done, total, True))
            bodies = Copied()
            if not database_only:
                with Reader.open(part, timeout=FOREVER) as copied:
                    Copier(source, target, link=link, syncer=syncer).copy(copied, bodies, tell)
            for leftover in ("-wal", "-shm"):       # of the database that goes; they are empty, or this would not go on
                (target / f"{DATABASE}{leftover}").unlink(missing_ok=True)
            part.rename(target / DATABASE)
            syncer.sync([target])
            _write_note(target, msgspec.structs.replace(note, finished=now()), syncer)
            return Done(continued, size, bodies)


@contextlib.contextmanager
def _translated(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise storage_error(target, error) from error


def _refuse_overlap(source: Path, target: Path) -> None:
    here, there = Path(os.path.realpath(source)), Path(os.path.realpath(target))
    if here == there or here in there.parents or there in here.parents:
        raise NoPlace(f"{target} and {source} lie within each other", "Try a folder beside the crawl, or on another disk.")


def _refuse_strangers(target: Path, crawl: str, source: Path) -> None:
    """Refuse a folder that holds something else than a backup of this crawl."""
    if not target.exists():
        return
    if not target.is_dir():
        raise NoPlace(f"{target} is no folder", "Try another name.")
    note = _read_note(target)
    if note is None and {entry.name for entry in target.iterdir()} - {"LOCK"}:
        raise NoPlace(f"{target} is not empty, and no backup", "Try a folder that is empty or new.")
    if note is not None and note.crawl != crawl:
        raise NoPlace(f"{target} is a backup of another crawl than {source}: of {note.source}", "Try a folder that is empty or new.")


def _refuse_crawled_on(target: Path, reader: Reader) -> None:
    """Refuse a backup that somebody has gone on with: what was crawled there would be lost."""
    log = target / f"{DATABASE}-wal"
    with Reader.open(target, timeout=FOREVER) as copy:
        older = is_older_copy(copy, reader)
    if not older or (log.exists() and log.stat().st_size):
        raise NoPlace(
            f"{target} is no longer only a backup: it was crawled on, or repaired, by itself",
            "Try a folder that is empty or new; nothing was changed there.",
        )


def _read_note(target: Path) -> Note | None:
    try:
        return msgspec.json.decode((target / NOTE).read_bytes(), type=Note)
    except (OSError, msgspec.DecodeError):
        return None


def _write_note(target: Path, note: Note, syncer: Syncer) -> None:
    part = target / f"{NOTE}.part"
    part.unlink(missing_ok=True)
    with open(part, "xb", opener=private) as file:
        file.write(msgspec.json.format(msgspec.json.encode(note)) + b"\n")
    syncer.sync([part])
    part.rename(target / NOTE)
    syncer.sync([target])

