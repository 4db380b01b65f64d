"""Judges a crawl from outside: the server's log, the files and plain SQL on a copy of the database; none of the crawler's code.

The invariants are those of a crash-safe crawl: no URL lost, no row without its whole body, links and page together, no
file that no row and no announcement names, nothing stored twice, counters that a count confirms, a sound database.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import sqlite3
import tempfile
from collections import Counter
from itertools import pairwise
from pathlib import Path

_spec = importlib.util.spec_from_file_location("crash_site", Path(__file__).with_name("site.py"))
site = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(site)


class Oracle:
    """Remembers what was acknowledged before, and checks a folder against it and the site."""

    def __init__(self, folder: Path, port: int, pages: int) -> None:
        self.folder = folder
        self.port = port
        self.pages = pages
        self.versions = (1,)
        """Of the site, as far as the crawl may have seen it."""
        self.acknowledged: set[str] = set()
        self.stored: set[str] = set()

    def check(self) -> None:
        """Raise AssertionError for the first invariant that does not hold."""
        if not (self.folder / "crawl.db").exists():
            return
        scratch = Path(tempfile.mkdtemp())
        try:
            for name in ("crawl.db", "crawl.db-wal"):
                if (self.folder / name).exists():
                    shutil.copy(self.folder / name, scratch)
            db = sqlite3.connect(scratch / "crawl.db")
            try:
                self._check(db)
            finally:
                db.close()
        finally:
            shutil.rmtree(scratch)

    def _check(self, db: sqlite3.Connection) -> None:
        assert db.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'url'").fetchall():
            return      # killed before the tables were made
        known = {url for (url,) in db.execute("SELECT origin || path FROM url JOIN origin USING (origin_id)")}
        assert self.acknowledged <= known, "a URL was lost"
        self.acknowledged = known
        stored = dict(db.execute("SELECT url, file FROM pages"))
        gone = {url for url in self.stored if site.is_gone(int(url.rpartition("/")[2]), self.versions[-1])}
        assert self.stored - gone <= stored.keys(), "a page was lost"
        self.stored = set(stored)
        self._bodies(db, stored)
        self._links(db, known)
        self._orphans(db)
        self._counters(db)
        self._index(db)
        answers = "status IN (200, 304, 404) AND url_id IN (SELECT url_id FROM url WHERE kind <> 11)"
        again = db.execute(f"SELECT url_id FROM fetch WHERE {answers} GROUP BY 1 HAVING count(*) > ?", (len(self.versions),))
        assert again.fetchall() == [], "a page was stored twice"

    def _index(self, db: sqlite3.Connection) -> None:
        """Compare the search index, where the crawl keeps one, with the pages: every page has its one entry, and nothing else has."""
        if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'page_index'").fetchall():
            return
        pages = set(db.execute("SELECT url_id, page_id FROM url WHERE page_id IS NOT NULL AND kind <> 11"))
        assert pages == set(db.execute("SELECT url_id, fetch_id FROM page_text")), "a page is not in the index, or an entry has no page"
        assert {url_id for url_id, _ in pages} == {row for (row,) in db.execute("SELECT id FROM page_index_docsize")}

    def _bodies(self, db: sqlite3.Connection, stored: dict[str, str]) -> None:
        for url, file in stored.items():
            host, _, path = url.partition("://")[2].partition(":")[0], *url.partition("/p/")[1:]
            content = (self.folder / file).read_bytes()
            sent = {site.body(host, int(path), self.pages, version) for version in self.versions}
            assert content in sent, f"{url}: the stored body is not what the server sends"
        for digest, size, file in db.execute("SELECT digest, bytes, file FROM body"):
            content = (self.folder / file).read_bytes()
            assert (hashlib.sha256(content).digest(), len(content)) == (digest, size), file

    def _links(self, db: sqlite3.Connection, known: set[str]) -> None:
        rows = db.execute("SELECT src, dst FROM links").fetchall()
        graph: dict[str, set[str]] = {}
        for source, target in rows:
            graph.setdefault(source, set()).add(target)
        version = {}
        for url, file, offset in db.execute("SELECT url, file, offset FROM pages"):
            host, page = url.partition("://")[2].partition(":")[0], int(url.rpartition("/")[2])
            content = self._content(file, offset)
            version[url] = next(one for one in self.versions if content == site.body(host, page, self.pages, one))
        for url in self.stored:
            origin, page = url.rpartition("/p/")[0], int(url.rpartition("/")[2])
            expected = {f"{origin}/p/{target}" for target in site.links(site.shown_as(page), self.pages, version[url])}
            assert expected <= known, f"{url} is done, a link of it is not in the frontier"
            assert expected == graph.get(url, set()), f"{url}: the link graph differs"
        assert graph.keys() <= self.stored, "what is no page has links"

    def _content(self, file: str, offset: int | None) -> bytes:
        assert offset is None
        return (self.folder / file).read_bytes()

    def _orphans(self, db: sqlite3.Connection) -> None:
        files = {str(path.relative_to(self.folder)) for path in (self.folder / "pages").rglob("*") if path.is_file()}
        named = {file for (file,) in db.execute("SELECT file FROM body")}
        intent = self.folder / "tmp" / "intent"
        announced = set(intent.read_text().splitlines()) if intent.exists() else set()
        assert files - named - announced == set(), "a file that nobody names"

    def _counters(self, db: sqlite3.Connection) -> None:
        kept = db.execute("SELECT sum(queued), sum(done), sum(failed), sum(excluded) FROM host").fetchone()
        counted = [db.execute("SELECT count(*) FROM url WHERE state = ? AND kind <> 11", (state,)).fetchone()[0] for state in range(4)]
        assert [number or 0 for number in kept] == counted
        pages = db.execute("SELECT value FROM meta WHERE key = 'pages'").fetchone()[0]
        assert int(pages) == len(self.stored)


def repeats(log: list[str]) -> int:
    """Return how many requests for pages were repetitions, by the server's log."""
    counts = Counter(line.split(" ", 1)[1] for line in log if "/p/" in line)
    return sum(count - 1 for count in counts.values())


def gaps(log: list[str]) -> dict[str, list[float]]:
    """Return the seconds between two requests of each host, by the server's clock."""
    moments: dict[str, list[float]] = {}
    for line in log:
        moment, host, _ = line.split(" ", 2)
        moments.setdefault(host, []).append(float(moment))
    return {host: [later - earlier for earlier, later in pairwise(times)] for host, times in moments.items()}
