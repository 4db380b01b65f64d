"""A crawl of any number of pages, made with plain SQL; its bodies are a few files that many pages share."""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path

import pytest

from crawler.core.model import FAULT_CODE, FAULT_MEANINGS, KIND_CODE, STATE_MEANINGS, Kind, State
from crawler.query.reader import APPLICATION_ID, FORMAT, Reader

START = 1_790_000_000_000
"""2026-09-21 14:13:20 UTC, in milliseconds."""

HOSTILE = (
    '=HYPERLINK("http://evil.example")', "+1+1", "-2", "@SUM(A1)", "\t=1", "＝1",
    "\x1b]52;c;AAAA\x07\x9b31m", "<script>alert(1)</script>", "]]><!-- & --><![CDATA[", 'a,"b"\r\nc\td\\n', "nul\x00 and \ufffe\uffff",
    "\u202egnp.exe\u200b", "---\nurl: http://evil.example\n---", "line\u2028separator\u0085", "한국어 제목 🙂", "'; DROP TABLE url; --", "",
)  # fmt: skip
PATHS = ("/?a=1&b=%3Cscript%3E", "/it's", "/%EA%B0%80", "/=1+1")
BODIES = {
    "page.html": "<html lang='ko'><title>제목</title><body><article><p>가나다라 마바사. 이것은 본문이다.</p></article></body></html>".encode("euc-kr"),
    "plain.txt": b"Plain  text.\n",
    "blob.png": b"\x89PNG\r\n\x1a\n\x00\xff",
}


def make(folder: Path, pages: int = 60, *, secret: str = "00" * 16, links: int = 3) -> Path:
    """Make a crawl: page n is URL n and request n, its title a hostile one."""
    folder.mkdir(parents=True)
    for name, content in BODIES.items():
        (folder / "pages").mkdir(exist_ok=True)
        (folder / "pages" / name).write_bytes(content)
    with contextlib.closing(write_to(folder)) as db:
        db.executescript(f"BEGIN;{resources.files('crawler.frontier').joinpath('schema.sql').read_text(encoding='utf-8')}")
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        db.execute(f"PRAGMA user_version = {FORMAT}")
        db.execute("INSERT INTO meta VALUES ('secret', ?)", (secret,))
        db.executemany("INSERT INTO kind VALUES (?, ?)", [(code, kind.value) for kind, code in KIND_CODE.items()])
        db.executemany("INSERT INTO fault VALUES (?, ?, ?)", [(FAULT_CODE[f], f.value, m) for f, m in FAULT_MEANINGS.items()])
        db.executemany("INSERT INTO state VALUES (?, ?, ?, 0)", [(s, s.name.lower(), m) for s, m in STATE_MEANINGS.items()])
        db.execute("INSERT INTO run VALUES (1, ?, NULL, NULL, '1.0', 'crawler', '{}', 0, 0)", (START,))
        db.execute("INSERT INTO ruleset VALUES (0, '{}')")
        for host, name in ((1, "a.example"), (2, "b.example")):
            db.execute("INSERT INTO host (host_id, name, site) VALUES (?, ?, ?)", (host, name, name))
            db.execute("INSERT INTO origin (origin_id, host_id, origin) VALUES (?, ?, ?)", (host, host, f"https://{name}"))
        add(db, 1, pages)
        rows = ((n, (n + step) % pages + 1, KIND_CODE[Kind.A], 0) for n in range(1, pages + 1) for step in range(links))
        db.executemany("INSERT OR IGNORE INTO link VALUES (?, ?, ?, ?)", rows)
        db.execute("COMMIT")
    return folder


def add(db: sqlite3.Connection, first: int, last: int) -> None:
    """Add pages whose URL and request have the numbers from *first* to *last*."""
    numbers = range(first, last + 1)
    names = list(BODIES)
    for n in numbers:
        path = PATHS[n - 1] if n <= len(PATHS) else f"/page/{n}"
        db.execute(
            "INSERT INTO url (url_id, fingerprint, origin_id, host_id, path, state, depth, priority, kind, ruleset, fetch_id, page_id) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?)",
            (n, n, 1 + n % 2, 1 + n % 2, path, State.DONE, n % 5, n % 5, KIND_CODE[Kind.A], n, n),
        )
        name = names[n % len(names)]
        digest = hashlib.sha256(str(n).encode()).digest()
        db.execute("INSERT INTO body VALUES (?, ?, ?, ?, NULL, NULL)", (n, digest, len(BODIES[name]), f"pages/{name}"))
        answer(db, n, n, n)


def answer(db: sqlite3.Connection, fetch_id: int, url_id: int, body_id: int | None, status: int = 200) -> None:
    """Add a request; one with a body is the page of its URL from now on."""
    mime = ("text/html", "text/plain", "image/png")[url_id % 3]
    title = HOSTILE[url_id % len(HOSTILE)]
    db.execute(
        "INSERT INTO fetch (fetch_id, url_id, run_id, at, status, mime, charset, wire_bytes, body_id, title, lang, links) "
        "VALUES (?, ?, 1, ?, ?, ?, ?, 100, ?, ?, ?, 3)",
        (fetch_id, url_id, START + fetch_id * 1000, status, mime, "euc-kr" if mime == "text/html" else None, body_id, title,
         "ko" if url_id % 3 == 0 else None),
    )
    db.execute("UPDATE url SET fetch_id = ?, page_id = coalesce(?, page_id) WHERE url_id = ?", (fetch_id, body_id and fetch_id, url_id))


def write_to(folder: Path) -> sqlite3.Connection:
    """Open the database as the crawl's writer does."""
    db = sqlite3.connect(folder / "crawl.db", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    return db


@pytest.fixture(scope="module")
def crawl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the output folder of a crawl that no test changes."""
    return make(tmp_path_factory.mktemp("crawl") / "site")


@pytest.fixture
def growing(tmp_path: Path) -> Iterator[tuple[Path, sqlite3.Connection]]:
    """Return the output folder of a crawl that goes on, and its writer."""
    folder = make(tmp_path / "growing", 10)
    with contextlib.closing(write_to(folder)) as db:
        yield folder, db


@pytest.fixture
def reader(crawl: Path) -> Iterator[Reader]:
    """Return an open reader."""
    with Reader.open(crawl) as opened:
        yield opened


@pytest.fixture(scope="session")
def made() -> Callable[..., Path]:
    """Return what makes a crawl."""
    return make


@pytest.fixture(scope="session")
def added() -> Callable[..., None]:
    """Return what adds pages to one."""
    return add


@pytest.fixture(scope="session")
def answered() -> Callable[..., None]:
    """Return what adds a request."""
    return answer


@pytest.fixture(scope="session")
def hostile() -> tuple[str, ...]:
    """Return the titles."""
    return HOSTILE
