"""A small crawl's database, made from the real schema with plain SQL."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from crawler.core import urls
from crawler.core.model import FAULT_CODE, FAULT_MEANINGS, KIND_CODE, STATE_MEANINGS, Fault, Kind, State
from crawler.query.reader import APPLICATION_ID, FORMAT, Reader

SECRET = bytes(range(16))
START = 1_790_000_000_000
"""2026-09-21 14:13:20 UTC, in milliseconds."""

SITE, OTHER, OUT = 1, 2, 3
ROBOTS_TXT = b"User-agent: *\nDisallow: /private\nCrawl-delay: 2\n"

# host_id, name, site, queued, delayed, done, failed, excluded, unrecorded, next_at, wake_at, pace_ms, failures, rest, parked
HOSTS = (
    (SITE, "site.example", "site.example", 2, 1, 7, 1, 0, 0, START + 500, 4_000_000_000_000, 500, 0, "answered 503", None),
    (OTHER, "other.example", "other.example", 1, 0, 0, 0, 0, 0, START, START, None, 4, None, "does not answer"),
    (OUT, "out.example", "out.example", 0, 0, 0, 0, 1, 6, 0, 0, None, 0, None, None),
)
ORIGINS = (
    (SITE, SITE, "https://site.example", START, 200, None, ROBOTS_TXT, 2000),
    (OTHER, OTHER, "https://other.example", START, None, FAULT_CODE[Fault.CONNECT], None, None),
    (OUT, OUT, "https://out.example", None, None, None, None, None),
)
# url_id, host, path, state, depth, parent, kind, tries, due_at, fetch_id, page_id, reason, rule
URLS = (
    (1, SITE, "/", State.DONE, 0, None, Kind.SEED, 1, None, 1, 1, None, None),
    (2, SITE, "/a", State.DONE, 1, 1, Kind.A, 1, None, 2, 2, None, None),
    (3, SITE, "/missing", State.DONE, 1, 1, Kind.A, 1, None, 3, None, None, None),
    (4, SITE, "/moved", State.DONE, 1, 1, Kind.A, 1, None, 4, None, None, None),
    (5, SITE, "/broken", State.FAILED, 2, 2, Kind.A, 3, None, 7, None, None, None),
    (6, SITE, "/queued", State.QUEUED, 2, 2, Kind.A, 0, None, None, None, None, None),
    (7, SITE, "/retry", State.QUEUED, 2, 2, Kind.IMG, 1, START + 60_000, 8, None, None, None),
    (8, OUT, "/", State.EXCLUDED, 3, 9, Kind.A, 0, None, None, None, "scope", "scope host: out.example is no seed's host"),
    (9, SITE, "/hostile", State.DONE, 2, 2, Kind.A, 1, None, 9, 9, None, None),
    (10, OTHER, "/x", State.QUEUED, 1, 1, Kind.A, 0, None, None, None, None, None),
    (11, SITE, "/robots.txt", State.DONE, 0, None, Kind.ROBOTS, 1, None, 10, None, None, None),
    (12, SITE, "/copy", State.DONE, 2, 2, Kind.A, 1, None, 11, 11, None, None),
    (13, OTHER, "/late", State.PARKED, 1, 1, Kind.A, 0, None, None, None, "robots", "Crawl-delay beyond 60 s"),
    (14, SITE, "/%ea%b0%80?q=1", State.DONE, 1, 1, Kind.CANONICAL, 1, None, 12, 12, None, None),
)
HOSTILE_TITLE = "\x1b]52;c;AAAA\x07 [bold]\x9b31m\u202egnp.\u200b\n=1+1"
# fetch_id, url_id, status, fault, truncated, mime, wire, ttfb, total, redirect, body, title, noindex, links_truncated
FETCHES = (
    (1, 1, 200, None, 0, "text/html", 4_000, 120, 150, None, 1, "Start", 0, 0),
    (2, 2, 200, None, 0, "text/html", 900, 80, 90, None, 2, "한국어 제목", 0, 0),
    (3, 3, 404, None, 0, "text/html", 300, 30, 31, None, None, None, 0, 0),
    (4, 4, 301, None, 0, None, 0, 30, 30, 2, None, None, 0, 0),
    (5, 5, None, Fault.RESET, 0, None, None, None, None, None, None, None, 0, 0),
    (6, 5, None, Fault.RESET, 0, None, None, None, None, None, None, None, 0, 0),
    (7, 5, None, Fault.TIMEOUT, 0, None, None, None, None, None, None, None, 0, 0),
    (8, 7, 503, None, 0, None, 10, 20, 25, None, None, None, 0, 0),
    (9, 9, 200, None, 1, "text/html", 70_000, 60, 61, None, 3, HOSTILE_TITLE, 1, 1),
    (10, 11, 200, None, 0, "text/plain", 48, 20, 21, None, None, None, 0, 0),
    (11, 12, 200, None, 0, "application/pdf", 900, 10, 11, None, 2, None, 0, 0),
    (12, 14, 200, None, 0, "text/html", 70, 10, 11, None, 4, None, 0, 0),
)
BODIES = ((1, 12_000, "start.html"), (2, 2_500, "a.html"), (3, 900_000, "hostile.html"), (4, 50, "ga.html"))
LINKS = ((1, 2, 1), (1, 3, 1), (1, 4, 1), (1, 10, 1), (2, 3, 1), (2, 5, 1), (2, 6, 1), (9, 8, 1), (9, 3, 7), (1, 13, 1))


def fill(db: sqlite3.Connection) -> None:
    """Make the tables and fill them, in one transaction."""
    db.executescript(f"BEGIN;{resources.files('crawler.frontier').joinpath('schema.sql').read_text(encoding='utf-8')}")
    if not db.execute("SELECT 1 FROM pragma_table_info('fetch') WHERE name = 'simhash'").fetchone():
        db.execute("ALTER TABLE fetch ADD COLUMN simhash INTEGER")     # until the schema has it
    meta = {"secret": SECRET.hex(), "clean": "1", "pages": "5", "errors": "2"}
    db.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    db.executemany("INSERT INTO kind VALUES (?, ?)", [(code, kind.value) for kind, code in KIND_CODE.items()])
    db.executemany("INSERT INTO fault VALUES (?, ?, ?)", [(FAULT_CODE[f], f.value, m) for f, m in FAULT_MEANINGS.items()])
    counts = {state: sum(u[3] is state and u[6] is not Kind.ROBOTS for u in URLS) for state in State}
    db.executemany("INSERT INTO state VALUES (?, ?, ?, ?)", [(s, s.name.lower(), m, counts[s]) for s, m in STATE_MEANINGS.items()])
    db.execute("""INSERT INTO ruleset VALUES (0, '{"scope": "host"}')""")
    db.execute("INSERT INTO seed VALUES ('https://site.example/', 0, 'seeds.txt', 1)")
    db.execute("INSERT INTO run VALUES (1, ?, ?, 'stopped', '1.0', 'crawler seeds.txt', '{}', 10, 2)", (START, START + 90_000))
    db.execute("INSERT INTO run VALUES (2, ?, NULL, NULL, '1.0', 'crawler seeds.txt', '{}', 0, 0)", (START + 100_000,))
    db.executemany(f"INSERT INTO host VALUES ({', '.join('?' * 15)})", HOSTS)
    db.executemany("INSERT INTO origin VALUES (?, ?, ?, ?, ?, ?, ?, ?)", ORIGINS)
    for row in URLS:
        add_url(db, row)
    for body_id, size, name in BODIES:
        digest = hashlib.sha256(name.encode()).digest()
        db.execute("INSERT INTO body (body_id, digest, bytes, file) VALUES (?, ?, ?, ?)", (body_id, digest, size, f"pages/site.example/00/{name}"))
    for request in FETCHES:
        add_fetch(db, request)
    db.executemany("INSERT INTO link (src_id, dst_id, kind) VALUES (?, ?, ?)", LINKS)
    db.execute("COMMIT")


def add_url(db: sqlite3.Connection, row: Sequence[Any], mark: int | None = None) -> None:
    """Insert one URL, under the fingerprint of its key unless another *mark* is given."""
    url_id, host, path, state, depth, parent, kind, tries, due_at, fetch_id, page_id, reason, rule = row
    if mark is None:
        mark = urls.fingerprint(urls.key(ORIGINS[host - 1][2] + path), SECRET)
    place = (url_id, mark, host, host, path, state, depth, depth, parent, KIND_CODE[kind], 0, 0)
    values = (*place, tries, due_at, fetch_id, page_id, reason, rule)
    db.execute(f"INSERT INTO url VALUES ({', '.join('?' * 18)})", values)


def add_fetch(db: sqlite3.Connection, row: Sequence[Any]) -> None:
    """Insert one request, a second after the one before."""
    fetch_id, url_id, status, fault, truncated, mime, wire, ttfb, total, redirect, body, title, noindex, cut = row
    code, detail = (None, None) if fault is None else (FAULT_CODE[fault], f"it was {fault}")
    db.execute(
        """INSERT INTO fetch (fetch_id, url_id, run_id, at, status, fault, detail, truncated, mime, wire_bytes, ttfb_ms,
          total_ms, ip, redirect_id, body_id, title, noindex, links_truncated)
        VALUES (?, ?, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, '192.0.2.7', ?, ?, ?, ?, ?)""",
        (
            *(fetch_id, url_id, START + fetch_id * 1000, status, code, detail, truncated, mime, wire, ttfb, total),
            *(redirect, body, title, noindex, cut),
        ),
    )


def write_to(path: Path) -> sqlite3.Connection:
    """Open a database as the crawl's writer does."""
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    return db


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    """Return the output folder of a crawl that has ended: its log is folded into its database."""
    folder = tmp_path / "output" / "site"
    folder.mkdir(parents=True)
    with contextlib.closing(write_to(folder / "crawl.db")) as db:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute("PRAGMA user_version = 4")
        fill(db)
    return folder


@pytest.fixture
def database(crawl: Path) -> Path:
    """Return the database file of a crawl."""
    return crawl / "crawl.db"


@pytest.fixture
def writer(database: Path) -> Iterator[sqlite3.Connection]:
    """Return a connection that writes to the crawl, as a running one has."""
    with contextlib.closing(write_to(database)) as db:
        yield db


@pytest.fixture
def reader(crawl: Path) -> Iterator[Reader]:
    """Return an open reader."""
    with Reader.open(crawl) as opened:
        yield opened


@pytest.fixture(scope="session")
def new_crawl(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[sqlite3.Connection], None]], Path]:
    """Return what makes a crawl like the others and changes it, for tests that only read and share it."""

    def make(change: Callable[[sqlite3.Connection], None]) -> Path:
        file = tmp_path_factory.mktemp("crawl") / "crawl.db"
        with contextlib.closing(write_to(file)) as db:
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {FORMAT}")
            fill(db)
            db.execute("BEGIN")
            change(db)
            db.execute("COMMIT")
        return file.parent

    return make


@pytest.fixture(scope="session")
def empty(new_crawl: Callable[[Callable[[sqlite3.Connection], None]], Path]) -> Iterator[Reader]:
    """Return a reader of a crawl that has just begun; nobody writes to it."""

    def emptied(db: sqlite3.Connection) -> None:
        for table in ("url", "fetch", "link", "body", "host", "origin", "seed", "run", "listing"):
            db.execute(f"DELETE FROM {table}")

    with Reader.open(new_crawl(emptied)) as opened:
        yield opened
