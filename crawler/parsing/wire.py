"""What passes between a crawl and its parser processes: frames of four bytes of length, one of kind, and msgpack."""

from __future__ import annotations

import struct
from collections.abc import Iterable

import msgspec

from crawler.core.model import Kind, Parsed
from crawler.parsing.config import Config

HEADER = struct.Struct("<IB")
CONFIGURE, BATCH, READY, RESULTS = range(4)
LARGEST = 1 << 30
"""Bytes of a frame that nobody exceeds; more is a broken peer."""


class Page(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """One page to be read."""

    url: str
    content_type: str | None
    depth: int
    ruleset: int
    body: bytes
    kind: Kind = Kind.A
    """How it was found: a sitemap is read as one, and what a style sheet needs is needed by its page."""
    hops: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    """Those that say something about links, their names in lower case."""


LISTING = 5
"""Deadlines that a sitemap is given: 50,000 entries take a second where a page takes a millisecond."""
MERCY = 3.0
"""Deadlines of wall time that a slow process is given, as long as it has not used up one of processor time."""


def patience(pages: Iterable[Page]) -> int:
    """Return how many deadlines of processor time a batch is given."""
    return LISTING if any(page.kind is Kind.SITEMAP for page in pages) else 1


def longest(deadline: float) -> float:
    """Return the seconds of wall time after which a batch of this deadline is ended however little of them it was given."""
    return deadline * MERCY


_encoder = msgspec.msgpack.Encoder()
decode_batch = msgspec.msgpack.Decoder(list[Page]).decode
decode_results = msgspec.msgpack.Decoder(list[Parsed]).decode
decode_config = msgspec.msgpack.Decoder(Config).decode


def frame(kind: int, value: object = None) -> bytes:
    """Return a frame."""
    content = b"" if value is None else _encoder.encode(value)
    return HEADER.pack(len(content), kind) + content
