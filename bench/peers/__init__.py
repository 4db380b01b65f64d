"""The crawlers that are compared: how each is started, and where it says what it has stored.

Each gets the same start URLs, an empty folder and a number of requests at once. Every one of them obeys robots.txt,
stays on the hosts it is given, follows links to exhaustion and stores each body in a file of its own.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_HERE = Path(__file__).parent
_NO_ERROR = frozenset({0})
_WGET_SAVED = re.compile(r'^\S+ \S+ URL:(?P<url>\S+) \[[^]]*\] -> "(?P<file>.+)" \[\d+\]$')


@dataclass(frozen=True, slots=True)
class Job:
    """One crawl that a peer is asked for."""

    program: str  # its interpreter, or the program itself
    urls: tuple[str, ...]
    output: Path  # an empty folder
    concurrency: int

    @property
    def hosts(self) -> list[str]:
        """The hosts the crawl stays on."""
        return sorted({urlsplit(url).hostname or "" for url in self.urls})


@dataclass(frozen=True, slots=True)
class Peer:
    """A crawler that can be measured."""

    label: str
    command: Callable[[Job], list[str]]
    stored: Callable[[Job], dict[str, Path]]  # URL -> file of each body it says it has stored
    probe: tuple[str, ...]  # arguments that print its version when it is installed
    install: str
    program: str | None = None  # None: a Python package
    concurrency: int = 16
    good_exits: frozenset[int] = _NO_ERROR
    in_tree: bool = False  # imported from this source tree, installed or not


def _crawler(job: Job) -> list[str]:
    options = ["-o", str(job.output / "crawl"), "--delay", "0", "-c", str(job.concurrency), "--progress", "off"]
    return [job.program, "-m", "crawler", *job.urls, *options]


def _crawler_stored(job: Job) -> dict[str, Path]:
    folder = job.output / "crawl"
    with sqlite3.connect(f"file:{folder / 'crawl.db'}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT url, file FROM pages WHERE file IS NOT NULL").fetchall()
    database.close()
    return {url: folder / file for url, file in rows}


def _script(name: str, *more: str) -> Callable[[Job], list[str]]:
    def command(job: Job) -> list[str]:
        options = ["--output", str(job.output), "--concurrency", str(job.concurrency), *more]
        return [job.program, str(_HERE / name), *options, *job.urls]

    return command


def _listed(job: Job) -> dict[str, Path]:
    """Read the list that our scripts write: URL, tab, file."""
    lines = (job.output / "stored.tsv").read_text(encoding="utf-8").splitlines()
    return {url: job.output / file for url, _, file in (line.partition("\t") for line in lines)}


def _wget(job: Job) -> list[str]:
    fixed = ["--no-config", "-r", "-l", "inf", "-e", "robots=on", "-nv", "-o", "wget.log", "-P", "bodies"]
    several = ["-H", "-D", ",".join(job.hosts)] if len(job.hosts) > 1 else []
    return [job.program, *fixed, *several, *job.urls]


def _wget_stored(job: Job) -> dict[str, Path]:
    lines = (job.output / "wget.log").read_text(encoding="utf-8", errors="replace").splitlines()
    saved = filter(None, map(_WGET_SAVED.match, lines))
    return {line["url"]: job.output / line["file"] for line in saved}


def _wget2(job: Job) -> list[str]:
    fixed = ["--no-config", "-r", "-l", "inf", "--robots=on", "-q", "-P", "bodies", f"--max-threads={job.concurrency}"]
    several = ["-H", "-D", ",".join(job.hosts)] if len(job.hosts) > 1 else []
    return [job.program, *fixed, *several, *job.urls]


def _wget2_stored(job: Job) -> dict[str, Path]:
    """Turn file names back into URLs; an index.html is what its folder answers, unless the crawl began at one."""
    parts = [urlsplit(text) for text in job.urls]
    origins = {part.hostname: f"{part.scheme}://{part.netloc}" for part in parts}
    begins = set(job.urls)
    found: dict[str, Path] = {}
    for file in (job.output / "bodies").rglob("*"):
        host, _, path = file.relative_to(job.output / "bodies").as_posix().partition("/")
        url = f"{origins.get(host.partition(':')[0], '')}/{path}"
        if file.name == "index.html" and url not in begins:
            url = url.removesuffix("index.html")
        if file.is_file():
            found[url] = file
    return found


def _version(package: str) -> tuple[str, ...]:
    return ("-c", f"import {package}, importlib.metadata as m; print(m.version('{package}'))")


PEERS: dict[str, Peer] = {
    "crawler": Peer(
        "this crawler",
        _crawler,
        _crawler_stored,
        ("-m", "crawler", "--version"),
        "pip install .",
        concurrency=64,
        in_tree=True,
    ),
    "scrapy": Peer("Scrapy", _script("run_scrapy.py"), _listed, _version("scrapy"), "pip install scrapy==2.19.0"),
    "crawlee-bs4": Peer(
        "Crawlee for Python, BeautifulSoup",
        _script("run_crawlee.py", "--parser", "beautifulsoup"),
        _listed,
        _version("crawlee"),
        "pip install 'crawlee[beautifulsoup,parsel]==1.11.0'",
    ),
    "crawlee-parsel": Peer(
        "Crawlee for Python, Parsel",
        _script("run_crawlee.py", "--parser", "parsel"),
        _listed,
        _version("crawlee"),
        "pip install 'crawlee[beautifulsoup,parsel]==1.11.0'",
    ),
    "wget": Peer(
        "wget -r",
        _wget,
        _wget_stored,
        ("--version",),
        "apt install wget",
        program="wget",
        concurrency=1,
        good_exits=frozenset({0, 8}),  # 8: some answer was an error, such as a broken link
    ),
    "wget2": Peer(
        "wget2 -r",
        _wget2,
        _wget2_stored,
        ("--version",),
        "apt install wget2",
        program="wget2",
        good_exits=frozenset({0, 8}),
    ),
}
