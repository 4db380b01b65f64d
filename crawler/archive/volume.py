"""One WARC file that is being written: exchanges become records, one behind the other."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import BinaryIO

import crawler
from crawler.archive import Exchange, records
from crawler.archive.records import EMPTY_DIGEST, IDENTICAL, NOT_MODIFIED, Payload

Said = tuple[tuple[str, str], ...]


def said_of(more: Iterable[tuple[str, str]] = ()) -> Said:
    """Return what the first record of a file says of the program that made it, and *more*."""
    software = f"steadycrawl/{crawler.__version__}"
    return (("software", software), ("format", "WARC File Format 1.1"), ("conformsTo", records.CONFORMS_TO), *more)


class Volume:
    """Writes to a file that is open and empty. Not for two threads at once."""

    def __init__(self, out: BinaryIO, name: str, at: float, said: Said) -> None:
        self._out = out
        fields, block = records.warcinfo(name, at, said)
        self._info = records.id_in(fields)
        self.end = records.write(out, fields, block)
        """Bytes written."""

    def add(self, exchange: Exchange, payload: Payload = b"") -> tuple[int, int, bool]:
        """Write the record of an answer, and of its request where that is known.

        Returns where the first begins, its length, and whether it is a revisit: then the *payload* is not written.
        """
        url, at, reply = exchange.url, exchange.at, exchange.reply
        ip = reply.ip if reply.wire is None else reply.wire.ip
        revisit = reply.status == 304 or exchange.original is not None
        if revisit:
            original = exchange.original
            size = 0 if exchange.body is None else exchange.body.size
            fields = records.revisit(
                url, at, profile=NOT_MODIFIED if reply.status == 304 else IDENTICAL, ip=ip, info=self._info,
                origin=None if original is None else (original.url, original.at, original.digest),
            )  # fmt: skip
            payload = b""
        else:
            size, digest = _measure(exchange, payload)
            fields = records.response(url, at, digest, ip=ip, truncated=exchange.truncated, info=self._info)
        offset = self.end
        length = records.write(self._out, fields, records.response_head(reply, size), payload)
        self.end += length
        if reply.wire is not None:
            asked = records.request(url, at, of=records.id_in(fields), ip=ip, info=self._info)
            self.end += records.write(self._out, asked, records.request_head(url, reply.wire.asked))
        return offset, length, revisit


def _measure(exchange: Exchange, payload: Payload) -> tuple[int, bytes]:
    if exchange.body is not None:
        return exchange.body.size, exchange.body.digest
    if isinstance(payload, bytes):
        return len(payload), hashlib.sha256(payload).digest() if payload else EMPTY_DIGEST
    raise ValueError("a body in a file has its digest already")
