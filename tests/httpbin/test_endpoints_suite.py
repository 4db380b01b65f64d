"""What each endpoint of httpbin answered to someone else, read where it lies, against what the database says of a crawl of all."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import pytest

from crawler.core import urls

CASES = Path(__file__).resolve().parents[2].parent / "shared" / "suites" / "http" / "httpbin_endpoints.jsonl"

if not CASES.is_file():
    pytest.skip("the published cases are not here", allow_module_level=True)

Case = dict[str, object]

ALL: list[Case] = [json.loads(line) for line in CASES.read_text("utf-8").splitlines()]
PLAIN = [case for case in ALL if str(case["path"]).startswith("/")]
SECURE = [case for case in ALL if "tls" in case["tags"]]
TRIES = 2

# Their answers repeat the request: its headers, its cookies, or the port.
ECHOES = (
    "/get", "/gzip", "/deflate", "/brotli", "/stream/", "/delay/", "/cache", "/etag/", "/user-agent", "/headers", "/anything/", "/cookies",
    "/absolute-redirect/",
)  # fmt: skip


def path_of(case: Case) -> str:
    """Return the path as a crawl spells it."""
    return urls.split(urls.spell(f"http://host.test{case['path']}"))[1]


def named(*tags: str, of: list[Case] = PLAIN) -> list[object]:
    return [pytest.param(case, id=case["id"]) for case in of if not tags or not set(tags).isdisjoint(case["tags"])]


def asked(case: Case) -> bool:
    """Tell whether there is an answer to compare with: a forbidden page has none, and one that is too slow neither."""
    return case["path"] != "/deny" and "timeout" not in case["tags"]


ANSWERED = [pytest.param(case, id=case["id"]) for case in PLAIN if asked(case)]


@pytest.fixture(scope="module")
def crawl(new_crawl):
    """Everything at once, but without what lies behind links; cookies of one case may reach the others."""
    return new_crawl().run(*(path_of(case) for case in PLAIN if "timeout" not in case["tags"]), depth=0, tries=TRIES)


@pytest.mark.parametrize("case", ANSWERED)
def test_what_was_answered_is_what_is_recorded(crawl, case):
    path = path_of(case)
    fetch, sent, page, error = crawl.fetched(path), crawl.headers(path), crawl.page(path), crawl.error(path)
    status, size = fetch["status"], fetch["wire_bytes"] if fetch["body_id"] is None else fetch["bytes"]
    nowhere = is_redirect(case) and leads_nowhere(case)

    assert status in ((200, 500) if "flaky" in case["tags"] else (case["status"],))
    assert (mime_of(case), case["content_encoding"]) == (fetch["mime"], sent.get("content-encoding"))
    assert (case["location"] is not None, case["chunked"]) == ("location" in sent, sent.get("transfer-encoding") == "chunked")
    assert path.startswith(ECHOES) or case["length"] == size
    assert (status < 300 and status != 204 and path != "/robots.txt") == (page is not None)
    unasked = status == 304     # to a request that made no conditions
    assert (status >= 400 or nowhere or unasked) == (error is not None)
    assert ("redirect" if nowhere else "protocol" if unasked else None) == (error and error["fault"])
    assert target_of(case, crawl) == crawl.target(path)


def mime_of(case: Case) -> str | None:
    return None if case["content_type"] is None else str(case["content_type"]).partition(";")[0]


def is_redirect(case: Case) -> bool:
    return case["status"] in (301, 302, 303, 307, 308)


def leads_nowhere(case: Case) -> bool:
    return not case["location"] or not urljoin("http://host.test/", str(case["location"])).startswith("http")


def target_of(case: Case, crawl) -> str | None:
    """Return where a redirect leads; those to httpbin itself name the port at which it was asked then."""
    location = str(case["location"])
    if not is_redirect(case) or leads_nowhere(case):
        return None
    if "absolute" in str(case["path"]):
        location = urlsplit(location)._replace(netloc=urlsplit(crawl.origin).netloc).geturl()
    return crawl.path(urls.spell(location, crawl.url(path_of(case))))


@pytest.mark.parametrize("case", [one for one in named("status") if "retried" in str(one.values[0]["expect"]).split(" with")[0]])
def test_what_is_said_of_tries_holds(crawl, case):
    known = crawl.known(path_of(case))
    expected = (1, "done") if case["expect"] == "not retried" else (TRIES, "failed")
    assert expected == (known["tries"], known["state"])


@pytest.mark.parametrize("case", named("links"))
def test_a_page_of_links_has_all_but_its_own(crawl, case):
    number = int(str(case["path"]).split("/")[2])
    assert number - 1 == crawl.page(path_of(case))["links"] == len(crawl.links(path_of(case)))


@pytest.mark.parametrize("case", named("binary", "json"))
def test_what_is_no_hypertext_has_no_links(crawl, case):
    links = crawl.links(path_of(case))
    assert [] == links if "svg" not in str(case["path"]) else all("w3.org" in link for link in links)      # a drawing may have a few


@pytest.mark.parametrize("case", [one for one in named("cache") if "ETag" in str(one.values[0]["expect"]) or "/etag/" in str(one.values[0]["path"])])
def test_validators_are_kept(crawl, case):
    sent, fetch = crawl.headers(path_of(case)), crawl.fetched(path_of(case))
    assert (sent["etag"], sent.get("last-modified")) == (fetch["etag"], fetch["last_modified"])


@pytest.mark.parametrize("case", named("auth"))
def test_a_challenge_is_kept(crawl, case):
    assert (case["status"] == 401) == ("www-authenticate" in crawl.headers(path_of(case)))


@pytest.mark.parametrize("case", named("security"))
def test_no_file_lies_outside_of_its_folder(crawl, case):
    assert (crawl.folder / crawl.page(path_of(case))["file"]).resolve().is_relative_to((crawl.folder / "pages").resolve())


@pytest.mark.parametrize("case", named("url"))
def test_a_path_is_sent_as_it_is_spelt(crawl, case):
    assert case["path"] == "/anything/a%2Fb/../c" or case["path"] == path_of(case)
    assert 200 == crawl.page(path_of(case))["status"]


def test_a_forbidden_page_is_not_asked_for(crawl):
    assert ("excluded", "robots", 0) == tuple(crawl.known("/deny")[name] for name in ("state", "reason", "tries"))


def test_robots_txt_says_what_it_is_known_to_say(crawl):
    [row] = crawl.query("SELECT text FROM robots WHERE origin = ?", crawl.origin)
    assert "User-agent: *\nDisallow: /deny" == row["text"].strip()


@pytest.mark.parametrize("case", named("timeout"))
def test_an_answer_that_takes_too_long_is_a_timeout_after_its_tries(new_crawl, case):
    slow = new_crawl().run(path_of(case), timeout=0.5, tries=TRIES, robots=False)
    error = slow.error(path_of(case))
    assert ("timeout", TRIES, "failed") == (error["fault"], error["tries"], error["state"])


@pytest.mark.parametrize("case", named(of=SECURE))
def test_certificates_are_judged_as_published(new_crawl, secure, authority, case):
    settings = {"default verification": {}, "verification off": {"insecure": ("127.0.0.1",)}, "CA given": {"ca_file": authority}}
    url = f"{secure}/get"
    crawl = new_crawl().run(url, tries=1, robots=False, **settings[str(case["expect"])])
    error = crawl.error(url)
    assert case.get("status") == crawl.fetched(url)["status"]
    assert ("tls" if "error" in case else None) == (error and error["fault"])
