"""The crawler, as it is called, over the whole zoo at once: every rule of the oracle holds, and an honest host does not suffer."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from . import oracle
from .animal import ANIMALS, DENIED
from .server import PKI, zoo_in_a_thread
from .text import HOSTILE_TITLE

BYSTANDER = 200
FLAGS = (
    "--delay", "0", "--tries", "1", "--timeout", "3s", "--connect-timeout", "1s", "--dns-timeout", "1s", "--header-timeout", "2s", "--read-timeout", "1s",
    "--max-size", "8M", "--max-rest", "5s", "--min-free", "0", "--deny-net", DENIED, "--allow-net", "127.44.0.0/16", "--allow-net", "127.46.0.0/16", "--no-config", "--progress", "plain",
    "--max-alike", "50",
)  # fmt: skip
TOP = Path(__file__).parents[2]
LESS_SPEED = 0.9
LONGEST = 180.0
OPEN_AT_ONCE = 512


class Ran:
    """A crawl that is over: how it ended, what it printed, what it held, and how long it took."""

    def __init__(self, *words: str, **environment: str) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CRAWLER_")}
        command = [sys.executable, "-W", "always::ResourceWarning", "-W", "always::RuntimeWarning", "-m", "crawler", *words]
        started = time.monotonic()
        with subprocess.Popen(command, cwd=TOP, env=clean | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            self.watched = oracle.Watched(process)
            try:
                self.out, self.err = process.communicate(timeout=LONGEST)
            except BaseException:
                process.kill()
                raise
            finally:
                self.watched.stop()
            self.code = process.returncode
        self.seconds = time.monotonic() - started


def crawl(folder: Path, *words: str, **environment: str) -> Ran:
    return Ran("crawl", *FLAGS, "-o", str(folder), *words, **environment)


def seeds_of(cages, file: Path) -> str:
    """Write a seed file of animals; what an animal is to be met with stands behind its seeds."""
    lines = [" ".join([seed, *(f"{name}={value}" for name, value in cage.animal.options.items())]) for cage in cages for seed in cage.seeds]
    file.write_text("\n".join(lines) + "\n")
    return str(file)


def pages_a_second(cage) -> float:
    moments = [one.moment for one in cage.heard if one.path != "/robots.txt"]
    return (len(moments) - 1) / (moments[-1] - moments[0])


def judge(zoo, folder: Path, ran: Ran) -> None:
    """U1 to U5 and U8 to U11 over a crawl of everything."""
    seen = oracle.Seen(folder)
    assert 7 == ran.code, ran.err.decode()[-4000:]
    everybody = [cage for cage in zoo.cages.values() if not cage.animal.alone]
    wrong = []
    for cage in everybody:
        try:
            oracle.check_outcomes(cage, seen, crowd=True)
        except AssertionError as error:
            wrong.append(str(error))
    assert not wrong, "\n".join(wrong)
    assert {word.split()[0] for word in seen.words.values()} <= {"done", "failed", "excluded", "parked"}
    oracle.check_bodies(everybody, seen)
    oracle.check_files(folder)
    oracle.check_output(ran.out, ran.err)
    assert ran.watched.memory < oracle.MOST_MEMORY
    assert ran.watched.child_memory < oracle.MOST_MEMORY
    assert ran.watched.files < OPEN_AT_ONCE
    assert [] == zoo.canary
    zoo.cages[BYSTANDER].animal.check(zoo.cages[BYSTANDER], seen)


def test_the_whole_zoo_at_once_is_crawled_to_its_end_and_every_rule_holds(tmp_path):
    with zoo_in_a_thread() as zoo:
        ran = crawl(tmp_path / "out", seeds_of(zoo.cages.values(), tmp_path / "zoo.txt"))
        judge(zoo, tmp_path / "out", ran)


def test_nobody_but_its_owner_may_look_into_the_folder_of_a_crawl(zoo, tmp_path):
    crawl(tmp_path / "out", zoo.cages[41].url())
    assert [] == oracle.open_to_others(tmp_path / "out")


def test_programs_get_the_exact_words_and_spreadsheets_no_formula(zoo, tmp_path):
    """JSON and CSV hold a hostile title as it is; only --excel-safe changes what begins like a formula."""
    cage = zoo.cages[41]
    crawl(tmp_path / "out", cage.seeds[0])
    [title] = map(json.loads, Ran("query", "SELECT title FROM pages", "--json", "-o", str(tmp_path / "out")).out.splitlines())
    assert {"title": HOSTILE_TITLE} == title
    formula = "SELECT '=cmd()' AS a, title FROM pages"
    assert Ran("query", formula, "--csv", "-o", str(tmp_path / "out")).out.splitlines()[1].startswith(b"=cmd(),")
    assert Ran("query", formula, "--csv", "--excel-safe", "-o", str(tmp_path / "out")).out.splitlines()[1].startswith(b"\"'=cmd()\",")


OPENED_TWICE = """
import asyncio, os, pathlib, sys
from crawler.core.scope import Options
from crawler.core.seeds import Seed
from crawler.core.settings import Settings
from crawler.engine import Crawler
async def main():
    for number in range(2):
        seeds = [Seed(url, Options(), "zoo", line) for line, url in enumerate(sys.argv[2:], 1)]
        settings = Settings(delay=0, tries=1, timeout=1, header_timeout=0.5, read_timeout=0.5, min_free=0, parsers=1, max_size=1 << 20)
        await Crawler(settings, output=pathlib.Path(sys.argv[1]) / str(number), seeds=seeds).run()
        await asyncio.sleep(0)
        print(len(os.listdir("/proc/self/fd")))
asyncio.run(main())
"""


def test_no_descriptor_is_left_open_by_those_who_break_off(zoo, tmp_path):
    """Two crawls in one process: the second leaves as many open as the first."""
    seeds = [zoo.cages[number].seeds[0] for number in (2, 4, 6, 7, 8, 11, 12, 25, 31, 36, 38, 39, 105, 110)]
    command = [sys.executable, "-c", OPENED_TWICE, str(tmp_path), *seeds]
    counts = subprocess.run(command, cwd=TOP, capture_output=True, check=True, text=True, timeout=60).stdout.split()
    assert 2 == len(counts)
    assert 1 == len(set(counts)), counts


@pytest.mark.parametrize("number", [41, *(pytest.param(number, marks=pytest.mark.long) for number in (42, 127, 130))])
def test_hostile_words_reach_no_terminal(zoo, tmp_path, number):
    """The verbose crawl, and what is asked of it afterwards, hold no byte that acts on a terminal."""
    folder = tmp_path / "out"
    cage = zoo.cages[number]
    ran = crawl(folder, *cage.seeds, "-vv")
    oracle.check_output(ran.out, ran.err)
    for words in (("status",), ("query", "errors", "--table"), ("query", "pages", "--table"), *(("explain", seed) for seed in cage.seeds[-2:])):
        told = Ran(*words, "-o", str(folder))
        assert told.out
        oracle.check_output(told.out, told.err)
    log = (folder / "crawl.log").read_text()
    assert oracle.ESCAPES.search(log) is None


@pytest.mark.parametrize(("number", "why"), [(63, "expired"), (133, "mismatch|doesn't match|not valid for"), (134, "self.signed")])
def test_a_bad_certificate_is_named_for_what_is_wrong_with_it(zoo, tmp_path, number, why):
    """An authority that signs all but one of them is trusted for the time of the test."""
    cage = zoo.cages[number]
    ran = crawl(tmp_path / "out", *cage.seeds, "--no-robots", SSL_CERT_FILE=str(PKI / "ca.pem"))
    assert 3 == ran.code
    [(fault, detail)] = [(word, seen.details[url]) for seen in [oracle.Seen(tmp_path / "out")] for url, word in seen.words.items()]
    assert "failed tls" == fault
    assert re.search(why, detail), detail


@pytest.mark.parametrize("number", [16, 25, 36, 39])
def test_a_crawl_that_could_fetch_nothing_says_so_by_its_exit_code(zoo, tmp_path, number):
    assert (ANIMALS[number].exit_code, 3) == (crawl(tmp_path / "out", seeds_of([zoo.cages[number]], tmp_path / "seeds.txt")).code, 3)


@pytest.mark.long
def test_a_bystander_keeps_nine_tenths_of_its_speed_beside_the_zoo(tmp_path):
    """The same pages at the same pace, twice the fastest that is the default: first alone and then among everybody."""
    pace = ("--delay", "0.1", "--per-host", "2")
    with zoo_in_a_thread([ANIMALS[BYSTANDER]]) as alone:
        crawl(tmp_path / "solo", alone.cages[BYSTANDER].seeds[0], *pace)
        solo = pages_a_second(alone.cages[BYSTANDER])
    with zoo_in_a_thread() as zoo:
        ran = crawl(tmp_path / "crowd", seeds_of(zoo.cages.values(), tmp_path / "zoo.txt"), *pace)
        crowd, gap = pages_a_second(zoo.cages[BYSTANDER]), max(zoo.cages[BYSTANDER].gaps())
    assert ran.seconds < LONGEST
    assert crowd >= LESS_SPEED * solo, f"{solo:.1f} pages/s alone, {crowd:.1f} beside the zoo; longest gap {gap:.2f} s"
    judge(zoo, tmp_path / "crowd", ran)
