"""URLs of one script are one family, and a family that says the same over and over is found out, once, and for good."""

from __future__ import annotations

import time
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.core.patterns import ALIKE_FROM, LIKE, NAMES_CHARS, PATH_CHARS, Change, Families, Family, pattern_of
from crawler.core.urls import spell


@pytest.mark.parametrize(
    ("url", "pattern"),
    [
        ("http://h.test/", "h.test/"),
        ("https://h.test/", "h.test/"),
        ("http://h.test:8080/a/1/", "h.test:8080/a/N/"),
        ("http://[::1]:81/7/x", "[::1]:81/N/*"),
        ("http://h1.test/2026/11/day-3.html", "h1.test/N/N/*.html"),
        ("http://h.test/cal?month=2&year=2031", "h.test/*?month&year"),
        ("http://h.test/a/b/", "h.test/a/b/"),
        ("http://h.test//a//", "h.test//a//"),
        ("http://h.test/2026-11-03/x", "h.test/N-N-N/*"),
        ("http://h.test/20261103/x", "h.test/N/*"),
        ("http://h.test/v2.10/page12b/x", "h.test/vN.N/pageNb/*"),
        ("http://h.test/archive.tar.gz", "h.test/*.gz"),
        ("http://h.test/release-1.2.3", "h.test/*"),
        ("http://h.test/song.mp3", "h.test/*.mp3"),
        ("http://h.test/.htaccess", "h.test/.htaccess"),
        ("http://h.test/what.is-this-name", "h.test/*"),
        ("http://h.test/a.", "h.test/*"),
    ],
)
def test_numbers_dates_and_last_names_do_not_tell_families_apart(url, pattern):
    assert pattern == pattern_of(url)


@pytest.mark.parametrize(
    ("segment", "pattern"),
    [
        ("123e4567-e89b-12d3-a456-426614174000", "T"),
        ("12345678-1234-1234-1234-123456789012", "T"),
        ("d41d8cd98f00b204e9800998ecf8427e", "T"),
        ("D41D8CD9", "T"),
        ("d41d8cd", "dNdNcd"),
        ("x-d41d8cd9-y", "x-T-y"),
        ("deadbeef", "deadbeef"),
        ("d41d8cd98x", "dNdNcdNx"),
        ("a8f5Kx92LmQz", "T"),
        ("a8f5Kx92LmQ", "aNfNKxNLmQ"),
        ("openjdk17documentation", "openjdkNdocumentation"),
        ("a%20b%C3%BC7", "a%20b%C3%BCN"),
        ("sess;id=a8f5;q", "sess;id;q"),
        ("a=1", "a=N"),
        ("M%c3%bcnchen", "M%c3%bcnchen"),
    ],
)
def test_tokens_are_one_letter_and_escapes_are_left_alone(segment, pattern):
    assert f"h.test/{pattern}/*" == pattern_of(f"http://h.test/{segment}/x")


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("/i.jsp;jsessionid=A8F5?x=1", "/*.jsp;jsessionid?x"),
        ("/;v=1;w=2", "/;v;w"),
        ("/i;p12=3", "/*;pN"),
        ("/?b=1&a=2&a=3", "/?a&b"),
        ("/?p1=x&p22=y&q=p3=z", "/?pN&q"),
        ("/?", "/"),
        ("/x?=1&&", "/*?"),
        ("/?flag&other=%26", "/?flag&other"),
        ("/?17", "/?N"),
        ("/?d41d8cd98f00b204", "/?T"),
        ("/?a=/b/c;d=1", "/?a"),
    ],
)
def test_parameters_keep_their_names_only(path, pattern):
    assert "h.test" + pattern == pattern_of("http://h.test" + path)


def test_a_whole_site_is_one_host():
    urls = ["http://a1.h.test/x/2", "https://b.c.h.test:8080/x/3", "http://h.test/x/4"]

    assert ["*.h.test/x/*"] * 3 == [pattern_of(url, whole_site="h.test") for url in urls]
    assert "*.h.test/" == pattern_of("http://9.h.test/", whole_site="h.test")


def test_long_urls_make_short_patterns():
    names = "&".join(letter * 100 + "=1" for letter in "abc")
    pattern = pattern_of("http://h.test/" + "segment/" * 300 + "x." + "y" * 600 + ";" + "z" * 600 + "?" + names)

    assert len("h.test/") + PATH_CHARS + 1 + len("*;") + NAMES_CHARS + 1 + NAMES_CHARS == len(pattern)


def test_many_names_are_one_family_in_whatever_combination():
    assert "h.test/*?a&b&c" == pattern_of("http://h.test/i?c=1&b=2&a=3&c=4")
    assert "h.test/*?*" == pattern_of("http://h.test/i?a&b&c&d") == pattern_of("http://h.test/i?z&y&x&w&v=1&u")


@pytest.mark.parametrize("unit", ["a", "1", "a1", "f", "0a", "a1-", "/", "%41", "&", "=", "a&", ";", ";a=1", ".", "-1f", "%C3%A91"])
def test_hostile_urls_cost_linear_time(unit):
    """Each takes well below a millisecond; the square of its length would take ten."""
    urls = [f"http://h.test/{start}{unit * (4000 // len(unit))}{end}" for start in ("", "?", "x/") for end in ("", "/y", "g!")]
    start = time.process_time()
    for url in urls:
        pattern_of(url)

    assert time.process_time() - start < 0.05


@given(st.text(st.characters(exclude_categories=["Cs"])), st.sampled_from(["", "/", "?", ";", "a/", "1/?a="]))
def test_any_url_has_a_pattern_whatever_its_scheme(text, start):
    path = start + text.replace("?", "")
    pattern = pattern_of(spell("http://h.test/" + path))

    assert pattern.startswith("h.test/")
    assert pattern == pattern_of(spell("https://h.test/" + path))


random = Random(1)
FAR = [random.getrandbits(64) - (1 << 63) for _ in range(200)]
"""Fingerprints of texts that have nothing in common."""


def noted(families: Families, pattern: str, *simhashes: int | None, tiny: bool = False) -> list[Change]:
    changes = (families.note(pattern, simhash, tiny=tiny) for simhash in simhashes)
    return [change for change in changes if change is not None]


def counts(families: Families, pattern: str) -> tuple[int, int] | None:
    family = families.family(pattern)
    return None if family is None else (family.pages, family.alike)


@pytest.mark.parametrize(("bits", "alike"), [(0, 1), (LIKE, 1), (LIKE + 1, 0), (64, 0)])
def test_a_page_is_alike_within_eight_bits(bits, alike):
    families = Families()
    noted(families, "p", -1, -1 ^ (1 << bits) - 1 if bits < 64 else 0)

    assert (2, alike) == counts(families, "p")


def test_families_do_not_mix():
    families = Families()
    noted(families, "p", 1)
    noted(families, "q", 1)

    assert [(1, 0), (1, 0), None] == [counts(families, pattern) for pattern in "pqr"]


def test_the_first_eight_and_the_latest_eight_new_texts_are_remembered():
    family = Family()
    unsigned = [simhash & (1 << 64) - 1 for simhash in FAR]

    assert [False] * 20 == [family.knows(simhash) for simhash in FAR[:20]]
    assert (unsigned[:8], unsigned[12:20]) == (list(family.first), list(family.latest))
    assert [True, True, True, True, False] == [family.knows(FAR[number]) for number in (0, 7, 12, 19, 11)]


def test_texts_that_are_alike_push_nothing_out():
    """A calendar that writes the names of its months is known, although no month is among the eight pages before it."""
    families = Families()
    noted(families, "p", *FAR[:12] * 50)

    assert (600, 588) == counts(families, "p")


def test_pages_of_few_words_are_alike_to_one_another():
    families = Families()
    noted(families, "p", None, None, None, tiny=True)
    noted(families, "p", 5)

    assert (4, 2) == counts(families, "p")


def test_what_is_no_text_is_alike_to_nothing():
    families = Families()
    noted(families, "p", None, None, None, tiny=False)

    assert (3, 0) == counts(families, "p")


def test_a_family_becomes_alike_once_and_is_closed_once():
    families = Families(budget=1000)

    assert [] == noted(families, "p", *[7] * ALIKE_FROM)
    assert None is families.damped("p")
    assert [Change("p", "alike", 401, 400)] == noted(families, "p", *[7] * 600)
    assert "alike" == families.damped("p")
    assert [Change("p", "closed", 1001, 1000)] == noted(families, "p", *[7] * 500)
    assert "closed" == families.damped("p")


def test_a_family_of_small_pages_becomes_alike_too():
    assert [Change("p", "alike", 401, 400)] == noted(Families(), "p", *[None] * 900, tiny=True)


def test_a_budget_below_the_warning_closes_at_once():
    assert [Change("p", "closed", 51, 50)] == noted(Families(budget=50), "p", *[7] * 900)


def test_nine_pages_of_ten_have_to_be_alike():
    families = Families(budget=1000)
    noted(families, "below", 7)
    noted(families, "at", 7)
    families.restore("below", 10_000, 8_999, None)
    families.restore("at", 9_999, 8_999, None)

    assert [] == noted(families, "below", 7)
    assert [Change("at", "closed", 10_000, 9_000)] == noted(families, "at", 7)


def test_a_damped_family_stays_damped_when_it_has_something_new_to_say():
    families = Families()
    noted(families, "p", *[7] * 500)

    assert [] == noted(families, "p", *FAR, *[7] * 2000)
    assert "alike" == families.damped("p")


def test_a_released_family_is_never_damped_again():
    families = Families(budget=1000)
    noted(families, "p", *[7] * 500)
    families.release("p")

    assert (None, (500, 499)) == (families.damped("p"), counts(families, "p"))
    assert [] == noted(families, "p", *[7] * 1000)
    families.restore("p", 5000, 5000, "closed")
    assert None is families.damped("p")


def test_a_family_may_be_released_before_it_is_known():
    families = Families()
    families.release("p")

    assert (None, []) == (families.family("p"), noted(families, "p", *[7] * 500))


def test_a_restored_family_goes_on_counting():
    families = Families(budget=1000)
    families.restore("open", 399, 399, None)
    families.restore("alike", 900, 900, "alike")
    families.restore("closed", 2000, 2000, "closed")

    assert [Change("open", "alike", 401, 400)] == noted(families, "open", 7, 7, 7)
    assert [Change("alike", "closed", 1001, 1000)] == noted(families, "alike", *[7] * 200)
    assert [] == noted(families, "closed", *[7] * 200)


def test_what_an_earlier_run_closed_stays_closed_with_a_larger_budget():
    families = Families()
    families.restore("p", 500, 500, "closed")

    assert ([], "closed") == (noted(families, "p", *[7] * 50), families.damped("p"))


def test_an_unknown_state_is_refused():
    with pytest.raises(ValueError, match="'shut'"):
        Families().restore("p", 1, 1, "shut")


def test_what_was_met_longest_ago_is_forgotten_but_what_is_damped_is_not():
    families = Families(most=3)
    noted(families, "damped", *[7] * 500)
    for pattern in ("a", "b", "c", "a", "d"):
        noted(families, pattern, 1)

    assert [(500, 499), (2, 1), None, (1, 0), (1, 0)] == [counts(families, pattern) for pattern in ("damped", "a", "b", "c", "d")]
    families.restore("e", 1, 1, "alike")
    assert "<Families 3 of 3 open, 2 damped, 0 released>" == repr(families)
    families.release("damped")
    assert "<Families 3 of 3 open, 1 damped, 1 released>" == repr(families)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from([None, 0, 3, -1, 2**40]), st.booleans()), max_size=60))
def test_the_same_pages_give_the_same_counts(drawn):
    one, other = Families(most=2), Families(most=2)
    for pattern, simhash, tiny in drawn:
        assert one.note(pattern, simhash, tiny=tiny) == other.note(pattern, simhash, tiny=tiny)
        family = one.family(pattern)
        assert family == other.family(pattern)
        assert family.alike < family.pages
