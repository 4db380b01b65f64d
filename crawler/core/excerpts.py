"""The part of a page that shows why it was found: where most of the words stand close together."""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable

from crawler.core.tokens import UNSPACED, Question

LENGTH = 200
"""Characters of an excerpt; letters that are twice as wide count twice."""
MOST_PLACES = 2_000
"""Places of one page that are looked at."""

_BEFORE = 60
"""Characters before the first word."""
_TO_A_SPACE = 20
"""Characters that an excerpt may be shorter to begin and end between two words."""
_LATIN = "\u0250"
_ELLIPSIS = "…"
_SPELT = rf"[^\W_{UNSPACED}]"
_PIECE = re.compile(rf"([{UNSPACED}]+)|(?:{_SPELT}|[\u0300-\u036f])+")
_WIDE = re.compile(f"[{UNSPACED}]")

Pieces = tuple[tuple[str, bool], ...]
"""A text in pieces, each with whether it is a word that was looked for."""


class _Folds(dict[str, str]):
    """Each character without case and diacritics, exactly one for one, so that places stay what they are."""

    def __missing__(self, char: str) -> str:
        base = unicodedata.normalize("NFKD", char)[0]
        if base >= _LATIN:      # kana and Hangul would lose more than an accent
            base = unicodedata.normalize("NFKC", char)[0]
        lower = base.lower()
        self[char] = folded = lower if len(lower) == 1 else char
        return folded


_folds = _Folds()


def fold(text: str) -> str:
    """Return a text without case and, in Latin letters, diacritics; as long as before."""
    return text.lower() if text.isascii() else "".join([_folds[char] for char in text])


class Marker:
    """Finds the words of one question in texts."""

    def __init__(self, question: Question) -> None:
        patterns = [pattern for word in question.wanted if (pattern := _pattern(word, begins=word in question.beginnings))]
        self._found = re.compile("|".join(f"({pattern})" for pattern in patterns)) if patterns else None

    def marked(self, text: str) -> Pieces:
        """Return a whole text in pieces."""
        return _cut(text, 0, len(text), [(start, end) for start, end, _ in self._places(text)])

    def excerpt(self, text: str, length: int = LENGTH) -> Pieces:
        """Return the part of a text with the most of the words; its beginning when there is none of them."""
        places = self._places(text)
        start = _best(places, length)
        if len(_WIDE.findall(text[start : start + length])) > length // 4:
            length //= 2
            start = _best(places, length)
        begin, end = _bounds(text, start, length)
        inside = [(max(first, begin), min(last, end)) for first, last, _ in places if first < end and last > begin]
        pieces = _cut(text, begin, end, inside)
        before = ((_ELLIPSIS, False),) if begin else ()
        after = ((_ELLIPSIS, False),) if end < len(text) else ()
        return before + pieces + after

    def _places(self, text: str) -> list[tuple[int, int, int]]:
        """Return where words stand: from, to, and which of them."""
        if self._found is None:
            return []
        found = itertools.islice(self._found.finditer(fold(text)), MOST_PLACES)
        return [(match.start(), match.end(), match.lastindex or 0) for match in found]


def _pattern(word: str, *, begins: bool) -> str:
    """Return an expression that finds a word or phrase in a folded text; empty when nothing can be found."""
    found = list(_PIECE.finditer(fold(unicodedata.normalize("NFKC", word).replace("ß", "ss"))))
    pattern = ""
    for at, piece in enumerate(found):
        if at:      # two words have something between them, but letters without spaces may follow any
            pattern += r"[\W_]*" if piece[1] or found[at - 1][1] else r"[\W_]+"
        pattern += re.escape(piece[0]).replace("ss", "(?:ss|ß)")
    if not pattern:
        return ""
    before = "" if found[0][1] else f"(?<!{_SPELT})"
    after = "" if found[-1][1] or begins else f"(?!{_SPELT})"
    return before + pattern + (f"{_SPELT}*" if begins and not found[-1][1] else "") + after


def _best(places: list[tuple[int, int, int]], length: int) -> int:
    """Return where an excerpt begins best: most different words first, then most words."""
    best, most = 0, (0, 0)
    reach = length - min(_BEFORE, length // 3)
    counts: dict[int, int] = {}
    behind = 0
    for start, _, which in places:
        while behind < len(places) and places[behind][1] <= start + reach:
            counts[places[behind][2]] = counts.get(places[behind][2], 0) + 1
            behind += 1
        score = sum(count > 0 for count in counts.values()), sum(counts.values())
        if score > most:
            best, most = start, score
        counts[which] = counts.get(which, 0) - 1
    return max(0, best - min(_BEFORE, length // 3)) if most > (0, 0) else 0


def _bounds(text: str, start: int, length: int) -> tuple[int, int]:
    """Return the part of a text from *start* on, from space to space where there are spaces near."""
    start = max(0, min(start, len(text) - length))
    end = min(len(text), start + length)
    if start and (space := text.find(" ", start, start + _TO_A_SPACE)) >= 0:
        start = space + 1
    if end < len(text) and (space := text.rfind(" ", end - _TO_A_SPACE, end)) > start:
        end = space
    return start, end


def _cut(text: str, begin: int, end: int, places: Iterable[tuple[int, int]]) -> Pieces:
    pieces: list[tuple[str, bool]] = []
    at = begin
    for first, last in places:
        pieces += [(text[at:first], False), (text[first:last], True)]
        at = last
    pieces.append((text[at:end], False))
    return tuple(piece for piece in pieces if piece[0])
