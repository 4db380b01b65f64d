"""Where on a page links stand, of which kind they are, and what the page asks of a crawler.

Sources: HTML standard (links 4.6, link types 4.6.7, pictures 4.8.3, embedded content 4.8, meta refresh 4.2.5.3, base 4.2.3);
RFC 6596 (canonical); Open Graph and Twitter cards for preview images; the attributes by which scripts load pictures late
are those that Heritrix knows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import ClassVar

import ada_url
import msgspec
from bs4 import BeautifulSoup
from bs4.element import PageElement, Tag

from crawler.core import encodings, srcset, urls
from crawler.core.model import Kind

TITLE_BYTES = 1024
LANG_CHARS = 64
AGENT = "steadycrawl"
"""Our name in meta elements that speak to one crawler."""

_TITLE_RAW_CHARS = 4 * TITLE_BYTES
STRIPPED = "".join(map(chr, range(0x21)))
"""What browsers strip from both ends of a URL (URL standard, 4.4): C0 controls and space, and not the no-break space."""
_UNFOLLOWED = frozenset({"nofollow", "ugc", "sponsored"})
_ROBOTS_NAMES = frozenset({"robots", AGENT})
_REFRESH = re.compile(r"[\t\n\f\r ]*(?=[0-9.])([0-9]*)[0-9.]*(?:$|[\t\n\f\r ]*[;,][\t\n\f\r ]*|[\t\n\f\r ]+)")
_SECONDS_DIGITS = 9
_NO_BREAKS = dict.fromkeys(map(ord, "\t\n\r"))
_URL_EQUALS = re.compile(r"url[\t\n\f\r ]*=[\t\n\f\r ]*", re.IGNORECASE)
_FEED_TYPES = frozenset({"application/rss+xml", "application/atom+xml", "application/rdf+xml", "application/feed+json"})
_CARDS = {
    "og:image": Kind.IMG, "og:image:url": Kind.IMG, "og:image:secure_url": Kind.IMG, "twitter:image": Kind.IMG,
    "twitter:image:src": Kind.IMG, "og:video": Kind.VIDEO, "og:video:url": Kind.VIDEO, "og:video:secure_url": Kind.VIDEO,
    "og:audio": Kind.AUDIO, "og:audio:url": Kind.AUDIO, "og:audio:secure_url": Kind.AUDIO,
}  # fmt: skip
_LATE = ("src", "original", "lazy")
"""What stands in the name of a data- attribute by which a script loads a picture when it comes into view."""
_PRELOADED = {
    "image": Kind.IMG, "script": Kind.SCRIPT, "style": Kind.STYLESHEET, "video": Kind.VIDEO, "audio": Kind.AUDIO, "track": Kind.TRACK,
}  # fmt: skip
_NO_DOCUMENT = frozenset({"dns-prefetch", "preconnect", "pingback", "profile"})

SPOTS: dict[str, tuple[Kind, str]] = {
    "a": (Kind.A, "href"),
    "area": (Kind.AREA, "href"),
    "iframe": (Kind.IFRAME, "src"),
    "frame": (Kind.FRAME, "src"),
    "script": (Kind.SCRIPT, "src"),
    "img": (Kind.IMG, "src"),
    "source": (Kind.SOURCE, "src"),
    "audio": (Kind.AUDIO, "src"),
    "track": (Kind.TRACK, "src"),
    "embed": (Kind.EMBED, "src"),
    "video": (Kind.VIDEO, "src"),
}
"""Elements with one attribute that matters most."""
_MORE = frozenset({"img", "source", "video", "iframe", "a"})
"""Those of them that may keep links elsewhere too."""
_EMPTY_COUNTS = frozenset({Kind.A, Kind.AREA})
"""Where an empty reference is a link to the page itself; elsewhere it is nothing."""


class Page(msgspec.Struct, frozen=True, gc=False):
    """What was found in one page, or in any other document."""

    links: tuple[tuple[Kind, str], ...] = ()
    """In document order, repeats included, as they are written but for white space around them."""
    unfollowed: tuple[tuple[Kind, str, str], ...] = ()
    """Links that the page asks not to follow, with the words of `rel` that do."""
    base: str | None = None
    """What `<base href>` makes of the page's URL, when that is something else."""
    title: str | None = None
    lang: str | None = None
    charset: str | None = None
    canonical: str | None = None
    """The page's own idea of its URL (`<link rel=canonical>`), spelt."""
    noindex: bool = False
    nofollow: bool = False
    cut: bool = False
    """There were more elements than are looked at."""
    text: str | None = None
    """The words of a page, of a long one its beginning, middle and end; None for what is no page."""
    listed: tuple[tuple[str, int | None, float | None], ...] = ()
    """What a sitemap lists: reference, last change (Unix seconds), priority."""
    sitemap: bool = False
    whole: str | None = None
    """The whole text of a page, where that was asked for; None for what is no page."""


NO_PAGE = Page()


def meta_refresh(content: str) -> tuple[int, str] | None:
    """Return (seconds, target) of a meta refresh, the target "" for the page itself (HTML standard, 4.2.5.3)."""
    found = _REFRESH.match(content)
    if found is None:
        return None
    target = content[found.end() :]
    if equals := _URL_EQUALS.match(target):
        target = target[equals.end() :]
    if target[:1] in ('"', "'"):
        target = target[1:].partition(target[0])[0]
    return int(found[1][:_SECONDS_DIGITS] or "0"), target.strip(STRIPPED).translate(_NO_BREAKS)


class Notes:
    """What is known of a page while its elements go by."""

    def __init__(self, url: str, charset: str) -> None:
        self.url, self.charset = url, charset
        self.links: list[tuple[Kind, str]] = []
        self.unfollowed: list[tuple[Kind, str, str]] = []
        self.base: str | None = None
        self.title: str | None = None
        self.lang: str | None = None
        self.canonical: str | None = None
        self.robots: set[str] = set()

    def read(self, soup: BeautifulSoup) -> None:
        """Go through a soup, flat or deep."""
        links, spots = self.links, SPOTS
        element: PageElement | None = soup.contents[0] if soup.contents else None
        while element is not None:
            if isinstance(element, Tag):
                spot = spots.get(element.name)
                attributes = element.attrs
                if spot is None:
                    if element.name != "title":
                        self.element(element.name, attributes)
                    elif self.title is None and not any(above.name == "svg" for above in element.parents):
                        self.title = _title(element.get_text())
                else:
                    href = attributes.get(spot[1])
                    if isinstance(href, str):
                        href = href.strip(STRIPPED)
                        if (href or spot[0] in _EMPTY_COUNTS) and (":" not in href or may_be_web(href)):
                            if "rel" in attributes and (words := _UNFOLLOWED.intersection(_words(attributes["rel"]))):
                                self.unfollowed.append((spot[0], href, " ".join(sorted(words))))
                            else:
                                links.append((spot[0], href))
                    if (len(attributes) > 1 or href is None) and element.name in _MORE:
                        self._more(element.name, spot[0], attributes)
            element = element.next_element

    def element(self, name: str, attributes: Mapping[str, object]) -> None:
        """Take in an element whose links stand in more than one place, or that says something else."""
        take = self.TAKERS.get(name)
        if take is not None:
            take(self, attributes)

    def spot(self, name: str, attributes: Mapping[str, object], text: str = "") -> None:
        """Take in any element, of a document that is no soup."""
        spot = SPOTS.get(name)
        if name == "title":
            self.title = self.title or _title(text)
        elif spot is None:
            self.element(name, attributes)
        else:
            self.put(spot[0], attributes.get(spot[1]), attributes.get("rel"))
            self._more(name, spot[0], attributes)

    def put(self, kind: Kind, reference: object, rel: object = None) -> None:
        """Take in a reference, if it can be one."""
        if isinstance(reference, str):
            href = reference.strip(STRIPPED)
            if (href or kind in _EMPTY_COUNTS) and (":" not in href or may_be_web(href)):
                if rel and (words := _UNFOLLOWED.intersection(_words(rel))):
                    self.unfollowed.append((kind, href, " ".join(sorted(words))))
                else:
                    self.links.append((kind, href))

    def _set(self, kind: Kind, value: object) -> None:
        if isinstance(value, str):
            for candidate in srcset.candidates(value):
                self.put(kind, candidate)

    def _more(self, name: str, kind: Kind, attributes: Mapping[str, object]) -> None:
        """Look for the further links of an element: other sizes, a poster, what a script puts into place later."""
        if name == "a":
            if "href" not in attributes and "xlink:href" in attributes:
                self.put(kind, attributes["xlink:href"], attributes.get("rel"))
            return
        if "srcset" in attributes:
            self._set(kind, attributes["srcset"])
        if "poster" in attributes:
            self.put(kind, attributes["poster"])
        for key, value in attributes.items():
            if key.startswith("data-") and isinstance(value, str) and any(word in key for word in _LATE) and "title" not in key:
                if "," in value or " " in value.strip():
                    self._set(kind, value)
                elif "/" in value or "." in value:
                    self.put(kind, value)

    # --- elements ------------------------------------------------------------------------------------------------

    def _html(self, attributes: Mapping[str, object]) -> None:
        if self.lang is None:
            self.lang = str(attributes.get("lang", attributes.get("xml:lang", ""))).strip()[:LANG_CHARS] or None

    def _take_base(self, attributes: Mapping[str, object]) -> None:
        if self.base is None and "href" in attributes:
            self.base = str(attributes["href"])

    def _link(self, attributes: Mapping[str, object]) -> None:
        words = set(_words(attributes.get("rel")))
        href = attributes.get("href", attributes.get("xlink:href"))
        mime = str(attributes.get("type") or "").partition(";")[0].strip().lower()
        if "canonical" in words and self.canonical is None:
            self.canonical = str(href or "")
        kind = link_kind(words, mime, hreflang=bool(attributes.get("hreflang")), preloaded=str(attributes.get("as") or "").lower())
        if kind is None:
            return
        self.put(kind, href or None)
        if "imagesrcset" in attributes:
            self._set(Kind.IMG, attributes["imagesrcset"])

    def _meta(self, attributes: Mapping[str, object]) -> None:
        content = str(attributes.get("content", ""))
        name = str(attributes.get("name") or attributes.get("property") or "").strip().lower()
        if name in _ROBOTS_NAMES:
            self.robots.update(_words(content))
        elif name in _CARDS:
            self.put(_CARDS[name], content or None)
        if str(attributes.get("http-equiv", "")).strip().lower() == "refresh":
            refresh = meta_refresh(content)
            if refresh is not None and refresh[1]:
                self.put(Kind.REFRESH, refresh[1])

    def _form(self, attributes: Mapping[str, object]) -> None:
        if str(attributes.get("method") or "get").strip().lower() == "get":
            self.put(Kind.FORM, attributes.get("action"))

    def _input(self, attributes: Mapping[str, object]) -> None:
        if str(attributes.get("type", "")).strip().lower() == "image":
            self.put(Kind.IMG, attributes.get("src"))

    def _param(self, attributes: Mapping[str, object]) -> None:
        if str(attributes.get("name", "")).strip().lower() in ("src", "movie"):
            self.put(Kind.OBJECT, attributes.get("value"))

    def _svg(self, attributes: Mapping[str, object]) -> None:
        href = attributes.get("href", attributes.get("xlink:href", attributes.get("src")))
        if isinstance(href, str) and not href.lstrip(STRIPPED).startswith("#"):
            self.put(Kind.SVG, href)

    def _object(self, attributes: Mapping[str, object]) -> None:
        self.put(Kind.OBJECT, attributes.get("data"))

    def _background(self, attributes: Mapping[str, object]) -> None:
        self.put(Kind.IMG, attributes.get("background"))

    def _sheet(self, attributes: Mapping[str, object]) -> None:
        self.put(Kind.STYLESHEET, attributes.get("href"))

    TAKERS: ClassVar[dict[str, Callable[[Notes, Mapping[str, object]], None]]] = {
        "html": _html, "base": _take_base, "link": _link, "meta": _meta, "form": _form, "input": _input, "param": _param,
        "object": _object, "use": _svg, "image": _svg, "feimage": _svg, "feImage": _svg, "xml-stylesheet": _sheet,
        "body": _background,
    }  # fmt: skip

    # --- the sum -------------------------------------------------------------------------------------------------

    def page(self, *, cut: bool = False, text: str | None = None, whole: str | None = None) -> Page:
        """Sum it up."""
        links = self.links
        base = self._base()
        if self.base is not None and base is not None:
            links = [(Kind.BASE, base), *links]
        if self.charset != "utf-8":
            links = [(kind, self._encoded(href)) for kind, href in links]
            self.unfollowed = [(kind, self._encoded(href), words) for kind, href, words in self.unfollowed]
        return Page(
            tuple(links), tuple(self.unfollowed), base, self.title, self.lang, self.charset, self._canonical(base),
            not self.robots.isdisjoint({"noindex", "none"}), not self.robots.isdisjoint({"nofollow", "none"}), cut, text,
            whole=whole,
        )  # fmt: skip

    def _encoded(self, href: str) -> str:
        return href if href.isascii() else encodings.encode_query(href, self.charset)

    def _base(self) -> str | None:
        """Return the base of the first element that has one; a `data:` or broken one counts as none (HTML standard, 2.4.1)."""
        if self.base is None:
            return None
        try:
            base = ada_url.join_url(self.url, self.base)
        except ValueError:
            return None
        return None if base == self.url or base.startswith(("data:", "javascript:")) else base

    def _canonical(self, base: str | None) -> str | None:
        if not self.canonical:
            return None
        try:
            return urls.spell(self._encoded(self.canonical), base or self.url)
        except urls.UrlError:
            return None


def link_kind(words: set[str] | frozenset[str], mime: str, *, hreflang: bool, preloaded: str = "") -> Kind | None:
    """Return the kind of a link with these words in its `rel`, None when it leads to nothing that can be fetched."""
    for word, kind in _RELATIONS:
        if word in words:
            return kind
    if "alternate" in words:
        return Kind.FEED if mime in _FEED_TYPES else Kind.HREFLANG if hreflang else Kind.ALTERNATE
    if "preload" in words or "prefetch" in words:
        return _PRELOADED.get(preloaded, Kind.OTHER)
    return None if not words or words <= _NO_DOCUMENT else Kind.OTHER


_RELATIONS = (
    ("canonical", Kind.CANONICAL), ("next", Kind.NEXT), ("prev", Kind.PREV), ("previous", Kind.PREV), ("stylesheet", Kind.STYLESHEET),
    ("icon", Kind.ICON), ("apple-touch-icon", Kind.ICON), ("apple-touch-icon-precomposed", Kind.ICON), ("mask-icon", Kind.ICON),
    ("manifest", Kind.MANIFEST), ("amphtml", Kind.AMP), ("modulepreload", Kind.SCRIPT), ("feed", Kind.FEED),
)  # fmt: skip


def may_be_web(href: str) -> bool:
    """Tell whether a reference can be http(s): cheap, and certain only where it says no."""
    scheme, colon, _ = href.partition(":")
    return not colon or not (scheme.isalpha() and scheme.isascii()) or scheme.lower() in ("http", "https")


def _title(text: str) -> str | None:
    """Collapse white space and keep at most 1 KiB of whole characters."""
    title = " ".join(text.lstrip()[:_TITLE_RAW_CHARS].split())
    return title.encode("utf-8", "replace")[:TITLE_BYTES].decode("utf-8", "ignore") or None


def _words(value: object) -> list[str]:
    text = " ".join(value) if isinstance(value, list) else str(value or "")
    return text.lower().replace(",", " ").split()
