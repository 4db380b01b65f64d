"""In what words a text goes into the search index, and how a question is asked of it.

SQLite's tokenizer parts words at spaces and punctuation, and folds case and diacritics. Chinese, Japanese and Thai have no
spaces, and Korean hangs its particles on the words: such runs go in as pairs of letters, each beginning one letter after
the last, and the last letter alone. So a word of any length is found wherever it stands in a run: one of two letters is
one pair, a longer one is pairs in a row, a single letter is the beginning of a pair.
"""

from __future__ import annotations

import re
import unicodedata
import zlib

import msgspec

from crawler.core.model import Indexed

VERSION = 1
"""Raised whenever the same text would go in as other words: an index of another version is made anew."""
MOST_CHARS = 256 * 1024
"""Characters of a page that can be found."""
MOST_WORDS = 32
MOST_QUESTION = 1_000
"""Words and characters of a question."""

UNSPACED = (
    "\u0e00-\u0e4f\u0e5a-\u0ecf\u0eda-\u0eff"       # Thai, Lao, but for their digits
    "\u0f00-\u0f1f\u0f34-\u0fff\u1000-\u103f\u104a-\u109f\u1780-\u17df"      # Tibetan, Burmese, Khmer
    "\u1100-\u11ff\u3130-\u318f\uac00-\ud7ff"       # Hangul
    "\u3005-\u3007\u3031-\u3035\u303b\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"      # Kana, without the dot between words
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"      # Han
)
"""Letters of scripts whose words are not parted by spaces, as the inside of a character class."""
_HAN_KANA = "\u3001-\u3007\u3041-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff01-\uff9f"
_RUN = re.compile(f"[{UNSPACED}]+")
_BROKEN_LINE = re.compile(rf"[\r\n][ \t\r\n]*(?=[{_HAN_KANA}])")      # a lookbehind would be tried at every letter
_JOINED = re.compile(f"[{_HAN_KANA}]")
_NEAR = bytes({*range(0xD6), 0xE2})
"""Bytes of Latin, Greek and Cyrillic letters and of punctuation in UTF-8: a text of these alone, which is quick to see, need not be
looked through for other scripts."""
# Controls, the soft hyphen, and what has no width; the joiners stay, for they matter to Persian and Hindi.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u034f\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)
# Vowel points of Arabic and Hebrew, which are written now and then only, and the stroke that makes an Arabic word longer.
_POINTS = re.compile("[\u0591-\u05bd\u05bf\u05c1-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed]")
_QUOTES = dict.fromkeys(map(ord, "\u201c\u201d\u201e\u201f\u00ab\u00bb\uff02"), '"')
_PART = re.compile(r'(?:(?<!\S)(-))?(?:"([^"]*)"?|([^\s"]+))')
_LEVEL = 1
"""Of zlib: 0.16 ms a page of 10 KB, and 14 % more than the usual level makes of it, which takes 0.34."""


class Question(msgspec.Struct, frozen=True):
    """What somebody looks for."""

    match: str
    """An expression for FTS5: quoted words, AND, NOT and OR, and nothing else that means something there."""
    wanted: tuple[str, ...]
    """The words and phrases that a page must have, as they were written."""
    beginnings: frozenset[str] = frozenset()
    """Those of them that may go on."""


class NoQuestion(ValueError):
    """There is nothing in it that could be looked for. The text says why."""


def clean(text: str, most: int = MOST_CHARS) -> str:
    """Return a text on one line, without what cannot be seen; lines that break between two letters of Han or Kana are joined."""
    if _is_far(text):
        text = _BROKEN_LINE.sub(_unbroken, text)
    text = " ".join(text.split())
    if not text.isprintable():
        text = _UNSEEN.sub("", text)
    return text[:most]


def spaced(text: str) -> str:
    """Return a text as the index takes it in: compatible characters made one, runs without spaces taken apart."""
    if text.isascii():
        return text
    text = _plain(text)
    return _RUN.sub(_pairs, _POINTS.sub("", text)) if _is_far(text) else text


def _is_far(text: str) -> bool:
    return not text.isascii() and bool(text.encode("utf-8", "replace").translate(None, _NEAR))


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text).replace("ß", "ss").replace("ẞ", "ss")


def _unbroken(found: re.Match[str]) -> str:
    at = found.start()
    return "" if at and _JOINED.match(found.string, at - 1) else found[0]


def _pairs(found: re.Match[str]) -> str:
    run = found[0]
    return f" {' '.join([run[at : at + 2] for at in range(len(run))])} "


# --- what is kept of a page ---------------------------------------------------------------------------------------


def indexed(title: str | None, text: str) -> Indexed:
    """Return what the index keeps of a page."""
    return kept(clean(title or ""), clean(text))


def kept(title: str, text: str) -> Indexed:
    """Return what the index keeps of a page whose title and text are clean."""
    return Indexed(spaced(title), spaced(text), zlib.compress(f"{title}\n{text}".encode("utf-8", "replace"), _LEVEL))


def unpacked(packed: bytes) -> tuple[str, str]:
    """Return the title and the text of a page again; of what nobody here has packed perhaps nothing, and never more than was put in."""
    try:
        plain = zlib.decompressobj().decompress(packed, 5 * MOST_CHARS)     # four bytes a character, and a title
    except zlib.error:
        return "", ""
    title, _, text = plain.decode("utf-8", "replace").partition("\n")
    return title, text


# --- questions ----------------------------------------------------------------------------------------------------


def question(asked: str) -> Question:
    """Read a question: words, "phrases", -words that must not be there, and beginnings*. Raises NoQuestion."""
    wanted: dict[str, str] = {}
    unwanted: dict[str, str] = {}
    beginnings = set()
    for minus, phrase, word in _PART.findall(clean(asked, MOST_QUESTION).translate(_QUOTES)):
        begins = word.endswith("*")
        written = (phrase or word).rstrip("*") if begins else phrase or word
        expression = _expression(written, begins=begins)
        if expression is None:
            continue
        if minus:
            unwanted[written] = expression
        else:
            wanted[written] = expression
            if begins:
                beginnings.add(written)
    if not wanted:
        raise NoQuestion("it has only words to leave out" if unwanted else "there is no word in it")
    if len(wanted) + len(unwanted) > MOST_WORDS:
        raise NoQuestion(f"it has more than {MOST_WORDS} words")
    match = " AND ".join(wanted.values())
    if unwanted:
        match = f"({match}) NOT ({' OR '.join(unwanted.values())})"
    return Question(match, tuple(wanted), frozenset(beginnings))


def _expression(written: str, *, begins: bool) -> str | None:
    """Return a word or phrase for FTS5, None when there is no letter in it."""
    text = _POINTS.sub("", _plain(written))
    runs = list(_RUN.finditer(text))
    if not runs and not any(map(str.isalnum, text)):
        return None
    if runs and not any(map(str.isalnum, text[runs[-1].end() :])):      # it ends with a run, which may go on in a page
        last = runs[-1]
        begins = len(last[0]) == 1
        end = last[0] if begins else " ".join([last[0][at : at + 2] for at in range(len(last[0]) - 1)])
        words = f"{_RUN.sub(_pairs, text[: last.start()])} {end}"
    else:
        words = _RUN.sub(_pairs, text)
    words = " ".join(words.replace('"', " ").split())
    return f'"{words}" *' if begins else f'"{words}"'
