"""What a page says: its links as they are written, and what it asks of a crawler. Bytes in, a frozen `Page` out.

BeautifulSoup reads the page, through a tree builder of ours: lexbor parses the way browsers do, in C, and selects there the
few elements that matter; only those become Tags, and without the detour through `handle_starttag`. Measured on two manuals
(16 KB with 33 links, 26 KB with 103): 0.12 and 0.24 ms a page, where bs4 over lxml takes 1.6 and 4.2, html.parser 2.4 and
6.2; libxml2's tokenizer alone, without bs4, takes 0.16 and 0.28. Here scripts do not run, so `noscript` is read as markup.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable

import ada_url
import msgspec
from bs4 import BeautifulSoup, XMLParsedAsHTMLWarning
from bs4.builder import HTMLTreeBuilder, builder_registry
from bs4.element import NavigableString, PageElement, Tag
from selectolax.lexbor import LexborHTMLParser

from crawler.core import encodings, urls
from crawler.core.model import Kind

TITLE_BYTES = 1024
LANG_CHARS = 64

_TITLE_RAW_CHARS = 4 * TITLE_BYTES
_STRIPPED = "".join(map(chr, range(0x21)))
"""What browsers strip from both ends of a URL (URL standard, 4.4): C0 controls and space, and not the no-break space."""
_SPOTS: dict[str, tuple[Kind, str]] = {
    "a": (Kind.A, "href"),
    "area": (Kind.AREA, "href"),
    "iframe": (Kind.IFRAME, "src"),
    "frame": (Kind.FRAME, "src"),
}
_EMBEDDING = frozenset({Kind.IFRAME, Kind.FRAME})
_UNFOLLOWED = frozenset({"nofollow", "ugc", "sponsored"})
_ROBOTS_NAMES = frozenset({"robots", "steadycrawl"})
_REFRESH = re.compile(r"[\t\n\f\r ]*(?=[0-9.])([0-9]*)[0-9.]*(?:$|[\t\n\f\r ]*[;,][\t\n\f\r ]*|[\t\n\f\r ]+)")
_SECONDS_DIGITS = 9
_NO_BREAKS = dict.fromkeys(map(ord, "\t\n\r"))
_URL_EQUALS = re.compile(r"url[\t\n\f\r ]*=[\t\n\f\r ]*", re.IGNORECASE)


class Page(msgspec.Struct, frozen=True, gc=False):
    """What was found in one page."""

    links: tuple[tuple[Kind, str], ...] = ()
    """In document order, repeats included, as they are written but for white space around them."""
    unfollowed: tuple[tuple[Kind, str], ...] = ()
    """Links that the page asks not to follow (`rel` nofollow, ugc or sponsored), likewise."""
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


NO_PAGE = Page()


def read(body: bytes, *, url: str, content_type: str | None, parser: str = "lexbor") -> Page:
    """Read an HTML page; anything else is an empty page."""
    if not encodings.is_html(body, content_type):
        return NO_PAGE
    charset = encodings.encoding_of(body, content_type)
    if parser == "lexbor" and charset == "utf-8":
        markup: bytes | str = body.removeprefix(b"\xef\xbb\xbf")    # UTF-8 is what lexbor wants, so no decoding
    else:
        markup = encodings.decode(body, charset)
    if (b"<" not in markup) if isinstance(markup, bytes) else ("<" not in markup):
        return Page(charset=charset)    # bs4 would wonder whether a short text without markup is a file's name
    soup = _soup(markup, parser)
    page = _Notes(url, charset).page(soup)
    if isinstance(soup.builder, LinkTreeBuilder):
        soup.builder.discard(soup)
    return page


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
    return int(found[1][:_SECONDS_DIGITS] or "0"), target.strip(_STRIPPED).translate(_NO_BREAKS)


class LinkTag(Tag):
    """A Tag whose constant fields live in its class: eight assignments an element instead of thirty."""


class LinkTreeBuilder(HTMLTreeBuilder):
    """Build a flat soup of the elements that `read` looks at, in document order."""

    NAME = "lexbor"
    features = (NAME,)
    SELECTOR = "[href],iframe,frame,meta,title:not(svg title)"
    """Asking for every `href` and dropping `use` and `image` here costs half of naming the elements there."""
    WANTED = frozenset({*_SPOTS, "base", "html", "link", "meta", "title"})
    WITHOUT_EVENTS = 1
    MOST = 100_000
    """Elements that are looked at. 8 MiB hold 800,000, which would take 4 s and a gigabyte as Tags; a page may give 5,000 links."""

    def __init__(self) -> None:
        super().__init__(multi_valued_attributes={})
        self.cut = False

    def feed(self, markup: bytes | str) -> None:
        """Parse, and hang what was selected into the soup."""
        soup = self.soup
        if soup is None:
            raise TypeError("a tree builder works for a soup only")
        tree = LexborHTMLParser(markup, options=self.WITHOUT_EVENTS)
        before: PageElement = soup
        sibling: LinkTag | None = None
        wanted, new, add = self.WANTED, LinkTag.__new__, soup.contents.append
        nodes = tree.css(self.SELECTOR)
        self.cut = len(nodes) > self.MOST
        del nodes[self.MOST :]
        if tree.root is not None:
            nodes.insert(0, tree.root)
        for node in nodes:
            name = node.tag
            if name not in wanted:
                continue
            attributes = node.attributes
            if None in attributes.values():
                attributes = {key: value or "" for key, value in attributes.items()}
            tag = new(LinkTag)
            tag.name = name
            tag.attrs = attributes  # type: ignore[assignment]  # a plain dict of strings is what it holds anyway
            tag.contents = []
            tag.parent = soup
            tag.previous_element = before
            tag.previous_sibling = sibling
            before.next_element = tag
            if sibling is not None:
                sibling.next_sibling = tag
            add(tag)
            before = sibling = tag
            if name == "title":
                before = NavigableString(node.text(deep=True))
                before.setup(tag, tag)
                tag.contents.append(before)

    @staticmethod
    def discard(soup: BeautifulSoup) -> None:
        """Empty a soup's elements, so that it is freed at once: a soup is one great cycle, and work for the collector."""
        for element in soup.contents:
            vars(element).clear()
        vars(soup).clear()


def _constants() -> Iterable[tuple[str, object]]:
    """Return what bs4 itself puts into every Tag that this builder makes."""
    own = {"name", "attrs", "contents", "parent", "previous_element", "previous_sibling"}
    return ((name, value) for name, value in vars(Tag(builder=LinkTreeBuilder(), name="a")).items() if name not in own)


for _name, _value in _constants():
    setattr(LinkTag, _name, _value)
builder_registry.register(LinkTreeBuilder)


def _soup(markup: bytes | str, parser: str) -> BeautifulSoup:
    if parser == "lexbor":
        return BeautifulSoup(markup, parser)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)     # XHTML is what the user asked to have read
        return BeautifulSoup(markup, parser)


class _Notes:
    """What is known of a page while its elements go by."""

    def __init__(self, url: str, charset: str) -> None:
        self.url, self.charset = url, charset
        self.links: list[tuple[Kind, str]] = []
        self.unfollowed: list[tuple[Kind, str]] = []
        self.base: str | None = None
        self.title: str | None = None
        self.lang: str | None = None
        self.canonical: str | None = None
        self.robots: set[str] = set()

    def page(self, soup: BeautifulSoup) -> Page:
        """Go through a soup, flat or deep, and sum it up."""
        links, spots = self.links, _SPOTS
        element: PageElement | None = soup.contents[0] if soup.contents else None
        while element is not None:
            if isinstance(element, Tag):
                spot = spots.get(element.name)
                if spot is None:
                    self._note(element)
                else:
                    href = element.attrs.get(spot[1])
                    if isinstance(href, str):
                        href = href.strip(_STRIPPED)
                        if (href or spot[0] not in _EMBEDDING) and (":" not in href or _may_be_web(href)):
                            unfollowed = "rel" in element.attrs and not _UNFOLLOWED.isdisjoint(_words(element.attrs["rel"]))
                            (self.unfollowed if unfollowed else links).append((spot[0], href))
            element = element.next_element
        if self.charset != "utf-8":
            links = [(kind, self._encoded(href)) for kind, href in links]
            self.unfollowed = [(kind, self._encoded(href)) for kind, href in self.unfollowed]
        return Page(
            tuple(links),
            tuple(self.unfollowed),
            self._base(),
            self.title,
            self.lang,
            self.charset,
            self._canonical(),
            not self.robots.isdisjoint({"noindex", "none"}),
            not self.robots.isdisjoint({"nofollow", "none"}),
            isinstance(soup.builder, LinkTreeBuilder) and soup.builder.cut,
        )

    def _note(self, tag: Tag) -> None:
        match tag.name:
            case "meta":
                self._meta(tag)
            case "title" if self.title is None and not any(above.name == "svg" for above in tag.parents):
                self.title = _title(tag.get_text())
            case "base" if self.base is None and "href" in tag.attrs:
                self.base = str(tag.attrs["href"])
            case "link" if self.canonical is None and "canonical" in _words(tag.attrs.get("rel")):
                self.canonical = str(tag.attrs.get("href", ""))
            case "html" if self.lang is None:
                self.lang = str(tag.attrs.get("lang", "")).strip()[:LANG_CHARS] or None

    def _meta(self, tag: Tag) -> None:
        content = str(tag.attrs.get("content", ""))
        if str(tag.attrs.get("name", "")).strip().lower() in _ROBOTS_NAMES:
            self.robots.update(_words(content))
        if str(tag.attrs.get("http-equiv", "")).strip().lower() == "refresh":
            refresh = meta_refresh(content)
            if refresh is not None and refresh[1] and _may_be_web(refresh[1]):
                self.links.append((Kind.REFRESH, refresh[1]))

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

    def _canonical(self) -> str | None:
        if not self.canonical:
            return None
        try:
            return urls.spell(self._encoded(self.canonical), self._base() or self.url)
        except urls.UrlError:
            return None


def _may_be_web(href: str) -> bool:
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
