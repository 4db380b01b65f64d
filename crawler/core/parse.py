"""What a document says: its links as they are written, and what it asks of a crawler. Bytes in, a frozen `Page` out.

HTML is read as browsers read it; scripts do not run here, so `noscript` is read as markup. XHTML that is not well-formed is
read as HTML, which is what whoever wrote it meant.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import ada_url
import msgspec

from crawler.core import documents, encodings, headers, manifest, soup, urls
from crawler.core.model import Kind
from crawler.core.page import AGENT, NO_PAGE, Notes, Page, link_kind, meta_refresh

__all__ = ["NO_PAGE", "Page", "from_headers", "meta_refresh", "read"]


def read(  # noqa: PLR0911 - one return for each reading
    body: bytes, *, url: str, content_type: str | None, parser: str = "lexbor", kind: Kind = Kind.A, text: bool = True,
    styles: bool = False, whole: bool = False,
) -> Page:  # fmt: skip
    """Read a document that was found as a link of some kind; what holds no links is an empty page.

    Where asked for, the *text* of a page is taken too, its beginning, middle and end or the *whole*, and what the *styles* within
    it refer to.
    """
    match documents.reading_of(body, content_type, kind):
        case "html":
            return _html(body, url, content_type, parser, text=text, styles=styles, whole=whole)
        case "xhtml":
            found = _xhtml(body, url, content_type, text=text, whole=whole)
            return found or _html(body, url, content_type, parser, text=text, styles=styles, whole=whole)
        case "xml":
            return _listing(body, content_type, expected=False) or _feed(body, content_type) or _xml(body, url, content_type) or NO_PAGE
        case "sitemap":
            return _expected(body, url, content_type, parser, kind, whole=whole)
        case "json":
            return _feed(body, content_type) or NO_PAGE
        case "manifest":
            return Page(manifest.read(body) or ())
        case "css":
            return _style(body, content_type)
        case _:
            return NO_PAGE


def plain(body: bytes, content_type: str | None) -> str | None:
    """Return what is written in a body that calls itself plain text, as far as it may be kept; None when it is none."""
    head = body[: 4 * soup.WHOLE_CHARS]
    text = encodings.decode(head, encodings.encoding_of(head, content_type))
    return None if "\0" in text[:1024] else text


def from_headers(spoken: Sequence[tuple[str, str]], url: str) -> Page:
    """Return what the headers of an answer say, their names in lower case; links are absolute, for no `base` counts for them."""
    links: list[tuple[Kind, str]] = []
    canonical: str | None = None
    for link in headers.link_header(_of(spoken, "link")):
        kind = link_kind(link.rel, link.type or "", hreflang=link.hreflang, preloaded="")
        href = _joined(link.href, url)
        if kind is not None and href is not None:
            links.append((kind, href))
            canonical = canonical or (_spelt(href) if kind is Kind.CANONICAL else None)
    refreshes = [refresh[1] for value in _of(spoken, "refresh") if (refresh := meta_refresh(value)) is not None]
    for kind, found in ((Kind.REFRESH, refreshes), (Kind.CONTENT_LOCATION, _of(spoken, "content-location"))):
        links += [(kind, href) for each in found if each.strip() and (href := _joined(each, url)) is not None]
    asked = headers.x_robots_tag(_of(spoken, "x-robots-tag"), AGENT)
    return Page(tuple(links), canonical=canonical, noindex=asked.noindex, nofollow=asked.nofollow)


def _of(spoken: Iterable[tuple[str, str]], name: str) -> list[str]:
    return [value for key, value in spoken if key == name]


def _joined(href: str, url: str) -> str | None:
    try:
        return ada_url.join_url(url, href)
    except ValueError:
        return None


def _spelt(href: str) -> str | None:
    try:
        return urls.spell(href)
    except urls.UrlError:
        return None


def _html(body: bytes, url: str, content_type: str | None, parser: str, *, text: bool, styles: bool, whole: bool) -> Page:
    charset = encodings.encoding_of(body, content_type)
    if parser == "lexbor" and charset == "utf-8":
        markup: bytes | str = body.removeprefix(b"\xef\xbb\xbf")    # UTF-8 is what lexbor wants, so no decoding
    else:
        markup = encodings.decode(body, charset)
    if (b"<" not in markup) if isinstance(markup, bytes) else ("<" not in markup):
        said = (markup if isinstance(markup, str) else markup.decode("utf-8", "replace")) if whole else None
        return Page(charset=charset, whole=said)    # bs4 would wonder whether a short text without markup is a file's name
    made = soup.make(markup, parser, text=text, styles=styles, whole=whole)
    notes = Notes(url, charset)
    notes.read(made)
    builder = made.builder
    if not isinstance(builder, soup.LinkTreeBuilder):
        return notes.page(text=soup.windows((made.body or made).get_text(" ")), whole=soup.whole_of(markup) if whole else None)
    for style in builder.styles:
        for href in _references(style):
            notes.put(Kind.CSS, href)
    page = notes.page(cut=builder.cut, text=builder.text, whole=builder.whole)
    builder.discard(made)
    return page


def _xhtml(body: bytes, url: str, content_type: str | None, *, text: bool, whole: bool) -> Page | None:
    page = _xml(body, url, content_type)
    if page is None or not (text or whole):
        return page
    markup = encodings.decode(body, page.charset or "utf-8").encode("utf-8", "replace")
    return msgspec.structs.replace(
        page, text=soup.text_of(markup) if text else None, whole=soup.whole_of(markup) if whole else None
    )


def _xml(body: bytes, url: str, content_type: str | None) -> Page | None:
    from crawler.core import xhtml  # lxml takes 10 ms to load, and most crawls meet no XML

    charset = encodings.encoding_of(body, content_type)
    elements = xhtml.elements(body, charset)
    if elements is None:
        return None
    notes = Notes(url, charset)
    for name, attributes, text in elements:
        if name not in soup.WANTED and name not in notes.TAKERS and "xlink:href" in attributes:
            if not attributes["xlink:href"].startswith("#"):        # the gradients of a drawing
                notes.put(Kind.A, attributes["xlink:href"])
        else:
            notes.spot(name, attributes, text)
    return notes.page()


def _expected(body: bytes, url: str, content_type: str | None, parser: str, kind: Kind, *, whole: bool) -> Page:
    """Read what somebody calls a sitemap; a page that is served in its place is a page."""
    page = _listing(body, content_type, expected=kind is Kind.SITEMAP) or _feed(body, content_type)
    return page or read(body, url=url, content_type=content_type, parser=parser, whole=whole)


def _listing(body: bytes, content_type: str | None, *, expected: bool) -> Page | None:
    from crawler.core import sitemap  # as lxml above

    found = sitemap.read(body, content_type=content_type, expected=expected)
    if found is None:
        return None
    links = [(Kind.SITEMAP, entry.href) for entry in found.sitemaps]
    links += [(Kind.LISTED, entry.href) for entry in found.entries]
    links += [(Kind.HREFLANG, href) for href in found.alternates] + [(Kind.IMG, href) for href in found.images]
    said = [(entry.href, entry.lastmod, entry.priority) for entry in (*found.sitemaps, *found.entries)]
    return Page(tuple(links), cut=found.cut, listed=tuple(said), sitemap=True)


def _feed(body: bytes, content_type: str | None) -> Page | None:
    from crawler.core import feeds  # as lxml above

    found = feeds.read(body, content_type=content_type)
    return None if found is None else Page(found.links, title=found.title, lang=found.lang, cut=found.cut)


def _style(body: bytes, content_type: str | None) -> Page:
    charset = encodings.of_http(content_type) or "utf-8"
    return Page(tuple((Kind.CSS, href) for href in _references(encodings.decode(body, charset))), charset=charset)


def _references(style: str) -> tuple[str, ...]:
    from crawler.core import css  # its expressions take 40 ms to compile, and most crawls read no style sheet

    return css.urls_of(style)
