"""What is read from a page: links as a browser sees them, the base, the title, and what the page asks of a crawler."""

from __future__ import annotations

import gc
import time
import weakref

import pytest
from bs4 import BeautifulSoup
from bs4.element import NavigableString, Tag
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from crawler.core import soup
from crawler.core.model import Kind
from crawler.core.page import LANG_CHARS, NO_PAGE, TITLE_BYTES, Page, meta_refresh
from crawler.core.parse import read
from crawler.core.soup import LinkTreeBuilder

URL = "http://host.test/dir/page.html?q"
PARSERS = ("lexbor", "lxml", "html5lib", "html.parser")


def page(html: str | bytes, parser: str = "lexbor", content_type: str | None = "text/html; charset=utf-8") -> Page:
    return read(html.encode() if isinstance(html, str) else html, url=URL, content_type=content_type, parser=parser)


def hrefs(html: str | bytes, **more) -> list[str]:
    return [href for _, href in page(html, **more).links]


# --- links --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parser", PARSERS)
def test_links_of_all_kinds_come_in_document_order(parser):
    found = page(
        """<html><body><a href="1">x</a><map><area href="2"></map><iframe src="3"></iframe>
        <p><b><a name=none>no link</a><a href="1">again</a></b></p><img src=4><link rel=stylesheet href=5><script src=6></script></body></html>""",
        parser,
    )

    assert (
        (Kind.A, "1"), (Kind.AREA, "2"), (Kind.IFRAME, "3"), (Kind.A, "1"), (Kind.IMG, "4"), (Kind.STYLESHEET, "5"), (Kind.SCRIPT, "6"),
    ) == found.links  # fmt: skip


RARE = "<meta http-equiv=refresh content='0;url=1'><form action=2></form><source srcset=3><img srcset=4><video poster=5></video><object data=6></object>"


def test_what_rarely_holds_a_link_comes_behind_what_always_does():
    """The links of a page are found by their attributes; elements that may keep them elsewhere are looked for by name."""
    rare = [(Kind.REFRESH, "1"), (Kind.FORM, "2"), (Kind.SOURCE, "3"), (Kind.IMG, "4"), (Kind.VIDEO, "5"), (Kind.OBJECT, "6")]
    found = page(f"<a href=a>x</a>{RARE}<img src=b>").links

    assert ((Kind.A, "a"), (Kind.IMG, "b")) == found[:2]
    assert sorted(rare) == sorted(found[2:])


@pytest.mark.parametrize("parser", PARSERS[1:])
def test_other_parsers_keep_all_of_it_in_document_order(parser):
    rare = [(Kind.REFRESH, "1"), (Kind.FORM, "2"), (Kind.SOURCE, "3"), (Kind.IMG, "4"), (Kind.VIDEO, "5"), (Kind.OBJECT, "6")]

    assert ((Kind.A, "a"), *rare, (Kind.IMG, "b")) == page(f"<a href=a>x</a>{RARE}<img src=b>", parser).links


@pytest.mark.parametrize("parser", PARSERS)
def test_frames_are_links(parser):
    assert ((Kind.FRAME, "a"), (Kind.FRAME, "b")) == page("<frameset><frame src=a><frame src=b></frameset>", parser).links


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        (" x ", "x"),
        ("\n\tx\r\n", "x"),
        ("&#1;x&#31;", "x"),
        ("&nbsp;x", "\xa0x"),
        ("a b", "a b"),
        ("?a=1&amp;b=2&c", "?a=1&b=2&c"),
        ("#top", "#top"),
        ("HTTP://h.test/", "HTTP://h.test/"),
        ("//h.test/", "//h.test/"),
        ("a/b:c", "a/b:c"),
        ("?x:y", "?x:y"),
        ("./mailto:x", "./mailto:x"),
        ("위키:대문", "위키:대문"),
    ],
)
def test_hrefs_are_taken_as_written_but_for_the_space_around_them(written, read_as):
    assert [read_as] == hrefs(f'<a href="{written}">x</a>')


@pytest.mark.parametrize(
    "written", ["javascript:void(0)", " JavaScript:x", "mailto:a@b.c", "tel:1", "data:text/html,x", "ftp://h.test/", "about:blank"]
)
def test_what_can_be_no_web_page_is_dropped_early(written):
    assert [] == hrefs(f'<a href="{written}">x</a><iframe src="{written}"></iframe>')


def test_an_empty_href_is_a_link_and_an_empty_frame_is_none():
    """Browsers list `<a href="">` among a page's links; with a base it leads elsewhere. An empty frame stays empty."""
    assert ["", ""] == hrefs('<a href="">x</a><a href>x</a><iframe src=""></iframe><iframe></iframe>')


def test_links_where_only_a_browsers_parser_finds_them():
    html = """<table><a href=moved>x</a><tr><td><a href=cell>y</a></table><noscript><a href=noscript>z</a></noscript>
    <svg><a href=svg><text>t</text></a></svg><template><a href=no>t</a></template>
    <!-- <a href=no> --><script>"<a href=no>"</script><textarea><a href=no></textarea><title><a href=no></title>"""

    # a parser error: what is misplaced in a table goes before it, and the open <a> is opened again inside
    assert {"moved", "cell", "noscript", "svg"} == set(hrefs(html))


def test_links_not_to_follow_are_kept_apart():
    found = page('<a href=1 rel="noopener NoFollow">x</a><a href=2 rel=ugc>x</a><a href=3 rel=sponsored>x</a><a href=4 rel=next>x</a>')

    assert ((Kind.A, "4"),) == found.links
    assert ((Kind.A, "1", "nofollow"), (Kind.A, "2", "ugc"), (Kind.A, "3", "sponsored")) == found.unfollowed


def test_a_query_keeps_the_encoding_of_its_page():
    body = '<a href="?q=한글">x</a><a href="/한글">x</a><link rel=canonical href="?c=한">'.encode("cp949")
    found = page(body, content_type="text/html; charset=euc-kr")

    assert ((Kind.A, "?q=%C7%D1%B1%DB"), (Kind.A, "/한글"), (Kind.CANONICAL, "?c=%C7%D1")) == found.links
    assert "http://host.test/dir/page.html?c=%C7%D1" == found.canonical


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "shift_jis", "euc-kr", "gb18030", "iso-8859-1"])
def test_pages_in_any_encoding_have_their_links(encoding):
    assert ["x?y=1", "z"] == hrefs('<html><a href="x?y=1">é</a><a href=z>b</a>'.encode(encoding, "replace"), content_type=None)


# --- base, canonical, refresh -------------------------------------------------------------------------------------


@pytest.mark.parametrize("parser", PARSERS)
@pytest.mark.parametrize(
    ("head", "base"),
    [
        ("", None),
        ("<base href=/other/>", "http://host.test/other/"),
        ("<base target=x><base href=one/><base href=two/>", "http://host.test/dir/one/"),
        ("<base href=' http://else.test '>", "http://else.test/"),
        ("<base href='data:,x'><base href=two/>", None),
        ("<base href='javascript:x'>", None),
        ("<base href='http://[broken'>", None),
    ],
)
def test_the_first_base_with_an_href_counts(parser, head, base):
    """HTML standard, 2.4.1: when that one is no good, none is."""
    found = page(f"<html><head>{head}</head><body><a href=x>x</a></body></html>", parser)

    assert base == found.base
    assert ([(Kind.BASE, base)] if base else []) + [(Kind.A, "x")] == list(found.links)


@pytest.mark.parametrize(
    ("head", "canonical", "links"),
    [
        ("<link rel=canonical href=/real>", "http://host.test/real", ["/real"]),
        ("<link rel='ALTERNATE Canonical' href=/real#part>", "http://host.test/real", ["/real#part"]),
        ("<link rel=canonical href=real><base href=/b/>", "http://host.test/b/real", ["http://host.test/b/", "real"]),
        ("<link rel=canonical href=/1><link rel=canonical href=/2>", "http://host.test/1", ["/1", "/2"]),
        ("<link rel=canonical href='mailto:x'>", None, []),
        ("<link rel=canonical href='http://[broken'>", None, ["http://[broken"]),
        ("<link rel=canonical>", None, []),
        ("<link rel=canonical href=''>", None, []),
        ("<link rel=next href=/2>", None, ["/2"]),
    ],
)
@pytest.mark.parametrize("parser", PARSERS)
def test_the_canonical_url_is_spelt_and_is_a_link_as_it_is_written(head, canonical, links, parser):
    found = page(head, parser)

    assert (canonical, links) == (found.canonical, [href for _, href in found.links])


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("5; url=next", (5, "next")),
        ("0;URL='a b'c", (0, "a b")),
        (" .5 , x", (0, "x")),
        ("9" * 5000, (999_999_999, "")),
        ("1;url", (1, "url")),
        ("", None),
        ("x", None),
        ("-1;x", None),
        ("٥;x", None),
    ],
)
def test_meta_refresh_is_read_as_the_standard_says(content, expected):
    assert expected == meta_refresh(content)


def test_a_refresh_is_a_link_where_it_leads_elsewhere():
    html = """<meta http-equiv=Refresh content="0; url=next"><a href=1>x</a><meta http-equiv=refresh content=30>
    <meta http-equiv=refresh content="0;url=javascript:x"><meta name=refresh content="0; url=no">"""

    assert ((Kind.A, "1"), (Kind.REFRESH, "next")) == page(html).links


# --- what a page says of itself -----------------------------------------------------------------------------------


@pytest.mark.parametrize("parser", PARSERS)
def test_title_and_language(parser):
    found = page("<html lang=' ko-KR '><head><title> A \n  &amp;\tB </title><title>second</title></head><body></body></html>", parser)

    assert ("A & B", "ko-KR", "utf-8") == (found.title, found.lang, found.charset)


@pytest.mark.parametrize("parser", ["lexbor", "html5lib"])
def test_the_title_of_a_drawing_is_not_the_pages(parser):
    assert "real" == page("<svg><title>drawn</title><g><title>too</title></g></svg><title>real</title>", parser).title


def test_a_title_is_cut_between_characters():
    title = page(f"<title>{' ' * 5000}{'한' * 5000}</title>").title

    assert title is not None
    assert "한" * (TITLE_BYTES // 3) == title


def test_a_title_is_kept_as_it_is():
    """Escapes and markup are the business of whoever shows it."""
    assert "\x1b]52;c;x\x07 [red] <script> =cmd() \u202e" == page("<title>\x1b]52;c;x\x07 [red] <script> =cmd() \u202e</title>").title


@pytest.mark.parametrize(
    ("head", "noindex", "nofollow"),
    [
        ("", False, False),
        ("<meta name=robots content=noindex>", True, False),
        ("<meta name=ROBOTS content='NoFollow, noarchive'>", False, True),
        ("<meta name=robots content=none>", True, True),
        ("<meta name=robots content='index,follow'>", False, False),
        ("<meta name=steadycrawl content=nofollow>", False, True),
        ("<meta name=googlebot content=none>", False, False),
        ("<meta name=robots content=noindex><meta name=steadycrawl content=nofollow>", True, True),
        ("<body><meta name=robots content=noindex>", True, False),
    ],
)
def test_what_a_page_asks_of_robots(head, noindex, nofollow):
    found = page(head + "<a href=x>x</a>")

    assert (noindex, nofollow, 1) == (found.noindex, found.nofollow, len(found.links))


@pytest.mark.parametrize("body", [b"", b"plain", b"http://looks.like/a/url", b"a.html"])
@pytest.mark.parametrize("parser", PARSERS)
def test_text_without_markup_is_a_page_without_anything(body, parser):
    """bs4 would warn that this might be a file name or a URL."""
    assert Page(charset="utf-8") == page(body, parser)


def test_what_is_no_html_is_not_read():
    assert NO_PAGE == page("<a href=x>x</a>", content_type="text/plain")
    assert NO_PAGE == page("<a href=x>x</a>", content_type="application/pdf")


@pytest.mark.parametrize("parser", PARSERS)
def test_xhtml_is_read_without_a_warning(parser):
    html = '<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><body><a href="x"/></body></html>'

    assert ["x"] == hrefs(html, parser=parser, content_type="application/xhtml+xml")


# --- the tree builder ---------------------------------------------------------------------------------------------


def test_the_soup_is_one_that_beautifulsoup_works_with():
    """Flat, but linked in every direction, so that whatever bs4 offers holds."""
    made = BeautifulSoup("<title>T</title><a href=1 class='b c'>x</a><p><a href=2></a><area href=3 alt><meta name=a>", LinkTreeBuilder.NAME)

    assert ["html", "a", "a", "area", "meta", "title"] == [tag.name for tag in made.find_all(True)]
    assert ["1", "2"] == [tag["href"] for tag in made.find_all("a")]
    assert ["2"] == [tag["href"] for tag in made.select("a[href='2']")]
    assert ("T", "") == (made.title.string, made.area["alt"])
    assert made.find(href="2").find_previous("a")["href"] == "1"
    assert [made.area, made.meta, made.title] == list(made.find(href="2").next_siblings)
    assert all(isinstance(element, Tag | NavigableString) and made in element.parents for element in made.descendants)
    assert '<a class="b c" href="1">' in made.prettify()


def test_reading_leaves_nothing_for_the_garbage_collector(monkeypatch):
    made = []
    make = soup.make

    def remember(markup, parser, **more):
        one = make(markup, parser, **more)
        made.extend([weakref.ref(one), weakref.ref(one.contents[-1])])
        return one

    monkeypatch.setattr(soup, "make", remember)
    gc.disable()
    try:
        page("<title>x</title><a href=1>x</a><a href=2>x</a>")
        assert [None, None] == [one() for one in made]
    finally:
        gc.enable()


@given(st.text("<>/=\"' aA!-hrefbsitlmp\n&;#1", max_size=200) | st.text(max_size=50))
@settings(deadline=None)
def test_all_parsers_agree_that_nothing_breaks(text):
    for parser in ("lexbor", "lxml", "html5lib"):
        assert "utf-8" == page(text, parser).charset


HOSTILE = {
    "a tag opened fifty thousand times": b"<a " * 50_000,
    "comments that never end": b"<!--" * 50_000,
    "marked sections": b"<![" * 50_000,
    "quotes that never end": b'<a href="' * 50_000,
    "formatting in paragraphs": b"<p><b>" * 20_000,
    "links in links": b"<a href=/x>" * 10_000,
    "drawings in drawings": b"<svg><desc>" * 20_000,
    "text areas": b"<textarea>" * 50_000,
    "tables in tables": b"<table><tr><td>" * 10_000,
    "templates in templates": b"<template>" * 20_000,
    "references": b"<a href='" + b"&amp;" * 300_000 + b"'>",
    "zero bytes": b"<html>" + b"\0" * 1_000_000 + b"<a href=/x>",
    "an endless title": b"<title>" + b"x" * 4_000_000,
    "drawings' titles": b"<svg>" + b"<g>" * 2000 + b"<title>x</title>" * 2000,
    "a link of four megabytes": b'<a href="' + b"x" * 4_000_000 + b'">',
    "a list of directives": b"<meta name=robots content='" + b"noindex," * 100_000 + b"'>",
    "a refresh of digits": b"<meta http-equiv=refresh content='" + b"9" * 1_000_000 + b";url=x'>",
    "a refresh of spaces": b"<meta http-equiv=refresh content='1" + b" " * 1_000_000 + b"x'>",
    "no encoding at all": bytes(range(128, 256)) * 8000 + b"<a href=/x>",
}


@pytest.mark.parametrize("shape", HOSTILE)
def test_a_hostile_shape_costs_its_size_and_no_more(shape):
    """Processor time, with room to spare: these take 3 to 80 ms. What lexbor is quadratic in is the pool's to end."""
    started = time.process_time()
    read(HOSTILE[shape], url=URL, content_type="text/html")

    assert time.process_time() - started < 2


# --- more of the same, and one page before four parsers ---------------------------------------------------------------

@pytest.mark.parametrize("parser", PARSERS)
def test_where_no_link_is_there_is_none(parser):
    """Attributes of the right name on elements for which they mean nothing, and elements without theirs."""
    markup = "<div href=d><p src=s><q cite=c></q><span data-src=x/y></span></p></div><img><script></script><link href=l><embed><object></object>"

    assert () == page(markup, parser).links


@pytest.mark.parametrize("href", ["HTTP://h/", "https:x", "a/b:c", "?q=a:b", "#a:b", "//h:80/", "./x:y", "1:2"])
def test_a_colon_alone_makes_no_scheme(href: str):
    assert [href] == hrefs(f"<a href='{href}'>")


def test_white_space_and_controls_around_an_href_go_and_those_within_stay():
    """URL standard, 4.4: C0 controls and space are stripped; the no-break space is none, tab and line feed are ada's to drop."""
    markup = "<a href=' \t\n\x1b a\tb\nc \x01'><a href='&nbsp;x\u00a0'><a href='\x0cx y\r'><a href='\u3000z'>"

    assert ["a\tb\nc", "\u00a0x\u00a0", "x y", "\u3000z"] == hrefs(markup)


def test_character_references_in_an_href_are_resolved():
    """Also the standard's odd one: `&copy=` in an attribute is text."""
    markup = "<a href='?a=1&amp;b=2'><a href='?a=1&copy=2'><a href='&auml;/&#233;'><a href='?x&#38;y'>"

    assert ["?a=1&b=2", "?a=1&copy=2", "ä/é", "?x&y"] == hrefs(markup)


def test_a_nul_in_an_href_does_no_harm():
    assert ["a\ufffdb"] == hrefs("<a href='a\0b'>")


@pytest.mark.parametrize("rel", ["nofollow", "NOFOLLOW", "external nofollow", "ugc", "sponsored,ugc", "noopener\tnofollow"])
def test_a_link_that_is_not_to_be_followed_is_kept_apart(rel: str):
    found = page(f"<a href=1></a><a rel='{rel}' href=2></a><area href=3 rel='{rel}'>")

    words = " ".join(sorted({"nofollow", "ugc", "sponsored"}.intersection(rel.lower().replace(",", " ").split())))
    assert ((Kind.A, "1"),) == found.links
    assert ((Kind.A, "2", words), (Kind.AREA, "3", words)) == found.unfollowed


@pytest.mark.parametrize("rel", ["", "nofollowing", "noopener", "follow", "no follow"])
def test_another_rel_changes_nothing(rel: str):
    assert ((Kind.A, "1"),) == page(f"<a href=1 rel='{rel}'>").links


def test_a_query_is_spelt_in_the_page_s_encoding_and_a_path_is_not():
    body = "<a href='/날?q=서'><a href='/b' rel=nofollow><a rel=ugc href='?서'><link rel=canonical href='/c?q=서'>".encode("cp949")
    found = page(body, content_type="text/html; charset=euc-kr")

    assert ((Kind.A, "/날?q=%BC%AD"), (Kind.CANONICAL, "/c?q=%BC%AD")) == found.links
    assert ((Kind.A, "/b", "nofollow"), (Kind.A, "?%BC%AD", "ugc")) == found.unfollowed
    assert "http://host.test/c?q=%BC%AD" == found.canonical


def test_the_language_is_that_of_the_root():
    assert "ko" == page("<html lang=' ko '><p lang=en>").lang
    assert page("<html><p lang=en>").lang is None
    assert "x" * LANG_CHARS == page(f"<html lang={'x' * 500}>").lang


ORDINARY = (
    ("<!doctype html><html lang=en><head><title>A page</title><meta charset=utf-8><base href=/b/>"
    "<link rel=canonical href=/c></head><body><h1>x</h1><ul><li><a href=one>1</a><li><a href='two?a=1&amp;b=2'>2</a></ul>"
    "<p><a href=three rel=nofollow>3</a><map name=m><area href=four></map><iframe src=five></iframe></body></html>"),
    "<html><frameset cols='1,2'><frame src=a.html><frame src=b.html></frameset></html>",
    ('<?xml version="1.0" encoding="utf-8"?>\n<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Strict//EN" "x.dtd">'
    '<html xmlns="http://www.w3.org/1999/xhtml" lang="ko"><head><title>t</title></head><body><a href="x" /></body></html>'),
    "<html><head><meta http-equiv=refresh content='1;url=next'><meta name=robots content=none></head><body><a href=''>한</a></body></html>",
    "<table><tr><td><a href=1>x</a><td><a href='2 3'>y</a></table><div><a href=' 4 '><b>z</a></div>",
)


@pytest.mark.parametrize("parser", PARSERS[1:])
@pytest.mark.parametrize("markup", ORDINARY)
def test_every_parser_reads_the_same_from_an_ordinary_page(markup: str, parser: str):
    """But for the place of what rarely holds a link, and for the white space in the text."""
    ours, theirs = page(markup), page(markup, parser=parser)

    assert sorted(ours.links) == sorted(theirs.links)
    assert (ours.text or "").split() == (theirs.text or "").split()
    assert replace(ours, links=(), text=None) == replace(theirs, links=(), text=None)


@pytest.mark.parametrize("charset", ["utf-8", "euc-kr", "utf-16le"])
@pytest.mark.parametrize("parser", PARSERS)
def test_every_parser_is_given_characters_rather_than_bytes(parser: str, charset: str):
    """What is declared inside the page then misleads none of them."""
    body = "<meta charset=koi8-r><title>서울</title><a href=/날>".encode("cp949" if charset == "euc-kr" else charset)
    found = page(body, content_type=f"text/html; charset={charset}", parser=parser)

    assert ("서울", ((Kind.A, "/날"),), charset) == (found.title, found.links, found.charset)


def test_a_byte_order_mark_is_no_text_of_the_page():
    assert "x" == page(b"\xef\xbb\xbf<title>x</title>").title
    assert "x" == page("\ufeff<title>x</title>".encode("utf-16-le")).title


# reliability.md S29, Z43 to Z46
MANY = 50_000
SHAPES = {
    "openings": b"<a " * MANY,
    "links": b"<a href=x>" * MANY,
    "nesting": b"<div>" * 15_000,
    "inline nesting": b"<b><i>" * 10_000 + b"<p>" * 2_000,
    "attributes": b"<a " + b" ".join(b"a%d=1" % number for number in range(5_000)) + b">",
    "comments": b"<!--" * MANY,
    "declarations": b"<![" * MANY,
    "CDATA": b"<svg><![CDATA[" * MANY,
    "unclosed quotes": b'<a href="' * MANY,
    "foreign content": b"<svg><desc>" * 10_000,
    "text areas": b"<textarea>" * MANY,
    "titles": b"<title>" * MANY,
    "tables": b"<table>" * 10_000,
    "fostering": b"<table>" + b"x<b>" * 10_000,
    "selects": b"<select><option>" * 10_000,
    "templates": b"<template>" * 10_000,
    "references": b"<a href='" + b"&amp" * MANY + b"'>",
    "numbers": b"<a href='&#99999999999999999999;&#xD800;&#0;'>",
    "zeros": b"<\0" * MANY,
    "high bytes": b"<a href=\xff\xfe\x80>" * 1_000,
    "declared metas": b"<meta charset=x>" * 1_000,
    "refresh": b"<meta http-equiv=refresh content='" + b"9" * MANY + b";url=" + b"'\"" * 1_000 + b"'>",
    "a half page": b"<html><head><title>x</title><body><a href=",
    "a long href": b"<a href=" + b"x" * 1_000_000 + b">",
    "form feeds": b"<a\x0chref\x0c=\x0cx\x0c>" * 1_000,
    "closings": b"</a></p></br></html></body>" * 5_000,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_no_shape_of_a_page_makes_reading_fail(shape: str):
    """A link behind the attack may be found or not: some shapes swallow it by the standard."""
    found = page(SHAPES[shape] + b"<a href=after>", content_type="text/html")

    assert isinstance(found, Page)


@pytest.mark.parametrize("shape", ["links", "nesting", "attributes", "tables", "comments", "closings"])
def test_a_link_behind_a_flood_is_found_where_the_standard_sees_one(shape: str):
    found = hrefs(SHAPES[shape] + (b"-->" if shape == "comments" else b"") + b"<a href=after>")

    assert "after" == found[-1]


@given(
    st.binary(max_size=300),
    st.sampled_from([None, "text/html", *(f"text/html; charset={name}" for name in ("utf-8", "utf-16le", "iso-2022-jp"))]),
)
@settings(deadline=None)
def test_any_bytes_can_be_read(body: bytes, content_type: str | None):
    assert isinstance(page(body, content_type=content_type), Page)


@given(
    st.lists(
        st.sampled_from(
            ["<a href=x>", "<a", " href", "='", "'", '"', ">", "<", "</a>", "<base href=y>", "<title>", "</title>", "<svg>", "</svg>",
             "<meta http-equiv=refresh content='0;url=z'>", "<iframe src=i>", "<frameset>", "<frame src=f>", "<!--", "-->", "<table>",
             "<noscript>", "<template>", "&amp", "\0", " ", "t", "<html lang=l>", "<body>",
             "<select>", "<math>", "<script>", "<link rel=canonical href=c>", "<img srcset='", "<img data-src=' ", "<source srcset=a>",
             "<video poster=' p ' src=>", "<object data=' o'>", "<param name=src value=' m '>", "<form action=' f'>", "<meta property=og:image content='",
             "<use xlink:href=' u'>", "<body background=", " rel=nofollow", " 2x, ", "<input type=image src=' j '>"]
        ),
        max_size=30,
    )
)  # fmt: skip
@settings(deadline=None)
def test_any_tag_soup_can_be_read_and_links_are_stripped(parts: list[str]):
    found = page("".join(parts))

    links = found.links + found.unfollowed
    assert all(href == href.strip(" \t\r\n\x0c\0") for _, href, *_ in links)
    assert all(href or kind in (Kind.A, Kind.AREA) for kind, href, *_ in links)


@pytest.mark.parametrize("parser", PARSERS)
def test_depth_overflows_no_parsers_stack(parser):
    """Deeper than Python may recurse."""
    assert ["after"] == hrefs(b"<title>x</title>" + b"<div>" * 1_500 + b"<a href=after>", parser=parser)
