"""The queue's only producer: takes hosts in hand, asks the schedule, and releases a request when a worker is free for it.

A request that waited in the queue would be sent later than the moment it was released for, and two of one host could meet
there; so the queue never holds more than the free workers. Workers never put: a queue that its consumers also fill
deadlocks once it is full.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec

from crawler.clock import Clock
from crawler.core import robots
from crawler.core.folds import UNFOLDED, Folds
from crawler.core.inhand import Memory
from crawler.core.model import Barred, Failed, Kind, Link, Reason, Request, State, UrlId
from crawler.core.policy import Next
from crawler.core.schedule import Barred as BarredByRobots
from crawler.core.schedule import Idle, Ready, Schedule, Unreachable, Wait
from crawler.core.scope import Scope
from crawler.core.settings import Settings
from crawler.engine.committer import Committer
from crawler.engine.network import Network
from crawler.engine.recording import Landed
from crawler.frontier import Lease, OriginState
from crawler.frontier.sqlite import SqliteFrontier

HOSTS_IN_HAND = 1_000
URLS_IN_HAND = 16_384
CONNECTS_AT_ONCE, CONNECTS_A_SECOND = 64, 500
"""Requests to hosts that have not answered soon before: two thousand new connections at once held all others up for a second."""
MOST_PER_HOST, FEWEST_PER_HOST = 512, 16
LONGEST_NAP = 1.0
"""Seconds after which the feeder looks again although nothing stirred: limits on time are noticed so."""


def hosts_in_hand(settings: Settings) -> int:
    """Return how many hosts are held at once: more than can be asked at once, so that none that is quick has to be let go."""
    return max(HOSTS_IN_HAND, 2 * settings.concurrency)


class Feeder:
    """Feeds until there is nothing more to do, a limit is reached, or it is told to stop."""

    def __init__(
        self, settings: Settings, *, queue: asyncio.Queue[Request], frontier: SqliteFrontier, schedule: Schedule, scope: Scope,
        committer: Committer, clock: Clock, agent: str, over: Callable[[], str | None],
    ) -> None:  # fmt: skip
        self._settings = settings
        self._queue = queue
        self._frontier = frontier
        self._schedule = schedule
        self._scope = scope
        self._committer = committer
        self._clock = clock
        self._agent = agent
        self._over = over
        self._folds = Folds(name for name in settings.fold if name != "canonical")
        self._landings, self._folded_at = 0, -1
        self._connects, self._connects_at = float(CONNECTS_AT_ONCE), 0.0
        self._most_hosts = hosts_in_hand(settings)
        self._stirred = asyncio.Event()
        self._claiming: asyncio.Task[None] | None = None
        self._wake: float | None = 0.0
        """When the frontier has a further host for us; 0 is perhaps now, None is not by itself."""
        self.busy = 0
        """Workers that have a request."""
        self.flying_pages = 0
        """Requests on their way that may become one page more: those of URLs that have none."""
        self.revisiting = False
        """Only URLs that have a page are asked for: they come first where pages are limited, and add none."""
        self.full = False
        """The run ends because there are as many pages as are wanted."""
        self.hosts_taken = 0
        self.expecting = 0
        """Passes in the background that may still put something into the frontier."""
        self.limit: str | None = None
        self.network: Network | None = None
        self.paused = False
        """Somebody wants nothing further to be asked for at the moment."""
        self._idle_hands = 0

    async def wait_stirred(self, seconds: float) -> None:
        """Wait until something changes, at most so long."""
        try:
            async with asyncio.timeout(seconds):
                await self._stirred.wait()
        except TimeoutError:
            return
        self._stirred.clear()       # afterwards: what stirred before anyone waited counts too

    def stir(self) -> None:
        """Say that something has changed: a worker is free, a commit is through, a stop was asked for."""
        self._stirred.set()

    def expected(self) -> None:
        """Note that something which might have queued URLs is through."""
        self.expecting -= 1
        self.stir()

    def landed(self, request: Request) -> None:
        """Note that a worker has handed over and is free."""
        self.busy -= 1
        self._landings += 1
        self.flying_pages -= _may_become_new(request)
        self._stirred.set()

    async def run(self) -> None:
        """Feed. Returns when nothing more is to be released in this run."""
        try:
            while True:
                self._stirred.clear()
                self.limit = self._over()
                if self.limit is not None:
                    return
                now = self._clock.now()
                if self.network is not None:
                    self.network.air()
                self._claim_if_wanted(now)
                held = self.paused or (self.network is not None and self.network.paused)
                until = None if held else self._release(now)
                if not self.paused and self._nothing_left() and await self._finished(until):
                    return
                await self._nap(until)
        finally:
            if self._claiming is not None:
                await asyncio.wait([self._claiming])

    async def _nap(self, until: float | None) -> None:
        moments = [moment for moment in (until, self._wake or None) if moment is not None]
        seconds = min(moments, default=float("inf")) - self._clock.now()
        await self.wait_stirred(max(0.0, min(seconds, LONGEST_NAP)))

    # --- steering ------------------------------------------------------------------------------------------------

    def pause(self, *, paused: bool) -> None:
        """Release nothing further, or go on; what is in flight lands."""
        self.paused = paused
        self._stirred.set()

    def reconfigure(self, settings: Settings) -> None:
        """Go by other settings from now on."""
        self._settings = settings
        self._most_hosts = hosts_in_hand(settings)
        self._stirred.set()

    @asynccontextmanager
    async def idle_hands(self) -> AsyncIterator[None]:
        """Take nothing in hand for the length of the block, so that what waits in the frontier can be changed."""
        self._idle_hands += 1
        self.expecting += 1
        try:
            if self._claiming is not None:
                await asyncio.wait([self._claiming])
            yield
        finally:
            self._idle_hands -= 1
            self.expected()

    # --- releasing -----------------------------------------------------------------------------------------------

    def _release(self, now: float) -> float | None:
        """Release what may go now; return the moment before which nothing more can, None when that is unknown."""
        self._connects = min(CONNECTS_AT_ONCE, self._connects + (now - self._connects_at) * CONNECTS_A_SECOND)
        self._connects_at = now
        while self.busy < self._settings.concurrency and self._may_ask():
            match self._schedule.next(now, newcomers=self._connects >= 1):
                case Ready(request):
                    self.busy += 1
                    if not self._schedule.is_quick(request.host_id):
                        self._connects -= 1
                    self.flying_pages += _may_become_new(request)
                    self._queue.put_nowait(request)
                case BarredByRobots(request, rule):
                    self._refuse(request, Reason.ROBOTS, rule)
                case Unreachable(request, fault, detail):
                    failed = Failed(request, fault, detail)
                    self._committer.take_nowait(Landed(failed, Next(State.FAILED, request.tries), self._clock.now()))
                case Wait(until):
                    return until
                case Idle():
                    return None
        return None

    def _may_ask(self) -> bool:
        """Tell whether the page limit leaves room: whatever is on its way may become a page."""
        most = self._settings.max_pages
        if most is None or self.revisiting:
            return True
        return self._frontier.pages + self._committer.pages_waiting + self.flying_pages < most

    def _refuse(self, request: Request, reason: Reason, rule: str) -> None:
        next_ = Next(State.EXCLUDED, request.tries, reason=reason, rule=rule)
        self._committer.take_nowait(Landed(Barred(request, reason, rule), next_, self._clock.now()))

    # --- taking in hand ------------------------------------------------------------------------------------------

    def _claim_if_wanted(self, now: float) -> None:
        """Ask the frontier for more, in the background: feeding goes on meanwhile."""
        if self._claiming is not None:
            if not self._claiming.done():
                return
            self._claiming.result()
            self._claiming = None
        if self._idle_hands:
            return
        room = self._most_hosts - len(self._schedule)
        refill = self._schedule.hungry() if room > 0 else []
        more = room > 0 and self._wake is not None and self._wake <= now
        spent = self._schedule.spent(full=room <= 0)
        if spent or refill or more:
            self._claiming = asyncio.create_task(self._claim(now, room if more else 0, refill, spent))

    async def _claim(self, now: float, hosts: int, refill: list[int], spent: list[int]) -> None:
        await self._frontier.release(spent)
        size = max(FEWEST_PER_HOST, min(MOST_PER_HOST, URLS_IN_HAND // max(1, len(self._schedule) + hosts // 8)))
        self._schedule.low_water = size // 4
        leases: list[Lease] = []
        if hosts or refill:
            leases = await self._frontier.claim(now=now, hosts=hosts, urls=size, refill=refill, revisits=self.revisiting)
        leases = await self._by_other_ways(leases)
        folded = self._fold(leases) if self._folds else {}
        if folded:      # what they fold into is durable before they are refused
            await self._frontier.add([self._scope.judge(link) for link, _ in folded.values()])
        moment = self._clock.now()
        for lease in leases:
            self._take_in_hand(lease, moment, folded)
        self._schedule.nothing_more(set(refill) - {lease.id for lease in leases})
        if hosts or spent:
            self._wake = None
            wake = await self._frontier.next_wake(revisits=self.revisiting)
            if self._wake is None:      # else somebody said meanwhile that there is more, and knows better
                self._wake = wake
        self._stirred.set()

    def look(self) -> None:
        """Say that the frontier may have a further host."""
        self._wake = 0.0

    async def _by_other_ways(self, leases: list[Lease]) -> list[Lease]:
        """Let URLs whose own kind of link is not followed any more be what they are linked to as besides."""
        left_out = self._scope.left_out
        others = [request.id for lease in leases for request in lease.requests if request.kind in left_out]
        if not others:
            return leases
        ways = await self._frontier.ways(others, self._scope.rules.follow)
        known = self._frontier.knows_links

        def other(request: Request) -> Request:
            if request.kind not in left_out or (known and request.id not in ways):
                return request
            # where nobody knows how else it is linked to, what waits has been let in
            kind, depth = ways.get(request.id, (Kind.A, request.depth))
            return msgspec.structs.replace(request, kind=kind, depth=depth)

        return [msgspec.structs.replace(lease, requests=tuple(map(other, lease.requests))) for lease in leases]

    def _fold(self, leases: Sequence[Lease]) -> dict[UrlId, tuple[Link, str]]:
        """Return what folds, though it waited before anyone asked for folding: row -> (what it folds into, the rule)."""
        found: dict[UrlId, tuple[Link, str]] = {}
        for request in (request for lease in leases for request in lease.requests):
            if request.kind not in UNFOLDED and (into := self._folds.fold(request.url)) is not None:
                found[request.id] = Link(into[0], request.kind, request.depth, request.ruleset, request.hops), into[1]
        return found

    def _take_in_hand(self, lease: Lease, now: float, folded: Mapping[UrlId, tuple[Link, str]]) -> None:
        host = lease.host
        schedule = self._schedule
        if not schedule.holds(host.host_id):
            memory = Memory(host.next_at, host.pace, host.failures, host.rest_reason, None)
            self.hosts_taken += 1
            schedule.hold(host.host_id, host.name, lease.id, memory)
        for origin in lease.origins:
            rules = _rules(origin, self._agent)
            schedule.know(host.host_id, origin.origin_id, origin.origin, now=now, read_at=origin.robots_at or 0.0, rules=rules)
        good = []
        for request in lease.requests:
            verdict = self._scope.verdict(request.url, request.host, request.kind, request.depth, request.ruleset)
            if verdict is None and request.id in folded:
                verdict = Reason.DUPLICATE, folded[request.id][1]
            if verdict is None:
                good.append(request)
            else:       # the bounds have changed since it was queued, or the database was made by somebody else
                schedule.passed_over(request)
                self._refuse(request, *verdict)
        schedule.fill(host.host_id, good, now)

    # --- the end -------------------------------------------------------------------------------------------------

    def _nothing_left(self) -> bool:
        return self.busy == 0 and self._committer.unsettled == 0 and self._claiming is None and not self.expecting and not self._held()

    def _held(self) -> bool:
        return self.network is not None and self.network.holding

    async def _finished(self, until: float | None) -> bool:
        """Decide at a moment when nothing is on its way: go on waiting, put off who rests too long, or end."""
        if not self._may_ask():
            most = self._settings.max_pages or 0
            self.limit = "1 page" if most == 1 else f"{most:,} pages"
            self.full = True
            return True
        full = len(self._schedule) >= self._most_hosts
        if (self._schedule.hungry() and not full) or self._schedule.spent_ready(full=full):
            return False
        if "canonical" in self._settings.fold and self._folded_at != self._landings:
            self._folded_at = self._landings        # looked for once after each time that all is quiet, not every second of a rest
            if await self._frontier.bring_back():
                self.look()
                return False
        now = self._clock.now()
        horizon = now + max(self._settings.max_rest, 2 * (self._settings.delay or 0.0))     # a gap of one's own is no rest
        wake = await self._frontier.next_wake(revisits=self.revisiting)
        moments = [moment for moment in (until, wake) if moment is not None]
        if moments and min(moments) <= horizon:
            self._wake = wake
            return False
        if self.revisiting:
            return await self._turn_to_the_new()
        return await self._put_off(horizon) if moments else len(self._schedule) == 0

    async def _turn_to_the_new(self) -> bool:
        """Ask for what has no page yet, as far as the limit leaves room for it."""
        self.revisiting = False
        await self._frontier.release(self._schedule.let_go())
        self.look()
        self.stir()
        return False

    async def _put_off(self, horizon: float) -> bool:
        """Put off who rests too long; return whether nothing is left but that."""
        await self._frontier.release(self._schedule.let_go())
        await self._frontier.park(after=horizon, reason=f"rests longer than {self._settings.max_rest:g} s")
        return await self._frontier.drained()


def _may_become_new(request: Request) -> bool:
    """Tell whether a request may become one page more."""
    return request.kind is not Kind.ROBOTS and request.kept is None


def _rules(origin: OriginState, agent: str) -> robots.Robots | None:
    """Return the rules that are remembered of an origin, None when it has to be asked."""
    if origin.robots_at is None:
        return None
    if origin.robots_text is not None:
        return robots.Robots.parse(origin.robots_text, agent)
    if origin.robots_status is not None and robots.meaning(origin.robots_status) in ("allow", "redirect"):
        return robots.ALLOW_ALL
    return None

