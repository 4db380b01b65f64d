"""What a `srcset` attribute offers, by the HTML standard's algorithm."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.srcset import MAX_CANDIDATES, candidates

QUARTER = 256 * 1024


@pytest.mark.parametrize(
    ("value", "urls"),
    [
        ("", ()),
        (" , \n,", ()),
        ("a.png", ("a.png",)),
        ("a.png 1x, b.png 2x", ("a.png", "b.png")),
        ("a.png 320w,b.png 640w", ("a.png", "b.png")),
        ("a.png,b.png 2x", ("a.png,b.png",)),
        ("a.png, b.png", ("a.png", "b.png")),
        ("a.png,,, b.png", ("a.png", "b.png")),
        ("/i?x=1,2&y=(3) 1.5x", ("/i?x=1,2&y=(3)",)),
        ("a 1x, b 2x, a 3x", ("a", "b")),
        ("\n\ta\r\n1x\f,\n\tb", ("a", "b")),
        ("a\xa01x", ("a\xa01x",)),
        ("a\v1x", ("a\v1x",)),
        ("data:image/png;base64,AA== 1x, b 2x", ("data:image/png;base64,AA==", "b")),
    ],
)
def test_urls_come_in_order_and_without_repeats(value, urls):
    assert urls == candidates(value)


@pytest.mark.parametrize(
    "descriptors",
    ["1x", "0x", "-0x", "-0.0e9x", ".5x", "1.5e3x", "1E-3x", "1w", "001w", "10w 20h", "20h 10w", "\t1x ", "9" * 400 + "x"],
)
def test_valid_descriptors_make_a_candidate(descriptors):
    assert ("a", "b") == candidates(f"a {descriptors}, b")


@pytest.mark.parametrize(
    "descriptors",
    [
        *("x", "w", "1", "1X", "1W", "foo", "1x foo", "+1x", "-1x", "-0.1x", "1.x", ".x", "-.x", "1ex", "1 x", "１x", "Infinityx"),
        *("0w", "000w", "-1w", "1.0w", "1e0w", "1px", "1h", "0h 1w", "1h 1x", "1x 1w", "1w 1x", "1w 1w", "1x 1x", "1w 1h 1h"),
        *("(", "(1x", "(1x)", "1x()", "1x ( , c 1x", "1x )", "1\xa0x", "\xa01x"),
    ],
)
def test_invalid_descriptors_drop_their_candidate_alone(descriptors):
    assert ("b",) == candidates(f"b, a {descriptors}")


def test_commas_in_parentheses_end_no_candidate():
    assert ("c",) == candidates("a x( , b 1x, ((), c 1x")


def test_there_is_a_limit():
    assert MAX_CANDIDATES == len(candidates(", ".join(f"{number} 1x" for number in range(MAX_CANDIDATES + 1))))


@pytest.mark.parametrize("part", [",", " ", "a ", "a,", "a 1x,", "(", "a (", "a (),", "a 1w 1h,", "1", "a )", "a 1x "])
def test_a_quarter_of_a_megabyte_of_anything_takes_linear_time(part):
    """Under a second each; what is not linear takes minutes."""
    started = time.process_time()
    candidates(part * (QUARTER // len(part)))
    candidates("a " + part * (QUARTER // len(part)))

    assert time.process_time() - started < 10


@given(st.text(st.sampled_from('a1.-+ewxh(), \t\n\\"é\xa0\ud800')) | st.text())
def test_any_text_is_read(value):
    found = candidates(value)

    assert len(found) == len(set(found))
    assert all(url in value and url == url.strip("\t\n\f\r ") and not url.startswith(",") and not url.endswith(",") for url in found)
