"""What a crawl has stored, for Python: pages with their bodies, read from the disk when they are asked for.

Works for a crawl at rest and for one that runs, in this process or in another one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import msgspec

from crawler.archive.reading import BodyMissing, open_body
from crawler.core import encodings, urls
from crawler.folder import CrawlError
from crawler.query.errors import UNUSABLE, QueryError
from crawler.query.reader import Reader, Row, Rows, Value
from crawler.query.values import text, whole, whole_or_none
from crawler.text import cut, safe

AT_ONCE = 500
"""Pages that are read from the database in one go: a query that stands open keeps its log from starting over."""
_SHOWN = 80
_MOST_PROBES = 64
_HIGHEST = 2**63 - 1

_COLUMNS = "url, status, mime, title, bytes, depth, file, url_id, charset, offset, length"
_PLACE = """
SELECT u.url_id, o.origin || u.path, f.charset, b.file, b.offset, b.length
FROM url u JOIN origin o USING (origin_id) LEFT JOIN fetch f ON f.fetch_id = u.page_id LEFT JOIN body b USING (body_id)
WHERE u.fingerprint = ?"""


class NoBody(CrawlError):
    """A page has no stored body that could be read."""

    exit_code = 1


class _Place(msgspec.Struct, frozen=True):
    """Where the body of a page lies, and what the database knows of its encoding."""

    url_id: int
    charset: str | None
    file: str | None
    offset: int | None
    length: int | None


class Page(msgspec.Struct, frozen=True, eq=False):
    """A page that a crawl has stored. What is not a field is read from the disk each time it is asked for."""

    url: str
    status: int
    mime: str | None
    title: str | None
    size: int
    """Bytes of the body."""
    depth: int
    """Links away from a seed."""
    file: str | None
    """Where the body lies, below the crawl's folder; None when it was not kept."""
    folder: Path
    """The crawl's folder."""
    _place: _Place | None = None
    """None until somebody looks it up."""

    def __repr__(self) -> str:
        """Show status, URL and title, fit for a terminal."""
        title = "" if self.title is None else f" {cut(safe(self.title), _SHOWN)!r}"
        return f"<Page {self.status} {safe(self.url)}{title}>"

    def body(self) -> bytes:
        """Return the stored bytes, without content coding. Raises NoBody."""
        place = self._found()
        if place is None or place.file is None:
            raise NoBody(f"no body of {safe(self.url)} is stored in {self.folder}", "Try crawler explain for what became of the URL.")
        try:
            with open_body(self.folder, place.file, place.offset, place.length) as body:
                return body.read()
        except BodyMissing as error:
            raise NoBody(str(error), "Try another copy of the folder, or crawl it again.") from None

    @property
    def text(self) -> str:
        """The body as text, in the encoding in which it was read for links. Raises NoBody."""
        body = self.body()
        place = self._found()
        charset = None if place is None else place.charset
        if charset not in encodings.ENCODINGS:      # read for no links, or written into the database by somebody else
            with Reader.open(self.folder) as reader:
                charset = encodings.encoding_of(body, _content_type(reader, place) or self.mime)
        return encodings.decode(body, charset)

    @property
    def links(self) -> list[str]:
        """The URLs that the page links to, as far as the crawl keeps links, those that were not followed included."""
        place = self._found()
        with Reader.open(self.folder) as reader:
            found = () if place is None else reader.rows("SELECT DISTINCT dst FROM links WHERE src_id = ?", (place.url_id,))
            return [str(url) for (url,) in found]

    def _found(self) -> _Place | None:
        """Look up where the page lies, once; None when the crawl does not know it any more."""
        if self._place is None:
            with Reader.open(self.folder) as reader:
                msgspec.structs.force_setattr(self, "_place", _locate(reader, self.url))
        return self._place


class Results:
    """The results of one crawl, to be asked. A context manager; for the thread that opened it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.folder = reader.file.parent
        """The crawl's folder."""

    def rows(self, sql: str, parameters: Sequence[Value] = (), *, limit: int | None = None) -> Rows:
        """Run one SELECT and return its rows, which have their names in `columns`. Raises CrawlError.

        docs/database.md describes the views: pages, errors, urls, links, hosts and more.
        """
        return self._reader.rows(sql, parameters, limit=limit)

    def pages(self, where: str = "1", parameters: Sequence[Value] = ()) -> Iterator[Page]:
        """Yield the stored pages, those of which a condition in SQL holds: `pages("mime = ?", ["text/html"])`."""
        last = -1
        while True:
            sql = f"SELECT {_COLUMNS} FROM pages WHERE url_id > ? AND ({where}) ORDER BY url_id LIMIT {AT_ONCE}"
            rows = self._reader.all(sql, (last, *parameters))
            for row in rows:
                yield _page(row, self.folder)
            if len(rows) < AT_ONCE:
                return
            last = whole(rows[-1][7])

    def page(self, url: str) -> Page | None:
        """Return the page of a URL, however it is spelt; None when none is stored."""
        try:
            spelt = urls.spell(url)
        except urls.UrlError:
            return None
        place = _locate(self._reader, spelt)
        row = None if place is None else self._reader.one(f"SELECT {_COLUMNS} FROM pages WHERE url_id = ?", (place.url_id,))
        return None if row is None else _page(row, self.folder)

    def close(self) -> None:
        """Let go of the database; nothing is written by that."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Results of {self.folder}>"


def _page(row: Row, folder: Path) -> Page:
    url, status, mime, title, size, depth, file, url_id, charset, offset, length = row
    place = _Place(whole(url_id), text(charset), text(file), whole_or_none(offset), whole_or_none(length))
    return Page(str(url), whole(status), text(mime), text(title), whole_or_none(size) or 0, whole(depth), text(file), folder, place)


def _locate(reader: Reader, url: str) -> _Place | None:
    """Return where a spelt URL's page lies, None for a URL that the crawl does not know; see `explain` for fingerprints."""
    row = reader.one("SELECT value FROM meta WHERE key = 'secret'")
    try:
        secret = bytes.fromhex(str(row[0] if row else None))
    except ValueError:
        raise QueryError("the database lacks the key of its fingerprints", "Try a copy of the folder.", UNUSABLE) from None
    identity = urls.key(url)
    mark = urls.fingerprint(identity, secret)
    for _ in range(_MOST_PROBES):
        found = reader.one(_PLACE, (mark,))
        if found is None:
            return None
        url_id, spelt, charset, file, offset, length = found
        if urls.key(str(spelt)) == identity:
            return _Place(whole(url_id), text(charset), text(file), whole_or_none(offset), whole_or_none(length))
        mark = mark + 1 if mark < _HIGHEST else -_HIGHEST - 1
    return None


def _content_type(reader: Reader, place: _Place | None) -> str | None:
    """Return the Content-Type header of a page's answer."""
    sql = "SELECT f.headers FROM url u JOIN fetch f ON f.fetch_id = u.page_id WHERE u.url_id = ?"
    row = None if place is None else reader.one(sql, (place.url_id,))
    try:
        headers = msgspec.json.decode(str(row[0]) if row and row[0] else "[]", type=list[tuple[str, str]])
    except msgspec.MsgspecError:
        return None
    return next((value for name, value in headers if name.lower() == "content-type"), None)
