"""What the benchmark sites answer: a folder of files, or pages computed from their number.

A synthetic page is a pure function of (seed, host, number), so a site of millions of pages needs no memory and two
servers with the same arguments serve the same bytes. The pages of one host form a tree: page n is the first to link
to pages ``grow_from + n * fanout + 1`` and the ``fanout - 1`` after it, so every page is reachable from the root; all
its other links repeat pages with smaller numbers, as most links of real sites do.
"""

from __future__ import annotations

import mimetypes
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote, unquote

_SYLLABLES = [consonant + vowel for consonant in "bdfghjklmnprstvz" for vowel in "aeio"]
_WORDS = [first + second for first in _SYLLABLES for second in _SYLLABLES]
_NUMBERS = {word: number for number, word in enumerate(_WORDS)}
MOST_PAGES = len(_WORDS) ** 2  # per host: a path spells the number in two words

_NAVIGATION = 12  # links of the menu, the same on every page
_NEIGHBOURS = 8  # links to the pages just before
_ELSEWHERE = 5  # links to pages anywhere before
_MASK = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What a site says to one request."""

    status: int
    mime: str
    body: bytes
    location: str | None = None


class Content(Protocol):
    """A site: a host's number and a request target in, an answer out."""

    def answer(self, host: int, target: str) -> Answer:
        """Return the answer to a GET of *target* on host number *host*."""
        ...

    def targets(self) -> Iterator[str]:
        """Yield what a host has answers to."""
        ...


def not_found() -> Answer:
    """Return the answer for what is not there."""
    return Answer(404, "text/html; charset=utf-8", b"<!doctype html><title>Not found</title><h1>Not found</h1>")


class Folder:
    """A folder of files served as it is, the way a plain file server does."""

    def __init__(self, root: Path, *, crawl_delay: float | None = None) -> None:
        self._root = root.resolve()
        self._crawl_delay = crawl_delay

    def answer(self, host: int, target: str) -> Answer:
        """Return the file that *target* names; a directory gives its index.html, without its slash a redirect."""
        path = unquote(target.partition("?")[0])
        if path == "/robots.txt" and self._crawl_delay is not None:
            return robots(self._crawl_delay)
        file = self._find(path)
        if file is None:
            return not_found()
        if file.is_dir():
            if not path.endswith("/"):
                return Answer(301, "text/html", b"", location=quote(path) + "/")
            file /= "index.html"
        if not file.is_file():
            return not_found()
        mime, _ = mimetypes.guess_type(file.name)
        return Answer(200, mime or "application/octet-stream", file.read_bytes())

    def targets(self) -> Iterator[str]:
        """Yield the path of each file."""
        for file in sorted(self._root.rglob("*")):
            if file.is_file():
                yield "/" + quote(file.relative_to(self._root).as_posix())

    def _find(self, path: str) -> Path | None:
        if "\0" in path:
            return None
        file = self._root / path.lstrip("/")
        return file if file.resolve().is_relative_to(self._root) else None


def robots(crawl_delay: float | None) -> Answer:
    """Return a robots.txt that allows every page, with a Crawl-delay in seconds if one is given."""
    delay = "" if crawl_delay is None else f"Crawl-delay: {crawl_delay:g}\n"
    return Answer(200, "text/plain; charset=utf-8", f"User-agent: *\n{delay}Disallow: /private/\n".encode())


@dataclass(frozen=True, slots=True)
class Shape:
    """How a synthetic site looks."""

    pages: int  # over all hosts
    hosts: int = 1
    fanout: int = 5  # pages that a page is the first to link to
    links: int = 54  # links on a page, repeats included; never fewer than the fanout
    size: int = 15_000  # bytes of a page, unless its links need more
    grow_from: int = 0  # first links go this far beyond the usual: a site that has grown since it was last seen
    seed: int = 0
    crawl_delay: float | None = None  # seconds

    def __post_init__(self) -> None:
        if min(self.pages, self.hosts, self.fanout) < 1 or self.grow_from < 0:
            raise ValueError("pages, hosts and fanout must be at least 1, grow_from at least 0")
        if self.per_host > MOST_PAGES:
            raise ValueError(f"a host has at most {MOST_PAGES:,} pages, got {self.per_host:,}: use more hosts")

    @property
    def per_host(self) -> int:
        """Pages of one host."""
        return -(-self.pages // self.hosts)


class Synthetic:
    """A site of any size whose pages are computed when they are asked for."""

    def __init__(self, shape: Shape, origins: list[str]) -> None:
        self._shape = shape
        self._origins = origins  # one per host, without a slash at the end
        chance = random.Random(shape.seed)
        self._paragraphs = [_paragraph(chance) for _ in range(64)]

    def answer(self, host: int, target: str) -> Answer:
        """Return the page that *target* names."""
        path = target.partition("?")[0]
        if path == "/robots.txt":
            return robots(self._shape.crawl_delay)
        number = number_of(path)
        if number is None or number >= self._shape.per_host:
            return not_found()
        return Answer(200, "text/html; charset=utf-8", self._page(host, number).encode())

    def targets(self) -> Iterator[str]:
        """Yield the path of each page."""
        return map(path_of, range(self._shape.per_host))

    def _page(self, host: int, number: int) -> str:
        targets = self._targets(host, number)
        anchors = [f'<li><a href="{href}">{_title(href)}</a></li>\n' for href in targets]
        menu, rest = anchors[:_NAVIGATION], anchors[_NAVIGATION:]
        title = _title(path_of(number))
        head = (
            f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title} {number}</title></head>\n'
            "<body>\n<nav><ul>"
        )
        parts = [head, *menu, f"</ul></nav>\n<main><h1>{title}</h1>\n"]
        missing = self._shape.size - sum(map(len, anchors)) - len(head) - 200
        turn = number + host
        while missing > 0:
            paragraph = self._paragraphs[turn % 64]
            turn += 1 + number % 7
            missing -= len(paragraph)
            parts += (paragraph, "<ul>", *rest[:6], "</ul>\n")
            rest = rest[6:]
        parts += ("<ul>", *rest, f"</ul></main>\n<footer>Page {number} of host {host}</footer></body></html>\n")
        return "".join(parts)

    def _targets(self, host: int, number: int) -> list[str]:
        """Return the hrefs of a page: menu and neighbours, the pages only it introduces, and repeats of them all."""
        shape = self._shape
        last = shape.per_host - 1
        first = shape.grow_from + number * shape.fanout + 1
        children = [path_of(child) for child in range(first, min(first + shape.fanout, last + 1))]
        room = shape.links - len(children)
        if room <= 0:
            return children
        known = [path_of(page) for page in range(min(_NAVIGATION, shape.per_host))]
        known += [path_of(page) for page in range(max(0, number - _NEIGHBOURS), number)]
        state = (shape.seed << 40) ^ (host << 32) ^ number
        for _ in range(_ELSEWHERE):
            state = (state * 6364136223846793005 + 1442695040888963407) & _MASK
            known.append(path_of((state >> 33) % (number + 1)))
        if shape.hosts > 1:
            known += [f"{self._origins[other % shape.hosts]}/" for other in (host + 1, host + 2)]
        known = known[:room]
        repeats = (known + children) or ["/"]
        again = [f"{repeats[turn % len(repeats)]}#part-{turn}" for turn in range(room - len(known))]
        return known[:_NAVIGATION] + children + known[_NAVIGATION:] + again


def path_of(number: int) -> str:
    """Return the path of page *number*: the root, or three words of which two spell the number."""
    if number == 0:
        return "/"
    high, low = divmod(number, len(_WORDS))
    return f"/{_WORDS[high]}/{_WORDS[low]}-{_WORDS[(low * 2053 + high) % len(_WORDS)]}.html"


def number_of(path: str) -> int | None:
    """Return the number of the page at *path*, None when there is no such page."""
    if path == "/":
        return 0
    high, low = _NUMBERS.get(path[1:5]), _NUMBERS.get(path[6:10])
    if high is None or low is None:
        return None
    number = high * len(_WORDS) + low
    return number if number and path_of(number) == path else None


def _title(href: str) -> str:
    return href.rpartition("/")[2].partition(".")[0].replace("-", " ").title() or "Start"


def _paragraph(chance: random.Random) -> str:
    words = [chance.choice(_WORDS) for _ in range(chance.randint(60, 130))]
    for place in range(0, len(words), 9):
        words[place] = f"<{(tag := chance.choice(('em', 'code', 'strong')))}>{words[place]}</{tag}>"
    return f'<section class="text"><h2>{words[1].title()} {words[2]}</h2><p>{" ".join(words)}.</p></section>\n'
