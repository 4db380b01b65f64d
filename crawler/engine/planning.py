"""A look ahead: asks each host of the seeds for its robots.txt and its sitemaps, and for nothing else; writes nothing.

By the crawler's own rules: guard, timeouts, sizes, redirects of robots.txt, scope, Crawl-delay and pace. A host is asked one
thing at a time. What a sitemap may be is bounded three times: its bytes, its entries, and the sitemaps read of one host.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec

from crawler.clock import Clock, SystemClock
from crawler.core import urls
from crawler.core.forecast import gap
from crawler.core.model import KIND_CODE, NETWORK_FAULTS, Fault, Kind, Link, Parsed, Rejected, Reply, Request
from crawler.core.model import RobotsRead as Read
from crawler.core.pace import learned
from crawler.core.policy import robots_verdict
from crawler.core.robots import ALLOW_ALL
from crawler.core.robots import MAX_BYTES as ROBOTS_BYTES
from crawler.core.scope import MOST_SITEMAPS, Options, Scope, rules_of, ruleset_of
from crawler.core.seeds import Seed
from crawler.core.settings import Settings
from crawler.engine.outlook import HostInView, OriginInView, barred_among, prospect_of, refusal_of, sorted_out
from crawler.engine.prospects import OriginProspect, Prospect, SitemapProspect, summed, too_slow
from crawler.engine.prospects import Robots as RobotsWord
from crawler.engine.trial import refuse_slow_patterns
from crawler.engine.visiting import REDIRECTS, SITEMAP_BYTES
from crawler.fetch.client import Fetcher, Sink, Trouble
from crawler.fetch.guard import Guard
from crawler.frontier.ledger import guessed_sitemaps
from crawler.parsing.config import Config
from crawler.parsing.pool import ParserPool
from crawler.parsing.wire import Page

PRODUCT = "steadycrawl"
HOSTS_AT_ONCE = 256
"""Hosts that are looked at side by side, and requests in flight unless `concurrency` is smaller."""
MOST_FILES = 500
"""Sitemaps that are read of one host."""
SMALL = 1024 * 1024
LARGE_AT_ONCE = 4
"""Bytes of a sitemap from which it counts as large, and how many large ones are in memory at once."""
TRIES = 2
"""Times that a host which does not answer is asked for its robots.txt."""
MOST_KNOWN = 2_000_000
"""Listed URLs that are remembered, so that one that is listed twice counts once; beyond that it may count twice."""


class Progress(msgspec.Struct, frozen=True):
    """How far a plan is."""

    hosts: int
    """Hosts that are known."""
    asked: int
    """Origins whose robots.txt was asked for."""
    sitemaps: int
    urls: int


class Planner:
    """Makes one plan. `run` it once; `stop` it from a signal handler, and what is known by then is the plan."""

    def __init__(self, settings: Settings, seeds: Sequence[Seed], *, clock: Clock | None = None) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._started = self._clock.now()
        self._ended: str | None = None
        self._received = 0
        self._hosts: dict[str, HostInView] = {}
        self._known: set[bytes] = set()
        self._asked: set[str] = set()
        self._ready: asyncio.Queue[HostInView] = asyncio.Queue()
        self._slots = asyncio.Semaphore(min(settings.concurrency, HOSTS_AT_ONCE))
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)
        self._starting = asyncio.Lock()
        self._parsers: ParserPool | None = None
        self._carrying: asyncio.Task[None] | None = None
        self._open(seeds)

    def _open(self, seeds: Sequence[Seed]) -> None:
        numbers: dict[Options, int] = {}
        groups: list[list[Seed]] = []
        for seed in seeds:
            if seed.options not in numbers:
                numbers[seed.options] = len(groups)
                groups.append([])
            groups[numbers[seed.options]].append(seed)
        rulesets = [ruleset_of([urls.spell(one.url) for one in group], group[0].options, self._settings) for group in groups]
        self._scope = Scope(rules_of(rulesets, self._settings))
        self._seed_urls: list[str] = []
        for number, group in enumerate(groups):
            for seed in group:
                url = urls.spell(seed.url)
                self._seed_urls.append(url)
                origin = self._origin(urls.split(url)[0])
                judged = self._scope.judge(Link(url, Kind.SEED, 0, number))
                self._host(origin.name).seeds.append((seed, judged))

    def progress(self) -> Progress:
        """Return how far it is."""
        hosts = self._hosts.values()
        asked = sum(one.prospect.robots != "not asked" for host in hosts for one in host.origins.values())
        return Progress(len(hosts), asked, sum(len(host.sitemaps) for host in hosts), sum(host.urls for host in hosts))

    def stop(self, why: str = "stopped") -> None:
        """End it; what is known by then is the plan."""
        self._ended = self._ended or why
        if self._carrying is not None:
            self._carrying.cancel()

    async def run(self) -> Prospect:
        """Ask everything and sum up. Raises CrawlError when no parser process can be had, or a pattern would hold it up."""
        await refuse_slow_patterns(self._settings, self._seed_urls)
        async with self._opened():
            self._begin()
            if self._ended is None:
                self._carrying = asyncio.create_task(self._carry_all())
                await self._wait(self._carrying)
        hosts = [host for host in self._hosts.values() if host.seeds or host.sitemaps or host.listed or host.unread]
        return summed(
            (prospect_of(host, self._scope, self._settings, known=self._known, secret=self._secret) for host in hosts),
            self._settings, self._ended,
        )  # fmt: skip

    def _begin(self) -> None:
        """Line up what is known from the seeds alone."""
        for host in list(self._hosts.values()):
            for name in dict.fromkeys(judged.origin for _, judged in host.seeds if isinstance(judged, Request)):
                self._put(host, host.origins[name])
        if self._settings.sitemaps == "guess":
            for number in range(len(self._scope.rules.rulesets)):
                for link in guessed_sitemaps(self._seeds_of(number), number):
                    self._offer(link)

    async def _wait(self, carrying: asyncio.Task[None]) -> None:
        """Wait until all is asked, the time is up, or somebody has ended it."""
        try:
            async with asyncio.timeout(self._settings.max_time):
                await carrying
        except TimeoutError:
            self._ended = f"--max-time {self._settings.max_time:g} s"
        except ExceptionGroup as group:
            raise group.exceptions[0] from group
        except asyncio.CancelledError:
            if self._ended is None:
                raise

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[None]:
        settings = self._settings
        origins = [urls.split(url)[0] for url in self._seed_urls]
        ports = {int(port) for origin in origins if (port := origin.rpartition(":")[2]).isdigit()}
        guard = Guard(open_hosts=map(urls.host_of, origins), open_ports=ports, allow=settings.allow_net, deny=settings.deny_net)
        self._secret = bytes(16)        # marks of URLs are compared with each other only
        config = Config(rules=self._scope.rules, secret=self._secret, max_links=1, parse_size=1, parser=settings.parser, novelty=False)
        async with Fetcher.open(settings, guard) as self._fetcher, AsyncExitStack() as stack:
            self._stack, self._config = stack, config
            yield

    async def _reading(self) -> ParserPool:
        """Return the parser process, started when the first sitemap is there: untrusted XML is not read in this one."""
        async with self._starting:
            if self._parsers is None:
                parsers = ParserPool(processes=1)
                parsers.configure(self._config)
                self._parsers = await self._stack.enter_async_context(parsers)
        return self._parsers

    # --- who is asked, and when ----------------------------------------------------------------------------------

    def _host(self, origin: str) -> HostInView:
        name = urls.host_of(origin)
        if name not in self._hosts:
            self._hosts[name] = HostInView(name)
        return self._hosts[name]

    def _origin(self, name: str) -> OriginInView:
        origins = self._host(name).origins
        if name not in origins:
            origins[name] = OriginInView(name)
        return origins[name]

    def _seeds_of(self, number: int) -> list[str]:
        found = [judged for host in self._hosts.values() for _, judged in host.seeds]
        return [one.url for one in found if isinstance(one, Request) and one.ruleset == number]

    def _put(self, host: HostInView, work: Request | OriginInView) -> None:
        host.work.append(work)
        if not host.waiting:
            host.waiting = True
            self._ready.put_nowait(host)

    async def _carry_all(self) -> None:
        """Let a bounded number of hosts be looked at side by side, until none has anything left to be asked for."""
        async with asyncio.TaskGroup() as group:
            carriers = [group.create_task(self._carry()) for _ in range(HOSTS_AT_ONCE)]
            await self._ready.join()
            for carrier in carriers:
                carrier.cancel()

    async def _carry(self) -> None:
        while True:
            host = await self._ready.get()
            try:
                while host.work:
                    await self._do(host, host.work[0])
                    host.work.popleft()
            finally:
                host.waiting = False
                self._ready.task_done()

    async def _do(self, host: HostInView, work: Request | OriginInView) -> None:
        most = self._settings.max_bytes
        if most is not None and self._received >= most:
            self._ended = f"--max-bytes {most:,}"
            host.unread += isinstance(work, Request)
            return
        origin = work if isinstance(work, OriginInView) else self._origin(work.origin)
        if origin.prospect.robots == "not asked":
            await self._read_robots(host, origin)
        if isinstance(work, Request):
            await self._read_sitemap(host, origin, work)

    async def _ask(self, request: Request, sink: Sink, limit: int, keep: Callable[[int], bool]) -> Reply | Trouble:
        """Ask one thing of a host, at its pace, counted from the headers of its last answer."""
        host = self._host(urls.split(request.url)[0])
        async with host.alone:
            await asyncio.sleep(max(host.next_at - self._clock.now(), 0.0))

            def heard() -> None:
                host.next_at = self._clock.now() + gap(host.pace, crawl_delay=host.crawl_delay, delay=self._settings.delay)

            async with self._slots:
                reply = await self._fetcher.fetch(request, sink, heard=heard, limit=limit, keep=keep)
            head = reply.reply if isinstance(reply, Trouble) else reply
            if head is not None:
                self._received += head.wire_bytes
                host.pace = learned(host.pace, head.status, head.ttfb)
            return reply

    # --- robots.txt ----------------------------------------------------------------------------------------------

    async def _read_robots(self, host: HostInView, origin: OriginInView) -> None:
        """Ask an origin for its robots.txt, follow its redirects, and offer the sitemaps that it names."""
        if not self._settings.robots:
            origin.rules, origin.prospect = ALLOW_ALL, OriginProspect(origin.name, "ignored")
            return
        request = Request(f"{origin.name}/robots.txt", origin.name, host.name, Kind.ROBOTS, 0, -1)
        while True:
            read = await self._robots(request)
            verdict = robots_verdict(read, PRODUCT)
            if verdict.ask is not None:
                request = msgspec.structs.replace(request, url=verdict.ask, hops=request.hops + 1, tries=0)
            elif verdict.rules is None and read.fault in NETWORK_FAULTS - {Fault.TLS, Fault.DNS} and request.tries + 1 < TRIES:
                request = msgspec.structs.replace(request, tries=request.tries + 1)
            else:
                break
        rules = origin.rules = verdict.rules
        word: RobotsWord = "forbids" if rules is None else "rules" if read.text is not None else "none"
        status = None if read.reply is None else read.reply.status
        delay = None if rules is None else rules.crawl_delay
        origin.prospect = OriginProspect(origin.name, word, status, read.fault, read.detail, delay)
        host.next_at = max(host.next_at, self._clock.now() + (delay or 0.0))
        if rules is not None and self._settings.sitemaps != "off":
            for link in self._scope.sitemap_links(read.request.url, origin.name, rules.sitemaps[:MOST_SITEMAPS]):
                self._offer(link)

    async def _robots(self, request: Request) -> Read:
        chunks: list[bytes] = []

        async def take(chunk: bytes) -> None:
            chunks.append(chunk)

        reply = await self._ask(request, take, ROBOTS_BYTES + 1, lambda status: status < 300)
        if isinstance(reply, Trouble):
            return Read(request, reply.reply, fault=reply.fault, detail=reply.detail)
        if reply.status in REDIRECTS:
            return Read(request, reply, target=_target(request, reply))
        return Read(request, reply, text=b"".join(chunks) if reply.status < 300 else None)

    # --- sitemaps ------------------------------------------------------------------------------------------------

    def _offer(self, link: Link) -> str | None:
        """Let a sitemap be read, unless it was offered before; return why it may not be."""
        judged = self._scope.judge(link)
        if isinstance(judged, Rejected):
            return judged.rule
        key = urls.key(judged.url)
        if key not in self._asked:
            self._asked.add(key)
            host = self._host(judged.origin)
            host.files += 1
            if host.files > MOST_FILES:
                host.unread += 1
            else:
                self._put(host, judged)
        return None

    async def _read_sitemap(self, host: HostInView, origin: OriginInView, request: Request) -> None:
        """Read one sitemap, by the rules of the host it lies on."""
        refusal = too_slow(host.crawl_delay) or refusal_of(origin, request.url)
        if refusal is not None:
            host.sitemaps.append(SitemapProspect(request.url, trouble=refusal))
            return
        found = await self._sitemap(request)
        if isinstance(found, str):
            host.sitemaps.append(SitemapProspect(request.url, trouble=found))
            return
        host.sitemaps.append(await self._count(request, found))

    async def _sitemap(self, request: Request) -> Parsed | str:
        """Return what stands in a sitemap, or why nobody can say."""
        body = bytearray()
        large = False

        async def take(chunk: bytes) -> None:
            nonlocal large
            if not large and len(body) + len(chunk) > SMALL:
                await self._large.acquire()
                large = True
            body.extend(chunk)

        try:
            reply = await self._ask(request, take, SITEMAP_BYTES, lambda status: status < 300)
            if isinstance(reply, Trouble):
                return f"{reply.fault.value}: {reply.detail}"
            if reply.status in REDIRECTS:
                return self._follow(request, reply)
            if reply.status >= 300:
                return f"status {reply.status}"
            page = Page(request.url, reply.header("content-type"), request.depth, request.ruleset, bytes(body), request.kind, request.hops)
            body.clear()
            parsed = await (await self._reading()).parse(page)
            return msgspec.structs.replace(parsed, links_truncated=parsed.links_truncated or reply.truncated)
        finally:
            if large:
                self._large.release()

    def _follow(self, request: Request, reply: Reply) -> Parsed | str:
        target = _target(request, reply)
        if target is None:
            return f"status {reply.status} leads nowhere"
        refusal = self._offer(Link(target, Kind.SITEMAP, request.depth, request.ruleset, request.hops + 1))
        return f"status {reply.status} to {target}{'' if refusal is None else f', which may not be read: {refusal}'}"

    async def _count(self, request: Request, parsed: Parsed) -> SitemapProspect:
        if parsed.fault is not None:
            return SitemapProspect(request.url, trouble=parsed.fault)
        offers = parsed.offers
        kinds = {KIND_CODE[Kind.LISTED], KIND_CODE[Kind.SITEMAP]}
        if not kinds.intersection(offers.kinds):
            return SitemapProspect(request.url, trouble="it is no sitemap" if offers else "it lists nothing")
        listed, below, refused = await asyncio.to_thread(sorted_out, offers)
        links = (Link(url, Kind.SITEMAP, offers.depth, offers.ruleset, offers.hops) for url in below)
        refused += sum(self._offer(link) is not None for link in links)
        new = self._new(listed)
        rules = {name: one.rules for host in self._hosts.values() for name, one in host.origins.items() if one.rules is not None}
        barred = await asyncio.to_thread(barred_among, new, rules)
        for name, (urls_there, barred_there) in barred.items():
            there = self._host(name)
            there.urls += urls_there - barred_there
            there.barred += barred_there
            there.listed = True
        for name in {url[: url.index("/", 8)] for url, _ in listed}:
            self._host(name).listed = True
        return SitemapProspect(request.url, len(listed), refused, len(below), parsed.links_truncated)

    def _new(self, listed: list[tuple[str, bytes]]) -> list[str]:
        """Return those URLs that were not counted before."""
        new = []
        for url, mark in listed:
            if mark not in self._known:
                if len(self._known) < MOST_KNOWN:
                    self._known.add(mark)
                new.append(url)
        return new

def _target(request: Request, reply: Reply) -> str | None:
    try:
        return urls.spell(reply.header("location") or "", request.url)
    except urls.UrlError:
        return None
