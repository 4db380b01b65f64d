"""What it costs to have a crawl in the browser: the same crawl with nobody watching, with a tab that reads, and with one that stalls.

The ways take turns. Told are pages a second, and milliseconds of processor time a page: of the crawl with its parsers, and of the
process that serves the pages.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import resource
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import aiohttp

from bench.running import ROOT
from bench.table import table

WAYS = ("without", "open", "stalled")
UPGRADE = (
    "GET /api/live/socket HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n\r\n"
)
TICKS = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """What one crawl came to."""

    pages: int
    seconds: float
    crawl: float
    """Seconds of processor time, parsers included."""
    dashboard: float
    looks: int


async def crawl(url: str, folder: Path, way: str) -> Cost:
    """Crawl once."""
    words = ["crawl", url, "-o", str(folder), "--delay", "0", "--progress", "off", "--no-config"]
    if way != "without":
        words += ["--listen", "127.0.0.1:0"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "crawler", *words, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE
    )
    used, looks, watching = [0.0], [0], []
    said = ""
    while line := (await process.stderr.readline()).decode():
        said += line
        if match := re.search(r"http://(127\.0\.0\.1:\d+)/#token", line):
            watching = [asyncio.create_task(_watch(match[1], way, looks)), asyncio.create_task(_measure(process.pid, used))]
    await process.wait()
    seconds = time.monotonic() - began
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    both = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = re.search(r"([\d,]+) pages", said)
    if found is None:
        raise SystemExit(f"the crawl said:\n{said}")
    return Cost(int(found[1].replace(",", "")), seconds, both - used[0], used[0], looks[0])


async def _watch(host: str, way: str, looks: list[int]) -> None:
    if way == "stalled":
        for _ in range(100):
            try:
                _, writer = await asyncio.open_connection(*host.split(":"), limit=1)
                break
            except OSError:
                await asyncio.sleep(0.1)
        writer.transport.pause_reading()
        writer.write(UPGRADE.format(host=host).encode())
        await asyncio.Event().wait()
    async with aiohttp.ClientSession() as session:
        await session.get(f"http://{host}/")
        async with session.ws_connect(f"http://{host}/api/live/socket") as socket:
            async for _ in socket:
                looks[0] += 1


async def _measure(parent: int, used: list[float]) -> None:
    """Keep an eye on the processor time of the dashboard."""
    while True:
        used[0] = await asyncio.to_thread(_used, parent) or used[0]
        await asyncio.sleep(0.25)


def _used(parent: int) -> float | None:
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if b"crawler.dashboard.child" in (entry / "cmdline").read_bytes():
                fields = (entry / "stat").read_text().rpartition(") ")[2].split()
                if int(fields[1]) == parent:
                    return (int(fields[11]) + int(fields[12])) / TICKS
        except OSError:
            continue
    return None


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.dashboard", description=__doc__)
    parser.add_argument("url", help="where to begin; a site of this machine that answers at once")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--markdown", action="store_true", help="print the table for a page")
    options = parser.parse_args()
    costs: dict[str, list[Cost]] = {way: [] for way in WAYS}
    place = Path(tempfile.mkdtemp(prefix="bench-dashboard-"))
    try:
        for number in range(options.runs):
            for way in WAYS:
                cost = asyncio.run(crawl(options.url, place / f"{way}-{number}", way))
                costs[way].append(cost)
                print(f"{way:8} {cost.pages} pages, {cost.seconds:.1f} s, {cost.crawl:.2f} s + {cost.dashboard:.2f} s", file=sys.stderr)
    finally:
        shutil.rmtree(place, ignore_errors=True)
    rows = []
    for way, runs in costs.items():
        ours = statistics.median(1000 * run.crawl / run.pages for run in runs)
        theirs = statistics.median(1000 * run.dashboard / run.pages for run in runs)
        rate = statistics.median(run.pages / run.seconds for run in runs)
        rows.append((way, f"{rate:,.0f}", f"{ours:.3f}", f"{theirs:.3f}", str(statistics.median(run.looks for run in runs))))
    print(table(("tab", "pages/s", "crawl ms/page", "dashboard ms/page", "looks"), rows, markdown=options.markdown))


if __name__ == "__main__":
    main()
