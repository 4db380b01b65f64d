"""Statuses of every class: which are pages, which are errors, which are asked for again; a status is no fault, but for a 304
that nobody has asked for: it says nothing to whoever has no page."""

from __future__ import annotations

import pytest

TRIES = 3
NOT_AGAIN = (400, 401, 402, 403, 404, 405, 406, 407, 409, 410, 411, 413, 414, 415, 416, 418, 422, 451, 501, 505, 508, 511, 520, 599)
AGAIN = (408, 425, 429, 500, 502, 503, 504, 522, 524)
NO_PAGE_NO_ERROR = (204, 205, 306)
UNASKED = 304
PAGES = (200, 201, 202, 203, 206, 226, 299)
BASIC, DIGEST = "/basic-auth/user/passwd", "/digest-auth/auth/user/passwd"


@pytest.fixture(scope="module")
def crawl(new_crawl):
    statuses = (*NOT_AGAIN, *AGAIN, *NO_PAGE_NO_ERROR, UNASKED, *PAGES)
    return new_crawl().run(
        *(f"/status/{status}" for status in statuses), BASIC, "/hidden-basic-auth/user/passwd", "/bearer", DIGEST, "/status/200:3,500:0",
        "/no/such/page", "/post", tries=TRIES,
    )  # fmt: skip


def test_no_status_is_a_fault_but_one_that_answers_what_was_not_asked(crawl):
    found = crawl.query("SELECT status, fault FROM errors WHERE fault IS NOT NULL")
    assert [(UNASKED, "protocol")] == [tuple(row) for row in found]


def test_nothing_is_left_over(crawl):
    assert ("finished", 0) == (crawl.summary.outcome, crawl.summary.queued)


@pytest.mark.parametrize("status", NOT_AGAIN)
def test_what_stays_as_it_is_is_asked_for_once(crawl, status):
    error = crawl.error(f"/status/{status}")
    assert (status, 1, "done") == (error["status"], error["tries"], error["state"])
    assert None is crawl.page(f"/status/{status}")


@pytest.mark.parametrize("status", AGAIN)
def test_what_may_pass_is_asked_for_again_and_given_up_after_its_tries(crawl, status):
    path = f"/status/{status}"
    error = crawl.error(path)
    asked = crawl.query("SELECT count(*) AS times FROM fetch JOIN urls USING (url_id) WHERE url = ? AND status = ?", crawl.url(path), status)
    assert (status, TRIES, "failed") == (error["status"], error["tries"], error["state"])
    assert TRIES == asked[0]["times"]


@pytest.mark.parametrize("status", NO_PAGE_NO_ERROR)
def test_what_has_no_content_is_neither_page_nor_error(crawl, status):
    path = f"/status/{status}"
    assert (None, None) == (crawl.page(path), crawl.error(path))
    assert (status, "done") == (crawl.fetched(path)["status"], crawl.known(path)["state"])


@pytest.mark.parametrize("status", PAGES)
def test_every_good_status_is_a_page(crawl, status):
    page = crawl.page(f"/status/{status}")
    assert (status, 0, None) == (page["status"], page["bytes"], crawl.error(f"/status/{status}"))
    assert (status == 206) == page["truncated"]


@pytest.mark.parametrize(
    ("path", "status", "challenge"),
    [(BASIC, 401, 'Basic realm="Fake Realm"'), ("/bearer", 401, "Bearer"), ("/hidden-basic-auth/user/passwd", 404, None)],
)
def test_a_page_behind_a_password_is_an_error_without_one(crawl, path, status, challenge):
    assert (status, 1, challenge) == (crawl.error(path)["status"], crawl.error(path)["tries"], crawl.headers(path).get("www-authenticate"))


def test_a_digest_challenge_is_kept_with_its_nonce(crawl):
    assert 401 == crawl.error(DIGEST)["status"]
    assert "nonce=" in crawl.headers(DIGEST)["www-authenticate"]


def test_a_page_that_is_no_more_and_one_that_takes_no_get_are_errors(crawl):
    assert (404, 405) == (crawl.error("/no/such/page")["status"], crawl.error("/post")["status"])


def test_bodies_of_errors_are_kept_only_when_asked_for(crawl, new_crawl, answer):
    assert None is crawl.fetched("/status/418")["body_id"]
    kept = new_crawl().run("/status/418", "/status/406", save_errors=True)
    [file] = kept.query("SELECT file FROM body JOIN fetch USING (body_id) JOIN urls USING (url_id) WHERE url = ?", kept.url("/status/418"))
    assert answer("/status/418") == (kept.folder / file["file"]).read_bytes()
    assert 0 == kept.summary.pages
