"""Files of own named queries: SQL with a name above each.

-- name: big-images
-- images beyond a size, largest first         (its meaning; further lines are notes)
-- param: bytes = 1000000 smallest size        (once for each parameter; without a default it has to be given)
SELECT url, bytes FROM pages WHERE mime LIKE 'image/%' AND bytes > :bytes ORDER BY bytes DESC;
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from pathlib import Path

from crawler.query.errors import QueryError
from crawler.query.question import Named, Parameter, names_in

FOLDER = "queries"
"""Folder of query files, in an output folder or beside crawler.toml."""
LARGEST_FILE = 1_000_000
MOST_FILES = 1_000

_NAME = re.compile(r"--\s*name\s*:\s*(.*?)\s*", re.IGNORECASE)
_PARAM = re.compile(r"--\s*param\s*:\s*(\w+)\s*(?:=\s*(\"[^\"]*\"|\S+))?\s*(.*)", re.IGNORECASE)
_COMMENT = re.compile(r"--\s?(.*)")
_GOOD_NAME = re.compile(r"[a-z][a-z0-9-]*")


def read_own(files: Iterable[Path]) -> dict[str, Named]:
    """Return the queries of files by name; a later file wins. Raises QueryError, which names file and line."""
    found: dict[str, Named] = {}
    for file in files:
        found.update({query.name: query for query in _read(file)})
    return found


def standing_files(*places: Path) -> list[Path]:
    """Return the files that are read without being named, in the order of the places."""
    return list(dict.fromkeys(file for place in places for file in sorted((place / FOLDER).glob("*.sql"))[:MOST_FILES]))


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
    found: dict[str, Named] = {}
    for line, name, part in _parts(text, file):
        query = _query(file, line, name, part)
        if query.name in found:
            raise QueryError(f"{file}, line {line}: there are two queries named {query.name}", "Try another name for one of them.")
        found[query.name] = query
    return list(found.values())


def _parts(text: str, path: Path) -> Iterator[tuple[int, str, list[str]]]:
    """Yield (line number, name, lines behind it) for each `-- name:` in a text."""
    start, name = 0, ""
    part: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _NAME.fullmatch(line.strip())
        if match is None:
            part.append(line)
            continue
        if start:
            yield start, name, part
        elif any(_sql(each) for each in part):
            raise _nameless(path, part)
        start, name, part = number, match[1], []
    if not start:
        raise _nameless(path, part)
    yield start, name, part


def _nameless(path: Path, part: list[str]) -> QueryError:
    line = next((at for at, each in enumerate(part, 1) if _sql(each)), 1)
    return QueryError(f"{path}, line {line}: a query without a name", "Try a line '-- name: some-name' before each query.")


def _sql(line: str) -> bool:
    return bool(line.strip()) and not line.strip().startswith("--")


def _query(path: Path, line: int, name: str, part: list[str]) -> Named:
    """Return one query."""
    where = f"{path}, line {line}"
    name = name.lower().replace("_", "-")
    if not _GOOD_NAME.fullmatch(name):
        raise QueryError(f"{where}: {name!r} is no name of a query", "Try lower-case letters, digits and hyphens.")
    said: list[str] = []
    parameters: list[Parameter] = []
    first = next((at for at, each in enumerate(part) if _sql(each)), len(part))
    for each in part[:first]:
        if (match := _PARAM.fullmatch(each.strip())) is not None:
            default = match[2]
            parameters.append(Parameter(match[1], None if default is None else default.strip('"'), match[3]))
        elif (match := _COMMENT.fullmatch(each.strip())) is not None and match[1].strip():
            said.append(match[1].strip())
    sql = "\n".join(part[first:]).strip().rstrip(";")
    if not sql:
        raise QueryError(f"{where}: {name} has no SQL", "Try SELECT below its name.")
    _check(where, name, sql)
    named = names_in(sql)
    for parameter in parameters:
        if parameter.name not in named:
            raise QueryError(f"{where}: {name} has no :{parameter.name} in its SQL", "Try without that -- param line.")
    parameters += [Parameter(each, None, "") for each in named if each not in {parameter.name for parameter in parameters}]
    return Named(name, said[0] if said else f"from {path.name}", sql, " ".join(said[1:]), tuple(parameters))


def _check(where: str, name: str, sql: str) -> None:
    """Refuse what is not one whole statement; whether it may be asked is seen when it is."""
    if not sqlite3.complete_statement(f"{sql}\n;"):
        raise QueryError(f"{where}: the SQL of {name} is not complete", "Try closing what is open: a quote or a comment.")
