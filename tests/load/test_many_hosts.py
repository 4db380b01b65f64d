"""Thousands of hosts at once: each is asked politely, slow ones do not hold up a quick one, and memory stays small."""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).resolve()
MOST = 300e6
"""Bytes that all processes of a crawl may have in memory, what they share counted once."""

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(600),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux answers at all of 127/8, and tells what a process has to itself"),
]


class Site:
    """The hosts in a process of their own; `log` grows."""

    def __init__(self, pages: int, seconds: float) -> None:
        words = [sys.executable, str(HERE.with_name("slow_hosts.py")), str(pages), str(seconds)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self._process.stdout.readline().split()[1])
        self.log: list[tuple[float, str, str]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self._process.stdout:
            moment, host, path = line.split()
            self.log.append((float(moment), host, path))

    def close(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(30)
        finally:
            self._process.kill()
            self._process.wait()
            self._reader.join()
            self._process.stdout.close()

    def moments(self, host: str) -> list[float]:
        """Return when the host's pages were asked for, its root and its robots.txt left out."""
        return [moment for moment, name, path in self.log if name == host and path.startswith("/p")]


@contextlib.contextmanager
def serving(pages: int, seconds: float) -> Iterator[Site]:
    site = Site(pages, seconds)
    try:
        yield site
    finally:
        site.close()


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text(encoding="ascii").split()]
    except OSError:
        return []
    return [pid, *itertools.chain.from_iterable(map(family, children))]


def memory(pid: int) -> int:
    """Return the bytes that a process and its descendants have in memory, what they share counted once."""
    total = 0
    for one in family(pid):
        with contextlib.suppress(OSError):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text(encoding="ascii").splitlines()
            total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def crawl(folder: Path, seeds: list[str], *options: str) -> tuple[int, int]:
    """Run a crawl; return its exit code and the most memory it had, asked for twice a second."""
    folder.mkdir()
    listed = folder / "seeds.txt"
    listed.write_text("\n".join(seeds), encoding="ascii")
    words = [str(listed), "-o", str(folder / "crawl"), "--no-config", "--min-free", "0", "-q", *options]
    process = subprocess.Popen(
        [sys.executable, "-m", "crawler", *words], cwd=HERE.parents[2], env={**os.environ, "CRAWLER_CONTACT": "tests"},
    )  # fmt: skip
    most = 0
    try:
        while True:
            most = max(most, memory(process.pid))
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(0.5), most
    finally:
        process.kill()
        process.wait()


def rate(moments: list[float]) -> float:
    return (len(moments) - 1) / (moments[-1] - moments[0])


def test_two_thousand_slow_hosts_leave_a_quick_one_its_pace(tmp_path):
    options = ["-c", "2500", "--delay", "0.02", "--per-host", "2"]
    slow = [f"127.1.{number // 200}.{number % 200 + 1}" for number in range(2_000)]
    with serving(300, 10) as site:
        assert 0 == crawl(tmp_path / "alone", [f"http://127.0.0.1:{site.port}/"], *options)[0]
        alone = site.moments("127.0.0.1")
        site.log.clear()
        seeds = [f"http://{host}:{site.port}/" for host in ("127.0.0.1", *slow)]
        code, most = crawl(tmp_path / "crowded", seeds, *options, "--depth", "1", "--max-time", "60s")
        crowded = site.moments("127.0.0.1")

    assert 0 == code        # the slow hosts need not be finished: time is up first
    assert (300, 300) == (len(alone), len(crowded))
    assert rate(crowded) >= 0.9 * rate(alone)
    assert most < MOST


def test_a_thousand_hosts_at_once_are_each_asked_at_their_own_pace(tmp_path):
    hosts = [f"127.2.{number // 200}.{number % 200 + 1}" for number in range(1_000)]
    with serving(2, 0) as site:
        code, most = crawl(tmp_path / "many", [f"http://{host}:{site.port}/" for host in hosts], "--delay", "1", "-c", "256")
        log = list(site.log)

    asked = defaultdict(list)
    for moment, host, path in log:
        asked[host].append((moment, path))
    gaps = [later[0] - sooner[0] for one in asked.values() for sooner, later in itertools.pairwise(one)]
    with contextlib.closing(sqlite3.connect(tmp_path / "many/crawl/crawl.db")) as database:
        states = dict(database.execute("SELECT state, count(*) FROM urls WHERE seen_as <> 'robots' GROUP BY state"))

    assert 0 == code
    assert {"done": 3_000} == states
    assert {("/robots.txt", "/", "/p0", "/p1")} == {tuple(path for _, path in one) for one in asked.values()}
    assert min(gaps) > 0.95
    assert most < MOST
