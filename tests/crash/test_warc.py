"""A crawl that writes WARC files, killed at instants that nobody chose: what is true is valid, and nothing lies behind it for long."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import random
import signal
import sqlite3
from collections import Counter
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

_spec = importlib.util.spec_from_file_location("crash_kill", Path(__file__).with_name("test_kill.py"))
kill = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(kill)
oracle = kill.oracle
_spec = importlib.util.spec_from_file_location("crash_power", Path(__file__).with_name("test_power.py"))
power = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(power)
disk = power.disk


class WarcOracle(oracle.Oracle):
    """Reads every record that the database says is true, with a reader of another maker, and compares it with the server and its log."""

    def __init__(self, folder: Path, port: int, pages: int, log: list[str]) -> None:
        super().__init__(folder, port, pages)
        self.log = log
        self.answers: dict[tuple[str, int], tuple[str, str, bytes]] = {}
        """File and offset -> type, URL and body of each answer."""
        self.read: dict[str, int] = {}

    def _bodies(self, db: sqlite3.Connection, stored: dict[str, str]) -> None:
        files = db.execute("SELECT file, bytes, closed FROM warc").fetchall()
        for file, size, closed in files:
            self._read(file, size, closed)
        told = db.execute(
            "SELECT w.file, r.offset, r.length, origin || path FROM warc_record r JOIN warc w USING (warc_id) "
            "JOIN fetch USING (fetch_id) JOIN url USING (url_id) JOIN origin USING (origin_id)"
        ).fetchall()
        assert {(file, offset): url for file, offset, _, url in told} == {place: url for place, (_, url, _) in self.answers.items()}
        [(answered,)] = db.execute("SELECT count(*) FROM fetch WHERE status IS NOT NULL").fetchall()
        assert answered == len(told), "an answer without a record"
        asked = Counter(f"http://{line.split()[1]}:{self.port}{line.split()[2]}" for line in self.log)
        recorded = Counter(url for _, url, _ in self.answers.values())
        assert recorded <= asked, "an answer that the server never gave"
        for digest, size, file, offset in db.execute("SELECT digest, bytes, file, offset FROM body"):
            kind, url, content = self.answers[file, offset]
            assert (kind, digest, size) == ("response", hashlib.sha256(content).digest(), len(content))
            host, _, page = url.partition("://")[2].partition(":")[0], *url.partition("/p/")[1:]
            assert content in {oracle.site.body(host, int(page), self.pages, version) for version in self.versions}, url
        assert stored.keys() <= recorded.keys()

    def _read(self, file: str, size: int, closed: int) -> None:
        """Read what was added to a file since it was read last; a closed one is as long as it is true."""
        path = self.folder / file
        before = self.read.get(file, 0)
        data = path.read_bytes()[:size] if size else b""
        assert size == len(data), f"{file} is shorter than it is said to be"
        assert not closed or size == path.stat().st_size, f"something lies behind the end of {file}"
        records = ArchiveIterator(io.BytesIO(data[before:]), check_digests="raise")
        for record in records:
            content = record.content_stream().read()
            if record.rec_type in ("response", "revisit"):
                place = file, before + records.get_record_offset()
                self.answers[place] = record.rec_type, record.rec_headers["WARC-Target-URI"], content
        self.read[file] = size

    def _content(self, file: str, offset: int | None) -> bytes:
        return self.answers[file, offset][2]

    def _orphans(self, db: sqlite3.Connection) -> None:
        super()._orphans(db)
        files = {f"warc/{path.name}" for path in (self.folder / "warc").glob("*.warc.gz")}
        assert files <= {file for (file,) in db.execute("SELECT file FROM warc")}, "a WARC file that nobody names"


@pytest.fixture
def site(request):
    one = kill.Site(*getattr(request, "param", (200,)))
    yield one
    one.close()


def kill_loop(site, folder: Path, pages: int, kills: int, seed: int) -> int:
    """Kill the same command *kills* times, check after each, then let it finish; return how many kills hit a running crawl."""
    chance = random.Random(seed)
    command = [f"http://127.0.0.1:{site.port}/p/0", "-o", str(folder), "--delay", "0", "--min-free", "0", "--save", "warc"]
    judge = WarcOracle(folder, site.port, pages, site.log)
    hits = 0
    for _ in range(kills):
        process = kill.start(command)
        later = chance.choice([1, 5, 20, 60, 120])
        site.wait(len(site.log) + later, process, 10)
        process.send_signal(signal.SIGKILL)
        code, _ = kill.finish(process)
        hits += code == -signal.SIGKILL
        judge.check()
    code, errors = kill.finish(kill.start(command))
    assert code == 0, errors
    judge.check()
    assert {f"http://127.0.0.1:{site.port}/p/{page}" for page in range(pages)} == judge.stored
    assert oracle.repeats(site.log) <= hits * kill.BOUND
    index = (folder / "warc/index.cdxj").read_bytes().splitlines()
    assert (sorted(index), len(judge.answers)) == (index, len(index))
    return hits


def test_killed_at_random_instants_the_warc_files_hold_what_the_database_says(site, tmp_path):
    assert kill_loop(site, tmp_path / "crawl", 200, kills=3, seed=1) >= 1


@pytest.mark.long
@pytest.mark.timeout(3_000)
@pytest.mark.parametrize("site", [(6_000,)], indirect=True)
def test_a_hundred_kills_while_warc_files_are_written(site, tmp_path):
    assert kill_loop(site, tmp_path / "crawl", 6_000, kills=100, seed=2) >= 50


@pytest.mark.long
@pytest.mark.timeout(1_200)
@pytest.mark.skipif(not power.POSSIBLE, reason=power.NEEDED)
@pytest.mark.parametrize("site", [(6_000,)], indirect=True)
def test_warc_files_survive_twenty_power_cuts(disk, site):
    power.twenty_cuts(disk, site, WarcOracle(disk.place / "crawl", site.port, 6_000, site.log), "--save", "warc")
