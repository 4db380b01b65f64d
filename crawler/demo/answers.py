"""What the demo site says to a request: values in, an answer out; `site` only says it."""

from __future__ import annotations

import gzip
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus

from crawler.demo.nouns import HTML, Entry, Manner, Missing, Moved, Page
from crawler.demo.prose import number
from crawler.demo.sheets import a, html, p

SLOW = 1.5
"""Seconds until the slow page answers."""
PIECES = 8
"""Pieces that a dripping page comes in."""
DRIP = 0.05
"""Seconds between two pieces."""
BUSY = 1.0
"""Seconds after which the busy page may be asked again."""
COOKIE = "keeper"
EPOCH = 1_704_067_200
"""2024-01-01, before which nothing on the site was changed."""


@dataclass(frozen=True, slots=True)
class Asked:
    """The part of a request that answers depend on."""

    path: str
    """Path and query."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Found by name in any case, as in aiohttp's."""
    cookies: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer and the rhythm in which it is given."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    wait: float = 0.0
    """Seconds of silence before it."""
    pieces: int = 1
    """More than one: the body comes in so many, its length not announced."""
    rest: float = 0.0
    """Seconds between two pieces."""


def answer(entry: Entry, body: bytes, asked: Asked, *, first: bool, pace: float) -> Answer:
    """Answer a request for an entry whose body, if it is a page, is given.

    *first*: nobody has asked this site instance for the URL before. *pace* is what every wait is multiplied by.
    """
    if asked.method not in {"GET", "HEAD"}:
        return _told(HTTPStatus.METHOD_NOT_ALLOWED, {"Allow": "GET, HEAD"})
    match entry:
        case Missing(status):
            return _told(HTTPStatus(status))
        case Moved(status, to):
            return _told(HTTPStatus(status), {"Location": to})
        case Page(manner=Manner.BUSY) if first:
            return _told(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": str(math.ceil(BUSY * pace))})
        case Page(manner=Manner.COOKIE) if COOKIE not in asked.cookies:
            return _told(HTTPStatus.FOUND, {"Location": asked.path, "Set-Cookie": f"{COOKIE}=admitted; Path=/; HttpOnly"})
        case Page():
            return _page(entry, body, asked, pace)


def _page(page: Page, body: bytes, asked: Asked, pace: float) -> Answer:
    headers = {"Content-Type": page.mime}
    if page.dated:
        headers |= _marks(page, body, asked.path)
        if _is_known(headers, asked.headers):
            return Answer(HTTPStatus.NOT_MODIFIED, headers)
    if page.manner is Manner.GZIP:
        headers["Vary"] = "Accept-Encoding"
        if "gzip" in asked.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            body = gzip.compress(body, mtime=0)
    wait = SLOW * pace if page.manner is Manner.SLOW else 0.0
    pieces = PIECES if page.manner is Manner.DRIP else 1
    return Answer(HTTPStatus.OK, headers, body, wait, pieces, DRIP * pace)


def _marks(page: Page, body: bytes, path: str) -> dict[str, str]:
    """Return the validators of a page: a weak ETag where its bytes depend on the coding (RFC 9110 8.8.3)."""
    digest = hashlib.blake2b(body, digest_size=8).hexdigest()
    weak = "W/" if page.manner is Manner.GZIP else ""
    changed = EPOCH - number(path, 1_000) * 86_400
    return {"ETag": f'{weak}"{digest}"', "Last-Modified": formatdate(changed, usegmt=True)}


def _is_known(marks: Mapping[str, str], headers: Mapping[str, str]) -> bool:
    """Tell whether the client holds the page. If-None-Match decides alone where it is given (RFC 9110 13.2.2).

    The date is compared as text: whoever sends back what it got is right, whoever makes up a date gets the page.
    """
    tags = headers.get("If-None-Match")
    if tags is None:
        return headers.get("If-Modified-Since") == marks["Last-Modified"]
    known = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
    return "*" in known or marks["ETag"].removeprefix("W/") in known


def _told(status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Answer:
    """Return an answer that is no page, with a word for whoever reads it."""
    blocks = (p(f"{int(status)}: {status.description or status.phrase}."), p(a("/", "Back to the lights")))
    return Answer(status, {"Content-Type": HTML, **(headers or {})}, html(status.phrase, blocks).encode())
