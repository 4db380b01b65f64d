"""The nouns of an explanation. Moments are Unix seconds, durations seconds, sizes bytes."""

from __future__ import annotations

import msgspec


class Step(msgspec.Struct, frozen=True):
    """A URL on the way from a seed, and where it was found."""

    url: str
    seen_as: str
    depth: int


class Attempt(msgspec.Struct, frozen=True):
    """One request for the URL."""

    at: float
    run_id: int
    status: int | None
    fault: str | None
    detail: str | None
    ttfb: float | None
    total: float | None
    wire_bytes: int | None
    ip: str | None
    target: str | None
    """Where the answer redirects to."""
    mime: str | None = None
    truncated: bool = False
    dns: float | None = None
    """Seconds for looking the host name up; None when that was not done for this request."""
    connect: float | None = None
    """Seconds for the TCP connection; None over a connection that was there already."""
    tls: float | None = None
    """Seconds for the TLS handshake."""
    reused: bool = False
    """The connection had served an earlier request."""


class Hop(msgspec.Struct, frozen=True):
    """A URL that redirects led to, and how it answered."""

    url: str
    state: str
    status: int | None
    fault: str | None


class Listed(msgspec.Struct, frozen=True):
    """What the sitemap that was read last of those that list it says of the URL."""

    sitemap: str
    lastmod: float | None
    priority: float | None


class Decision(msgspec.Struct, frozen=True):
    """The one rule that decided over the URL, or decides next."""

    by: str
    """A reason, a fault, or one of the words of `crawler.query.deciding`."""
    rule: str
    when: float | None = None
    """The earliest moment of the next request; None when there is to be none, or nothing is known to hinder it."""


class Bounds(msgspec.Struct, frozen=True):
    """What the bounds of the crawl, as it remembers them, make of the URL: one that was never seen is judged as a link on a seed's page."""

    allowed: bool
    reason: str | None
    rule: str
    """What lets it in or keeps it out, in words."""
    duplicate_of: str | None = None
    """The URL that it folds into."""


class Stored(msgspec.Struct, frozen=True):
    """The latest good answer, and the file that keeps it, relative to the output folder."""

    at: float
    status: int | None
    mime: str | None
    title: str | None
    truncated: bool
    file: str | None
    bytes: int | None
    sha256: str | None
    noindex: bool = False
    nofollow: bool = False
    canonical: str | None = None
    """The page's own idea of its address."""
    near: str | None = None
    """An earlier page whose text is nearly the same."""
    offset: int | None = None
    """Where in a WARC file its record begins, and how long it is there; None when the file is the body itself."""
    length: int | None = None
    charset: str | None = None
    lang: str | None = None
    links: int | None = None
    """Links in the page, repeats included."""
    links_truncated: bool = False
    """There were more links than count."""
    copies: int = 0
    """Other URLs with the same content, to the last byte."""
    same_as: tuple[str, ...] = ()
    """The first few of them."""


class HostFacts(msgspec.Struct, frozen=True):
    """The host's side of it."""

    name: str
    queued: int
    delayed: int
    done: int
    failed: int
    excluded: int
    unrecorded: int
    """Refused links that were only counted: the URL may be one of them."""
    next_at: float | None
    pace: float | None
    failures: int
    """Network faults one after another, up to now."""
    rest_reason: str | None
    parked: str | None


class RobotsFacts(msgspec.Struct, frozen=True):
    """What the origin's robots.txt said when it was asked last, and to this URL."""

    at: float
    status: int | None
    fault: str | None
    crawl_delay: float | None
    allowed: bool
    line: int | None
    """Number of the line that decides."""
    text: str | None
    """The line that decides."""
    more: tuple[str, ...] = ()
    """What else it says, in words: rates, times, sitemaps, a host, parameters that do not matter."""
    obeyed: bool = True
    """The crawl goes by it: not with `--no-robots`."""


class Known(msgspec.Struct, frozen=True):
    """What is recorded of a URL that was seen."""

    url_id: int
    url: str
    """As it was found first, and as it is requested."""
    state: str
    """As in the view `urls`: what is queued at a parked host is parked."""
    meaning: str
    reason: str | None
    rule: str | None
    depth: int
    seen_as: str
    hops: int
    tries: int
    due: float | None
    ahead: int | None
    """URLs of its host that come first; None when it is not queued for now."""
    links: int
    """Links to it; 0 when the link graph is not kept."""
    path: tuple[Step, ...]
    """From the URL itself to the seed that led to it."""
    attempts: tuple[Attempt, ...]
    """Latest first."""
    stored: Stored | None
    redirects: tuple[Hop, ...] = ()
    """Where its latest answer and those behind it redirect to, one after the other."""
    listed: Listed | None = None
    duplicate_of: str | None = None
    """The URL that it is taken for, when it is left out as a duplicate."""


class Explanation(msgspec.Struct, frozen=True):
    """All that can be said of a URL. `known` is None for one that was never seen, `url` for a text that is none."""

    asked: str
    url: str | None
    changes: tuple[str, ...] = ()
    """What the spelling changed in the text."""
    problem: str | None = None
    """Why the text is no URL."""
    known: Known | None = None
    similar: tuple[str, ...] = ()
    """Seen URLs that differ only by scheme, www, or a slash at the end."""
    host: HostFacts | None = None
    robots: RobotsFacts | None = None
    decision: Decision | None = None
    """None for a text that is no URL."""
    bounds: Bounds | None = None
    running: bool = False
    """A process crawls right now; else nothing happens before the next run."""
    last_run: str | None = None
    """How the latest run ended; None while one goes on, when it was killed, and when there was none."""
