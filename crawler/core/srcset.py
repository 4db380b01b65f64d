"""What a `srcset` attribute offers: the HTML standard's "parse a srcset attribute" (4.8.4.3.10), with URLs for its result."""

from __future__ import annotations

import re

MAX_CANDIDATES = 1_000

_BETWEEN = re.compile(r"[\t\n\f\r ,]*+")
_URL = re.compile(r"[^\t\n\f\r ]++")
_USUAL = re.compile(r"[\t\n\f\r ]++(?:0*+[1-9][0-9]*+[wx]|[0-9]++\.[0-9]++x)[\t\n\f\r ]*+(?:,|\Z)")
"""One descriptor and the end of the candidate, as nearly all have it: looked at first, it halves the time."""
_DESCRIPTORS = re.compile(r"(?:[^,(]++|\([^)]*+\)?+)*+")
"""Up to a comma that is not in parentheses; these do not nest, and one that stays open reaches to the end."""
_DESCRIPTOR = re.compile(r"[^\t\n\f\r ]++")
_WIDTH = re.compile(r"0*+[1-9][0-9]*+w")
_HEIGHT = re.compile(r"0*+[1-9][0-9]*+h")
_DENSITY = re.compile(r"(?:-(?=[0.]*+(?:[eE]|x)))?+(?:[0-9]++(?:\.[0-9]++)?+|\.[0-9]++)(?:[eE][-+]?+[0-9]++)?+x")
"""A valid floating-point number that is not negative; the standard counts -0 among these."""


def candidates(value: str) -> tuple[str, ...]:
    """Return the URLs of the valid candidates as they are written, in order and without repeats."""
    found: dict[str, None] = {}
    at = _BETWEEN.match(value).end()  # type: ignore[union-attr]  # it matches nothing at all, too
    while len(found) < MAX_CANDIDATES and (written := _URL.match(value, at)):
        url, at = written[0], written.end()
        if url.endswith(","):
            found[url.rstrip(",")] = None
        elif usual := _USUAL.match(value, at):
            found[url], at = None, usual.end()
        else:
            descriptors = _DESCRIPTORS.match(value, at)
            if descriptors is None or _valid(descriptors[0]):
                found[url] = None
            at = at if descriptors is None else descriptors.end()
        at = _BETWEEN.match(value, at).end()  # type: ignore[union-attr]  # likewise
    return tuple(found)


def _valid(descriptors: str) -> bool:
    """Tell whether a candidate stands with these: one density, or a width and perhaps a height, or nothing."""
    width = height = density = False
    for found in _DESCRIPTOR.finditer(descriptors):
        descriptor = found[0]
        if _WIDTH.fullmatch(descriptor) and not (width or density):
            width = True
        elif _DENSITY.fullmatch(descriptor) and not (width or density or height):
            density = True
        elif _HEIGHT.fullmatch(descriptor) and not (height or density):
            height = True
        else:
            return False
    return width or not height
