"""The nouns of a crawl, all frozen, and the closed vocabularies they are described with.

Durations are seconds, sizes are bytes, moments are Unix seconds: always. A value that exists is valid.
The nouns are msgspec structs: as frozen as a dataclass, cheaper to make, and ready for the wire to a parser process.
"""

from __future__ import annotations

import enum
from enum import StrEnum

import msgspec

HostId = int
OriginId = int
UrlId = int
LeaseId = int

MAX_HOPS = 10
"""Redirects that are followed one after another before the fault `redirect` (design: same bound as aiohttp and curl use)."""


class Kind(StrEnum):
    """Where a URL was found. The order is the number that the database stores: only ever append."""

    SEED = "seed"
    A = "a"
    REDIRECT = "redirect"
    CANONICAL = "canonical"
    SITEMAP = "sitemap"
    NEXT = "next"
    IFRAME = "iframe"
    IMG = "img"
    SCRIPT = "script"
    STYLESHEET = "stylesheet"
    FEED = "feed"
    ROBOTS = "robots"
    OTHER = "other"
    AREA = "area"
    FRAME = "frame"
    REFRESH = "refresh"
    PREV = "prev"
    ALTERNATE = "alternate"
    HREFLANG = "hreflang"
    AMP = "amp"
    BASE = "base"
    FORM = "form"
    CONTENT_LOCATION = "content-location"
    SOURCE = "source"
    VIDEO = "video"
    AUDIO = "audio"
    TRACK = "track"
    OBJECT = "object"
    EMBED = "embed"
    SVG = "svg"
    ICON = "icon"
    MANIFEST = "manifest"
    CSS = "css"
    LISTED = "listed"


KINDS: tuple[Kind, ...] = tuple(Kind)
KIND_CODE: dict[Kind, int] = {kind: code for code, kind in enumerate(KINDS)}
KIND_MEANINGS: dict[Kind, str] = {
    Kind.SEED: "named by the seed file or the command line",
    Kind.A: "a link: a href, an item of a feed",
    Kind.REDIRECT: "the Location of an answer",
    Kind.CANONICAL: "the page's own idea of its address: link rel=canonical, in the page or in the Link header",
    Kind.SITEMAP: "a sitemap: named by robots.txt or by a sitemap index, or guessed",
    Kind.NEXT: "the next page of a series: link or a rel=next",
    Kind.IFRAME: "iframe src",
    Kind.IMG: "img src and srcset, input type=image, an enclosure or a sitemap's image",
    Kind.SCRIPT: "script src",
    Kind.STYLESHEET: "link rel=stylesheet, xml-stylesheet",
    Kind.FEED: "link rel=alternate to RSS, Atom or a JSON feed",
    Kind.ROBOTS: "robots.txt of an origin",
    Kind.OTHER: "any other link element",
    Kind.AREA: "area href of an image map",
    Kind.FRAME: "frame src",
    Kind.REFRESH: "meta refresh, or the Refresh header",
    Kind.PREV: "the page before in a series: rel=prev",
    Kind.ALTERNATE: "the same content in another form: link rel=alternate",
    Kind.HREFLANG: "the same content in another language: link rel=alternate hreflang",
    Kind.AMP: "link rel=amphtml",
    Kind.BASE: "base href",
    Kind.FORM: "the action of a form that is sent with GET",
    Kind.CONTENT_LOCATION: "the Content-Location header",
    Kind.SOURCE: "source src and srcset, in pictures, videos and audio",
    Kind.VIDEO: "video src and poster",
    Kind.AUDIO: "audio src",
    Kind.TRACK: "track src",
    Kind.OBJECT: "object data",
    Kind.EMBED: "embed src",
    Kind.SVG: "href of an SVG use, image or feImage element",
    Kind.ICON: "link rel=icon, icons of a manifest",
    Kind.MANIFEST: "link rel=manifest",
    Kind.CSS: "url() and @import of a style sheet",
    Kind.LISTED: "a page that a sitemap lists",
}
FOLLOWED = frozenset(
    {
        Kind.SEED, Kind.A, Kind.AREA, Kind.REDIRECT, Kind.CANONICAL, Kind.SITEMAP, Kind.NEXT, Kind.IFRAME, Kind.FRAME, Kind.FEED,
        Kind.REFRESH, Kind.ROBOTS, Kind.LISTED,
    }
)  # fmt: skip
"""What is followed unless settings say otherwise."""
REQUISITES = frozenset(
    {
        Kind.IMG, Kind.SOURCE, Kind.VIDEO, Kind.AUDIO, Kind.TRACK, Kind.SCRIPT, Kind.STYLESHEET, Kind.OBJECT, Kind.EMBED, Kind.SVG,
        Kind.ICON, Kind.MANIFEST, Kind.CSS,
    }
)  # fmt: skip
"""What a browser fetches to show a page, frames aside."""
VOUCHED = frozenset({Kind.SEED, Kind.LISTED})
"""What somebody has put on a list that has an end: never damped as a trap."""
CARRIED = REQUISITES | {Kind.SITEMAP}
"""What a redirect does not turn into a page: the target is of the same kind."""


class State(enum.IntEnum):
    """The fate of a URL, as the database numbers it."""

    QUEUED = 0
    DONE = 1
    FAILED = 2
    EXCLUDED = 3
    PARKED = 4


STATE_MEANINGS: dict[State, str] = {
    State.QUEUED: "to be fetched, at due_at if that is set",
    State.DONE: "answered; see pages, redirects and errors",
    State.FAILED: "given up after its tries; see errors",
    State.EXCLUDED: "not fetched on purpose; see reason and rule",
    State.PARKED: "put off beyond this run: its host asks for it or does not answer",
}


class Fault(StrEnum):
    """What went wrong on the way to a reply. An HTTP status is never a fault."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    RESET = "reset"
    PROTOCOL = "protocol"
    TRUNCATED = "truncated"
    DECODE = "decode"
    REDIRECT = "redirect"
    GUARD = "guard"
    PARSE = "parse"
    CRASH = "crash"


FAULT_MEANINGS: dict[Fault, str] = {
    Fault.DNS: "the host name has no address, or the name server did not say in time",
    Fault.CONNECT: "no connection to the host's address: refused, unreachable or not accepted in time",
    Fault.TLS: "the encrypted connection could not be set up: certificate or handshake",
    Fault.TIMEOUT: "the host took longer than allowed to answer or to send its answer",
    Fault.RESET: "the host closed the connection before it had answered",
    Fault.PROTOCOL: "the answer is not valid HTTP",
    Fault.TRUNCATED: "the body ended before its announced end",
    Fault.DECODE: "the body's content coding is broken, unknown or a bomb",
    Fault.REDIRECT: "too many redirects, a redirect loop, or a redirect to nowhere",
    Fault.GUARD: "this crawler refused to connect there: address, scheme or port",
    Fault.PARSE: "the page was kept, but reading its links took too long or failed",
    Fault.CRASH: "a bug in this program or in a plug-in; the detail is the traceback",
}
FAULTS: tuple[Fault, ...] = tuple(Fault)
FAULT_CODE: dict[Fault, int] = {fault: code for code, fault in enumerate(FAULTS, start=1)}

NETWORK_FAULTS = frozenset({Fault.DNS, Fault.CONNECT, Fault.TLS, Fault.TIMEOUT, Fault.RESET})
"""Faults that speak about the host rather than about one URL of it."""


class Reason(StrEnum):
    """Why a URL is not fetched."""

    SCOPE = "scope"
    SCHEME = "scheme"
    LENGTH = "length"
    DEPTH = "depth"
    ROBOTS = "robots"
    NOFOLLOW = "nofollow"
    TRAP = "trap"
    LIMIT = "limit"
    DUPLICATE = "duplicate"
    GUARD = "guard"
    SKIPPED = "skipped"


class Link(msgspec.Struct, frozen=True, gc=False):
    """A URL as it was found, before anyone asked whether it may enter."""

    url: str
    kind: Kind
    depth: int
    ruleset: int = 0
    hops: int = 0
    twin: str | None = None
    """Host of the page that redirected here, for the http/https/www twins of a seed."""


class Kept(msgspec.Struct, frozen=True, gc=False):
    """The page of a URL that the crawl has already."""

    etag: str | None = None
    """None as well where the page is not whole: then there is nothing to compare it by."""
    last_modified: str | None = None
    digest: bytes | None = None
    """sha256 of its body; None when none was kept."""
    file: str | None = None
    """Where the body is, relative to the output folder."""


class Request(msgspec.Struct, frozen=True, gc=False):
    """A URL that may be fetched. `id` is its row in the frontier, 0 while it has none."""

    url: str
    origin: str
    host: str
    kind: Kind
    depth: int
    priority: int
    """Smaller goes first within a host: the depth, or -1 for the next hop of a redirect."""
    ruleset: int = 0
    hops: int = 0
    tries: int = 0
    """Attempts that have ended already: 0 before the first."""
    id: UrlId = 0
    host_id: HostId = 0
    origin_id: OriginId = 0
    lease: LeaseId = 0
    asked: bool = False
    """It was asked before, in this run or an earlier one."""
    kept: Kept | None = None
    """The page that there is of it, None when there is none."""


class Rejected(msgspec.Struct, frozen=True, gc=False):
    """A link that may not enter, and the rule that decided, in words."""

    link: Link
    reason: Reason
    rule: str


class Offers(msgspec.Struct, frozen=True, gc=False):
    """The distinct, judged links of one page, packed: a page of 100 links crosses two process borders as five values.

    `urls` are joined by line feeds (a serialised URL holds none); `kinds` has one byte a URL, the code of its Kind;
    `verdicts` has one byte a URL: 0 for a request, else 1 + the index of its (reason, rule) in `rules`.
    `fingerprints` has 8 bytes a URL, little endian, signed.
    """

    urls: str = ""
    kinds: bytes = b""
    verdicts: bytes = b""
    fingerprints: bytes = b""
    rules: tuple[tuple[str, str], ...] = ()
    """A URL that is there in several kinds has an entry for each."""
    depth: int = 0
    ruleset: int = 0
    hops: int = 0
    priority: int = 0

    def __len__(self) -> int:
        return len(self.kinds)


NO_OFFERS = Offers()


class Indexed(msgspec.Struct, frozen=True, gc=False):
    """What the search index keeps of a page (crawler.core.tokens)."""

    title: str
    text: str
    """As words for SQLite's tokenizer."""
    packed: bytes
    """Title and text as people read them, compressed."""

    @property
    def size(self) -> int:
        """Bytes that it takes in memory, nearly."""
        return 2 * len(self.text) + len(self.packed)


class Parsed(msgspec.Struct, frozen=True, gc=False):
    """What a parser process found in one page."""

    offers: Offers = NO_OFFERS
    title: str | None = None
    lang: str | None = None
    charset: str | None = None
    noindex: bool = False
    """The page asks not to be indexed, in its markup or its headers."""
    nofollow: bool = False
    """The page asks not to follow its links, likewise."""
    links: int = 0
    """Links in the page before repeats were dropped."""
    links_truncated: bool = False
    fault: str | None = None
    """Why the page could not be read, when it could not: the fault `parse` is recorded beside the page."""
    simhash: int | None = None
    """Of the text (crawler.core.simhash), None where there are too few words."""
    has_text: bool = False
    """It is a page with a text, however short; what it says can be compared with others."""
    folds_into: str | None = None
    """The page's own idea of its address, where that decides (`--fold canonical`) and is another one."""
    listed: tuple[tuple[str, int | None, float | None], ...] = ()
    """What a sitemap says of the pages it lists: URL, last change (Unix seconds), priority (0 to 1)."""
    indexed: Indexed | None = None
    """For the search index, where there is to be one."""


NOTHING_PARSED = Parsed()


class Wire(msgspec.Struct, frozen=True, gc=False):
    """The heads of an exchange as they went over the wire, for an archive that keeps them; secrets of the request are hidden."""

    asked: tuple[tuple[str, str], ...]
    """Headers of the request, in order."""
    version: str
    """HTTP version of the answer, such as `1.1`."""
    reason: str
    """The words behind the status."""
    headers: tuple[tuple[bytes, bytes], ...]
    """Headers of the answer, byte for byte, in order."""
    ip: str | None
    """Address that answered; None behind a proxy."""


class Reply(msgspec.Struct, frozen=True, gc=False):
    """The head of an answer and how its body arrived."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    """As received, in order; bytes that are no UTF-8 are kept as surrogate escapes replaced by U+FFFD."""
    mime: str | None = None
    charset: str | None = None
    wire_bytes: int = 0
    ttfb: float = 0.0
    total: float = 0.0
    ip: str | None = None
    truncated: bool = False
    """The body was cut at a limit: what is kept is a beginning."""
    dns: float | None = None
    """Seconds for looking the name up; None when that was not done for this request."""
    connect: float | None = None
    """Seconds for the TCP connection; None over a connection that was there already."""
    tls: float | None = None
    """Seconds for the TLS handshake."""
    reused: bool = False
    """The connection had served an earlier request."""
    wire: Wire | None = None
    """Kept only where an archive wants it."""

    def header(self, name: str) -> str | None:
        """Return the first header of that (lower-case) name, or None."""
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return None


class CookieRow(msgspec.Struct, frozen=True, gc=False):
    """One cookie, as it is kept in memory and in the database."""

    site: str
    """The registrable domain, or the address, whose cookies are kept together."""
    host: str
    """Whose cookie it is: a host name without dots around it. Its subdomains share it unless `host_only`."""
    name: str
    path: str
    value: str
    expires: float | None
    """Unix seconds; None for a session cookie."""
    host_only: bool
    secure: bool
    http_only: bool
    pinned: bool

    def __repr__(self) -> str:
        """Tell whose cookie it is, and nothing of what it says: values are secrets."""
        return f"<CookieRow {self.name} of {self.host}{self.path}{', pinned' if self.pinned else ''}>"


class Body(msgspec.Struct, frozen=True, gc=False):
    """A body on its way to its place: `file` is relative to the output folder, `digest` the sha256 of the bytes."""

    digest: bytes
    size: int
    file: str
    offset: int | None = None
    """Where in a WARC file the record with the body begins; None for a file that is the body."""
    length: int | None = None
    """Bytes of that record in the file, compressed."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where the record of an answer lies in a WARC file, and where in the file the next one begins."""

    volume: int
    """Row of the WARC file."""
    file: str
    offset: int
    length: int
    end: int
    revisit: bool = False
    """The record has no body: that lies elsewhere."""


# --- outcomes: what a visit came to -------------------------------------------------------------------------------


class Fetched(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A good answer (2xx) whose body is kept, or an error's body when those are kept too."""

    request: Request
    reply: Reply
    body: Body | None
    parsed: Parsed = NOTHING_PARSED


class Unchanged(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The page is what it was: 304 to a request that named what the crawl has of it."""

    request: Request
    reply: Reply


class Redirected(msgspec.Struct, frozen=True, gc=False, tag=True):
    """An answer that points elsewhere; the target is offered like any other link."""

    request: Request
    reply: Reply
    target: str
    offers: Offers


class Answered(msgspec.Struct, frozen=True, gc=False, tag=True):
    """An answer that is no page: 4xx, 5xx, and everything unexpected."""

    request: Request
    reply: Reply
    body: Body | None = None


class Failed(msgspec.Struct, frozen=True, gc=False, tag=True):
    """No answer, or a broken one."""

    request: Request
    fault: Fault
    detail: str
    reply: Reply | None = None


class Barred(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Never asked: a rule forbids it."""

    request: Request
    reason: Reason
    rule: str


class RobotsRead(msgspec.Struct, frozen=True, gc=False, tag=True):
    """robots.txt of an origin was asked for: `text` when there is one, else the status or the fault that stands for it."""

    request: Request
    reply: Reply | None
    text: bytes | None = None
    fault: Fault | None = None
    detail: str | None = None
    target: str | None = None
    """Where it redirects to, when it does."""
    offers: Offers = NO_OFFERS
    """The sitemaps that it names."""


Visited = Fetched | Unchanged | Redirected | Answered | Failed | RobotsRead
"""What a visit can come to: something was asked."""
Outcome = Visited | Barred
