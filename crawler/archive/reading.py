"""Reading a stored body again, wherever the archive has put it.

The database is data: a path in it that leads out of the output folder is not followed.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


class BodyMissing(Exception):
    """The file that a row names is not there, or not within the folder. The text says which file."""


def body_path(folder: Path, file: str) -> Path:
    """Return the path of a stored file. Raises BodyMissing."""
    path = folder / file
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        raise BodyMissing(f"the stored file {path} is not there")
    return path


@contextmanager
def open_body(folder: Path, file: str, offset: int | None = None, length: int | None = None) -> Iterator[BinaryIO]:
    """Open the bytes of a stored body, decoded as the page was read. Raises BodyMissing.

    *offset* and *length* are the columns of `body`: where in a WARC file the record lies; None for a file that is the body.
    """
    path = body_path(folder, file)
    if offset is not None:
        raise BodyMissing(f"the {length:,} bytes at {offset:,} of {path} cannot be read: this version knows no WARC files")
    with path.open("rb") as body:
        yield body
