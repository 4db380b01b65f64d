"""When a URL is asked again, and by what its page is told from another version."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.model import Kept
from crawler.core.revisits import LONGEST_ETAG, Visit, conditions, interval

DATE = "Tue, 15 Nov 1994 12:45:26 GMT"


# --- how it is asked -------------------------------------------------------------------------------------------------


def test_what_the_server_sent_is_sent_back_letter_for_letter():
    assert {"If-None-Match": 'W/"a b"', "If-Modified-Since": DATE} == conditions(Kept('W/"a b"', DATE))
    assert {"If-None-Match": "5f3-unquoted"} == conditions(Kept("5f3-unquoted", None))
    assert {} == conditions(Kept()) == conditions(None)


@pytest.mark.parametrize("etag", [
    "", " ", "*", '"a', 'a"', '"a", "b"', "a,b", '"\N{REPLACEMENT CHARACTER}"', '"a\r\nX-Evil: 1"', '"a\x00"', '"é"',
    f'"{"x" * LONGEST_ETAG}"', '"' + "x" * 8_192 + '"',
])  # fmt: skip
def test_an_etag_that_is_none_or_cannot_be_trusted_is_not_sent_back(etag):
    assert {"If-Modified-Since": DATE} == conditions(Kept(etag, DATE))


@pytest.mark.parametrize("date", ["", "yesterday", "0", f"{DATE}\r\nX-Evil: 1", "x" * 100, "Tue, 99 Nov 1994 12:45:26 GMT"])
def test_a_date_that_is_none_is_not_sent_back(date):
    assert {} == conditions(Kept(None, date))


@given(st.text(), st.text())
def test_no_header_that_is_sent_back_can_begin_another(etag, date):
    for value in conditions(Kept(etag, date)).values():
        assert value.isascii()
        assert value.isprintable()
        assert value in (etag.strip(), date.strip())


# --- when it is asked ------------------------------------------------------------------------------------------------

SAME, OTHER = Visit(200, body=1), Visit(200, body=2)
visits = st.lists(st.builds(
    Visit, st.sampled_from([None, 200, 301, 304, 404, 500]), st.sampled_from([None, None, 4]), st.sampled_from([None, 1, 2]),
    st.sampled_from([None, None, 7, 8]),
))  # fmt: skip


def test_what_never_changes_is_asked_ever_more_rarely_and_what_changes_twice_as_often():
    day = 86_400.0
    assert day == interval([SAME], day, 30 * day)
    assert 1.5 * day == interval([SAME, SAME], day, 30 * day)
    assert 1.5**3 * day == interval([SAME, Visit(304), SAME, Visit(304)], day, 30 * day)
    assert 1.5**3 * day / 2 == interval([SAME, SAME, SAME, SAME, OTHER], day, 30 * day)


def test_what_is_not_there_or_elsewhere_is_a_change_and_then_none():
    assert 1.5 == interval([SAME, SAME, Visit(404), Visit(404)], 1, 100)
    assert 1.5 == interval([Visit(301, target=7), Visit(302, target=7)], 1, 100)
    assert 1 == interval([Visit(301, target=7), Visit(301, target=8)], 1, 100)
    assert 1.5 == interval([Visit(404), Visit(404)], 1, 100)


def test_trouble_tells_nothing():
    assert 1.5 == interval([SAME, Visit(500), Visit(None, 4), SAME], 1, 100)
    assert 1 == interval([Visit(304), SAME], 1, 100)


@given(visits, st.floats(1, 1e6), st.floats(1, 1e6))
def test_the_interval_is_within_its_bounds(seen, one, two):
    least, most = sorted((one, two))
    assert least <= interval(seen, least, most) <= most


@given(visits, st.floats(1, 1e6))
def test_a_further_visit_without_a_change_never_makes_it_shorter(seen, least):
    assert interval([*seen, Visit(304)], least, 1e9) >= interval(seen, least, 1e9)
