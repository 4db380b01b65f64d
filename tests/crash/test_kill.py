"""Real processes, really killed, at instants that nobody chose: each followed by the same command."""

from __future__ import annotations

import importlib.util
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

_spec = importlib.util.spec_from_file_location("crash_oracle", Path(__file__).with_name("oracle.py"))
oracle = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(oracle)

HERE = Path(__file__).resolve()
BOUND = 64 + 100 + 100
"""Requests that one kill may repeat: those in flight, those that wait for the committer, and the batch it works on."""


class Site:
    """The witness in its own process; `log` grows, `wait(n)` returns when it has n lines."""

    def __init__(self, pages: int, hosts: int = 1, delay: float = 0.0) -> None:
        command = [sys.executable, str(HERE.with_name("site.py")), str(pages), str(hosts), str(delay)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline().split()[1])
        self.log: list[str] = []
        self._more = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout:
            with self._more:
                self.log.append(line.rstrip("\n"))
                self._more.notify_all()

    def wait(self, lines: int, process: subprocess.Popen, seconds: float) -> None:
        """Return when the log is that long, the process has ended, or time is up."""
        with self._more:
            self._more.wait_for(lambda: len(self.log) >= lines or process.poll() is not None, seconds)

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(20)
        self._reader.join(20)
        self.process.stdout.close()


@pytest.fixture
def site(request):
    one = Site(*getattr(request, "param", (600,)))
    yield one
    one.close()


def start(arguments: list[str]) -> subprocess.Popen:
    environment = {**os.environ, "CRAWLER_CONTACT": "tests"}
    command = [sys.executable, "-m", "crawler", *arguments, "--progress", "off"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, cwd=HERE.parents[2])


def finish(process: subprocess.Popen) -> tuple[int, str]:
    _, errors = process.communicate(timeout=100)
    return process.returncode, errors.decode()


def kill_loop(site: Site, folder: Path, pages: int, kills: int, seed: int) -> int:
    """Kill the same command *kills* times, check after each, then let it finish; return how many kills hit a running crawl."""
    chance = random.Random(seed)
    command = [f"http://127.0.0.1:{site.port}/p/0", "-o", str(folder), "--delay", "0", "--min-free", "0", "--index", "text"]
    judge = oracle.Oracle(folder, site.port, pages)
    hits = 0
    for _ in range(kills):
        process = start(command)
        later = chance.choice([0, 1, 5, 20, 60, 120])
        site.wait(len(site.log) + later, process, chance.uniform(0.0, 1.5) if later == 0 else 10)
        process.send_signal(signal.SIGKILL)
        code, _ = finish(process)
        hits += code == -signal.SIGKILL
        judge.check()
    code, errors = finish(start(command))
    assert code == 0, errors
    judge.check()
    assert {f"http://127.0.0.1:{site.port}/p/{page}" for page in range(pages)} == judge.stored
    assert oracle.repeats(site.log) <= hits * BOUND
    return hits


def test_killed_at_random_instants_nothing_is_lost_and_nothing_is_stored_twice(site, tmp_path):
    assert kill_loop(site, tmp_path / "crawl", 600, kills=8, seed=1) >= 4


@pytest.mark.long
@pytest.mark.timeout(3_000)
@pytest.mark.parametrize("site", [(6_000,)], indirect=True)
@pytest.mark.parametrize("kills", [100])
def test_a_hundred_kills_during_one_crawl(site, tmp_path, kills):
    assert kill_loop(site, tmp_path / "crawl", 6_000, kills=kills, seed=2) >= kills // 2


@pytest.mark.long
@pytest.mark.timeout(6_000)
@pytest.mark.parametrize("site", [(20_000,)], indirect=True)
def test_five_hundred_kills(site, tmp_path):
    assert kill_loop(site, tmp_path / "crawl", 20_000, kills=500, seed=3) >= 250


def polite(site: Site, folder: Path, hosts: int, pages: int, delay: float) -> None:
    """Crawl hosts with a Crawl-delay, kill in the middle, go on; no two requests of one host are closer than they ask."""
    seeds = [f"http://127.0.0.{n}:{site.port}/p/0" for n in range(1, hosts + 1)]
    command = [*seeds, "-o", str(folder), "--min-free", "0"]
    process = start(command)
    site.wait(hosts * pages // 2, process, 60)
    process.send_signal(signal.SIGKILL)
    finish(process)
    half = len(site.log)
    code, errors = finish(start(command))
    assert code == 0, errors
    assert half < len(site.log)
    gaps = oracle.gaps(site.log)
    assert hosts == len(gaps)
    assert min(min(each) for each in gaps.values()) >= delay
    halfway = [line.split()[1] for line in site.log[:half]]
    counts = [halfway.count(host) for host in gaps]
    assert max(counts) - min(counts) <= 2, "some hosts got ahead of others"


@pytest.mark.parametrize("site", [(5, 12, 0.3)], indirect=True)
def test_a_crawl_delay_holds_across_a_kill(site, tmp_path):
    polite(site, tmp_path / "crawl", hosts=12, pages=5, delay=0.3)


@pytest.mark.long
@pytest.mark.timeout(600)
@pytest.mark.parametrize("site", [(30, 50, 0.5)], indirect=True)
def test_fifty_hosts_with_a_crawl_delay_progress_evenly_across_a_kill(site, tmp_path):
    polite(site, tmp_path / "crawl", hosts=50, pages=30, delay=0.5)


@pytest.mark.parametrize(("signum", "code"), [
    (signal.SIGINT, 130), (signal.SIGTERM, 143), pytest.param(signal.SIGHUP, 129, marks=pytest.mark.long),
])  # fmt: skip
@pytest.mark.parametrize("site", [(600,)], indirect=True)
def test_a_signal_stops_and_the_same_command_goes_on_without_repeating_anything(site, tmp_path, signum, code):
    folder = tmp_path / "crawl"
    command = [f"http://127.0.0.1:{site.port}/p/0", "-o", str(folder), "--delay", "0", "--min-free", "0"]
    process = start(command)
    site.wait(100, process, 60)
    process.send_signal(signum)
    ended, errors = finish(process)
    assert code == ended, errors
    judge = oracle.Oracle(folder, site.port, 600)
    judge.check()
    ended, errors = finish(start(command))
    assert ended == 0, errors
    judge.check()
    assert 600 == len(judge.stored)
    assert 0 == oracle.repeats(site.log)


@pytest.mark.parametrize("site", [(600,)], indirect=True)
def test_a_page_limit_is_exact_and_nothing_is_asked_beyond_it(site, tmp_path):
    folder = tmp_path / "crawl"
    command = [f"http://127.0.0.1:{site.port}/p/0", "-o", str(folder), "--delay", "0", "--min-free", "0"]
    code, errors = finish(start([*command, "-n", "250"]))
    assert code == 0, errors
    assert 250 == sum("/p/" in line for line in site.log)
    judge = oracle.Oracle(folder, site.port, 600)
    judge.check()
    assert 250 == len(judge.stored)
    assert 0 == finish(start([*command, "-n", "400"]))[0]
    judge.check()
    assert (400, 400) == (len(judge.stored), sum("/p/" in line for line in site.log))


def recrawl_loop(site: Site, folder, pages: int, kills: int, seed: int) -> int:
    """Crawl, let the site change, and kill its recrawl *kills* times; return how many kills hit it."""
    chance = random.Random(seed)
    command = [f"http://127.0.0.1:{site.port}/p/0", "-o", str(folder), "--delay", "0", "--min-free", "0"]
    code, errors = finish(start(command))
    assert code == 0, errors
    judge = oracle.Oracle(folder, site.port, pages)
    judge.check()
    before = judge.stored
    with pytest.raises(urllib.error.HTTPError):     # it has changed, and has no such page
        urllib.request.urlopen(f"http://127.0.0.1:{site.port}/version/2")
    judge.versions, asked, hits = (1, 2), len(site.log), 0
    for _ in range(kills):
        process = start([*command, "--recrawl", "0s"])
        site.wait(len(site.log) + chance.choice([1, 10, 30, 60]), process, 10)
        process.send_signal(signal.SIGKILL)
        hits += finish(process)[0] == -signal.SIGKILL
        judge.check()
    code, errors = finish(start([*command, "--recrawl", "0s"]))
    assert code == 0, errors
    judge.check()
    counts = Counter(line.split(" ", 1)[1] for line in site.log[asked:] if "/p/" in line)
    assert len(before) == len(counts), "everything is asked again"
    assert sum(counts.values()) - len(counts) <= hits * BOUND
    judge.versions = (2,)
    assert {url for url in before if not oracle.site.is_gone(int(url.rpartition("/")[2]), 2)} == judge.stored
    with closing(sqlite3.connect(folder / "crawl.db")) as db:
        assert [] == db.execute("SELECT 1 FROM meta WHERE key = 'recrawl'").fetchall()
        for url, file in db.execute("SELECT url, file FROM pages"):
            assert oracle.site.body("127.0.0.1", int(url.rpartition("/")[2]), pages, 2) == (folder / file).read_bytes()
    return hits


@pytest.mark.parametrize("site", [(150,)], indirect=True)
def test_a_recrawl_killed_at_random_instants_loses_nothing_and_asks_nothing_twice(site, tmp_path):
    assert recrawl_loop(site, tmp_path / "crawl", 150, kills=3, seed=1) >= 2


@pytest.mark.long
@pytest.mark.timeout(3_000)
@pytest.mark.parametrize("site", [(3_000,)], indirect=True)
def test_a_hundred_kills_during_one_recrawl(site, tmp_path):
    assert recrawl_loop(site, tmp_path / "crawl", 3_000, kills=100, seed=2) >= 50
