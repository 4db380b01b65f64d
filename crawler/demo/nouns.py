"""What the demo site is made of: pages and other answers, volumes, and the two records that tests read.

A *volume* is one book of the site with a path of its own (`/atlas/...`). Normally every volume has a host to itself; where
only few loopback addresses can be had, hosts carry several. So nothing in a volume may depend on which host it is on:
whoever writes one asks the `World` for the URLs of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from crawler.core.model import Reason

HTML = "text/html; charset=utf-8"


class Manner(StrEnum):
    """How a page is handed over."""

    PLAIN = "plain"
    GZIP = "gzip"
    """With Content-Encoding: gzip, to whoever accepts that."""
    SLOW = "slow"
    """After a long think."""
    DRIP = "drip"
    """In pieces, its length not announced."""
    BUSY = "busy"
    """503 with Retry-After to the very first request, the page to every later one."""
    COOKIE = "cookie"
    """A redirect to itself with Set-Cookie, the page to whoever brings the cookie back."""


@dataclass(frozen=True, slots=True)
class Page:
    """A URL that has a body."""

    write: Callable[[], bytes]
    """Makes the body, the same each time; called when it is first asked for, so that a site starts at once."""
    title: str | None = None
    mime: str = HTML
    manner: Manner = Manner.PLAIN
    dated: bool = False
    """Sent with ETag and Last-Modified, and 304 to whoever shows one of them."""


@dataclass(frozen=True, slots=True)
class Moved:
    """A URL that redirects; `to` is the Location as it is sent, so it may be relative."""

    status: int
    to: str


@dataclass(frozen=True, slots=True)
class Missing:
    """A URL that is linked and has no page: 404, or 410 where it is gone for good."""

    status: int = 404


Entry = Page | Moved | Missing


@dataclass(frozen=True, slots=True)
class Volume:
    """One book of the site."""

    name: str
    """Also its path: `atlas` lies at `/atlas/`."""
    title: str
    blurb: str
    entries: Mapping[str, Entry]
    """By path and query, as on the wire."""
    rules: tuple[str, ...] = ()
    """Lines for the robots.txt of its host."""
    delay: float = 0.0
    """Crawl-delay in seconds, for a host that carries nothing else."""
    lawless: bool = False
    """Its host has no robots.txt, when it carries nothing that needs one."""
    never: Mapping[str, Reason] = field(default_factory=dict)
    """Links (paths, or whole URLs) that a polite crawl does not follow, and why."""
    closed: tuple[str, ...] = ()
    """Paths that robots.txt closes with everything below."""
    endless: Callable[[str], Page | None] | None = None
    """Finds the pages that are too many to list."""


@dataclass(frozen=True, slots=True)
class World:
    """Where every volume is."""

    origins: Mapping[str, str]
    """Name of a volume -> `http://127.0.0.2:8000`."""

    def url(self, volume: str, path: str = "") -> str:
        """Return the absolute URL of a path within a volume."""
        return f"{self.origins[volume]}/{volume}/{path}"


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that reached the site."""

    at: float
    """When it arrived, in seconds of the monotonic clock (`time.monotonic`)."""
    host: str
    """The address it was sent to."""
    path_qs: str
    """Path and query, byte for byte as on the wire."""
    status: int
    """What it was answered with; decided at arrival, so it is there even when the client does not wait for it."""
    method: str

    @property
    def path(self) -> str:
        """The path without its query."""
        return self.path_qs.partition("?")[0]


@dataclass(frozen=True, slots=True)
class Truth:
    """What a right crawl from the seeds with default settings comes to. Every key is an absolute URL."""

    pages: frozenset[str]
    """To be stored: they answer 200 in the end, some only at the second request."""
    errors: Mapping[str, int]
    """Linked, and answered with this status every time."""
    redirects: Mapping[str, str]
    """From -> to, one entry for each hop. The cookie wall is a page, not a redirect."""
    loops: Mapping[str, str]
    """Redirects that lead back into their own chain; none of them ever becomes a page."""
    never: Mapping[str, Reason]
    """Linked or redirected to, and not to be requested, with the reason."""
    closed: tuple[str, ...]
    """Beginnings of URLs that robots.txt forbids without exception: what lies below is never requested either."""
    titles: Mapping[str, str | None]
    """Title of each HTML page as it is written, None without one. One holds control characters, on purpose."""

    @property
    def asked(self) -> frozenset[str]:
        """Every URL that a right crawl requests at least once, apart from robots.txt."""
        return self.pages | self.errors.keys() | self.redirects.keys() | self.loops.keys()

    def forbids(self, url: str) -> bool:
        """Tell whether a request for this URL is a mistake in any crawl."""
        return url in self.never or url.startswith(self.closed)
