"""Bodies to disk, behind a port: `files` keeps one immutable file for each distinct body, `warc` whole exchanges in WARC files."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import msgspec

from crawler.core.model import Body, Place, Reply, Request


class Draft(Protocol):
    """A body that is arriving. What is not kept leaves no trace."""

    @property
    def size(self) -> int:
        """Bytes written so far."""

    async def write(self, chunk: bytes) -> None:
        """Take in the next bytes."""

    async def keep(self, mime: str | None) -> Body:
        """Say that the body is whole and give it its name; it is durable once a `flush` or a `record` has named it."""

    def head(self, size: int) -> bytes:
        """Return the first bytes, for the parser."""


class Archive(Protocol):
    """Where bodies go."""

    def draft(self, request: Request) -> AbstractAsyncContextManager[Draft]:
        """Open a draft for the body of a request; leaving the block without `keep` discards it."""

    async def flush(self, bodies: Collection[Body], *, stored: Mapping[bytes, str]) -> None:
        """Return when every kept draft of these bodies is durable under its final name.

        Digests in *stored* have their file already and are dropped.
        """


class Original(msgspec.Struct, frozen=True, gc=False):
    """An answer that lies in a WARC file with its whole body."""

    url: str
    at: float
    digest: bytes


class Exchange(msgspec.Struct, frozen=True, gc=False):
    """A request that was answered, as it is recorded."""

    url: str
    at: float
    reply: Reply
    body: Body | None = None
    """A kept draft."""
    content: bytes | None = None
    """A body that no draft holds: a robots.txt."""
    original: Original | None = None
    """Where the body lies already: the one of the same digest, or for a 304 the one that is still good."""
    truncated: str | None = None
    """Why the body is not whole, in the word that WARC has for it."""


class Recording(Archive, Protocol):
    """An archive that keeps whole exchanges."""

    async def record(self, exchanges: Sequence[Exchange]) -> list[Place]:
        """Write exchanges and their kept drafts; return, durable, where each lies."""
