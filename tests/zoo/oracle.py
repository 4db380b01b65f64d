"""Judges a crawl from outside: plain SQL on its database, the files, what was printed, and what the zoo wrote down.

Nothing of the crawler is imported here. The checks are U1 to U5 and U8 to U11 of the zoo's universal oracle.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sqlite3
import stat
import subprocess
import threading
from pathlib import Path

from .animal import Cage

WORD = """
SELECT u.url, u.state, u.reason, u.seen_as, r.tries, f.status, x.name, coalesce(f.truncated, 0), f.detail, u.rule
FROM urls u JOIN url r USING (url_id) LEFT JOIN fetch f ON f.fetch_id = r.fetch_id LEFT JOIN fault x ON x.fault = f.fault
WHERE u.seen_as <> 'robots'
"""
DOCUMENTED = {0, 1, 2, 3, 4, 5, 6, 7, 8, 70, 129, 130, 143}
MOST_MEMORY = 300 * 1024 * 1024
UNCLEAN = ("never retrieved", "Unclosed", "Traceback (most recent call last)", "RuntimeWarning", "ResourceWarning")
ESCAPES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What no output may hold: C0 but for the line feed and the tab of a table, DEL, C1, and what turns the reading direction."""


class Seen:
    """A crawl as its output folder shows it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with contextlib.closing(sqlite3.connect(f"file:{folder / 'crawl.db'}?mode=ro", uri=True)) as db:
            self.rows = db.execute(WORD).fetchall()
            self.pages = {row[0]: row for row in db.execute("SELECT url, title, charset, links, truncated, file, mime FROM pages")}
            self.bodies = db.execute("SELECT digest, bytes, file FROM body").fetchall()
            self.stored = dict(db.execute("SELECT p.url, hex(b.digest) FROM pages p JOIN body b USING (body_id)"))
            self.flooded = {url for (url,) in db.execute(
                "SELECT p.url FROM pages p JOIN url u USING (url_id) JOIN fetch f ON f.fetch_id = u.page_id WHERE f.links_truncated")}
            self.robots = {row[0]: row for row in db.execute("SELECT origin, status, fault, crawl_delay_ms FROM robots")}
            self.patterns = dict(db.execute("SELECT pattern, damped FROM pattern"))
        self.words = {row[0]: word(row) for row in self.rows}
        self.tries = {row[0]: row[4] for row in self.rows}
        self.details = {row[0]: row[8] or row[9] or "" for row in self.rows}

    def of(self, cage: Cage) -> dict[str, str]:
        """Return URL -> word of everything on an animal's addresses."""
        hosts = {cage.animal.host, *cage.animal.hosts}
        return {url: one for url, one in self.words.items() if url.split("/")[2].rpartition(":")[0] in hosts}

    def body(self, url: str) -> bytes:
        return (self.folder / self.pages[url][5]).read_bytes()

    def title(self, url: str) -> str | None:
        return self.pages[url][1]


def word(row: tuple) -> str:
    """Say in one word group what became of a URL."""
    _, state, reason, _, _, status, fault, truncated, *_ = row
    if state in ("queued", "parked"):
        return state
    what = reason if state == "excluded" else fault or status
    return f"{state} {what}{' truncated' if truncated else ''}"


def check_outcomes(cage: Cage, seen: Seen, *, crowd: bool = False) -> None:
    """U2: every URL of an animal has come to what is expected of it."""
    found = seen.of(cage)
    wrong = []
    also = cage.animal.crowd.split("|") if crowd and cage.animal.crowd else []
    expected = {cage.url(path) if path.startswith("/") else path.format(port=cage.port, second=cage.second_port): right
                for path, right in cage.animal.expect.items()}
    for url, right in expected.items():
        is_ = seen.words.get(url, "unknown")
        if is_ not in (*right.split("|"), *also):
            wrong.append(f"{url[:200]}: {right} expected, is {is_} ({seen.details.get(url, '')[:200]})")
    for url, is_ in found.items():
        if url not in expected and is_ not in (*cage.animal.others.split("|"), *also):
            wrong.append(f"{url[:200]}: {cage.animal.others or 'not known of'} expected, is {is_} ({seen.details[url][:200]})")
    assert not wrong, f"Z{cage.animal.number:02} {cage.animal.name}:\n" + "\n".join(wrong[:20])


def check_bodies(cages: list[Cage], seen: Seen) -> None:
    """U3: what the zoo sent whole is stored with that digest, each body in one file that holds it."""
    for cage in cages:
        for url, digest in cage.bodies.items():
            if seen.words.get(url) in ("done 200", "done parse"):
                assert seen.stored[url].lower() == digest, f"{url} is not stored as it was sent"
    for digest, size, file in seen.bodies:
        content = (seen.folder / file).read_bytes()
        assert (digest, size) == (hashlib.sha256(content).digest(), len(content)), file
    assert len(seen.bodies) == len({file for *_, file in seen.bodies}), "two bodies in one file"


def check_files(folder: Path) -> None:
    """U4: the tree holds what is documented, below the folder, for the owner's eyes only."""
    named = {"crawl.db", "crawl.db-wal", "crawl.db-shm", "crawl.log", "LOCK", "pages", "tmp", "control.sock"}
    assert {path.name for path in folder.iterdir()} <= named
    page = re.compile(r"pages/[a-z0-9._-]+/[0-9a-f]{2}/[a-z0-9-]{1,40}-[0-9a-f]{32}\.[a-z0-9]{1,5}")
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        assert not path.is_symlink(), name
        if path.is_file() and name.startswith("pages/"):
            assert page.fullmatch(name), name


def open_to_others(folder: Path) -> list[str]:
    """Return what in the folder others than its owner may read, write or enter."""
    return [f"{stat.filemode(path.stat().st_mode)} {path.relative_to(folder.parent)}"
            for path in (folder, *folder.rglob("*")) if path.stat().st_mode & 0o077]  # fmt: skip


def check_output(out: bytes, err: bytes) -> None:
    """U8 and U9: nothing unclean, and no byte that acts on a terminal."""
    for text in (out.decode(), err.decode()):
        assert [] == [one for one in UNCLEAN if one in text], text[-4000:]
        found = ESCAPES.search(text)
        assert found is None, f"{found[0]!r} in {text[max(0, found.start() - 100) : found.end() + 100]!r}"


def open_files(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/fd"))


def descendants(pid: int) -> list[int]:
    """Return a process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, todo = [], [pid]
    while todo:
        one = todo.pop()
        found.append(one)
        todo += children.get(one, [])
    return found


class Watched:
    """A process of the crawler, with the peak memory (bytes) of it and of its heaviest child, and its most open files."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.process = process
        self.memory = self.child_memory = self.files = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def _watch(self) -> None:
        pid = self.process.pid
        while not self._over.wait(0.2):
            with contextlib.suppress(OSError):
                self.files = max(self.files, open_files(pid))
            for one in descendants(pid):
                with contextlib.suppress(OSError):
                    held = int(Path(f"/proc/{one}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
                    if one == pid:
                        self.memory = max(self.memory, held)
                    else:
                        self.child_memory = max(self.child_memory, held)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()
