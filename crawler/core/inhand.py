"""One host in hand: when it may be asked, what its answers have taught, and what its robots.txt files say. Pure, in memory."""

from __future__ import annotations

from collections import deque

import msgspec

from crawler.core.metrics import HostView
from crawler.core.model import NETWORK_FAULTS, Fault, HostId, LeaseId, Request, RobotsRead
from crawler.core.pace import FIRST_PACE, learned
from crawler.core.policy import BREAKER_URLS
from crawler.core.robots import Robots
from crawler.core.settings import Settings

ROBOTS_KEPT = 86_400.0
"""Seconds for which a robots.txt is believed (RFC 9309 2.4)."""
FEWEST_AT_ONCE = 2
GROWTH = 2
"""So many rounds of good answers let one request more at once."""
QUICK = 2.0
"""Seconds to the headers up to which a host is quick."""


class Memory(msgspec.Struct, frozen=True, gc=False):
    """What is to be remembered of a host: see `HostState` of the frontier, which has the same fields."""

    next_at: float
    pace: float | None
    failures: int
    rest_reason: str | None
    parked: str | None


class Origin:
    """robots.txt of one origin, as far as it is known."""

    __slots__ = ("ask", "attempts", "dead", "hops", "id", "name", "read_at", "rules")

    def __init__(self, id_: int, name: str) -> None:
        self.id = id_
        self.name = name
        self.rules: Robots | None = None
        self.read_at = 0.0
        self.attempts = 0
        self.dead: tuple[Fault, str] | None = None      # does not answer, while another origin of the same host does
        self.ask = f"{name}/robots.txt"
        self.hops = 0

    def knows(self, now: float) -> bool:
        """Tell whether its rules are known and still believed."""
        return self.rules is not None and now - self.read_at < ROBOTS_KEPT


class HostInHand:
    """One host in hand: what waits, what is on its way, and what its answers have taught."""

    __slots__ = (
        "asking", "awaiting", "bears", "broken_at", "broken_until", "crawl_delay", "dry", "failures", "good_at", "id", "in_flight",
        "lease", "name", "next_at", "origins", "pace", "parked", "queue", "quick", "rest_reason", "rest_until", "sent",
        "suspected_until", "suspects", "unsettled",
    )  # fmt: skip

    def __init__(self, id_: HostId, name: str, lease: LeaseId, memory: Memory) -> None:
        self.id = id_
        self.name = name
        self.lease = lease
        self.queue: deque[Request] = deque()
        self.origins: dict[str, Origin] = {}
        self.next_at = memory.next_at
        self.pace = memory.pace
        self.failures = memory.failures
        self.suspects: set[int] = set()     # URLs among the failures, as many as it takes to suspect the host
        self.sent: dict[int, float] = {}    # when each request on its way was released
        self.broken_at = 0.0                # when the breaker last opened: what was sent before tells nothing new
        self.good_at = 0.0                  # when it last answered, likewise
        self.broken_until = 0.0
        self.suspected_until = 0.0          # a failure is held back: nothing is asked while that may be the network's
        self.rest_reason = memory.rest_reason
        self.rest_until = 0.0
        self.parked = memory.parked
        self.crawl_delay: float | None = None
        self.bears = float("inf")       # requests at once that it has shown to bear
        self.in_flight = 0      # released, body not read yet
        self.awaiting = 0       # released, headers not here yet
        self.unsettled = 0      # released, outcome not durable yet
        self.asking = False     # robots.txt is on its way
        self.quick = False      # its last answer came soon
        self.dry = False        # the frontier had nothing more

    # --- when it may be asked ------------------------------------------------------------------------------------

    def gap(self, settings: Settings) -> float:
        """Return the seconds between two requests: the host's Crawl-delay, else the setting, else the pace it has earned."""
        if self.crawl_delay is not None:
            return max(self.crawl_delay, settings.delay or 0.0)
        if settings.delay is not None:
            return settings.delay
        return FIRST_PACE if self.pace is None else self.pace

    def is_strict(self, settings: Settings) -> bool:
        """Tell whether its gap was asked for, and so is counted from the last headers."""
        return self.crawl_delay is not None or bool(settings.delay)

    def is_full(self, settings: Settings) -> bool:
        """Tell whether nothing may be sent before something has come back, whatever the moment."""
        return self.asking or self.in_flight >= self.limit(settings) or (self.awaiting > 0 and self.is_strict(settings))

    def limit(self, settings: Settings) -> int:
        """Return how many requests it is sent at once at the most."""
        return 1 if self.crawl_delay is not None else int(min(self.bears, settings.host_limit))

    def moment(self) -> float:
        """Return when it may be asked next."""
        return max(self.next_at, self.rest_until, self.suspected_until)

    def why(self, now: float, settings: Settings) -> str:
        """Say what it waits for."""
        if self.suspected_until > now:
            return "does not answer, or the network is down"
        if self.rest_until > now and self.rest_reason:
            return f"rests: {self.rest_reason}"
        if self.crawl_delay is not None:
            return f"asks for {self.crawl_delay:g} s between requests"
        return f"pace of {self.gap(settings):.3g} s between requests"

    # --- what its answers teach ----------------------------------------------------------------------------------

    def learn(self, url_id: int, now: float, settings: Settings, *, status: int | None, fault: Fault | None, ttfb: float) -> None:
        """Take in how a request ended."""
        sent = self.sent.pop(url_id, now)
        if status is not None:
            self.failures, self.good_at = 0, now
            self.suspects.clear()
        elif fault in NETWORK_FAULTS and sent > max(self.broken_at, self.good_at):
            self.failures += 1
            if len(self.suspects) < BREAKER_URLS:
                self.suspects.add(url_id)
        self.quick = status is not None and ttfb < QUICK
        self._learn_limit(fault if status is None else None, settings.host_limit)
        if settings.delay is None and status is not None:
            self.pace = learned(self.pace, status, ttfb)
        if status is not None and status not in (429, 503):
            self.rest_reason = None

    def _learn_limit(self, fault: Fault | None, most: int) -> None:
        """Ask for less at once when requests are left waiting: a server of 8 workers keeps 56 of 64 connections waiting for ever."""
        if fault is Fault.TIMEOUT and most > FEWEST_AT_ONCE:
            self.bears = max(float(FEWEST_AT_ONCE), min(self.bears, self.in_flight / 2))
        elif fault is None and self.bears < most:
            self.bears += 1 / (GROWTH * self.bears)

    def trust(self) -> None:
        """Forget its failures."""
        self.failures, self.suspected_until = 0, 0.0
        self.suspects.clear()

    # --- robots.txt ----------------------------------------------------------------------------------------------

    def believe(self, origin: Origin, rules: Robots, read_at: float, settings: Settings) -> None:
        """Go by the rules of one of its origins from now on."""
        origin.rules, origin.read_at = rules, read_at
        delays = [one.rules.crawl_delay for one in self.origins.values() if one.rules is not None and one.rules.crawl_delay is not None]
        self.crawl_delay = max(delays, default=None)
        if self.crawl_delay is not None:
            self.next_at = max(self.next_at, read_at + self.gap(settings))

    def doubt(self, origin: Origin, outcome: RobotsRead) -> None:
        """Keep an origin that does not answer from standing in the way of the host's others: a port that is closed, say."""
        if outcome.fault not in NETWORK_FAULTS:
            return
        if any(other.rules is not None for other in self.origins.values() if other is not origin):
            origin.dead = outcome.fault, f"not asked, for its {origin.name}/robots.txt: {outcome.detail or outcome.fault.value}"
        else:
            self.queue = deque(sorted(self.queue, key=lambda request: request.origin == origin.name))

    # --- for others ----------------------------------------------------------------------------------------------

    def memory(self, now: float) -> Memory:
        """Return what is to be remembered across restarts."""
        resting = self.rest_until > now
        next_at = max(self.next_at, self.rest_until) if resting else self.next_at
        return Memory(next_at, self.pace, self.failures, self.rest_reason if resting else None, self.parked)

    def view(self, now: float, settings: Settings) -> HostView:
        """Return it for whoever looks on."""
        left = self.moment() - now
        why = self.why(now, settings) if left > 0 and self.queue else ""
        return HostView(self.name, len(self.queue), self.in_flight, self.gap(settings), max(0.0, left), why, self.parked)
