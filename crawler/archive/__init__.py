"""Bodies to disk, behind a port: `files` keeps one immutable file for each distinct body."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from crawler.core.model import Body, Request


class Draft(Protocol):
    """A body that is arriving. What is not kept leaves no trace."""

    @property
    def size(self) -> int:
        """Bytes written so far."""

    async def write(self, chunk: bytes) -> None:
        """Take in the next bytes."""

    async def keep(self, mime: str | None) -> Body:
        """Say that the body is whole and give it its name; it is durable once a `flush` has named it."""

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
