"""What a plan found out, as frozen values: each host with its robots.txt, its sitemaps, and the time that it will take. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from crawler.core.forecast import duration, gap
from crawler.core.model import Fault
from crawler.core.pace import FASTEST_PACE
from crawler.core.policy import LONGEST_CRAWL_DELAY
from crawler.core.settings import Settings

Robots = Literal["rules", "none", "forbids", "ignored", "not asked"]
"""`rules`: there are some; `none`: there is no robots.txt, so all is allowed; `forbids`: it cannot be had, so nothing is allowed for
now; `ignored`: settings say so; `not asked`: no seed is there, or the plan was ended before."""


class SeedProspect(msgspec.Struct, frozen=True):
    """A seed, and whether it may be asked for."""

    url: str
    allowed: bool
    rule: str | None = None
    """What decides: a line of robots.txt, a rule of scope, or what is wrong with the host."""


class OriginProspect(msgspec.Struct, frozen=True):
    """What an origin said to the request for its robots.txt."""

    origin: str
    robots: Robots
    status: int | None = None
    fault: Fault | None = None
    detail: str | None = None
    crawl_delay: float | None = None
    """Seconds."""


class SitemapProspect(msgspec.Struct, frozen=True):
    """A sitemap that was read, or should have been."""

    url: str
    listed: int = 0
    """URLs that it lists and that may enter the crawl, those that others list too included."""
    refused: int = 0
    """URLs that it lists and that may not, by scope, depth or pattern."""
    sitemaps: int = 0
    """Further sitemaps that it lists."""
    cut: bool = False
    """There was more in it than is read of one sitemap."""
    trouble: str | None = None
    """Why it could not be read."""


class HostProspect(msgspec.Struct, frozen=True):
    """All that is known of a host before its first page."""

    host: str
    origins: tuple[OriginProspect, ...]
    seeds: tuple[SeedProspect, ...]
    sitemaps: tuple[SitemapProspect, ...]
    unread: int
    """Sitemaps beyond the number that a plan reads of one host, or that were left when it was ended."""
    urls: int
    """Distinct URLs that will be asked for, as far as they are known: its seeds, and what sitemaps list there."""
    barred: int
    """URLs that sitemaps list there and that its robots.txt forbids."""
    known: bool
    """Whether the number of URLs says anything: a sitemap lists some, or nothing but the seeds is wanted."""
    trouble: str | None
    """Why nothing of it can be asked for: its name does not resolve, its certificate is bad, robots.txt is unreachable."""
    crawl_delay: float | None
    gap: float
    """Seconds between two requests at first."""
    fastest: float
    """Seconds between two requests at best: an adaptive pace is earned by quick answers."""
    low: float
    """Seconds that `urls` take at the least."""
    high: float
    """Seconds that they take if the first pace is never earned better. A slow server takes longer."""


class Prospect(msgspec.Struct, frozen=True):
    """A plan."""

    hosts: tuple[HostProspect, ...]
    seeds: int
    forbidden: int
    """Seeds that may not be asked for."""
    troubled: int
    """Hosts of which nothing can be asked for."""
    sitemaps: int
    """Sitemaps that were read."""
    urls: int
    known: bool
    """Whether the number of URLs of every host that can be asked says anything."""
    low: float
    high: float
    """Seconds for all of it: as long as the host that takes longest, for hosts are asked side by side."""
    max_pages: int | None
    """The limit of pages that is set; a crawl ends there, if not before."""
    ended: str | None
    """Why the plan was ended before it was complete; None when it is complete."""


def times(urls: int, *, crawl_delay: float | None, settings: Settings) -> tuple[float, float, float, float]:
    """Return the gap at first and at best, and the least and the most seconds for so many URLs of one host."""
    first = gap(None, crawl_delay=crawl_delay, delay=settings.delay)
    fixed = crawl_delay is not None or settings.delay is not None
    return (first, first if fixed else FASTEST_PACE, *duration(urls, crawl_delay=crawl_delay, delay=settings.delay))


def too_slow(crawl_delay: float | None) -> str | None:
    """Return why a host is put off at once; None when it is not."""
    if crawl_delay is None or crawl_delay <= LONGEST_CRAWL_DELAY:
        return None
    return f"Crawl-delay of {crawl_delay:g} s is longer than {LONGEST_CRAWL_DELAY:g} s"


def summed(hosts: Iterable[HostProspect], settings: Settings, ended: str | None) -> Prospect:
    """Sum up: hosts are asked side by side, so the slowest one counts."""
    found = tuple(sorted(hosts, key=lambda host: (-host.high, host.host)))
    good = [host for host in found if host.trouble is None]
    return Prospect(
        found,
        seeds=sum(len(host.seeds) for host in found),
        forbidden=sum(not seed.allowed for host in found for seed in host.seeds),
        troubled=len(found) - len(good),
        sitemaps=sum(sitemap.trouble is None for host in found for sitemap in host.sitemaps),
        urls=sum(host.urls for host in good),
        known=all(host.known for host in good),
        low=max((host.low for host in good), default=0.0),
        high=max((host.high for host in good), default=0.0),
        max_pages=settings.max_pages,
        ended=ended,
    )
