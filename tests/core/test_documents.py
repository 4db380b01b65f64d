"""What a body is read as, and what is not even sent to a parser."""

from __future__ import annotations

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.core.documents import may_speak, mime_of, reading_of, speaking
from crawler.core.model import Kind

HTML = b"<!doctype html><p>x"
XML = b"<?xml version='1.0'?><rss/>"
PDF = b"%PDF-1.7\n"
GZIP = gzip.compress(b"http://host.test/", mtime=0)


@pytest.mark.parametrize(
    ("header", "mime"),
    [(None, ""), ("", ""), (" Text/HTML ; charset=x", "text/html"), ("text/html;", "text/html"), ("nonsense", "nonsense"), (";x", "")],
)
def test_a_media_type_is_what_stands_before_the_parameters(header, mime):
    assert mime == mime_of(header)


@pytest.mark.parametrize(
    ("content_type", "body", "reading"),
    [
        ("text/html", b"anything", "html"),
        ("TEXT/HTML; charset=x", XML, "html"),
        ("text/html", PDF, None),
        ("application/xhtml+xml", HTML, "xhtml"),
        ("application/xhtml+xml; charset=utf-8", b"", "xhtml"),
        ("text/xml", HTML, "xml"),
        ("application/xml", XML, "xml"),
        ("application/rss+xml", XML, "xml"),
        ("application/atom+xml", XML, "xml"),
        ("image/svg+xml", b"<svg/>", "xml"),
        ("application/json", b"{}", "json"),
        ("application/feed+json", b"{}", "json"),
        ("application/manifest+json", b"{}", "manifest"),
        ("text/css", b"", "css"),
        ("Text/CSS; charset=x", b"", "css"),
        ("application/pdf", b"", "pdf"),
        # without a type, by the first bytes
        (None, HTML, "html"),
        ("", b" \n<html>", "html"),
        ("application/octet-stream", HTML, None),
        (None, XML, "xml"),
        ("application/unknown", b"\xef\xbb\xbf \n" + XML, "xml"),
        ("*/*", XML, "xml"),
        ("nonsense", XML, "xml"),
        (None, b" " * 300 + XML, None),
        (None, PDF, "pdf"),
        ("application/octet-stream", PDF, None),
        (None, b"{}", None),
        (None, b"", None),
        # what says what it is, and is nothing of ours
        ("text/plain", HTML, None),
        ("text/plain", XML, None),
        ("text/plain", PDF, None),
        ("image/png", HTML, None),
        ("application/gzip", GZIP, None),
        ("text/javascript", b"", None),
        ("application/ld+json", b"{}", None),
    ],
)
def test_a_link_leads_to_what_the_type_says_or_the_first_bytes_where_there_is_none(content_type, body, reading):
    assert reading == reading_of(body, content_type, Kind.A)


@pytest.mark.parametrize("content_type", [None, "text/plain", "text/html", "text/xml", "application/gzip", "application/pdf", "image/png"])
@pytest.mark.parametrize("body", [b"", HTML, XML, PDF, GZIP])
def test_what_somebody_calls_a_sitemap_is_read_as_one(content_type, body):
    """They are served as anything."""
    assert "sitemap" == reading_of(body, content_type, Kind.SITEMAP)


def test_a_packed_seed_may_be_a_sitemap_and_another_packed_file_is_not():
    assert "sitemap" == reading_of(GZIP, "application/gzip", Kind.SEED)
    assert None is reading_of(GZIP, "application/gzip", Kind.A)
    assert "html" == reading_of(HTML, "text/html", Kind.SEED)


@pytest.mark.parametrize(
    ("content_type", "reading"),
    [("application/json", "manifest"), ("application/x-web-app-manifest+json", "manifest"), (None, "manifest"), ("", "manifest"),
     ("application/octet-stream", None), ("text/plain", None), ("text/css", "css"), ("text/html", "html")],
)  # fmt: skip
def test_what_a_page_calls_its_manifest_is_read_as_one_where_its_type_allows_that(content_type, reading):
    assert reading == reading_of(b"{}", content_type, Kind.MANIFEST)


@pytest.mark.parametrize("content_type", ["image/png", "text/plain", "text/javascript", "video/mp4", "application/zip", "font/woff2"])
def test_what_says_that_it_holds_no_links_is_not_sent_to_a_parser(content_type):
    assert not may_speak(content_type, Kind.A)
    assert may_speak(content_type, Kind.SITEMAP)
    assert may_speak(content_type, Kind.SEED)


TYPES = st.none() | st.text(max_size=30) | st.builds(
    "{}{}/{}{}{}".format,
    st.sampled_from(["", " "]),
    st.sampled_from(["text", "application", "image", "", "TEXT", "unknown", "*", "binary"]),
    st.sampled_from(["html", "xhtml+xml", "xml", "rss+xml", "json", "feed+json", "manifest+json", "css", "pdf", "plain", "x", "*", "octet-stream", "unknown"]),
    st.sampled_from(["", " ", "+xml", "+json"]),
    st.sampled_from(["", ";charset=x", " ; x"]),
)  # fmt: skip


@given(TYPES, st.sampled_from(list(Kind)), st.sampled_from([b"", HTML, XML, PDF, GZIP, b"{}", b"\x89PNG"]) | st.binary(max_size=20))
@settings(deadline=None)
def test_nothing_that_would_be_read_is_kept_from_the_parsers(content_type, kind, body):
    """`may_speak` is asked before there is a body, so it has to say yes wherever `reading_of` finds something."""
    assert may_speak(content_type, kind) or reading_of(body, content_type, kind) is None


def test_headers_that_speak_of_links_are_picked_in_order_with_their_names_in_lower_case():
    headers = [("Date", "x"), ("LINK", "<a>; rel=next"), ("Refresh", "0"), ("Set-Cookie", "secret"), ("link", "b"), ("X-Robots-Tag", "none"),
               ("Content-Location", "/c"), ("X-Link", "d")]  # fmt: skip

    assert (("link", "<a>; rel=next"), ("refresh", "0"), ("link", "b"), ("x-robots-tag", "none"), ("content-location", "/c")) == speaking(headers)
    assert () == speaking([])
