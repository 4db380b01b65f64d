"""Which rows are exported, and in which steps.

Pages come in the order in which their stored answers were given (`url.page_id`), so that whatever a crawl adds later comes
behind what is there already: the number of the last request is all that an export has to remember to go on. Each step is
one short statement whose rows are taken over whole, so that a slow reader of the export never keeps the log of a running crawl
from being folded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from crawler.export.errors import ExportError
from crawler.query.errors import QueryError, nearest
from crawler.query.reader import Reader, Row, Value

STEP = 1_000
"""Requests looked at in one step."""
TEXTS_A_STEP = 100
"""The same where each page is read for its main text, which may take a tenth of a second: what a kill costs is one step."""
LINKS_A_STEP = 20_000
"""Links in the pages of one step: a step has at most those of one page more."""
COMPUTED = {"sha256": "(SELECT lower(hex(digest)) FROM body WHERE body.body_id = pages.body_id)"}
"""Columns that the view has not."""
EDGE_COLUMNS = ("src", "dst", "kind", "nofollow")

_ORDER = "(SELECT page_id FROM url WHERE url.url_id = pages.url_id)"
_NEW_PAGES = """SELECT u.url_id FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id
  WHERE f.fetch_id > ? AND f.fetch_id <= ? AND u.page_id = f.fetch_id"""
_NEW_SOURCES = _NEW_PAGES.replace("u.page_id", "u.fetch_id")
"""A redirect is no page and has a link all the same: of links the latest request counts, not the latest page."""
_DISTINCT = f"""near IS NULL AND NOT EXISTS (SELECT 1 FROM fetch e CROSS JOIN url v ON v.page_id = e.fetch_id AND v.url_id = e.url_id
  WHERE e.body_id = pages.body_id AND e.fetch_id < {_ORDER} AND v.kind <> 11)"""
_PLACE = re.compile(r" \(line (\d+), ")


class Step(NamedTuple):
    """Rows of some requests one after another."""

    rows: Sequence[Row]
    last: int
    """The last of these requests: what comes later goes on behind it."""
    share: float
    """How much of the whole is done with this step, 0 to 1."""


def database_of(reader: Reader) -> str:
    """Return a name that this database alone has. It tells nothing of the secret it is made from."""
    found = reader.one("SELECT value FROM meta WHERE key = 'secret'")
    return hashlib.sha256(f"export {found}".encode()).hexdigest()[:16]


def latest_request(reader: Reader) -> int:
    """Return the number of the latest request, 0 when there is none."""
    return _number(reader.one("SELECT max(fetch_id) FROM fetch"))


def checked(reader: Reader, view: str, where: str | None) -> str:
    """Return a condition that may stand between others. Raises QueryError for one that is none.

    It has to be right by itself and in brackets: what is only right by itself may be more than a condition (`1 LIMIT 5`),
    what is only right in brackets may end them (`1) OR (1`).
    """
    if where is None:
        return "1"
    bracketed = f"(\n{where}\n)"
    for condition in (f"\n{where}", bracketed):
        try:
            reader.rows(f"EXPLAIN SELECT 1 FROM {view} WHERE {condition}").close()     # compiled, not run
        except QueryError as error:
            placed = _PLACE.sub(lambda match: f" (line {int(match[1]) - 1}, ", error.message)
            raise QueryError(f"--where, a condition over {view}: {placed}", error.hint, error.exit_code) from None
    return bracketed


def page_columns(reader: Reader, wanted: Sequence[str] | None) -> tuple[str, ...]:
    """Return the columns of pages that are wanted, all when None. Raises ExportError for one that there is not."""
    there = tuple(str(name) for (name,) in reader.all("SELECT name FROM pragma_table_xinfo('pages')"))
    if wanted is None:
        return there
    for index, name in enumerate(wanted):
        if name not in there and name not in COMPUTED:
            near = nearest(name, (*there, *COMPUTED))
            raise ExportError(f"pages have no column {name!r}", f"Try {' or '.join(near) if near else ', '.join((*there, *COMPUTED))}.")
        if name in wanted[:index]:
            raise ExportError(f"the column {name!r} is named twice", "Try each column once.")
    return tuple(wanted)


class Selection:
    """The rows of one export."""

    def __init__(
        self, reader: Reader, view: str, select: Sequence[str], where: str | None, *, further: str = "1", distinct: bool = False,
        texts: bool = False,
    ) -> None:  # fmt: skip
        """Check the condition; *select* are column names or expressions over the view, *further* a condition of the format's own."""
        self._reader = reader
        self._step = TEXTS_A_STEP if texts else STEP
        self._of_pages = view == "pages"
        condition = f"{checked(reader, view, where)} AND {further} AND {_DISTINCT if distinct else 1}"
        among, key = (_NEW_PAGES, "url_id") if self._of_pages else (_NEW_SOURCES, "src_id")
        order = _ORDER if self._of_pages else "src_id, dst_id, kind"
        columns = ", ".join(COMPUTED.get(name, name) for name in select)
        self._sql = f"SELECT {columns} FROM {view} WHERE {key} IN ({among}) AND {condition} ORDER BY {order}"

    def steps(self, after: int = 0) -> Iterator[Step]:
        """Yield the steps behind a request.

        What is known at the beginning comes first. A page that is fetched anew meanwhile moves behind that, and a second
        round meets it there; an export that waited for the end of a crawl that is as quick would have no end.
        """
        for _ in range(2):
            until = latest_request(self._reader)
            while after < until:
                last = self._end(after, until)
                rows: list[Row] = self._reader.all(self._sql, (after, last))
                yield Step(rows, last, last / until)
                after = last

    def _end(self, after: int, until: int) -> int:
        """Return the last request of the next step."""
        sql = "SELECT fetch_id, coalesce(links, 0) FROM fetch WHERE fetch_id > ? AND fetch_id <= ? ORDER BY fetch_id LIMIT ?"
        found = self._reader.all(sql, (after, until, self._step))
        if self._of_pages:
            return _number(found[-1]) if found else until
        links, last = 0, until
        for fetch_id, in_page in found:
            links += _number((in_page,))
            last = _number((fetch_id,))
            if links >= LINKS_A_STEP:
                break
        return last


def _number(row: tuple[Value, ...] | None) -> int:
    value = row[0] if row else None
    return value if isinstance(value, int) else 0
