"""The one rule that decided over a URL, or that decides next. Pure: from what is known to one sentence.

`Decision.by` is a reason, a fault, or one of the words here; docs/reference/explain.md has them all.
"""

from __future__ import annotations

from crawler.core import documents
from crawler.core.model import FAULT_MEANINGS, Fault, Kind, Reason
from crawler.core.settings import Settings
from crawler.query.facts import Attempt, Bounds, Decision, Explanation, Known, RobotsFacts, Stored

WORDS: dict[str, str] = {
    "stored": "it was fetched, and nothing is missing of it",
    "unchanged": "it was asked for again and had not changed",
    "redirect": "its answer sends elsewhere",
    "status": "its answer has a status of 400 and above",
    "size": "only its beginning is kept",
    "links": "not all of its links count, or not all of it was read for links",
    "type": "it is kept, and not read for links: its media type has none that are looked for",
    "turn": "it waits for its turn in its host's queue",
    "again": "it waits to be asked again",
    "rest": "its host rests",
    "parked": "its host is put off beyond this run",
    "pages": "the crawl has as many pages as it may have",
    "unseen": "nothing that was read has led to it, and it would be let in",
    "done": "nothing more is known than that it is done with",
}
"""What decides besides reasons and faults, with its meaning."""


def decide(found: Explanation, settings: Settings, *, pages: int) -> Decision:
    """Return what decided; *pages* is how many the crawl has."""
    known = found.known
    if known is None:
        return _unseen(found.bounds, found.robots)
    match known.state:
        case "excluded":
            return _excluded(known)
        case "queued" | "parked":
            return _waiting(known, found, settings, pages=pages)
        case _:
            return _answered(known, settings)


def _unseen(bounds: Bounds | None, robots: RobotsFacts | None) -> Decision:
    if bounds is not None and not bounds.allowed:
        return Decision(bounds.reason or "", _naming(bounds.rule, bounds.duplicate_of))
    if (forbidden := _forbidden(robots)) is not None:
        return Decision(Reason.ROBOTS, forbidden)
    return Decision("unseen", "nothing that was read so far has led to it; it would be let in")


def _excluded(known: Known) -> Decision:
    return Decision(known.reason or "", _naming(known.rule or known.meaning, known.duplicate_of))


def _naming(rule: str, duplicate_of: str | None) -> str:
    return rule if duplicate_of is None or duplicate_of in rule else f"{rule}: the same page as {duplicate_of}"


def _forbidden(robots: RobotsFacts | None) -> str | None:
    """Return the line of robots.txt that forbids the URL, in the words of the crawl; None when it may be asked for."""
    if robots is None or robots.allowed or not robots.obeyed:
        return None
    if robots.line is not None:
        return f"robots.txt line {robots.line}: {robots.text}"
    if robots.text is not None:
        return f"robots.txt: {robots.text}"
    return f"robots.txt could not be read ({robots.fault or robots.status or 'no answer'}), so nothing is asked for now"


def _waiting(known: Known, found: Explanation, settings: Settings, *, pages: int) -> Decision:  # noqa: PLR0911 - one return for each
    host, bounds = found.host, found.bounds
    polite = None if host is None else host.next_at
    if known.state == "parked":
        return Decision("parked", known.reason or known.meaning, polite)
    if bounds is not None and not bounds.allowed:
        return Decision(bounds.reason or "", f"{_naming(bounds.rule, bounds.duplicate_of)}; it is left out when its turn comes")
    if (forbidden := _forbidden(found.robots)) is not None:
        return Decision(Reason.ROBOTS, f"{forbidden}; it is left out when its turn comes")
    if settings.max_pages is not None and pages >= settings.max_pages:
        return Decision("pages", f"the crawl has its {pages:,} pages (--max-pages {settings.max_pages})")
    if known.due is not None:
        return _again(known, settings, max(known.due, polite or 0.0))
    if host is not None and host.rest_reason is not None and polite is not None:
        return Decision("rest", f"{host.name} rests: {host.rest_reason}", polite)
    if not known.ahead:
        return Decision("turn", "it is the next of its host", polite)
    return Decision("turn", f"{known.ahead:,} {'URL' if known.ahead == 1 else 'URLs'} of its host come first", polite)


def _again(known: Known, settings: Settings, when: float) -> Decision:
    latest = known.attempts[0] if known.attempts else None
    trouble = None if latest is None else _trouble(latest)
    if trouble is None or not known.tries:
        return Decision("again", "it is to be asked again", when)
    return Decision(trouble[0], f"{trouble[1]}; try {known.tries + 1} of {settings.tries} is to come", when)


def _trouble(attempt: Attempt) -> tuple[str, str] | None:
    """Return the word and the words for what went wrong with a request."""
    if attempt.fault is not None and attempt.fault != Fault.PARSE:
        return attempt.fault, attempt.detail.strip().rpartition("\n")[2] if attempt.detail else _meaning(attempt.fault)
    if attempt.status is not None and attempt.status >= 400:
        return "status", f"status {attempt.status}"
    return None


def _meaning(fault: str) -> str:
    return FAULT_MEANINGS[Fault(fault)] if fault in FAULT_MEANINGS else fault


def _answered(known: Known, settings: Settings) -> Decision:
    """Say what came of a URL that is done with."""
    if known.seen_as == Kind.ROBOTS:
        return Decision(Reason.SKIPPED, "robots.txt is read for its rules, not kept as a page")
    if not known.attempts:
        return Decision("done", known.meaning)
    latest = known.attempts[0]
    if (trouble := _trouble(latest)) is not None:
        end = "which is final"
        if known.state == "failed":
            end = f"given up after {known.tries:,} {'try' if known.tries == 1 else 'tries'}"
        return Decision(trouble[0], f"{trouble[1]}, {end}")
    if latest.target is not None:
        return Decision("redirect", f"status {latest.status} sends to {latest.target}")
    if known.stored is None:
        return Decision("done", known.meaning)
    return _kept(known, known.stored, latest, settings)


def _kept(known: Known, stored: Stored, latest: Attempt, settings: Settings) -> Decision:  # noqa: PLR0911 - one return for each
    """Say what is missing of a page, or that nothing is."""
    if latest.fault == Fault.PARSE:
        return Decision(Fault.PARSE, latest.detail or _meaning(Fault.PARSE))
    if stored.truncated:
        size = "" if stored.bytes is None else f": {stored.bytes:,} bytes"
        return Decision("size", f"it is larger than may be kept (--max-size), so only its beginning is{size}")
    kind = Kind(known.seen_as) if known.seen_as in {kind.value for kind in Kind} else Kind.OTHER
    if stored.mime is not None and not documents.may_speak(stored.mime, kind):
        return Decision("type", f"{stored.mime} is not read for links")
    if stored.mime == "application/pdf" and not settings.pdf:
        return Decision("type", "application/pdf is not read for links without --pdf")
    if stored.links_truncated:
        return Decision("links", f"it has more than {settings.max_links:,} distinct links (--max-links), and the rest does not count")
    if stored.bytes is not None and stored.bytes > settings.parse_size and kind is not Kind.SITEMAP:
        return Decision("links", f"it is larger than what is read for links (--parse-size {settings.parse_size:,} bytes)")
    if latest.status == 304:
        return Decision("unchanged", "status 304: it is what was stored before")
    if stored.file is None:
        return Decision("stored", f"status {latest.status}; its body is not kept")
    return Decision("stored", f"status {latest.status}, stored whole")
