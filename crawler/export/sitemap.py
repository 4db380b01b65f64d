"""sitemap.xml (sitemaps.org/protocol.html): the pages that a search engine may list, in files of bounded size with an index."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urljoin

from crawler.core import urls
from crawler.export.cursor import sync_folder
from crawler.export.errors import ExportError, writing
from crawler.export.files import refuse_existing
from crawler.export.lines import Watch
from crawler.export.selecting import Selection
from crawler.export.texts import Tally
from crawler.export.xmltext import escaped
from crawler.query.reader import Value

MAX_URLS = 50_000
MAX_BYTES = 50 << 20
"""Of one file, uncompressed: both by the protocol, which says 52,428,800."""
MAX_LOC = 2_047
"""The protocol wants fewer than 2,048 characters."""

CONDITION = """status = 200 AND noindex = 0 AND (canonical IS NULL OR canonical = url)
AND coalesce(mime, '') NOT IN ('text/css', 'text/javascript', 'application/javascript', 'application/json', 'application/ld+json',
  'application/manifest+json', 'application/feed+json', 'application/xml', 'text/xml', 'application/rss+xml', 'application/atom+xml')
AND coalesce(mime, '') NOT GLOB 'image/*' AND coalesce(mime, '') NOT GLOB 'font/*'
AND coalesce(mime, '') NOT GLOB 'audio/*' AND coalesce(mime, '') NOT GLOB 'video/*'"""
"""Pages, not what pages are made of: with page requisites a crawl has style sheets too."""

_OWN = "FROM fetch WHERE fetch_id = (SELECT page_id FROM url WHERE url.url_id = pages.url_id)"
SELECT = (
    "url", "host",
    "(SELECT lastmod FROM listing WHERE listing.url_id = pages.url_id)",
    f"(SELECT last_modified {_OWN})", f"(SELECT at / 1000 {_OWN})",
)  # fmt: skip

_XML = '<?xml version="1.0" encoding="UTF-8"?>\n'
_NAMESPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
_HEAD = f"{_XML}<urlset {_NAMESPACE}>\n".encode()
_TAIL = b"</urlset>\n"


def write_sitemap(
    path: Path | None, selection: Selection, tally: Tally, watch: Watch, *, base: str | None, force: bool
) -> None:
    """Write sitemap.xml, or an index of that name with sitemap-1.xml and so on beside it; None is standard output.

    *base* is the URL of the folder in which the files will be served; None takes the root of the first page's origin.
    """
    if path is not None:
        refuse_existing(path, force=force, grows=False)
        refuse_existing(_part_name(path, 1), force=force, grows=False)
    with writing(path or Path(tempfile.gettempdir())), _workshop(path) as folder:
        files = _Files(folder, alone=path is None)
        try:
            for step in selection.steps():
                for url, host, lastmod, last_modified, at in step.rows:
                    files.add(str(url), str(host), moment(lastmod, last_modified, at))
                watch(files.urls, step.share)
        finally:
            files.close()
        tally.rows = files.urls
        tally.notes += files.notes()
        if path is None:
            with files.parts[0].open("rb") as file:
                sys.stdout.flush()
                shutil.copyfileobj(file, sys.stdout.buffer)
                sys.stdout.buffer.flush()
        elif len(files.parts) == 1:
            files.parts[0].replace(path)
            sync_folder(path.parent)
        else:
            tally.notes += (_put_index(files, path, base),)


@contextlib.contextmanager
def _workshop(path: Path | None) -> Iterator[Path]:
    """Make a folder for what is not whole yet, on the file system of the result."""
    with tempfile.TemporaryDirectory(prefix=".sitemap-", dir=None if path is None else path.parent) as folder:
        yield Path(folder)


class _Files:
    """The files of a sitemap, one after another."""

    def __init__(self, folder: Path, *, alone: bool) -> None:
        self.parts: list[Path] = []
        self.urls = 0
        self.first = ""
        self._folder, self._alone = folder, alone
        self._hosts: set[str] = set()
        self._long = self._count = self._size = 0
        self._open_next()

    def add(self, url: str, host: str, lastmod: str | None) -> None:
        """Write one URL; raises ExportError when standard output would need a second file."""
        if len(url) > MAX_LOC:
            self._long += 1
            return
        entry = f"<url><loc>{escaped(url)}</loc>{f'<lastmod>{lastmod}</lastmod>' if lastmod else ''}</url>\n".encode()
        if self._count == MAX_URLS or self._size + len(entry) + len(_TAIL) > MAX_BYTES:
            if self._alone:
                raise ExportError(f"more than {self._count:,} URLs need several files", "Try --to sitemap.xml.")
            self.close()
            self._open_next()
        self._file.write(entry)
        self._count += 1
        self._size += len(entry)
        self.urls += 1
        self.first = self.first or url
        if len(self._hosts) < 2:
            self._hosts.add(host)

    def notes(self) -> tuple[str, ...]:
        """Return what people should know."""
        said = []
        if len(self._hosts) > 1:
            said.append("The URLs are of more than one host, and search engines take a sitemap for its own host only. "
                        "Try --where \"host = '...'\".")
        if self._long:
            said.append(f"{self._long:,} URLs are longer than the {MAX_LOC:,} characters that a sitemap may have; they were left out.")
        return tuple(said)

    def _open_next(self) -> None:
        self.parts.append(self._folder / f"{len(self.parts) + 1}.xml")
        self._file = self.parts[-1].open("wb")
        self._file.write(_HEAD)
        self._count, self._size = 0, len(_HEAD)

    def close(self) -> None:
        """End the file that is open, durably."""
        if not self._file.closed:
            self._file.write(_TAIL)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()


def _part_name(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}-{number}{path.suffix or '.xml'}")


def _put_index(files: _Files, path: Path, base: str | None) -> str:
    """Put the files in their places, the index last; return what to tell."""
    root = base if base is not None else urls.split(files.first)[0] + "/"
    names = [_part_name(path, number) for number in range(1, len(files.parts) + 1)]
    index = path.with_name(path.name + ".part")
    with index.open("wb") as file:
        file.write(f"{_XML}<sitemapindex {_NAMESPACE}>\n".encode())
        for name in names:
            file.write(f"<sitemap><loc>{escaped(urljoin(root, name.name))}</loc></sitemap>\n".encode())
        file.write(b"</sitemapindex>\n")
        file.flush()
        os.fsync(file.fileno())
    for part, name in zip(files.parts, names, strict=True):
        part.replace(name)
    sync_folder(path.parent)
    index.replace(path)
    sync_folder(path.parent)
    return f"{path.name} is the index of {len(names)} files, and says that they are at {root}; --base names another place."


def moment(listed: Value, last_modified: Value, fetched: Value) -> str | None:
    """Return when a page changed last, as the protocol writes it: what the site's own sitemap says, else its Last-Modified.

    None when neither is known, or says the future.
    """
    try:
        if isinstance(listed, int):
            when = datetime.fromtimestamp(listed, UTC)
        elif isinstance(last_modified, str):
            when = parsedate_to_datetime(last_modified.strip())
            when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
        else:
            return None
        if isinstance(fetched, int) and when.timestamp() > fetched + 86_400:
            return None
    except (ValueError, TypeError, OverflowError, IndexError, OSError):
        return None
    return when.strftime("%Y-%m-%dT%H:%M:%S+00:00") if when.year >= 1990 else None
