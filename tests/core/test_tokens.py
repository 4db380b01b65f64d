"""Words for the search index, and questions to it, held against SQLite's own full-text search."""

from __future__ import annotations

import sqlite3
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.core import tokens
from crawler.frontier.indexing import ADD, TABLES

LETTERS = "東京都大学生日本語한국어학교에서물나라タワーのはกรุงเทพ"


def found(asked: str, *texts: str) -> list[int]:
    """Return which of the texts a question finds."""
    db = sqlite3.connect(":memory:")
    try:
        db.execute(TABLES[1])
        db.executemany(ADD, [(row, "", tokens.indexed(None, text).text) for row, text in enumerate(texts)])
        sql = "SELECT rowid FROM page_index WHERE page_index MATCH ? ORDER BY rowid"
        return [row for (row,) in db.execute(sql, (tokens.question(asked).match,))]
    finally:
        db.close()


def finds(asked: str, text: str) -> bool:
    return found(asked, text) == [0]


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("학교", "저는 매일 아침 학교에서 한국어를 배웁니다."),
        ("학교", "초등학교 선생님"),
        ("한국어", "저는 매일 아침 학교에서 한국어를 배웁니다."),
        ("물", "찬물 한 잔"),
        ("天気", "明日の東京の天気は晴れです。"),
        ("タワー", "東京タワーに登りました"),
        ("東京タワー", "東京\n    タワーに登りました"),
        ("学生", "北京大学的学生每天在图书馆学习。"),
        ("图书馆", "北京大学的学生每天在图书馆学习。"),
        ("บ้าน", "เขากลับบ้านแล้ว"),
        ("हिन्दी", "यह हिन्दी में है"),
        ("カタカナ", "ｶﾀｶﾅ"),
        ("SQLite", "SQLite를 씁니다"),
        ("SQLite를", "SQLite를 씁니다"),
        ("strasse", "Die Bäckerei in der Straße"),
        ("STRASSE", "Die Bäckerei in der Straße"),
        ("Straße", "die strasse"),
        ("backerei", "Die Bäckerei in der Straße"),
        ("Bäckerei", "die BACKEREI"),
        ("cafe ferme noel", "Le café est fermé à Noël"),
        ("café", "un cafe\u0301"),
        ("한글", unicodedata.normalize("NFD", "한글날")),
        ("Donaudampfschiff", "Donau\u00addampf\u200bschiff"),
        ("محمد", "مُحَمَّد"),
        ('"in der"', "Die Bäckerei in der Straße"),
        ("Bäck*", "Die Bäckerei in der Straße"),
        ("foo-bar", "a foo-bar b"),
        ("\u201cin der\u201d", "Die Bäckerei in der Straße"),
    ],
)
def test_a_word_is_found(asked: str, text: str):
    assert finds(asked, text)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("학생", "저는 매일 아침 학교에서 배웁니다."),
        ("京東", "東京の天気"),
        ("Bäck", "Die Bäckerei in der Straße"),
        ('"der in"', "Die Bäckerei in der Straße"),
        ("Bäckerei -Straße", "Die Bäckerei in der Straße"),
        ('Bäckerei -"in der"', "Die Bäckerei in der Straße"),
        ("Bäckerei Brötchen", "Die Bäckerei in der Straße"),
        ('"한국 학교"', "한국의 학교"),
    ],
)
def test_what_is_not_there_is_not_found(asked: str, text: str):
    assert not finds(asked, text)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(LETTERS, min_size=1, max_size=6), min_size=1, max_size=4), st.data())
def test_every_piece_of_a_run_without_spaces_is_found_and_nothing_else_is(runs: list[str], data: st.DataObject):
    run = data.draw(st.sampled_from(runs))
    start = data.draw(st.integers(0, len(run) - 1))
    piece = run[start : data.draw(st.integers(start + 1, len(run)))]
    other = data.draw(st.text(LETTERS, min_size=1, max_size=3))

    assert finds(piece, " ".join(runs))
    assert any(unicodedata.normalize("NFKC", other) in unicodedata.normalize("NFKC", each) for each in runs) == finds(other, " ".join(runs))


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=60) | st.text('"*-+^:(){}\\\'ab 東 ANDORNEAR', max_size=30))
def test_whatever_is_typed_is_no_error_of_sqlite(asked: str):
    try:
        found(asked, "a b 東京")
    except tokens.NoQuestion:
        return


@pytest.mark.parametrize(
    ("asked", "why"),
    [("", "no word"), ("!? *", "no word"), ("-a", "only words to leave out"), (" ".join(f"w{n}" for n in range(40)), "more than 32 words")],
)
def test_a_question_without_words_is_refused_with_the_reason(asked: str, why: str):
    with pytest.raises(tokens.NoQuestion, match=why):
        tokens.question(asked)


def test_operators_of_the_search_engine_are_words():
    assert '"a" AND "OR" AND "title:b" AND "NEAR(c"' == tokens.question("a OR title:b NEAR(c").match
    assert found("cats OR dogs", "cats", "dogs", "cats or dogs") == [2]


def test_what_is_kept_can_be_unpacked_and_is_bounded():
    kept = tokens.indexed(" A\x1b[31m  title\n", "x" * 2 * tokens.MOST_CHARS)

    assert ("A[31m title", "x" * tokens.MOST_CHARS) == tokens.unpacked(kept.packed)
    assert kept == tokens.kept(*tokens.unpacked(kept.packed))


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=200), st.text(max_size=200))
def test_an_entry_can_always_be_made_again_from_what_was_packed(title: str, text: str):
    """Or else it could not be taken out of the index."""
    kept = tokens.indexed(title, text)

    assert kept == tokens.kept(*tokens.unpacked(kept.packed))


def test_what_nobody_has_packed_is_no_trouble():
    assert ("", "") == tokens.unpacked(b"no zlib")
    assert len(tokens.unpacked(tokens.indexed(None, "").packed + b"tail")[1]) == 0
