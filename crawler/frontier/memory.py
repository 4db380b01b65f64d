"""The frontier as plain dictionaries: the reference model that every other one is compared with, and fit for small crawls.

It says in the fewest words what the port means. Depths are worked out anew from the link graph after every batch, so
that no order of events can make them wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from crawler.core import urls
from crawler.core.model import (
    KINDS,
    CookieRow,
    HostId,
    Kept,
    Kind,
    LeaseId,
    OriginId,
    Reason,
    Rejected,
    Request,
    State,
    UrlId,
)
from crawler.core.scope import depth_rule
from crawler.frontier import FrontierStatistics, HostState, Lease, OriginState, Settled, SiteCookies
from crawler.frontier.batch import REOPENED

_GOOD = 400


class _Url:
    """One URL."""

    def __init__(self, row: UrlId, offer: _Offer) -> None:
        self.id = row
        self.url = offer.url
        self.kind = offer.kind
        self.depth = offer.depth
        self.priority = offer.priority
        self.ruleset = offer.ruleset
        self.hops = offer.hops
        self.reason = offer.reason
        self.rule = offer.rule
        self.state = State.QUEUED if offer.reason is None else State.EXCLUDED
        self.tries = 0
        self.due_at: float | None = None
        self.page: Kept | None = None
        self.asked_at: float | None = None
        self.failed_status = False


class _Offer(NamedTuple):
    url: str
    kind: Kind
    depth: int
    priority: int
    ruleset: int
    hops: int
    reason: str | None
    rule: str | None


class _Host:
    def __init__(self, id_: HostId, name: str) -> None:
        self.state = HostState(id_, name)
        self.urls: list[_Url] = []

    def queued(self, revisits: bool = False) -> list[_Url]:  # noqa: FBT001, FBT002 - what `claim` was told
        waiting = [url for url in self.urls if url.state == State.QUEUED]
        return [url for url in waiting if url.due_at is not None and url.page is not None] if revisits else waiting

    def wake(self, revisits: bool = False) -> float:  # noqa: FBT001, FBT002 - likewise
        waiting = self.queued(revisits)
        ready = any(url.due_at is None for url in waiting)
        return self.state.next_at if ready else max(self.state.next_at, min(url.due_at or 0.0 for url in waiting))


def _kept(settled: Settled) -> Kept:
    """Return what there is of a page to ask for it again by."""
    attempt, body = settled.attempt, settled.body
    digest, file = (None, None) if body is None else (body.digest, body.file)
    if attempt is None or attempt.truncated or attempt.fault is not None:
        return Kept(None, None, digest, file)
    return Kept(attempt.etag, attempt.last_modified, digest, file)


class MemoryFrontier:
    """See the port `Frontier`."""

    def __init__(self, depth_limit: Callable[[int], int | None] = lambda _: None) -> None:
        self._depth_limit = depth_limit
        self.cookies: dict[str, tuple[CookieRow, ...]] = {}
        self._by_key: dict[str, _Url] = {}
        self._by_id: dict[UrlId, _Url] = {}
        self._hosts: dict[str, _Host] = {}
        self._origins: dict[str, OriginState] = {}
        self._links: dict[UrlId, dict[tuple[UrlId, Kind], bool]] = {}      # is it marked nofollow?
        self._held: dict[LeaseId, tuple[_Host, set[UrlId], set[OriginId]]] = {}
        self._grown: set[HostId] = set()
        self._leases = 0

    def __repr__(self) -> str:
        return repr(self._snapshot())

    def reopened(self) -> MemoryFrontier:
        """Return what is left after a crash: everything but the leases."""
        self._held.clear()
        for host in self._hosts.values():
            host.state = msgspec.structs.replace(host.state, parked=None)
        return self

    # --- writing -------------------------------------------------------------------------------------------------

    async def add(self, offers: Sequence[Request | Rejected]) -> int:
        """See the port."""
        before = len(self._by_key)
        for offer in offers:
            if isinstance(offer, Rejected):
                link = offer.link
                self._offer(_Offer(link.url, link.kind, link.depth, link.depth, link.ruleset, link.hops, offer.reason, offer.rule))
            else:
                self._offer(_Offer(offer.url, offer.kind, offer.depth, offer.priority, offer.ruleset, offer.hops, None, None))
        self._relax()
        return len(self._by_key) - before

    def _offer(self, offer: _Offer) -> _Url:
        """Take in an offer: a new URL, a better way to a known one, or nothing new."""
        known = self._by_key.get(urls.key(offer.url))
        if known is None:
            return self._new(offer)
        if known.state == State.EXCLUDED:
            unasked = known.reason == Reason.DUPLICATE and known.tries == 0
            lifts = offer.reason is None and (known.reason in REOPENED or unasked)
            nearer = known.reason == offer.reason == Reason.DEPTH and offer.depth < known.depth
            if lifts or nearer:
                known.depth, known.ruleset, known.reason, known.rule = offer.depth, offer.ruleset, offer.reason, offer.rule
                known.priority = min(known.priority, offer.priority)
                known.kind, known.hops = offer.kind, offer.hops
            if lifts:
                known.state = State.QUEUED
                self._grow(known)
        elif offer.reason is None and offer.depth < known.depth:
            known.depth, known.ruleset = offer.depth, offer.ruleset
            known.priority = min(known.priority, offer.priority)
        return known

    def _new(self, offer: _Offer) -> _Url:
        origin = urls.split(offer.url)[0]
        name = urls.host_of(origin)
        host = self._hosts.setdefault(name, _Host(len(self._hosts) + 1, name))
        self._origins.setdefault(origin, OriginState(len(self._origins) + 1, origin))
        url = _Url(len(self._by_id) + 1, offer)
        self._by_key[urls.key(offer.url)] = self._by_id[url.id] = url
        host.urls.append(url)
        if url.state == State.QUEUED:
            self._grow(url)
        return url

    def _grow(self, url: _Url) -> None:
        self._grown.add(self._hosts[urls.host_of(urls.split(url.url)[0])].state.host_id)

    def _relax(self) -> None:
        """Make every depth the least over all known ways, and lift what was refused only for a depth it does not have."""
        changed = True
        while changed:
            changed = False
            for source, targets in self._links.items():
                for (target, kind), marked in targets.items():
                    if marked:
                        continue
                    child = self._by_id[target]
                    depth = self._by_id[source].depth + (kind is not Kind.REDIRECT)
                    if depth < child.depth:
                        changed = True
                        child.depth = depth
                        child.priority = child.priority if child.priority < 0 else depth
                        self._lift(child)

    def _lift(self, child: _Url) -> None:
        if child.reason != Reason.DEPTH:
            return
        limit = self._depth_limit(child.ruleset)
        if limit is None or child.depth <= limit:
            child.state, child.reason, child.rule = State.QUEUED, None, None
            self._grow(child)
        else:
            child.rule = depth_rule(child.depth, limit)

    async def commit(self, batch: Sequence[Settled], cookies: Sequence[SiteCookies] = ()) -> set[LeaseId]:
        """See the port."""
        refused = set()
        self.cookies.update(cookies)
        for settled in batch:
            lease, row = settled.request.lease, settled.request.id
            if lease not in self._held or row not in self._held[lease][1]:
                refused.add(lease)
                continue
            self._held[lease][1].discard(row)
            self._settle(settled, self._by_id[row])
        self._relax()
        return refused

    def _settle(self, settled: Settled, url: _Url) -> None:
        url.state, url.tries, url.due_at = settled.state, settled.tries, settled.due_at
        url.reason, url.rule = settled.reason, settled.rule
        if settled.page:
            url.page = _kept(settled)
        if settled.gone:
            url.page = None
        if settled.attempt is not None:
            url.asked_at = settled.attempt.at
        if settled.renewed:
            self._links.pop(url.id, None)
        attempt = settled.attempt
        wrong = attempt is not None and (attempt.fault is not None or (attempt.status or 0) >= _GOOD)
        url.failed_status = settled.state == State.FAILED or (settled.state == State.DONE and wrong)
        if settled.host is not None:
            self._hosts[settled.host.name].state = settled.host
        if settled.origin is not None:
            self._origins[settled.origin.origin] = settled.origin
        offers = settled.offers
        limit = self._depth_limit(offers.ruleset)
        depth = url.depth + offers.depth - settled.request.depth
        for name, kind, verdict in zip(offers.urls.split("\n"), offers.kinds, offers.verdicts, strict=False):
            reason, rule = offers.rules[verdict - 1] if verdict else (None, None)
            if reason == Reason.DEPTH and (limit is None or depth <= limit):
                reason = rule = None
            priority = offers.priority if offers.priority < 0 else depth
            child = self._offer(_Offer(name, KINDS[kind], depth, priority, offers.ruleset, offers.hops, reason, rule))
            self._links.setdefault(url.id, {}).setdefault((child.id, KINDS[kind]), reason == Reason.NOFOLLOW)
            if settled.again and child.state == State.DONE and settled.attempt is not None:
                child.state, child.due_at, child.hops, child.tries = State.QUEUED, settled.attempt.at, offers.hops, 0

    async def revisit(self, age: float, *, began: float) -> int:
        """Queue what was answered or given up, and last asked longer before a moment; return how many URLs that were."""
        over = [url for url in self._by_id.values() if url.state in (State.DONE, State.FAILED) and url.kind is not Kind.ROBOTS]
        due = {url.id: url.asked_at + age for url in over if url.asked_at is not None and url.asked_at + age < began}
        for row, moment in due.items():
            url = self._by_id[row]
            url.state, url.tries, url.due_at, url.failed_status = State.QUEUED, 0, moment, False
            self._grow(url)
        return len(due)

    async def park(self, *, after: float, reason: str) -> list[str]:
        """See the port."""
        late = [host for host in self._hosts.values() if host.queued() and host.state.parked is None and host.wake() > after]
        for host in late:
            host.state = msgspec.structs.replace(host.state, parked=host.state.rest_reason or reason)
        return [host.state.name for host in late]

    # --- leases --------------------------------------------------------------------------------------------------

    async def claim(
        self, *, now: float, hosts: int, urls: int, refill: Sequence[LeaseId] = (), revisits: bool = False
    ) -> list[Lease]:
        """See the port."""
        taken = {held[0].state.host_id for held in self._held.values()}
        due = [
            host for host in self._hosts.values()
            if host.queued(revisits) and host.state.parked is None and host.wake(revisits) <= now and host.state.host_id not in taken
        ]  # fmt: skip
        wanted = [lease for lease in refill if lease in self._held]
        for host in sorted(due, key=lambda host: host.wake(revisits))[: max(hosts, 0)]:
            self._leases += 1
            self._held[self._leases] = (host, set(), set())
            wanted.append(self._leases)
        leases = [self._hand_out(lease, now, urls, revisits=revisits) for lease in wanted]
        for lease in wanted:
            if not self._held[lease][1]:
                del self._held[lease]
        return [lease for lease in leases if lease.requests]

    def _hand_out(self, lease: LeaseId, now: float, most: int, *, revisits: bool) -> Lease:
        host, out, told = self._held[lease]
        ready = [url for url in host.queued(revisits) if url.id not in out and (url.due_at is None or url.due_at <= now)]
        late = sorted((url for url in ready if url.due_at is not None), key=lambda url: url.due_at or 0.0)
        line = [*late, *sorted((url for url in ready if url.due_at is None), key=lambda url: (url.priority, url.id))][:most]
        requests = tuple(self._request(url, host, lease) for url in line)
        out.update(url.id for url in line)
        origins = {request.origin: self._origins[request.origin] for request in requests}
        new = tuple(origin for origin in origins.values() if origin.origin_id not in told)
        told.update(origin.origin_id for origin in new)
        return Lease(lease, host.state, requests, new)

    def _request(self, url: _Url, host: _Host, lease: LeaseId) -> Request:
        origin = urls.split(url.url)[0]
        return Request(
            url.url, origin, host.state.name, url.kind, url.depth, url.priority, url.ruleset, url.hops, url.tries, url.id,
            host.state.host_id, self._origins[origin].origin_id, lease, url.asked_at is not None, url.page,
        )  # fmt: skip

    async def renew(self, leases: Sequence[LeaseId]) -> set[LeaseId]:
        """See the port."""
        return {lease for lease in leases if lease not in self._held}

    async def release(self, leases: Sequence[LeaseId]) -> None:
        """See the port."""
        for lease in leases:
            self._held.pop(lease, None)

    # --- asking --------------------------------------------------------------------------------------------------

    def grown_hosts(self) -> set[HostId]:
        """See the port."""
        grown, self._grown = self._grown, set()
        return grown

    async def next_wake(self, *, revisits: bool = False) -> float | None:
        """See the port."""
        taken = {held[0].state.host_id for held in self._held.values()}
        free = [host for host in self._hosts.values() if host.queued(revisits) and host.state.parked is None]
        return min((host.wake(revisits) for host in free if host.state.host_id not in taken), default=None)

    async def statistics(self) -> FrontierStatistics:
        """See the port."""
        return self._snapshot()

    def _snapshot(self) -> FrontierStatistics:
        count = {state: sum(url.state == state for url in self._by_id.values()) for state in State}
        pages = sum(url.page is not None for url in self._by_id.values())
        errors = sum(url.failed_status for url in self._by_id.values())
        out = sum(len(held[1]) for held in self._held.values())
        numbers = (count[State.QUEUED], count[State.DONE], count[State.FAILED], count[State.EXCLUDED])
        return FrontierStatistics(*numbers, pages, errors, len(self._held), out)

    async def drained(self) -> bool:
        """See the port."""
        return not any(host.queued() and host.state.parked is None for host in self._hosts.values())

    def graph(self) -> dict[tuple[str, str, str], bool]:
        """Return the links (source, target, kind), and whether each is marked nofollow."""
        return {
            (self._by_id[source].url, self._by_id[target].url, kind.value): marked
            for source, targets in self._links.items() for (target, kind), marked in targets.items()
        }  # fmt: skip

    def fates(self) -> dict[str, tuple[State, int, str | None]]:
        """Return state, depth and reason of every URL: what the contract compares."""
        return {url.url: (url.state, url.depth, url.reason) for url in self._by_id.values()}
