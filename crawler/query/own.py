"""Queries of one's own under a name, from files: what stands behind `-- name: some-name` up to the next one.

Further comment lines right below are what it means. The same form is understood by other tools that keep SQL in files.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from crawler.query.audits import Named
from crawler.query.errors import QueryError

FOLDER = "queries"
"""Folder whose *.sql files are read without being named: in the output folder, and where the command is given."""
LARGEST_FILE = 1_000_000
MOST_FILES = 1_000

_NAME = re.compile(r"--\s*name:\s*(\S+)\s*")
_GOOD = re.compile(r"[a-z][a-z0-9_-]*")


def read_own(files: Iterable[Path]) -> dict[str, Named]:
    """Return the queries of files by name; a later file wins. Raises QueryError, which names file and line."""
    found: dict[str, Named] = {}
    for file in files:
        found.update({query.name: query for query in _read(file)})
    return found


def standing_files(*places: Path) -> list[Path]:
    """Return the files that are read without being named, in the order of the places."""
    return [file for place in places for file in sorted((place / FOLDER).glob("*.sql"))[:MOST_FILES]]


def _read(file: Path) -> list[Named]:
    try:
        with file.open("rb") as stream:
            raw = stream.read(LARGEST_FILE + 1)
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise QueryError(f"cannot read {file}: {(error.strerror or str(error)).lower()}", "Try another --queries.") from None
    except UnicodeDecodeError:
        raise QueryError(f"cannot read {file}: it is no UTF-8", "Try saving it as UTF-8.") from None
    if len(raw) > LARGEST_FILE:
        raise QueryError(f"cannot read {file}: it has more than {LARGEST_FILE:,} bytes", "Try several files.")
    return _parted(file, text.splitlines())


def _parted(file: Path, lines: list[str]) -> list[Named]:
    starts = [(number, match[1].lower().replace("_", "-")) for number, line in enumerate(lines) if (match := _NAME.fullmatch(line.strip()))]
    before = [number for number, line in enumerate(lines[: starts[0][0] if starts else None]) if _is_sql(line)]
    if before or not starts:
        hint = "Try a line '-- name: some-name' before each query."
        raise QueryError(f"{file}, line {before[0] + 1 if before else 1}: a query without a name", hint)
    found = []
    for (start, name), end in zip(starts, [number for number, _ in starts[1:]] + [len(lines)], strict=True):
        if not _GOOD.fullmatch(name):
            raise QueryError(f"{file}, line {start + 1}: {name!r} is no name of a query", "Try lower-case letters, digits and hyphens.")
        body = lines[start + 1 : end]
        meaning: list[str] = []
        while body and body[0].lstrip().startswith("--"):
            meaning.append(body.pop(0).lstrip().removeprefix("--").strip())
        sql = "\n".join(body).strip().rstrip(";")
        if not any(map(_is_sql, body)):
            raise QueryError(f"{file}, line {start + 1}: {name} has no SQL", "Try SELECT below its name.")
        found.append(Named(name, " ".join(meaning) or f"from {file.name}", sql))
    return found


def _is_sql(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("--")
