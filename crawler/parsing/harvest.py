"""From the bytes of a page to its distinct, judged links: everything about a page that is pure, in one step.

Most links of a page occur on it more than once, and most of the rest occurred on the page before: fragments and repeats
go before anything is joined, and what was joined, fingerprinted and judged once is remembered.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

import ada_url

from crawler.core import documents, parse, simhash, tokens, urls
from crawler.core.folds import Folds
from crawler.core.model import CARRIED, REQUISITES, VOUCHED, Kind, Offers, Parsed, Reason
from crawler.core.scope import Scope
from crawler.parsing import pdf
from crawler.parsing.config import Config
from crawler.parsing.packing import Packing, Verdict
from crawler.parsing.wire import Page

CACHED_LINKS = 16_384
CACHED_CHARS = 512
"""Links that are remembered, and how long one may be written: 16 MB at most, 6 MB as a rule."""
RECORDED_URL_BYTES = 4 * urls.MAX_URL_BYTES
"""A URL beyond the limit is offered as refused up to here; what is longer is left out."""
MAX_LISTED = 50_000
MAX_LISTED_BYTES = 16 * 1024 * 1024
"""URLs of one sitemap (sitemaps.org), and what they may take in all."""

ORDINARY = Kind.REDIRECT
"""Stands for every kind of link that leads to a page, when a URL is judged: all are treated alike, and this one always is followed."""
_JUDGED_APART = CARRIED | VOUCHED
_OF_THE_WHOLE_BASE = frozenset({"", "?"})


class Judged(NamedTuple):
    """One reference, joined and judged; what it folds into, likewise."""

    url: str
    fingerprint: bytes
    verdict: Verdict | None
    folded: Judged | None = None


class Harvester:
    """Reads pages for one crawl."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._scope = Scope(config.rules)
        self._follow = config.rules.follow
        self._folds = Folds(name for name in config.rules.folds if name != "canonical")
        self._fold_canonical = "canonical" in config.rules.folds
        self._limited = [ruleset.depth is not None or bool(config.rules.damped) for ruleset in config.rules.rulesets]
        self._judged = functools.lru_cache(CACHED_LINKS)(self._judge)

    def __repr__(self) -> str:
        seen = self._judged.cache_info()
        return f"<Harvester {self._config.parser}, {seen.currsize} links remembered, {seen.hits} hits, {seen.misses} misses>"

    def harvest(self, page: Page) -> Parsed:
        """Read one page."""
        found = self._read(page)
        spoken = parse.from_headers(page.headers, page.url) if page.headers else parse.NO_PAGE
        spelt: dict[str, str] = {}
        offers, truncated = self._offers(page, found, spoken, spelt)
        canonical = spoken.canonical or found.canonical     # as the links are offered: what headers say comes first
        return Parsed(
            offers,
            found.title,
            found.lang,
            found.charset,
            found.noindex or spoken.noindex,
            found.nofollow or spoken.nofollow,
            len(found.links) + len(found.unfollowed) + len(spoken.links),
            truncated or found.cut,
            simhash=None if found.text is None else simhash.simhash(found.text),
            has_text=found.text is not None,
            folds_into=canonical if self._fold_canonical and canonical and urls.key(canonical) != urls.key(page.url) else None,
            listed=tuple((spelt[href], lastmod, priority) for href, lastmod, priority in found.listed if href in spelt),
            indexed=None if found.whole is None else tokens.indexed(found.title, found.whole),
        )

    def _read(self, page: Page) -> parse.Page:
        config = self._config
        if config.pdf and documents.reading_of(page.body, page.content_type, page.kind) == "pdf":
            return parse.Page(tuple((Kind.A, href) for href in pdf.links(page.body) or ()))
        body = page.body if page.kind is Kind.SITEMAP else page.body[: config.parse_size]
        if config.index and documents.is_plain(page.content_type) and page.kind is not Kind.SITEMAP:
            return parse.Page(whole=parse.plain(body, page.content_type))
        return parse.read(
            body, url=page.url, content_type=page.content_type, parser=config.parser, kind=page.kind, text=config.novelty,
            styles=Kind.CSS in self._follow, whole=config.index,
        )  # fmt: skip

    def _offers(self, page: Page, found: parse.Page, spoken: parse.Page, spelt: dict[str, str]) -> tuple[Offers, bool]:
        """Return the distinct links of a page with their verdicts, and whether there were too many of them.

        What a sitemap lists and may enter goes into *spelt*: reference -> URL.
        """
        base, ruleset, depth = found.base or page.url, page.ruleset, page.depth + 1
        below = found.sitemap and bool(found.links) and found.links[0][0] is Kind.SITEMAP
        hops = page.hops + 1 if below or page.kind in REQUISITES else 0
        packing = self._packing(found, spoken)
        directory = _directory(base)
        level = depth if self._limited[ruleset] else 0     # where no depth is too deep, the verdict is the same at all
        left_out = self._scope.left_out
        # what is followed comes first, so that it is never crowded out by what is not; what a page asks not to follow comes last
        for links, otherwise in self._groups(found, spoken):
            for bare, kind in _distinct(links):
                # what is empty or a bare query keeps the base's last segment, all else depends on its directory only
                beside = base if bare[:1] in _OF_THE_WHOLE_BASE else directory
                judged_as = kind if kind in _JUDGED_APART and kind in self._follow else ORDINARY
                judge = self._judged if len(bare) <= CACHED_CHARS else self._judge
                judged = judge(beside, bare, level, ruleset, judged_as, hops if judged_as in CARRIED else 0)
                if judged is None:
                    continue
                refused = left_out.get(kind) or judged.verdict or otherwise
                if judged.folded is not None and refused is judged.verdict:
                    folded = judged.folded
                    if not packing.add(kind, folded.url, folded.fingerprint, folded.verdict or otherwise):
                        return packing.offers(depth, ruleset, hops), True
                    if found.sitemap and folded.verdict is None:
                        spelt[bare] = folded.url
                elif found.sitemap and refused is None:
                    spelt[bare] = judged.url
                # what folds keeps the mark that the page put on it, for the day on which it does not fold any more
                if not packing.add(kind, judged.url, judged.fingerprint, otherwise if judged.folded is not None and otherwise else refused):
                    return packing.offers(depth, ruleset, hops), True
        return packing.offers(depth, ruleset, hops), False

    def _packing(self, found: parse.Page, spoken: parse.Page) -> Packing:
        said = {"meta": found.nofollow, "x-robots-tag": spoken.nofollow}
        obeyed = any(asked and word not in self._config.disobey for word, asked in said.items())
        for_all = (Reason.NOFOLLOW, _marks(found, spoken)) if obeyed else None
        if found.sitemap:
            return Packing(MAX_LISTED, MAX_LISTED_BYTES, for_all)
        return Packing(self._config.max_links, for_all=for_all)

    def _groups(self, found: parse.Page, spoken: parse.Page) -> Iterable[tuple[list[tuple[Kind, str]], Verdict | None]]:
        """Return the links in the order in which they count, each group with the verdict that a page itself passes on it."""
        follow, disobey = self._follow, self._config.disobey
        first: list[tuple[Kind, str]] = []
        aside: list[tuple[Kind, str]] = []
        for link in (*spoken.links, *found.links):
            (first if link[0] in follow else aside).append(link)
        marked: dict[str, list[tuple[Kind, str]]] = {}
        for kind, href, words in found.unfollowed:
            if not disobey.issuperset(words.split()):
                marked.setdefault(words, []).append((kind, href))      # all of them: the settings may change
            else:
                first.append((kind, href))
        yield first, None
        for words, links in marked.items():
            before = f"{marks}; " if (marks := _marks(found, spoken)) else ""
            yield links, (Reason.NOFOLLOW, f"{before}rel {words} on the link")
        yield aside, None

    def _judge(self, base: str, href: str, depth: int, ruleset: int, kind: Kind, hops: int) -> Judged | None:
        """Return the spelt URL, its fingerprint and the verdict, and what it folds into; None for what is no http(s) URL."""
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
            refused = self._verdict(url, kind, depth, ruleset, hops)
            if refused is None and self._folds and (folded := self._folds.fold(url)) is not None:
                into = Judged(folded[0], urls.mark(folded[0], self._config.secret), self._verdict(folded[0], kind, depth, ruleset, hops))
                return Judged(url, urls.mark(url, self._config.secret), (Reason.DUPLICATE, folded[1]), into)
        return Judged(url, urls.mark(url, self._config.secret), refused)

    def _verdict(self, url: str, kind: Kind, depth: int, ruleset: int, hops: int) -> Verdict | None:
        return self._scope.verdict(url, urls.host_of(urls.split(url)[0]), kind, depth, ruleset, hops)


def _marks(found: parse.Page, spoken: parse.Page) -> str:
    """Return what a page says of all its links, whether it is obeyed or not: settings may change."""
    return "; ".join(mark for mark, said in (("meta robots nofollow", found.nofollow), ("X-Robots-Tag nofollow", spoken.nofollow)) if said)


def _distinct(links: Iterable[tuple[Kind, str]]) -> Iterable[tuple[str, Kind]]:
    """Return links without fragments and repeats."""
    return dict.fromkeys((href.partition("#")[0], kind) for kind, href in links)


def _directory(base: str) -> str:
    """Return a URL up to the last slash of its path."""
    path = base.partition("?")[0].partition("#")[0]
    return path[: path.rindex("/") + 1] if "/" in path else base
