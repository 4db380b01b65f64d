"""The network goes away in mid-crawl, for real: the loopback of a network namespace is taken down and put up again."""

from __future__ import annotations

import functools
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
SCENE = Path(__file__).with_name("scene.py")
PAGES = 61


@functools.cache
def missing() -> str | None:
    """Return what keeps this machine from making network namespaces, None when nothing does."""
    if not (shutil.which("unshare") and shutil.which("ip")):
        return "the commands unshare and ip are not here"
    tried = subprocess.run(["unshare", "-n", "ip", "link", "set", "lo", "up"], capture_output=True, text=True, check=False)
    return None if tried.returncode == 0 else f"no network namespaces for us: {tried.stderr.strip()}"


pytestmark = pytest.mark.skipif(missing() is not None, reason=f"network namespaces: {missing()}")


def play(folder: Path, hosts: int, up: float, down: float, *options: str) -> dict[str, object]:
    words = ["unshare", "-n", sys.executable, str(SCENE), str(folder), str(hosts), str(up), str(down), *options]
    ran = subprocess.run(words, cwd=TOP, env=os.environ | {"PYTHONPATH": str(TOP)}, capture_output=True, text=True, timeout=200, check=False)
    assert 0 == ran.returncode, ran.stderr
    return json.loads(ran.stdout)


def query(folder: Path, sql: str) -> list[tuple[object, ...]]:
    db = sqlite3.connect(f"file:{folder / 'crawl.db'}?mode=ro", uri=True)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def fates(folder: Path) -> list[tuple[object, ...]]:
    return query(folder, "SELECT state, tries, count(*) FROM urls WHERE seen_as <> 'robots' GROUP BY 1, 2")


def test_the_network_goes_away_and_comes_back_and_no_url_has_lost_an_attempt(tmp_path):
    patience = ("--connect-timeout", "1s", "--header-timeout", "1s", "--read-timeout", "1s")
    told = play(tmp_path / "crawl", 8, 2.0, 7.0, *patience)

    assert (0, ["network_down", "network_up"]) == (told["code"], told["events"]), told["err"]
    assert "the network is down for" in told["status"]
    assert [("done", 1, 8 * PAGES)] == fates(tmp_path / "crawl")
    assert [(0,)] == query(tmp_path / "crawl", "SELECT count(*) FROM fetch WHERE fault IS NOT NULL")


@pytest.mark.long
def test_half_a_minute_without_network_fails_nothing(tmp_path):
    told = play(tmp_path / "crawl", 8, 3.0, 30.0)

    assert (0, ["network_down", "network_up"]) == (told["code"], told["events"]), told["err"]
    assert [("done", 1, 8 * PAGES)] == fates(tmp_path / "crawl")


@pytest.mark.long
def test_half_a_minute_without_the_only_host_fails_nothing(tmp_path):
    """One host alone cannot be told from the network; its breaker and its tries are enough."""
    told = play(tmp_path / "crawl", 1, 3.0, 30.0)

    assert 0 == told["code"], told["err"]
    assert PAGES == sum(count for state, _, count in fates(tmp_path / "crawl") if state == "done")
    assert [] == [row for row in fates(tmp_path / "crawl") if row[0] != "done"]
