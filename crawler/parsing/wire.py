"""What passes between a crawl and its parser processes: frames of four bytes of length, one of kind, and msgpack."""

from __future__ import annotations

import struct

import msgspec

from crawler.core.model import Parsed
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


_encoder = msgspec.msgpack.Encoder()
decode_batch = msgspec.msgpack.Decoder(list[Page]).decode
decode_results = msgspec.msgpack.Decoder(list[Parsed]).decode
decode_config = msgspec.msgpack.Decoder(Config).decode


def frame(kind: int, value: object = None) -> bytes:
    """Return a frame."""
    content = b"" if value is None else _encoder.encode(value)
    return HEADER.pack(len(content), kind) + content
