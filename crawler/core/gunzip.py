"""gzip bodies that are files of their own (`sitemap.xml.gz`), unpacked with a bound on everything.

Content codings are undone on the way to the disk; this is for what is packed inside. A bomb, a broken end or too much of it
is never an error: what could be read until then is what there is.
"""

from __future__ import annotations

import zlib

MAX_BYTES = 50 * 1024 * 1024
"""Unpacked bytes; sitemaps.org allows no more in a sitemap."""
MAX_RATIO = 200
RATIO_FROM = 1024 * 1024
"""Unpacked bytes from which the ratio counts: markup shrinks to a tenth or a thirtieth, a bomb to a thousandth."""
MAX_MEMBERS = 1000
"""Enough for 50 MiB of blocks of 64 KiB, which is how packers that allow jumps write."""

_MAGIC = b"\x1f\x8b"
_WINDOW = 64 * 1024
"""Packed bytes that one step sees: the rest is copied at each member, which is what makes floods of empty ones costly."""
_PIECE = 256 * 1024


def unpacked(body: bytes, most: int = MAX_BYTES) -> tuple[bytes, bool]:
    """Return at most *most* bytes of what *body* holds, and whether that is all; what is no gzip is returned as it is.

    What was packed twice, as happens where a server packs what is packed already, is unpacked twice.
    """
    whole = True
    for _ in range(2):
        if body.startswith(_MAGIC):
            body, complete = _inflated(body, most)
            whole = whole and complete
    return body[:most], whole and len(body) <= most


def _inflated(body: bytes, most: int) -> tuple[bytes, bool]:
    view, at, found = memoryview(body), 0, bytearray()
    for _ in range(MAX_MEMBERS):
        stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
        while not stream.eof:
            window = view[at : at + _WINDOW]
            try:
                piece = stream.decompress(window, min(_PIECE, most + 1 - len(found)))
            except zlib.error:
                return bytes(found), False
            found += piece
            at += len(window) - len(stream.unused_data) - len(stream.unconsumed_tail)
            if len(found) > most or (len(found) > RATIO_FROM and len(found) > MAX_RATIO * at):
                return bytes(found[:most]), False
            if not (window or piece or stream.eof):
                return bytes(found), False
        if view[at : at + len(_MAGIC)] != _MAGIC:
            return bytes(found), True   # what follows the last member is padding
    return bytes(found), False
