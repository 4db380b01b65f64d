"""What a body is read as, by its media type, and by its first bytes only where a browser would look at them.

Known before a parser is loaded or a body crosses to another process.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from crawler.core import encodings
from crawler.core.model import Kind

Reading = Literal["html", "xhtml", "xml", "json", "manifest", "css", "pdf", "sitemap"]

SPEAKING_HEADERS = frozenset({"link", "refresh", "content-location", "x-robots-tag"})
"""Headers that say something about links."""
_GZIP = b"\x1f\x8b"
_MAY_BE_SITEMAPS = frozenset({Kind.SITEMAP, Kind.SEED})
"""How whoever reaches a packed file may mean a sitemap."""
_MANIFEST_TYPES = frozenset({"application/manifest+json", "application/webmanifest"})
_UNKNOWN = frozenset({"", "unknown/unknown", "application/unknown", "*/*"})


def mime_of(content_type: str | None) -> str:
    """Return the media type of a Content-Type header, in lower case; empty for none."""
    return (content_type or "").partition(";")[0].strip().lower()


def is_plain(content_type: str | None) -> bool:
    """Tell whether a body calls itself plain text: it holds no links, but words that may be searched for."""
    return mime_of(content_type) == "text/plain"


def may_speak(content_type: str | None, kind: Kind) -> bool:
    """Tell, before the body is looked at, whether links may be read in it: cheap, and certain only where it says no."""
    mime = mime_of(content_type)
    return (
        kind in _MAY_BE_SITEMAPS or mime in _UNKNOWN or "/" not in mime
        or any(word in mime for word in ("html", "xml", "json", "manifest", "css", "pdf"))
    )  # fmt: skip


def reading_of(body: bytes, content_type: str | None, kind: Kind) -> Reading | None:  # noqa: PLR0911 - one return for each
    """Return what a body is read as, None for what holds no links that are looked for.

    The rules for types that are missing or unknown are the MIME Sniffing standard's (7.1); plain text is text.
    """
    mime = mime_of(content_type)
    if kind is Kind.SITEMAP or (kind in _MAY_BE_SITEMAPS and body.startswith(_GZIP)):
        return "sitemap"
    if mime == "application/xhtml+xml":
        return "xhtml"
    if encodings.is_html(body, content_type):
        return "html"
    if mime.endswith(("/xml", "+xml")):
        return "xml"
    if mime in _MANIFEST_TYPES or (kind is Kind.MANIFEST and (mime.endswith("json") or mime in _UNKNOWN)):
        return "manifest"
    if mime in ("application/json", "application/feed+json"):
        return "json"
    if mime == "text/css":
        return "css"
    if mime == "application/pdf" or (mime in _UNKNOWN and body.startswith(b"%PDF-")):
        return "pdf"
    if (mime in _UNKNOWN or "/" not in mime) and body[:256].lstrip(b"\xef\xbb\xbf\t\n\x0c\r ").startswith(b"<?xml"):
        return "xml"
    return None


def speaking(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return those headers of a reply that say something about links, their names in lower case."""
    return tuple((name.lower(), value) for name, value in headers if name.lower() in SPEAKING_HEADERS)
