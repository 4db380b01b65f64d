"""A question that has a name: its SQL, what it tells, and the parameters that it takes.

A parameter is written `:name` in SQL and bound, never pasted in. Of those that come along, each has its default within the SQL,
so that the SQL runs as it is in any program that reads SQLite.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from crawler.query.errors import QueryError, nearest

Value = None | int | float | str | bytes

_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*` | \[[^\]]*\] | --[^\n]* | /\*.*?(?:\*/|\Z) | [:@$](\w+) | (\?\d*)""",
    re.VERBOSE | re.DOTALL,
)
_WHOLE = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_REAL = re.compile(r"-?(?:0|[1-9]\d*)\.\d+")


class Parameter(NamedTuple):
    """What a question can be asked with."""

    name: str
    default: str | None
    """None: it has to be given."""
    meaning: str


class Named(NamedTuple):
    """A query under a name."""

    name: str
    meaning: str
    sql: str
    notes: str = ""
    parameters: tuple[Parameter, ...] = ()


def number(name: str, default: int) -> str:
    """Return the SQL of a whole number that may be given as the parameter *name*; programs that ask for it may leave it empty."""
    return f"CAST(coalesce(nullif(:{name}, ''), {default}) AS INTEGER)"


def names_in(sql: str) -> list[str]:
    """Return the names of the parameters in a statement, in order, each once; what is in quotes and comments is none."""
    return list(dict.fromkeys(match[1] for match in _TOKEN.finditer(sql) if match[1]))


def value_of(text: str) -> Value:
    """Return what somebody wrote as a value: a number where it is written like one, else text."""
    if _WHOLE.fullmatch(text):
        return int(text)
    return float(text) if _REAL.fullmatch(text) else text


def given(pairs: list[str] | tuple[str, ...]) -> dict[str, str]:
    """Return the parameters in words such as `name=value`. Raises QueryError for words of another form, and for names given twice."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        name = name.strip().lstrip(":@$")
        if not equals or not name.isidentifier():
            raise QueryError(f"a parameter is written name=value, got {pair!r}", "Try --param status=404.")
        if name in found:
            raise QueryError(f"the parameter {name} is given twice", "Try it once.")
        found[name] = value
    return found


def bound(sql: str, values: Mapping[str, str], parameters: tuple[Parameter, ...] = ()) -> dict[str, Value]:
    """Return the values of all parameters of a statement. Raises QueryError for one that is missing, and for one that there is not."""
    if any(match[2] for match in _TOKEN.finditer(sql)):
        raise QueryError("the query has a ? for a value, which has no name", "Try :name in its place, and --param name=value.")
    names = names_in(sql)
    for name in values:
        if name not in names:
            near = nearest(name, names) or names
            hint = f"Try {' or '.join(f'--param {each}=...' for each in near)}." if near else "Try it without --param."
            raise QueryError(f"the query has no parameter {name}", hint)
    defaults = {each.name: each.default for each in parameters}
    missing = [name for name in names if name not in values and (name not in defaults or defaults[name] is None)]
    if missing:
        raise QueryError(f"the query needs a value for {', '.join(missing)}", f"Try {' '.join(f'--param {name}=...' for name in missing)}.")
    return {name: value_of(values[name]) if name in values else value_of(defaults[name] or "") for name in names}
