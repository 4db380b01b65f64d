"""What an output folder remembers of the crawl in it: its settings and where its seeds came from. Only ever read here."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec

from crawler.core.seeds import Source
from crawler.folder import DATABASE, NotACrawl
from crawler.query.errors import QueryError
from crawler.query.reader import Reader

OUTPUTS = Path("output")
"""Where crawls go that were not told where to go."""

_DATED = re.compile(r"\.\d{4}-\d{2}-\d{2}-\d{6}(?:-\d+)?$")


class Memory(msgspec.Struct, frozen=True):
    """What is remembered. The settings are those that were not the default, as JSON values."""

    settings: dict[str, object]
    sources: tuple[Source, ...]
    seeds: frozenset[str]


def is_crawl(folder: Path) -> bool:
    """Tell whether a folder holds a crawl."""
    return (folder / DATABASE).is_file()


def newest(outputs: Path = OUTPUTS) -> Path | None:
    """Return the crawl that was written to last, None when there is none. Those that --fresh put aside do not count."""
    crawls = [folder for folder in outputs.iterdir() if is_crawl(folder)] if outputs.is_dir() else []
    crawls = [folder for folder in crawls if not _DATED.search(folder.name)]
    return max(crawls, key=_written, default=None)


def _written(folder: Path) -> float:
    """Return when a crawl was last written to; the log of commits is younger than the database until it is folded in."""
    files = (folder / DATABASE, folder / f"{DATABASE}-wal")
    return max(file.stat().st_mtime for file in files if file.exists())


def recall(folder: Path) -> Memory | None:
    """Return what a folder remembers, None when it holds no crawl. Raises CrawlError when its database cannot be read."""
    if not is_crawl(folder) or _is_unborn(folder):
        return None
    try:
        with Reader.open(folder, oldest=1) as reader:       # what is read here has been the same in every format
            return _read(reader)
    except QueryError as error:
        raise NotACrawl(error.message, error.hint) from None
    except msgspec.MsgspecError as error:
        message = f"{folder / DATABASE} remembers what nobody can read: {error}"
        raise NotACrawl(message, "Try a backup of it, or -o for another folder.") from None


def _is_unborn(folder: Path) -> bool:
    """Tell whether the crawl was killed before its tables were there. Only their making uses a rollback journal."""
    file = folder / DATABASE
    return file.stat().st_size == 0 or file.with_name(f"{DATABASE}-journal").exists()


def _read(reader: Reader) -> Memory:
    meta = {str(key): str(value) for key, value in reader.rows("SELECT key, value FROM meta WHERE key IN ('settings', 'sources')")}
    settings = msgspec.json.decode(meta.get("settings", "{}"), type=dict[str, object])
    rows = [(str(url), str(source)) for url, source in reader.rows("SELECT url, source FROM seed")]
    if "sources" in meta:
        sources = msgspec.json.decode(meta["sources"], type=tuple[Source, ...])
    else:
        sources = tuple(Source(name, "") for name in sorted({source for _, source in rows}))
    return Memory(settings, sources, frozenset(url for url, _ in rows))
