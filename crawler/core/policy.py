"""What happens next to a URL and its host after an outcome: a table of cures, one row for each fault or status.

A retry is a row with a due time; nobody sleeps. Waits double with every attempt and are spread by chance, so that what
failed together does not come back together.
"""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import assert_never

import msgspec

from crawler.core import robots
from crawler.core.model import (
    Answered,
    Barred,
    Failed,
    Fault,
    Fetched,
    Outcome,
    Reason,
    Redirected,
    Reply,
    RobotsRead,
    State,
    Unchanged,
)
from crawler.core.settings import Settings

LONGEST_BACKOFF = 3600.0
LONGEST_RETRY_AFTER = 3600.0
"""Seconds of Retry-After that are obeyed; a host that asks for more is parked."""
LONGEST_PARK = 7 * 86_400.0
"""Seconds for which a host is put off, whatever it asks for: one nonsensical header must not lose it for years."""
LONGEST_CRAWL_DELAY = 60.0
"""Seconds of Crawl-delay that are honoured; a host that asks for more is parked."""
ROBOTS_WAIT = 5.0
"""Seconds that a host rests at the least after a robots.txt that could not be had, twice as long each time."""
ROBOTS_HOPS = 5
"""Redirects of a robots.txt that are followed (RFC 9309 2.3.1.2)."""
BREAKER_AT = 5
"""Network faults one after another after which a host rests, 30 seconds first, twice as long each time."""
BREAKER_WAIT = 30.0
BREAKER_URLS = 3
"""Different URLs among them: one that breaks the connection whenever it is asked for says nothing about its host."""


class Cure(msgspec.Struct, frozen=True):
    """How a trouble is answered."""

    tries: int | None = None
    """Attempts in all; None is what the settings say."""
    wait: float = 2.0
    """Seconds before the second attempt."""
    whole_host: bool = False
    """The trouble speaks about the host, so all of it rests."""


ONCE = Cure(tries=1)

CURES: dict[Fault | int, Cure] = {
    Fault.DNS: Cure(wait=30, whole_host=True),      # resolvers remember a failure for a minute or so
    Fault.CONNECT: Cure(wait=10, whole_host=True),
    Fault.TLS: Cure(tries=2, wait=10, whole_host=True),      # a wrong certificate stays wrong; a broken handshake may not
    Fault.TIMEOUT: Cure(wait=5),
    Fault.RESET: Cure(),
    Fault.PROTOCOL: Cure(),
    Fault.TRUNCATED: Cure(),
    Fault.DECODE: ONCE,
    Fault.REDIRECT: ONCE,
    Fault.GUARD: ONCE,
    Fault.PARSE: ONCE,
    Fault.CRASH: ONCE,
    408: Cure(),
    425: Cure(),
    429: Cure(wait=10, whole_host=True),
    500: Cure(),
    502: Cure(wait=5),
    503: Cure(wait=5, whole_host=True),
    504: Cure(wait=5),
    522: Cure(wait=5),
    524: Cure(wait=5),
}


class Rest(msgspec.Struct, frozen=True):
    """A host is left alone for so many seconds; `park` puts it off beyond this run."""

    seconds: float
    why: str
    park: bool = False


class Next(msgspec.Struct, frozen=True):
    """What becomes of a URL, and of its host."""

    state: State
    tries: int
    due_at: float | None = None
    reason: Reason | None = None
    rule: str | None = None
    rest: Rest | None = None


def after(outcome: Outcome, settings: Settings, *, now: float, chance: float) -> Next:  # noqa: PLR0911 - one return for each outcome
    """Say what happens next; *chance* is a random number in [0, 1)."""
    tries = outcome.request.tries + 1
    match outcome:
        case Fetched(parsed=parsed) if parsed.folds_into is not None:
            return Next(State.EXCLUDED, tries, reason=Reason.DUPLICATE, rule=f"fold canonical: {parsed.folds_into}")
        case Fetched() | Unchanged() | Redirected():
            return Next(State.DONE, tries)
        case Barred():
            return Next(State.EXCLUDED, outcome.request.tries, reason=outcome.reason, rule=outcome.rule)
        case RobotsRead():
            return _after_robots(outcome, settings, now=now)
        case Failed(fault=Fault.GUARD):
            return Next(State.EXCLUDED, tries, reason=Reason.GUARD, rule=outcome.detail)
        case Failed():
            cure = CURES[outcome.fault]
            return _cured(cure, outcome.fault.value, tries, None, settings, now=now, chance=chance)
        case Answered(reply=reply):
            if reply.status not in CURES:
                return Next(State.DONE, tries)
            asked = retry_after(reply, now)
            return _cured(CURES[reply.status], f"status {reply.status}", tries, asked, settings, now=now, chance=chance)
        case _:
            assert_never(outcome)


def _cured(cure: Cure, word: str, tries: int, asked: float | None, settings: Settings, *, now: float, chance: float) -> Next:
    if asked is not None and asked > LONGEST_RETRY_AFTER:
        rest = Rest(min(asked, LONGEST_PARK), f"{word}: asks to come back in {asked:.0f} s", park=True)
        return Next(State.QUEUED, tries - 1, now + LONGEST_BACKOFF, rest=rest)
    wait = backoff(cure.wait, tries, chance)
    if asked is not None:
        wait = max(asked, wait if cure.whole_host is False else 0.0)
    rest_of_host = Rest(wait, word) if cure.whole_host or asked is not None else None
    if tries >= (settings.tries if cure.tries is None else min(cure.tries, settings.tries)):
        return Next(State.FAILED, tries, rest=rest_of_host)
    return Next(State.QUEUED, tries, now + wait, rest=rest_of_host)


def backoff(wait: float, tries: int, chance: float) -> float:
    """Return the seconds to wait after so many attempts: doubled each time, spread over half to one and a half of it."""
    doubled = wait * float(2 ** min(tries - 1, 20))
    return min(LONGEST_BACKOFF, doubled * (0.5 + chance))


def retry_after(reply: Reply, now: float) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110 10.2.3); None when it is absent, past or nonsense."""
    text = reply.header("retry-after")
    if text is None:
        return None
    text = text.strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:12]), 10**11))
    try:
        moment = parsedate_to_datetime(text)
        if moment.tzinfo is None:       # the old form without a zone: UTC too (RFC 9110 5.6.7)
            moment = moment.replace(tzinfo=UTC)
        seconds = moment.timestamp() - now
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return seconds if seconds > 0 else None


def breaker(failures: int, urls: int, chance: float) -> Rest | None:
    """Return the rest of a host after so many network faults of so many URLs one after another, None while there are few."""
    if failures < BREAKER_AT or urls < BREAKER_URLS:
        return None
    return Rest(backoff(BREAKER_WAIT, failures - BREAKER_AT + 1, chance), f"{failures} network faults one after another")


class RobotsVerdict(msgspec.Struct, frozen=True):
    """What an origin's robots.txt means now: rules, or that nothing may be asked for a while."""

    rules: robots.Robots | None
    """None forbids everything for now."""
    ask: str | None = None
    """Where to ask next: the target of a redirect."""


def robots_verdict(outcome: RobotsRead, agent: str) -> RobotsVerdict:  # noqa: PLR0911 - one return for each case of the RFC
    """Read a robots.txt outcome by RFC 9309 2.3.1: 4xx allows, 5xx and unreachable forbid for now, redirects are followed."""
    if outcome.text is not None:
        return RobotsVerdict(robots.Robots.parse(outcome.text, agent))
    if outcome.fault is Fault.GUARD and outcome.request.hops == 0:
        return RobotsVerdict(robots.ALLOW_ALL)      # nothing of this host will be connected to; each URL says so for itself
    if outcome.reply is None:
        return RobotsVerdict(None)
    match robots.meaning(outcome.reply.status):
        case "allow" | "rules":
            return RobotsVerdict(robots.ALLOW_ALL)
        case "redirect":
            if outcome.target is not None and outcome.request.hops < ROBOTS_HOPS:
                return RobotsVerdict(None, ask=outcome.target)
            return RobotsVerdict(robots.ALLOW_ALL)
        case _:
            return RobotsVerdict(None)


def _after_robots(outcome: RobotsRead, settings: Settings, *, now: float) -> Next:
    """Rest the host while its robots.txt cannot be had, 5 s first; park it once its tries are used up."""
    tries = outcome.request.tries + 1
    if outcome.text is not None:
        return Next(State.DONE, tries)
    verdict = robots_verdict(outcome, "")
    if verdict.rules is not None or verdict.ask is not None:
        return Next(State.DONE, tries)
    if outcome.reply is None:
        word = outcome.fault.value if outcome.fault is not None else "unreachable"
    else:
        word = f"status {outcome.reply.status}"
    asked = None if outcome.reply is None else retry_after(outcome.reply, now)
    why = f"robots.txt: {word}"
    park = tries >= settings.tries or (asked or 0.0) > LONGEST_RETRY_AFTER or outcome.fault is Fault.GUARD
    return Next(State.FAILED, tries, rest=Rest(max(min(asked or 0.0, LONGEST_PARK), backoff(ROBOTS_WAIT, tries, 0.5)), why, park))
