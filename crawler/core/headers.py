"""What the headers of an answer say of links (`Link`, RFC 8288) and to robots (`X-Robots-Tag`)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

import msgspec

MAX_LINKS = 1_000

_STRIPPED = "".join(map(chr, range(0x21)))
_TARGET = re.compile(r"<([^>]*+)(>?+)")
_PARAMETER = re.compile(
    r"[\t ]*+;[\t ]*+([^\t =;,\"]*+)[\t ]*+(?:=[\t ]*+(?:\"((?:[^\"\\]++|\\.?+)*+)\"?+|([^;,]*+)))?", re.DOTALL
)
_BETWEEN = re.compile(r"[\t\n\r ,]*+")
_REST = re.compile(r"(?:[^,\"]++|\"(?:[^\"\\]++|\\.?+)*+\"?+)*+", re.DOTALL)
"""What is no link: up to a comma that is not in quotes."""
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)

_RULE = re.compile(r"[^,;]++")
_ALL_AGENTS = "*"
_AGENT = re.compile(r"\*|(?=[^a-z]*+[a-z])[^\s:]++")
"""A name of one word with a letter in it: the hours of a date are none."""
_WITH_VALUE = ("unavailable_after", "max-")


class HeaderLink(msgspec.Struct, frozen=True, gc=False):
    """A link that an answer's header makes."""

    href: str
    """As it is written, but for white space around it; the empty reference is the answer's own URL."""
    rel: frozenset[str] = frozenset()
    """In lower case, never empty."""
    hreflang: bool = False
    type: str | None = None
    """In lower case."""
    media: str | None = None


class Directives(msgspec.Struct, frozen=True, gc=False):
    """What an answer asks of a robot."""

    noindex: bool = False
    nofollow: bool = False


def link_header(values: Iterable[str]) -> tuple[HeaderLink, ...]:
    """Return the links of an answer's `Link` headers, in order (RFC 8288, appendix B).

    What is malformed is skipped up to the next comma. Left out are links without a relation, and those with another
    anchor than the answer itself, for they speak about another resource (RFC 8288, 3.2).
    """
    found: list[HeaderLink] = []
    for value in values:
        for link in _links(value):
            if len(found) == MAX_LINKS:
                return tuple(found)
            found.append(link)
    return tuple(found)


def _links(value: str) -> Iterator[HeaderLink]:
    at = _end(_BETWEEN, value, 0)
    while at < len(value):
        target = _TARGET.match(value, at)
        if target is not None:
            if not target[2]:
                return      # a reference without an end reaches to the end
            parameters, at = _parameters(value, target.end())
            if parameters.get("rel") and not parameters.get("anchor"):
                yield HeaderLink(
                    target[1].strip(_STRIPPED),
                    frozenset(parameters["rel"].lower().split()),
                    bool(parameters.get("hreflang")),
                    parameters.get("type", "").lower() or None,
                    parameters.get("media") or None,
                )
        at = _end(_BETWEEN, value, _end(_REST, value, at))


def _parameters(value: str, at: int) -> tuple[dict[str, str], int]:
    """Return the parameters from here on, and where they end; the first of a name counts (RFC 8288, 3.3 and B.2)."""
    parameters: dict[str, str] = {}
    while found := _PARAMETER.match(value, at):
        name, quoted, plain = found.groups()
        parameters.setdefault(name.lower(), (plain or "" if quoted is None else _ESCAPED.sub(r"\1", quoted)).strip())
        at = found.end()
    return parameters, at


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    found = pattern.match(text, at)
    return at if found is None else found.end()


def x_robots_tag(values: Iterable[str], agent: str) -> Directives:
    """Return what an answer's `X-Robots-Tag` headers ask of `agent`, the product token of a crawler.

    Rules without a name before them are for everyone; a name holds up to the next name in the same header.
    """
    agent = _product(agent.lower())
    said: set[str] = set()
    for value in values:
        for_us = True
        for part in _RULE.finditer(value.lower()):
            rule = part[0].strip()
            name, colon, rest = rule.partition(":")
            name = name.rstrip()
            if colon and not name.startswith(_WITH_VALUE) and _AGENT.fullmatch(name):
                for_us = _product(name) in (agent, _ALL_AGENTS)
                rule = rest
            if for_us and ":" not in rule:
                said.update(rule.split())
    return Directives(not said.isdisjoint({"noindex", "none"}), not said.isdisjoint({"nofollow", "none"}))


def _product(agent: str) -> str:
    return agent.partition("/")[0].strip()
