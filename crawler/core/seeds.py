"""What a line of a seed file means, and what is wrong with it when it means nothing.

A line is a URL, then options as `name=value`, then a comment; all three may be missing. Every bad line is reported with its
column and what to try, because a seed that is silently dropped is noticed only when the results lack a site.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable
from typing import get_args

import msgspec

from crawler.core import urls
from crawler.core.scope import Options
from crawler.core.settings import Scope

MAX_LINE = 8 * 1024
"""Characters of a line; whoever reads a file need not keep more than one beyond them."""
SCOPES: tuple[str, ...] = get_args(Scope)
OPTIONS = ("depth", "scope")
DEEPEST = 1_000_000
HIGHEST_PORT = 65_535
JOINERS = "\u200c\u200d"
"""Invisible, and yet part of the spelling of words in Persian and Indic scripts."""

_WORD = re.compile(r"\S+")
_COMMENT = re.compile(r"(?:^|\s)#")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(?=://)")
_OTHER_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+-]*):(?!\d{1,5}(?:[/?#]|$))")
_LOST_COLON = re.compile(r"(https?)(?:[;/]/|/(?=/))/*", re.IGNORECASE)
_OPTION = re.compile(r"([A-Za-z_-]+)=(.*)", re.DOTALL)
_DEPTH = re.compile(r"[0-9]{1,7}")
_PORT = re.compile(r":(\d*)$")
_FORBIDDEN_IN_HOST = re.compile(r"[\x00-\x20<>^|%\\{}\"`]")


class Source(msgspec.Struct, frozen=True):
    """Where seeds came from: a file, a URL given directly, or standard input (`-`)."""

    name: str
    digest: str
    """sha256 of the content, in hexadecimal."""


class Seed(msgspec.Struct, frozen=True):
    """A URL to begin with, in its one spelling, and what its line says for itself."""

    url: str
    options: Options
    source: str
    line: int


class BadLine(msgspec.Struct, frozen=True):
    """A line that is no usable seed: where, why, and what to try."""

    source: str
    line: int
    column: int
    """Of the first bad character, counted from 1."""
    text: str
    message: str
    hint: str = ""
    width: int = 1
    """Characters that are bad, from `column` on."""


class _Bad(Exception):
    """The reading of one line ends here; columns count from 0 inside."""

    def __init__(self, column: int, message: str, hint: str = "", width: int = 1) -> None:
        super().__init__(message)
        self.column, self.message, self.hint, self.width = column, message, hint, max(width, 1)


def read_lines(lines: Iterable[str], source: str) -> tuple[list[Seed], list[BadLine]]:
    """Return the seeds of *lines*, each URL once, and the lines that are none."""
    seeds: dict[str, Seed] = {}
    bad: list[BadLine] = []
    for number, raw in enumerate(lines, start=1):
        line = raw.rstrip("\r\n")
        if number == 1:
            line = line.removeprefix("\ufeff")
        try:
            found = _read(line)
        except _Bad as fault:
            bad.append(BadLine(source, number, fault.column + 1, line, fault.message, fault.hint, fault.width))
            continue
        if found is not None:
            url, options = found
            seeds.setdefault(urls.key(url), Seed(url, options, source, number))
    return list(seeds.values()), bad


def spell(text: str) -> str:
    """Return the URL that a person means by *text*, which may lack a scheme. Raises UrlError with what to try."""
    try:
        return _url(text, 0)
    except _Bad as fault:
        raise urls.UrlError(". ".join(filter(None, (fault.message, fault.hint))), "scheme") from None


def nearest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """Return the known word that *word* was probably meant to be."""
    return next(iter(difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=cutoff)), None)


def _read(line: str) -> tuple[str, Options] | None:
    """Return what one line says, None when it says nothing."""
    if len(line) > MAX_LINE:
        raise _Bad(MAX_LINE, f"the line is longer than {MAX_LINE:,} characters", "One URL belongs on a line")
    if "\0" in line:
        raise _Bad(line.index("\0"), "the line has a NUL character", "If the file is UTF-16, save it as UTF-8")
    comment = _COMMENT.search(line)
    words = list(_WORD.finditer(line[: comment.start()] if comment else line))
    if not words:
        return None
    first, *rest = words
    for word in rest:
        if not _OPTION.fullmatch(word[0]):
            raise _space(first, word)
    return _url(first[0], first.start()), _options(rest)


def _space(first: re.Match[str], word: re.Match[str]) -> _Bad:
    """Say what the space before *word* is doing there."""
    authority = first[0].partition("://")[2] or first[0]
    if "://" in word[0] or _begins_like_a_url(word[0]):
        return _Bad(word.start(), "one line holds one URL", "Put the second URL on a line of its own", len(word[0]))
    if set("/?") & set(authority):
        return _Bad(first.end(), "URLs contain no spaces", "Write %20 for a space; options are name=value; a comment begins with #")
    return _Bad(first.end(), "host names contain no spaces")


def _begins_like_a_url(text: str) -> bool:
    """Tell whether a word begins like a web address without a scheme."""
    return text.lower().startswith("www.")


def _url(text: str, column: int) -> str:
    """Return the spelling of the URL that starts at *column* of its line."""
    for offset, char in enumerate(text):
        if unicodedata.category(char) in ("Cc", "Cf") and char not in JOINERS:
            raise _Bad(column + offset, f"there is an invisible character, U+{ord(char):04X}", "Delete it and type that place again")
        if char == "\ufffd" or "\ud800" <= char <= "\udfff":
            raise _Bad(column + offset, "these bytes are no UTF-8", "Save the file as UTF-8")
    full = _with_scheme(text, column)
    try:
        return urls.spell(full)
    except urls.UrlError as error:
        raise _unspellable(text, full, column, error) from None


def _with_scheme(text: str, column: int) -> str:
    """Return *text* with a scheme, `https` when it has none. Raises _Bad for a scheme that is not http or https."""
    scheme = _SCHEME.match(text)
    if scheme:
        if scheme[0].lower() in ("http", "https"):
            return text
        raise _wrong_scheme(scheme[0], text[scheme.end() :], column)
    lost = _LOST_COLON.match(text)
    if lost:
        meant = lost[1].lower()
        raise _Bad(column, f'there is no "://" after {meant}', f"Did you mean {meant}://{text[lost.end() :]} ?", lost.end())
    if text.startswith("//"):
        return "https:" + text
    if text.lower().startswith(("http:", "https:")):
        return text     # `https:example.org`: browsers read it as a host, and so does the standard
    if text.startswith(("/", ".", "~")):
        raise _Bad(column, "a path is no URL", "Begin with the host name, as in example.com/path", len(text))
    other = _OTHER_SCHEME.match(text)
    if other and not text.startswith("["):
        raise _wrong_scheme(other[1], text[other.end() - 1 :], column)
    _demand_host(text, column)
    return "https://" + text


def _wrong_scheme(scheme: str, rest: str, column: int) -> _Bad:
    meant = nearest(scheme, ("http", "https"), 0.75)
    hint = f"Did you mean {meant}{rest} ?" if meant and rest.startswith("://") else ""
    return _Bad(column, f'scheme "{scheme}" is not http or https', hint, len(scheme))


def _demand_host(text: str, column: int) -> None:
    """Raise unless a text without a scheme begins with what can only be a host."""
    authority = re.split(r"[/?#]", text, maxsplit=1)[0]
    name = _PORT.sub("", authority)
    option = _OPTION.fullmatch(text)
    if option and option[1].lower() in OPTIONS:
        raise _Bad(column, "an option without a URL before it", "Options belong on the line of their URL", len(text))
    if "@" in authority:
        meant = f"https://{authority.rpartition('@')[2]}/"
        raise _Bad(column, "this looks like a mail address, not a URL", f"Did you mean {meant} ?", len(text))
    if "." in name or name != authority or name.lower() == "localhost" or name.startswith("["):
        return
    raise _Bad(column, f'"{name}" is no URL: a host name has a dot', f"Write https://{text} if the host really has that name", len(name))


def _unspellable(text: str, full: str, column: int, error: urls.UrlError) -> _Bad:
    """Find what the URL standard does not like about *full*, which *text* is the end of."""
    if error.reason == "length":
        return _Bad(column, f"the URL is longer than {urls.MAX_URL_BYTES:,} bytes", width=len(text))
    start = full.index(":") + 1
    start += len(full[start:]) - len(full[start:].lstrip("/"))
    authority = re.split(r"[/?#\\]", full[start:], maxsplit=1)[0]
    place = column + max(start - (len(full) - len(text)), 0)
    if not authority:
        return _Bad(place, "the host name is missing", "A URL looks like https://example.com/path")
    host = authority.rpartition("@")[2]
    place += len(authority) - len(host)
    forbidden = _FORBIDDEN_IN_HOST.search(host)
    if forbidden and not host.startswith("["):
        return _Bad(place + forbidden.start(), f'host names contain no "{forbidden[0]}"')
    port = re.search(r":([^:\]]*)$", host)
    if port and not (port[1].isdecimal() and int(port[1]) <= HIGHEST_PORT):
        return _Bad(place + port.start() + 1, "a port is a number from 0 to 65,535", width=len(port[1]))
    return _Bad(place, f'"{host}" is no host name or address', width=len(host))


def _options(words: list[re.Match[str]]) -> Options:
    """Return what `name=value` words say."""
    given: dict[str, str] = {}
    for word in words:
        name, _, value = word[0].partition("=")
        name = name.lower()
        if name not in OPTIONS:
            meant = nearest(name, OPTIONS)
            hint = f"Did you mean {meant}={value} ?" if meant else f"The options are {' and '.join(OPTIONS)}"
            raise _Bad(word.start(), f'unknown option "{name}"', hint, len(name))
        if name in given:
            raise _Bad(word.start(), f"{name} is given twice", width=len(word[0]))
        _check_value(name, value, word.start() + len(name) + 1)
        given[name] = value
    if not given:
        return Options()
    depth = given.get("depth")
    return msgspec.convert({"depth": None if depth is None else int(depth), "scope": given.get("scope")}, Options)


def _check_value(name: str, value: str, column: int) -> None:
    if name == "depth":
        if not (_DEPTH.fullmatch(value) and int(value) <= DEEPEST):
            hint = "0 is the seed alone, 1 adds the pages it links to"
            raise _Bad(column, f'depth must be a whole number, got "{value}"', hint, len(value))
    elif value not in SCOPES:
        meant = nearest(value, SCOPES)
        hint = f"Did you mean scope={meant} ?" if meant else ""
        raise _Bad(column, f'scope must be one of {", ".join(SCOPES)}, got "{value}"', hint, len(value))
