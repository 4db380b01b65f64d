"""Texts over which a regular expression that goes over them again and again is found out."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

_PLAIN_ESCAPE = re.compile(r"\\([./_~-])")
_NO_LITERAL = re.compile(r"\[[^]]*\]|\\.|[+*?{}^$]")
_LITERALS = re.compile(r"[\w./~=&%-]+")
_LETTER = re.compile(r"[\w./~%=&+-]")
_USUAL_LETTERS = frozenset("aA0_-")
_MOST_LETTERS = 40
_MOST_STARTS = 3
_PAIRS = ("a1" * 20, "-a" * 20, "/a" * 20, "%20" * 15, "a=1&" * 15)
_ENDS = ("!", "/", "")
"""Something that hardly any pattern matches, that many do not, and nothing."""


def traps(pattern: str, url: str) -> Iterator[str]:
    """Yield some hundred URLs of up to a hundred letters more than *url*, made for a pattern.

    Behind the URL stands what stands in the pattern, as far as it is literal, then one of its letters again and again, then an
    end: a pattern that tries all ways to part a run of letters does so when it can not match at last.
    """
    literals = set(_LITERALS.findall(_NO_LITERAL.sub(" ", _PLAIN_ESCAPE.sub(r"\1", pattern))))
    starts = ["", *sorted(literals, key=lambda literal: (-len(literal), literal))[:_MOST_STARTS]]
    letters = sorted(_USUAL_LETTERS | set(_LETTER.findall(pattern)))[:_MOST_LETTERS]
    for start, run, end in product(starts, (*(letter * 40 for letter in letters), *_PAIRS), _ENDS):
        between = "" if start.startswith("/") else "/"
        yield f"{url.rstrip('/')}{between}{start}{run}{end}"
