"""From the bytes of a page to its distinct, judged links: everything about a page that is pure, in one step.

Most links of a page occur on it more than once, and most of the rest occurred on the page before: fragments and repeats
go before anything is joined, and what was joined, fingerprinted and judged once is remembered.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

import ada_url

from crawler.core import parse, urls
from crawler.core.model import KIND_CODE, Kind, Offers, Parsed, Reason
from crawler.core.scope import Rules, Scope
from crawler.parsing.config import Config

CACHED_LINKS = 16_384
CACHED_CHARS = 512
"""Links that are remembered, and how long one may be written: 16 MB at most, 6 MB as a rule."""
MAX_OFFER_BYTES = 2 * 1024 * 1024
"""URLs of one page in total: 5,000 links of one letter below a directory of 4,000 letters would be 20 MB."""
RECORDED_URL_BYTES = 4 * urls.MAX_URL_BYTES
"""A URL beyond the limit is offered as refused up to here; what is longer is left out."""
NAMED_RULES = 200
"""Rules of one page that are told apart; a verdict is one byte, and a page may link to 5,000 foreign hosts."""

Verdict = tuple[Reason, str]

_NOFOLLOW: Verdict = (Reason.NOFOLLOW, "meta robots nofollow")
_REL_NOFOLLOW: Verdict = (Reason.NOFOLLOW, "rel nofollow on the link")
_OF_THE_WHOLE_BASE = frozenset({"", "?"})


class Harvester:
    """Reads pages for one crawl."""

    def __init__(
        self, rules: Rules, secret: bytes, *, max_links: int, parse_size: int, parser: str, obey_nofollow: bool
    ) -> None:
        self._scope = Scope(rules)
        self._secret = secret
        self._max_links = max_links
        self._parse_size = parse_size
        self._parser = parser
        self._obey_nofollow = obey_nofollow
        self._limited = [ruleset.depth is not None for ruleset in rules.rulesets]
        self._judged = functools.lru_cache(CACHED_LINKS)(self._judge)

    def __repr__(self) -> str:
        seen = self._judged.cache_info()
        return f"<Harvester {self._parser}, {seen.currsize} links remembered, {seen.hits} hits, {seen.misses} misses>"

    @classmethod
    def of(cls, config: Config) -> Harvester:
        """Return the harvester of a configuration."""
        return cls(
            config.rules,
            config.secret,
            max_links=config.max_links,
            parse_size=config.parse_size,
            parser=config.parser,
            obey_nofollow=config.obey_nofollow,
        )

    def harvest(self, body: bytes, url: str, content_type: str | None, depth: int, ruleset: int) -> Parsed:
        """Read one page that was found `depth` links from a seed."""
        page = parse.read(body[: self._parse_size], url=url, content_type=content_type, parser=self._parser)
        offers, truncated = self._offers(page, url, depth + 1, ruleset)
        return Parsed(
            offers,
            page.title,
            page.lang,
            page.charset,
            page.noindex,
            page.nofollow,
            len(page.links) + len(page.unfollowed),
            truncated or page.cut,
        )

    def _offers(self, page: parse.Page, url: str, depth: int, ruleset: int) -> tuple[Offers, bool]:
        """Return the distinct links of a page with their verdicts, and whether there were too many of them."""
        base = page.base or url
        directory = _directory(base)
        level = depth if self._limited[ruleset] else 0     # where no depth is too deep, the verdict is the same at all
        packing = _Packing(self._max_links, _NOFOLLOW if page.nofollow and self._obey_nofollow else None)
        # a link that is also followed elsewhere on the page is followed, so the others come second
        for found, otherwise in ((page.links, None), (page.unfollowed, _REL_NOFOLLOW if self._obey_nofollow else None)):
            for bare, kind in _distinct(found).items():
                # what is empty or a bare query keeps the base's last segment, all else depends on its directory only
                beside = base if bare[:1] in _OF_THE_WHOLE_BASE else directory
                link = (self._judged if len(bare) <= CACHED_CHARS else self._judge)(beside, bare, level, ruleset)
                if link is not None and not packing.add(kind, link[0], link[1], link[2] or otherwise):
                    return packing.offers(depth, ruleset), True
        return packing.offers(depth, ruleset), False

    def _judge(self, base: str, href: str, depth: int, ruleset: int) -> tuple[str, bytes, Verdict | None] | None:
        """Return the spelt URL, its fingerprint and the verdict; None for what is no http(s) URL."""
        refused: Verdict | None = None
        try:
            url = urls.spell(href, base)
        except urls.UrlError as error:
            if error.reason != "length":
                return None
            url = ada_url.join_url(base, href)
            if len(url) > RECORDED_URL_BYTES or "@" in url:     # no credentials are ever recorded
                return None
            refused = Reason.LENGTH, str(error)
        if refused is None:
            refused = self._scope.verdict(url, urls.host_of(urls.split(url)[0]), Kind.A, depth, ruleset)
        number = urls.fingerprint(urls.key(url), self._secret)
        return url, number.to_bytes(8, "little", signed=True), refused


class _Packing:
    """Links on their way into an `Offers`."""

    def __init__(self, most: int, for_all: Verdict | None) -> None:
        self._most = most
        self._for_all = for_all
        self._bytes = 0
        self._urls: dict[bytes, str] = {}
        self._kinds = bytearray()
        self._verdicts = bytearray()
        self._rules: dict[Verdict, int] = {}

    def add(self, kind: Kind, url: str, fingerprint: bytes, verdict: Verdict | None) -> bool:
        """Take a link unless it is there already; return False when there is no room for it."""
        if fingerprint in self._urls:
            return True
        self._bytes += len(url)
        if len(self._urls) >= self._most or self._bytes > MAX_OFFER_BYTES:
            return False
        self._urls[fingerprint] = url
        self._kinds.append(KIND_CODE[kind])
        verdict = self._for_all or verdict
        self._verdicts.append(0 if verdict is None else self._number(verdict))
        return True

    def offers(self, depth: int, ruleset: int) -> Offers:
        """Return what was taken."""
        rules = tuple((reason.value, rule) for reason, rule in self._rules)
        packed = "\n".join(self._urls.values()), bytes(self._kinds), bytes(self._verdicts), b"".join(self._urls)
        return Offers(*packed, rules, depth, ruleset, 0, depth)

    def _number(self, verdict: Verdict) -> int:
        if verdict not in self._rules and len(self._rules) >= NAMED_RULES:
            verdict = verdict[0], "one of too many rules to name on one page"
        return self._rules.setdefault(verdict, len(self._rules) + 1)


def _distinct(links: Iterable[tuple[Kind, str]]) -> dict[str, Kind]:
    """Return links without fragments and repeats; a link is of the kind that came first."""
    distinct: dict[str, Kind] = {}
    for kind, href in links:
        bare = href.partition("#")[0]
        if bare not in distinct:
            distinct[bare] = kind
    return distinct


def _directory(base: str) -> str:
    """Return a URL up to the last slash of its path."""
    path = base.partition("?")[0].partition("#")[0]
    return path[: path.rindex("/") + 1] if "/" in path else base
