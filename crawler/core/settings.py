"""Every choice a user has, with its default, unit and bounds. Where a value came from is the command line's business.

Durations are seconds, sizes are bytes.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from crawler.core import secrets

KIB = 1024
MIB = 1024 * KIB
GIB = 1024 * MIB

Scope = Literal["page", "path", "host", "site", "any"]
Directive = Literal["meta", "x-robots-tag", "nofollow", "ugc", "sponsored"]
Fold = Literal["query-order", "tracking", "session", "index", "canonical"]
Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(ge=0)]
Bytes = Annotated[int, Meta(ge=0)]
_WORDS = {"int": "a whole number", "float": "a number", "str": "text", "bool": "True or False", "array": "a list of text", "null": "None"}
_SIGNS = {">=": "of at least", "<=": "of at most", ">": "above", "<": "below"}


class _Values(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The fields of Settings. What they may hold is checked when something is converted to this, not when one is made."""

    # load
    concurrency: Annotated[int, Meta(ge=1, le=10_000)] = 64
    """Requests in flight at once."""
    per_host: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    """Requests in flight at once to one host: 2 unless set, 1 where a Crawl-delay is given, `concurrency` when delay is 0."""
    delay: Annotated[float, Meta(ge=0, le=86_400)] | None = None
    """Seconds between two requests to one host; None is adaptive."""

    # limits
    max_pages: Count | None = None
    """Pages stored over the whole crawl; exact."""
    recrawl: float | tuple[float, float] | None = None      # bounds within this union crash msgspec 0.22 when garbage is collected
    """Seconds after which what was asked is asked again in this run; a pair are the bounds of an interval that follows how often
    a URL changes. None: only what waits is asked."""
    max_time: Annotated[float, Meta(gt=0)] | None = None
    """Seconds this run may take."""
    max_bytes: Count | None = None
    """Bytes received in this run after which nothing more is asked for."""
    depth: Annotated[int, Meta(ge=0, le=1_000_000)] | None = None
    """Links away from a seed; None is without limit."""

    # time
    timeout: Annotated[float, Meta(gt=0)] = 60.0
    """Seconds for one request in total."""
    connect_timeout: Annotated[float, Meta(gt=0)] = 10.0
    """Seconds for a connection, TLS included."""
    dns_timeout: Annotated[float, Meta(gt=0)] = 5.0
    """Seconds for looking a host name up."""
    tls_timeout: Annotated[float, Meta(gt=0)] = 10.0
    """Seconds for the TLS handshake, within the time to connect."""
    header_timeout: Annotated[float, Meta(gt=0)] = 15.0
    """Seconds from sending the request to the end of the answer's headers."""
    read_timeout: Annotated[float, Meta(gt=0)] = 15.0
    """Seconds between two pieces of a body."""
    min_rate: Bytes = KIB
    """Bytes per second below which a body is given up after 10 seconds; 0 is without limit."""
    timeouts: tuple[str, ...] = ()
    """Other timeouts for some hosts: `PATTERN total=120 read=60`, in seconds."""
    max_rest: Seconds = 120.0
    """Seconds that the end of a crawl waits for a host; beyond that the host is parked."""

    # size
    max_size: Count = 32 * MIB
    """Bytes of one decoded body; what lies beyond is cut off and the page flagged `truncated`."""
    parse_size: Count = 8 * MIB
    """Bytes of a body that are read for links."""
    min_free: Bytes = GIB
    """Bytes that stay free on the disk."""
    max_links: Count = 5_000
    """Distinct links of one page that count."""

    # tries
    tries: Annotated[int, Meta(ge=1, le=100)] = 3
    """Attempts for one URL, the first included."""

    # scope
    scope: Scope = "host"
    include: tuple[str, ...] = ()
    """Regular expressions of which one must match a URL."""
    exclude: tuple[str, ...] = ()
    """Regular expressions of which none may match a URL."""
    max_segments: Count = 20
    """Path segments of a URL beyond which it counts as a trap."""
    max_repeats: Count = 3
    """Times that one path segment may occur in a URL."""
    follow: tuple[str, ...] = ()
    """Kinds of links that are followed besides the usual ones."""
    leave: tuple[str, ...] = ()
    """Kinds of links that are not followed, though usually they are."""
    page_requisites: bool = False
    """Fetch what a browser needs to show a page, from wherever it comes."""
    sitemaps: Literal["robots", "guess", "off"] = "robots"
    """`robots`: those that robots.txt names; `guess`: /sitemap.xml of the seeds' origins as well; `off`: none."""
    pdf: bool = False
    """Read the links of PDF documents (extra `pdf`)."""

    # folding
    fold: tuple[Fold, ...] = ()
    """By what URLs are taken for the same page."""

    # traps
    novelty: bool = True
    """Compare the texts of pages, for near-duplicates and traps."""
    max_alike: Count = 25_000
    """Pages of one URL pattern that are all alike, beyond which the pattern is closed."""
    max_per_host: Count | None = None
    """URLs of one host that may enter."""
    max_per_site: Count | None = None
    """URLs of one registrable domain that may enter."""
    max_hosts_per_site: Count = 1_000
    """Hosts of one registrable domain that may enter; seeds' hosts always may."""
    undamp: tuple[str, ...] = ()
    """URL patterns that are never damped; `all` is every one."""

    # manners
    disobey: tuple[Directive, ...] = ()
    """Directives of pages that are not obeyed."""
    obey_noindex: bool = False
    """Keep no body of a page that asks not to be indexed."""
    robots: bool = True
    user_agent: str | None = None
    """The whole User-Agent header; None is `steadycrawl/<version>` with the contact."""
    contact: str | None = None
    """An address or URL where the owner of a site reaches you."""
    headers: tuple[str, ...] = ()
    """Further request headers, `Name: value`, or `ORIGIN Name: value` for one origin."""
    auth: tuple[str, ...] = ()
    """Credentials, each for one origin: `ORIGIN basic USER:PASSWORD` or `ORIGIN bearer TOKEN`."""
    cookies: str = "on"
    """`on`: cookies are kept; `off`: none is; else a Netscape cookie file to begin with."""
    proxies: tuple[str, ...] = ()
    """Proxies: `URL`, or `PATTERN URL` for some hosts."""
    env_proxies: bool = False
    """Take proxies from HTTP_PROXY, HTTPS_PROXY and NO_PROXY in the environment."""

    # safety
    insecure: tuple[str, ...] = ()
    """Host names whose certificate is not checked."""
    ca_file: str | None = None
    """PEM file of authorities that are trusted besides the system's."""
    client_certs: tuple[str, ...] = ()
    """Client certificates, each for one origin: `ORIGIN CERTIFICATE.pem [KEY.pem]`."""
    allow_net: tuple[str, ...] = ()
    """Networks (CIDR) that may be connected to although they are private."""
    deny_net: tuple[str, ...] = ()
    """Networks (CIDR) that are never connected to."""

    # keeping
    durability: Literal["full", "normal"] = "full"
    """`full`: a page that was reported survives a power cut; `normal`: it survives a crash of the program."""
    links: Literal["all", "first", "none"] = "all"
    """How much of the link graph is kept: all of it, who was first to link to a URL, or nothing."""
    index: Literal["text", "off"] = "off"
    """`text`: titles and text of pages are kept in a search index; `off`: they are not."""
    save: Literal["files", "warc", "none"] = "files"
    """Where bodies go: a file for each, WARC files with the requests and the headers, or nowhere."""
    save_errors: bool = False
    """Keep the bodies of answers with status 400 and above."""

    # machine
    parser: Literal["lexbor", "lxml", "html5lib", "html.parser"] = "lexbor"
    """What reads HTML under BeautifulSoup."""
    parsers: Annotated[int, Meta(ge=1, le=64)] | None = None
    """Parser processes; None is one for each processor, one less where there are more than two: reading costs more than fetching."""
    resolver: Literal["system", "c-ares"] = "system"
    """Who looks host names up: the system's resolver on threads of our own, or c-ares (extra `dns`)."""
    loop: Literal["auto", "asyncio", "uvloop"] = "auto"
    """Event loop; auto takes uvloop where it is installed."""

    # seeds
    skip_bad_seeds: bool = False
    add_seeds: bool = False


class Settings(_Values, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The settings of one crawl. The defaults are polite, bounded and safe.

    Raises ValueError for a value that a field cannot hold, and TypeError for a field that there is not; both name the field.
    """

    def __post_init__(self) -> None:
        """Check every value; whole numbers become seconds and lists become tuples where that is what a field holds."""
        given = msgspec.structs.asdict(self)
        try:
            checked = msgspec.structs.asdict(msgspec.convert(given, _Values))
        except msgspec.ValidationError as error:
            raise ValueError(_wrong(str(error), given)) from None
        for field, value in checked.items():
            if value is not given[field]:
                msgspec.structs.force_setattr(self, field, value)
        least, most = self.recrawl if isinstance(self.recrawl, tuple) else (self.recrawl, self.recrawl)
        if least is not None and most is not None and not 0 <= least <= most:
            raise ValueError(f"recrawl must be seconds, or two of which the first is the shorter, got {self.recrawl!r}")

    def __repr__(self) -> str:
        """Show what is not the default, without secrets."""
        told = {name: value for name, value in msgspec.structs.asdict(self).items() if value != getattr(DEFAULTS, name)}
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in secrets.redact_settings(told).items())})"

    @property
    def host_limit(self) -> int:
        """Requests in flight at once to one host that asks for nothing in particular."""
        if self.per_host is not None:
            return self.per_host
        return self.concurrency if self.delay == 0 else 2


def _wrong(error: str, given: dict[str, object]) -> str:
    """Turn msgspec's words, "Expected `int` >= 1 - at `$.max_pages`", into ours: which field, what it must be, what it is."""
    expected, _, place = error.partition(" - at `$.")
    field = re.split(r"\W", place, maxsplit=1)[0]
    got = "something else" if field in secrets.REDACTIONS else repr(given.get(field))
    if choices := _choices(field):
        return f"{field} must be one of {', '.join(choices)}, got {got}"
    kind = expected.partition("`")[2].partition("`")[0]
    words = " or ".join(_WORDS.get(word, word) for word in kind.split(" | "))
    bound = re.search(r"` (>=|<=|>|<) ([0-9.]+)", expected)
    return f"{field} must be {words}{f' {_SIGNS[bound[1]]} {float(bound[2]):g}' if bound else ''}, got {got}"


def _choices(field: str) -> tuple[str, ...]:
    """Return the words of which a field holds one or some; nothing for a field of another kind."""
    hint = get_type_hints(_Values)[field]
    inner = get_args(hint)[0] if get_origin(hint) is tuple else hint
    return get_args(inner) if get_origin(inner) is Literal else ()


DEFAULTS = Settings()
