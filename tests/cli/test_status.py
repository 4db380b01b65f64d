"""What `status` tells of a crawl that took place, and of one that goes on."""

import json
import re
import sqlite3
from contextlib import closing

import msgspec
import pytest

from crawler.cli import status as told
from crawler.cli.main import main
from crawler.cli.terminal import Voice
from crawler.core.forecast import Eta, Growth, NoEta, Queue, Rates, Trend, Until
from crawler.folder import Holder, held
from crawler.query import standing
from crawler.query.hosts import HostStatus, Waiting
from crawler.query.status import RunStatus, Status


@pytest.fixture(scope="module")
def crawled(tmp_path_factory):
    """Crawl a part of the demo site."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    assert main(["demo", "-o", str(folder), "-n", "25", "-q"]) == 0
    return folder


@pytest.fixture
def asked(called, crawled):
    """Ask something about it."""
    return lambda *argv: called(*argv, "-o", crawled)


def test_status_says_how_far_it_is(asked, crawled):
    code, out, _ = asked("status")

    assert 0 == code
    assert out.startswith(f"{crawled}: stopped at a limit, ")
    assert "  pages    25\n" in out
    assert "127.0.0.1" in out
    assert 25 == json.loads(asked("status", "--json")[1])["pages"]


def a_status(**more):
    """Return a status of a crawl that runs."""
    host = HostStatus("h.example", 40, 0, 2, 1, 0.5, 110.0, "answered 503", None, gap=0.5, answers_per_second=1.5, at_least=29.5)
    run = RunStatus(1, 90.0, None, None, "1.0", 200, 10)
    status = Status("o/crawl.db", {"queued": 40, "done": 2}, 2, 1, 1, 0, run, Holder(7, "m", 90.0), (host,), 4096)
    return msgspec.structs.replace(status, **more)


def words_of(status: Status, label: str) -> str:
    """Return what stands behind a label."""
    return next((line.split(maxsplit=1)[1] for line in standing.lines(status, 100.0) if line.split()[:1] == [label]), "")


def test_status_tells_a_run_that_goes_on_from_one_that_was_killed():
    status = a_status()

    assert "o: running for 10 s in process 7" == standing.lines(status, 100.0)[0]
    assert "  host       queued  done  failed  every  speed  at least" == standing.lines(status, 100.0)[-2]
    assert "  h.example      40     2       1  0.5 s  1.5/s      30 s  answered 503, next in 0:10" == standing.lines(status, 100.0)[-1]
    killed = a_status(holder=None)
    assert "o: the last run was killed; the same command goes on" == standing.lines(killed, 100.0)[0]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"failure": "disk full\n", "holder": None}, "the last run failed: disk full\\n; the same command goes on"),
        ({"paused": True}, "paused, running for 10 s in process 7"),
        ({"network_down": 40.0}, "running for 10 s in process 7; the network is down for 1 min 00 s"),
        ({"run": None}, "no run yet"),
        ({"run": RunStatus(1, 0.0, 40.0, "limit", "1", 1, 1), "holder": None}, "stopped at a limit, 1 min 00 s ago"),
    ],
)
def test_how_a_run_is_going_or_went(more, said):
    assert said == standing.run_words(a_status(**more), 100.0)


@pytest.mark.parametrize(
    ("eta", "more", "said"),
    [
        (Eta(100, 200, Until.END), {}, "in 1 min 40 s to 3 min 20 s"),
        (Eta(60, 60, Until.PAGES), {}, "in 1 min 00 s, by your limit of pages"),
        (Eta(100, None, Until.END), {}, "in 1 min 40 s at the earliest"),
        (NoEta("the frontier grows", 90), {}, "no estimate: the frontier grows; 1 min 30 s at least for what is known"),
        (NoEta("it is too early to say", 90), {"slowest": Queue("h.example", 10, 10.0)},
         "no estimate: it is too early to say; h.example alone takes 1 min 30 s at least (10 URLs, one every 10 s)"),
        (Eta(100, 200, Until.END), {"paused": True}, "no estimate while it is paused; before that in 1 min 40 s to 3 min 20 s"),
        (Eta(100, 200, Until.END), {"holder": None}, "if it goes on as before, in 1 min 40 s to 3 min 20 s"),
        (Eta(0, 0, Until.END), {"holder": None}, ""),
    ],
)
def test_the_end_is_told_as_far_as_anybody_can_know(eta, more, said):
    assert said == words_of(a_status(eta=eta, **more), "end")


def test_the_verdict_on_the_frontier_comes_with_its_numbers():
    said = "growing: 300 URLs waiting, 100 more than 5 min 00 s before (140 new for 40 answered)"

    assert said == words_of(a_status(frontier=Growth(Trend.GROWING, 300.0, 200, 300, 40, 140)), "frontier")


def test_speeds_are_those_of_the_last_minute_and_the_run():
    minute, whole = Rates(60.0, 41.0, 42.0, 2_100_000.0), Rates(900.0, 38.0, 39.0, None)

    assert "41/s pages, 2.1 MB/s in the last 1 min 00 s; 38/s pages over the run" == words_of(a_status(minute=minute, whole=whole), "speed")
    assert "38/s pages over the last run" == words_of(a_status(minute=minute, whole=whole, holder=None), "speed")


def test_who_waits_is_named_also_when_others_have_longer_queues():
    """And no name of a host steers the terminal."""
    parked = HostStatus("p\x1b.example", 3, 0, 0, 0, None, None, None, "robots.txt: timeout")
    status = a_status(parked_hosts=1, waiting=Waiting(2, 4, 1, (), (parked,)))

    assert "1 host rests, 4 URLs to be tried again, 1 host put off to the next run" == words_of(status, "waiting")
    assert "  p\\x1b.example  put off: robots.txt: timeout, 3 URLs" == standing.lines(status, 100.0)[-1]


# --- again and again ----------------------------------------------------------------------------------------------


class Shown:
    """A screen that remembers."""

    def __init__(self):
        self.seen = []
        self.closed = False

    def show(self, look):
        self.seen.append(look.line)

    def close(self):
        self.closed = True


def looks(*running):
    """Return what looks at a crawl that runs so and so often."""
    statuses = iter(a_status() if goes_on else a_status(holder=None) for goes_on in running)

    def look():
        status = next(statuses)
        return told.Look(status.running, tuple(standing.lines(status, 100.0)), standing.line(status, 100.0), status)

    return look


def test_watching_ends_when_the_crawl_ends_with_a_last_word():
    shown, said, pauses = Shown(), [], []
    code = told.watch(looks(True, True, False), shown, 5.0, say=said.append, pause=pauses.append)

    assert (0, 3, True, [5.0, 5.0]) == (code, len(shown.seen), shown.closed, pauses)
    assert ["Nobody crawls: the last run was killed; the same command goes on."] == said


def test_whatever_ends_watching_leaves_the_terminal_in_order():
    shown = Shown()

    def interrupted(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        told.watch(looks(True), shown, 5.0, say=str, pause=interrupted)
    assert shown.closed


def test_a_pipe_gets_a_line_each_time(asked):
    """Nobody crawls here, so one is enough."""
    code, out, err = asked("status", "--watch")

    assert (0, 1) == (code, out.count("\n"))
    assert out.startswith("stopped at a limit, ")
    assert " ago · 25 pages · " in out
    assert err.startswith("Nobody crawls: stopped at a limit, ")
    assert 25 == json.loads(asked("status", "--watch", "1", "--json")[1])["pages"]


def test_ctrl_c_ends_watching_quietly(asked, crawled, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(told.watch, "__kwdefaults__", {"pause": interrupted})
    with held(crawled):
        code, out, err = asked("status", "--watch")

    assert (130, 1, "") == (code, out.count("\n"), err)


def test_a_terminal_is_drawn_in_one_go_and_within_its_bounds(crawled, capfd, monkeypatch):
    """What is longer than the terminal is cut, so that no drawing scrolls; the cursor is given back."""
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("LINES", "5")
    drawn = told.Redrawn(Voice())
    found = told.look_at(crawled)
    drawn.show(found)
    drawn.show(found)
    drawn.close()
    out = capfd.readouterr().out
    plain = [re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", line) for line in re.split(r"[\r\n]+", out)]

    assert max(map(len, plain)) < 40
    assert 2 <= sum("pages    25" in line for line in plain)
    assert out.rstrip("\n").endswith("\x1b[?25h")


@pytest.mark.parametrize("seconds", ["0", "nan", "inf"])
def test_watching_without_a_pause_is_refused(asked, seconds):
    code, _, err = asked("status", f"--watch={seconds}")

    assert 2 == code
    assert "--watch must be 0.1 seconds or more" in err


def test_one_host_is_told_in_detail(asked, crawled):
    with closing(sqlite3.connect(crawled / "crawl.db")) as db:
        [[name]] = db.execute("SELECT host FROM hosts ORDER BY done DESC LIMIT 1")
    code, out, _ = asked("status", "--host", name.upper())

    assert 0 == code
    assert out.startswith(f"{name}: nobody crawls\n")
    assert re.search(r"^  robots   http://127\.\d\.\d\.\d:\d+: status 200, ", out, re.MULTILINE)
    assert name == json.loads(asked("status", "--host", name, "--json")[1])["host"]["host"]
    assert asked("status", "--host", name, "--watch")[1].startswith(f"{name} (nobody crawls) · ")
    code, _, err = asked("status", "--host", "nowhere.example")
    assert (1, "error: the crawl has never met the host nowhere.example") == (code, err.splitlines()[0])
