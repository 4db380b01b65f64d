"""The part of a page that shows why it was found."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.core.excerpts import Marker, fold
from crawler.core.tokens import NoQuestion, question


def marked(asked: str, text: str) -> str:
    return "".join(f"[{piece}]" if hit else piece for piece, hit in Marker(question(asked)).marked(text))


@pytest.mark.parametrize(
    ("asked", "text", "expected"),
    [
        ("naive strasse", "Die Naïve STRASSE, die Straße", "Die [Naïve] [STRASSE], die [Straße]"),
        ("Straße", "strasse und Straßen", "[strasse] und Straßen"),
        ("tok", "Tokyo tok", "Tokyo [tok]"),
        ("tok*", "Tokyo tok", "[Tokyo] [tok]"),
        ("한국어 날씨", "한국어를 배우기 좋은 날씨다", "[한국어]를 배우기 좋은 [날씨]다"),
        ("SQLite", "SQLite를 쓴다", "[SQLite]를 쓴다"),
        ('"fog signal"', "a fog-signal, a fog, a signal", "a [fog-signal], a fog, a signal"),
        ("a.b", "a.b a b ab", "[a.b] [a b] ab"),
    ],
)
def test_words_are_marked_as_they_stand_there(asked: str, text: str, expected: str):
    assert expected == marked(asked, text)


def test_the_part_with_the_most_different_words_is_shown():
    text = "one " * 100 + "two words: one and two stand here together " + "two " * 100
    pieces = Marker(question("one two together")).excerpt(text)
    shown = "".join(piece for piece, _ in pieces)

    assert "one and two stand here together" in shown
    assert shown.startswith("…")
    assert shown.endswith("…")
    assert len(shown) <= 203
    assert {"one", "two", "together"} == {piece for piece, hit in pieces if hit}


def test_wide_letters_count_twice():
    shown = "".join(piece for piece, _ in Marker(question("東京")).excerpt("明日" * 300 + "東京" + "今日" * 300))

    assert "東京" in shown
    assert len(shown) <= 103


def test_a_page_without_the_words_shows_its_beginning():
    assert (("begin here", False),) == Marker(question("elsewhere")).excerpt("begin here")
    assert () == Marker(question("elsewhere")).excerpt("")


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=300), st.text(max_size=20))
def test_an_excerpt_is_a_part_of_the_text_whatever_is_asked(text: str, asked: str):
    try:
        pieces = Marker(question(asked)).excerpt(text, 40)
    except NoQuestion:
        return
    assert "".join(piece for piece, _ in pieces).strip("…") in text.strip("…") or "…" in text
    assert len(fold(text)) == len(text)
