"""What `status` tells of a crawl that took place, and of one that goes on."""

import json

import msgspec
import pytest

from crawler.cli import status as told
from crawler.cli.main import main
from crawler.folder import Holder
from crawler.query.status import HostStatus, RunStatus, Status


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


def test_status_tells_a_run_that_goes_on_from_one_that_was_killed():
    host = HostStatus("h.example", 40, 0, 2, 1, 0.5, 110.0, "answered 503", None)
    run = RunStatus(1, 90.0, None, None, "1.0", 200, 10)
    status = Status("o/crawl.db", {"queued": 40, "done": 2}, 2, 1, 1, 0, run, Holder(7, "m", 90.0), (host,), 4096)

    assert "o: running for 10 s in process 7" == told.status_lines(status, 100.0)[0]
    killed = msgspec.structs.replace(status, holder=None)
    assert "o: the last run was killed; the same command goes on" == told.status_lines(killed, 100.0)[0]
    assert "  h.example      40     2       1  0.5 s  answered 503, next in 0:10" == told.status_lines(status, 100.0)[-1]
