"""A connection under control to the byte: reading requests, and making answers that are right or wrong on purpose."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct

from .animal import Cage

REASONS = {200: "OK", 301: "Moved Permanently", 302: "Found", 304: "Not Modified", 404: "Not Found", 503: "Service Unavailable"}


class Ask:
    """One request and the connection that it came in on."""

    def __init__(self, cage: Cage, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, over: asyncio.Event) -> None:
        self.cage = cage
        self.reader = reader
        self.writer = writer
        self.over = over
        self.head = b""
        self.path = ""
        self.host, self.port = writer.get_extra_info("sockname")[:2]

    async def next(self) -> bool:
        """Read the next request; False when there is none."""
        try:
            self.head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError):
            return False
        self.path = self.head.split(b" ", 2)[1].decode("latin-1")
        self.cage.hears(self.path, self.head, self.host, self.port)
        return True

    @property
    def times(self) -> int:
        """How often this path has been asked for by now."""
        return self.cage.times(self.path)

    @property
    def url(self) -> str:
        scheme = "https" if self.writer.get_extra_info("ssl_object") else "http"
        return f"{scheme}://{self.host}:{self.port}{self.path}"

    def header(self, name: str) -> str | None:
        return self.cage.heard[-1].header(name)

    async def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            self.cage.sent[self.path] = self.cage.sent.get(self.path, 0) + len(piece)

    async def hang(self) -> None:
        """Say nothing until the other side has had enough."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65_536):
                pass

    async def nap(self, seconds: float) -> None:
        """Be slow; no longer than the zoo is open."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.over.wait()

    def reset(self) -> None:
        """End the connection with a RST."""
        raw = self.writer.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def page(self, body: bytes | str, *headers: str, mime: str = "text/html; charset=utf-8", coded: bytes | None = None) -> bytes:
        """Return a good answer, and remember what should be stored of it; *coded* is what goes over the wire instead."""
        body = body.encode() if isinstance(body, str) else body
        self.cage.keep(self.url, body)
        return reply(200, coded if coded is not None else body, f"Content-Type: {mime}", *headers)

    def links(self, *targets: str, title: str = "zoo") -> bytes:
        return self.page(html(*targets, title=title))


def reply(status: int, body: bytes | str = b"", *headers: str) -> bytes:
    """Return an answer that is right: framed by its length."""
    body = body.encode() if isinstance(body, str) else body
    return head(status, f"Content-Length: {len(body)}", *headers) + body


def head(status: int, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Such')}", *headers]
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1") + b"\r\n"


def moved(location: str, *headers: str, status: int = 302) -> bytes:
    return reply(status, b"moved", f"Location: {location}", *headers)


def html(*targets: str, title: str = "zoo") -> str:
    return f"<!doctype html><title>{title}</title>" + "".join(f'<a href="{target}">x</a>\n' for target in targets)
