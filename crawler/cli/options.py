"""The one table of everything that can be set. Flags, environment, crawler.toml, help pages and reference are all made from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import msgspec

from crawler.cli import units
from crawler.cli.units import (
    AGE,
    CERTIFICATES,
    COUNT,
    CREDENTIALS,
    DURATION,
    FAMILIES,
    GAP,
    HEADERS,
    HOSTS,
    NETWORKS,
    PATTERNS,
    PROXIES,
    RATE,
    SIZE,
    SWITCH,
    TEXT,
    TIMEOUTS,
    Unit,
    read_cookies,
    words,
)
from crawler.core.model import FOLLOWED, Kind
from crawler.core.settings import DEFAULTS, Directive, Fold, Scope

ENV_PREFIX = "CRAWLER_"


class Option(msgspec.Struct, frozen=True):
    """One field of Settings, as people meet it."""

    field: str
    flags: tuple[str, ...]
    unit: Unit
    group: str
    help: str
    unset: str = ""
    """What the default means, where the field's default is None or empty."""
    remembered: bool = True
    """It belongs to the crawl and holds when the crawl goes on; False: it belongs to one run on one machine."""

    @property
    def env(self) -> str:
        """Name in the environment."""
        return ENV_PREFIX + self.field.upper()

    @property
    def key(self) -> str:
        """Name in crawler.toml; `max-pages` is understood as well."""
        return self.field

    @property
    def flag(self) -> str:
        """The long flag, for messages."""
        return next(flag for flag in self.flags if flag.startswith("--"))

    @property
    def default(self) -> object:
        """Value of the field when nobody says anything."""
        return getattr(DEFAULTS, self.field)

    @property
    def default_text(self) -> str:
        """The default as a person would write it, with its unit."""
        if self.default is None or self.default == ():
            return self.unset
        return self.unit.show(self.default)

    def shown(self, value: object) -> str:
        """Return a value of the field as a person would write it."""
        if value is None:
            return self.unset or "none"
        if self.unit.many and isinstance(value, tuple):
            return ", ".join(map(self.unit.show, value)) or "none"
        return self.unit.show(value)


LOAD, LIMITS, WHERE, MANNERS = "How fast", "When to stop", "Where to go", "Manners"
PATIENCE, SIZES, SAFETY, KEEPING, MACHINE, SEEDS = "Patience", "Sizes", "Safety", "What is kept", "This machine", "Seed files"
ACCESS, LINKS, TRAPS = "Access", "Which links", "Traps"
GROUPS = (LIMITS, WHERE, LINKS, LOAD, MANNERS, ACCESS, PATIENCE, SIZES, TRAPS, SAFETY, KEEPING, SEEDS, MACHINE)
"""In the order of the help page: what is asked for most comes first."""
_KINDS = sorted(kind.value for kind in Kind if kind not in (Kind.SEED, Kind.REDIRECT, Kind.ROBOTS, Kind.SITEMAP, Kind.LISTED))

OPTIONS: tuple[Option, ...] = (
    Option("max_pages", ("-n", "--max-pages"), COUNT, LIMITS, "pages to store over the whole crawl; exact", "no limit"),
    Option("depth", ("-d", "--depth"), COUNT, LIMITS, "links to follow away from a seed; 0 is the seeds alone", "no limit"),
    Option("recrawl", ("--recrawl",), AGE, LIMITS, "ask again for what was last asked longer ago, as 7d or 12h, 0s for everything; 1d..30d "
           "asks for each URL as often as it changes", "only what waits is asked", remembered=False),
    Option("max_time", ("--max-time",), DURATION, LIMITS, "time this run may take", "no limit", remembered=False),
    Option("max_bytes", ("--max-bytes",), SIZE, LIMITS, "bytes to receive in this run", "no limit", remembered=False),
    Option("min_free", ("--min-free",), SIZE, LIMITS, "space that stays free on the disk"),
    Option("scope", ("--scope",), words(*get_args(Scope)), WHERE, "how far from the seeds links are followed: the page alone, below its "
           "directory, its host, its whole site with subdomains, or anywhere"),
    Option("include", ("--include",), PATTERNS, WHERE, "follow only URLs that match; may be given again", "everything"),
    Option("exclude", ("--exclude",), PATTERNS, WHERE, "never follow URLs that match; may be given again", "nothing"),
    Option("follow", ("--follow",), words(*_KINDS, many=True, metavar="KIND"), LINKS, "follow links of this kind too, such as hreflang or "
           "form; may be given again", "navigation, canonical, next, feeds, sitemaps"),
    Option("leave", ("--leave",), words(*(kind for kind in _KINDS if kind in FOLLOWED), many=True, metavar="KIND"), LINKS,
           "do not follow links of this kind, such as feed; may be given again", "none"),
    Option("page_requisites", ("--page-requisites/--no-page-requisites",), SWITCH, LINKS, "fetch images, style sheets, scripts and "
           "whatever else a browser needs to show a page, from any host"),
    Option("sitemaps", ("--sitemaps",), words("robots", "guess", "off"), LINKS, "read the sitemaps that robots.txt names (robots), look "
           "for /sitemap.xml as well (guess), or none (off)"),
    Option("fold", ("--fold",), words(*get_args(Fold), many=True, metavar="RULE"), LINKS, "take URLs for the same page that differ in this "
           "only: query-order, tracking, session, index (trailing index files), or that name the same canonical; may be given again",
           "URLs are the same when they are spelt the same"),
    Option("pdf", ("--pdf/--no-pdf",), SWITCH, LINKS, "read the links of PDF documents (extra pdf)"),
    Option("novelty", ("--novelty/--no-novelty",), SWITCH, TRAPS, "compare the texts of pages, to find near-duplicates and damp traps"),
    Option("max_alike", ("--max-alike",), COUNT, TRAPS, "pages of one URL pattern that are all alike, beyond which the rest is left out"),
    Option("max_hosts_per_site", ("--max-hosts-per-site",), COUNT, TRAPS, "hosts of one registrable domain that may enter"),
    Option("max_per_host", ("--max-per-host",), COUNT, TRAPS, "URLs of one host that may enter", "no limit"),
    Option("max_per_site", ("--max-per-site",), COUNT, TRAPS, "URLs of one registrable domain that may enter", "no limit"),
    Option("max_segments", ("--max-segments",), COUNT, TRAPS, "path segments of a URL beyond which it counts as a trap"),
    Option("max_repeats", ("--max-repeats",), COUNT, TRAPS, "times that one path segment may occur in a URL"),
    Option("undamp", ("--undamp",), FAMILIES, TRAPS, "let in again what was damped as a trap: a pattern that crawler query traps shows, "
           "or all; may be given again", "none"),
    Option("concurrency", ("-c", "--concurrency"), COUNT, LOAD, "requests in flight at once"),
    Option("per_host", ("--per-host",), COUNT, LOAD, "requests in flight at once to one host", "2, or 1 where robots.txt asks for a "
           "delay, or all with --delay 0"),
    Option("delay", ("--delay",), GAP, LOAD, "time between two requests to one host, as 2s or 1/s; 0 is as fast as it goes", "auto: begins "
           "with 1s, then as quick as the host answers"),
    Option("robots", ("--robots/--no-robots",), SWITCH, MANNERS, "obey robots.txt; say no only on a site that is yours"),
    Option("disobey", ("--disobey",), words(*get_args(Directive), many=True, metavar="WORD"), MANNERS, "do not obey this directive of "
           "pages: meta (robots in the markup), x-robots-tag, or links marked nofollow, ugc or sponsored; may be given again",
           "all are obeyed"),
    Option("obey_noindex", ("--obey-noindex/--no-obey-noindex",), SWITCH, MANNERS, "keep no body of a page that asks not to be indexed"),
    Option("contact", ("--contact",), TEXT, MANNERS, "address or URL where the owner of a site reaches you", "none"),
    Option("user_agent", ("-A", "--user-agent"), TEXT, MANNERS, "the whole User-Agent header", "steadycrawl/VERSION (+CONTACT)"),
    Option("headers", ("-H", "--header"), HEADERS, ACCESS, "a further request header, 'Name: value', or for one origin alone "
           "'https://example.org Name: value', which a secret must have; may be given again", "none"),
    Option("auth", ("--auth",), CREDENTIALS, ACCESS, "credentials for one origin: 'https://example.org basic USER:PASSWORD' or "
           "'https://example.org bearer TOKEN'; may be given again", "none"),
    Option("cookies", ("--cookies",), Unit("FILE|on|off", read_cookies), ACCESS, "keep the cookies of each site (on), keep none (off), or "
           "begin with those of a Netscape cookie file"),
    Option("proxies", ("--proxy",), PROXIES, ACCESS, "proxy for all requests, or for some hosts '*.example.org http://proxy:3128'; http, "
           "https, socks5 (extra socks) or direct; may be given again", "none"),
    Option("env_proxies", ("--env-proxies/--no-env-proxies",), SWITCH, ACCESS, "take proxies from HTTP_PROXY, HTTPS_PROXY and NO_PROXY",
           remembered=False),
    Option("client_certs", ("--client-cert",), CERTIFICATES, ACCESS, "client certificate for one origin, PEM files: 'https://example.org "
           "CERT.pem KEY.pem'; may be given again", "none"),
    Option("timeout", ("-t", "--timeout"), DURATION, PATIENCE, "time for one request in total"),
    Option("connect_timeout", ("--connect-timeout",), DURATION, PATIENCE, "time to connect, TLS included"),
    Option("dns_timeout", ("--dns-timeout",), DURATION, PATIENCE, "time to look a host name up"),
    Option("tls_timeout", ("--tls-timeout",), DURATION, PATIENCE, "time for the TLS handshake, within the time to connect"),
    Option("header_timeout", ("--header-timeout",), DURATION, PATIENCE, "time until an answer's headers have arrived"),
    Option("read_timeout", ("--read-timeout",), DURATION, PATIENCE, "time between two pieces of a body"),
    Option("min_rate", ("--min-rate",), RATE, PATIENCE, "bytes per second below which a body is given up after 10s; 0 never does"),
    Option("timeouts", ("--timeouts",), TIMEOUTS, PATIENCE, "other timeouts for some hosts, as '*.example.org total=2m read=60s'; "
           "there are total, connect, dns, tls, header, read and min_rate; may be given again", "none"),
    Option("tries", ("--tries",), COUNT, PATIENCE, "attempts for one URL, the first included"),
    Option("max_rest", ("--max-rest",), DURATION, PATIENCE, "time the end of a crawl waits for a host that rests; then it is put off"),
    Option("max_size", ("--max-size",), SIZE, SIZES, "bytes of a page that are kept; what is beyond is cut off"),
    Option("parse_size", ("--parse-size",), SIZE, SIZES, "bytes of a page that are read for links"),
    Option("max_links", ("--max-links",), COUNT, SIZES, "distinct links of one page that count"),
    Option("insecure", ("--insecure",), HOSTS, SAFETY, "do not check this host's certificate; may be given again", "every certificate is "
           "checked"),
    Option("ca_file", ("--ca-file",), TEXT, SAFETY, "PEM file of certificate authorities to trust besides the system's", "none"),
    Option("allow_net", ("--allow-net",), NETWORKS, SAFETY, "private network that may be connected to; may be given again", "the public "
           "internet, and hosts that a seed names"),
    Option("deny_net", ("--deny-net",), NETWORKS, SAFETY, "network that is never connected to, seeds included; may be given again", "none"),
    Option("durability", ("--durability",), words("full", "normal"), KEEPING, "what a stored page survives: a power cut (full), or a crash "
           "of this program (normal, faster)"),
    Option("links", ("--links",), words("all", "first", "none"), KEEPING, "how much of the link graph is kept: all of it, who linked to "
           "a URL first, or nothing"),
    Option("index", ("--index",), words("text", "off"), KEEPING, "keep titles and text of pages in an index, for crawler search (text), or "
           "not (off)"),
    Option("save", ("--save",), words("files", "warc", "none"), KEEPING, "where bodies go: one file for each (files), WARC files with all "
           "requests and answers (warc), or nowhere (none)"),
    Option("save_errors", ("--save-errors/--no-save-errors",), SWITCH, KEEPING, "keep the bodies of answers with status 400 and above"),
    Option("skip_bad_seeds", ("--skip-bad-seeds/--no-skip-bad-seeds",), SWITCH, SEEDS, "go on without the lines that are no usable URL",
           remembered=False),
    Option("add_seeds", ("--add-seeds/--no-add-seeds",), SWITCH, SEEDS, "add these seeds to a crawl that began with others",
           remembered=False),
    Option("parser", ("--parser",), words("lexbor", "lxml", "html5lib", "html.parser"), MACHINE, "what reads HTML under BeautifulSoup"),
    Option("parsers", ("--parsers",), COUNT, MACHINE, "parser processes", "one a processor, one less on more than two", remembered=False),
    Option("resolver", ("--resolver",), words("system", "c-ares"), MACHINE, "who looks host names up: the system, or c-ares (extra dns)",
           remembered=False),
    Option("loop", ("--loop",), words("auto", "asyncio", "uvloop"), MACHINE, "event loop; auto takes uvloop where it is installed",
           remembered=False),
)

BY_FIELD: dict[str, Option] = {option.field: option for option in OPTIONS}


def by_group() -> Iterator[tuple[str, list[Option]]]:
    """Yield the groups of the help page with their options."""
    for group in GROUPS:
        yield group, [option for option in OPTIONS if option.group == group]


def read(option: Option, raw: units.Raw) -> object:
    """Return the value of a field. Raises ValueError with the words that belong after "must be"."""
    if option.unit.many:
        items = raw if isinstance(raw, list | tuple) else [raw]
        unset = units.UNSET if option.unit.closed else frozenset({""})
        return tuple(option.unit.read(item) for item in items if not (isinstance(item, str) and item.strip().lower() in unset))
    if isinstance(raw, str) and option.default is None and raw.strip().lower() in units.UNSET:
        return None
    value = option.unit.read(raw)
    try:
        return getattr(msgspec.convert({option.field: value}, type(DEFAULTS)), option.field)
    except msgspec.ValidationError as error:
        raise ValueError(_bound(str(error), option)) from None


def _bound(error: str, option: Option) -> str:
    """Turn msgspec's words, "Expected `int` >= 1 - at `$.tries`", into ours."""
    for sign, phrase in ((">=", "at least"), ("<=", "at most"), (">", "more than"), ("<", "less than")):
        if f" {sign} " in error:
            bound = float(error.partition(f" {sign} ")[2].split()[0])
            return f"{phrase} {option.unit.show(int(bound) if bound.is_integer() else bound)}"
    return error.partition(" - at ")[0].lower()


def reference() -> str:
    """Return the reference of all options as Markdown tables."""
    parts = []
    for group, options in by_group():
        rows = [f"| {_flags(option)} | {option.help} | {option.default_text} | `{option.key}` |" for option in options]
        head = [f"### {group}", "", "| option | what it does | default | crawler.toml |", "| --- | --- | --- | --- |"]
        parts.append("\n".join([*head, *rows]))
    return "\n\n".join(parts) + "\n"


def _flags(option: Option) -> str:
    metavar = option.unit.metavar.replace("|", "\\|")
    return ", ".join(f"`{flag}`" for flag in option.flags) + (f" {metavar}" if metavar else "")


def template() -> str:
    """Return a crawler.toml in which everything is written down and nothing is set."""
    parts = [
        "# Settings of crawls started in this folder and below. Remove the # before a line to set it.",
        "# Flags and CRAWLER_... in the environment win over this file, and so does what an output folder remembers.\n",
    ]
    for group, options in by_group():
        rows = [f"# {option.help}\n# {option.key} = {_toml(option)}\n" for option in options]
        parts.append("\n".join([f"# --- {group} ---\n", *rows]))
    return "\n".join(parts)


def _toml(option: Option) -> str:
    if option.default is None:
        return f'""    # {option.unset}'
    if option.unit.many:
        return f"[]    # {option.unset}"
    if isinstance(option.default, bool):
        return "true" if option.default else "false"
    text = option.unit.show(option.default)
    return text if text.isdecimal() else f'"{text}"'
