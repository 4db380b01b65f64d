"""Text that came from elsewhere, made fit for a terminal or a log.

Whatever a server sent may hold escape sequences, line breaks that forge a second line, and characters that turn the
reading direction or cannot be seen. Everything remote that is printed for people goes through `safe`; files for other
programs (tsv, csv, JSON) keep the exact text.
"""

from __future__ import annotations

import unicodedata

ELLIPSIS = "…"

_HIDDEN_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Controls, format characters (bidi, zero width, tags), lone surrogates, line and paragraph separators."""

_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u3164\uffa0") | frozenset(
    map(chr, range(0xE0100, 0xE01F0))
)
"""Drawn as nothing although they count as letters or marks: fillers and variation selectors that can hide a message."""

_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_MARKS_PER_COLUMN = 4
"""Code points kept for one column: more is a pile of combining marks, drawn over the neighbouring lines."""


def safe(text: str) -> str:
    r"""Return *text* with everything that acts on a terminal, or cannot be seen, as a visible escape like `\x1b`.

    Not reversible, as a backslash stays a backslash: for the eye only.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join([_escape(char) if is_hidden(char) else char for char in text])


def encodable(text: str) -> str:
    r"""Return *text* as it is, but for bytes of a file's name that are no UTF-8: those become escapes like `\udcff`."""
    return text.encode("utf-8", "backslashreplace").decode()


def is_hidden(char: str) -> bool:
    """Tell whether a character acts on a terminal or cannot be seen."""
    return unicodedata.category(char) in _HIDDEN_CATEGORIES or char in _BLANK


def _escape(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return _SHORT.get(char) or f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def width(text: str) -> int:
    """Return how many terminal columns *text* takes: East Asian wide characters take two, combining marks none."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(char: str) -> int:
    if char.isascii():
        return 1
    if unicodedata.category(char) in ("Mn", "Me") or "\u1160" <= char <= "\u11ff":
        return 0        # the Jamo vowels and finals of decomposed Hangul join the syllable before them
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def cut(text: str, columns: int, *, middle: bool = False) -> str:
    """Shorten *text* to so many terminal columns, with an ellipsis at its end or (URLs) in its middle."""
    if len(text) <= _MARKS_PER_COLUMN * columns and width(text) <= columns:
        return text
    if columns <= 1:
        return ELLIPSIS[:columns]
    tail = (columns - 1) // 2 if middle else 0
    end = _head(text[::-1], tail)[::-1].lstrip("".join(c for c in text[-tail:] if _columns(c) == 0)) if tail else ""
    return _head(text, columns - 1 - tail) + ELLIPSIS + end


def _head(text: str, columns: int) -> str:
    """Return the longest beginning that fits into so many columns."""
    taken = 0
    for index, char in enumerate(text):
        taken += _columns(char)
        if taken > columns or index >= _MARKS_PER_COLUMN * columns:
            return text[:index]
    return text
