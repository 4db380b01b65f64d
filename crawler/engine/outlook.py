"""Hosts as a plan comes to know them, and what can be said of each in the end."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from collections.abc import Set as AbstractSet

from crawler.core import urls
from crawler.core.model import KIND_CODE, Fault, Kind, Offers, Rejected, Request
from crawler.core.robots import ALLOW_ALL, Robots
from crawler.core.scope import Scope
from crawler.core.seeds import Seed
from crawler.core.settings import Settings
from crawler.engine.prospects import HostProspect, OriginProspect, SeedProspect, SitemapProspect, times, too_slow

JUDGED_WITHIN = 1.0
"""Seconds that robots.txt is asked about the URLs of one sitemap; the rest counts as allowed."""


class OriginInView:
    """An origin, and what its robots.txt said."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.rules: Robots | None = None
        self.prospect = OriginProspect(name, "not asked")


class HostInView:
    """A host: what it is still to be asked for, and what is known of it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.origins: dict[str, OriginInView] = {}
        self.seeds: list[tuple[Seed, Request | Rejected]] = []
        self.work: deque[Request | OriginInView] = deque()
        self.waiting = False
        self.files = 0
        self.unread = 0
        self.sitemaps: list[SitemapProspect] = []
        self.urls = 0
        self.barred = 0
        self.listed = False
        self.alone = asyncio.Lock()
        """Held while it is asked something."""
        self.next_at = 0.0
        self.pace: float | None = None

    @property
    def crawl_delay(self) -> float | None:
        """The longest Crawl-delay of its origins, in seconds."""
        return max((one.prospect.crawl_delay for one in self.origins.values() if one.prospect.crawl_delay is not None), default=None)


def prospect_of(host: HostInView, scope: Scope, settings: Settings, *, known: AbstractSet[bytes], secret: bytes) -> HostProspect:
    """Say what is known of a host; *known* are the marks of all URLs that sitemaps list."""
    trouble = _trouble(host)
    seeds = tuple(_seed_prospect(host, seed, judged, trouble) for seed, judged in host.seeds)
    allowed = {urls.mark(judged.url, secret) for seed, (_, judged) in zip(seeds, host.seeds, strict=True) if seed.allowed and
               isinstance(judged, Request)}
    count = host.urls + len(allowed - known)      # a seed that a sitemap lists is counted there
    only_seeds = all(
        scope.rules.rulesets[one.ruleset].scope == "page" or scope.rules.rulesets[one.ruleset].depth == 0
        for _, one in host.seeds if isinstance(one, Request)
    )  # fmt: skip
    asked = count + len(host.sitemaps) + host.unread + len(host.origins)
    first, fastest, low, high = times(asked, crawl_delay=host.crawl_delay, settings=settings)
    return HostProspect(
        host.name, tuple(one.prospect for one in host.origins.values()), seeds, tuple(host.sitemaps),
        host.unread + sum(isinstance(work, Request) for work in host.work), count, host.barred,
        host.listed or (bool(host.seeds) and only_seeds), trouble, host.crawl_delay, first, fastest, low, high,
    )  # fmt: skip


def refusal_of(origin: OriginInView, url: str) -> str | None:
    """Return the line of robots.txt that forbids a URL, or what is wrong with the origin; None when it is allowed."""
    if origin.rules is None:
        return _unreachable(origin.prospect)
    verdict = origin.rules.judge(url[len(origin.name) :])
    if verdict.allowed:
        return None
    return f"robots.txt line {verdict.line}: {verdict.text}" if verdict.line else f"robots.txt: {verdict.text}"


def _unreachable(origin: OriginProspect) -> str:
    if origin.robots == "not asked":
        return "not asked"
    return f"robots.txt: {f'status {origin.status}' if origin.fault is None else f'{origin.fault.value}: {origin.detail}'}"


def _trouble(host: HostInView) -> str | None:
    """Return why nothing of a host can be asked for."""
    asked = [one.prospect for one in host.origins.values() if one.prospect.robots != "not asked"]
    if asked and all(one.robots == "forbids" for one in asked):
        return _unreachable(asked[0])
    refused = [one for one in asked if one.fault is Fault.GUARD]
    return _unreachable(refused[0]) if refused else too_slow(host.crawl_delay)


def _seed_prospect(host: HostInView, seed: Seed, judged: Request | Rejected, trouble: str | None) -> SeedProspect:
    if isinstance(judged, Rejected):
        return SeedProspect(seed.url, allowed=False, rule=judged.rule)
    rule = trouble or refusal_of(host.origins[judged.origin], judged.url)
    return SeedProspect(seed.url, rule is None, rule)


def sorted_out(offers: Offers) -> tuple[list[tuple[str, bytes]], list[str], int]:
    """Return the listed URLs that may enter with their marks, the further sitemaps, and how many listed ones may not."""
    listed: list[tuple[str, bytes]] = []
    below: list[str] = []
    refused = 0
    for number, url in enumerate(offers.urls.split("\n")):
        kind, verdict = offers.kinds[number], offers.verdicts[number]
        if kind == KIND_CODE[Kind.SITEMAP]:
            below.append(url)
        elif kind == KIND_CODE[Kind.LISTED]:
            if verdict:
                refused += 1
            else:
                listed.append((url, offers.fingerprints[8 * number : 8 * number + 8]))
    return listed, below, refused


def barred_among(found: Sequence[str], rules: dict[str, Robots]) -> dict[str, tuple[int, int]]:
    """Return for each origin how many of these URLs lie there, and how many of them its robots.txt forbids."""
    until = time.monotonic() + JUDGED_WITHIN
    counted: dict[str, tuple[int, int]] = {}
    for url in found:
        name = url[: url.index("/", 8)]
        known = rules.get(name, ALLOW_ALL)
        barred = known is not ALLOW_ALL and time.monotonic() < until and not known.judge(url[len(name) :]).allowed
        all_there, barred_there = counted.get(name, (0, 0))
        counted[name] = all_there + 1, barred_there + barred
    return counted
