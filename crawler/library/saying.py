"""From what a caller says to the words of a command line, so that one reader of both is enough."""

from __future__ import annotations

import os
from collections.abc import Iterable

from crawler.cli import inputs, options
from crawler.cli.errors import Wrong
from crawler.cli.options import BY_FIELD
from crawler.cli.settings import non_defaults
from crawler.core import secrets
from crawler.core.seeds import nearest
from crawler.core.settings import Settings
from crawler.library.keywords import Keywords

Seeds = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def words_of(seeds: Seeds | None) -> tuple[str, ...]:
    """Return what is to be crawled in the words of a command line."""
    if seeds is None:
        return ()
    given = [seeds] if isinstance(seeds, str | os.PathLike) else list(seeds)
    if not given:
        raise Wrong("nothing to crawl was named", "Try a URL, a seed file, or None to go on with the crawl in output.")
    return tuple(map(_word, given))


def _word(seed: object) -> str:
    if isinstance(seed, os.PathLike):
        path = os.fspath(seed)
        if not isinstance(path, str) or not os.path.exists(path):  # noqa: PTH110 - it may be any kind of path
            raise inputs.missing(str(path))
        return path if path != inputs.STDIN else os.path.join(".", path)  # noqa: PTH118 - pathlib would drop the dot
    if not isinstance(seed, str):
        raise TypeError(f"a seed must be a URL or a file, got {seed!r}")
    if seed == inputs.STDIN:
        raise Wrong("standard input is for the command line", "Try a list of URLs.")
    return seed


def said_by(settings: Settings | None, more: Keywords) -> dict[str, object]:
    """Return what the caller says, as flags would say it. Raises Wrong, naming the setting."""
    said = {} if settings is None else {field: _range(field, value) for field, value in non_defaults(settings).items()}
    for field, value in more.items():
        if field not in BY_FIELD:
            meant = nearest(field, BY_FIELD)
            hint = f"Did you mean {meant}?" if meant else "Try the names in docs/reference/commands.md."
            raise Wrong(f"there is no setting {field}", hint)
        said[field] = _plain(field, value)
    for field, value in said.items():
        try:
            options.read(BY_FIELD[field], value)
        except ValueError as error:
            got = "something else" if field in secrets.REDACTIONS else repr(value)
            raise Wrong(f"{field} must be {error}, got {got}") from None
    return said


def _range(field: str, value: object) -> object:
    """Return two values of one setting, the ends of a range, as the command line writes them."""
    return "..".join(f"{end}s" for end in value) if isinstance(value, list | tuple) and not BY_FIELD[field].unit.many else value


def _plain(field: str, value: object) -> object:
    """Return a value as the readers of the command line take it: None is the word for "as if nothing had been said"."""
    if value is None:
        return [] if BY_FIELD[field].unit.many else "none"
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return list(value) if BY_FIELD[field].unit.many and not isinstance(value, str) and isinstance(value, Iterable) else value
