"""What becomes of a URL and its host after every outcome; chance and time are arguments."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.model import (
    Answered,
    Barred,
    Failed,
    Fault,
    Fetched,
    Kind,
    Offers,
    Reason,
    Redirected,
    Reply,
    Request,
    RobotsRead,
    State,
)
from crawler.core.policy import (
    BREAKER_AT,
    BREAKER_URLS,
    CURES,
    LONGEST_BACKOFF,
    ONCE,
    Next,
    Rest,
    RobotsVerdict,
    after,
    backoff,
    breaker,
    retry_after,
    robots_verdict,
)
from crawler.core.robots import ALLOW_ALL
from crawler.core.settings import Settings

NOW = 1_700_000_000.0       # Tue, 14 Nov 2023 22:13:20 GMT
MIDDLE = 0.5
"""The chance at which a wait is exactly what the table says."""


def request(tries: int = 0, kind: Kind = Kind.A, hops: int = 0) -> Request:
    return Request("http://h.test/a", "http://h.test", "h.test", kind, 1, 1, tries=tries, hops=hops)


def next_of(outcome, **chosen) -> Next:
    return after(outcome, Settings(**chosen), now=NOW, chance=MIDDLE)


def failed(fault: Fault, tries: int = 0) -> Next:
    return next_of(Failed(request(tries), fault, "why"))


def answered(status: int, tries: int = 0, *, wait: str | None = None, **chosen) -> Next:
    headers = () if wait is None else (("Retry-After", wait),)
    return next_of(Answered(request(tries), Reply(status, headers)), **chosen)


# --- the table -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", Fault)
def test_every_fault_has_a_cure(fault):
    assert fault in CURES
    assert isinstance(failed(fault), Next)


@pytest.mark.parametrize("fault", [Fault.DECODE, Fault.REDIRECT, Fault.PARSE, Fault.CRASH])
def test_what_would_go_wrong_again_is_not_tried_again(fault):
    assert ONCE == CURES[fault]
    assert Next(State.FAILED, 1) == failed(fault)


@pytest.mark.parametrize("fault", [Fault.TIMEOUT, Fault.RESET, Fault.PROTOCOL, Fault.TRUNCATED])
def test_trouble_with_one_url_is_tried_three_times_and_the_host_goes_on(fault):
    wait = CURES[fault].wait
    assert Next(State.QUEUED, 1, NOW + wait) == failed(fault)
    assert Next(State.QUEUED, 2, NOW + 2 * wait) == failed(fault, tries=1)
    assert Next(State.FAILED, 3) == failed(fault, tries=2)


@pytest.mark.parametrize(("fault", "tries"), [(Fault.DNS, 3), (Fault.CONNECT, 3), (Fault.TLS, 2)])
def test_trouble_with_a_host_rests_all_of_it(fault, tries):
    wait = CURES[fault].wait
    assert Next(State.QUEUED, 1, NOW + wait, rest=Rest(wait, fault.value)) == failed(fault)
    last = failed(fault, tries=tries - 1)
    assert State.FAILED is last.state
    assert last.rest is not None


def test_what_the_guard_refused_is_excluded_with_its_reason():
    assert Next(State.EXCLUDED, 1, reason=Reason.GUARD, rule="why") == failed(Fault.GUARD)


def test_a_barred_url_is_excluded_and_counts_as_not_tried():
    barred = Barred(request(tries=1), Reason.ROBOTS, "line 2")

    assert Next(State.EXCLUDED, 1, reason=Reason.ROBOTS, rule="line 2") == next_of(barred)


def test_a_page_and_a_redirect_are_done():
    assert Next(State.DONE, 1) == next_of(Fetched(request(), Reply(200), None))
    assert Next(State.DONE, 2) == next_of(Redirected(request(1), Reply(301), "http://h.test/b", Offers()))


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 451, 501, 505, 304])
def test_an_answer_that_will_not_change_is_done(status):
    assert Next(State.DONE, 1) == answered(status)


@pytest.mark.parametrize("status", [408, 425, 500, 502, 504, 522, 524])
def test_a_passing_error_is_tried_again_without_resting_the_host(status):
    assert Next(State.QUEUED, 1, NOW + CURES[status].wait) == answered(status)
    assert Next(State.FAILED, 3) == answered(status, tries=2)


@pytest.mark.parametrize("status", [429, 503])
def test_an_overloaded_host_rests(status):
    wait = CURES[status].wait
    assert Next(State.QUEUED, 1, NOW + wait, rest=Rest(wait, f"status {status}")) == answered(status)


def test_the_settings_say_how_often_a_url_is_tried():
    assert State.FAILED is next_of(Answered(request(0), Reply(500)), tries=1).state
    assert State.QUEUED is next_of(Answered(request(8), Reply(500)), tries=10).state
    assert State.FAILED is next_of(Failed(request(1), Fault.TLS, ""), tries=10).state
    assert State.FAILED is next_of(Failed(request(0), Fault.DNS, ""), tries=1).state


# --- waits -----------------------------------------------------------------------------------------------------------


def test_waits_double_with_every_attempt_and_spread_over_half_to_one_and_a_half():
    assert [2, 4, 8, 16] == [backoff(2.0, tries, MIDDLE) for tries in (1, 2, 3, 4)]
    assert (1.0, 3.0) == (backoff(2.0, 1, 0.0), backoff(2.0, 1, 1.0))


@given(st.floats(0, 1e6), st.integers(1, 10**6), st.floats(0, 1, exclude_max=True))
def test_no_wait_is_longer_than_an_hour(wait, tries, chance):
    assert 0 <= backoff(wait, tries, chance) <= LONGEST_BACKOFF


def header(text: str) -> float | None:
    return retry_after(Reply(503, (("Retry-After", text),)), NOW)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("120", 120.0),
        (" 120 ", 120.0),
        ("0", 0.0),
        ("1000000000", 1e9),
        ("Tue, 14 Nov 2023 22:15:20 GMT", 120.0),
        ("Tuesday, 14-Nov-23 22:15:20 GMT", 120.0),
        ("Tue Nov 14 22:15:20 2023", 120.0),
        ("Tue, 14 Nov 2023 22:15:20 -0000", 120.0),
        ("Tue, 14 Nov 2023 23:15:20 +0100", 120.0),
    ],
)
def test_retry_after_is_seconds_or_an_http_date_in_any_of_its_forms(text, seconds, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        assert seconds == header(text)
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    "text", ["-1", "1.5", "1e9", "NaN", "inf", "", "soon", "٣", "Tue, 14 Nov 2023 22:13:19 GMT", "Thu, 01 Jan 1970 00:00:00 GMT",
             "Tue, 99 Nov 2023 22:15:20 GMT", "Tue, 14 Nov 99999999999 22:15:20 GMT", ",,,"]
)  # fmt: skip
def test_a_retry_after_that_is_past_or_nonsense_counts_for_nothing(text):
    assert None is header(text)


@given(st.text(max_size=60))
def test_no_retry_after_breaks_anything(text):
    seconds = header(text)

    assert seconds is None or seconds >= 0


def test_a_header_name_is_read_in_any_case():
    assert 7.0 == retry_after(Reply(503, (("RETRY-after", "7"),)), NOW)
    assert None is retry_after(Reply(503), NOW)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_host_rests_as_long_as_it_asked(status):
    assert Next(State.QUEUED, 1, NOW + 120, rest=Rest(120.0, f"status {status}")) == answered(status, wait="120")
    assert Next(State.QUEUED, 1, NOW + 3600, rest=Rest(3600.0, f"status {status}")) == answered(status, wait="3600")


def test_retry_after_on_another_error_rests_the_host_too_and_never_shortens_the_wait():
    assert Next(State.QUEUED, 1, NOW + 60, rest=Rest(60.0, "status 500")) == answered(500, wait="60")
    assert NOW + 2 == answered(500, wait="1").due_at


@pytest.mark.parametrize("wait", ["3601", "1000000000", "Thu, 14 Nov 2099 22:13:20 GMT"])
def test_a_host_that_asks_for_more_than_an_hour_is_parked_and_the_attempt_does_not_count(wait):
    next_ = answered(503, tries=2, wait=wait)

    assert (State.QUEUED, 2, NOW + LONGEST_BACKOFF) == (next_.state, next_.tries, next_.due_at)
    assert next_.rest is not None
    assert next_.rest.park
    assert next_.rest.why.startswith("status 503: asks to come back in ")


# --- the breaker -----------------------------------------------------------------------------------------------------


def test_a_host_rests_longer_and_longer_once_five_network_faults_came_one_after_another():
    assert [None] * BREAKER_AT == [breaker(failures, BREAKER_URLS, MIDDLE) for failures in range(BREAKER_AT)]
    assert [30, 60, 120] == [breaker(failures, BREAKER_URLS, MIDDLE).seconds for failures in (5, 6, 7)]
    assert "5 network faults one after another" == breaker(5, BREAKER_URLS, MIDDLE).why
    assert LONGEST_BACKOFF == breaker(5000, BREAKER_URLS, MIDDLE).seconds


def test_a_few_urls_that_break_the_connection_do_not_make_their_host_rest():
    assert None is breaker(5000, BREAKER_URLS - 1, MIDDLE)


# --- robots.txt ------------------------------------------------------------------------------------------------------


def robots_read(status: int | None = None, *, hops: int = 0, tries: int = 0, wait: str | None = None, **more) -> RobotsRead:
    headers = () if wait is None else (("Retry-After", wait),)
    reply = None if status is None else Reply(status, headers)
    return RobotsRead(request(tries, Kind.ROBOTS, hops), reply, **more)


def verdict(outcome: RobotsRead) -> RobotsVerdict:
    return robots_verdict(outcome, "steadycrawl")


FORBIDDEN = RobotsVerdict(None)
ALLOWED = RobotsVerdict(ALLOW_ALL)


def test_a_robots_txt_that_is_there_gives_its_rules():
    rules = verdict(robots_read(200, text=b"User-agent: *\nDisallow: /a")).rules

    assert rules is not None
    assert not rules.judge("/a").allowed
    assert rules.judge("/b").allowed


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 418, 451])
def test_a_robots_txt_that_is_not_there_allows_everything(status):
    assert ALLOWED == verdict(robots_read(status))
    assert Next(State.DONE, 1) == next_of(robots_read(status))


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
def test_a_robots_txt_that_cannot_be_had_forbids_everything_for_now(status):
    assert FORBIDDEN == verdict(robots_read(status))
    next_ = next_of(robots_read(status))
    assert Next(State.FAILED, 1, rest=Rest(5.0, f"robots.txt: status {status}")) == next_


@pytest.mark.parametrize("fault", [Fault.DNS, Fault.CONNECT, Fault.TLS, Fault.TIMEOUT, Fault.RESET, Fault.PROTOCOL, Fault.CRASH])
def test_an_unreachable_robots_txt_forbids_everything_for_now(fault):
    assert FORBIDDEN == verdict(robots_read(fault=fault))
    assert f"robots.txt: {fault.value}" == next_of(robots_read(fault=fault)).rest.why


def test_redirects_of_a_robots_txt_are_followed_five_times_and_the_sixth_allows():
    target = "http://elsewhere.test/r"
    for hops in range(5):
        assert RobotsVerdict(None, ask=target) == verdict(robots_read(301, hops=hops, target=target))
        assert Next(State.DONE, 1) == next_of(robots_read(301, hops=hops, target=target))

    assert ALLOWED == verdict(robots_read(301, hops=5, target=target))


def test_a_redirect_of_a_robots_txt_to_nowhere_allows():
    assert ALLOWED == verdict(robots_read(302))


def test_a_robots_txt_that_the_guard_refuses_leaves_it_to_each_url_but_its_redirects_do_not_open_anything():
    assert ALLOWED == verdict(robots_read(fault=Fault.GUARD))
    assert FORBIDDEN == verdict(robots_read(fault=Fault.GUARD, hops=1))


def test_a_host_without_its_robots_txt_rests_longer_each_time_and_is_parked_in_the_end():
    waits = [next_of(robots_read(503, tries=tries)).rest for tries in range(3)]

    assert [5.0, 10.0, 20.0] == [rest.seconds for rest in waits]
    assert [False, False, True] == [rest.park for rest in waits]


def test_retry_after_counts_for_robots_txt_too():
    assert Rest(60.0, "robots.txt: status 503") == next_of(robots_read(503, wait="60")).rest
    assert Rest(5.0, "robots.txt: status 503") == next_of(robots_read(503, wait="1")).rest
    parked = next_of(robots_read(429, wait="86400")).rest
    assert Rest(86400.0, "robots.txt: status 429", park=True) == parked
