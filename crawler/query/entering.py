"""Would a URL be let in now? Judged by the crawl's own rules, as the output folder remembers them, without any request.

The order is that of a crawl: the bounds first, then folds, then how much may enter of one host. robots.txt has its turn later.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from crawler.core import urls
from crawler.core.folds import UNFOLDED, Folds
from crawler.core.model import CARRIED, Kind, Reason
from crawler.core.patterns import pattern_of
from crawler.core.scope import Options, Scope, rules_of, ruleset_of
from crawler.core.settings import DEFAULTS, Settings
from crawler.query.facts import Bounds
from crawler.query.reader import Reader
from crawler.query.values import whole

DEPTH = 1
"""A URL that nobody has seen is judged as what a seed's page links to."""

_RULESETS = """
SELECT ruleset, options, EXISTS (SELECT 1 FROM seed s WHERE s.ruleset = r.ruleset) FROM ruleset r ORDER BY ruleset"""
_SEEDS = "SELECT url FROM seed WHERE ruleset = ? AND instr(url, ?)"
_DAMPED = "SELECT damped FROM pattern WHERE pattern = ? AND damped IS NOT NULL"
_HOST = "SELECT queued + done + failed FROM host WHERE name = ?"
_SITE = "SELECT coalesce(sum(queued + done + failed), 0), coalesce(sum(queued + done + failed > 0), 0) FROM host WHERE site = ?"

Verdict = tuple[Reason, str]
_T = TypeVar("_T")


class Judge:
    """The rules of a crawl, as far as they concern one URL."""

    def __init__(self, reader: Reader, url: str) -> None:
        self.url = url
        self.host = urls.host_of(urls.split(url)[0])
        self._reader = reader
        meta = {str(key): str(value) for key, value in reader.all("SELECT key, value FROM meta WHERE key IN ('settings', 'twins')")}
        self.settings = _settings(meta.get("settings", "{}"))
        self._seeded: list[int] = []
        self.scope = self._scope(meta.get("twins", "[]"))
        self._folds = Folds(name for name in self.settings.fold if name != "canonical")

    def _scope(self, twins: str) -> Scope:
        """Return the judge. Of the seeds, which may be many, only those are read that may have this URL's host or site in them."""
        rulesets = []
        for number, options, seeded in self._reader.all(_RULESETS):
            own = _decoded(options, Options, Options())
            whole_site = (own.scope or self.settings.scope) == "site"
            near = urls.site_of(self.host) if whole_site else self.host.removeprefix("www.")
            seeds = [_spelt(str(url)) for (url,) in self._reader.rows(_SEEDS, (number, near))]
            rulesets.append(ruleset_of(filter(None, seeds), own, self.settings))
            if seeded:
                self._seeded.append(whole(number))
        scope = Scope(rules_of(rulesets, self.settings))
        for number, host in _decoded(twins, list[tuple[int, str]], []):
            if number < len(rulesets):
                scope.adopt(host, number)
        if self._reader.one("SELECT 1 FROM pattern WHERE damped IS NOT NULL"):
            for pattern in {self._pattern(self.host in ruleset.hosts) for ruleset in scope.rules.rulesets}:
                scope.damp((pattern, str(damped)) for (damped,) in self._reader.all(_DAMPED, (pattern,)))
        return scope

    def _pattern(self, is_seeds_own: bool) -> str:  # noqa: FBT001 - a question of one word
        """Return the pattern that the URL counts for, as `Scope.family` does."""
        return pattern_of(self.url, whole_site=None if is_seeds_own else self._site())

    def _site(self) -> str:
        """Return the registrable domain of the host: from its row, for the list of public suffixes takes long to load."""
        row = self._reader.one("SELECT site FROM host WHERE name = ?", (self.host,))
        return urls.site_of(self.host) if row is None else str(row[0])

    def unseen(self) -> Bounds:
        """Say whether the URL would be let in as a link on a seed's page; of several groups of seeds the kindest counts."""
        refused = Bounds(allowed=False, reason=Reason.SCOPE, rule="there are no seeds")
        for count, number in enumerate(self._seeded):
            found = self.seen(Kind.A, DEPTH, number)
            if found.allowed:
                limit = self._limit()
                return found if limit is None else Bounds(allowed=False, reason=limit[0], rule=limit[1])
            if count == 0 or (refused.reason == Reason.SCOPE and found.reason != Reason.SCOPE):
                refused = found
        return refused

    def seen(self, kind: Kind, depth: int, ruleset: int, hops: int = 0) -> Bounds:
        """Say whether the URL would be let in as a link of this kind."""
        rulesets = self.scope.rules.rulesets
        if ruleset >= len(rulesets):
            return Bounds(allowed=True, reason=None, rule="nothing is remembered of its bounds")
        verdict = self.scope.verdict(self.url, self.host, kind, depth, ruleset, hops)
        if verdict is not None:
            return Bounds(allowed=False, reason=verdict[0], rule=verdict[1])
        folded = None if kind in UNFOLDED else self._folds.fold(self.url)
        if folded is not None:
            return Bounds(allowed=False, reason=Reason.DUPLICATE, rule=folded[1], duplicate_of=folded[0])
        return Bounds(allowed=True, reason=None, rule=self._why(kind, rulesets[ruleset].scope))

    def _why(self, kind: Kind, scope: str) -> str:  # noqa: PLR0911 - one return for each
        """Return what lets a URL in."""
        if kind is Kind.SEED:
            return "it is a seed"
        if kind in CARRIED:
            return f"kind {kind}: it comes with what it belongs to"
        match scope:
            case "any":
                return "the scope is any"
            case "site":
                return f"scope site: {urls.site_of(self.host)} is a seed's site"
            case "page":
                return "scope page: it is a seed itself"
            case "path":
                return "scope path: it lies below a seed's directory"
            case _:
                return f"scope host: {self.host} is a seed's host"

    def _limit(self) -> Verdict | None:
        """Return the limit of a host or a site that is reached (the words are those of crawler.frontier.budgets)."""
        settings = self.settings
        entered = whole((self._reader.one(_HOST, (self.host,)) or (0,))[0])
        if settings.max_per_host is not None and entered >= settings.max_per_host:
            return Reason.LIMIT, f"more than {settings.max_per_host:,} URLs of one host (--max-per-host)"
        if settings.max_per_site is None and entered:
            return None
        site = self._site()
        count, hosts = map(whole, self._reader.all(_SITE, (site,))[0])
        if settings.max_per_site is not None and count >= settings.max_per_site:
            return Reason.LIMIT, f"more than {settings.max_per_site:,} URLs of {site} (--max-per-site)"
        if not entered and hosts >= settings.max_hosts_per_site:
            return Reason.TRAP, f"more than {settings.max_hosts_per_site:,} hosts of {site} (--max-hosts-per-site)"
        return None


def folded_by(rule: str, url: str) -> str | None:
    """Return what a URL was folded into when a rule such as `fold session: without sid` was written down."""
    if rule.startswith("fold canonical: "):
        return rule.removeprefix("fold canonical: ")
    names = [part.partition(":")[0].removeprefix("fold ") for part in rule.split("; ") if part.startswith("fold ")]
    try:
        folded = Folds(names).fold(url)
    except ValueError:
        return None
    return None if folded is None else folded[0]


def _settings(text: str) -> Settings:
    """Return the remembered settings; what means nothing to this version is left at its default."""
    kept: dict[str, object] = {}
    for field, value in _decoded(text, dict[str, object], {}).items():
        try:
            kept[field] = getattr(msgspec.convert({field: value}, Settings), field)
        except (msgspec.ValidationError, ValueError):
            continue
    return msgspec.structs.replace(DEFAULTS, **kept) if kept else DEFAULTS


def _decoded(text: object, kind: type[_T], otherwise: _T) -> _T:
    try:
        return msgspec.json.decode(str(text), type=kind)
    except msgspec.MsgspecError:
        return otherwise


def _spelt(url: str) -> str | None:
    try:
        return urls.spell(url)
    except urls.UrlError:
        return None
