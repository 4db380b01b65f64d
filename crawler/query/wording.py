"""An explanation in words, line by line, for a terminal. Everything that came from elsewhere passes `safe`."""

from __future__ import annotations

import time
from collections.abc import Iterator

from crawler.query.explain import LONGEST_PATH, MOST_ATTEMPTS, MOST_COUNTED, MOST_SAME
from crawler.query.facts import Attempt, Bounds, Decision, Explanation, HostFacts, Known, Listed, RobotsFacts, Stored
from crawler.text import safe

_LABEL = 12
_STEPS_SHOWN = 10
_ATTEMPTS_SHOWN = 10
_SEEN_AS = {"a": "link", "img": "image", "next": "next page", "other": "link of another kind"}
_ENDED = {
    "finished": "the last run finished", "limit": "the last run stopped at a limit", "stopped": "the last run was stopped",
    "parked": "the last run finished, but hosts are put off", "failed": "the last run failed",
}  # fmt: skip
_MISSPELT = "Try a whole address, such as https://example.org/page."


def lines(explanation: Explanation, now: float | None = None, *, whole: bool = False) -> list[str]:
    """Return the explanation as lines: the URL, then what is known of it, each under a label.

    With *now*, moments at which something could have happened earlier are left out. *whole*: every request and every step.
    """
    if explanation.url is None:
        return [safe(explanation.asked), f"  {'problem':{_LABEL}}{safe(explanation.problem or '')}", _MISSPELT]
    found = [safe(explanation.url)]
    for label, text in _facts(explanation, now or 0.0, whole=whole):
        found.append(f"  {label:{_LABEL}}{safe(text)}".rstrip())
    if explanation.similar:
        found.append(f"Try crawler explain {safe(explanation.similar[0])}")
    return found


def _facts(explanation: Explanation, now: float, *, whole: bool) -> Iterator[tuple[str, str]]:
    """Yield label and text; a text that goes on in the next line has an empty label there."""
    known, host = explanation.known, explanation.host
    if explanation.changes:
        yield "spelling", ", ".join(explanation.changes)
    if known is None:
        yield "state", "never seen: nothing that was read so far has led to it"
        if host is not None and host.unrecorded:
            yield "", f"or one of {host.unrecorded:,} refused links of its host that were only counted"
    else:
        yield from _fate(known, explanation.url)
    if explanation.decision is not None:
        yield from _decision(explanation, explanation.decision, now)
    if known is not None:
        yield from _story(known, whole=whole)
    yield from zip(("similar", "", "", "", ""), explanation.similar, strict=False)
    if explanation.bounds is not None:
        yield "scope", _bounds(explanation.bounds)
    if explanation.robots is not None:
        yield "robots.txt", _robots(explanation.robots)
        yield from (("", more) for more in explanation.robots.more)
    elif known is None and explanation.bounds is not None and explanation.bounds.allowed:
        yield "robots.txt", "not read yet: it is asked for first"
    yield "host", "never seen" if host is None else _host(host, now)


def _bounds(bounds: Bounds) -> str:
    same = "" if bounds.duplicate_of is None else f", the same page as {bounds.duplicate_of}"
    return f"{'allowed' if bounds.allowed else 'refused'}: {bounds.rule}{same}"


def _story(known: Known, *, whole: bool) -> Iterator[tuple[str, str]]:
    """Yield how the crawl came to a URL, and all that came of it."""
    yield from _way(known, LONGEST_PATH + 1 if whole else _STEPS_SHOWN)
    if known.listed is not None:
        yield "listed in", _listed(known.listed)
    yield from _attempts(known.attempts, MOST_ATTEMPTS if whole else _ATTEMPTS_SHOWN)
    yield from _redirects(known)
    if known.stored is not None:
        yield "stored", _stored(known.stored)
        yield from _said(known.stored)


def _fate(known: Known, asked: str | None) -> Iterator[tuple[str, str]]:
    if known.url != asked:
        yield "known as", known.url
    yield "state", f"{known.state}: {known.meaning}"
    if known.state not in ("excluded", "parked") and (known.reason or known.rule):      # else it is what decided
        yield "reason", ": ".join(filter(None, (known.reason, known.rule)))


def _decision(explanation: Explanation, decision: Decision, now: float) -> Iterator[tuple[str, str]]:
    yield "decided by", f"{decision.by}: {decision.rule}"
    if decision.when is not None and decision.when > now:
        yield "next try", f"not before {_moment(decision.when)}"
    known = explanation.known
    if known is not None and known.state in ("queued", "parked") and not explanation.running:
        ended = _ENDED.get(explanation.last_run or "", "the last run was killed")
        yield "", f"nobody crawls at the moment ({ended}); the same command goes on"


def _way(known: Known, most: int) -> Iterator[tuple[str, str]]:
    """Yield where the URL was found, and how one gets there from a seed."""
    first = known.path[0] if known.path else None
    if len(known.path) > 1:
        links = f"; {_many(known.links)} links to it in all" if known.links > 1 else ""
        yield "seen on", f"{known.path[1].url} ({_kind(known.seen_as)}{links})"
    elif first is not None:
        yield "seen as", _kind(known.seen_as)
    if len(known.path) <= 2:
        return
    way = known.path[::-1]
    yield "path", f"{len(way) - 1:,}{'+' if len(way) > LONGEST_PATH else ''} steps, depth {known.depth:,}"
    half = most // 2
    left_out = len(way) - most
    for index, step in enumerate(way):
        if left_out > 0 and half <= index < len(way) - half:
            if index == half:
                yield "", f"      … {left_out:,} more"
            continue
        yield "", f"{index:>5} {step.url} ({_kind(step.seen_as)})"


def _listed(listed: Listed) -> str:
    said = [] if listed.lastmod is None else [f"changed {_moment(listed.lastmod)}"]
    said += [] if listed.priority is None else [f"priority {listed.priority:g}"]
    return " ".join([listed.sitemap, *([f"({', '.join(said)})"] if said else [])])


def _attempts(attempts: tuple[Attempt, ...], most: int) -> Iterator[tuple[str, str]]:
    """Yield the requests, latest first."""
    if not attempts:
        yield "requests", "none"
    for index, attempt in enumerate(attempts[:most]):
        yield "" if index else "requests", _attempt(attempt)
        yield from (("", f"    {line}") for line in _steps(attempt))
    if len(attempts) > most:
        more = len(attempts) - most
        yield "", f"and {more}{' or more' if len(attempts) == MOST_ATTEMPTS else ''} before; -v shows them"


def _attempt(attempt: Attempt) -> str:
    parts = [_moment(attempt.at), f"run {attempt.run_id}"]
    if attempt.status is not None:
        parts.append(f"status {attempt.status}")
    if attempt.fault is not None:
        parts.append(attempt.fault if attempt.detail is None else f"{attempt.fault}: {attempt.detail}")
    if attempt.target is not None:
        parts.append(f"to {attempt.target}")
    if attempt.wire_bytes is not None:
        parts.append(f"{attempt.wire_bytes:,} bytes received{', cut off' if attempt.truncated else ''}")
    if attempt.ip is not None:
        parts.append(f"from {attempt.ip}")
    return ", ".join(parts)


def _steps(attempt: Attempt) -> Iterator[str]:
    """Yield how long each step of a request took, where that is known."""
    steps = (
        ("look-up", attempt.dns), ("connection", attempt.connect), ("TLS", attempt.tls), ("first byte", attempt.ttfb),
        ("in all", attempt.total),
    )  # fmt: skip
    took = [f"{name} {span * 1000:,.0f} ms" for name, span in steps if span is not None]
    if attempt.reused:
        took.insert(0, "over an open connection")
    if took:
        yield ", ".join(took)


def _redirects(known: Known) -> Iterator[tuple[str, str]]:
    for index, hop in enumerate(known.redirects):
        came = hop.fault or (f"status {hop.status}" if hop.status is not None else hop.state)
        yield "" if index else "redirects", f"to {hop.url} ({came})"


def _stored(stored: Stored) -> str:
    where = stored.file or "no file"
    size = "" if stored.bytes is None else f", {stored.bytes:,} bytes"
    return f"{where} ({stored.mime or 'no media type'}{size}{', only its beginning' if stored.truncated else ''})"


def _said(stored: Stored) -> Iterator[tuple[str, str]]:
    """Yield what the page says of itself."""
    wishes = ("not to be indexed", stored.noindex), ("not to have its links followed", stored.nofollow)
    asks = " and ".join(word for word, said in wishes if said)
    if asks:
        yield "asks", asks
    if stored.canonical is not None:
        yield "canonical", stored.canonical
    if stored.copies:
        yield from zip(("same as", "", ""), stored.same_as, strict=False)
        if stored.copies > len(stored.same_as):
            more = "or more " if stored.copies >= MOST_SAME else ""
            yield "", f"and {stored.copies - len(stored.same_as):,} {more}others"
    if stored.near is not None:
        yield "nearly as", stored.near
    if stored.links is not None:
        yield "links", f"{stored.links:,} found{', and not all of them count' if stored.links_truncated else ''}"


def _robots(robots: RobotsFacts) -> str:
    """Say what robots.txt has to say to the URL; whether the crawl obeys is a setting."""
    verdict = "allowed" if robots.allowed else "forbidden"
    if robots.line is not None:
        verdict += f' by line {robots.line} "{robots.text}"'
    elif robots.fault is not None or robots.status is None:
        verdict += f" for now: it could not be read ({robots.fault or 'no answer'})"
    elif robots.text is not None:
        verdict += f": {robots.text}"
    elif not robots.allowed:
        verdict += f" for now: it answered {robots.status}"
    else:
        verdict += ": no line forbids it" if robots.status < 300 else f": there is none ({robots.status})"
    delay = "" if robots.crawl_delay is None else f"; Crawl-delay {robots.crawl_delay:g} s"
    ignored = "" if robots.obeyed else ", but not obeyed (--no-robots)"
    return f"{verdict}{ignored}{delay} (read {_moment(robots.at)})"


def _host(host: HostFacts, now: float) -> str:
    parts = [f"{host.name}: {host.queued:,} queued, {host.done:,} done, {host.failed:,} failed, {host.excluded:,} excluded"]
    if host.pace is not None:
        parts.append(f"one request every {host.pace:g} s")
    if host.parked is not None:
        parts.append(f"parked: {host.parked}")
    elif host.rest_reason is not None:
        parts.append(f"rests: {host.rest_reason}")
    if host.next_at is not None and host.queued and host.next_at > now:
        parts.append(f"not before {_moment(host.next_at)}")
    return "; ".join(parts)


def _kind(kind: str) -> str:
    return _SEEN_AS.get(kind, kind)


def _many(number: int) -> str:
    return f"{number:,}{' or more' if number >= MOST_COUNTED else ''}"


def _moment(moment: float) -> str:
    """Return a moment in UTC, as the views show it; one beyond the calendar as its number."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(moment))
    except (OverflowError, ValueError, OSError):
        return f"{moment:.0f}"
