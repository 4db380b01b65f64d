"""What a sitemap lists: forms, broken ones, hostile ones, dates, packing, encodings."""

from __future__ import annotations

import gzip
import tracemalloc
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.core import markup, sitemap
from crawler.core.sitemap import MAX_ENTRIES, Entry, Sitemap, moment

SPACE = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'


def read(document: str | bytes, content_type: str | None = "text/xml", *, expected: bool = False) -> Sitemap | None:
    body = document.encode() if isinstance(document, str) else document
    return sitemap.read(body, content_type=content_type, expected=expected)


def urlset(*urls: str, declaration: str = '<?xml version="1.0" encoding="UTF-8"?>\n', space: str = SPACE) -> str:
    return f"{declaration}<urlset {space}>\n" + "".join(f" <url><loc>{url}</loc></url>\n" for url in urls) + "</urlset>\n"


def hrefs(found: Sitemap | None) -> list[str]:
    return [entry.href for entry in found.entries]


# --- forms --------------------------------------------------------------------------------------------------------


def test_pages_come_with_their_dates_and_priorities():
    found = read(
        f"<urlset {SPACE}><url><loc> http://h/1\n</loc><lastmod>2005-01-01</lastmod><changefreq>daily</changefreq>"
        "<priority>0.8</priority></url><url><loc>http://h/2</loc></url></urlset>"
    )

    assert Sitemap(entries=(Entry("http://h/1", 1_104_537_600, 0.8), Entry("http://h/2"))) == found


def test_an_index_lists_further_sitemaps():
    found = read(
        f"<sitemapindex {SPACE}><sitemap><loc>http://h/1.xml</loc><lastmod>2004-10-01T18:23:17+00:00</lastmod></sitemap>"
        "<sitemap><loc>2.xml.gz</loc></sitemap></sitemapindex>"
    )

    assert Sitemap(sitemaps=(Entry("http://h/1.xml", 1_096_654_997), Entry("2.xml.gz"))) == found


def test_the_child_decides_where_the_root_is_the_wrong_one():
    assert Sitemap(sitemaps=(Entry("http://h/1"),)) == read("<urlset><sitemap><loc>http://h/1</loc></sitemap></urlset>")
    assert Sitemap(entries=(Entry("http://h/1"),)) == read("<sitemapindex><url><loc>http://h/1</loc></url></sitemapindex>")


@pytest.mark.parametrize(
    "document",
    [
        "<urlset><url><loc>http://h/</loc></url></urlset>",
        '<urlset xmlns="http://nonsense"><url xmlns=""><loc>http://h/</loc></url></urlset>',
        '<s:urlset xmlns:s="http://www.sitemaps.org/schemas/sitemap/0.9"><s:url><s:loc>http://h/</s:loc></s:url></s:urlset>',
        "<s:urlset><s:url><s:loc>http://h/</s:loc></s:url></s:urlset>",
        "<URLSET><Url><LOC>http://h/</LOC></Url></URLSET>",
        "<urlSet><url><loc><![CDATA[ http://h/ ]]></loc></url></urlSet>",
        "<urlset><url><loc>\u00a0\u200bhttp://h/\u2003\ufeff</loc></url></urlset>",
        "<urlset><url><loc><url>http://h/</url></loc></url></urlset>",
        "<urlset><url>\n http://h/ \n</url></urlset>",
        "<urlset><url><loc/></url><url><loc>http://h/</loc></url></urlset>",
        "<urlset><url><loc>http://h/</loc><url></url></url></urlset>",
    ],
)
def test_what_can_only_mean_one_thing_is_read(document):
    """No or a wrong namespace, prefixes that nobody declared, any case, sections, odd white space, elements in each other."""
    assert Sitemap(entries=(Entry("http://h/"),)) == read(document)


def test_several_locations_of_one_element_are_several_pages():
    found = read(
        "<urlset><url><loc>http://h/1</loc><lastmod>2005-01-01</lastmod><loc>http://h/2</loc><loc>http://h/3</loc>"
        "<priority>1</priority></url></urlset>"
    )

    assert (Entry("http://h/1", 1_104_537_600), Entry("http://h/2"), Entry("http://h/3", None, 1.0)) == found.entries


def test_other_languages_and_pictures_are_kept_apart_once_each():
    found = read(
        '<urlset xmlns:xhtml="http://www.w3.org/1999/xhtml"><url><loc>http://h/</loc><image:image><image:loc>/1.png</image:loc>'
        "<image:license>/l</image:license></image:image><image:image><image:loc>/1.png</image:loc></image:image><video:video>"
        "<video:thumbnail_loc>/t.jpg</video:thumbnail_loc><video:content_loc>/v.mp4</video:content_loc>"
        "<video:player_loc>/p</video:player_loc></video:video>"
        '<xhtml:link rel="alternate" hreflang="de" href=" /de "/><xhtml:link rel="Alternate" media="handheld" href="/m"/>'
        '<xhtml:link rel="amphtml" href="/amp"/><xhtml:link rel="alternate" href="/de"/><xhtml:link rel="alternate"/></url></urlset>'
    )

    assert Sitemap((), (Entry("http://h/"),), ("/de", "/m"), ("/1.png", "/t.jpg", "/v.mp4")) == found


def test_hrefs_are_neither_joined_nor_checked():
    assert ["/a", "javascript:x()", "http://h/ö?q=ü b"] == hrefs(read(urlset("/a", "javascript:x()", "http://h/ö?q=ü b")))


@pytest.mark.parametrize("priority", ["", "high", "1.1", "-0.5", "nan", "inf", "1e-1", ".", "٠", "0.5 0.6", "9" * 5000])
def test_what_is_no_priority_is_none(priority):
    found = read(f"<urlset><url><loc>/</loc><priority>{priority}</priority></url></urlset>")

    assert (Entry("/"),) == found.entries


@pytest.mark.parametrize(("text", "value"), [("0", 0.0), (" 1.0 ", 1.0), (".5", 0.5), ("0,7", 0.7), ("1.", 1.0)])
def test_priorities_are_numbers(text, value):
    assert (Entry("/", None, value),) == read(f"<urlset><url><loc>/</loc><priority>{text}</priority></url></urlset>").entries


# --- what is none -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        "", " ", "<", "<?xml", "<!-- urlset", "<!doctype", "<!DOCTYPE html><html><body><urlset></urlset>", "<urls/>", "<a:urlset:b/>",
        "text", "<rss><channel/></rss>", "http://h/\n", "<urlset", "urlset", "<!DOCTYPE urlset", '{"urlset": 1}',
        "<b>Warning</b><urlset/>", "<![CDATA[<urlset/>]]>", "<?php ?" * 10, "<!DOCTYPE urlset '>",
    ],
)  # fmt: skip
def test_what_has_another_root_is_no_sitemap(document):
    assert read(document) is None
    assert read(gzip.compress(document.encode())) is None


@pytest.mark.parametrize("document", ["", "text", "<html><a href='http://h/'>", "<a>\nhttp://h/\n</a>", "see http://h/", "\0\nhttp://h/\n"])
def test_what_lists_nothing_is_no_sitemap_even_where_one_is_expected(document):
    assert read(document, None, expected=True) is None


def test_where_the_root_comes_too_late_it_is_not_looked_for():
    assert read(f"<!--{'x' * markup.PROLOG_BYTES}--><urlset/>") is None
    assert Sitemap() == read(f"<!--{'x' * (markup.PROLOG_BYTES // 2)}--><urlset/>")


def test_an_empty_sitemap_is_one():
    assert Sitemap() == read("<urlset/>")
    assert Sitemap() == read("<sitemapindex></sitemapindex>", expected=True)


# --- lists in plain text ------------------------------------------------------------------------------------------


def test_a_text_lists_a_url_a_line_where_it_is_expected():
    body = "\ufeffhttp://h/1\r\n\n  HTTPS://h/2 \n# no\nftp://h/3\n/4\nhttp://h/ö\rhttp://h/6\thttp"

    assert Sitemap(entries=tuple(map(Entry, ("http://h/1", "HTTPS://h/2", "http://h/ö", "http://h/6\thttp")))) == read(body, "text/plain", expected=True)
    assert read(body, "text/plain") is None


@pytest.mark.parametrize("content_type", [None, "", "text/plain", "text/plain; charset=utf-8", "application/bogus", "application/gzip"])
def test_a_text_may_have_any_type_but_html(content_type):
    assert ["http://h/"] == hrefs(read("http://h/", content_type, expected=True))
    assert ["http://h/"] == hrefs(read(gzip.compress(b"http://h/"), content_type, expected=True))
    assert read("http://h/", "text/html", expected=True) is None


def test_a_text_in_utf16_is_read():
    assert ["http://h/ö"] == hrefs(read("http://h/ö\n".encode("utf-16"), "text/plain", expected=True))


def test_a_text_has_so_many_entries_and_so_many_lines():
    many = read("http://h/\n" * (MAX_ENTRIES + 1), None, expected=True)
    enough = read("http://h/\n" * MAX_ENTRIES, None, expected=True)
    lines = read("http://h/\n" + "x\n" * (sitemap.MAX_LINES * 2) + "http://h/", None, expected=True)

    assert [(MAX_ENTRIES, True), (MAX_ENTRIES, False)] == [(len(found.entries), found.cut) for found in (many, enough)]
    assert Sitemap(entries=(Entry("http://h/"),), cut=True) == lines


# --- broken ones --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("before", [" ", "\n\n", "\ufeff", "\ufeff \r\n", "\0\0 ", "<!-- <urlset> -->\n<?pi ?> "])
def test_what_stands_before_the_declaration_does_no_harm(before):
    assert Sitemap(entries=(Entry("http://h/?a=1&b=2"),)) == read(before + urlset("http://h/?a=1&amp;b=2"))


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("http://h/?a=1&b=2", "http://h/?a=1&b=2"),
        ("http://h/?a=1&amp;b=2&c", "http://h/?a=1&b=2&c"),
        ("http://h/?a&&b&", "http://h/?a&&b&"),
        ("http://h/?a&#38;b&#x26;c", "http://h/?a&b&c"),
        ("http://h/?a&copy=1", "http://h/?a&copy=1"),
        ("http://h/?a&#=1&#x=2&#xyz;", "http://h/?a&#=1&#x=2&#xyz;"),
        ("http://h/caf&eacute;", "http://h/café"),
        ("http://h/&nbsp;", "http://h/"),
        ("http://h/&#0;&#11;&#x1f;&#xD83D;&#55357;&#xFFFE;", "http://h/&#0;&#11;&#x1f;&#xD83D;&#55357;&#xFFFE;"),
        ("http://h/\x01\x0b\x1b\x00/", "http://h//"),
        ("<![CDATA[http://h/?a=1&b=2&amp;]]>", "http://h/?a=1&b=2&amp;"),
        ("http://h/<![CDATA[?a&b]]>&c&amp;d<![CDATA[&e]]>", "http://h/?a&b&c&d&e"),
    ],
)
def test_what_breaks_xml_in_the_usual_ways_is_put_right(written, meant):
    assert [(meant, False), ("http://h/2", False)] == [(href, read(urlset(written, "http://h/2")).cut) for href in hrefs(read(urlset(written, "http://h/2")))]


def test_an_ampersand_is_put_right_wherever_a_document_is_cut_into_pieces():
    """Sections and references are longer than nothing, and so cross every border there could be."""
    urls = [f"http://h/?a={number}&b<![CDATA[&amp;c]]>&amp;d" + "x" * (number % 700) for number in range(2_000)]

    found = read(urlset(*urls))

    assert [url.replace("&amp;d", "&d").replace("<![CDATA[", "").replace("]]>", "") for url in urls] == hrefs(found)
    assert found.cut is False


@pytest.mark.parametrize("end", ["", "</lo", "<", "</urls></urlset>", "</url></urlset>", "\ufffe", "<a b></a>", "&#x110000;"])
def test_what_was_read_before_a_document_breaks_counts(end):
    found = read(f"<urlset><url><loc>http://h/1</loc></url><url><loc>http://h/2{end}")

    assert Sitemap(entries=(Entry("http://h/1"),), cut=True) == found


def test_an_entry_that_a_break_leaves_open_counts_when_its_url_is_whole():
    assert Sitemap(sitemaps=(Entry("http://h/1"),), cut=True) == read("<sitemapindex><sitemap><loc>http://h/1</loc><lastm")
    assert Sitemap(cut=True) == read("<sitemapindex><sitemap>http://h/brea")


@pytest.mark.parametrize("after", ["<script>x</script>", "text", "</urlset>", "<urlset><url><loc>http://h/2</loc></url></urlset>", "\0", "&"])
def test_what_comes_after_the_end_does_no_harm(after):
    assert Sitemap(entries=(Entry("http://h/1"),)) == read(urlset("http://h/1") + after)


# --- encodings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "content_type", "declaration"),
    [
        ("utf-8", "text/xml", '<?xml version="1.0"?>'),
        ("utf-8-sig", "text/xml; charset=iso-8859-1", '<?xml version="1.0" encoding="koi8-r"?>'),
        ("windows-1251", "text/xml", '<?xml version="1.0" encoding="windows-1251"?>'),
        ("windows-1251", "text/xml; charset=windows-1251", '<?xml version="1.0" encoding="utf-8"?>'),
        ("utf-16", None, '<?xml version="1.0" encoding="utf-16"?>'),
        ("utf-16-le", None, '<?xml version="1.0" encoding="utf-8"?>'),
        ("utf-16-be", None, ""),
        ("utf-8", "text/xml; charset=zlib", '<?xml version="1.0" encoding="unicode_escape"?>'),
        ("utf-8", None, '<?xml version="1.0" encoding="utf-16"?>'),
        ("cp866", None, '\n<?xml version="1.0" encoding="cp866"?>'),
    ],
)
def test_mark_header_and_declaration_tell_the_encoding(encoding, content_type, declaration):
    document = urlset("http://h/привет", declaration=declaration).encode(encoding)

    assert Sitemap(entries=(Entry("http://h/привет"),)) == read(document, content_type)


def test_what_declares_nothing_is_told_by_its_bytes():
    """UTF-8 where it can be, however late the first of them comes."""
    late = ["/"] * 20_000
    cyrillic = "http://h/" + "привет-как-дела-это-страница" * 5

    assert [*late, "http://h/ö"] == hrefs(read(urlset(*late, "http://h/ö", declaration="")))
    assert [*late, cyrillic] == hrefs(read(urlset(*late, cyrillic, declaration="").encode("windows-1251")))
    assert [cyrillic] == hrefs(read(cyrillic.encode("windows-1251"), "text/plain", expected=True))


def test_an_encoding_with_states_is_read_whole():
    """In ISO-2022-JP the octet of `>` is part of characters as well."""
    urls = [f"http://h/{'例え' * 100}/{number}" for number in range(2_000)]

    assert urls == hrefs(read(urlset(*urls, declaration='<?xml version="1.0" encoding="iso-2022-jp"?>').encode("iso-2022-jp")))


def test_bytes_that_are_no_characters_cost_no_entry():
    assert ["http://h/\ufffd", "http://h/2"] == hrefs(read(urlset("http://h/X", "http://h/2").encode().replace(b"X", b"\xff")))


# --- packed ones --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expected", [True, False])
@pytest.mark.parametrize("content_type", ["application/gzip", "text/xml", "text/html", None, "application/octet-stream"])
def test_packed_sitemaps_are_read_whatever_they_are_called(content_type, expected):
    assert Sitemap(entries=(Entry("http://h/"),)) == read(gzip.compress(urlset("http://h/").encode()), content_type, expected=expected)


def test_a_packed_sitemap_that_breaks_off_is_read_until_then():
    packed = gzip.compress(urlset(*(f"http://h/{number}/{number * number * 7919}" for number in range(5_000))).encode())
    found = read(packed[: len(packed) // 2])

    assert (True, True) == (found.cut, 1_000 < len(found.entries) < 4_000)


def test_what_is_packed_and_no_sitemap_is_unpacked_no_further_than_its_beginning():
    packed = gzip.compress(b"<html>" + b"x" * 900_000)
    tracemalloc.start()
    try:
        assert read(packed) is None
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 400_000


# --- hostile ones -------------------------------------------------------------------------------------------------

LAUGHS = "".join(f'<!ENTITY l{number} "{f"&l{number - 1};" * 10}">' for number in range(1, 10))


@pytest.mark.parametrize(
    "declarations",
    [
        '<!DOCTYPE urlset [<!ENTITY x SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE urlset [\n<!ENTITY x SYSTEM "http://127.0.0.1:9/x">\n] >',
        f'<!DOCTYPE urlset [<!ENTITY l0 "ha">{LAUGHS}<!ENTITY x "&l9;">]>',
        f'<!DOCTYPE urlset [<!ENTITY x "{"x" * 30_000}">]>',
        f'<!DOCTYPE urlset [<!ENTITY x "{"x" * 300_000}">]>',
        '<!DOCTYPE urlset SYSTEM "a.dtd" [<!ENTITY % p SYSTEM "http://127.0.0.1:9/p"> %p;]>',
        '<!DOCTYPE urlset PUBLIC "[" "]>" [<!ENTITY x "]>">]>',
        '<!doctype urlset [<!ATTLIST url a CDATA "y">]>',
        '<!DOCTYPE urlset><!DOCTYPE urlset [<!ENTITY x "y">]>',
    ],
)
def test_a_document_type_with_declarations_makes_us_refuse_the_document(declarations):
    document = f"<?xml version='1.0'?>{declarations}<urlset><url><loc>http://h/</loc></url><url><loc>&x;</loc></url></urlset>"

    assert Sitemap(cut=True) == read(document)
    assert Sitemap(cut=True) == read(gzip.compress(document.encode()), expected=True)


@pytest.mark.parametrize(
    "harmless",
    [
        "<!DOCTYPE urlset>",
        '<!DOCTYPE urlset SYSTEM "file:///etc/passwd">',
        '<!doctype urlset PUBLIC "-//X//DTD [>]//EN" "http://127.0.0.1:9/x.dtd" >',
    ],
)
def test_a_document_type_without_declarations_is_passed_over_and_never_fetched(harmless):
    assert Sitemap(entries=(Entry("http://h/&x;"),)) == read(urlset("http://h/&x;", declaration=harmless))


def test_entities_declared_where_they_may_not_be_are_none():
    found = read('<urlset><!DOCTYPE urlset [<!ENTITY x SYSTEM "file:///etc/passwd">]><url><loc>&x;</loc></url></urlset>')

    assert Sitemap(cut=True) == found


def test_nothing_is_included():
    found = read('<urlset xmlns:xi="http://www.w3.org/2001/XInclude"><url><loc><xi:include href="/etc/passwd" parse="text"/></loc></url></urlset>')

    assert Sitemap() == found


PADDING = f"<!--{'x' * 600_000}-->"
"""Bounds are looked at between the pieces that a document is read in."""


@pytest.mark.parametrize(
    ("before", "after"),
    [("<!---->" * (markup.MAX_MARKS + 1), ""), ("&amp;" * (markup.MAX_TEXTS + 1), ""), ("<a>" * markup.MAX_DEPTH, "</a>" * markup.MAX_DEPTH)],
    ids=["marks", "texts", "depth"],
)
def test_what_comes_after_too_much_is_not_read(before, after):
    found = read(f"<urlset><url><loc>/</loc></url>{before}{PADDING}{after}<url><loc>/late</loc></url></urlset>")

    assert Sitemap(entries=(Entry("/"),), cut=True) == found


@pytest.mark.parametrize("attribute", ["xmlns", "xmlns:x"])
def test_a_namespace_is_bounded(attribute):
    """Each name in it would be as long: forty kilobytes in an element of six."""
    longest = f"<urlset {attribute}='{'u' * markup.MAX_SPACE}'><url><loc>/</loc></url></urlset>"

    assert Sitemap(entries=(Entry("/"),)) == read(longest)
    assert Sitemap(cut=True) == read(longest.replace("='", "='u"))
    assert Sitemap(entries=(Entry("/"),), cut=True) == read(f"<urlset><url><loc>/</loc></url><x:y xmlns:x='{'u' * 40_000}'/></urlset>")


def test_what_is_not_too_much_is_read():
    deep = markup.MAX_DEPTH - 1
    found = read(f"<urlset>{'<a>' * deep}{PADDING}{'</a>' * deep}{'<a/>' * 100_000}{'&amp;' * 100_000}{PADDING}<url><loc>/late</loc></url></urlset>")

    assert Sitemap(entries=(Entry("/late"),)) == found


def test_entries_are_bounded_and_those_that_are_read_count():
    whole = read(urlset(*["/"] * MAX_ENTRIES))
    cut = read(urlset(*["/"] * (MAX_ENTRIES + 1)))

    assert [(MAX_ENTRIES, False), (MAX_ENTRIES, True)] == [(len(found.entries), found.cut) for found in (whole, cut)]


def test_other_languages_are_bounded_and_cost_no_entry():
    links = "".join(f'<link rel="alternate" href="/{number}"/>' for number in range(MAX_ENTRIES + 1))
    found = read(f'<urlset><url><loc>/1</loc>{links}<link rel="alternate" href="/0"/></url><url><loc>/2</loc></url></urlset>')

    assert (MAX_ENTRIES, ["/1", "/2"], True) == (len(found.alternates), hrefs(found), found.cut)


@pytest.mark.parametrize(
    "flood",
    [
        "<!-- -->" * 300_000 + "<a>",
        "<![CDATA[]]>" * 100_000 + "<a>",
        "&>" * (markup.MAX_REPAIRS + 1),
        "<a " + " ".join(f'a{number}="1"' for number in range(50_000)) + "/><a>",
        "<a " + " ".join(f'xmlns:a{number}="u"' for number in range(30_000)) + "><b/></a><a>",
        "".join(f"<{'n' * 300}{number}/>" for number in range(3_000)) + "<a>",
        "".join(f"<n{number}/>" for number in range(30_000)) + "<a>",
        "<a b='" + "y" * 11_000_000,
        "<![CDATA[" + "]" * 11_000_000,
        "x" * 40_000_000,
        "<" * 1_000_000,
    ],
    ids=["comments", "sections", "ampersands", "attributes", "namespaces", "long names", "names", "attribute",
         "section", "text", "brackets"],
)  # fmt: skip
def test_a_flood_breaks_off_and_what_came_before_counts(flood):
    assert Sitemap(entries=(Entry("/"),), cut=True) == read(f"<urlset><url><loc>/</loc></url>{flood}")


def test_memory_does_not_grow_with_what_is_of_no_interest():
    """No tree: a million elements take no more than the pieces they are read in."""
    body = b"<urlset><url><loc>/</loc></url>" + b"<a b='c'>text</a>" * 200_000 + b"</urlset>"
    read("<urlset/>")
    tracemalloc.start()
    try:
        assert Sitemap(entries=(Entry("/"),)) == read(body)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 4_000_000


def test_the_plain_body_is_bounded_like_an_unpacked_one(monkeypatch: pytest.MonkeyPatch):
    body = urlset(*["/"] * 100).encode()
    monkeypatch.setattr(sitemap.gunzip.unpacked, "__defaults__", (len(body) - 20,))
    found = read(body)

    assert (100 > len(found.entries) > 90, True) == (True, found.cut)


# --- dates --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("2005", "2005-01-01T00:00:00+00:00"),
        ("2005-03", "2005-03-01T00:00:00+00:00"),
        ("2005-03-04", "2005-03-04T00:00:00+00:00"),
        ("2005-03-04T05:06Z", "2005-03-04T05:06:00+00:00"),
        ("2005-03-04T05:06:07+08:00", "2005-03-04T05:06:07+08:00"),
        ("2005-03-04T05:06:07.89-03:30", "2005-03-04T05:06:07-03:30"),
        ("2005-03-04T05:06:07", "2005-03-04T05:06:07+00:00"),
        ("2005-03-04T05:06:07z", "2005-03-04T05:06:07+00:00"),
        ("2005-03-04 05:06:07 +0800", "2005-03-04T05:06:07+08:00"),
        ("2005-03-04 05:06:07 UTC", "2005-03-04T05:06:07+00:00"),
        ("2005-03-04 05:06:07 GMT-0330", "2005-03-04T05:06:07-03:30"),
        ("2005-03-04T05:06:07.1234567Z", "2005-03-04T05:06:07+00:00"),
        ("20050304T050607Z", "2005-03-04T05:06:07+00:00"),
        ("2005/3/4", "2005-03-04T00:00:00+00:00"),
        ("2005-3-4 5:06", "2005-03-04T05:06:00+00:00"),
        ("Fri, 04 Mar 2005 05:06:07 GMT", "2005-03-04T05:06:07+00:00"),
        ("Friday, 4-March-2005 05:06:07 +0100", "2005-03-04T05:06:07+01:00"),
        ("4 mar 2005", "2005-03-04T00:00:00+00:00"),
        ("\n 2005-03-04 ", "2005-03-04T00:00:00+00:00"),
        ("1970-01-01", "1970-01-01T00:00:00+00:00"),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59+00:00"),
    ],
)
def test_dates_are_read_in_their_many_forms(text, meant):
    assert int(datetime.fromisoformat(meant).timestamp()) == moment(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "now", "0", "20", "200503041", "2005-13-01", "2005-02-30", "2005-03-04T25:00", "2005-03-04T05:61", "0001-01-01T00:00:00",
        "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59x", "1969-12-31", "4 xyz 2005", "٢٠٠٥", "03/04/2005", "-2005-03-04",
        "2005-03-04T05:06:07" + " " * 100 + "Z", "9" * 5000, "0000-01-01 0:00 +0100", "0001-1-1 0:00 +0100",
    ],
)  # fmt: skip
def test_what_is_no_date_is_none(text):
    assert moment(text) is None
    assert (Entry("/"),) == read(f"<urlset><url><lastmod>{text}</lastmod><loc>/</loc></url></urlset>").entries


@given(st.datetimes(datetime(1970, 1, 2), datetime(9998, 1, 1), timezones=st.timezones()))  # noqa: DTZ001 - Hypothesis wants bounds without a zone
def test_every_date_since_1970_is_read_back(when):
    when = when.replace(microsecond=0)
    aware = when.astimezone(UTC)

    assert int(aware.timestamp()) == moment(aware.isoformat())
    assert int(aware.timestamp()) == moment(f"{aware:%Y/%m/%d %H:%M:%S} UTC")


@settings(max_examples=50)
@given(st.text(max_size=40) | st.from_regex(sitemap._NUMERIC, fullmatch=True) | st.from_regex(sitemap._NAMED, fullmatch=True))
def test_no_date_raises(text):
    found = moment(text)

    assert found is None or found >= 0


# --- anything -----------------------------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [
        b"<urlset>", b"<sitemapindex>", b"</urlset>", b"<url>", b"</url>", b"<sitemap>", b"</sitemap>", b"<loc>", b"</loc>", b"http://h/",
        b"&", b"&amp;", b"&#0;", b"&x;", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?xml encoding='utf-16'?>", b"<?", b"?>", b"<!DOCTYPE a [",
        b"<!DOCTYPE a>", b"]>", b"\xff\xfe", b"\xef\xbb\xbf", b"<\0", b"\0<", b"\x1f\x8b", b"\n", b"<lastmod>", b"2005", b"</lastmod>",
        b"<a:b xmlns:a='", b"'", b'"', b"/>", b" ", b"<link rel='alternate' href='x'/>", b"<image:image>", b"</image:image>", b"\xe4",
    ]
)  # fmt: skip


@settings(deadline=None)    # the first guess at an encoding loads a detector
@given(st.lists(PIECES, max_size=30).map(b"".join) | st.binary(max_size=100), st.sampled_from([None, "text/plain", "text/xml; charset=utf-16", "a/b; charset=iso-2022-kr"]))
def test_nothing_raises(body, content_type):
    for expected in (False, True):
        found = sitemap.read(body, content_type=content_type, expected=expected)
        also = sitemap.read(b"<urlset>" + body, content_type=content_type, expected=expected)

        assert found is None or all(entry.href == markup.trimmed(entry.href) != "" for entry in (*found.entries, *found.sitemaps))
        assert also is None or isinstance(also, Sitemap)


URLS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"], exclude_characters="\ufffe\uffff"), min_size=1, max_size=30)


@given(st.lists(URLS.map(lambda url: f"http://h/{url}."), max_size=20), st.sampled_from(["utf-8", "utf-16", "utf-8-sig"]), st.booleans())
def test_urls_come_back_as_they_were_written(urls, encoding, packed):
    """Whether their ampersands are written as XML wants it, or in a section."""
    written = [url.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;") for url in urls]
    body = urlset(*written).encode(encoding)

    assert urls == hrefs(read(gzip.compress(body) if packed else body))
    assert urls == hrefs(read(urlset(*(f"<![CDATA[{url.replace(']]>', ']]]]><![CDATA[>')}]]>" for url in urls)).encode(encoding)))
