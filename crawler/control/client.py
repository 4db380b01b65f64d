"""The other end of the socket: one command to a running crawl, and its answer. Plain and blocking, so that it starts at once."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

from crawler.control import LONGEST_LINE, place
from crawler.core.metrics import Snapshot, View
from crawler.folder import CrawlError, is_held

PATIENCE = 120.0
"""Seconds for one answer: a command that changes many URLs waits for the writer."""


class NotRunning(CrawlError):
    """Nobody crawls in this folder."""

    exit_code = 1


class Unanswered(CrawlError):
    """A process crawls there, but does not answer."""

    exit_code = 1


class Unwilling(CrawlError):
    """The crawler refused the command; nothing was changed."""

    exit_code = 2


class Reply(msgspec.Struct, frozen=True):
    """An answer, as it came."""

    ok: bool
    text: str = ""
    urls: int | None = None
    busy: int = 0
    paused: bool = False
    snapshot: Snapshot | None = None
    view: View | None = None
    settings: dict[str, object] = {}
    error: str = ""
    hint: str = ""


@contextlib.contextmanager
def connected(folder: Path) -> Iterator[Callable[[dict[str, object]], Reply]]:
    """Connect to the crawl that runs in a folder; what is yielded sends a command and returns its answer.

    Raises NotRunning, Unanswered and Unwilling.
    """
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as sock:
        sock.settimeout(PATIENCE)
        try:
            sock.connect(str(place.found(folder)))
        except OSError as error:
            raise nobody(folder, error) from None
        with sock.makefile("rb") as answers:

            def ask(command: dict[str, object]) -> Reply:
                try:
                    sock.sendall(msgspec.json.encode(command) + b"\n")
                    line = answers.readline(LONGEST_LINE)
                except OSError as error:
                    raise nobody(folder, error) from None
                return read_reply(folder, line)

            yield ask


def read_reply(folder: Path, line: bytes) -> Reply:
    """Return what a line says. Raises Unanswered for none, and Unwilling where it is a refusal."""
    if not line:
        raise Unanswered(f"the crawl in {folder} ended before it answered", "Try crawler status to see how far it is.")
    try:
        reply = msgspec.json.decode(line, type=Reply)
    except msgspec.MsgspecError as error:
        raise Unanswered(f"the crawl in {folder} gave an answer that nobody understands: {error}", "Is it of another version?") from None
    if not reply.ok:
        raise Unwilling(reply.error, reply.hint)
    return reply


def nobody(folder: Path, error: OSError) -> CrawlError:
    """Return what to say of a folder in which nobody answers: whether a process crawls there at all."""
    holder = is_held(folder)
    if holder is None:
        return NotRunning(f"no crawl is running in {folder}", "Try crawler status; a crawl at rest is steered by how it is started.")
    why = error.strerror or str(error) or "no answer"
    return Unanswered(f"process {holder.pid} crawls in {folder} and does not answer: {why.lower()}", "Try again in a moment.")
