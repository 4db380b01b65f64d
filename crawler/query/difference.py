"""What changed between the ends of two runs: pages that are new, changed, gone or moved, and one page's two versions.

Requests are numbered as they end, and one run comes after the other: so the requests of a run are one range of `fetch`, whose
ends a few look-ups find. Of a URL the last request up to an end counts that says what it is: a page, a redirect, or nothing
there (404, 410). A 304 and any trouble leave it what it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from crawler.core.model import FAULT_CODE, KIND_CODE, Fault, Kind
from crawler.core.simhash import distance
from crawler.query.errors import NOTHING_HERE, QueryError
from crawler.query.explain import explain
from crawler.query.reader import Reader, Row

CHANGES = ("new", "changed", "gone", "moved")
COLUMNS = ("change", "url", "status", "target", "title", "bytes_before", "bytes", "alike")

_SAYS = f"""(status IN (301, 302, 303, 307, 308) AND fault IS NULL OR status IN (404, 410)
  OR status BETWEEN 200 AND 299 AND status NOT IN (204, 205) AND coalesce(fault, {FAULT_CODE[Fault.PARSE]}) = {FAULT_CODE[Fault.PARSE]})"""
_STANDS_BACK = "({0}.body_id IS NULL AND {0}.canonical_id IS NOT NULL AND {0}.canonical_id <> {0}.url_id)"
_IS_PAGE = f"coalesce({{0}}.status BETWEEN 200 AND 299 AND NOT {_STANDS_BACK}, 0)"
_LAST = f"(SELECT fetch_id FROM fetch WHERE url_id = {{0}} AND fetch_id <= {{1}} AND {_SAYS} ORDER BY fetch_id DESC LIMIT 1)"
_WAS, _IS = _IS_PAGE.format("b"), _IS_PAGE.format("f")
_CHANGED = f"""
WITH asked AS (SELECT url_id, max(status = 304) AS confirmed FROM fetch WHERE fetch_id > ?1 AND fetch_id <= ?2 GROUP BY url_id),
  pair AS MATERIALIZED (
    SELECT a.url_id, {_LAST.format("a.url_id", "?1")} AS before, {_LAST.format("a.url_id", "?2")} AS now, confirmed FROM asked a),
  change AS (
    SELECT p.url_id, CASE WHEN NOT {_WAS} AND {_IS} THEN 0 WHEN NOT {_WAS} THEN NULL WHEN {_IS} AND b.body_id IS NOT f.body_id THEN 1
      WHEN p.before = p.now AND p.confirmed IS NOT 1 THEN NULL WHEN {_IS} THEN 4 WHEN f.status IN (404, 410) THEN 2 ELSE 3 END AS what,
      f.status,
      CASE WHEN {_IS} THEN NULL ELSE coalesce(f.redirect_id, f.canonical_id) END AS target_id,
      coalesce(f.title, b.title) AS title, b.body_id AS old_id, f.body_id AS new_id, b.simhash AS old_hash, f.simhash AS new_hash
    FROM pair p CROSS JOIN fetch f ON f.fetch_id = p.now LEFT JOIN fetch b ON b.fetch_id = p.before)
SELECT c.what, o.origin || u.path, c.status, ot.origin || t.path, c.title, x.bytes, y.bytes, c.old_hash, c.new_hash
FROM change c CROSS JOIN url u ON u.url_id = c.url_id CROSS JOIN origin o ON o.origin_id = u.origin_id
  LEFT JOIN url t ON t.url_id = c.target_id LEFT JOIN origin ot ON ot.origin_id = t.origin_id
  LEFT JOIN body x ON x.body_id = c.old_id LEFT JOIN body y ON y.body_id = c.new_id
WHERE c.what IS NOT NULL AND u.kind <> {KIND_CODE[Kind.ROBOTS]} ORDER BY c.what, u.url_id"""
_VERSION = f"""
SELECT f.fetch_id, f.at, f.run_id, f.body_id, f.mime, f.charset, b.file, b.offset, b.length, {_IS}
FROM fetch f LEFT JOIN body b USING (body_id) WHERE f.fetch_id = {_LAST.format("?1", "?2")}"""


class Span(msgspec.Struct, frozen=True):
    """Two runs, and the last requests of each."""

    first: int
    """0 is before there was any."""
    second: int
    after: int
    upto: int


class Version(msgspec.Struct, frozen=True):
    """The page of a URL as it was at the end of a run."""

    fetch_id: int
    at: float
    """Unix seconds."""
    run_id: int
    body_id: int | None
    mime: str | None
    charset: str | None
    file: str | None
    offset: int | None
    length: int | None


class Differences:
    """The pages that changed, as rows: read once. `counts` is whole after the last one, pages that did not change included."""

    columns: tuple[str, ...] = COLUMNS

    def __init__(self, reader: Reader, span: Span) -> None:
        self.counts: Counter[str] = Counter()
        self._rows = reader.rows(_CHANGED, (span.after, span.upto))

    def __iter__(self) -> Iterator[Row]:
        for what, url, status, target, title, before, now, old_hash, new_hash in self._rows:
            if not isinstance(what, int) or what >= len(CHANGES):
                self.counts["unchanged"] += 1
                continue
            self.counts[CHANGES[what]] += 1
            alike = None
            if CHANGES[what] == "changed" and isinstance(old_hash, int) and isinstance(new_hash, int):
                alike = round(1 - distance(old_hash, new_hash) / 64, 2)
            yield CHANGES[what], url, status, target, title, before, now, alike


def span(reader: Reader, first: int | None = None, second: int | None = None) -> Span:
    """Return the span between the ends of two runs; the last two where none is named. Raises QueryError."""
    row = reader.one("SELECT max(run_id) FROM run")
    last = row[0] if row is not None and isinstance(row[0], int) else 0
    if first is None or second is None:
        if last < 2:
            raise QueryError("there is one run only" if last else "there is no run yet", "Try again after a run with --recrawl.")
        first, second = last - 1, last
    if not 0 <= first < second <= last:
        runs = f"there are runs 1 to {last}" if last > 1 else "there is one run only"
        raise QueryError(f"nothing can be compared between run {first} and run {second}: {runs}", "Try the earlier run first: diff 1 2.")
    return Span(first, second, _end_of(reader, first), _end_of(reader, second))


def _end_of(reader: Reader, run: int) -> int:
    """Return the number of the last request up to the end of a run."""
    row = reader.one("SELECT max(fetch_id) FROM fetch")
    low, high = 0, row[0] if row is not None and isinstance(row[0], int) else 0
    while low < high:
        middle = (low + high + 1) // 2
        found = reader.one("SELECT fetch_id, run_id FROM fetch WHERE fetch_id <= ? ORDER BY fetch_id DESC LIMIT 1", (middle,))
        if found is None or (isinstance(found[1], int) and found[1] <= run):
            low = middle
        else:
            high = int(str(found[0])) - 1
    return low


def versions(reader: Reader, asked: str, between: Span) -> tuple[str, Version | None, Version | None]:
    """Return a URL as it is spelt, with its page at either end; None where it was none. Raises QueryError."""
    found = explain(reader, asked)
    if found.url is None:
        raise QueryError(f"{asked} is no usable URL: {found.problem}", "Try it as your browser shows it.")
    if found.known is None:
        raise QueryError(f"the crawl has never seen {found.url}", "Try crawler explain for similar ones.", NOTHING_HERE)
    row = found.known.url_id
    return found.known.url, _version(reader, row, between.after), _version(reader, row, between.upto)


def _version(reader: Reader, row: int, upto: int) -> Version | None:
    found = reader.one(_VERSION, (row, upto))
    if found is None or not found[9]:
        return None
    at = int(str(found[1])) / 1000
    return msgspec.convert(dict(zip(Version.__struct_fields__, (found[0], at, *found[2:9]), strict=True)), Version, strict=False)
