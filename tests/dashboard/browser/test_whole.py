"""As a new user has it: a crawl with --serve, its page opened as the terminal shows it, watched, stopped, and looked at afterwards."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from .conftest import Endless, site
from .test_live import LOST, new_pages

pytestmark = pytest.mark.asyncio(loop_scope="package")


class Command:
    """A command that runs, and the address of the pages that it serves."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self.url = url
        self.port = urlsplit(url).port


@asynccontextmanager
async def command(*words: str):
    """Run a command that serves pages, for the length of the block at most."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "crawler", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT)
    said = ""
    try:
        async with asyncio.timeout(30):
            while (found := re.search(r"http://\S+#token=\S+", said)) is None:
                line = await process.stdout.readline()
                assert line, said
                said += line.decode()
        rest = asyncio.create_task(process.stdout.read())       # so that it can go on talking
        yield Command(process, found[0])
        await rest
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.long
async def test_a_crawl_is_watched_stopped_and_looked_at_afterwards(page, tmp_path):
    page.forgiven = ("net::ERR_", "WebSocket", "403")
    folder = str(tmp_path / "crawl")
    async with site(Endless().answer) as port, command("crawl", f"http://127.0.0.1:{port}/", "-o", folder, "--delay", "50ms", "--serve", "--listen", "0") as crawl:
        await page.go(crawl.url)
        await page.until("document.querySelector('#pause:not(:disabled)')")
        await new_pages(page)
        await (await page.find("button", "Stop…")).click()
        await (await page.find("button", "Stop")).click()
        await page.shows("The dashboard has ended")
        assert 143 == await crawl.process.wait()
    assert "tries again by itself" in await page.js(LOST)

    async with command("serve", folder, "--listen", str(crawl.port)) as again:
        await page.until(f"!({LOST})")
        await page.shows("To steer, open the address that the terminal shows.")
        assert await page.js("[...document.querySelectorAll('#pause, #stop')].every(each => each.disabled)")
        again.process.send_signal(signal.SIGKILL)
    await page.shows("No connection for")
