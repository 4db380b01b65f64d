"""The family that a URL belongs to, and when a family has nothing new to say.

A trap makes pages without end, but it makes them by one script: their URLs are alike but for numbers, dates and tokens. So
budgets belong to families of URLs, and what is counted against them is likeness: a page that says what others of its family
said already. A manual of 20,000 different pages in one directory is a large family, and never a trap.
"""

from __future__ import annotations

import functools
import re
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from typing import Literal, NamedTuple

import msgspec

LIKE = 8
"""Bits in which pages of one family may differ and still say the same.

Of three manuals' 570 families (11,800 pages) the most alike is so in 7 pages of 10 with 8 bits, in more than 9 with 12; a calendar
of days in a frame of 50 words is alike in 9 of 10 with 8 bits, in 8 with 5.
"""
ALIKE_FROM = 400
"""Pages that have to be alike before a family can be called so."""
COUNTED_FROM = 100
"""Pages that have to be alike before a family is worth remembering from run to run."""
BUDGET = 25_000
"""Pages that have to be alike before a family is closed."""
MOST_FAMILIES = 20_000
MOST_NAMES = 3
NAMES_CHARS = 200
PATH_CHARS = 400
"""What is kept of a pattern's directory: names longer than that differ in what nobody reads."""

_MANY_NAMES = "?*"
_OF_TOKENS = "/T/"
_SUSPECT = 5
"""Families of tokens or of many parameters, which scripts make up without end, have a fifth of the budget."""
_FIRST = 8
_LATEST = 8
_TENTHS = 9
_TENTHS_OF_SUSPECTS = 6
"""A shop's 7,896 combinations of filters were 76 % alike: what they list changes, and nothing in them is new."""
_ALL = (1 << 64) - 1
_CACHED_CHARS = 256

_VARYING = re.compile(
    r"(?P<kept>%[0-9A-Fa-f]{2})"
    r"|(?P<token>(?<![0-9A-Za-z])(?:"
    r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}"                     # a UUID
    r"|(?=[0-9]+[A-Fa-f]|[A-Fa-f]+[0-9])[0-9A-Fa-f]{8,}"                        # hexadecimal, with a letter and a digit
    r"|(?=[0-9]*[A-Za-z]+[0-9]+[A-Za-z]+[0-9])[0-9A-Za-z]{12,}"                 # letters and digits by turns
    r")(?![0-9A-Za-z]))"
    r"|[0-9]+"
)
_EXTENSION = re.compile(r"\.[A-Za-z][0-9A-Za-z]{0,7}\Z")
_QUERY_VALUE = re.compile(r"=[^&]*")
_PATH_VALUE = re.compile(r"=[^;]*")


def pattern_of(url: str, *, whole_site: str | None = None) -> str:
    """Return the family of a spelt URL: host, path and names of query parameters, without what varies.

    `http://h.test/2026/11/day-3.html?b=1&a2=x` is of `h.test/N/N/*.html?aN&b`; more than three names are `?*`, for facets are
    chosen in every combination. A run of digits becomes `N`, a token `T`, the
    last segment `*` before its extension; the scheme does not matter. `whole_site` stands for all hosts of a site (`*.SITE`).
    """
    start = url.index("://") + 3
    path, _, query = url[start:].partition("?")
    directory, _, last = path.rpartition("/")
    if whole_site is not None:
        directory = f"*.{whole_site}{directory[len(directory.partition('/')[0]) :]}"
    pattern = (_directory if len(directory) <= _CACHED_CHARS else _varied_directory)(directory)
    if last:
        pattern += _file(last)
    if query:
        names = _QUERY_VALUE.sub("", query)
        pattern += (_query if len(names) <= _CACHED_CHARS else _varied_query)(names)
    return pattern


def _varied_directory(directory: str) -> str:
    host, slash, path = directory.partition("/")
    if "=" in path:
        path = "/".join(_PATH_VALUE.sub("", segment) if ";" in segment else segment for segment in path.split("/"))
    path = _VARYING.sub(_varied, path)
    return f"{host}{slash}{path[:PATH_CHARS]}/"


def _file(last: str) -> str:
    """Return what is kept of the last segment: its extension and the names of its parameters."""
    parameters = ""
    if ";" in last:
        last, _, parameters = last.partition(";")
        parameters = ";" + _VARYING.sub(_varied, _PATH_VALUE.sub("", parameters))[:NAMES_CHARS]
    if "." in last and (extension := _EXTENSION.search(last)):
        stem = "*" if extension.start() else ""
        return stem + extension[0] + parameters
    return f"*{parameters}" if last else parameters


def _varied_query(names: str) -> str:
    distinct = sorted({_VARYING.sub(_varied, name) for name in names.split("&") if name})
    return "?" + "&".join(distinct)[:NAMES_CHARS] if len(distinct) <= MOST_NAMES else _MANY_NAMES


_directory = functools.lru_cache(8192)(_varied_directory)
_query = functools.lru_cache(2048)(_varied_query)


def _varied(match: re.Match[str]) -> str:
    match match.lastgroup:
        case "kept":
            return match[0]
        case "token":
            return "T"
        case _:
            return "N"


def _is_suspect(pattern: str) -> bool:
    return pattern.endswith(_MANY_NAMES) or _OF_TOKENS in pattern


class Family(msgspec.Struct):
    """What is known of one pattern's pages."""

    pages: int = 0
    alike: int = 0
    tiny: bool = False
    """A page of fewer words than have a fingerprint has been seen."""
    first: array[int] = msgspec.field(default_factory=lambda: array("Q"))
    latest: array[int] = msgspec.field(default_factory=lambda: array("Q"))
    """Fingerprints of pages that were not alike: those that were, would only push the others out."""

    def knows(self, simhash: int) -> bool:
        """Tell whether a page is alike to one that is remembered; one that is not is remembered."""
        bits = simhash & _ALL
        for other in self.first:
            if (bits ^ other).bit_count() <= LIKE:
                return True
        for other in self.latest:
            if (bits ^ other).bit_count() <= LIKE:
                return True
        if len(self.first) < _FIRST:
            self.first.append(bits)
        else:
            if len(self.latest) >= _LATEST:
                del self.latest[0]
            self.latest.append(bits)
        return False


Damped = Literal["alike", "closed"]


class Change(NamedTuple):
    """A family has become known for saying the same over and over."""

    pattern: str
    damped: Damped
    pages: int
    alike: int


class Families:
    """Counts for each pattern how many of its pages say what others of it said, and tells once when that is too much. 20,000 are 10 MB.

    Families that were damped are kept for good: each has taken hundreds of pages to become so. Of the others the one that
    was met longest ago is forgotten, so that URLs that are each their own pattern cost bounded memory.
    """

    def __init__(self, *, budget: int = BUDGET, most: int = MOST_FAMILIES) -> None:
        self._budget = budget
        self._most = most
        self._open: OrderedDict[str, Family] = OrderedDict()    # a dict would look for its oldest among all that are gone
        self._damped: dict[str, tuple[Family, Damped]] = {}
        self._released: set[str] = set()

    def __repr__(self) -> str:
        return f"<Families {len(self._open)} of {self._most} open, {len(self._damped)} damped, {len(self._released)} released>"

    def note(self, pattern: str, simhash: int | None, *, tiny: bool) -> Change | None:
        """Count a page; `tiny` is one of fewer words than have a fingerprint. Return what it changed, if anything."""
        family = self._met(pattern)
        family.pages += 1
        if simhash is not None:
            family.alike += family.knows(simhash)
        elif tiny:
            family.alike += family.tiny
            family.tiny = True
        return self._judged(pattern, family)

    def restore(self, pattern: str, pages: int, alike: int, damped: str | None) -> None:
        """Go on with a family as an earlier run left it; its texts are not known any more."""
        family = self.family(pattern) or Family()
        family.pages, family.alike = pages, alike
        match damped:
            case "alike" | "closed" if pattern not in self._released:
                self._damp(pattern, family, damped)
            case "alike" | "closed" | None:
                self._reopen(pattern, family)
            case _:
                raise ValueError(f"damped must be alike, closed or None, got {damped!r}")

    def release(self, pattern: str) -> None:
        """Forget that a family was damped, and never damp it again."""
        self._released.add(pattern)
        damped = self._damped.get(pattern)
        if damped is not None:
            self._reopen(pattern, damped[0])

    def family(self, pattern: str) -> Family | None:
        """Return what is known of a pattern's pages."""
        damped = self._damped.get(pattern)
        return self._open.get(pattern) if damped is None else damped[0]

    def damped(self, pattern: str) -> Damped | None:
        """Return how far a pattern is damped."""
        found = self._damped.get(pattern)
        return None if found is None else found[1]

    def budget_of(self, pattern: str) -> int:
        """Return how many pages have to be alike before a family is closed."""
        return self._budget // _SUSPECT if _is_suspect(pattern) else self._budget

    def counted(self) -> Iterator[tuple[str, int, int, Damped | None]]:
        """Yield what is worth remembering: pattern, pages, alike ones, and how far it is damped."""
        for pattern, (family, damped) in self._damped.items():
            yield pattern, family.pages, family.alike, damped
        for pattern, family in self._open.items():
            if family.alike >= min(COUNTED_FROM, self.budget_of(pattern) // 10):
                yield pattern, family.pages, family.alike, None

    def _met(self, pattern: str) -> Family:
        damped = self._damped.get(pattern)
        if damped is not None:
            return damped[0]
        family = self._open.get(pattern)
        if family is not None:
            self._open.move_to_end(pattern)
            return family
        family = Family()
        self._reopen(pattern, family)
        return family

    def _reopen(self, pattern: str, family: Family) -> None:
        self._damped.pop(pattern, None)
        self._open[pattern] = family
        if len(self._open) > self._most:
            self._open.popitem(last=False)

    def _judged(self, pattern: str, family: Family) -> Change | None:
        tenths = _TENTHS_OF_SUSPECTS if _is_suspect(pattern) else _TENTHS
        if family.alike * 10 < family.pages * tenths or pattern in self._released:
            return None
        now: Damped | None = "closed" if family.alike >= self.budget_of(pattern) else "alike" if family.alike >= ALIKE_FROM else None
        before = self.damped(pattern)
        if now is None or before in (now, "closed"):
            return None
        self._damp(pattern, family, now)
        return Change(pattern, now, family.pages, family.alike)

    def _damp(self, pattern: str, family: Family, damped: Damped) -> None:
        self._open.pop(pattern, None)
        self._damped[pattern] = family, damped
