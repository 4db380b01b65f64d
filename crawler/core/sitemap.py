"""What a sitemap lists (sitemaps.org): pages with their dates, further sitemaps, other languages and pictures.

Bytes in, a frozen `Sitemap` out. In the wild the namespace is missing or wrong, names are in any case, several `loc` share one
`url`, and dates have many forms: all of that is read, since nothing else could be meant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from crawler.core import gunzip, markup

MAX_BYTES = gunzip.MAX_BYTES
MAX_ENTRIES = 50_000
"""Entries of one sitemap (sitemaps.org), and as many other languages and pictures."""
MAX_LINES = 1_000_000

_ROOTS = frozenset({"urlset", "sitemapindex"})
_HOLDERS = frozenset({"url", "sitemap"})
_FIELDS = frozenset({"loc", "lastmod", "priority"})
_IMAGES = frozenset({("image", "loc"), ("video", "content_loc"), ("video", "thumbnail_loc")})
_HTML_TYPES = frozenset({"text/html", "application/xhtml+xml"})
_LINE = re.compile(r"[^\r\n]+")
_WEB = ("http://", "https://")
_PRIORITY = re.compile(r"(?=[.,]?\d)\d{0,3}(?:[.,]\d{0,20})?", re.ASCII)
_PRIORITIES = {str(tenth / 10): tenth / 10 for tenth in range(11)}
"""As they are nearly always written."""
_LONGEST_DATE = 64
_ZONE = r"\s*(?:(?:utc|gmt)?([+-])(\d\d):?(\d\d)|z|utc|gmt)?"
_CLOCK = r"(\d\d?):(\d\d)(?::(\d\d)(?:[.,]\d*)?)?"
_NUMERIC = re.compile(rf"(\d{{4}})(?:[-/.](\d\d?)(?:[-/.](\d\d?)(?:(?:t|\s)\s*{_CLOCK}{_ZONE})?)?)?", re.ASCII | re.IGNORECASE)
_NAMED = re.compile(rf"(?:[a-z]+,?\s+)?(\d\d?)[\s-]([a-z]{{3}})[a-z]*[\s-](\d{{4}})(?:\s+{_CLOCK}{_ZONE})?", re.ASCII | re.IGNORECASE)
_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name: at for at, name in enumerate(_MONTH_NAMES, 1)}


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A page, or a further sitemap."""

    href: str
    """As written, but for white space around it and references resolved: neither joined nor checked."""
    lastmod: int | None = None
    """When it changed last, in Unix seconds; a date alone is its midnight in UTC."""
    priority: float | None = None
    """0 to 1."""


class Sitemap(msgspec.Struct, frozen=True, gc=False):
    """What was found in one sitemap."""

    sitemaps: tuple[Entry, ...] = ()
    entries: tuple[Entry, ...] = ()
    alternates: tuple[str, ...] = ()
    """The same pages in other languages or for other devices, once each."""
    images: tuple[str, ...] = ()
    """Pictures, videos and their previews, once each."""
    cut: bool = False
    """There was more, or it broke off: this is what was read until then."""


def read(body: bytes, *, content_type: str | None, expected: bool) -> Sitemap | None:
    """Read a sitemap, packed or not; None for what is none.

    Where one is expected it may be a list of URLs in plain text; any other page is one only when its root element says so.
    """
    opening = markup.prolog(gunzip.unpacked(body, markup.PROLOG_BYTES)[0])
    if opening is None:
        return _text(body, content_type) if expected else None
    if opening.root not in _ROOTS:
        return None
    body, whole = gunzip.unpacked(body)
    found = _Entries()
    whole = markup.walk(body, content_type, found) and whole
    return found.sitemap(whole=whole)


def moment(text: str) -> int | None:
    """Return a date as Unix seconds: W3C's format, and what else is common; None for what is no date since 1970."""
    text = text.strip()
    if len(text) > _LONGEST_DATE:
        return None
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        when = None
    try:
        when = when or _sloppy(text)
        if when is None:
            return None
        seconds = int((when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp())
    except (ValueError, OverflowError):
        return None
    return seconds if seconds >= 0 else None    # many systems write their own year zero where they know nothing


def _sloppy(text: str) -> datetime | None:
    """Read what the standard library does not: year or month alone, one-digit parts, slashes, names. Raises ValueError."""
    if found := _NUMERIC.fullmatch(text):
        year, month, day, *rest = found.groups()
    elif found := _NAMED.fullmatch(text):
        day, name, year, *rest = found.groups()
        month = str(_MONTHS.get(name.lower(), 0))
    else:
        return None
    hour, minute, second, sign, hours, minutes = rest
    when = datetime(int(year), int(month or 1), int(day or 1), int(hour or 0), int(minute or 0), int(second or 0), tzinfo=UTC)
    offset = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
    return when + offset if sign == "-" else when - offset


def _priority(text: str) -> float | None:
    if text in _PRIORITIES:
        return _PRIORITIES[text]
    if _PRIORITY.fullmatch(text) is None:
        return None
    value = float(text.replace(",", "."))
    return value if value <= 1 else None


def _text(body: bytes, content_type: str | None) -> Sitemap | None:
    """Read a list of URLs, one a line; None where there is not one."""
    mime = (content_type or "").partition(";")[0].strip().lower()
    body, whole = gunzip.unpacked(body)
    body = markup.narrow(body)
    head = body[:1024].removeprefix(b"\xef\xbb\xbf").lstrip()
    if mime in _HTML_TYPES or head.startswith(b"<") or b"\0" in head:
        return None
    entries: list[Entry] = []
    lines = 0
    for piece in markup.pieces(body, 0, markup.encoding_of(body, b"", content_type), b"\n"):
        found = _LINE.findall(piece)
        entries += (Entry(href) for line in found if (href := markup.trimmed(line))[:8].lower().startswith(_WEB))
        lines += len(found)
        if len(entries) > MAX_ENTRIES or lines > MAX_LINES:
            whole = False
            break
    return Sitemap(entries=tuple(entries[:MAX_ENTRIES]), cut=not whole) if entries else None


class _Entries(markup.Reader):
    """Collects what the elements say. An entry is complete when the next one begins, or nothing more comes."""

    def __init__(self) -> None:
        super().__init__()
        self._holder = ""
        self._href = ""
        self._lastmod: int | None = None
        self._priority: float | None = None
        self._sitemaps: list[Entry] = []
        self._entries: list[Entry] = []
        self._alternates: dict[str, None] = {}
        self._images: dict[str, None] = {}
        self._cut = False

    def begin(self, name: str, tag: str, attributes: Mapping[str, str]) -> bool:
        """See Reader."""
        del tag     # namespaces are wrong too often
        if name in _HOLDERS:
            self._flush()
            self._holder = name
            return False    # its fields are wanted one by one
        parent = self.path[-1] if self.path else ""
        if name in _FIELDS and parent in _HOLDERS:
            return True
        if name == "link" and "alternate" in attributes.get("rel", "").lower().split():
            self._add(self._alternates, markup.trimmed(attributes.get("href", "")))
        return (parent, name) in _IMAGES

    def take(self, name: str, text: str) -> None:
        """See Reader."""
        if name == "lastmod":
            self._lastmod = moment(text)
        elif name == "priority":
            self._priority = _priority(text)
        elif self.path[-2] not in _HOLDERS:
            self._add(self._images, text)
        elif text:
            if self._href:
                self._flush()
            self._href = text

    def sitemap(self, *, whole: bool) -> Sitemap:
        """Sum up."""
        if not self.complete:
            self.texts.clear()      # what it breaks off in may be the beginning of a URL
        try:
            self._flush()
        except markup.Enough:
            whole = False
        found = tuple(self._sitemaps), tuple(self._entries), tuple(self._alternates), tuple(self._images)
        return Sitemap(*found, cut=self._cut or not whole)

    def _flush(self) -> None:
        if not self._href and self._holder:     # some write the URL without its element
            text = markup.trimmed("".join(self.texts))
            self._href = text if text[:8].lower().startswith(_WEB) else ""
        if self._href:
            if len(self._entries) + len(self._sitemaps) >= MAX_ENTRIES:
                raise markup.Enough
            into = self._sitemaps if self._holder == "sitemap" else self._entries
            into.append(Entry(self._href, self._lastmod, self._priority))
        self._href, self._lastmod, self._priority = "", None, None

    def _add(self, known: dict[str, None], href: str) -> None:
        if len(known) < MAX_ENTRIES:
            if href:
                known[href] = None
        elif href not in known:
            self._cut = True
