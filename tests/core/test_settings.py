"""Settings that are made by hand: what fits is taken, what does not is named."""

from __future__ import annotations

import msgspec
import pytest

from crawler.core.settings import Settings


def test_friendly_values_are_taken():
    made = Settings(max_pages=100, delay=1, headers=["Accept: text/html"])

    assert (100, "1.0", ("Accept: text/html",)) == (made.max_pages, repr(made.delay), made.headers)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"max_pages": 0}, "max_pages must be a whole number of at least 1, got 0"),
        ({"max_pages": "many"}, "max_pages must be a whole number or None, got 'many'"),
        ({"concurrency": 1_000_000}, "concurrency must be a whole number of at most 10000, got 1000000"),
        ({"max_time": 0}, "max_time must be a number above 0, got 0"),
        ({"recrawl": -1}, "recrawl must be seconds, or two of which the first is the shorter, got -1.0"),
        ({"recrawl": (9, 1)}, "recrawl must be seconds, or two of which the first is the shorter, got (9.0, 1.0)"),
        ({"robots": 1}, "robots must be True or False, got 1"),
        ({"scope": "hosts"}, "scope must be one of page, path, host, site, any, got 'hosts'"),
        ({"fold": ["all"]}, "fold must be one of query-order, tracking, session, index, canonical, got ['all']"),
        ({"exclude": "/archive/"}, "exclude must be a list of text, got '/archive/'"),
        ({"auth": "https://a.example bearer HUSH"}, "auth must be a list of text, got something else"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_with_its_field(wrong, message):
    with pytest.raises(ValueError) as error:
        Settings(**wrong)

    assert message == str(error.value)


def test_an_unknown_field_is_refused_by_name():
    with pytest.raises(TypeError, match="'max_page'"):
        Settings(max_page=3)


def test_a_change_is_checked_too():
    with pytest.raises(ValueError, match="depth must be a whole number of at least 0, got -1"):
        msgspec.structs.replace(Settings(), depth=-1)


def test_settings_show_what_is_not_the_default_and_no_secret():
    assert "Settings(depth=2, auth=['https://a.example bearer ***'])" == repr(Settings(depth=2, auth=["https://a.example bearer HUSH"]))
