"""Of the hosts in hand: which request next, and when. Pure, in memory, bounded by what is put in.

Invariant: a host stands in the calendar at most once, at its earliest polite moment, and only when it has something to
ask, a free slot, and nothing that must come first. So the head of the calendar can be released if anything can.
A gap that was asked for (Crawl-delay, `--delay`) is counted from the moment the last answer's headers were here: whatever
the network did to either request, the host saw them at least that far apart. An adaptive gap is counted from the release.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable

import msgspec

from crawler.core.calendar import Calendar
from crawler.core.inhand import QUICK, ROBOTS_KEPT, HostInHand, Memory, Origin
from crawler.core.metrics import HostView
from crawler.core.model import Fault, HostId, Kind, LeaseId, Request, RobotsRead
from crawler.core.policy import LONGEST_CRAWL_DELAY, Rest, breaker, robots_verdict
from crawler.core.robots import ALLOW_ALL, Robots
from crawler.core.settings import Settings

A_MOMENT = 0.01
"""Seconds after which newcomers are looked at again."""
SLOW_SHARE = 0.75
"""Share of the concurrency that hosts which are not may take up by letting us wait; what is left is for quick ones."""


class Ready(msgspec.Struct, frozen=True, gc=False):
    """This request may be sent now."""

    request: Request


class Barred(msgspec.Struct, frozen=True, gc=False):
    """This request must not be sent: robots.txt, decided at the moment of release so that fresh rules count."""

    request: Request
    rule: str


class Unreachable(msgspec.Struct, frozen=True, gc=False):
    """This request has no answer to expect: its origin does not answer, although another one of the same host does."""

    request: Request
    fault: Fault
    detail: str


class Wait(msgspec.Struct, frozen=True, gc=False):
    """Nothing before this moment; *host* is the first that can be asked again."""

    until: float
    host: str


class Idle(msgspec.Struct, frozen=True, gc=False):
    """Nothing can be released until something lands or is taken in hand."""


IDLE = Idle()
Verdict = Ready | Barred | Unreachable | Wait | Idle


class Schedule:
    """The politeness calendar over the hosts in hand. All methods are synchronous: nothing can come between."""

    def __init__(self, settings: Settings, *, agent: str, not_before: float = 0.0) -> None:
        self._settings = settings
        self._agent = agent
        self._not_before = not_before
        """After an unclean stop: no host is asked before this moment plus its own gap."""
        self._hosts: dict[HostId, HostInHand] = {}
        self._calendar = Calendar()
        self._slow: set[tuple[HostId, int]] = set()     # sent to hosts that are not quick, headers not here yet
        self._hungry: set[HostId] = set()
        self._ending: set[HostId] = set()
        self.low_water = 16
        """URLs in hand below which a host wants more; the engine sets it by how much it takes at once."""

    def __repr__(self) -> str:
        waiting = sum(len(host.queue) for host in self._hosts.values())
        flying = sum(host.in_flight for host in self._hosts.values())
        return f"<Schedule {len(self._hosts)} hosts, {waiting} URLs waiting, {flying} in flight>"

    def __len__(self) -> int:
        return len(self._hosts)

    # --- what comes in -------------------------------------------------------------------------------------------

    def hold(self, host_id: HostId, name: str, lease: LeaseId, memory: Memory) -> None:
        """Take a host in hand."""
        host = HostInHand(host_id, name, lease, memory)
        self._hosts[host_id] = host
        if host.next_at < self._not_before:
            host.next_at = self._not_before + host.gap(self._settings)

    def know(self, host_id: HostId, origin_id: int, origin: str, *, now: float, read_at: float, rules: Robots | None) -> None:
        """Take in an origin of a host in hand; *rules* when its robots.txt was read before and is still believed."""
        host = self._hosts[host_id]
        known = host.origins[origin] = Origin(origin_id, origin)
        if not self._settings.robots:
            known.rules, known.read_at = ALLOW_ALL, float("inf")
        elif rules is not None and now - read_at < ROBOTS_KEPT:
            host.believe(known, rules, read_at, self._settings)
            if self._not_before and host.next_at < self._not_before + host.gap(self._settings):
                host.next_at = self._not_before + host.gap(self._settings)

    def fill(self, host_id: HostId, requests: Iterable[Request], now: float) -> None:
        """Put further URLs of a host in hand in line: by priority, then by discovery."""
        host = self._hosts[host_id]
        if host.parked is not None:
            return
        requests = list(requests)
        last = host.queue[-1].priority if host.queue else -1
        host.queue.extend(requests)
        if any(request.priority < last for request in requests):
            host.queue = deque(sorted(host.queue, key=lambda request: (request.priority, request.id)))
        self._hungry.discard(host_id)
        self._enter(host, now)

    # --- what goes out -------------------------------------------------------------------------------------------

    def next(self, now: float, *, newcomers: bool = True) -> Verdict:
        """Release one request, or say why not. Never None. Without *newcomers* only hosts that are quick have their turn."""
        first = self._first(now, newcomers=newcomers)
        if first is None:
            return IDLE
        when, host = first
        if when > now:
            return Wait(when, host.name)
        self._calendar.leave(host.id)
        return self._release(host, now)

    def _first(self, now: float, *, newcomers: bool) -> tuple[float, HostInHand] | None:
        """Return who can be asked first, and when."""
        quick, others = self._calendar.head(quick=True), self._calendar.head(quick=False)
        if others is None:
            return None if quick is None else (quick[0], self._hosts[quick[1]])
        moment = others[0]
        if not newcomers:
            moment = max(moment, now + A_MOMENT)
        elif self._crowded():
            moment = max(moment, now + QUICK / 8)       # until one of them has answered
        if quick is not None and quick[0] <= moment:
            return quick[0], self._hosts[quick[1]]
        return moment, self._hosts[others[1]]

    def _crowded(self) -> bool:
        """Tell whether hosts that are slow, or have not answered yet, have taken up their share of the requests in flight."""
        return len(self._hosts) > 1 and len(self._slow) >= SLOW_SHARE * self._settings.concurrency

    def is_quick(self, host_id: HostId) -> bool:
        """Tell whether a host's last answer came soon."""
        return self._hosts[host_id].quick

    def _release(self, host: HostInHand, now: float) -> Ready | Barred | Unreachable:
        request = host.queue[0]
        origin = host.origins[request.origin]
        if origin.dead is not None:
            host.queue.popleft()
            host.unsettled += 1
            self._enter(host, now)
            return Unreachable(request, *origin.dead)
        if not origin.knows(now):
            return Ready(self._ask_robots(host, origin, now))
        host.queue.popleft()
        host.unsettled += 1
        self._grow_hungry(host)
        if origin.rules is not None and origin.rules is not ALLOW_ALL:
            verdict = origin.rules.judge(request.url[len(origin.name) :])
            if not verdict.allowed:
                self._enter(host, now)
                return Barred(request, f"robots.txt line {verdict.line}: {verdict.text}" if verdict.line else "robots.txt")
        self._send(host, request.id, now)
        return Ready(request)

    def _ask_robots(self, host: HostInHand, origin: Origin, now: float) -> Request:
        host.asking = True
        host.unsettled += 1
        self._send(host, 0, now)
        target = origin.ask
        return Request(
            target, origin.name, host.name, Kind.ROBOTS, 0, -1, hops=origin.hops, tries=origin.attempts,
            host_id=host.id, origin_id=origin.id, lease=host.lease,
        )  # fmt: skip

    def _send(self, host: HostInHand, url_id: int, now: float) -> None:
        host.in_flight += 1
        host.sent[url_id] = now
        if not host.quick:
            self._slow.add((host.id, url_id))
        host.awaiting += 1
        host.next_at = now + host.gap(self._settings)
        self._enter(host, now)

    # --- what comes back -----------------------------------------------------------------------------------------

    def answered(self, request: Request, now: float) -> None:
        """Note that the headers of an answer are here, or that none will come."""
        host = self._hosts[request.host_id]
        host.awaiting -= 1
        self._slow.discard((host.id, request.id))
        if host.is_strict(self._settings):
            host.next_at = max(host.next_at, now + host.gap(self._settings))
            self._enter(host, now)

    def finished(self, request: Request, now: float, *, status: int | None, fault: Fault | None, ttfb: float) -> None:
        """Note that a request has left its slot, and learn the host's pace."""
        host = self._hosts[request.host_id]
        host.in_flight -= 1
        host.learn(request.id, now, self._settings, status=status, fault=fault, ttfb=ttfb)
        self._enter(host, now)

    def failures(self, host_id: HostId) -> int:
        """Return a host's network faults one after another."""
        return self._hosts[host_id].failures

    def breaker(self, host_id: HostId, now: float, chance: float) -> Rest | None:
        """Return the rest of a host that does not answer whatever it is asked for, None while it does or may.

        What was in flight at once fails at once, and counts once: the rest grows only with what was asked after the last one.
        """
        host = self._hosts[host_id]
        rest = breaker(host.failures, len(host.suspects), chance)
        if rest is None:
            return None
        if host.broken_until > now:
            return Rest(host.broken_until - now, rest.why)
        host.broken_at, host.broken_until = now, now + rest.seconds
        return rest

    def suspect(self, host_id: HostId, until: float, now: float) -> None:
        """Ask nothing of a host until a moment, unless `clear` comes first: its failure may be the network's."""
        host = self._hosts[host_id]
        host.suspected_until = until
        self._enter(host, now)

    def clear(self, host_id: HostId, now: float) -> None:
        """End a suspicion: what failed has been judged."""
        host = self._hosts[host_id]
        host.suspected_until = 0.0
        self._enter(host, now)

    def forgive(self, request: Request, now: float, *, robots: bool) -> None:
        """Forget a failure that was the network's: the host may be asked again at once."""
        host = self._hosts[request.host_id]
        host.trust()
        if robots:
            host.asking = False
        self._enter(host, now)

    def learn(self, outcome: RobotsRead, now: float) -> Rest | None:
        """Take in what robots.txt came to; return a rest when it asks for more than is honoured."""
        host = self._hosts[outcome.request.host_id]
        host.asking = False
        origin = host.origins[outcome.request.origin]
        verdict = robots_verdict(outcome, self._agent)
        if verdict.ask is not None:
            origin.ask, origin.hops = verdict.ask, origin.hops + 1
        else:
            origin.ask, origin.hops = f"{origin.name}/robots.txt", 0
        if verdict.rules is not None:
            origin.attempts = 0
            host.believe(origin, verdict.rules, now, self._settings)
        elif verdict.ask is None:
            origin.attempts += 1
            host.doubt(origin, outcome)
        rest = None
        if host.crawl_delay is not None and host.crawl_delay > LONGEST_CRAWL_DELAY:
            rest = Rest(host.crawl_delay, f"Crawl-delay of {host.crawl_delay:g} s is longer than {LONGEST_CRAWL_DELAY:g} s", park=True)
        self._enter(host, now)
        return rest

    def sitemaps(self, request: Request) -> tuple[str, ...]:
        """Return the sitemaps that the robots.txt names which was asked for, as they are written there."""
        rules = self._hosts[request.host_id].origins[request.origin].rules
        return () if rules is None else rules.sitemaps

    def is_dead(self, request: Request) -> bool:
        """Tell whether the origin that a robots.txt was asked of is given up in this run, and not its host."""
        return self._hosts[request.host_id].origins[request.origin].dead is not None

    def rest(self, host_id: HostId, rest: Rest, now: float) -> None:
        """Leave a host alone for a while, or put it off beyond this run."""
        host = self._hosts[host_id]
        host.rest_reason = rest.why
        host.rest_until = max(host.rest_until, now + rest.seconds)
        if rest.park:
            host.parked = rest.why
            host.queue.clear()
        self._enter(host, now)

    def park(self, host_id: HostId, why: str, now: float) -> None:
        """Put a host off beyond this run, if it is in hand."""
        if host_id in self._hosts:
            self.rest(host_id, Rest(0.0, why, park=True), now)

    def free(self, host_id: HostId, now: float) -> None:
        """End a host's rest at once: somebody knows better. Its gap between requests holds."""
        host = self._hosts.get(host_id)
        if host is None:
            return
        host.trust()
        host.rest_until = host.broken_until = 0.0
        host.rest_reason, host.parked, host.dry = None, None, False
        self._enter(host, now)

    def withdraw(self, unwanted: Callable[[Request], bool], now: float) -> list[Request]:
        """Take out of hand what is not to be asked for, as far as it has not been released; return it."""
        found: list[Request] = []
        for host in self._hosts.values():
            out = [request for request in host.queue if unwanted(request)]
            if out:
                gone = {request.id for request in out}
                host.queue = deque(request for request in host.queue if request.id not in gone)
                host.dry = False        # it waits in the frontier again
                found += out
                self._enter(host, now)
        return found

    def reconfigure(self, settings: Settings, now: float) -> None:
        """Go by other settings from now on: pace and limits."""
        self._settings = settings
        for host in self._hosts.values():
            if host.next_at > now:      # a gap that was longer or shorter than it would be now
                host.next_at = min(host.next_at, now + host.gap(self._settings))
            self._enter(host, now)

    def settled(self, request: Request) -> None:
        """Note that an outcome is durable."""
        host = self._hosts[request.host_id]
        host.unsettled -= 1
        self._mark_ending(host)

    # --- leases --------------------------------------------------------------------------------------------------

    def hungry(self) -> list[LeaseId]:
        """Return the leases of hosts that want further URLs."""
        hosts = (self._hosts[host_id] for host_id in self._hungry)
        return [host.lease for host in hosts if not host.dry and host.parked is None]

    def nothing_more(self, leases: Iterable[LeaseId]) -> None:
        """Note that the frontier had nothing more for these leases, until `stirred` says otherwise."""
        wanted = set(leases)
        for host_id in tuple(self._hungry):
            host = self._hosts[host_id]
            if host.lease in wanted:
                host.dry = True
                self._mark_ending(host)

    def stirred(self, host_ids: Iterable[HostId]) -> bool:
        """Note that the frontier has further URLs of these hosts; return whether one of them is not in hand."""
        elsewhere = False
        for host_id in host_ids:
            host = self._hosts.get(host_id)
            if host is None:
                elsewhere = True
            else:
                host.dry = False
        return elsewhere

    def hurry(self, host_id: HostId) -> None:
        """Ask for further URLs of a host at once: one that goes first is waiting there."""
        host = self._hosts.get(host_id)
        if host is not None:
            host.dry = False
            self._hungry.add(host_id)

    def spent(self, *, full: bool = False) -> list[LeaseId]:
        """Let go of hosts that have nothing left in hand, in flight or on its way to disk; return their leases.

        Hosts that the frontier may have more of stay, unless the hand is *full*: then others have their turn first.
        """
        leases = []
        for host_id in tuple(self._ending):
            host = self._hosts[host_id]
            if host.queue or host.unsettled:
                self._ending.discard(host_id)
            elif full or host.dry or host.parked is not None:
                leases.append(host.lease)
                self._forget(host_id)
        return leases

    def let_go(self) -> list[LeaseId]:
        """Let go of every host with nothing unsettled; return their leases."""
        free = [host for host in self._hosts.values() if not host.unsettled]
        for host in free:
            self._forget(host.id)
        return [host.lease for host in free]

    def spent_ready(self, *, full: bool = False) -> bool:
        """Tell whether `spent` would let go of a host."""
        return any(
            not host.queue and not host.unsettled and (full or host.dry or host.parked is not None)
            for host in (self._hosts[host_id] for host_id in self._ending)
        )

    def holds(self, host_id: HostId) -> bool:
        """Tell whether a host is in hand."""
        return host_id in self._hosts

    def passed_over(self, request: Request) -> None:
        """Note that a URL in hand is settled without being asked for."""
        self._hosts[request.host_id].unsettled += 1

    def _forget(self, host_id: HostId) -> None:
        del self._hosts[host_id]
        self._calendar.leave(host_id)
        self._hungry.discard(host_id)
        self._ending.discard(host_id)

    # --- what can be asked ---------------------------------------------------------------------------------------

    def memory(self, host_id: HostId, now: float) -> Memory:
        """Return what is to be remembered of a host across restarts."""
        return self._hosts[host_id].memory(now)

    def crawl_delay(self, host_id: HostId) -> float | None:
        """Return the delay that a host's robots.txt asks for."""
        return self._hosts[host_id].crawl_delay

    def waiting(self, now: float, most: int = 3) -> list[tuple[str, float, str]]:
        """Return who is waited for longest: (host, seconds, why)."""
        late = ((self._hosts[host_id], moment) for host_id, moment in self._calendar if moment > now)
        found = [(host.name, moment - now, host.why(now, self._settings)) for host, moment in late]
        return heapq.nlargest(most, found, key=lambda entry: entry[1])

    def urls(self, most: int) -> list[str]:
        """Return some of the URLs in hand."""
        queued = itertools.chain.from_iterable(host.queue for host in self._hosts.values())
        return [request.url for request in itertools.islice(queued, most)]

    def views(self, now: float, most: int) -> list[HostView]:
        """Return the hosts in hand for whoever looks on: those with requests in flight first, then those that come next."""
        chosen = heapq.nsmallest(most, self._hosts.values(), key=lambda host: (not host.in_flight, host.moment(), host.id))
        return [host.view(now, self._settings) for host in chosen]

    # --- the calendar --------------------------------------------------------------------------------------------

    def _enter(self, host: HostInHand, now: float) -> None:
        """Put a host in the calendar where it belongs now; whatever stood there of it before no longer counts."""
        if not host.queue:
            self._calendar.leave(host.id)
            self._grow_hungry(host)
        elif host.is_full(self._settings):
            self._calendar.leave(host.id)
        else:
            self._calendar.enter(host.id, max(host.moment(), now), quick=host.quick)

    def _grow_hungry(self, host: HostInHand) -> None:
        if len(host.queue) < self.low_water:
            self._hungry.add(host.id)
        self._mark_ending(host)

    def _mark_ending(self, host: HostInHand) -> None:
        if not host.queue and not host.unsettled:
            self._ending.add(host.id)
