"""Answers that take their time against each limit on time: what is in time is a page, what is not the fault `timeout`."""

from __future__ import annotations

import pytest

import crawler.fetch.client

LATE = "/delay/0.8"
DRIPPING = "/drip?duration=2&numbytes=10"
SLOW_ERROR = "/drip?duration=0.3&numbytes=5&delay=0.2&code=404"
HANGING = "/drip?duration=20&numbytes=2"


def seconds(crawl, path: str) -> float:
    return crawl.fetched(path)["total_ms"] / 1000


@pytest.fixture(scope="module")
def patient(new_crawl):
    return new_crawl().run("/delay/0.4", "/drip?duration=0.6&numbytes=6&delay=0.2", SLOW_ERROR, robots=False)


def test_a_slow_answer_in_time_is_a_page_and_its_time_is_recorded(patient):
    page = patient.page("/delay/0.4")
    assert 200 == page["status"]
    assert 400 <= page["ttfb_ms"] <= page["total_ms"]


def test_a_dripping_body_in_time_is_a_page(patient):
    page = patient.page("/drip?duration=0.6&numbytes=6&delay=0.2")
    assert (b"******", 200 <= page["ttfb_ms"] < 600) == (patient.body("/drip?duration=0.6&numbytes=6&delay=0.2"), True)
    assert page["total_ms"] >= 600


def test_a_slow_error_page_is_an_error_by_its_status_and_asked_for_once(patient):
    error = patient.error(SLOW_ERROR)
    assert (404, None, 1, "done") == (error["status"], error["fault"], error["tries"], error["state"])


def test_an_answer_beyond_the_limit_in_all_is_a_timeout_after_its_tries(new_crawl):
    crawl = new_crawl().run(LATE, timeout=0.3, tries=2, robots=False)
    error = crawl.error(LATE)
    assert (None, "timeout", 2, "failed") == (error["status"], error["fault"], error["tries"], error["state"])
    assert error["detail"]
    assert None is crawl.page(LATE)


def test_headers_beyond_their_limit_are_a_timeout(new_crawl):
    crawl = new_crawl().run(LATE, header_timeout=0.3, tries=1, robots=False)
    assert None is crawl.page(LATE)
    assert "timeout" == crawl.error(LATE)["fault"]


def test_a_timeout_of_the_headers_says_so(new_crawl):
    crawl = new_crawl().run(LATE, header_timeout=0.2, connect_timeout=0.1, dns_timeout=0.1, tries=1, robots=False)
    error = crawl.error(LATE)
    assert ("timeout", "no complete headers within 0.2 s") == (error["fault"], error["detail"])


def test_a_gap_between_two_pieces_beyond_its_limit_is_a_timeout(new_crawl):
    crawl = new_crawl().run(HANGING, read_timeout=0.3, tries=1, robots=False)
    error = crawl.error(HANGING)
    assert (200, "timeout", "failed") == (error["status"], error["fault"], error["state"])
    assert None is crawl.page(HANGING)


def test_pieces_that_keep_coming_are_stopped_by_the_limit_in_all(new_crawl):
    crawl = new_crawl().run(DRIPPING, read_timeout=1, timeout=0.6, tries=1, robots=False)
    error = crawl.error(DRIPPING)
    assert (200, "timeout") == (error["status"], error["fault"])
    assert 0.5 < seconds(crawl, DRIPPING) < 1.5


@pytest.mark.parametrize(("rate", "fault"), [(1024, "timeout"), (0, None)])
def test_pieces_that_keep_coming_too_slowly_are_stopped_by_the_least_rate(new_crawl, monkeypatch, rate, fault):
    monkeypatch.setattr(crawler.fetch.client, "RATE_FROM", 0.1)
    path = "/drip?duration=0.5&numbytes=10"
    crawl = new_crawl().run(path, min_rate=rate, tries=1, robots=False)
    error = crawl.error(path)
    assert fault == (error and error["fault"])
    assert (fault is None) == (crawl.page(path) is not None)
    if error:
        assert "slower than 1024 bytes a second" in error["detail"]


def test_a_slow_page_holds_up_no_other(new_crawl):
    crawl = new_crawl().run("/delay/0.6", *(f"/get?{number}" for number in range(20)), robots=False)
    first = crawl.query("SELECT url FROM fetch JOIN urls USING (url_id) ORDER BY fetch_id DESC LIMIT 1")[0]["url"]
    assert ("/delay/0.6", 21) == (crawl.path(first), crawl.summary.pages)


def test_an_error_page_that_does_not_end_is_still_known_by_its_status(new_crawl):
    path = HANGING + "&code=404"
    crawl = new_crawl().run(path, read_timeout=0.2, tries=1, robots=False)
    error = crawl.error(path)
    assert (404, None, 1) == (error["status"], error["fault"], error["tries"])
