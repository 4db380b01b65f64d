"""Asking again for what is known: when it is worth it, and how to ask so that a page that has not changed need not be sent.

The interval of a URL follows from what its visits came to: halved when it had changed, longer by half when it had not. That is
the wait evaluator of Heritrix (AdaptiveRevisitFrontier: both factors 1.5, between an hour and four weeks) with a quicker way
down, and what Nutch calls AdaptiveFetchSchedule. Conditional requests are RFC 9110 13.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from email.utils import parsedate_to_datetime

import msgspec

from crawler.core.model import Kept

LONGEST_ETAG = 1_024
"""Characters of an ETag that is sent back: servers refuse heads of 8 KB, and nobody needs so many to tell versions apart."""
LONGEST_DATE = 64
CHANGED, UNCHANGED = 0.5, 1.5
"""What a visit does to the interval."""
VISITS = 24
"""Visits of a URL that count, the latest: what was before them has long met one of the bounds."""
GONE = frozenset({404, 410})
"""Statuses that say of a page that it is not there any more; others speak about the server, or about us."""
NO_CONTENT = frozenset({204, 205})
NOT_MODIFIED = 304

_ETAG = re.compile(r'(?:W/)?"[\x20\x21\x23-\x7e]*"|[\x21\x23-\x29\x2b\x2d-\x7e]+')     # quoted, or the one word that some servers send
_DATE = re.compile(r"[\x20-\x7e]+")

Age = float | tuple[float, float]
"""Seconds after which a URL is asked again; a pair are the bounds of an interval of its own."""


class Visit(msgspec.Struct, frozen=True, gc=False):
    """What one request of a URL came to, as far as it tells whether the URL changes."""

    status: int | None
    fault: int | None = None
    body: int | None = None
    """Row of the body."""
    target: int | None = None
    """Row of where it redirects to."""


def conditions(kept: Kept | None) -> dict[str, str]:
    """Return the headers that ask for a page only if it is another one than the one that is kept; none when nothing tells it apart.

    What a server has sent is sent back letter for letter, or not at all: an ETag that is too long, holds bytes that cannot be
    trusted or would mean any page (`*`) is left out, and so is a date that is none.
    """
    if kept is None:
        return {}
    found = {}
    etag, date = (kept.etag or "").strip(), (kept.last_modified or "").strip()
    if len(etag) <= LONGEST_ETAG and _ETAG.fullmatch(etag):
        found["If-None-Match"] = etag
    if len(date) <= LONGEST_DATE and _DATE.fullmatch(date) and _is_date(date):
        found["If-Modified-Since"] = date
    return found


def _is_date(text: str) -> bool:
    try:
        parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return False
    return True


def interval(visits: Iterable[Visit], least: float, most: float) -> float:
    """Return the seconds after which a URL is worth asking again, between *least* and *most*; *visits* come oldest first.

    Begins at *least*, so that what changes often is known soon. Faults and 5xx tell nothing; neither does the first answer.
    """
    found = least
    before: tuple[object, ...] | None = None
    for visit in visits:
        said = _said(visit)
        if said is None or (visit.status == NOT_MODIFIED and before is None):
            continue
        if before is not None:
            same = visit.status == NOT_MODIFIED or said == before
            found = min(most, found * UNCHANGED) if same else max(least, found * CHANGED)
        if visit.status != NOT_MODIFIED:
            before = said
    return found


def _said(visit: Visit) -> tuple[object, ...] | None:
    """Return what is compared of an answer, None when it tells nothing about the page."""
    if visit.status is None or visit.status >= 500 or (visit.fault is not None and visit.body is None):
        return None
    if visit.target is not None:
        return ("redirect", visit.target)
    return (visit.status, visit.body)
