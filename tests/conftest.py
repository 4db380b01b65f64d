"""What every test shares: nothing of ours may block the event loop, and a few makers of values."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

from crawler.cli.main import main
from crawler.core import urls
from crawler.core.model import Kind, Request
from crawler.parsing.harvest import Harvester

SHARED = Path(__file__).resolve().parents[1].parent / "shared"

# Once at the start or the end of a run, before anything is fetched or after everything is: these may wait for the disk.
# aiohttp and aiosqlite do their own waiting elsewhere (sockets that do not block, a thread of SQLite's).
ALLOWED = (
    ("crawler/archive/files.py", {"open", "forget", "close"}),
    ("crawler/archive/syncing.py", {"__init__"}),
    ("crawler/folder.py", {"held", "is_held"}),
    ("crawler/frontier/opening.py", {"open_writer", "open_reader", "_create"}),
    ("crawler/core/urls.py", {"_suffixes"}),
    ("crawler/parsing/pool.py", {"open", "_start", "start"}),
    ("importlib/__init__.py", {"import_module"}),
    ("<frozen importlib._bootstrap>", {"_find_and_load"}),
    ("aiohttp/client.py", {"__init__"}),
    ("aiosqlite/core.py", {"_execute", "_connect"}),
)


def pytest_configure() -> None:
    """Keep pytest-asyncio from making a loop that nobody closes: where none is set, asyncio.get_event_loop makes one."""
    asyncio.set_event_loop(None)


def _allow(buster: BlockBuster) -> None:
    for function in buster.functions.values():
        for file, names in ALLOWED:
            function.can_block_in(file, names)


@pytest.fixture(autouse=True)
def _nothing_blocks_the_loop(request: pytest.FixtureRequest) -> Iterator[None]:
    """Raise where code of ours blocks inside an async test of the shells."""
    watched = request.node.get_closest_marker("asyncio") is not None
    with contextlib.ExitStack() as stack:
        if watched:
            _allow(stack.enter_context(blockbuster_ctx("crawler")))
        yield


class ParserHere:
    """Reads pages where it is: starting a process for each of hundreds of crawls is what tests would spend their time with."""

    def __init__(self, **_: object) -> None: ...

    def configure(self, config) -> None:
        self.harvester = Harvester(config)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def parse(self, page):
        await asyncio.sleep(0)
        return self.harvester.harvest(page)


@pytest.fixture(scope="session")
def parser_class():
    """Stands in for the pool of parser processes; for fixtures that outlive a test, which patch it themselves."""
    return ParserHere


@pytest.fixture
def parser_here(monkeypatch) -> None:
    """Read pages in this process instead of in parser processes."""
    monkeypatch.setattr("crawler.engine.crawler.ParserPool", ParserHere)
    monkeypatch.setattr("crawler.engine.onepage.ParserPool", ParserHere)


@pytest.fixture(scope="session")
def demo_crawl(tmp_path_factory):
    """A crawl of a part of the demo site, for all tests of this process: who changes something copies it first."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    assert main(["demo", "-o", str(folder), "-n", "60", "-q"]) == 0
    return folder


HOSTILE = """'"><script>document.title="hit"</script><img/src=x/onerror='document.title="hit"'>{{7*7}}"""
"""Without a space, so that it is part of a link where it is part of a URL."""


@pytest.fixture(scope="session")
def hostile_text():
    return HOSTILE


@pytest.fixture(scope="session")
def hostile_crawl(demo_crawl, tmp_path_factory):
    """A crawl whose every text wants to be markup."""
    folder = Path(shutil.copytree(demo_crawl, tmp_path_factory.mktemp("hostile") / "crawl <b>"))
    with contextlib.closing(sqlite3.connect(folder / "crawl.db", isolation_level=None)) as db:
        for table, column in (("url", "path"), ("url", "rule"), ("fetch", "detail"), ("fetch", "mime"), ("fetch", "lang"), ("fetch", "title"),
                              ("host", "name"), ("origin", "origin"), ("run", "argv"), ("run", "version"), ("seed", "url")):
            db.execute(f"UPDATE {table} SET {column} = coalesce({column}, '') || ? || rowid" if table != "seed"
                       else "UPDATE seed SET url = url || ?", (HOSTILE,))
        db.execute("UPDATE origin SET origin = 'javascript:document.title=1;//' || origin_id WHERE origin_id % 2")
        db.execute("UPDATE run SET config = json_object(?, ?)", (HOSTILE, HOSTILE))
        db.execute("UPDATE url SET state = 3, reason = 'robots' WHERE url_id > 60")
    return folder


@pytest.fixture
def make_request():
    """Return a maker of requests: everything that is not said is as plain as can be."""

    def make(url: str = "http://host.test/page", kind: Kind = Kind.A, depth: int = 1, **more) -> Request:
        url = urls.spell(url)
        origin = urls.split(url)[0]
        priority = more.pop("priority", depth)
        return Request(url, origin, more.pop("host", urls.host_of(origin)), kind, depth, priority, **more)

    return make
