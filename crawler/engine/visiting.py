"""One visit: ask, take the body in, read its links, and say in one frozen outcome what came of it."""

from __future__ import annotations

import asyncio
import traceback
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, nullcontext

import msgspec

from crawler.archive.files import FileArchive, FileDraft
from crawler.clock import Clock
from crawler.core import documents, revisits, urls
from crawler.core.model import (
    CARRIED,
    KIND_CODE,
    MAX_HOPS,
    NO_OFFERS,
    NOTHING_PARSED,
    Answered,
    CookieRow,
    Failed,
    Fault,
    Fetched,
    Kind,
    Link,
    Offers,
    Parsed,
    Redirected,
    Rejected,
    Reply,
    Request,
    RobotsRead,
    Unchanged,
    UrlId,
    Visited,
)
from crawler.core.robots import MAX_BYTES as ROBOTS_BYTES
from crawler.core.schedule import Schedule
from crawler.core.scope import MOST_SITEMAPS, SITEMAP_DEPTH, Scope
from crawler.core.settings import DEFAULTS, Settings
from crawler.fetch.client import Fetcher, Sink, Trouble
from crawler.fetch.cookies import SiteJar
from crawler.fetch.setcookie import home_of
from crawler.folder import CrawlError
from crawler.hooks import Hooks, RequestSent, ResponseReceived
from crawler.parsing.packing import Packing
from crawler.parsing.pool import ParserPool
from crawler.parsing.wire import Page

REDIRECTS = frozenset({301, 302, 303, 307, 308})
CHAINS_REMEMBERED = 10_000
LONGEST_TRACEBACK = 4_000
SITEMAP_BYTES = 50 * 1024 * 1024
"""Bytes of a sitemap that are read (sitemaps.org)."""
LARGE_AT_ONCE = 2
"""Sitemaps that wait in memory to be read: robots.txt may name 500."""


class Visitor:
    """Makes visits. Everything it needs is shared; it keeps nothing but the redirects seen lately."""

    def __init__(
        self, settings: Settings, *, fetcher: Fetcher, archive: FileArchive, parsers: ParserPool, schedule: Schedule, scope: Scope,
        secret: bytes, clock: Clock, adopted: Callable[[], None], hooks: Hooks,
        jar: SiteJar | None, cookies_of: Callable[[str], Awaitable[list[CookieRow]]], is_no_page: Callable[[str, UrlId], Awaitable[bool]],
    ) -> None:  # fmt: skip
        self._settings = settings
        self._fetcher = fetcher
        self._archive = archive
        self._parsers = parsers
        self._schedule = schedule
        self._scope = scope
        self._secret = secret
        self._clock = clock
        self._adopted = adopted
        self._hooks = hooks
        self._jar = jar
        self._cookies_of = cookies_of
        self._is_no_page = is_no_page
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._targets: OrderedDict[str, str] = OrderedDict()
        self._folded: OrderedDict[str, str] = OrderedDict()

    async def visit(self, request: Request) -> Visited:
        """Visit a URL. Trouble is part of the outcome; a bug of ours becomes the fault `crash`, with its traceback."""
        try:
            return await (self._robots(request) if request.kind is Kind.ROBOTS else self._page(request))
        except CrawlError:
            raise       # no page's trouble: there is nothing left to read pages with
        except Exception:  # noqa: BLE001 - whatever is wrong with one page must not take a worker's slot away
            detail = traceback.format_exc()[-LONGEST_TRACEBACK:]
            if request.kind is Kind.ROBOTS:
                return RobotsRead(request, None, fault=Fault.CRASH, detail=detail)
            return Failed(request, Fault.CRASH, detail)

    async def _robots(self, request: Request) -> RobotsRead:
        chunks: list[bytes] = []

        async def take(chunk: bytes) -> None:
            chunks.append(chunk)

        reply = await self._ask(request, take, ROBOTS_BYTES + 1, lambda status: status < 300)
        if isinstance(reply, Trouble):
            return RobotsRead(request, reply.reply, fault=reply.fault, detail=reply.detail)
        if reply.status in REDIRECTS:
            return RobotsRead(request, reply, target=self._target(request, reply))
        return RobotsRead(request, reply, text=b"".join(chunks) if reply.status < 300 else None)

    async def _page(self, request: Request) -> Visited:
        conditions = await self._conditions(request)
        async with self._archive.draft(request) as draft:
            reply = await self._ask(request, draft.write, self._most(request), self._keeps, conditions)
            if isinstance(reply, Trouble):
                return Failed(request, reply.fault, reply.detail, reply.reply)
            if reply.status in REDIRECTS:
                return self._redirected(request, reply)
            if not self._keeps(reply.status):
                return _without_body(request, reply, conditional=bool(conditions))
            if reply.status >= 300:
                return Answered(request, reply, await draft.keep(reply.mime) if self._settings.save != "none" else None)
            parsed = await self._parse(request, reply, draft)
            unwanted = parsed.noindex and self._settings.obey_noindex
            if parsed.folds_into is not None and not await self._may_fold(request, parsed):
                parsed = msgspec.structs.replace(parsed, folds_into=None)
            if unwanted and parsed.indexed is not None:
                parsed = msgspec.structs.replace(parsed, indexed=None)
            kept = not unwanted and parsed.folds_into is None and self._settings.save != "none"
            return Fetched(request, reply, await draft.keep(reply.mime) if kept else None, parsed)

    async def _conditions(self, request: Request) -> dict[str, str]:
        """Return the headers by which a page need not be sent again that has not changed, as long as we have what we want of it."""
        kept, found = request.kept, revisits.conditions(request.kept)
        if kept is None or not found:
            return {}
        is_there = self._settings.save == "none" if kept.file is None else await self._archive.holds(kept.file)
        return found if is_there else {}

    def _most(self, request: Request) -> int:
        """Return how many bytes of a body are kept: a sitemap may be larger than a page, unless somebody has said otherwise."""
        most = self._settings.max_size
        return max(most, SITEMAP_BYTES) if request.kind is Kind.SITEMAP and most == DEFAULTS.max_size else most

    def _keeps(self, status: int) -> bool:
        if status >= 400:
            return self._settings.save_errors
        return 200 <= status < 300 and status not in revisits.NO_CONTENT

    async def _ask(
        self, request: Request, sink: Sink, limit: int, keep: Callable[[int], bool], conditions: Mapping[str, str] | None = None
    ) -> Reply | Trouble:
        """Fetch, and give the host's slot free as soon as the body is here."""
        schedule, now = self._schedule, self._clock.now
        fault = Fault.CRASH
        reply: Reply | Trouble | None = None
        hooks = self._hooks
        if hooks.on_request:
            await hooks.send(RequestSent(request.url, request.host, request.kind.value, request.tries))
        try:
            async with self._with_cookies(request):
                reply = await self._fetcher.fetch(
                    request, sink, heard=lambda: schedule.answered(request, now()), limit=limit, keep=keep, conditions=conditions
                )
            if hooks.on_response and isinstance(reply, Reply):
                await hooks.send(ResponseReceived(
                    request.url, reply.status, reply.wire_bytes, reply.dns, reply.connect, reply.tls, reply.ttfb, reply.total, reply.reused,
                ))  # fmt: skip
            return reply
        finally:
            if isinstance(reply, Reply):
                schedule.finished(request, now(), status=reply.status, fault=None, ttfb=reply.ttfb)
            else:
                head = None if reply is None else reply.reply
                schedule.finished(
                    request, now(), status=None if head is None else head.status, fault=fault if reply is None else reply.fault,
                    ttfb=0.0 if head is None else head.ttfb,
                )  # fmt: skip

    @asynccontextmanager
    async def _with_cookies(self, request: Request) -> AsyncIterator[None]:
        """Take in the cookies that are kept of a site while it is asked: the jar holds the sites of late only."""
        if self._jar is None:
            yield
            return
        site = home_of(urls.host_of(urls.split(request.url)[0]))[1]
        with self._jar.using(site):
            if not self._jar.knows(site):
                self._jar.restore(await self._cookies_of(site), sites=[site])
            yield

    async def _parse(self, request: Request, reply: Reply, draft: FileDraft) -> Parsed:
        content_type = reply.header("content-type")
        spoken = documents.speaking(reply.headers)
        readable = documents.may_speak(content_type, request.kind) or (self._settings.index == "text" and documents.is_plain(content_type))
        if not readable and not spoken:
            return NOTHING_PARSED
        whole = request.kind is Kind.SITEMAP or (self._settings.pdf and documents.mime_of(content_type) == "application/pdf")
        most = SITEMAP_BYTES if whole else self._settings.parse_size
        async with self._large if whole else nullcontext():
            body = await draft.read_head(most) if readable else b""
            return await self._parsers.parse(
                Page(request.url, content_type, request.depth, request.ruleset, body, request.kind, request.hops, spoken)
            )

    async def _may_fold(self, request: Request, parsed: Parsed) -> bool:
        """Tell whether a page may stand back behind its canonical: a link that may enter, and is not known to be no page."""
        canonical = parsed.folds_into or ""
        if request.kind is Kind.SEED or not _is_let_in(parsed.offers, canonical):
            return False
        self._folded[request.url] = canonical
        while len(self._folded) > CHAINS_REMEMBERED:
            self._folded.popitem(last=False)
        if canonical in self._folded or await self._is_no_page(canonical, request.id):
            del self._folded[request.url]
            return False
        return True

    # --- sitemaps ------------------------------------------------------------------------------------------------

    def sitemaps(self, request: Request, named: Sequence[str]) -> Offers:
        """Offer the sitemaps that a robots.txt names, to the first seeds whose part of the web its host belongs to."""
        packing = Packing(MOST_SITEMAPS)
        links = self._scope.sitemap_links(request.url, request.origin, named[:MOST_SITEMAPS])
        for link in links:
            verdict = self._scope.judge(link)
            refused = (verdict.reason, verdict.rule) if isinstance(verdict, Rejected) else None
            packing.add(Kind.SITEMAP, link.url, urls.mark(link.url, self._secret), refused)
        return packing.offers(SITEMAP_DEPTH, links[0].ruleset, 0) if links else NO_OFFERS

    # --- redirects -----------------------------------------------------------------------------------------------

    def _target(self, request: Request, reply: Reply) -> str | None:
        location = reply.header("location")
        if location is None:
            return None
        try:
            return urls.spell(location, request.url)
        except urls.UrlError:
            return None

    def _redirected(self, request: Request, reply: Reply) -> Visited:
        target = self._target(request, reply)
        if target is None:
            location = reply.header("location")
            where = "has no Location" if location is None else f"leads to no http(s) URL: {location[:200]}"
            return Failed(request, Fault.REDIRECT, f"status {reply.status} {where}", reply)
        circle = self._circle(request.url, target)
        if circle and reply.header("set-cookie") is None:
            return Failed(request, Fault.REDIRECT, f"redirects in a circle: {' -> '.join(circle)}"[:1000], reply)
        if request.hops >= MAX_HOPS:
            return Failed(request, Fault.REDIRECT, f"more than {MAX_HOPS} redirects one after another", reply)
        return Redirected(request, reply, target, self._offer(request, target))

    def is_circle(self, outcome: Redirected) -> bool:
        """Tell whether a redirect leads back into its own chain."""
        return bool(self._circle(outcome.request.url, outcome.target))

    def _circle(self, url: str, target: str) -> list[str]:
        """Return the way round when a redirect leads back to where it came from, else nothing."""
        self._targets[url] = target
        self._targets.move_to_end(url)
        while len(self._targets) > CHAINS_REMEMBERED:
            self._targets.popitem(last=False)
        way = [url, target]
        while way[-1] != url and len(way) <= MAX_HOPS + 1:
            following = self._targets.get(way[-1])
            if following is None:
                return []
            way.append(following)
        return way if way[-1] == url else []

    def _offer(self, request: Request, target: str) -> Offers:
        """Offer a redirect's target like any link; it keeps its depth and goes next in its host.

        What is no page does not become one by moving: a sitemap is still one, an image of a page still belongs to it.
        """
        of_seed = request.depth == 0 and request.kind in (Kind.SEED, Kind.REDIRECT)
        kind = request.kind if request.kind in CARRIED else Kind.REDIRECT
        link = Link(target, kind, request.depth, request.ruleset, request.hops + 1, request.host if of_seed else None)
        before = self._scope.rules
        verdict = self._scope.judge(link)
        if self._scope.rules is not before:
            self._adopted()
        rules = ((verdict.reason.value, verdict.rule),) if isinstance(verdict, Rejected) else ()
        mark = urls.mark(target, self._secret)
        kinds = bytes([KIND_CODE[kind]])
        return Offers(target, kinds, bytes([len(rules)]), mark, rules, request.depth, request.ruleset, request.hops + 1, -1)


def _without_body(request: Request, reply: Reply, *, conditional: bool) -> Visited:
    """Return what an answer says that brings no body: 304 is good only for whoever has the page, and has said so."""
    if reply.status != revisits.NOT_MODIFIED:
        return Answered(request, reply)
    if conditional:
        return Unchanged(request, reply)
    return Failed(request, Fault.PROTOCOL, "status 304 to a request that made no conditions", reply)


def _is_let_in(offers: Offers, canonical: str) -> bool:
    """Tell whether the canonical of a page is among its links and no rule refuses it."""
    entries = zip(offers.urls.split("\n"), offers.kinds, offers.verdicts, strict=False)
    return any(entry == (canonical, KIND_CODE[Kind.CANONICAL], 0) for entry in entries)
