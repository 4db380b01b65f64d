"""What a text is about in 64 bits: texts that differ in little have fingerprints that differ in few bits.

Every three words in a row are hashed, and each bit of the result is what most of these hashes have there (Charikar's
simhash). It is taken of every page, so all windows are dealt with at once: the words' hashes lie side by side in one
large integer, 64 bits to a lane, are mixed with their neighbours by shifts of the whole, and are counted by bit planes
that are folded in the middle until one lane is left. 0.15 us a word, 0.15 ms for a page of 1,000.
"""

from __future__ import annotations

import hashlib
import re

NEAR = 3
"""Two texts are near-duplicates when so many bits differ, or fewer (Manku, Jain and Das Sarma: right for 8 billion pages)."""
FEWEST_WORDS = 8
MOST_CHARS = 64 * 1024

_REMEMBERED = 100_000
_REMEMBERED_BYTES = 40
"""Words that are remembered, and how long one may be: 130 bytes each as a rule, and twice 20 MB at the very most."""
_TURN = 21
_LANE_BYTES = 8
_ALL = (1 << 64) - 1
_HIGH = int.from_bytes((_ALL >> _TURN << _TURN).to_bytes(_LANE_BYTES, "little") * MOST_CHARS, "little")
"""All but the lowest bits of each lane: there is never more than one word for a character."""
_DIGIT = b"0"
_LETTERS = bytes(
    byte | 32 if 65 <= byte <= 90 else byte if 97 <= byte <= 122 or byte >= 128 else 48 if 48 <= byte <= 57 else 32
    for byte in range(256)
)  # fmt: skip
"""Lower case for ASCII letters, one digit for all, a space for what else is ASCII; the rest is looked at later, once for each run."""
# Scripts that put no spaces between words: each letter counts as a word. Pairs of letters were no better: with two words of
# 1,000 characters changed, Chinese and Japanese manual pages move by 2 and 1 bits this way, by 2 and 2 in pairs.
_UNSPACED = (
    "\u0e00-\u0eff"             # Thai, Lao
    "\u0f00-\u0fff"             # Tibetan
    "\u1000-\u109f"             # Burmese
    "\u1780-\u17ff"             # Khmer
    "\u3005-\u30ff\u31f0-\u31ff"            # Kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"      # Han
)
_WORD = re.compile(rf"(?=[^\W\d_])[{_UNSPACED}]|[^\W\d_{_UNSPACED}]+")


def simhash(text: str) -> int | None:
    """Return the fingerprint of a text, signed as SQLite stores integers; None below eight words.

    Words are runs of letters in lower case, and what has digits in it is none, be it a date or a session's number: texts that
    differ in numbers or punctuation only are the same. Only the first 64 KiB of characters count.
    """
    hashes = b"".join(map(_runs.__getitem__, _split(text[:MOST_CHARS])))
    words = len(hashes) // _LANE_BYTES
    if words < FEWEST_WORDS:
        return None
    bits = _majority(_windows(int.from_bytes(hashes, "little"), words), words - 2)
    return bits - (1 << 64) if bits >> 63 else bits


def distance(a: int, b: int) -> int:
    """Return in how many bits two fingerprints differ, from 0 to 64."""
    return ((a ^ b) & _ALL).bit_count()


def words_of(text: str) -> list[str]:
    """Return the words of a text, in lower case."""
    return [word for run in _split(text) for word in _words_in(run)]


def _split(text: str) -> list[bytes]:
    """Return the runs of a text: each holds no word, one, or, where it is not of ASCII letters alone, several."""
    return text.encode("utf-8", "replace").translate(_LETTERS).split()


def _words_in(run: bytes) -> list[str]:
    if run.isascii():
        return [] if _DIGIT in run else [run.decode()]
    return list(map(str.lower, _WORD.findall(run.decode())))


class _Words(dict[str, bytes]):
    """The hash of each word that is not of ASCII letters alone; where letters are words, most pages need the same few."""

    def __missing__(self, word: str) -> bytes:
        found = _hash(word.encode())
        if len(word) <= _REMEMBERED_BYTES:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[word] = found
        return found


class _Runs(dict[bytes, bytes]):
    """The hashes of a run's words, side by side: most runs of a page occurred on the page before."""

    def __missing__(self, run: bytes) -> bytes:
        found = b"".join(map(_words.__getitem__, _words_in(run))) if not run.isascii() else b"" if _DIGIT in run else _hash(run)
        if len(run) <= _REMEMBERED_BYTES:
            if len(self) >= _REMEMBERED:
                self.clear()
            self[run] = found
        return found


_words = _Words()
_runs = _Runs()


def _hash(word: bytes) -> bytes:
    return hashlib.blake2b(word, digest_size=_LANE_BYTES).digest()


def _windows(lanes: int, words: int) -> int:
    """Return `h[i] ^ turned(h[i + 1]) ^ twice turned(h[i + 2])` for every lane that has two more behind it."""
    mixed = lanes ^ _next_turned(lanes ^ _next_turned(lanes))
    return mixed & ((1 << 64 * (words - 2)) - 1)


def _next_turned(lanes: int) -> int:
    """Return in each lane the one behind it, its bits turned left by 21."""
    high, low = lanes >> 64 - _TURN, lanes >> 128 - _TURN
    return low ^ ((high ^ low) & _HIGH)


def _majority(lanes: int, count: int) -> int:
    """Return the bits that are set in more than half of so many lanes.

    Bit k of a lane's 64 counters lies in plane k: adding two halves of all lanes is a ripple of a few operations.
    """
    planes, left = [lanes], count
    while left > 1:
        left = (left + 1) // 2
        width = 64 * left
        lower_half = (1 << width) - 1
        sums: list[int] = []
        carry = 0
        for plane in planes:
            a, b = plane & lower_half, plane >> width
            if carry:
                odd = a ^ b
                sums.append(odd ^ carry)
                carry = (a & b) | (odd & carry)
            else:
                sums.append(a ^ b)
                carry = a & b
        sums.append(carry)
        planes = sums
    more, equal = 0, _ALL
    for index in range(len(planes) - 1, -1, -1):
        plane = planes[index]
        if count // 2 >> index & 1:
            equal &= plane
        else:
            more |= equal & plane
            equal &= ~plane
    return more
