"""What a feed links to: RSS 0.9 to 2.0, Atom 0.3 and 1.0, JSON Feed. Bytes in, a frozen `Feed` out.

Only the links of the feed and of its items count; what their texts link to belongs to the pages that have these texts.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from operator import itemgetter
from typing import TypeVar
from urllib.parse import urljoin

import ada_url
import msgspec

from crawler.core import gunzip, markup
from crawler.core.model import Kind

TITLE_BYTES = 1024
LANG_CHARS = 64
MAX_LINKS = 50_000
"""Links of one feed, and elements with a base of their own."""
MAX_BASE = 1024
"""Characters of a base that counts: each link grows by it, and bases grow within each other."""
MAX_JSON_BYTES = 8 * 1024 * 1024
MAX_JSON_COMMAS = 300_000
"""JSON is read in one go, and where there is nothing between the commas each becomes a hundred bytes."""

_ATOM = frozenset({"http://www.w3.org/2005/Atom", "http://purl.org/atom/ns#"})
_RSS = frozenset(
    {
        "http://purl.org/rss/1.0/", "http://purl.org/net/rss1.1#", "http://my.netscape.com/rdf/simple/0.9/",
        "http://channel.netscape.com/rdf/simple/0.9/", "http://backend.userland.com/rss2", "http://purl.org/rss/2.0/",
    }
)  # fmt: skip
_OWN = frozenset({"", *_ATOM, *_RSS})
_ENCLOSURES = frozenset({"http://purl.oclc.org/net/rss_2.0/enc#", "http://purl.org/rss/1.0/modules/enclosure/"})
_ROOTS = frozenset({"rss", "rdf", "feed", "entry"})
_ITEMS = frozenset({"item", "entry"})
_HEADS = frozenset({"channel", "feed"})
_WHERE_LINKS_ARE = _ITEMS | _HEADS
_BASE, _LANG = f"{markup.XML}base", f"{markup.XML}lang"
_IANA = "http://www.iana.org/assignments/relation/"
_RELATIONS: dict[str, Kind] = {
    "alternate": Kind.A,
    "next": Kind.NEXT,
    "next-archive": Kind.NEXT,      # RFC 5005
    "prev": Kind.PREV,
    "previous": Kind.PREV,
    "prev-archive": Kind.PREV,
}
_MEDIA: dict[str, Kind] = {"image": Kind.IMG, "audio": Kind.AUDIO, "video": Kind.VIDEO}
_WEB = ("http://", "https://")
_is_absolute = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE | re.ASCII).match
_JSON_TYPES = frozenset({"application/feed+json", "application/json", ""})
_is_json_feed = re.compile(r"https?://(?:www\.)?jsonfeed\.org/version/1", re.IGNORECASE).match
_JSON_VERSION = re.compile(rb"\"version\"\s*:\s*\"https?:\\?/\\?/(?:www\.)?jsonfeed\.org", re.IGNORECASE)
_Part = TypeVar("_Part")
_UTF8_MARK = b"\xef\xbb\xbf"


class Feed(msgspec.Struct, frozen=True, gc=False):
    """What was found in one feed."""

    links: tuple[tuple[Kind, str], ...] = ()
    """In document order, repeats included, as they are written; joined where the feed has an `xml:base` of its own."""
    title: str | None = None
    lang: str | None = None
    base: str | None = None
    """The `xml:base` of the whole feed, as it is written."""
    cut: bool = False
    """There was more, or it broke off: this is what was read until then."""


def read(body: bytes, *, content_type: str | None) -> Feed | None:
    """Read a feed, packed or not; None for what is none. What it is says its root element, or its media type and version."""
    opening = markup.prolog(gunzip.unpacked(body, markup.PROLOG_BYTES)[0])
    if opening is None:
        return _json(body, content_type)
    if opening.root not in _ROOTS:
        return None
    body, whole = gunzip.unpacked(body)
    found = _Items()
    whole = markup.walk(body, content_type, found) and whole
    if not found.is_feed and not opening.declares:
        return None
    return found.feed(whole=whole)


class _Items(markup.Reader):
    """Collects what the elements say."""

    def __init__(self) -> None:
        super().__init__()
        self.is_feed = False
        self._foreign = ""
        """The namespace of an RSS feed that gives it one of its own."""
        self._links: list[tuple[Kind, str]] = []
        self._title: str | None = None
        self._lang: str | None = None
        self._base: str | None = None
        self._bases: list[tuple[int, str]] = []
        """Depths of open elements that have an `xml:base`, with what it comes to."""
        self._based = 0
        self._linked = False
        """The item has a link."""
        self._guid: str | None = None
        """An identifier of the item that may be its address when it has no other."""
        self._is_permalink = False

    def begin(self, name: str, tag: str, attributes: Mapping[str, str]) -> bool:
        """See Reader."""
        path = self.path
        if self._bases or (attributes and _BASE in attributes):
            self._rebase(attributes)
        space = tag[1:].partition("}")[0] if tag[0] == "{" else ""
        parent = path[-1] if path else ""
        if not path:
            self._root(attributes)
            if name == "rss" and space not in _OWN:
                self._foreign = space
            self.is_feed = name == "rss" or (name in _ROOTS and space in (_ATOM if name == "entry" else _OWN))
        if space not in _OWN and space != self._foreign:
            if name == "enclosure" and space in _ENCLOSURES and parent in _ITEMS:
                named = {markup.local(key): value for key, value in attributes.items()}
                self._add(_kind(named.get("type", "")), named.get("url") or named.get("resource") or "")
            return name == "language" and parent in _HEADS and self._lang is None
        if name in _ITEMS:
            self._item_ends()
        if name == "channel":
            self._root(attributes)
        self.is_feed = self.is_feed or (path == ["rdf"] and name in _WHERE_LINKS_ARE)
        if parent not in _WHERE_LINKS_ARE:
            return False
        return self._field(name, attributes, of_item=parent in _ITEMS)

    def take(self, name: str, text: str) -> None:
        """See Reader."""
        match name:
            case "title":
                self._title = _line(text)
            case "language":
                self._lang = text[:LANG_CHARS] or None
            case "guid":
                self._guid = text
            case _:
                self._add(Kind.A, text)

    def feed(self, *, whole: bool) -> Feed:
        """Sum up."""
        try:
            self._item_ends()
        except markup.Enough:
            whole = False
        return Feed(tuple(self._links), self._title, self._lang, self._base, cut=not whole)

    def _rebase(self, attributes: Mapping[str, str]) -> None:
        """Forget the bases of elements that are closed, and take the one of this element."""
        depth = len(self.path)
        while self._bases and self._bases[-1][0] > depth:
            self._bases.pop()
        if _BASE in attributes and depth < markup.MAX_DEPTH:
            self._based += 1
            if self._based > MAX_LINKS:
                raise markup.Enough
            base = self._joined(attributes[_BASE].strip())
            self._bases.append((depth + 1, base if len(base) <= MAX_BASE else ""))

    def _root(self, attributes: Mapping[str, str]) -> None:
        """Look at an element that stands for the whole feed."""
        self._lang = self._lang or attributes.get(_LANG, "").strip()[:LANG_CHARS] or None
        self._base = self._base or attributes.get(_BASE, "").strip() or None

    def _field(self, name: str, attributes: Mapping[str, str], *, of_item: bool) -> bool:
        """Look at an element of a feed or of an item; return whether its text is wanted."""
        match name:
            case "link" if "href" in attributes:
                self._relation(attributes)
            case "link":
                return True
            case "title" | "language" if not of_item or len(self.path) == 1:
                return (self._title if name == "title" else self._lang) is None
            case "guid" if of_item:
                says = attributes.get("isPermaLink") or attributes.get("ispermalink") or ""
                self._is_permalink = says.strip().lower() != "false"
                return True
            case "enclosure" if of_item:
                self._add(_kind(attributes.get("type", "")), attributes.get("url", ""))
            case "content" if of_item and "src" in attributes:      # Atom: the content is elsewhere
                self._add(_kind(attributes.get("type", ""), Kind.A), attributes["src"])
            case _:
                pass
        return False

    def _relation(self, attributes: Mapping[str, str]) -> None:
        """Take a link of Atom, which RSS has too."""
        words = attributes.get("rel", "").lower().split() or ["alternate"]
        for word in words:
            relation = word.removeprefix(_IANA)
            if relation == "enclosure":
                self._add(_kind(attributes.get("type", "")), attributes["href"])
            elif relation in _RELATIONS:
                self._add(_RELATIONS[relation], attributes["href"])
            else:
                continue
            return

    def _item_ends(self) -> None:
        """Take the identifier for a link where it says that it is one, or where there is no other."""
        if self._guid and self._guid[:8].lower().startswith(_WEB) and (self._is_permalink or not self._linked):
            self._add(Kind.A, self._guid)
        self._guid, self._linked = None, False

    def _add(self, kind: Kind, href: str) -> None:
        href = markup.trimmed(href)
        if not href:
            return
        if len(self._links) >= MAX_LINKS:
            raise markup.Enough
        self._linked = self._linked or kind is Kind.A
        self._links.append((kind, self._joined(href)))

    def _joined(self, href: str) -> str:
        base = self._bases[-1][1] if self._bases else ""
        try:
            if not base or _is_absolute(href):
                return href
            return ada_url.join_url(base, href) if _is_absolute(base) else urljoin(base, href)
        except ValueError:
            return href


def _kind(mime: str, otherwise: Kind = Kind.OTHER) -> Kind:
    return _MEDIA.get(mime.strip().lower().partition("/")[0], otherwise)


def _line(text: str) -> str | None:
    """Collapse white space and keep at most 1 KiB of whole characters."""
    line = " ".join(text[: 4 * TITLE_BYTES].split())
    return line.encode("utf-8", "replace")[:TITLE_BYTES].decode("utf-8", "ignore") or None


# --- JSON Feed ----------------------------------------------------------------------------------------------------

_NOTHING = msgspec.Raw(b"null")


class _Json(msgspec.Struct, gc=False):
    """A JSON Feed whose parts are read one by one, so that a part of a wrong type costs that part only."""

    version: msgspec.Raw = _NOTHING
    title: msgspec.Raw = _NOTHING
    language: msgspec.Raw = _NOTHING
    home_page_url: msgspec.Raw = _NOTHING
    next_url: msgspec.Raw = _NOTHING
    items: msgspec.Raw = _NOTHING


class _JsonItem(msgspec.Struct, gc=False):
    id: msgspec.Raw = _NOTHING
    url: msgspec.Raw = _NOTHING
    external_url: msgspec.Raw = _NOTHING
    attachments: msgspec.Raw = _NOTHING


class _Attachment(msgspec.Struct, gc=False):
    url: msgspec.Raw = _NOTHING
    mime_type: msgspec.Raw = _NOTHING


def _json(body: bytes, content_type: str | None) -> Feed | None:
    mime = (content_type or "").partition(";")[0].strip().lower()
    if mime not in _JSON_TYPES:
        return None
    body, whole = gunzip.unpacked(body, MAX_JSON_BYTES)
    body = markup.narrow(body).removeprefix(_UTF8_MARK)
    if not body[:64].lstrip().startswith(b"{") or b"jsonfeed.org" not in body:
        return None
    much = body.count(b",") > MAX_JSON_COMMAS
    found = None if much else _decoded(body.decode("utf-8", "replace").encode(), _Json)
    if found is None:
        return Feed(cut=True) if _JSON_VERSION.search(body) else None
    if not _is_json_feed(_string(found.version)):
        return None
    links = list(itertools.islice(filter(itemgetter(1), _json_links(found)), MAX_LINKS + 1))
    whole = whole and len(links) <= MAX_LINKS
    return Feed(tuple(links[:MAX_LINKS]), _line(_string(found.title)), _string(found.language)[:LANG_CHARS] or None, cut=not whole)


def _json_links(feed: _Json) -> Iterator[tuple[Kind, str]]:
    yield Kind.A, _string(feed.home_page_url)
    yield Kind.NEXT, _string(feed.next_url)
    for item in _listed(feed.items, _JsonItem):
        pages = [href for href in (_string(item.url), _string(item.external_url)) if href]
        name = _string(item.id)
        if not pages and name[:8].lower().startswith(_WEB):
            pages = [name]
        yield from ((Kind.A, href) for href in pages)
        yield from ((_kind(_string(one.mime_type)), _string(one.url)) for one in _listed(item.attachments, _Attachment))


def _decoded(raw: bytes | msgspec.Raw, kind: type[_Part]) -> _Part | None:
    """Read a part of the type that it should have; None when it has another, is broken or is too deep."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, RecursionError):
        return None


def _string(raw: msgspec.Raw) -> str:
    return "" if raw is _NOTHING else markup.trimmed(_decoded(raw, str) or "")


def _listed(raw: msgspec.Raw, kind: type[_Part]) -> Iterator[_Part]:
    if raw is _NOTHING:
        return
    for part in _decoded(raw, list[msgspec.Raw]) or ():
        found = _decoded(part, kind)
        if found is not None:
            yield found
