"""Content codings undone step by step, with a bound on every step: bombs, floods of members and broken ends are named.

The client's own decoding is off: it stores a gzip stream that was cut short as whole, and passes unknown codings through.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from typing import Protocol

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PIECE = 256 * 1024
"""Bytes that one step may give."""
MAX_CODINGS = 2
MAX_MEMBERS = 100
MAX_RATIO = 200
RATIO_FROM = 1024 * 1024
"""Decoded bytes from which the ratio counts."""

GZIP_MAGIC = b"\x1f\x8b"

ACCEPTED = "gzip, deflate, br, zstd"


class DecodeError(Exception):
    """The content coding is unknown, broken, or a bomb."""


class Step(Protocol):
    """One coding being undone."""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what these bytes decode to, in bounded pieces."""

    def complete(self) -> bool:
        """Tell whether the stream has reached its end."""


class Gzip:
    """gzip, of several members if need be; bytes that are no gzip at all are passed through as they are."""

    def __init__(self) -> None:
        self._object = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._members = 0
        self._between = True
        """No member is open: the next bytes have to say what they are."""
        self._start = b""
        self._plain = False
        self._over = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """See Step."""
        while data and not (self._plain or self._over):
            if self._between:
                data = self._opened(data)
                continue
            yield from _inflate(self._object, data)
            if not self._object.eof:
                return
            data = self._object.unused_data
            self._between = True
        if self._plain and data:
            yield data

    def _opened(self, data: bytes) -> bytes:
        """Look whether a member begins; return what is to be read on, nothing while that cannot be told."""
        data = self._start + data
        if self._members:
            data = data.lstrip(b"\0")       # members may be padded
        self._start = data if len(data) < len(GZIP_MAGIC) and GZIP_MAGIC.startswith(data) else b""
        if self._start or not data:
            return b""
        if not data.startswith(GZIP_MAGIC):
            self._over = self._members > 0      # what follows the last member is no part of the body
            self._plain = not self._over        # says gzip, is none: servers do that, and the page is good
            return data
        self._members += 1
        if self._members > MAX_MEMBERS:
            raise DecodeError(f"more than {MAX_MEMBERS} gzip members")
        self._object = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self._between = False
        return data

    def complete(self) -> bool:
        """See Step."""
        return self._plain or (self._between and (self._members > 0 or not self._start))


class Deflate:
    """deflate: with the zlib wrapper as the standard says, or raw as some servers send it."""

    def __init__(self) -> None:
        self._object: zlib._Decompress | None = None

    def feed(self, data: bytes) -> Iterator[bytes]:
        """See Step."""
        if self._object is None:
            if not data:
                return
            wrapped = data[0] & 0x0F == zlib.DEFLATED
            self._object = zlib.decompressobj(zlib.MAX_WBITS if wrapped else -zlib.MAX_WBITS)
        yield from _inflate(self._object, data)

    def complete(self) -> bool:
        """See Step."""
        return self._object is None or self._object.eof


def _inflate(stream: zlib._Decompress, data: bytes) -> Iterator[bytes]:
    while data and not stream.eof:
        try:
            piece = stream.decompress(data, PIECE)
        except zlib.error as error:
            raise DecodeError(f"broken deflate stream: {error}") from None
        if piece:
            yield piece
        data = stream.unconsumed_tail


class Brotli:
    """br."""

    def __init__(self) -> None:
        self._object = brotli.Decompressor()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """See Step."""
        try:
            piece = self._object.process(data, output_buffer_limit=PIECE)
            while piece or not self._object.can_accept_more_data():
                yield piece
                piece = self._object.process(b"", output_buffer_limit=PIECE)
        except brotli.error as error:
            raise DecodeError(f"broken brotli stream: {error}") from None

    def complete(self) -> bool:
        """See Step."""
        return bool(self._object.is_finished())


class Zstd:
    """zstd, of several frames if need be."""

    def __init__(self) -> None:
        self._object = zstd.ZstdDecompressor()
        self._frames = 1

    def feed(self, data: bytes) -> Iterator[bytes]:
        """See Step."""
        try:
            while True:
                if self._object.eof:
                    if not data:
                        return
                    self._frames += 1
                    if self._frames > MAX_MEMBERS:
                        raise DecodeError(f"more than {MAX_MEMBERS} zstd frames")
                    self._object = zstd.ZstdDecompressor()
                piece = self._object.decompress(data, PIECE)
                if piece:
                    yield piece
                data = self._object.unused_data if self._object.eof else b""
                if not self._object.eof and self._object.needs_input:
                    return
        except zstd.ZstdError as error:
            raise DecodeError(f"broken zstd stream: {error}") from None

    def complete(self) -> bool:
        """See Step."""
        return bool(self._object.eof)


STEPS: dict[str, type[Gzip | Deflate | Brotli | Zstd]] = {
    "gzip": Gzip,
    "x-gzip": Gzip,
    "deflate": Deflate,
    "br": Brotli,
    "zstd": Zstd,
}


class Decoder:
    """All codings of one body, undone in turn."""

    def __init__(self, codings: list[str]) -> None:
        if len(codings) > MAX_CODINGS:
            raise DecodeError(f"{len(codings)} content codings, more than {MAX_CODINGS}")
        unknown = [coding for coding in codings if coding not in STEPS]
        if unknown:
            raise DecodeError(f"unknown content coding {unknown[0][:40]!r}")
        self._steps: list[Step] = [STEPS[coding]() for coding in reversed(codings)]
        self._wire = 0
        self._decoded = 0

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the decoded bytes in pieces of at most 256 KiB. Raises DecodeError."""
        self._wire += len(data)
        for piece in self._through(0, data):
            self._decoded += len(piece)
            if self._decoded > RATIO_FROM and self._decoded > MAX_RATIO * self._wire:
                raise DecodeError(f"a bomb: decodes to more than {MAX_RATIO} times its size")
            yield piece

    def _through(self, index: int, data: bytes) -> Iterator[bytes]:
        if index == len(self._steps):
            yield data
            return
        for piece in self._steps[index].feed(data):
            yield from self._through(index + 1, piece)

    def complete(self) -> bool:
        """Tell whether every coding has reached its end; if not, the body was cut short."""
        return all(step.complete() for step in self._steps)


def codings_of(values: list[str]) -> list[str]:
    """Return the content codings of all Content-Encoding headers, in order, `identity` left out."""
    names = [name.strip().lower() for value in values for name in value.split(",")]
    return [name for name in names if name and name != "identity"]
