"""What ends a command: mistakes of the person, answers that are "no", and how any of it is told."""

from __future__ import annotations

from crawler.folder import CrawlError

INTERNAL = 70
"""Exit code of a bug in this program (EX_SOFTWARE of sysexits.h)."""
SIGNALLED = 128
"""A process that a signal stopped ends with this plus the signal's number, as shells count."""


class Wrong(CrawlError):
    """The command line, the settings or the seeds are wrong; nothing was done."""

    exit_code = 2


class No(CrawlError):
    """The question was understood, and the answer is no."""

    exit_code = 1


def lines_of(error: CrawlError) -> list[str]:
    """Return what is printed: what is wrong, and what to try."""
    return [f"error: {error.message}", *error.hint.splitlines()]
