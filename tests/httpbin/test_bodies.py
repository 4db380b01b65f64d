"""Bodies of httpbin: kept byte for byte, decoded, read for links or left alone, whatever way they came."""

from __future__ import annotations

import hashlib
import json

import pytest

RANDOM, STREAMED = "/bytes/1024?seed=1", "/stream-bytes/102400?seed=1&chunk_size=1000"
CAPPED, RANGED = "/bytes/10485760?seed=1", "/range/102400"
SAME_FOR_ALL = (
    RANDOM, STREAMED, CAPPED, RANGED, "/range/1024", "/image/png", "/image/jpeg", "/image/webp", "/image/svg", "/html", "/xml", "/json",
    "/encoding/utf8", "/forms/post", "/stream-bytes/1?seed=7", "/bytes/0", "/", "/links/10/0",
)  # fmt: skip


@pytest.fixture(scope="module")
def link_page(encoded) -> str:
    return encoded("<title>made here</title><p>to <a href='/anything/found'>a page</a>")


@pytest.fixture(scope="module")
def crawl(new_crawl, link_page):
    return new_crawl().run(*SAME_FOR_ALL, "/stream/20", "/gzip", "/deflate", "/brotli", "/deny", link_page, depth=1, exclude=("/delay/", "/drip"))


@pytest.fixture(scope="module")
def deep(new_crawl):
    return new_crawl().run("/links/200/0")


@pytest.mark.parametrize("path", SAME_FOR_ALL)
def test_a_body_is_kept_byte_for_byte(crawl, answer, path):
    expected = answer(path)
    digest = hashlib.sha256(expected).digest()
    [stored] = crawl.query("SELECT digest FROM body JOIN pages USING (body_id) WHERE url = ?", crawl.url(path))
    assert expected == crawl.body(path)
    assert digest == stored["digest"]
    assert digest.hex()[:32] in crawl.page(path)["file"]
    assert (200, len(expected), 0) == (crawl.page(path)["status"], crawl.page(path)["bytes"], crawl.page(path)["truncated"])


def test_a_body_in_chunks_is_put_together(crawl):
    assert "chunked" == crawl.headers(STREAMED)["transfer-encoding"]
    assert 102_400 == crawl.page(STREAMED)["bytes"]


def test_a_stream_of_lines_is_kept_whole(crawl):
    lines = [json.loads(line) for line in crawl.body("/stream/20").splitlines()]
    assert list(range(20)) == [line["id"] for line in lines]


@pytest.mark.parametrize(
    ("path", "word", "coding"), [("/gzip", "gzipped", "gzip"), ("/deflate", "deflated", "deflate"), ("/brotli", "brotli", "br")]
)
def test_a_coded_body_is_stored_decoded(crawl, path, word, coding):
    page = crawl.page(path)
    assert True is crawl.json(path)[word]
    assert coding == crawl.headers(path)["content-encoding"]
    assert int(crawl.headers(path)["content-length"]) == page["wire_bytes"]
    assert (len(crawl.body(path)), 0) == (page["bytes"], page["truncated"])


@pytest.mark.parametrize("path", ["/image/png", "/image/jpeg", RANDOM, "/json", "/stream/20"])
def test_what_is_no_text_with_links_is_not_read(crawl, path):
    page = crawl.page(path)
    assert (None, None, 0) == (page["title"], page["charset"], page["links"])
    assert None is crawl.error(path)


@pytest.mark.parametrize(
    ("path", "mime"),
    [
        ("/html", "text/html"), ("/xml", "application/xml"), ("/json", "application/json"), ("/image/png", "image/png"),
        ("/image/svg", "image/svg+xml"), (RANDOM, "application/octet-stream"), ("/forms/post", "text/html"),
    ],
)  # fmt: skip
def test_a_page_has_the_type_its_server_names(crawl, path, mime):
    assert mime == crawl.page(path)["mime"]


def test_the_charset_is_recorded_and_the_text_stays_as_it_came(crawl):
    assert "utf-8" == crawl.page("/encoding/utf8")["charset"].lower()
    assert "STARGΛ̊TE SG-1" in crawl.body("/encoding/utf8").decode()


def test_the_same_bytes_under_two_urls_are_one_file(crawl):
    [copies] = crawl.query("SELECT copies FROM duplicates")
    assert (2, crawl.page(CAPPED)["file"]) == (copies["copies"], crawl.page(STREAMED)["file"])


# --- links -----------------------------------------------------------------------------------------------------------


def test_a_page_without_links_has_none(crawl):
    assert (0, []) == (crawl.page("/html")["links"], crawl.links("/html"))


def test_nine_of_ten_links_are_found_since_a_page_does_not_link_to_itself(crawl):
    assert [f"/links/10/{number}" for number in range(1, 10)] == crawl.links("/links/10/0")
    assert 9 == crawl.page("/links/10/0")["links"]
    assert [1] * 9 == [crawl.known(f"/links/10/{number}")["depth"] for number in range(1, 10)]


def test_links_of_a_page_made_on_the_spot_are_followed(crawl, link_page):
    assert ("made here", 1) == (crawl.page(link_page)["title"], crawl.page(link_page)["links"])
    assert "GET" == crawl.json("/anything/found")["method"]


def test_two_hundred_pages_that_link_to_each_other_are_asked_for_once_each(deep):
    assert (200, 200) == (deep.summary.pages, deep.query("SELECT count(*) AS n FROM pages")[0]["n"])
    assert [(0, 1), (1, 199)] == [tuple(row) for row in deep.query("SELECT depth, count(*) FROM pages GROUP BY depth")]
    assert 200 * 199 == deep.query("SELECT count(*) AS n FROM links")[0]["n"]
    assert 201 == deep.query("SELECT count(*) AS n FROM fetch")[0]["n"]     # and robots.txt


def test_where_a_form_leads_is_not_asked_for(crawl):
    assert b'action="/post"' in crawl.body("/forms/post")
    assert ([], None) == (crawl.links("/forms/post"), crawl.known("/post"))


# --- robots.txt ------------------------------------------------------------------------------------------------------


def test_a_forbidden_page_is_not_asked_for_and_its_rule_is_named(crawl):
    known = crawl.known("/deny")
    assert ("excluded", "robots", 0) == (known["state"], known["reason"], known["tries"])
    assert "robots.txt line 2: Disallow: /deny" == known["rule"]


def test_a_forbidden_page_is_asked_for_when_robots_txt_is_not_to_count(new_crawl, answer):
    crawl = new_crawl().run("/deny", robots=False)
    assert answer("/deny") == crawl.body("/deny")
    assert [] == crawl.query("SELECT * FROM robots")


def test_robots_txt_is_kept_as_rules_and_is_no_page(crawl, answer):
    [row] = crawl.query("SELECT * FROM robots")
    assert (crawl.origin, 200, answer("/robots.txt").decode()) == (row["origin"], row["status"], row["text"])
    assert (None, "robots") == (crawl.page("/robots.txt"), crawl.known("/robots.txt")["seen_as"])
    assert [] == crawl.query("SELECT * FROM errors WHERE url LIKE '%/robots.txt'")


# --- limits ----------------------------------------------------------------------------------------------------------


def test_a_body_beyond_the_limit_is_cut_and_flagged(new_crawl, answer):
    crawl = new_crawl().run(CAPPED, STREAMED, max_size=5_000)
    for path in (CAPPED, STREAMED):
        assert (answer(path)[:5_000], 1) == (crawl.body(path), crawl.page(path)["truncated"])


def test_links_beyond_the_limit_are_left_out_and_that_is_recorded(new_crawl):
    crawl = new_crawl().run("/links/50/0", depth=0, max_links=20)
    fetch = crawl.fetched("/links/50/0")
    assert (20, 1) == (len(crawl.links("/links/50/0")), fetch["links_truncated"])


def test_a_limit_on_pages_is_exact(new_crawl):
    crawl = new_crawl().run("/links/30/0", max_pages=7)
    assert ("limit", 7) == (crawl.summary.outcome, crawl.query("SELECT count(*) AS n FROM pages")[0]["n"])
