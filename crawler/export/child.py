"""The process that finds main texts: it reads a frame with one page from a socket, answers with a frame, ends with its parent.

trafilatura takes seconds and half a gigabyte for some pages that a person would call small (measured: 200,000 links in 4.8 MB,
47 s), and a loop in C cannot be stopped from within; so it runs here, bounded in memory by the kernel and in time by its parent.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import struct
import sys
import warnings

import msgspec

from crawler import signals

HEADER = struct.Struct(">I")
MEMORY = 1 << 30
GRACE = 2
"""Seconds beyond the parent's deadline after which this process ends by itself, if the parent is not there to end it."""


class Job(msgspec.Struct, array_like=True):
    """One page."""

    html: str
    url: str
    markdown: bool


def frame(content: object) -> bytes:
    """Return a message as it crosses the socket."""
    data = msgspec.msgpack.encode(content)
    return HEADER.pack(len(data)) + data


def received(connection: socket.socket) -> bytes | None:
    """Return the next message, None when the other end is gone."""
    head = _exactly(connection, HEADER.size)
    return None if head is None else _exactly(connection, HEADER.unpack(head)[0])


def _exactly(connection: socket.socket, length: int) -> bytes | None:
    data = bytearray(length)
    view = memoryview(data)
    while view:
        count = connection.recv_into(view)
        if count == 0:
            return None
        view = view[count:]
    return bytes(data)


def main_text(job: Job) -> str | None:
    """Return the main text of a page, None when it has none that can be found."""
    import trafilatura  # an extra, and half a second to load: in this process alone

    # It takes what does not say `html` in its first characters for something else, and HTML need not say so.
    html = job.html if "html" in job.html[:40].lower() else f"<!DOCTYPE html>{job.html}"
    found: str | None = trafilatura.extract(
        html, url=job.url, output_format="markdown" if job.markdown else "txt", include_comments=False
    )
    return found or None


def _trouble() -> str | None:
    """Return why the library cannot be loaded, None when it can: half of it may be missing."""
    try:
        import trafilatura  # noqa: F401 - half a second, in this process alone; the first page would need it anyway
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return None


def main(descriptor: int, deadline: int) -> None:
    """Serve one parent until it is gone."""
    signals.ignore()
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard), hard))
    with socket.socket(fileno=descriptor) as connection:
        connection.sendall(frame(_trouble()))
        while (data := received(connection)) is not None:
            signal.alarm(deadline + GRACE)
            try:
                answer = frame(main_text(msgspec.msgpack.decode(data, type=Job)))
            except Exception:  # noqa: BLE001 - one page must not cost the others, whatever it made the library raise
                answer = frame(None)
            signal.alarm(0)
            connection.sendall(answer)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), int(sys.argv[2]))
    except (BrokenPipeError, ConnectionResetError):
        os._exit(0)
