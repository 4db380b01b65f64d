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
    dns: float | None = None
    """Seconds of each step; None for one that was not made, over a connection that was open already."""
    connect: float | None = None
    tls: float | None = None
    reused: bool = False
    truncated: bool = False


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
    links: int | None = None
    """Links that were found in it; None when it was not read for links."""
    links_truncated: bool = False
    same: str | None = None
    """Another page with the very same body."""


class Bounds(msgspec.Struct, frozen=True):
    """What the bounds of the crawl, as it remembers them, make of the URL when a page next to a seed links to it."""

    allowed: bool
    reason: str | None
    rule: str


class Listed(msgspec.Struct, frozen=True):
    """What a sitemap says of the URL."""

    sitemap: str
    lastmod: float | None
    priority: float | None


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
    listed: Listed | None = None


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
    bounds: Bounds | None = None
