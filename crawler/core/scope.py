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
from crawler.core.model import CARRIED, FOLLOWED, MAX_HOPS, REQUISITES, VOUCHED, Kind, Link, Reason, Rejected, Request
from crawler.core.patterns import pattern_of
from crawler.core.settings import Scope as ScopeName
from crawler.core.settings import Settings

ALIKE_DEPTH = 2_000
"""Links away from a seed beyond which a URL does not enter, if its pattern's pages are all alike: a next month for ever."""
MAX_SITEMAP_HOPS = 3
"""Sitemap indexes one below the other (sitemaps.org allows one level; what is seen in the wild stays within three)."""
MOST_SITEMAPS = 500
"""Sitemaps of one robots.txt that are read, as many as Google takes."""
SITEMAP_DEPTH = 1
"""Depth of a sitemap that robots.txt names: as far from a seed as what the seed links to."""
ALL = "all"
_SLASHES_OF_A_ROOT_FILE = 3


Verdict = tuple[Reason, str]
"""Why a URL may not enter, and the rule that decided, in words."""


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
    follow: frozenset[Kind] = FOLLOWED
    """Kinds of links that are followed."""
    folds: tuple[str, ...] = ()
    damped: tuple[tuple[str, str], ...] = ()
    """URL patterns whose pages are all alike, each with `alike` or `closed`."""
    undamped: tuple[str, ...] = ()


def rules_of(rulesets: Iterable[Ruleset], settings: Settings) -> Rules:
    """Return the bounds of a crawl."""
    follow = (FOLLOWED | {Kind(word) for word in settings.follow}) - {Kind(word) for word in settings.leave}
    if settings.page_requisites:
        follow |= REQUISITES
    if settings.sitemaps == "off":
        follow -= {Kind.SITEMAP}
    return Rules(
        tuple(rulesets), settings.include, settings.exclude, settings.max_segments, settings.max_repeats, follow, settings.fold, (),
        settings.undamp,
    )  # fmt: skip


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
    """The judge. Grows by `adopt`, a www twin that a seed's own redirect reached, and when it is told to `go_by` other bounds."""

    def __init__(self, rules: Rules) -> None:
        self.go_by(rules)

    def go_by(self, rules: Rules) -> None:
        """Judge by these bounds from now on."""
        self.rules = rules
        self._hosts = [set(ruleset.hosts) for ruleset in rules.rulesets]
        self._include = [re.compile(pattern) for pattern in rules.include]
        self._exclude = [re.compile(pattern) for pattern in rules.exclude]
        self._prefixes = [tuple(ruleset.prefixes) for ruleset in rules.rulesets]
        self._pages = [frozenset(ruleset.prefixes) for ruleset in rules.rulesets]
        self.left_out: dict[Kind, Verdict] = {kind: (Reason.SCOPE, _not_followed(kind)) for kind in Kind if kind not in rules.follow}
        self._seed_sites: list[frozenset[str]] = []
        self._damped = dict(rules.damped)
        self._undamped = frozenset(rules.undamped)

    def judge(self, link: Link) -> Request | Rejected:
        """Turn a spelt link into a request, or say why it may not enter."""
        origin, _ = urls.split(link.url)
        host = urls.host_of(origin)
        if link.twin is not None and is_twin(host, link.twin):
            self.adopt(host, link.ruleset)
        verdict = self.verdict(link.url, host, link.kind, link.depth, link.ruleset, link.hops)
        if verdict is not None:
            return Rejected(link, *verdict)
        priority = -1 if link.kind is Kind.REDIRECT else link.depth
        return Request(link.url, origin, host, link.kind, link.depth, priority, link.ruleset, link.hops)

    def verdict(self, url: str, host: str, kind: Kind, depth: int, ruleset: int, hops: int = 0) -> Verdict | None:
        """Return (reason, rule) when a spelt URL may not enter, None when it may. The hot half of `judge`.

        Depth is asked last: what is refused for its depth would be allowed nearer to a seed, by every other rule.
        What a page needs to be shown may come from anywhere and belongs to its page, whatever the depth.
        """
        bounds = self.rules.rulesets[ruleset]
        if url.endswith("/robots.txt") and url.count("/") == _SLASHES_OF_A_ROOT_FILE:
            return Reason.SKIPPED, "robots.txt is read for its rules, not kept as a page"
        if kind in self.left_out:
            return self.left_out[kind]
        refused = self._elsewhere(url, host, kind, hops, ruleset)
        if refused is None and (self._exclude or self._include):
            refused = self._by_pattern(url, wanted=kind in CARRIED or kind is Kind.SEED)
        if refused is None:
            refused = self._trap(url) or (self._damp(url, host, depth, ruleset) if self._damped and kind not in VOUCHED else None)
        if refused is not None:
            return refused
        depth += kind is Kind.SITEMAP       # what it lists lies one further, and there is nothing else in it
        if bounds.depth is not None and depth > bounds.depth and kind not in REQUISITES:
            return Reason.DEPTH, depth_rule(depth, bounds.depth)
        return None

    def sitemap_links(self, robots: str, origin: str, named: Iterable[str]) -> list[Link]:
        """Return the sitemaps that the robots.txt of an origin names, for the first seeds to whose part of the web it belongs."""
        host = urls.host_of(origin)
        for number, bounds in enumerate(self.rules.rulesets):
            if bounds.scope != "page" and (host in bounds.hosts or self._outside(f"{origin}/", host, bounds, number) is None):
                found = [spelt for reference in named if (spelt := _spelt(reference, robots)) is not None]
                return [Link(url, Kind.SITEMAP, SITEMAP_DEPTH, number) for url in dict.fromkeys(found)]
        return []

    def damp(self, damped: Iterable[tuple[str, str]]) -> None:
        """Note URL patterns whose pages are all alike."""
        self._damped.update((pattern, state) for pattern, state in damped if not self.is_undamped(pattern))
        self.rules = msgspec.structs.replace(self.rules, damped=tuple(self._damped.items()))

    def is_undamped(self, pattern: str) -> bool:
        """Tell whether the user wants a pattern never to be damped."""
        return pattern in self._undamped or ALL in self._undamped

    def family(self, url: str, host: str, ruleset: int) -> str:
        """Return the URL pattern that a URL counts for: hosts that no seed names are one with all others of their site."""
        return pattern_of(url, whole_site=None if host in self.rules.rulesets[ruleset].hosts else urls.site_of(host))

    def is_late(self, url: str, ruleset: int) -> bool:
        """Tell whether a URL comes after all others of its host: its pattern's pages are all alike."""
        return bool(self._damped) and self.family(url, urls.host_of(urls.split(url)[0]), ruleset) in self._damped

    def _damp(self, url: str, host: str, depth: int, ruleset: int) -> Verdict | None:
        pattern = self.family(url, host, ruleset)
        state = self._damped.get(pattern)
        if state == "closed":
            return Reason.TRAP, f"the pages of {pattern} are all alike; --undamp lets it in"
        if state is not None and depth > ALIKE_DEPTH:
            return Reason.TRAP, f"the pages of {pattern} are all alike, and depth {depth} is beyond {ALIKE_DEPTH}; --undamp lets it in"
        return None

    def _elsewhere(self, url: str, host: str, kind: Kind, hops: int, ruleset: int) -> Verdict | None:
        if kind in CARRIED:
            return self._carried_too_far(host, kind, hops, ruleset)
        outside = None if kind is Kind.SEED else self._outside(url, host, self.rules.rulesets[ruleset], ruleset)
        return None if outside is None else (Reason.SCOPE, outside)

    def _carried_too_far(self, host: str, kind: Kind, hops: int, ruleset: int) -> Verdict | None:
        """Bound what is let in from outside: sitemaps to the seeds' sites (sitemaps.org, "Sitemap file location"), both in a row."""
        if kind is not Kind.SITEMAP:
            return (Reason.TRAP, f"more than {MAX_HOPS} page requisites behind one another") if hops > MAX_HOPS else None
        if hops > MAX_SITEMAP_HOPS:
            return Reason.TRAP, f"more than {MAX_SITEMAP_HOPS} sitemap indexes below one another"
        if not self._seed_sites:
            self._seed_sites = [frozenset(map(urls.site_of, bounds.hosts)) for bounds in self.rules.rulesets]
        bounds = self.rules.rulesets[ruleset]
        if bounds.scope == "any" or urls.site_of(host) in self._seed_sites[ruleset]:
            return None
        return Reason.SCOPE, f"sitemap: {urls.site_of(host)} is no seed's site"

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
        self._seed_sites = []
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

    def _by_pattern(self, url: str, *, wanted: bool) -> Verdict | None:
        """Return the pattern that keeps a URL out; a seed need not be included, nor what belongs to a page that is."""
        for pattern in self._exclude:
            if pattern.search(url):
                return Reason.SCOPE, f"exclude {pattern.pattern}"
        if self._include and not wanted and not any(pattern.search(url) for pattern in self._include):
            return Reason.SCOPE, "include: no pattern matches"
        return None

    def _trap(self, url: str) -> Verdict | None:
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


def _spelt(reference: str, base: str) -> str | None:
    try:
        return urls.spell(reference, base)
    except urls.UrlError:
        return None


def _not_followed(kind: Kind) -> str:
    if kind is Kind.SITEMAP:
        return "kind sitemap: --sitemaps off"
    if kind in FOLLOWED:
        return f"kind {kind}: --leave {kind}"
    return f"kind {kind}: not followed without {'--page-requisites' if kind in REQUISITES else f'--follow {kind}'}"


def depth_rule(depth: int, limit: int) -> str:
    """Say in words what a depth limit decided."""
    return f"depth {depth} is beyond the limit of {limit}"


def is_twin(host: str, other: str) -> bool:
    """Tell whether two host names differ by a leading `www.` only."""
    return host in {other, f"www.{other}"} or other == f"www.{host}"


def _rehosted(prefixes: Iterable[str], host: str) -> Iterable[str]:
    return (host + prefix[prefix.index("/") :] for prefix in prefixes)
