"""The content of pages: the decoded text of a stored body, and the main text in it.

A body that is not there is counted, not fatal: a crawl may have been copied without its pages.
"""

from __future__ import annotations

import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from crawler.archive.reading import BodyMissing, open_body
from crawler.children import launch
from crawler.core import encodings
from crawler.export.child import Job, frame, received
from crawler.export.errors import ExportError
from crawler.query.reader import Value

READ = 8 << 20
"""Bytes of a body in which a main text is looked for; what is larger is cut, as it is for links."""
START = 60
"""Seconds for that process to be ready."""
DEADLINE = 20
"""Seconds for the main text of one page."""
SOURCE = ("file", "offset", "length", "mime", "charset", "url")
"""The columns that lead to a body, in the order in which `Texts` takes them."""
_MARKUP = frozenset({"text/html", "application/xhtml+xml"})
_TEXTUAL = ("json", "xml", "javascript", "ecmascript", "yaml", "x-www-form-urlencoded")


@dataclass(slots=True)
class Tally:
    """What became of an export."""

    rows: int = 0
    """Rows, files or URLs that were written in this call."""
    missing: int = 0
    """Stored bodies that were not there."""
    empty: int = 0
    """Pages in which there was no main text, or none that could be found in time."""
    notes: tuple[str, ...] = ()
    """What else people should know."""


class Texts:
    """Reads bodies. A context manager; `main` starts a process of its own on first use."""

    def __init__(self, folder: Path, tally: Tally, *, markdown: bool = False, deadline: int = DEADLINE) -> None:
        self._folder, self._tally, self._markdown, self._deadline = folder, tally, markdown, deadline
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None

    def body(self, source: tuple[Value, ...]) -> str | None:
        """Return the whole decoded text of a body; None for what is no text, and for what is not there."""
        return self._decoded(source, None)

    def main(self, source: tuple[Value, ...]) -> str | None:
        """Return the main text of an HTML page, or a plain text as it is; None when there is none."""
        mime = source[3]
        found = self._decoded(source, READ) if mime in _MARKUP or mime in ("text/plain", "text/markdown", None) else None
        if found is not None and (mime in _MARKUP or (mime is None and "<" in found[:1024])):
            found = self._asked(Job(found, str(source[5]), self._markdown))
        elif found is not None:
            found = found.strip()
        if not found:
            self._tally.empty += 1
        return found or None

    def _decoded(self, source: tuple[Value, ...], most: int | None) -> str | None:
        file, offset, length, mime, charset, _ = source
        if not isinstance(file, str) or not _is_text(mime):
            return None
        at = offset if isinstance(offset, int) else None
        size = length if isinstance(length, int) else None
        try:
            with open_body(self._folder, file, at, size) as opened:
                content = opened.read(-1 if most is None else most)
        except (BodyMissing, OSError):
            self._tally.missing += 1
            return None
        encoding = charset if isinstance(charset, str) and charset in encodings.ENCODINGS else encodings.encoding_of(content, None)
        return encodings.decode(content, encoding)

    def _asked(self, job: Job) -> str | None:
        """Ask the process; one that does not answer in time is ended, and the next page gets a new one."""
        line = self._line or self._started()
        try:
            line.sendall(frame(job))
            answer = received(line)
        except (TimeoutError, BrokenPipeError, ConnectionResetError):
            answer = None
        if answer is None:
            self._ended()
            return None
        return msgspec.msgpack.decode(answer, type=str | None)

    def _started(self) -> socket.socket:
        """Start the process, and wait until it is ready."""
        ours, theirs = socket.socketpair()
        try:
            self._process = launch("crawler.export.child", str(theirs.fileno()), str(self._deadline), fds=[theirs.fileno()])
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._line = ours
        ours.settimeout(START)
        try:
            ready = received(ours)
        except (TimeoutError, ConnectionResetError):
            ready = None
        trouble = "its process does not start" if ready is None else msgspec.msgpack.decode(ready, type=str | None)
        if trouble is not None:
            raise ExportError(f"trafilatura cannot be used: {trouble}", "Try pip install -U 'steadycrawl[text]'.")
        ours.settimeout(self._deadline)
        return ours

    def _ended(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._ended()


def _is_text(mime: Value) -> bool:
    """Tell whether a body of this media type is text. One without a type is taken for it, as the crawler itself does."""
    if not isinstance(mime, str):
        return mime is None
    return mime.startswith("text/") or any(word in mime for word in _TEXTUAL)
