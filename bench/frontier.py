"""What a large frontier costs: start, memory and speed with a million known URLs, against a small one.

Needs nothing but the crawler's command line. The large frontier is filled by crawling *hub* pages of a synthetic
site, each of which links to 5,000 pages that no other page names. Then the server is replaced by one that serves
ordinary pages under the same URLs (their new links lie beyond those already known), and the crawl is continued for
some thousand pages: once after a clean stop, once after a SIGKILL. A fresh crawl of the same kind of pages, of the
same number of pages, is the small frontier.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.compare import say
from bench.content import MOST_PAGES, path_of
from bench.measure import Cost, run
from bench.running import ROOT, Requests, Site, serving
from bench.table import figure, table

_HUB_LINKS = 5_000  # the crawler's default limit of distinct links per page
_HEAD = ("frontier", "known URLs", "db MB", "first request s", "pages/s", "CPU ms/page", "main peak MB", "tree peak MB")
_PATIENCE = 120.0  # seconds to wait for a first request


@dataclass(frozen=True, slots=True)
class Crawl:
    """A crawl in a folder, started and continued by its command line."""

    folder: Path
    seeds: Path
    options: argparse.Namespace

    def go_on(self, pages: int, during: Callable[[int], None] | None = None) -> Cost:
        """Crawl until *pages* are stored, those of earlier runs included."""
        places = ["-o", str(self.folder), "--delay", "0", "-c", str(self.options.concurrency), "--progress", "off"]
        command = [
            self.options.python,
            "-m",
            "crawler",
            str(self.seeds),
            *places,
            "-n",
            str(pages),
            *self.options.extra,
        ]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        log = self.folder.with_suffix(".txt")
        cost = run(command, folder=ROOT, log=log, environment=environment, during=during, limit=3600)
        if cost.exit_code and during is None:
            raise SystemExit(f"the crawler ended with {cost.exit_code}:\n{log.read_text(errors='replace')[-2000:]}")
        return cost

    def count(self) -> tuple[int, int]:
        """Return how many URLs are known, and how many pages are stored."""
        with sqlite3.connect(f"file:{self.folder / 'crawl.db'}?mode=ro", uri=True) as database:
            (known,) = database.execute("SELECT sum(queued + done + failed) FROM hosts").fetchone()
            (pages,) = database.execute("SELECT count(*) FROM pages").fetchone()
        database.close()
        return known or 0, pages

    def size(self) -> int:
        """Return the bytes of the database, its log included."""
        return sum(file.stat().st_size for file in self.folder.glob("crawl.db*"))


def fill(crawl: Crawl, hubs: int, port: int, folder: Path) -> None:
    """Crawl the hubs, which are the seeds, so that their order does not matter."""
    shape = ["--pages", str(_room(crawl.options)), "--fanout", str(_HUB_LINKS), "--links", "0", "--size", "0"]
    with serving([*site_arguments(crawl.options, port), *shape], folder / "hubs.log"):
        cost = crawl.go_on(hubs)
    known, pages = crawl.count()
    say(f"{known:,} URLs known after {pages:,} hubs, {cost.wall:.1f} s, {known / cost.wall:,.0f} URLs/s")
    if known < crawl.options.urls * 0.95:
        raise SystemExit("the crawler knows fewer URLs than it was shown: does a limit or a trap guard hold it back?")


def _room(options: argparse.Namespace) -> int:
    """Return the size of the site of hubs: a quarter more than is to be known, so that no hub is a leaf."""
    return int(options.urls) * 5 // 4


def site_arguments(options: argparse.Namespace, port: int) -> list[str]:
    """Return what every server of this measurement is started with."""
    return ["synthetic", "--port", str(port), "--hosts", str(options.hosts)]


def continued(name: str, crawl: Crawl, site: Site) -> list[str]:
    """Go on for some thousand pages and return the figures of that."""
    pages_before = crawl.count()[1] if (crawl.folder / "crawl.db").exists() else 0
    site.requests()
    cost = crawl.go_on(pages_before + crawl.options.pages)
    asked = site.requests()
    known, pages = crawl.count()
    return figures(name, crawl, cost, asked, known=known, pages=pages - pages_before)


def figures(name: str, crawl: Crawl, cost: Cost, asked: Requests, *, known: int, pages: int) -> list[str]:
    """Return a row of the table; the speed counts from the first request to the last."""
    start = None if asked.first is None else asked.first - cost.begun
    span = None if asked.first is None or asked.last is None else asked.last - asked.first
    return [
        name,
        figure(known),
        figure(crawl.size() / 1e6),
        figure(start, 2),
        figure(pages / span if span else None),
        figure(cost.cpu * 1000 / pages if pages else None, 2),
        figure(cost.main_bytes / 1e6 or None),
        figure(cost.tree_bytes / 1e6 or None),
    ]


def kill(crawl: Crawl, site: Site) -> None:
    """Start the crawl, and kill it a moment after its first request."""

    def strike(process: int) -> None:
        site.wait_for_request(_PATIENCE)
        time.sleep(1)
        os.kill(process, signal.SIGKILL)

    site.requests()
    limit = crawl.count()[1] + 10**6  # given, because the folder remembers that of the last run
    cost = crawl.go_on(limit, during=strike)
    if cost.exit_code != -signal.SIGKILL:
        raise SystemExit(f"the crawler ended with {cost.exit_code} before it was killed")


def measure(options: argparse.Namespace, folder: Path) -> str:
    """Fill, measure, return the table."""
    port = options.port or free_port()
    hubs = -(-options.urls // (_HUB_LINKS * options.hosts))  # on each host
    place = options.frontier or folder / "large"
    place.parent.mkdir(parents=True, exist_ok=True)
    seeds = seed_file(place.with_name(f"{place.name}-seeds.txt"), options, port, hubs)  # the crawl remembers this path
    large = Crawl(place.absolute(), seeds.absolute(), options)
    small = Crawl(folder / "small", seed_file(folder / "roots.txt", options, port, 1), options)
    if not (large.folder / "crawl.db").exists():
        fill(large, hubs * options.hosts, port, folder)
    base, most = site_arguments(options, port), str(MOST_PAGES * options.hosts)
    beyond = str(-(-_room(options) // options.hosts))
    with serving([*base, "--pages", most, "--grow-from", beyond], folder / "large.log") as site:
        say("going on with the large frontier")
        rows = [continued("large", large, site)]
        kill(large, site)
        rows.append(continued("large, after SIGKILL", large, site))
    with serving([*base, "--pages", most], folder / "small.log") as site:
        say("crawling with a small frontier")
        rows.insert(0, continued("small", small, site))
    notes = (
        "first request: from the start of the command, its interpreter included.\n"
        "main: resident size of the first process. tree: proportional size of all processes together."
    )
    return table(_HEAD, rows, markdown=options.markdown) + "\n\n" + notes


def seed_file(file: Path, options: argparse.Namespace, port: int, pages: int) -> Path:
    """Write the URLs of the first *pages* of each host."""
    origins = [f"http://127.0.0.{host + 1}:{port}" for host in range(options.hosts)]
    file.write_text("".join(f"{origin}{path_of(page)}\n" for page in range(pages) for origin in origins))
    return file


def free_port() -> int:
    """Return a port that is free now; all servers of this measurement use it, so that the URLs stay the same."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.frontier", description=__doc__.partition("\n")[0])
    parser.add_argument("--urls", type=int, default=1_000_000, metavar="N", help="URLs to be known (default 1000000)")
    parser.add_argument("--pages", type=int, default=3_000, metavar="N", help="pages crawled in each measurement")
    parser.add_argument("--hosts", type=int, default=1, metavar="N", help="spread them over N hosts")
    parser.add_argument("--concurrency", type=int, default=64, metavar="N")
    parser.add_argument("--python", default=sys.executable, metavar="PATH", help="the crawler's interpreter")
    parser.add_argument(
        "--frontier",
        type=Path,
        metavar="DIR",
        help="keep the large crawl there, use it again",
    )
    parser.add_argument("--port", type=int, default=0, help="of the server; needed with --frontier")
    parser.add_argument("--tmp", type=Path, metavar="DIR", help="where the crawls are stored meanwhile")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("extra", nargs="*", metavar="OPTION", help="after --: further options of the crawler")
    return parser.parse_args()


def main() -> int:
    """Measure, print, clean up."""
    options = arguments()
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=options.tmp))
    try:
        print(measure(options, folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
