"""What is sent with a request, what is kept of an answer's headers, and the cookies that go to and fro."""

from __future__ import annotations

import json

import pytest

import crawler

STAMP = "Wed, 21 Oct 2015 07:28:00 GMT"
LYING = "/response-headers?Content-Type=text/html;%20charset=utf-16"
LOCATED = "/response-headers?Content-Type=text/html&Location=/get"
TAGGED = "/response-headers?ETag=%22mark%22&Last-Modified=Wed,%2021%20Oct%202015%2007:28:00%20GMT"
ATTACHED = "/response-headers?Content-Disposition=attachment;filename=..%2F..%2Fx"
HIDDEN = "/response-headers?X-Robots-Tag=noindex,nofollow"
PATHS = (
    "/headers", "/user-agent", "/get", TAGGED, LYING, LOCATED, ATTACHED, HIDDEN, "/etag/xyz", "/cache", "/cache/60",
    "/response-headers?Retry-After=2", "/response-headers?X-Twice=1&X-Twice=2", "/range/1024",
    "/anything/%E2%82%AC?q=%00", "/anything/a%2Fb/c", "/anything?b=2&a=1&a=&", "/anything/%7Euser?", "/ip", "/uuid",
)  # fmt: skip


@pytest.fixture(scope="module")
def crawl(new_crawl):
    return new_crawl().run(*PATHS)


@pytest.fixture(scope="module")
def cookies(new_crawl):
    """One request after the other: what the first has set, the next brings."""
    return new_crawl().run(
        "/cookies?before", "/cookies/set?a=1&b=2", "/cookies?set", "/cookies/set/name/value", "/cookies?named",
        "/cookies/delete?a=", "/cookies?deleted", "/headers?deleted", "/cookies/set?b=3", "/cookies?changed",
        "/response-headers?Set-Cookie=late%3D1;%20Max-Age=0", "/response-headers?Set-Cookie=deep%3D1;%20Path=/anything",
        "/cookies?paths", "/anything/deep", "/response-headers?Set-Cookie=other%3D1;%20Domain=example.org", "/cookies?domains",
        "/response-headers?Set-Cookie=locked%3D1;%20Secure", "/cookies?locked",
        concurrency=1, robots=False,
    )  # fmt: skip


def test_everything_was_stored(crawl):
    assert len(PATHS) == crawl.summary.pages
    assert [] == crawl.query("SELECT * FROM errors")


def test_the_crawler_says_who_it_is(crawl):
    assert {"user-agent": f"steadycrawl/{crawler.__version__}"} == crawl.json("/user-agent")


def test_a_request_says_what_it_takes_and_nothing_of_where_it_comes_from(crawl):
    sent = crawl.json("/headers")["headers"]
    assert {"Host", "User-Agent", "Accept", "Accept-Encoding"} == set(sent)
    assert "gzip, deflate, br, zstd" == sent["Accept-Encoding"]
    assert sent["Accept"].startswith("text/html,")
    assert crawl.origin == f"http://{sent['Host']}"


def test_a_contact_and_headers_of_ones_own_are_sent_with_every_request(new_crawl):
    crawl = new_crawl().run("/headers", "/get", contact="https://example.org/me", headers=("X-Colour: blue: green", "Accept-Language: ko"))
    for path in ("/headers", "/get"):
        sent = crawl.json(path)["headers"]
        assert ("blue: green", "ko") == (sent["X-Colour"], sent["Accept-Language"])
        assert f"steadycrawl/{crawler.__version__} (+https://example.org/me)" == sent["User-Agent"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/anything/%E2%82%AC?q=%00", {"q": "\0"}),
        ("/anything?b=2&a=1&a=&", {"b": "2", "a": ["1", ""]}),
        ("/anything/a%2Fb/c", {}),
    ],
)
def test_queries_arrive_as_they_were_given(crawl, path, expected):
    assert expected == crawl.json(path)["args"]


def test_a_tag_and_a_moment_are_kept_to_ask_again_with(crawl):
    fetch = crawl.fetched(TAGGED)
    assert ('"mark"', STAMP) == (fetch["etag"], fetch["last_modified"])


def test_the_tag_of_etag_is_kept_as_it_was_sent(crawl):
    assert ("xyz", "range1024") == (crawl.fetched("/etag/xyz")["etag"], crawl.fetched("/range/1024")["etag"])


def test_the_validators_of_a_cached_page_are_kept(crawl):
    fetch, sent = crawl.fetched("/cache"), crawl.headers("/cache")
    assert (sent["etag"], sent["last-modified"]) == (fetch["etag"], fetch["last_modified"])
    assert 32 == len(fetch["etag"])
    assert fetch["last_modified"].endswith(" GMT")


def test_a_page_without_validators_has_none(crawl):
    fetch = crawl.fetched("/get")
    assert (None, None) == (fetch["etag"], fetch["last_modified"])


def test_other_headers_are_kept_word_for_word(crawl):
    assert "public, max-age=60" == crawl.headers("/cache/60")["cache-control"]
    assert "noindex,nofollow" == crawl.headers(HIDDEN)["x-robots-tag"]
    assert "2" == crawl.headers("/response-headers?Retry-After=2")["retry-after"]


def test_a_header_that_is_there_twice_is_kept_twice(crawl):
    sent = json.loads(crawl.fetched("/response-headers?X-Twice=1&X-Twice=2")["headers"])
    assert ["1", "2"] == [value for name, value in sent if name == "X-Twice"]


def test_a_location_without_a_redirect_leads_nowhere(crawl):
    assert 200 == crawl.page(LOCATED)["status"]
    assert None is crawl.target(LOCATED)


def test_retry_after_on_a_good_answer_rests_nobody(crawl):
    assert 1 == crawl.known("/response-headers?Retry-After=2")["tries"]
    assert [(None,)] == [tuple(row) for row in crawl.query("SELECT rest_reason FROM hosts")]


def test_a_file_name_in_a_header_shapes_no_path(crawl):
    file = crawl.folder / crawl.page(ATTACHED)["file"]
    assert file.resolve().is_relative_to((crawl.folder / "pages").resolve())
    assert not [path for path in crawl.folder.parent.rglob("x") if path.is_file()]


def test_who_answered_and_how_fast_is_recorded(crawl):
    fetch = crawl.fetched("/ip")
    assert "127.0.0.1" == fetch["ip"]
    assert 0 <= fetch["ttfb_ms"] <= fetch["total_ms"]
    assert "127.0.0.1" == crawl.json("/ip")["origin"]


# --- cookies ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ("before", {}),
        ("set", {"a": "1", "b": "2"}),
        ("named", {"a": "1", "b": "2", "name": "value"}),
        ("deleted", {"b": "2", "name": "value"}),
        ("changed", {"b": "3", "name": "value"}),
        ("paths", {"b": "3", "name": "value"}),
        ("domains", {"b": "3", "name": "value"}),
        ("locked", {"b": "3", "name": "value"}),
    ],
)
def test_cookies_come_back_as_they_were_set_last(cookies, after, expected):
    assert {"cookies": expected} == cookies.json(f"/cookies?{after}")


def test_the_redirect_that_sets_a_cookie_is_followed(cookies):
    assert "/cookies" == cookies.target("/cookies/set?a=1&b=2") == cookies.target("/cookies/set/name/value")
    assert 200 == cookies.page("/cookies")["status"]


def test_cookies_travel_in_one_header(cookies):
    assert {"b=2", "name=value"} == set(cookies.json("/headers?deleted")["headers"]["Cookie"].split("; "))


def test_a_cookie_of_a_path_goes_to_that_path_alone(cookies):
    assert "deep=1" in cookies.json("/anything/deep")["headers"]["Cookie"].split("; ")


def test_cookies_of_a_crawl_are_its_own(new_crawl, cookies):
    assert {"cookies": {}} == new_crawl().run("/cookies").json("/cookies")
