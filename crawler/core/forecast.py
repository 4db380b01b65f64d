"""Where a crawl is going: does its frontier shrink, when can it end at the earliest, and when at present speed. Pure.

Two kinds of statements are kept apart: what politeness forbids (a bound, as sure as the pace it is counted with) and what
recent speed suggests (a range between the best and the worst of what was seen). Where neither says anything, nothing is said.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from crawler.core.pace import FASTEST_PACE, FIRST_PACE, SHORTER

MINUTE, LATELY = 60.0, 300.0
"""Seconds over which rates are told, and over which the frontier is judged."""
SOON = 20.0
"""Seconds before which nothing is said of a frontier."""
FEW = 10
"""Answers below which a ratio says nothing."""
BAND = 0.05
"""How far from one new URL for each answer the frontier still counts as steady."""


class Point(msgspec.Struct, frozen=True, gc=False):
    """The counters of a crawl at one moment."""

    at: float
    pages: int
    queued: int
    done: int
    failed: int
    wire_bytes: int | None = None
    """Bytes received in the run; None where only the other counters are known."""


class Rates(msgspec.Struct, frozen=True):
    """How fast it went over some seconds."""

    seconds: float
    pages: float
    """Pages stored a second."""
    answers: float
    """URLs settled a second, pages or not."""
    bytes: float | None
    """Bytes received a second; None while there are no two samples to tell it from."""


class Trend(StrEnum):
    """Where a frontier goes."""

    CONVERGING = "converging"   # fewer new URLs than answers
    GROWING = "growing"
    STEADY = "steady"
    STILL = "still"             # URLs wait and nothing is answered
    EMPTY = "empty"             # nothing waits
    UNKNOWN = "unknown"         # too early to say


class Growth(msgspec.Struct, frozen=True):
    """What became of a frontier over some seconds, and the verdict."""

    trend: Trend
    seconds: float
    before: int
    """URLs that waited at the beginning."""
    after: int
    answered: int
    found: int
    """URLs that came in and were not there before."""

    @property
    def drained(self) -> float:
        """URLs a second by which it became shorter; negative when it grew."""
        return (self.before - self.after) / self.seconds if self.seconds > 0 else 0.0


class Until(StrEnum):
    """What a crawl would end by."""

    END = "end"         # nothing waits any more
    PAGES = "pages"     # the limit of pages
    TIME = "time"       # the limit of time


class Eta(msgspec.Struct, frozen=True):
    """When it ends, as seconds from now."""

    low: float
    high: float | None
    """None: nobody can say how much longer."""
    until: Until


class NoEta(msgspec.Struct, frozen=True):
    """Why no end can be foretold, and what it takes at least, in seconds."""

    why: str
    at_least: float | None = None


class Queue(msgspec.Struct, frozen=True, gc=False):
    """What waits at one host, and how quickly it may be asked."""

    host: str
    queued: int
    gap: float
    """Seconds between two requests."""
    wait: float = 0.0
    """Seconds until the next one may be sent."""

    @property
    def seconds(self) -> float:
        """Seconds that politeness takes for all of it."""
        return 0.0 if self.queued <= 0 else max(self.wait, 0.0) + (self.queued - 1) * self.gap


def rates(points: Sequence[Point], seconds: float = math.inf) -> Rates | None:
    """Return the rates over about the last *seconds*; None where there are no two moments to compare."""
    window = _window(points, seconds)
    if window is None:
        return None
    first, last = window
    span = last.at - first.at
    known = [point for point in points if point.wire_bytes is not None]
    return Rates(
        span,
        max(last.pages - first.pages, 0) / span,
        _answered(first, last) / span,
        _received(_window(known, seconds)),
    )


def growth(points: Sequence[Point], seconds: float = math.inf) -> Growth | None:
    """Judge a frontier by about the last *seconds*; None where there are no two moments to compare."""
    window = _window(points, seconds)
    if window is None:
        return None
    first, last = window
    answered = _answered(first, last)
    found = max(last.queued - first.queued + answered, 0)
    span = last.at - first.at
    return Growth(_trend(span, first.queued, last.queued, answered, found), span, first.queued, last.queued, answered, found)


def judged(points: Sequence[Point]) -> Growth | None:
    """Judge a frontier by what it did lately: five minutes, or the later half of a short run, for every crawl grows at first.

    Where that was too little to say anything, the whole run counts.
    """
    lately = growth(points, min(LATELY, max(SOON, (points[-1].at - points[0].at) / 2))) if points else None
    return lately if lately is None or lately.trend is not Trend.UNKNOWN else growth(points)


def _window(points: Sequence[Point], seconds: float) -> tuple[Point, Point] | None:
    """Return the last point and the latest one that lies at least *seconds* before it, or the first."""
    if not points:
        return None
    last = points[-1]
    first = next((point for point in reversed(points) if last.at - point.at >= seconds), points[0])
    return (first, last) if last.at > first.at else None


def _answered(first: Point, last: Point) -> int:
    return max(last.done + last.failed - first.done - first.failed, 0)


def _received(window: tuple[Point, Point] | None) -> float | None:
    if window is None:
        return None
    first, last = window
    return max((last.wire_bytes or 0) - (first.wire_bytes or 0), 0) / (last.at - first.at)


def _trend(seconds: float, before: int, after: int, answered: int, found: int) -> Trend:
    if after <= 0:
        return Trend.EMPTY
    if seconds < SOON:
        return Trend.UNKNOWN
    if answered == 0 and after <= before:
        return Trend.STILL
    if answered < FEW and abs(after - before) < FEW:
        return Trend.UNKNOWN
    if found > answered * (1 + BAND):
        return Trend.GROWING
    return Trend.CONVERGING if found < answered * (1 - BAND) else Trend.STEADY


def gap(pace: float | None, *, crawl_delay: float | None, delay: float | None) -> float:
    """Return the seconds between two requests to a host, as the schedule keeps them: Crawl-delay, else the setting, else its pace."""
    if crawl_delay is not None:
        return max(crawl_delay, delay or 0.0)
    if delay is not None:
        return delay
    return FIRST_PACE if pace is None else pace


def slowest(queues: Iterable[Queue]) -> Queue | None:
    """Return the host that takes longest by politeness alone; None when nothing waits."""
    waiting = [queue for queue in queues if queue.queued > 0]
    return max(waiting, key=lambda queue: queue.seconds, default=None)


def duration(requests: int, *, crawl_delay: float | None, delay: float | None) -> tuple[float, float]:
    """Return the seconds that so many requests to one host take at the least, and at the first pace if it is never earned better.

    With a Crawl-delay or a fixed gap both are the same, but for the time that the answers take.
    """
    gaps = max(requests - 1, 0)
    if crawl_delay is not None or delay is not None:
        fixed = gaps * gap(None, crawl_delay=crawl_delay, delay=delay)
        return fixed, fixed
    steps = math.ceil(math.log(FASTEST_PACE / FIRST_PACE) / math.log(SHORTER))     # good answers until the pace is the fastest
    quick = sum(max(FASTEST_PACE, FIRST_PACE * SHORTER**step) for step in range(min(gaps, steps)))
    return quick + max(gaps - steps, 0) * FASTEST_PACE, gaps * FIRST_PACE


def eta(
    points: Sequence[Point], *, waiting: int, bound: float = 0.0, pages_left: int | None = None, time_left: float | None = None
) -> Eta | NoEta:
    """Foretell the end from the samples of a run.

    *waiting*: URLs that wait at hosts which are not put off. *bound*: seconds that politeness takes at least. *pages_left* and
    *time_left*: what the limits of the run leave, None without one.
    """
    if waiting <= 0:
        return Eta(0.0, 0.0, Until.END)
    verdict = judged(points)
    draining = _by_draining(points, verdict, waiting, bound)
    limits = [end for end in (_by_pages(points, pages_left), _by_time(time_left)) if end is not None]
    if draining is None and not limits:
        return NoEta(_why(verdict), at_least=bound or None)
    if draining is None and (verdict is None or verdict.trend not in (Trend.GROWING, Trend.STEADY)):
        draining = Eta(bound, None, Until.END)      # it may run dry before the limit, nobody knows
    return _first(limits if draining is None else [draining, *limits])


def _first(ends: Sequence[Eta]) -> Eta:
    """Combine ends of which the earliest counts: it comes no later than the latest moment of any of them."""
    low = min(end.low for end in ends)
    highs = [end.high for end in ends if end.high is not None]
    soonest = min(ends, key=lambda end: (math.inf if end.high is None else end.high, end.low))
    return Eta(low, min(highs, default=None), soonest.until)


def _by_draining(points: Sequence[Point], verdict: Growth | None, waiting: int, bound: float) -> Eta | None:
    """Return the end of a frontier that converges: between all answers and no new URL, and what it was drained by in the end."""
    if verdict is None or verdict.trend is not Trend.CONVERGING:
        return None
    windows = [found for seconds in (MINUTE, LATELY, math.inf) if (found := growth(points, seconds)) is not None]
    quickest = max(one.answered / one.seconds for one in windows)
    low = max(bound, waiting / quickest if quickest > 0 else 0.0)
    drained = [verdict.drained, *(one.drained for one in windows if one.trend is Trend.CONVERGING)]
    slow = min((speed for speed in drained if speed > 0), default=0.0)
    lately = windows[0].trend
    if slow <= 0 or lately in (Trend.GROWING, Trend.STILL):      # for the last minute it has not converged at all
        return Eta(low, None, Until.END)
    return Eta(low, max(low, waiting / slow), Until.END)


def _by_pages(points: Sequence[Point], left: int | None) -> Eta | None:
    """Return when a limit of pages is reached, between the best and the worst rate of late."""
    if left is None:
        return None
    if left <= 0:
        return Eta(0.0, 0.0, Until.PAGES)
    seen = [found.pages for seconds in (MINUTE, LATELY, math.inf) if (found := rates(points, seconds)) is not None and found.pages > 0]
    if not seen:
        return None
    return Eta(left / max(seen), left / min(seen), Until.PAGES)


def _by_time(left: float | None) -> Eta | None:
    return None if left is None else Eta(max(left, 0.0), max(left, 0.0), Until.TIME)


def _why(verdict: Growth | None) -> str:
    if verdict is None or verdict.trend in (Trend.UNKNOWN, Trend.EMPTY, Trend.CONVERGING):
        return "it is too early to say"
    if verdict.trend is Trend.GROWING:
        return "the frontier grows"
    if verdict.trend is Trend.STEADY:
        return "about as many URLs are found as are answered"
    return "nothing was answered lately"
