"""What a web app manifest names."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.manifest import MAX_BYTES, MAX_LINKS, read
from crawler.core.model import Kind


def found(manifest: object) -> tuple[tuple[Kind, str], ...] | None:
    return read(json.dumps(manifest).encode())


def test_all_that_a_manifest_names():
    manifest = {
        "name": "http://no.test/",
        "icons": [{"src": "i1.png", "sizes": "48x48"}, {"src": " i2.svg\n"}],
        "start_url": "./?from=home",
        "scope": "/no/",
        "shortcuts": [{"name": "New", "url": "/new", "icons": [{"src": "s.png"}]}, {"name": "Old", "url": "/old"}],
        "screenshots": [{"src": "shot.webp"}],
        "related_applications": [{"url": "https://no.test/"}],
    }

    assert (
        (Kind.A, "./?from=home"),
        (Kind.A, "/new"),
        (Kind.ICON, "s.png"),
        (Kind.A, "/old"),
        (Kind.ICON, "i1.png"),
        (Kind.ICON, "i2.svg"),
        (Kind.IMG, "shot.webp"),
    ) == found(manifest)


@pytest.mark.parametrize(
    "manifest",
    [
        {},
        {"start_url": 1, "icons": {"src": "x"}, "shortcuts": "x", "screenshots": None},
        {"icons": ["x", 1, None, [], {}, {"src": 1}, {"src": None}, {"src": ""}], "shortcuts": [{"url": [], "icons": 1}]},
        {"start_url": "  ", "icons": [{"src": "data:image/png;base64,AA=="}]},
    ],
)
def test_members_of_the_wrong_type_count_as_none(manifest):
    assert () == found(manifest)


def test_what_is_named_twice_comes_once():
    assert ((Kind.A, "/"), (Kind.ICON, "/")) == found({"start_url": "/", "shortcuts": [{"url": "/"}], "icons": [{"src": "/"}] * 2})


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"x"',
        b"<html>",
        b"[" * 100_000,
        b'{"icons":' * 100_000,
        b'{"start_url":"x"}' + b" " * MAX_BYTES,
        b'{"start_url":"\\ud800"}',
        b'{"x":1e99999}',
        b"\xff",
    ],
)
def test_what_is_no_manifest(body):
    assert read(body) is None


def test_a_byte_order_mark_and_broken_text_are_survived():
    assert ((Kind.A, "/\ufffd"),) == read(b'\xef\xbb\xbf{"start_url": "/\xff"}')


def test_there_is_a_limit():
    assert MAX_LINKS == len(found({"icons": [{"src": str(number)} for number in range(MAX_LINKS + 1)]}) or ())


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["icons", "shortcuts", "screenshots", "src", "url", "start_url"]), inner),
)


@given(JSON.map(json.dumps).map(str.encode) | st.binary())
def test_any_body_is_read(body):
    for kind, url in read(body) or ():
        assert kind in {Kind.A, Kind.ICON, Kind.IMG}
        assert url
