"""The durable fate of every URL, behind a port: `memory` is the reference model, `sqlite` what a crawl uses.

Leases are held on hosts, never on single URLs, and on one machine only in memory: after a crash all are free and a claimed
URL is simply still queued. An outcome is settled once; whoever settles twice, or under a lease that has ended, is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from crawler.core.model import (
    NO_OFFERS,
    Body,
    CookieRow,
    Fault,
    HostId,
    Indexed,
    LeaseId,
    Link,
    Offers,
    OriginId,
    Place,
    Rejected,
    Request,
    State,
    UrlId,
)

SiteCookies = tuple[str, tuple[CookieRow, ...]]
Judge = Callable[[Link], Request | Rejected]


class HostState(msgspec.Struct, frozen=True, gc=False):
    """What is remembered of a host across restarts."""

    host_id: HostId
    name: str
    next_at: float = 0.0
    """Earliest polite moment of the next request."""
    pace: float | None = None
    """Seconds between two requests that the host has earned; None while nothing is known."""
    failures: int = 0
    """Network faults one after another."""
    rest_reason: str | None = None
    parked: str | None = None
    """Why the host is put off beyond this run."""


class OriginState(msgspec.Struct, frozen=True, gc=False):
    """What is remembered of an origin: its robots.txt."""

    origin_id: OriginId
    origin: str
    robots_at: float | None = None
    robots_status: int | None = None
    robots_fault: Fault | None = None
    robots_text: bytes | None = None
    crawl_delay: float | None = None


class Lease(msgspec.Struct, frozen=True, gc=False):
    """The right to ask one host, with its next URLs. A refill bears the same id and only further URLs."""

    id: LeaseId
    host: HostState
    requests: tuple[Request, ...]
    origins: tuple[OriginState, ...]


class Attempt(msgspec.Struct, frozen=True, gc=False):
    """One request that reached a verdict: a row of `fetch`."""

    at: float
    status: int | None = None
    fault: Fault | None = None
    detail: str | None = None
    truncated: bool = False
    mime: str | None = None
    charset: str | None = None
    wire_bytes: int | None = None
    ttfb: float | None = None
    total: float | None = None
    ip: str | None = None
    redirected: bool = False
    """The first of the offers is where the answer points to."""
    etag: str | None = None
    last_modified: str | None = None
    title: str | None = None
    lang: str | None = None
    noindex: bool = False
    links: int | None = None
    links_truncated: bool = False
    headers: str | None = None
    dns: float | None = None
    connect: float | None = None
    tls: float | None = None
    reused: bool = False
    """The connection had served an earlier request."""
    nofollow: bool = False
    simhash: int | None = None
    near: UrlId | None = None
    """An earlier page whose text is nearly the same."""


class Settled(msgspec.Struct, frozen=True, gc=False):
    """What is to be recorded of one request: everything in it becomes true in one transaction, or nothing."""

    request: Request
    state: State
    tries: int = 0
    due_at: float | None = None
    reason: str | None = None
    rule: str | None = None
    attempt: Attempt | None = None
    body: Body | None = None
    page: bool = False
    """The attempt is the URL's good answer."""
    again: bool = False
    """The redirect's target was asked before and is to be asked once more: a cookie has changed in between."""
    offers: Offers = NO_OFFERS
    listed: tuple[tuple[str, int | None, float | None], ...] = ()
    """What a sitemap says of its entries: URL, last change (Unix seconds), priority; each is among the offers."""
    host: HostState | None = None
    origin: OriginState | None = None
    indexed: Indexed | None = None
    """What the search index keeps of the page, where there is one."""
    gone: bool = False
    """The URL has no page any more, if it had one; what it was stays in the history."""
    renewed: bool = False
    """The offers are all that the URL leads to now: links that an earlier answer had and this one has not are gone."""
    place: Place | None = None
    """Where the answer lies in a WARC file."""


class FrontierStatistics(msgspec.Struct, frozen=True, gc=False):
    """Where the frontier stands. Its repr tells an operator the truth."""

    queued: int
    done: int
    failed: int
    excluded: int
    pages: int
    """Good answers stored; robots.txt not counted."""
    errors: int
    """Requests that ended in a fault or a status of 400 and above, for good."""
    hosts_held: int
    in_flight: int
    """URLs handed out and not settled."""

    def __repr__(self) -> str:
        return (
            f"<Frontier {self.queued} queued, {self.done} done, {self.failed} failed, {self.excluded} excluded, "
            f"{self.hosts_held} hosts held, {self.in_flight} URLs out>"
        )


class Frontier(Protocol):
    """The seam between one machine and many."""

    async def add(self, offers: Sequence[Request | Rejected]) -> int:
        """Make requests and refusals durable, each once; return how many were new. Repeating it changes nothing."""

    async def claim(
        self, *, now: float, hosts: int, urls: int, refill: Sequence[LeaseId] = (), revisits: bool = False
    ) -> list[Lease]:
        """Return leases of up to *hosts* further hosts that are due, longest due first, and refills of held ones.

        Each has up to *urls* URLs that no lease has handed out yet: those whose moment has come, the longest due first, then
        the others in order of (priority, discovery). *revisits*: only URLs with a moment of their own that have a page already.
        A refill that found nothing is left out.
        """

    async def commit(self, batch: Sequence[Settled], cookies: Sequence[SiteCookies] = ()) -> set[LeaseId]:
        """Record a batch atomically, children before their parents; return the leases whose entries were refused.

        *cookies* are sites with all the cookies that they have now, true in the same transaction as the answers that set them.
        """

    async def renew(self, leases: Sequence[LeaseId]) -> set[LeaseId]:
        """Hold leases for longer; return those that have ended. On one machine none does by itself."""

    async def release(self, leases: Sequence[LeaseId]) -> None:
        """Give hosts back; what was handed out and not settled can be claimed again."""

    async def park(self, *, after: float, reason: str) -> list[str]:
        """Put off all hosts that wake later than *after*; return their names."""

    def grown_hosts(self) -> set[HostId]:
        """Return the hosts that got further URLs since this was last asked."""

    async def next_wake(self, *, revisits: bool = False) -> float | None:
        """Return when the next host that is not held, not parked and has something queued may be asked; None: none has.

        *revisits* means the same as in `claim`.
        """

    async def statistics(self) -> FrontierStatistics:
        """Return a frozen snapshot."""

    async def drained(self) -> bool:
        """Tell whether nothing is queued, parked hosts aside."""
