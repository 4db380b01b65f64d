"""Rows on their way out: a table for people, and three exact formats for programs.

Rows are written as they come, whatever their number. `tsv`, `csv` and `json` hold the exact text; only on a terminal they
too show what would act on it as escapes (JSON's own escapes are exact and used everywhere).
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal, Protocol, TextIO, get_args

import msgspec

from crawler import text
from crawler.query.reader import Row, Value

Format = Literal["table", "tsv", "csv", "json"]
FORMATS: tuple[Format, ...] = get_args(Format)

SAMPLE = 500
"""Rows of a table that are held back to find how wide its columns are."""
_NARROWEST = 6
_GAP = "  "
_SHOWN_BYTES = 32
_MARGIN = 4
"""Characters looked at for one column of the terminal, from either end of a long text."""
_TSV = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_JSON = msgspec.json.Encoder()
_FORMULA = frozenset("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""The last four are the full-width twins of the first four."""
_SKIPPED = "\u0000\u200b\u2060\ufeff"
"""Ignored by spreadsheets before a formula, as blanks are."""


class Rows(Protocol):
    """What can be written: the names of the columns, and rows."""

    columns: tuple[str, ...]

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows."""


def write(
    rows: Rows, form: Format, stream: TextIO, *, width: int | None = None, excel_safe: bool = False, header: bool = True
) -> int:
    """Write all rows and return how many there were.

    *width* is the number of columns that a table may take; None is without bound. *excel_safe* makes a spreadsheet take
    text of a csv for text, at the price of an apostrophe in front of what looks like a formula. Without *header* the lines of
    a csv or tsv go on with those of an earlier call.
    """
    counted = _Counted(rows)
    terminal = stream.isatty()
    match form:
        case "table":
            _write_table(rows.columns, counted, stream, width)
        case "tsv":
            _write_tsv([rows.columns] * header, counted, stream, terminal=terminal)
        case "csv":
            _write_csv([rows.columns] * header, counted, stream, terminal=terminal, excel_safe=excel_safe)
        case "json":
            _write_json(rows.columns, counted, stream)
    return counted.count


class _Counted:
    """Rows that are counted while they pass."""

    def __init__(self, rows: Iterable[Row]) -> None:
        self.count = 0
        self._rows = rows

    def __iter__(self) -> Iterator[Row]:
        for row in self._rows:
            self.count += 1
            yield row


# --- exact formats ------------------------------------------------------------------------------------------------


def _write_tsv(head: Sequence[Row], rows: Iterable[Row], stream: TextIO, *, terminal: bool) -> None:
    r"""Write tab-separated values: backslash, tab and line ends as \\ \t \n \r, NULL as nothing."""
    for row in itertools.chain(head, rows):
        cells = [_exact(value).translate(_TSV) for value in row]
        stream.write("\t".join(map(text.safe, cells) if terminal else cells) + "\n")


def _write_csv(head: Sequence[Row], rows: Iterable[Row], stream: TextIO, *, terminal: bool, excel_safe: bool) -> None:
    """Write comma-separated values as in RFC 4180: CRLF, quotes doubled, NULL as nothing."""
    steps: list[Callable[[str], str]] = [_no_formula] * excel_safe + [text.safe] * terminal
    writer = csv.writer(stream, quoting=csv.QUOTE_ALL if excel_safe else csv.QUOTE_MINIMAL, lineterminator="\r\n")
    for row in itertools.chain(head, rows):
        cells: list[Value] = []
        for value in row:
            cell = value.hex() if isinstance(value, bytes) else value
            if isinstance(cell, str):
                for step in steps:
                    cell = step(cell)
            cells.append(cell)
        writer.writerow(cells)


def _no_formula(cell: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run (OWASP, CSV injection; blanks before it count too)."""
    start = cell.lstrip(_SKIPPED + " \xa0\u3000")
    return f"'{cell}" if start[:1] in _FORMULA else cell


def _write_json(columns: Sequence[str], rows: Iterable[Row], stream: TextIO) -> None:
    """Write JSON Lines: an object for each row, blobs as hex, an infinite number as null."""
    names = distinct(columns)
    for row in rows:
        cells = {name: value.hex() if isinstance(value, bytes) else value for name, value in zip(names, row, strict=True)}
        line = _JSON.encode(cells).decode()
        stream.write((line if line.isascii() and "\x7f" not in line else _escaped(line)) + "\n")


class _Escapes(dict[int, str]):
    """What stands for each character in JSON, found out when it is met first: a page is long, its alphabet short."""

    def __missing__(self, code: int) -> str:
        """Look at a character."""
        char = chr(code)
        self[code] = shown = _json_escape(char) if text.is_hidden(char) else char
        return shown


_ESCAPES = _Escapes()


def _escaped(line: str) -> str:
    r"""Return a JSON text with everything hidden as \uXXXX, which means the same and cannot act on a terminal."""
    return line.translate(_ESCAPES)


def _json_escape(char: str) -> str:
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def distinct(columns: Sequence[str]) -> list[str]:
    """Return column names of which no two are the same: an object has each key once."""
    names: list[str] = []
    for column in columns:
        name, number = column, 1
        while name in names:
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return names


def _exact(value: Value) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bytes():
            return value.hex()
        case _:
            return repr(value)


# --- a table for people -------------------------------------------------------------------------------------------


def _write_table(columns: Sequence[str], rows: Iterable[Row], stream: TextIO, room: int | None) -> None:
    """Write aligned columns: numbers to the right, long text cut so that a row is one line of the terminal."""
    rest = iter(rows)
    sample = list(itertools.islice(rest, SAMPLE))
    heads = [text.safe(column) for column in columns]
    numeric = [_is_numeric(values) for values in zip(*sample, strict=True)] or [False] * len(heads)
    plain = [column.endswith("_id") for column in columns]     # an identifier is no quantity
    longest = None if room is None else max(room, _NARROWEST)

    def line(row: Row) -> list[str]:
        return [shown(value, longest, grouped=not plain[i]) for i, value in enumerate(row)]

    cells = [line(row) for row in sample]
    widths = [max(map(text.width, column)) for column in zip(heads, *cells, strict=True)]
    if room is not None:
        widths = _fitted(widths, numeric, room)
    lines = itertools.chain([heads], cells, map(line, rest))
    stream.writelines(_line(each, widths, numeric, bounded=room is not None) + "\n" for each in lines)


def _line(cells: Sequence[str], widths: Sequence[int], numeric: Sequence[bool], *, bounded: bool) -> str:
    """Return the cells of a row side by side, each in the width of its column."""
    parts = []
    for cell, columns, right in zip(cells, widths, numeric, strict=True):
        kept = text.cut(cell, columns, middle="/" in cell and " " not in cell) if bounded and not right else cell
        blank = " " * (columns - text.width(kept))
        parts.append(blank + kept if right else kept + blank)
    return _GAP.join(parts).rstrip(" ")


def _is_numeric(values: Iterable[Value]) -> bool:
    kinds = {type(value) for value in values} - {type(None)}
    return bool(kinds) and kinds <= {int, float}


def shown(value: Value, longest: int | None, *, grouped: bool) -> str:
    """Return a value as people read it, for a column of *longest* at most: of a long text no more than can be seen is looked at."""
    match value:
        case None:
            return ""
        case bool() | int():
            return f"{value:,}" if grouped else str(value)
        case float():
            return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.4g}"
        case bytes():
            return value[:_SHOWN_BYTES].hex() + (text.ELLIPSIS if len(value) > _SHOWN_BYTES else "")
        case _:
            if longest is None or len(value) <= 2 * _MARGIN * longest:
                return text.safe(value)
            return text.safe(value[: _MARGIN * longest] + value[-_MARGIN * longest :])    # its middle is cut out anyway


def _fitted(widths: Sequence[int], numeric: Sequence[bool], room: int) -> list[int]:
    """Narrow the widest text columns, all to the same width, until a row fits; numbers are never cut."""
    fixed = sum(width for width, right in zip(widths, numeric, strict=True) if right)
    left = room - fixed - len(_GAP) * (len(widths) - 1)
    flexible = sorted(width for width, right in zip(widths, numeric, strict=True) if not right)
    ceiling = flexible[-1] if flexible else 0
    for index, width in enumerate(flexible):
        share = left // (len(flexible) - index)
        if width > share:
            ceiling = max(share, _NARROWEST)
            break
        left -= width
    return [width if right else min(width, ceiling) for width, right in zip(widths, numeric, strict=True)]
