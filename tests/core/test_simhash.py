"""Texts that are nearly the same have fingerprints that are nearly the same, and a slow, plain reading agrees bit for bit."""

from __future__ import annotations

import hashlib
import string
import subprocess
import sys
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crawler.core import simhash as module
from crawler.core.simhash import FEWEST_WORDS, MOST_CHARS, NEAR, distance, simhash, words_of

TEXT = """Every morning the old lighthouse keeper climbed the narrow stairs to trim the lamp and write the weather down before
the fishing boats came home with their catch and the market on the quay opened its stalls for whoever was awake enough to buy
a herring or two and hear the news of ships that had passed in the night without a light or a name to call them by"""
WORDS = TEXT.split()
CHINESE = "北京是中华人民共和国的首都也是全国的政治文化和国际交往中心这座城市有三千多年的历史留下了许多著名的古迹与传说每年都有很多游客来到这里"
THAI = "กรุงเทพมหานครเป็นเมืองหลวงและนครที่มีประชากรมากที่สุดของประเทศไทยเป็นศูนย์กลางการปกครองการศึกษาการคมนาคมขนส่ง"


def turned(number: int, by: int) -> int:
    return (number << by | number >> 64 - by) & (1 << 64) - 1


def plainly(words: list[str]) -> int:
    """The definition, one window and one bit at a time."""
    hashes = [int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "little") for word in words]
    windows = [a ^ turned(b, 21) ^ turned(c, 42) for a, b, c in zip(hashes, hashes[1:], hashes[2:], strict=False)]
    bits = sum(1 << bit for bit in range(64) if 2 * sum(window >> bit & 1 for window in windows) > len(windows))
    return bits - (1 << 64) if bits >= 1 << 63 else bits


letters = st.text(st.characters(categories=["Lu", "Ll"], max_codepoint=0x5FF), min_size=1, max_size=6)
words = st.one_of(st.sampled_from(WORDS), letters.filter(lambda word: len(words_of(word)) == 1))


@settings(deadline=None)    # the plain way is slow
@given(st.lists(words, min_size=FEWEST_WORDS, max_size=120))
@example(WORDS[:8])
@example(WORDS[:9])
@example(WORDS[:10])
@example(["same"] * 1000)
@example(WORDS * 100)
def test_all_windows_at_once_give_what_one_at_a_time_gives(drawn):
    assert plainly([word.lower() for word in drawn]) == simhash(" ".join(drawn))


def test_every_number_of_words_is_counted_exactly():
    random = Random(1)
    drawn = [["".join(random.choices(string.ascii_lowercase, k=3)) for _ in range(count)] for count in [*range(8, 70), 127, 128, 129, 130, 131]]

    assert list(map(plainly, drawn)) == [simhash("\n".join(some)) for some in drawn]


@given(st.text(st.characters(exclude_categories=["Cs"])).map(lambda text: text * 3))
@example("Straße ÆON don't l’été naïve_snake ΟΔΟΣ.Β İzmir K2 x²y ٣٤ e\u0301clair " * 2)
@example(CHINESE + " und " + THAI + "、ab中cd 日本語テキスト 한국어 텍스트")
def test_any_text_is_the_words_that_are_found_in_it(text):
    found = words_of(text)

    assert (plainly(found) if len(found) >= FEWEST_WORDS else None) == simhash(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Cat's_meow, 42 times\nb2b", ["the", "cat", "s", "meow", "times"]),
        ("l’été – “naïve”", ["l", "été", "naïve"]),
        ("Привет, МИР", ["привет", "мир"]),
        ("한국어 텍스트", ["한국어", "텍스트"]),
        ("中文ab字", ["中", "文", "ab", "字"]),
        ("日本の", ["日", "本", "の"]),
        ("ไทย", ["ไ", "ท", "ย"]),
        ("١٢٣ 42 ४५ _ – …", []),
    ],
)
def test_words_are_runs_of_letters_and_single_letters_where_no_spaces_are_written(text, expected):
    assert expected == words_of(text)


def test_below_eight_words_there_is_no_fingerprint():
    assert [None, None, None] == [simhash(""), simhash("1 2 3 4 5 6 7 8 9"), simhash(" ".join(WORDS[:7]))]
    assert simhash(" ".join(WORDS[:8])) is not None


def test_digits_case_and_punctuation_make_no_difference():
    assert simhash(TEXT) == simhash("17: " + TEXT.upper().replace(" ", ", 2031\n") + " (99)")


def test_a_fingerprint_is_an_integer_of_sqlite():
    found = [simhash(" ".join(WORDS[start : start + 12])) for start in range(40)]

    assert all(-(2**63) <= one < 2**63 for one in found)
    assert {True, False} == {one < 0 for one in found}


def test_it_is_the_same_in_every_process():
    """No seed of an interpreter is in it: fingerprints are stored, and compared by other processes."""
    code = f"from crawler.core.simhash import simhash; print(simhash({' '.join(WORDS)!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert [-1189645409623431389] * 2 == [simhash(TEXT), int(done.stdout)]


def test_only_the_beginning_of_a_text_counts():
    beginning = ("word " * MOST_CHARS)[: MOST_CHARS - 7] + " nearly"

    assert simhash(beginning) == simhash(beginning + " and so much more of it")
    assert simhash("x" * MOST_CHARS + " " + TEXT) is None


def test_the_longest_text_has_room_for_a_word_in_every_character():
    """Three windows take turns in nearly all of it, so each bit is what two of the three have, as in a few of them."""
    tenth = MOST_CHARS // 10

    assert simhash("海山川" * 8) == simhash("鯨" * tenth + "海山川" * MOST_CHARS)


@pytest.mark.parametrize(("letters", "between"), [(WORDS, " "), (CHINESE, ""), (THAI, "")], ids=["english", "chinese", "thai"])
def test_one_word_changed_leaves_a_long_text_near_and_other_texts_are_far(letters, between):
    random = Random(1)
    drawn = random.choices(letters, k=1000)
    changed = [*drawn[:500], "鯨", *drawn[501:]]
    other = random.choices(letters, k=1000)

    assert 0 < distance(simhash(between.join(drawn)), simhash(between.join(changed))) <= NEAR
    assert distance(simhash(between.join(drawn)), simhash(between.join(other))) > 8


def test_the_distance_is_the_number_of_bits_that_differ():
    assert [0, 64, 1, 1, 64] == [distance(5, 5), distance(-1, 0), distance(-(2**63), 0), distance(-2, -1), distance(2**63 - 1, -(2**63))]


@given(st.integers(-(2**63), 2**63 - 1), st.sets(st.integers(0, 63)))
def test_turning_bits_over_is_as_far_as_there_are_bits(number, bits):
    other = (number & (1 << 64) - 1) ^ sum(1 << bit for bit in bits)

    assert len(bits) == distance(number, other - (1 << 64) if other >> 63 else other)


def test_what_is_remembered_of_words_is_bounded(monkeypatch):
    runs, single = module._Runs(), module._Words()
    monkeypatch.setattr(module, "_REMEMBERED", 50)
    monkeypatch.setattr(module, "_runs", runs)
    monkeypatch.setattr(module, "_words", single)
    drawn = [a + b for a in string.ascii_lowercase for b in string.ascii_lowercase] + ["é" + letter for letter in string.ascii_lowercase * 4]
    long = ["w" * 5000, "é" * 5000] * 5

    assert plainly(drawn) == simhash(" ".join(drawn))
    assert (plainly(list(CHINESE)), plainly(long)) == (simhash(CHINESE), simhash(" ".join(long)))
    assert 0 < len(runs) <= 50
    assert 0 < len(single) <= 50
    assert all(len(word) <= 40 for word in [*runs, *single])


def test_lone_surrogates_separate_words():
    assert simhash(" ".join(WORDS[:10])) == simhash("\ud800".join(WORDS[:10]))
