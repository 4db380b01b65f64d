"""What it costs to have a crawl in the browser: the same crawl with nobody watching, with a tab that reads, and with one that stalls.

A crawl with a tab and one without run side by side, each on a processor of its own, so that whatever else the machine does meets
both alike; they change places with every round, and are compared within it. Told are milliseconds of processor time a page: of the
crawl with its parsers, and of the process that serves the pages.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import aiohttp

from bench.running import ROOT
from bench.table import table

WAYS = ("open", "stalled")
UPGRADE = (
    "GET /api/live/socket HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n\r\n"
)
PINNED = """
import os, runpy, sys
os.sched_setaffinity(0, {int(sys.argv.pop(1))})
runpy.run_module("crawler", run_name="__main__", alter_sys=True)
"""
"""Runs the crawler on one processor, its own processes too."""
TICKS = os.sysconf("SC_CLK_TCK")


class Cost(NamedTuple):
    """What one crawl came to."""

    pages: int
    crawl: float
    """Milliseconds of processor time a page, parsers included."""
    dashboard: float
    looks: int


async def crawl(url: str, folder: Path, way: str, processor: int) -> Cost:
    """Crawl once, on one processor."""
    words = ["crawl", url, "-o", str(folder), "--delay", "0", "--progress", "off", "--no-config"]
    if way != "without":
        words += ["--listen", "127.0.0.1:0"]
    process = subprocess.Popen(  # noqa: ASYNC220 - it takes a moment, once; our own program
        [sys.executable, "-c", PINNED, str(processor), *words], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    used, looks, watching = [0.0], [0], []
    said = ""
    while line := await asyncio.to_thread(process.stderr.readline):
        said += line
        if match := re.search(r"http://(127\.0\.0\.1:\d+)/#token", line):
            watching = [asyncio.create_task(_watch(match[1], way, looks)), asyncio.create_task(_measure(process.pid, used))]
    _, status, usage = await asyncio.to_thread(os.wait4, process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stderr.close()
    for task in watching:
        task.cancel()
    await asyncio.gather(*watching, return_exceptions=True)
    found = re.search(r"([\d,]+) pages", said)
    if found is None:
        raise SystemExit(f"the crawl said:\n{said}")
    pages = int(found[1].replace(",", ""))
    whole = usage.ru_utime + usage.ru_stime     # of all that it has waited for, too
    return Cost(pages, 1000 * (whole - used[0]) / pages, 1000 * used[0] / pages, looks[0])


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


async def compare(url: str, place: Path, way: str, places: list[int]) -> tuple[Cost, Cost]:
    """Crawl without a tab and with one at once."""
    ways = ("without", way)
    without, with_ = await asyncio.gather(*(crawl(url, place / one, one, processor) for one, processor in zip(ways, places, strict=True)))
    return without, with_


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.dashboard", description=__doc__)
    parser.add_argument("url", help="where to begin; a site of this machine that answers at once")
    parser.add_argument("--rounds", type=int, default=6, help="an even number lets the places even out")
    parser.add_argument("--markdown", action="store_true", help="print the table for a page")
    options = parser.parse_args()
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) < 2:
        parser.error("two crawls side by side need two processors")
    found: dict[str, list[tuple[Cost, Cost]]] = {way: [] for way in WAYS}
    for number in range(options.rounds):
        for way in WAYS:
            places = processors[:2] if number % 2 else processors[1::-1]
            with tempfile.TemporaryDirectory(prefix="bench-dashboard-") as place:
                without, with_ = asyncio.run(compare(options.url, Path(place), way, places))
            found[way].append((without, with_))
            told = f"{without.crawl:.3f} without, {with_.crawl:.3f} + {with_.dashboard:.3f} {way}"
            print(f"round {number + 1}: {with_.pages} pages; ms/page {told}", file=sys.stderr)
    rows = []
    for way, pairs in found.items():
        ratios = sorted(100 * (with_.crawl / without.crawl - 1) for without, with_ in pairs)
        without, with_, served = (
            statistics.median(values)
            for values in zip(*((one.crawl, other.crawl, other.dashboard) for one, other in pairs), strict=True)
        )
        more = f"{statistics.mean(ratios):+.1f} % ({ratios[0]:+.1f} to {ratios[-1]:+.1f})"
        looks = round(statistics.median(with_.looks for _, with_ in pairs))
        rows.append((way, f"{without:.3f}", f"{with_:.3f}", more, f"{served:.3f}", str(looks)))
    print(table(("tab", "without, ms/page", "with, ms/page", "more", "dashboard, ms/page", "looks"), rows, markdown=options.markdown))


if __name__ == "__main__":
    main()
