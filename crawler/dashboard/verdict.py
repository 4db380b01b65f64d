"""Whether a crawl is well, and what it waits for, in a sentence: what is seen first. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from crawler import words
from crawler.core.metrics import WINDOW, Snapshot, View
from crawler.query import standing
from crawler.query.status import Status
from crawler.text import safe

Phase = Literal["running", "paused", "stopping", "over", "killed", "unreachable"]
Level = Literal["well", "waits", "trouble", "over"]

MANY_WRONG, FEW_ANSWERS = 0.3, 20
"""Share of a run's answers that went wrong from which this is what one has to know, and answers below which nobody can say."""
A_MOMENT = 1.0
"""Seconds of waiting that nobody need be told of."""
LATE = 0.5
"""Seconds by which the event loop is late from which the machine has too much to do."""


class Verdict(msgspec.Struct, frozen=True):
    """How a crawl is."""

    level: Level
    words: str
    detail: str = ""
    """What it waits for, or what to do; may be empty."""


def phase_of(status: Status | None, seen: Snapshot | None, *, paused: bool) -> Phase:
    """Return the phase of a crawl; *seen*: what the running crawl says of itself, None where none answers."""
    if seen is not None:
        return "stopping" if seen.stopping else "paused" if paused else "running"
    if status is None or status.holder is not None:
        return "unreachable"
    return "killed" if status.killed or status.failure is not None else "over"


def at_rest(status: Status, phase: Phase, now: float) -> Verdict:
    """Return the verdict on a crawl that nobody can ask."""
    said = _capital(standing.run_words(status, now))
    waiting = status.states.get("queued", 0) + status.states.get("parked", 0)
    left = f"{words.count(waiting, 'URL')} waiting; crawler resume goes on" if waiting else "Nothing is waiting"
    if phase == "unreachable" and status.holder is not None:
        hint = "It may be starting, ending, or busy with an edit."
        return Verdict("trouble", f"Process {status.holder.pid} holds the crawl and does not answer", hint)
    return Verdict("trouble" if phase == "killed" else "over", said, left)


def running(status: Status, seen: Snapshot, view: View, phase: Phase) -> Verdict:
    """Return the verdict on a crawl that runs: what somebody did, then what is wrong, then how it goes."""
    return _steered(seen, phase) or _trouble(seen, view) or _going(status, seen)


def _steered(seen: Snapshot, phase: Phase) -> Verdict | None:
    flying = words.count(seen.in_flight, "request")
    if phase == "stopping":
        return Verdict("waits", f"Stopping: {flying} in flight may land", "Nothing is lost; the same command goes on.")
    if phase == "paused":
        return Verdict("waits", "Paused: nothing is asked for until somebody resumes it", f"{flying} in flight." if seen.in_flight else "")
    return None


def _trouble(seen: Snapshot, view: View) -> Verdict | None:
    if seen.network_down is not None:
        away = words.span(seen.network_down)
        return Verdict("trouble", f"The network has been down for {away}", "It goes on by itself; no URL loses an attempt.")
    if view.lag > LATE:
        hint = f"The event loop was late by {words.span(view.lag)}. Fewer requests in flight may help."
        return Verdict("trouble", "This machine has too much to do", hint)
    wrong = sum(view.wrong.values())
    answers = seen.run_pages + wrong
    if answers >= FEW_ANSWERS and wrong >= MANY_WRONG * answers:
        word, times = next(iter(view.wrong.items()))
        share = f"{100 * wrong / answers:.0f} %"
        return Verdict("trouble", f"Much goes wrong: {share} of the answers were errors", f"Mostly {safe(word)} ({times:,} times).")
    return None


def _going(status: Status, seen: Snapshot) -> Verdict:
    waits = _waits(seen)
    if seen.pages_per_second == 0 and waits:
        return Verdict("waits", waits, "" if len(seen.waiting) == 1 else "And for others; see the hosts.")
    if seen.pages_per_second == 0:
        flying = words.count(seen.in_flight, "request")
        said = "No page in the last ten seconds" if seen.elapsed >= WINDOW else "Begins: no page yet"
        return Verdict("waits", said, f"{flying} in flight." if seen.in_flight else "")
    end = standing.when(status.eta)
    rate = f"Runs well: {words.rate(seen.pages_per_second).removesuffix('/s')} pages a second"
    return Verdict("well", f"{rate}, ends {end}" if end.startswith("in ") else rate, waits)


def _waits(seen: Snapshot) -> str:
    """Say who is waited for longest, and why; nothing where nobody is, or for a moment only."""
    if not seen.waiting or seen.waiting[0].seconds < A_MOMENT:
        return ""
    first = seen.waiting[0]
    why = f": {safe(first.why)}" if first.why else ""
    return f"Waits for {safe(first.host)}{why}, next in {words.span(first.seconds)}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
