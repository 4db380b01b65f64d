"""What a crawl looks like from outside: a fold of what happened into frozen snapshots. Reads no clock.

Rates are over a sliding window, because a mean since the start hides what is happening now.
"""

from __future__ import annotations

from collections import Counter, deque
from itertools import pairwise
from typing import Literal

import msgspec

WINDOW = 10.0
"""Seconds over which rates are taken."""
SHRINKING_FOR = 30.0
"""Seconds that a frontier must have shrunk before an end is foretold."""

TREND_OVER = 5.0
"""Seconds over which a frontier grows or shrinks."""

Outcome = Literal["finished", "limit", "stopped", "parked", "failed"]


class Waiting(msgspec.Struct, frozen=True):
    """A host that is waited for, and why."""

    host: str
    seconds: float
    why: str


class Snapshot(msgspec.Struct, frozen=True):
    """The state of a crawl at one moment."""

    elapsed: float
    pages: int
    """Pages stored over the whole crawl."""
    run_pages: int
    """Pages stored by this run."""
    queued: int
    errors: int
    bytes: int
    """Bytes received by this run."""
    pages_per_second: float
    bytes_per_second: float
    hosts: int
    """Hosts in hand."""
    in_flight: int
    trend: Literal[-1, 0, 1]
    """Whether the frontier shrinks or grows."""
    eta: float | None = None
    """Seconds to the end, only when that can be said honestly."""
    waiting: tuple[Waiting, ...] = ()
    """Who is waited for, the longest first, when that is what holds the crawl up."""
    stopping: bool = False
    network_down: float | None = None
    """Seconds for which the network has been down; None while it is up."""


class HostView(msgspec.Struct, frozen=True, gc=False):
    """One host in hand, for whoever looks on."""

    host: str
    waiting: int
    """URLs in hand; the frontier may have more."""
    in_flight: int
    pace: float
    """Seconds between two requests."""
    next_in: float
    """Seconds until it may be asked again."""
    why: str
    """What it is waited for, in words; empty when it is not."""
    parked: str | None


class Flying(msgspec.Struct, frozen=True):
    """A request on its way."""

    url: str
    host: str
    seconds: float
    """For so long."""
    tries: int


class Recent(msgspec.Struct, frozen=True):
    """A page that was stored of late, or a URL in which something went wrong."""

    at: float
    """Unix seconds."""
    url: str
    status: int | None
    title: str | None = None
    bytes: int = 0
    fault: str | None = None
    final: bool = True


class View(msgspec.Struct, frozen=True):
    """One look at a running crawl."""

    hosts: tuple[HostView, ...]
    """Hosts in hand: those that are asked or could be asked soonest first."""
    flying: tuple[Flying, ...]
    """Requests on their way, the oldest first."""
    pages: tuple[Recent, ...]
    """The newest first."""
    faults: tuple[Recent, ...]
    wrong: dict[str, int]
    """What went wrong how often in this run: a status or a fault, the most frequent first."""
    lag: float
    """Seconds by which the event loop was late at the most, in the last few seconds."""
    memory: int
    """Bytes of memory that this process holds."""


class Summary(msgspec.Struct, frozen=True):
    """What a run came to."""

    outcome: Outcome
    elapsed: float
    pages: int
    run_pages: int
    bytes: int
    queued: int
    errors: tuple[tuple[str, int], ...]
    """What went wrong how often in this run: a status or a fault, the most frequent first."""
    parked: tuple[tuple[str, str, int], ...] = ()
    """Hosts put off: name, why, URLs that wait there."""
    limit: str | None = None
    """Which limit was reached, in words."""
    signal: int | None = None
    dropped: int = 0
    """Requests in flight that were dropped; they stay queued."""
    hosts_asked: int = 0
    skipped: tuple[tuple[str, int], ...] = ()
    """Reasons for not fetching, with how many URLs in this run."""
    requests: int = 0
    """Requests of this run that were answered."""
    connections: int = 0
    """Those of them that needed a new connection."""
    insecure: tuple[str, ...] = ()
    """Hosts whose certificates were not checked."""
    unchanged: int = 0
    """Pages asked for again that are what they were."""
    changed: int = 0
    """Pages asked for again that are not; they are among those stored by this run."""
    gone: int = 0
    """Pages that are not there any more, or elsewhere."""
    recrawl: bool = False
    """The run asked again for what was known, or went on doing so."""


class Fold:
    """Counts what happens; `snapshot` says where that leads."""

    def __init__(self, now: float) -> None:
        self.started = now
        self._read = 0
        self.bytes = 0
        self.errors: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.requests = 0
        self.connections = 0
        self.unchanged = 0
        self.changed = 0
        self.gone = 0
        self._recent: deque[tuple[float, int, int]] = deque()   # (moment, pages, bytes) per commit
        self._frontier: deque[tuple[float, int]] = deque()      # (moment, queued) once a second

    def settled(self, now: float, pages: int, received: int) -> None:
        """Count one commit: pages that were read, those included that are what they were."""
        self._read += pages
        self.bytes += received
        self._recent.append((now, pages, received))

    def answered(self, *, reused: bool) -> None:
        """Count an answer."""
        self.requests += 1
        self.connections += not reused

    def revisited(self, *, unchanged: bool, changed: bool, gone: bool) -> None:
        """Count what became of a page that was asked for again; none of the three where trouble kept us from knowing."""
        self.unchanged += unchanged
        self.changed += changed
        self.gone += gone

    @property
    def run_pages(self) -> int:
        """Pages stored by this run: new ones and changed ones."""
        return self._read - self.unchanged

    def error(self, word: str) -> None:
        """Count a status of 400 and above, or a fault, that ended a URL."""
        self.errors[word] += 1

    def skip(self, reason: str) -> None:
        """Count a URL that was not fetched on purpose."""
        self.skipped[reason] += 1

    def frontier(self, now: float, queued: int) -> None:
        """Remember how long the frontier is, at most once a second."""
        if not self._frontier or now - self._frontier[-1][0] >= 1:
            self._frontier.append((now, queued))
        while now - self._frontier[0][0] > SHRINKING_FOR + 1:
            self._frontier.popleft()

    def rates(self, now: float) -> tuple[float, float]:
        """Return pages and bytes per second over the last ten seconds."""
        while self._recent and now - self._recent[0][0] > WINDOW:
            self._recent.popleft()
        span = min(WINDOW, max(now - self.started, 1e-3))
        return sum(pages for _, pages, _ in self._recent) / span, sum(size for *_, size in self._recent) / span

    def trend(self, queued: int) -> Literal[-1, 0, 1]:
        """Tell whether the frontier grew or shrank within the last five seconds."""
        if not self._frontier:
            return 0
        latest = self._frontier[-1][0]
        earlier = next(length for moment, length in self._frontier if latest - moment <= TREND_OVER)
        return 1 if queued > earlier else -1 if queued < earlier else 0

    def eta(self, now: float, queued: int, pages: int, goal: int | None) -> float | None:
        """Foretell the end: by the page limit, or once the frontier has only shrunk for half a minute; else None."""
        rate = self.rates(now)[0]
        if rate <= 0:
            return None
        if goal is not None and queued >= goal - pages:
            return max(goal - pages, 0) / rate
        series = [length for _, length in self._frontier]
        long_enough = bool(series) and now - self._frontier[0][0] >= SHRINKING_FOR
        if long_enough and all(a >= b for a, b in pairwise(series)):
            return queued / rate
        return None
