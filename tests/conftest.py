"""What every test shares: nothing of ours may block the event loop, and a few makers of values."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

from crawler.core import urls
from crawler.core.model import Kind, Request

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


@pytest.fixture
def make_request():
    """Return a maker of requests: everything that is not said is as plain as can be."""

    def make(url: str = "http://host.test/page", kind: Kind = Kind.A, depth: int = 1, **more) -> Request:
        url = urls.spell(url)
        origin = urls.split(url)[0]
        priority = more.pop("priority", depth)
        return Request(url, origin, more.pop("host", urls.host_of(origin)), kind, depth, priority, **more)

    return make
