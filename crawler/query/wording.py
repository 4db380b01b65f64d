"""An explanation in words, line by line, for a terminal. Everything that came from elsewhere passes `safe`."""

from __future__ import annotations

import time
from collections.abc import Iterator

from crawler.query.explain import LONGEST_PATH, MOST_ATTEMPTS, MOST_COUNTED
from crawler.query.facts import Attempt, Bounds, Explanation, HostFacts, Known, Listed, RobotsFacts, Stored
from crawler.text import safe

_LABEL = 12
_STEPS_SHOWN = 10
_ATTEMPTS_SHOWN = 10
_SEEN_AS = {"a": "link", "img": "image", "next": "next page", "other": "link of another kind"}
_MISSPELT = "Try a whole address, such as https://example.org/page."


def lines(explanation: Explanation, now: float | None = None) -> list[str]:
    """Return the explanation as lines: the URL, then what is known of it, each under a label.

    With *now*, moments at which something could have happened earlier are left out.
    """
    if explanation.url is None:
        return [safe(explanation.asked), f"  {'problem':{_LABEL}}{safe(explanation.problem or '')}", _MISSPELT]
    found = [safe(explanation.url)]
    for label, text in _facts(explanation, now or 0.0):
        found.append(f"  {label:{_LABEL}}{safe(text)}".rstrip())
    if explanation.similar:
        found.append(f"Try crawler explain {safe(explanation.similar[0])}")
    return found


def _facts(explanation: Explanation, now: float) -> Iterator[tuple[str, str]]:
    """Yield label and text; a text that goes on in the next line has an empty label there."""
    known, host = explanation.known, explanation.host
    if explanation.changes:
        yield "spelling", ", ".join(explanation.changes)
    if known is None:
        yield "state", "never seen: nothing that was read so far has led to it"
        if host is not None and host.unrecorded:
            yield "", f"or one of {host.unrecorded:,} refused links of its host that were only counted"
    else:
        if known.url != explanation.url:
            yield "known as", known.url
        yield from _fate(known)
        yield from _way(known)
        if known.listed is not None:
            yield "listed in", _listed(known.listed)
        yield from _attempts(known.attempts)
        if known.stored is not None:
            yield "stored", _stored(known.stored)
            yield from _said(known.stored)
    yield from zip(("similar", "", "", "", ""), explanation.similar, strict=False)
    if explanation.bounds is not None:
        yield "scope", _bounds(explanation.bounds)
    if explanation.robots is not None:
        yield "robots.txt", _robots(explanation.robots)
        yield from (("", more) for more in explanation.robots.more)
    yield "host", "never seen" if host is None else _host(host, now)


def _bounds(bounds: Bounds) -> str:
    return f"allowed: {bounds.rule}" if bounds.allowed else f"refused: {bounds.rule}"


def _listed(listed: Listed) -> str:
    parts = [listed.sitemap]
    if listed.lastmod is not None:
        parts.append(f"changed {_moment(listed.lastmod)}")
    if listed.priority is not None:
        parts.append(f"priority {listed.priority:g}")
    return ", ".join(parts)


def _fate(known: Known) -> Iterator[tuple[str, str]]:
    yield "state", f"{known.state}: {known.meaning}"
    if known.reason is not None or known.rule is not None:
        yield "reason", ": ".join(filter(None, (known.reason, known.rule)))
    if known.due is not None:
        yield "due", f"{_moment(known.due)}, after {known.tries:,} {'try' if known.tries == 1 else 'tries'}"
    if known.ahead is not None:
        before = f"{_many(known.ahead)} {'URL' if known.ahead == 1 else 'URLs'} of its host come first"
        yield "queue", before if known.ahead else "the next of its host"


def _way(known: Known) -> Iterator[tuple[str, str]]:
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
    half = _STEPS_SHOWN // 2
    left_out = len(way) - _STEPS_SHOWN
    for index, step in enumerate(way):
        if left_out > 0 and half <= index < len(way) - half:
            if index == half:
                yield "", f"      … {left_out:,} more"
            continue
        yield "", f"{index:>5} {step.url} ({_kind(step.seen_as)})"


def _attempts(attempts: tuple[Attempt, ...]) -> Iterator[tuple[str, str]]:
    """Yield the requests, latest first."""
    if not attempts:
        yield "requests", "none"
    for index, attempt in enumerate(attempts[:_ATTEMPTS_SHOWN]):
        yield "" if index else "requests", _attempt(attempt)
    if len(attempts) > _ATTEMPTS_SHOWN:
        more = len(attempts) - _ATTEMPTS_SHOWN
        yield "", f"and {more}{' or more' if len(attempts) == MOST_ATTEMPTS else ''} before"


def _attempt(attempt: Attempt) -> str:
    parts = [_moment(attempt.at)]
    if attempt.status is not None:
        parts.append(f"status {attempt.status}")
    if attempt.fault is not None:
        parts.append(attempt.fault if attempt.detail is None else f"{attempt.fault}: {attempt.detail}")
    if attempt.target is not None:
        parts.append(f"to {attempt.target}")
    if attempt.total is not None:
        steps = ("name", attempt.dns), ("connect", attempt.connect), ("TLS", attempt.tls), ("headers", attempt.ttfb)
        told = ", ".join(f"{word} {value:.3f}" for word, value in steps if value is not None)
        parts.append(f"{attempt.total:.3f} s{f' ({told})' if told else ''}")
    if attempt.reused:
        parts.append("over an open connection")
    if attempt.wire_bytes is not None:
        parts.append(f"{attempt.wire_bytes:,} bytes received{', cut off' if attempt.truncated else ''}")
    if attempt.ip is not None:
        parts.append(f"from {attempt.ip}")
    return ", ".join(parts)


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
    if stored.same is not None:
        yield "same as", stored.same
    if stored.near is not None:
        yield "nearly as", stored.near
    if stored.links is not None:
        yield "links", f"{stored.links:,} found{', and not all of them counted' if stored.links_truncated else ''}"
    elif stored.file is not None:
        yield "links", f"not read: {stored.mime or 'a body without a media type'} is no document with links, or could not be read"


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
    return f"{verdict}{delay} (read {_moment(robots.at)})"


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
