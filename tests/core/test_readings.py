"""Documents that are no HTML, and headers: XHTML, drawings, style sheets, manifests, sitemaps that are pages."""

from __future__ import annotations

import gzip
import json
from urllib.parse import urljoin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.core.documents import SPEAKING_HEADERS
from crawler.core.model import Kind
from crawler.core.page import NO_PAGE, Page
from crawler.core.parse import from_headers, read

URL = "http://host.test/dir/page.html?q"
PARSERS = ("lexbor", "lxml", "html5lib", "html.parser")
XHTML = "application/xhtml+xml"
NAMESPACES = 'xmlns="http://www.w3.org/1999/xhtml"'
SVG = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def document(body: str | bytes, content_type: str | None = XHTML, *, kind: Kind = Kind.A, parser: str = "lexbor") -> Page:
    return read(body.encode() if isinstance(body, str) else body, url=URL, content_type=content_type, kind=kind, parser=parser)


def links(*arguments, **more) -> list[tuple[str, str]]:
    return [(kind.value, href) for kind, href in document(*arguments, **more).links]


# --- XHTML --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parser", PARSERS)
def test_a_well_formed_page_is_read_as_the_xml_that_it_is(parser):
    """As HTML an empty script would go on, and swallow the page; the parser that was chosen reads HTML only."""
    markup = f"<html {NAMESPACES}><head><script src='x.js' /><title>T &amp; &eacute;</title></head><body><a href='a'/><![CDATA[<a href='no'>]]><p/></body></html>"
    found = document(markup, parser=parser)

    assert ((Kind.SCRIPT, "x.js"), (Kind.A, "a")) == found.links
    assert "T & é" == found.title


def test_a_page_that_is_not_well_formed_is_read_as_html():
    markup = f"<html {NAMESPACES}><head><title>T</title></head><body><a href=a>x<br><a href='b'/></body></html>"

    assert [("a", "a"), ("a", "b")] == links(markup)
    assert [("script", "x")] == links(f"<html {NAMESPACES}><script src='x' /><a href='swallowed'>&nbsp;<p></html>")


def test_xhtml_says_of_itself_what_html_does():
    found = document(
        f"""<?xml version="1.0"?><?xml-stylesheet href="s.css" type="text/css"?>
        <html {NAMESPACES} xml:lang="ko"><head><base href="/b/"/><title> A
        b </title><link rel="canonical" href="c"/><meta name="robots" content="noindex, nofollow"/><meta http-equiv="refresh" content="0;url=r"/></head>
        <body><a href="1" rel="nofollow">x</a><a href="2">y</a><form action="f"/><img src="i" srcset="j 2x"/></body></html>"""
    )

    assert ("A b", "ko", "http://host.test/b/", "http://host.test/b/c") == (found.title, found.lang, found.base, found.canonical)
    assert (True, True) == (found.noindex, found.nofollow)
    assert ((Kind.A, "1", "nofollow"),) == found.unfollowed
    assert [
        (Kind.BASE, "http://host.test/b/"), (Kind.STYLESHEET, "s.css"), (Kind.CANONICAL, "c"), (Kind.REFRESH, "r"), (Kind.A, "2"),
        (Kind.FORM, "f"), (Kind.IMG, "i"), (Kind.IMG, "j"),
    ] == list(found.links)  # fmt: skip


def test_xhtml_may_come_as_any_xml():
    markup = f"<?xml version='1.0'?><html {NAMESPACES}><body><a href='x'/></body></html>"

    assert [[("a", "x")]] * 4 == [links(markup, mime) for mime in ("text/xml", "application/xml", "application/vnd.wap.xhtml+xml", None)]


def test_xml_that_is_broken_and_was_never_meant_for_html_is_nothing():
    assert NO_PAGE == document("<a href='x'>", "text/xml")
    assert [] == links("<feedback xmlns='urn:x'><a href='x'/></feedback>", "text/xml")


@pytest.mark.parametrize("charset", ["utf-8", "euc-kr", "utf-16le"])
def test_a_query_in_xhtml_keeps_the_encoding_of_its_page(charset):
    body = f"<html {NAMESPACES}><a href='/날?q=서'/><a rel='ugc' href='?서'/></html>".encode("cp949" if charset == "euc-kr" else charset)
    found = document(body, f"{XHTML}; charset={charset}")
    query = "%BC%AD" if charset == "euc-kr" else "서"

    assert (((Kind.A, f"/날?q={query}"),), ((Kind.A, f"?{query}", "ugc"),)) == (found.links, found.unfollowed)


# --- drawings -----------------------------------------------------------------------------------------------------


def test_a_drawing_links_to_pages_and_to_drawings():
    markup = f"""<?xml version="1.0"?><?xml-stylesheet href='s.css'?><svg {SVG}><title>Drawn</title><g><title>no</title></g>
    <a xlink:href=" old "><text>x</text></a><a href="new"/><a xlink:href="held" rel="nofollow"/><image xlink:href="i.png"/><use href="u.svg#i"/><use xlink:href="#own"/>
    <filter><feImage href="f.png"/></filter><a xlink:href="mailto:x@y"/></svg>"""
    found = document(markup, "image/svg+xml")

    assert "Drawn" == found.title
    assert ((Kind.A, "held", "nofollow"),) == found.unfollowed
    assert [("stylesheet", "s.css"), ("a", "old"), ("a", "new"), ("svg", "i.png"), ("svg", "u.svg#i"), ("svg", "f.png")] == [
        (kind.value, href) for kind, href in found.links
    ]


def test_other_xml_links_by_xlink_alone():
    markup = "<doc xmlns='urn:x' xmlns:xlink='http://www.w3.org/1999/xlink'><see xlink:href='a'/><see href='no'/><img src='no'/></doc>"

    assert [("a", "a")] == links(markup, "text/xml")


# --- style sheets, manifests --------------------------------------------------------------------------------------


def test_a_style_sheet_refers_to_others_and_to_pictures():
    sheet = "@import 'a.css'; @import url(b.css) print; p { background: url( 'c.png' ), url(data:x,y) } /* url(no) */"

    assert [("css", "a.css"), ("css", "b.css"), ("css", "c.png")] == links(sheet, "text/css")


@pytest.mark.parametrize(("content_type", "charset"), [("text/css", "utf-8"), ("text/css; charset=euc-kr", "euc-kr"), ("text/css; charset=no", "utf-8")])
def test_a_style_sheet_is_decoded_as_its_header_says(content_type, charset):
    found = document("p{background:url(날.png)}".encode("cp949" if charset == "euc-kr" else charset), content_type)

    assert (((Kind.CSS, "날.png"),), charset) == (found.links, found.charset)


MANIFEST = {"start_url": "/app", "icons": [{"src": "i.png"}], "shortcuts": [{"url": "s"}], "screenshots": [{"src": "p.png"}], "scope": "/no"}


@pytest.mark.parametrize(
    ("content_type", "kind"), [("application/manifest+json", Kind.A), ("application/json", Kind.MANIFEST), (None, Kind.MANIFEST)]
)
def test_a_manifest_names_pages_icons_and_pictures(content_type, kind):
    assert [("a", "/app"), ("a", "s"), ("icon", "i.png"), ("img", "p.png")] == links(json.dumps(MANIFEST), content_type, kind=kind)


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "text/javascript"])
def test_what_no_page_calls_a_manifest_is_none(content_type):
    assert NO_PAGE == document(json.dumps(MANIFEST), content_type)


@pytest.mark.parametrize("body", ["", "[]", "{", "null", "\x00"])
def test_what_is_no_manifest_is_an_empty_page(body):
    assert NO_PAGE == document(body, "application/manifest+json")


# --- sitemaps -----------------------------------------------------------------------------------------------------

MAP = """<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:image="http://www.google.com/schemas/sitemap-image/1.1"
 xmlns:xhtml="http://www.w3.org/1999/xhtml"><url><loc>/a</loc><lastmod>1970-01-02</lastmod><priority>0.5</priority>
 <xhtml:link rel="alternate" hreflang="ko" href="/ko"/><image:image><image:loc>/i.png</image:loc></image:image></url><url><loc>/b</loc></url></urlset>"""


@pytest.mark.parametrize("kind", [Kind.SITEMAP, Kind.A, Kind.SEED])
@pytest.mark.parametrize("content_type", ["text/xml", "application/xml", "application/rss+xml"])
def test_a_sitemap_is_read_by_whatever_link_it_was_found(content_type, kind):
    found = document(MAP, content_type, kind=kind)

    assert ((Kind.LISTED, "/a"), (Kind.LISTED, "/b"), (Kind.HREFLANG, "/ko"), (Kind.IMG, "/i.png")) == found.links
    assert ((("/a", 86_400, 0.5), ("/b", None, None)), True) == (found.listed, found.sitemap)


def test_a_sitemap_index_lists_sitemaps():
    body = "<sitemapindex><sitemap><loc>/1.xml</loc><lastmod>1970-01-02</lastmod></sitemap><sitemap><loc>/2.xml</loc></sitemap></sitemapindex>"
    found = document(body, "text/xml")

    assert (((Kind.SITEMAP, "/1.xml"), (Kind.SITEMAP, "/2.xml")), (("/1.xml", 86_400, None), ("/2.xml", None, None))) == (found.links, found.listed)


def test_a_list_of_addresses_is_a_sitemap_only_where_one_is_expected():
    body = "http://host.test/1\nhttp://host.test/2\n"

    assert [("listed", "http://host.test/1"), ("listed", "http://host.test/2")] == links(body, "text/plain", kind=Kind.SITEMAP)
    assert [] == links(body, "text/plain", kind=Kind.SEED)
    assert [] == links(body, "text/plain")


@pytest.mark.parametrize("kind", [Kind.SITEMAP, Kind.SEED])
def test_a_packed_sitemap_is_unpacked(kind):
    assert [("listed", "/a"), ("listed", "/b")] == links(gzip.compress(MAP.encode()), "application/gzip", kind=kind)[:2]


@pytest.mark.parametrize("content_type", ["text/html", None])
def test_a_page_that_is_served_in_the_place_of_a_sitemap_is_a_page(content_type):
    found = document("<!doctype html><title>Not found</title><a href=x>x</a>", content_type, kind=Kind.SITEMAP)

    assert (((Kind.A, "x"),), "Not found", False) == (found.links, found.title, found.sitemap)


# --- feeds --------------------------------------------------------------------------------------------------------

RSS = """<?xml version="1.0"?><rss version="2.0"><channel><title>News</title><link>http://host.test/</link><language>ko</language>
<item><link>/1</link><enclosure url="/1.mp3" type="audio/mpeg"/></item></channel></rss>"""
ATOM = """<feed xmlns="http://www.w3.org/2005/Atom" xml:lang="ko"><title>News</title><link href="http://host.test/"/>
<entry><link href="/1"/><link rel="enclosure" type="audio/mpeg" href="/1.mp3"/></entry></feed>"""
JSON = json.dumps(
    {"version": "https://jsonfeed.org/version/1.1", "title": "News", "language": "ko", "home_page_url": "http://host.test/",
     "items": [{"url": "/1", "attachments": [{"url": "/1.mp3", "mime_type": "audio/mpeg"}]}]}
)  # fmt: skip


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (RSS, "application/rss+xml"),
        (RSS, "text/xml"),
        (RSS, "application/xml; charset=utf-8"),
        (RSS, None),
        (ATOM, "application/atom+xml"),
        (ATOM, "text/xml"),
        (JSON, "application/feed+json"),
        (JSON, "application/json"),
    ],
)
@pytest.mark.parametrize("kind", [Kind.A, Kind.FEED, Kind.SEED])
def test_the_items_of_a_feed_are_links(body, content_type, kind):
    found = document(body, content_type, kind=kind)

    assert ("News", "ko") == (found.title, found.lang)
    assert {(Kind.A, "http://host.test/"), (Kind.A, "/1"), (Kind.AUDIO, "/1.mp3")} == set(found.links)


def test_a_feed_that_stands_for_a_sitemap_is_read_as_a_feed():
    """Google takes them as sitemaps."""
    found = document(RSS, "text/xml", kind=Kind.SITEMAP)

    assert (Kind.A, "/1") in found.links
    assert not found.sitemap


@pytest.mark.parametrize("base", ["/blog/", "http://host.test/blog/"])
def test_the_base_of_a_feed_holds_for_its_links(base):
    found = document(ATOM.replace("<feed ", f"<feed xml:base='{base}' ").replace('"/1"', '"1"'), "application/atom+xml")

    assert urljoin(URL, base + "1") in [urljoin(found.base or URL, href) for _, href in found.links]


@pytest.mark.parametrize(("body", "content_type"), [('{"a": 1}', "application/json"), ("[]", "application/feed+json"), (RSS, "text/plain"), (JSON, None)])
def test_what_is_no_feed_is_nothing(body, content_type):
    assert NO_PAGE == document(body, content_type)


# --- whatever it is -----------------------------------------------------------------------------------------------

TYPES = [None, "text/html", XHTML, "text/xml", "image/svg+xml", "application/json", "application/manifest+json", "text/css", "application/pdf", "text/plain"]


@given(st.sampled_from(list(Kind)), st.binary(max_size=200), st.sampled_from(TYPES))
@settings(deadline=None)     # what is read first loads what reads it
def test_any_bytes_of_any_type_can_be_read(kind, body, content_type):
    for prefix in (b"", b"<?xml version='1.0'?>", b"\x1f\x8b", b"<urlset><url><loc>"):
        assert isinstance(document(prefix + body, content_type, kind=kind), Page)


# --- headers ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("<a>; rel=next", [("next", "http://host.test/dir/a")]),
        ("</a>; rel=prev, <//h.test/b>; rel=alternate", [("prev", "http://host.test/a"), ("alternate", "http://h.test/b")]),
        ("<s.css>; rel=stylesheet; media=print", [("stylesheet", "http://host.test/dir/s.css")]),
        ("<ko>; rel=alternate; hreflang=ko", [("hreflang", "http://host.test/dir/ko")]),
        ('<f>; rel="alternate"; type="application/atom+xml"', [("feed", "http://host.test/dir/f")]),
        ("<amp>; rel=amphtml", [("amp", "http://host.test/dir/amp")]),
        ("<http://x.test>; rel=preconnect", []),
        ("<http://[broken>; rel=next", []),
        ("<a>", []),
        ("nonsense", []),
        ("", []),
    ],
)
def test_a_link_header_makes_links_of_the_same_kinds(value, expected):
    assert expected == [(kind.value, href) for kind, href in from_headers([("link", value)], URL).links]


@pytest.mark.parametrize(
    ("values", "canonical"),
    [
        (["</c>; rel=canonical"], "http://host.test/c"),
        (["<C#part>; rel=canonical"], "http://host.test/dir/C"),
        (["<http://user:secret@HOST.test:80/>; rel=canonical"], "http://host.test/"),
        (["</1>; rel=canonical", "</2>; rel=canonical"], "http://host.test/1"),
        (["<mailto:x@y>; rel=canonical"], None),
        (["</c>; rel=next"], None),
        ([], None),
    ],
)
def test_a_canonical_header_is_spelt(values, canonical):
    assert canonical == from_headers([("link", value) for value in values], URL).canonical


def test_other_headers_lead_elsewhere_too():
    headers = [("refresh", "5; url=r"), ("refresh", "30"), ("refresh", "x"), ("content-location", "c"), ("content-location", " "), ("link", "<n>; rel=next")]

    assert [
        (Kind.NEXT, "http://host.test/dir/n"), (Kind.REFRESH, "http://host.test/dir/r"), (Kind.CONTENT_LOCATION, "http://host.test/dir/c"),
    ] == list(from_headers(headers, URL).links)  # fmt: skip


@pytest.mark.parametrize(
    ("values", "noindex", "nofollow"),
    [
        ([], False, False),
        (["noindex"], True, False),
        (["NoFollow"], False, True),
        (["none"], True, True),
        (["noindex", "nofollow"], True, True),
        (["steadycrawl: nofollow"], False, True),
        (["otherbot: none"], False, False),
        (["otherbot: noindex, steadycrawl: nofollow"], False, True),
        (["unavailable_after: 25 Jun 2010 15:00:00 PST"], False, False),
    ],
)
def test_what_the_headers_ask_of_robots(values, noindex, nofollow):
    found = from_headers([("x-robots-tag", value) for value in values], URL)

    assert (noindex, nofollow) == (found.noindex, found.nofollow)


@given(st.lists(st.tuples(st.sampled_from(sorted(SPEAKING_HEADERS)), st.text(max_size=60) | st.text('<>;,=" relnxtcanoic:/.0', max_size=60)), max_size=5))
@settings(deadline=None)
def test_any_headers_can_be_read_and_their_links_are_absolute(headers):
    assert all(":" in href for _, href in from_headers(headers, URL).links)
