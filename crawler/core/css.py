"""What a style sheet refers to: `url()`, `src()`, `@import` and `image-set()`, found by the tokens of CSS Syntax Level 3.

One regular expression runs over everything that can be no reference (comments, strings, other names), and hands over at
the few tokens that can. All its repeats are possessive: what was passed is never looked at again, so any input takes
linear time.
"""

from __future__ import annotations

import re

MAX_URLS = 5_000

_STRIPPED = "".join(map(chr, range(0x21)))
_SETS = frozenset({"image-set", "-webkit-image-set"})
_FUNCTIONS = r"(?i:url|src|(?:-webkit-)?image-set)\("
_LETTER = r"[-0-9A-Z_a-z\x80-\U0010ffff]"
_NO_LETTER = r"[^-0-9A-Z_a-z\x80-\U0010ffff"
_WHITE = r"[ \t\n\r\f]"
_ESCAPE = rf"\\(?:[0-9A-Fa-f]{{1,6}}+(?:\r\n|{_WHITE})?+|[^\n\r\f0-9A-Fa-f])"
_NAME = rf"(?:{_LETTER}++|{_ESCAPE})"
_CALL = rf"(?P<name>{_NAME}++)(?P<call>\(?+)"
_DOUBLE = r"(?:[^\"\\\n\r\f]++|\\(?:\r\n|[\s\S]))*+"
_SINGLE = r"(?:[^'\\\n\r\f]++|\\(?:\r\n|[\s\S]))*+"
_COMMENT = r"/\*(?:[^*]++|\*(?!/))*+(?:\*/)?+"
_DULL = rf"(?!{_FUNCTIONS}){_LETTER}++(?!\\)|{_COMMENT}|/(?!\*)|<(?:!--)?+|#{_NAME}*+|\\[\n\r\f]"
"""Names that begin no reference, comments, slashes, `<!--`, hashes, and backslashes that escape nothing."""

_NEXT = re.compile(
    rf"(?:{_NO_LETTER}\\\"'/@#<]++|{_DULL}|\"{_DOUBLE}\"?+|'{_SINGLE}'?+|@(?!{_LETTER}|\\))*+(?:@(?P<rule>{_NAME}*+)|{_CALL}|[\s\S])"
)
"""The next name that may begin a reference; names with escapes are looked at one by one."""
_IN_SET = re.compile(
    rf"(?:{_NO_LETTER}\\\"'/#<(){{}};]++|{_DULL})*+(?:(?P<string>(?=[\"']))|{_CALL}|(?P<mark>[(){{}};])|[\s\S])"
)
"""The same among the arguments of `image-set()`, where strings are references and parentheses count."""
_GAP = re.compile(rf"(?:{_WHITE}++|{_COMMENT})*+")
_STRING = re.compile(rf"\"(?P<double>{_DOUBLE})(?P<end>\"|\Z)?|'(?P<single>{_SINGLE})(?P<stop>'|\Z)?")
_QUOTED = re.compile(rf"{_WHITE}*+(?=[\"'])")
_PLAIN = re.compile(rf"{_WHITE}*+((?:[^\"'()\\\x01-\x20\x7f]++|{_ESCAPE})*+){_WHITE}*+(?:\)|\Z)")
_REMNANTS = re.compile(r"(?:[^)\\]++|\\[\s\S]?+)*+\)?+")
"""What is left of a bad `url(`."""
_PREFIX = re.compile(rf"(?:(?!(?i:url)\(){_NAME}++)?+")
_ESCAPED = re.compile(rf"\\(?:([0-9A-Fa-f]{{1,6}})(?:\r\n|{_WHITE})?|\r\n|[\n\r\f]|([\s\S]?))")


def urls_of(text: str) -> tuple[str, ...]:
    """Return the references of a style sheet or a `style` attribute, in order and without repeats.

    Left out are `data:` URLs, references to a part of the document itself (`#gradient`) and the names of `@namespace`.
    """
    finds = _Finds(text)
    finds.sheet()
    return tuple(finds.urls)


class _Finds:
    """A style sheet, and what was found in it."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.urls: dict[str, None] = {}

    def sheet(self) -> None:
        """Go through all of it."""
        at = 0
        while len(self.urls) < MAX_URLS and (found := _NEXT.match(self.text, at)):
            at = found.end()
            if found["rule"] is not None:
                at = self._rule(_unescaped(found["rule"]).lower(), at)
            elif found["call"]:
                at = self._call(_unescaped(found["name"]).lower(), at)

    def _rule(self, name: str, at: int) -> int:
        """Go on behind an at-keyword."""
        if name == "import":
            return self._string(_end(_GAP, self.text, at))
        if name == "namespace":
            at = _end(_PREFIX, self.text, _end(_GAP, self.text, at))
            at = _end(_GAP, self.text, at)
            if self.text[at : at + 4].lower() == "url(":
                return self._url(at + 4, keep=False)
        return at

    def _call(self, name: str, at: int) -> int:
        """Go on behind a function's name and parenthesis."""
        if name == "url":
            return self._url(at)
        if name == "src":
            return self._string(_end(_GAP, self.text, at))
        return self._set(at) if name in _SETS else at

    def _url(self, at: int, *, keep: bool = True) -> int:
        if quoted := _QUOTED.match(self.text, at):
            at = _end(_GAP, self.text, self._string(quoted.end(), keep=keep))
            return at + (self.text[at : at + 1] == ")")
        if plain := _PLAIN.match(self.text, at):
            if keep:
                self._add(plain[1])
            return plain.end()
        return _end(_REMNANTS, self.text, at)

    def _string(self, at: int, *, keep: bool = True) -> int:
        """Take the string that begins here, if one does; a line's end may not cut it off, the end of the text may."""
        string = _STRING.match(self.text, at)
        if string is None:
            return at
        if keep and (string["end"] is not None or string["stop"] is not None):
            self._add(string["double"] or string["single"] or "")
        return string.end()

    def _set(self, at: int) -> int:
        """Take the strings among the arguments of `image-set()`, not those of functions inside (`type("image/avif")`)."""
        depth = 1
        while depth > 0 and (found := _IN_SET.match(self.text, at)):
            at = found.end()
            if found["string"] is not None:
                at = self._string(at, keep=depth == 1)
            elif found["call"]:
                name = _unescaped(found["name"]).lower()
                depth += name != "url"      # of that one nothing is left
                at = self._call(name, at) if name not in _SETS else at
            elif mark := found["mark"]:
                depth += {"(": 1, ")": -1}.get(mark, -depth)    # a brace or a semicolon: it was never closed
        return at

    def _add(self, written: str) -> None:
        if written[:5].lower() == "data:" or len(self.urls) >= MAX_URLS:    # before a megabyte of picture is unescaped
            return
        url = _unescaped(written).replace("\0", "\ufffd").strip(_STRIPPED)
        if url and url[0] != "#" and url[:5].lower() != "data:":
            self.urls[url] = None


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()


def _unescaped(written: str) -> str:
    return _ESCAPED.sub(_character, written) if "\\" in written else written


def _character(escape: re.Match[str]) -> str:
    """Return what an escape stands for (CSS Syntax Level 3, 4.3.7); an escaped line end is nothing."""
    if escape[1] is None:
        return escape[2] or ""
    code = int(escape[1], 16)
    return "\ufffd" if code == 0 or 0xD800 <= code <= 0xDFFF or code > 0x10FFFF else chr(code)
