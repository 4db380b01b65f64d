"""One URL asked for as a crawl would ask, and nothing stored: for people who want to see what the crawler sees.

The same guard, headers, cookies, robots.txt, bounds and parser processes. What a person names is treated like a seed: its host
may have a private address. Redirects are followed hop by hop, each judged by guard and robots.txt, whatever the scope.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import get_args

import msgspec

from crawler.core import documents, encodings, policy, robots, urls
from crawler.core.model import KINDS, MAX_HOPS, CookieRow, Fault, Kind, Offers, Parsed, Reply, Request, RobotsRead
from crawler.core.scope import Options, Scope, rules_of, ruleset_of
from crawler.core.settings import Directive, Settings
from crawler.engine.crawler import PRODUCT
from crawler.engine.visiting import REDIRECTS
from crawler.fetch.client import Fetcher, Trouble
from crawler.fetch.cookiefile import read_cookie_file
from crawler.fetch.cookies import SiteJar
from crawler.fetch.guard import Guard
from crawler.fetch.routes import Routes
from crawler.fetch.setcookie import home_of
from crawler.folder import CrawlError
from crawler.parsing.config import Config
from crawler.parsing.pool import ParserPool
from crawler.parsing.wire import Page
from crawler.text import safe

Rulesets = Sequence[tuple[Options, Sequence[str]]]
"""Groups of seeds, each with the options that its lines have."""


class NothingFetched(CrawlError):
    """There is nothing to look at: robots.txt forbids it, or no answer came."""

    exit_code = 3


class Hop(msgspec.Struct, frozen=True):
    """An answer that leads elsewhere."""

    url: str
    status: int
    target: str

    def __str__(self) -> str:
        """Return one line, fit for a terminal."""
        return f"{self.status} {safe(self.url)} -> {safe(self.target)}"


class Found(msgspec.Struct, frozen=True):
    """A link of a page, as the crawler judges it."""

    url: str
    kind: Kind
    reason: str | None = None
    """Why it would not be followed; None when it would, unless robots.txt of its host forbids it."""
    rule: str | None = None
    """The rule that decides so."""

    @property
    def followed(self) -> bool:
        """Whether a crawl would go there."""
        return self.reason is None

    def __repr__(self) -> str:
        """Return one line, fit for a terminal."""
        rule = safe(self.rule or "")
        why = rule if rule.startswith(self.reason or "") else f"{self.reason}: {rule}"
        return f"<{self.kind.value} {safe(self.url)}  {'followed' if self.followed else f'not followed, {why}'}>"


class Look(msgspec.Struct, frozen=True):
    """What came of looking at one URL."""

    url: str
    """The URL that answered, after all redirects."""
    reply: Reply
    body: bytes
    charset: str
    text: str
    links: list[Found]
    parsed: Parsed
    html: bool
    """It was read as HTML, in time."""
    hops: tuple[Hop, ...] = ()


class Looker:
    """Looks at one URL after the other; made by `open`."""

    def __init__(
        self, settings: Settings, fetcher: Fetcher, guard: Guard, parsers: ParserPool, *, jar: SiteJar | None, rulesets: Rulesets,
        cookies_of: Callable[[str], Iterable[CookieRow]],
    ) -> None:  # fmt: skip
        self._settings = settings
        self._fetcher = fetcher
        self._guard = guard
        self._parsers = parsers
        self._jar = jar
        self._rulesets = rulesets
        self._cookies_of = cookies_of
        self._robots: dict[str, robots.Robots] = {}

    @classmethod
    @asynccontextmanager
    async def open(
        cls, settings: Settings, *, rulesets: Rulesets = (), cookies_of: Callable[[str], Iterable[CookieRow]] = lambda _: ()
    ) -> AsyncIterator[Looker]:
        """Open a session and a parser process. Raises WrongSettings.

        *rulesets* are the seeds of a crawl by which links are judged, else each URL that is looked at is its own seed;
        *cookies_of* returns what is kept of a site.
        """
        routes = await asyncio.to_thread(Routes, settings)
        jar = None if settings.cookies == "off" else SiteJar(clock=time.time)
        if jar is not None and settings.cookies != "on":
            _, rows = await asyncio.to_thread(read_cookie_file, Path(settings.cookies))
            jar.restore(rows)
        guard = Guard(open_hosts=(), open_ports=(), allow=settings.allow_net, deny=settings.deny_net)
        async with AsyncExitStack() as stack:
            fetcher = await stack.enter_async_context(Fetcher.open(settings, guard, routes=routes, cookies=jar))
            parsers = await stack.enter_async_context(ParserPool(processes=1))
            yield cls(settings, fetcher, guard, parsers, jar=jar, rulesets=rulesets, cookies_of=cookies_of)

    async def look(self, url: str, told: Callable[[Hop], None] = lambda _: None) -> Look:
        """Look at a spelt URL; *told* hears of each redirect. Raises NothingFetched."""
        origin = urls.split(url)[0]
        port = origin.rpartition(":")[2]
        self._guard.open([urls.host_of(origin)], [int(port)] if port.isdigit() else [])
        hops: list[Hop] = []
        asked: dict[str, None] = {}
        while True:
            asked[url] = None
            reply, body = await self._ask(url)
            target = _target(url, reply)
            if target is None:
                return await self._read(url, reply, body, tuple(hops))
            hops.append(Hop(url, reply.status, target))
            told(hops[-1])
            if target in asked and reply.header("set-cookie") is None:
                raise NothingFetched("redirects in a circle", "Try --cookies FILE if the site wants one.")
            if len(hops) > MAX_HOPS:
                raise NothingFetched(f"more than {MAX_HOPS} redirects one after another")
            url = target

    async def _ask(self, url: str) -> tuple[Reply, bytes]:
        origin, path = urls.split(url)
        if self._settings.robots:
            verdict = (await self._rules(origin)).judge(path)
            if not verdict.allowed:
                line = f" by line {verdict.line}: {safe(verdict.text or '')}" if verdict.line else ""
                raise NothingFetched(
                    f"robots.txt of {safe(origin)} forbids {safe(url)}{line}", "Try --no-robots only for a site that is yours."
                )
        answer, body = await self._fetch(_request(url), self._settings.max_size)
        if isinstance(answer, Trouble):
            raise NothingFetched(f"{safe(url)} gave no answer: {answer.fault.value}, {safe(answer.detail)}", _hint(answer.fault))
        return answer, body

    async def _fetch(self, request: Request, limit: int) -> tuple[Reply | Trouble, bytes]:
        chunks: list[bytes] = []

        async def take(chunk: bytes) -> None:
            chunks.append(chunk)

        site = home_of(urls.host_of(urls.split(request.url)[0]))[1]
        if self._jar is not None and not self._jar.knows(site):
            self._jar.restore(await asyncio.to_thread(lambda: list(self._cookies_of(site))), sites=[site])
        answer = await self._fetcher.fetch(request, take, heard=lambda: None, limit=limit, keep=lambda _: True)
        return answer, b"".join(chunks)

    async def _rules(self, origin: str) -> robots.Robots:
        """Return what the robots.txt of an origin says, as a crawl would take it. Raises NothingFetched when that is unknown."""
        ask: str | None = f"{origin}/robots.txt"
        hops = 0
        while origin not in self._robots:
            request = _request(ask or "", Kind.ROBOTS, hops)
            answer, body = await self._fetch(request, robots.MAX_BYTES + 1)
            if isinstance(answer, Trouble):
                read = RobotsRead(request, answer.reply, fault=answer.fault, detail=answer.detail)
            elif answer.status in REDIRECTS:
                read = RobotsRead(request, answer, target=_target(request.url, answer))
            else:
                read = RobotsRead(request, answer, text=body if answer.status < 300 else None)
            verdict = policy.robots_verdict(read, PRODUCT)
            ask, hops = verdict.ask, hops + 1
            if verdict.rules is not None:
                self._robots[origin] = verdict.rules
            elif ask is None:
                why = f"status {answer.status}" if isinstance(answer, Reply) else f"{answer.fault.value}, {safe(answer.detail)}"
                raise NothingFetched(
                    f"robots.txt of {safe(origin)} cannot be had ({why}), which forbids everything for now",
                    "Try again later, or --no-robots for a site that is yours.",
                )
        return self._robots[origin]

    async def _read(self, url: str, reply: Reply, body: bytes, hops: tuple[Hop, ...]) -> Look:
        """Have the page read in a parser process, and decode it."""
        settings, content_type = self._settings, reply.header("content-type")
        rulesets = self._rulesets or [(Options(), [url])]
        scope = Scope(rules_of((ruleset_of(seeds, options, settings) for options, seeds in rulesets), settings))
        host = urls.host_of(urls.split(url)[0])
        inside = (number for number in range(len(rulesets)) if scope.verdict(url, host, Kind.REDIRECT, 0, number) is None)
        self._parsers.configure(
            Config(
                rules=scope.rules, secret=os.urandom(16), max_links=settings.max_links, parse_size=settings.parse_size,
                parser="lexbor", pdf=settings.pdf, disobey=frozenset(settings.disobey if settings.robots else get_args(Directive)),
            )
        )  # fmt: skip
        read = body[: settings.parse_size]
        page = Page(url, content_type, 0, next(inside, 0), read, Kind.SEED, headers=documents.speaking(reply.headers))
        parsed = await self._parsers.parse(page)
        html = parsed.fault is None and documents.reading_of(read, content_type, Kind.SEED) in ("html", "xhtml")
        charset = parsed.charset or encodings.encoding_of(body, content_type)
        return Look(url, reply, body, charset, encodings.decode(body, charset), links_of(parsed.offers), parsed, html, hops)


def links_of(offers: Offers) -> list[Found]:
    """Unpack the links of a page."""
    found = []
    for url, kind, verdict in zip(offers.urls.split("\n"), offers.kinds, offers.verdicts, strict=False):
        reason, rule = offers.rules[verdict - 1] if verdict else (None, None)
        found.append(Found(url, KINDS[kind], reason, rule))
    return found


def _request(url: str, kind: Kind = Kind.SEED, hops: int = 0) -> Request:
    origin = urls.split(url)[0]
    return Request(url, origin, urls.host_of(origin), kind, 0, 0, hops=hops)


def _target(url: str, reply: Reply) -> str | None:
    """Return where an answer leads, None when it is the last."""
    location = reply.header("location") if reply.status in REDIRECTS else None
    try:
        return None if location is None else urls.spell(location, url)
    except urls.UrlError:
        return None


def _hint(fault: Fault) -> str:
    return "Try --allow-net to let an address in." if fault is Fault.GUARD else "Try crawler doctor if nothing answers at all."
