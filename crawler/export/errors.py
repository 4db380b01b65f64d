"""What can be wrong with an export, in words: what, where, and what to try."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from crawler.folder import CrawlError, StorageError


class ExportError(CrawlError):
    """What is asked for cannot be exported like that; nothing was written."""

    exit_code = 2


@contextlib.contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turn what the disk refuses into a StorageError that names the place."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        hint = "Try more room, or another place with --to. What grows goes on with --continue."
        raise StorageError(f"cannot write to {place}: {reason}", hint) from error


def need(module: str, extra: str, what: str) -> None:
    """Raise ExportError when a package that an extra brings is not there."""
    try:
        there = find_spec(module) is not None
    except ValueError:      # a module that was blocked in sys.modules
        there = False
    if not there:
        raise ExportError(f"{what} needs {module}, which is not installed", f"Try pip install 'steadycrawl[{extra}]'.")
