"""May this link enter? One judge for every way in: seeds, links, redirects, sitemaps, resumed rows.

A crawl has one ruleset for each distinct set of seed options; a URL belongs to the ruleset of the seed that led to it.
`Rules` is the plain value that crosses to the parser processes, `Scope` the same thing ready to judge.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

import msgspec

from crawler.core import urls
from crawler.core.model import Kind, Link, Reason, Rejected, Request
from crawler.core.settings import Scope as ScopeName
from crawler.core.settings import Settings

_SLASHES_OF_A_ROOT_FILE = 3


class Options(msgspec.Struct, frozen=True, gc=False):
    """What one seed line may say for itself; None is the crawl's own setting."""

    depth: int | None = None
    scope: ScopeName | None = None


class Ruleset(msgspec.Struct, frozen=True):
    """The bounds that one group of seeds shares."""

    scope: ScopeName
    depth: int | None
    hosts: frozenset[str]
    """Host names of the seeds (for scope `site`: their registrable domains)."""
    prefixes: tuple[str, ...] = ()
    """For scope `path`: host and directory of each seed; for scope `page`: host and path of each seed."""


class Rules(msgspec.Struct, frozen=True):
    """All bounds of a crawl as plain values."""

    rulesets: tuple[Ruleset, ...]
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_segments: int = 20
    max_repeats: int = 3


def ruleset_of(seeds: Iterable[str], options: Options, settings: Settings) -> Ruleset:
    """Return the bounds of seeds (spelt URLs) that share the same options."""
    scope = options.scope or settings.scope
    hosts: set[str] = set()
    prefixes: set[str] = set()
    for url in seeds:
        origin, path = urls.split(url)
        host = urls.host_of(origin)
        hosts.add(urls.site_of(host) if scope == "site" else host)
        if scope == "path":
            prefixes.add(host + path.partition("?")[0].rpartition("/")[0] + "/")
        elif scope == "page":
            prefixes.add(host + path)
    depth = settings.depth if options.depth is None else options.depth
    return Ruleset(scope, depth, frozenset(hosts), tuple(sorted(prefixes)))


class Scope:
    """The judge. Grows only by `adopt`: a www twin that a seed's own redirect reached."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._hosts = [set(ruleset.hosts) for ruleset in rules.rulesets]
        self._include = [re.compile(pattern) for pattern in rules.include]
        self._exclude = [re.compile(pattern) for pattern in rules.exclude]
        self._prefixes = [tuple(ruleset.prefixes) for ruleset in rules.rulesets]
        self._pages = [frozenset(ruleset.prefixes) for ruleset in rules.rulesets]

    def judge(self, link: Link) -> Request | Rejected:
        """Turn a spelt link into a request, or say why it may not enter."""
        origin, _ = urls.split(link.url)
        host = urls.host_of(origin)
        if link.twin is not None and is_twin(host, link.twin):
            self.adopt(host, link.ruleset)
        verdict = self.verdict(link.url, host, link.kind, link.depth, link.ruleset)
        if verdict is not None:
            return Rejected(link, *verdict)
        priority = -1 if link.kind is Kind.REDIRECT else link.depth
        return Request(link.url, origin, host, link.kind, link.depth, priority, link.ruleset, link.hops)

    def verdict(self, url: str, host: str, kind: Kind, depth: int, ruleset: int) -> tuple[Reason, str] | None:
        """Return (reason, rule) when a spelt URL may not enter, None when it may. The hot half of `judge`.

        Depth is asked last: what is refused for its depth would be allowed nearer to a seed, by every other rule.
        """
        bounds = self.rules.rulesets[ruleset]
        if url.endswith("/robots.txt") and url.count("/") == _SLASHES_OF_A_ROOT_FILE:
            return Reason.SKIPPED, "robots.txt is read for its rules, not kept as a page"
        if kind is not Kind.SEED:
            outside = self._outside(url, host, bounds, ruleset)
            if outside is not None:
                return Reason.SCOPE, outside
        if self._exclude or self._include:
            refused = self._by_pattern(url, seed=kind is Kind.SEED)
            if refused is not None:
                return Reason.SCOPE, refused
        trap = self._trap(url)
        if trap is not None:
            return trap
        if bounds.depth is not None and depth > bounds.depth:
            return Reason.DEPTH, depth_rule(depth, bounds.depth)
        return None

    def adopt(self, host: str, ruleset: int = 0) -> bool:
        """Let a twin of a seed's host in; return whether that was news."""
        if host in self._hosts[ruleset]:
            return False
        self._hosts[ruleset].add(host)
        grown = list(self.rules.rulesets)
        bounds = grown[ruleset]
        prefixes = bounds.prefixes + tuple(_rehosted(bounds.prefixes, host))
        grown[ruleset] = Ruleset(bounds.scope, bounds.depth, bounds.hosts | {host}, prefixes)
        self._prefixes[ruleset], self._pages[ruleset] = prefixes, frozenset(prefixes)
        self.rules = msgspec.structs.replace(self.rules, rulesets=tuple(grown))
        return True

    def _outside(self, url: str, host: str, bounds: Ruleset, ruleset: int) -> str | None:
        """Return the rule by which a URL lies outside its seeds' part of the web, or None."""
        if bounds.scope == "any":
            return None
        if bounds.scope == "site":
            site = urls.site_of(host)
            return None if site in self._hosts[ruleset] else f"scope site: {site} is no seed's site"
        if host not in self._hosts[ruleset]:
            return f"scope {bounds.scope}: {host} is no seed's host"
        if bounds.scope == "host":
            return None
        path = urls.split(url)[1]
        if bounds.scope == "page":
            return None if host + path in self._pages[ruleset] else "scope page: not a seed itself"
        return None if (host + path).startswith(self._prefixes[ruleset]) else "scope path: not below a seed's directory"

    def _by_pattern(self, url: str, *, seed: bool) -> str | None:
        """Return the pattern that keeps a URL out; a seed need not be included, for it says itself that it is wanted."""
        for pattern in self._exclude:
            if pattern.search(url):
                return f"exclude {pattern.pattern}"
        if self._include and not seed and not any(pattern.search(url) for pattern in self._include):
            return "include: no pattern matches"
        return None

    def _trap(self, url: str) -> tuple[Reason, str] | None:
        path = urls.split(url)[1].partition("?")[0]
        slashes = path.count("/")
        if slashes > self.rules.max_segments:
            return Reason.TRAP, f"{slashes} path segments are more than {self.rules.max_segments}"
        if slashes <= self.rules.max_repeats:
            return None     # too short for any segment to occur once too often
        segments = [segment for segment in path.split("/") if segment]
        if len(segments) - len(set(segments)) < self.rules.max_repeats:
            return None     # too few repeats in all for any one segment
        segment, times = Counter(segments).most_common(1)[0]
        if times > self.rules.max_repeats:
            return Reason.TRAP, f"path segment {segment!r} occurs {times} times, more than {self.rules.max_repeats}"
        return None


def depth_rule(depth: int, limit: int) -> str:
    """Say in words what a depth limit decided."""
    return f"depth {depth} is beyond the limit of {limit}"


def is_twin(host: str, other: str) -> bool:
    """Tell whether two host names differ by a leading `www.` only."""
    return host in {other, f"www.{other}"} or other == f"www.{host}"


def _rehosted(prefixes: Iterable[str], host: str) -> Iterable[str]:
    return (host + prefix[prefix.index("/") :] for prefix in prefixes)
