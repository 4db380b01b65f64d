"""Formats of lines: they grow at their end, so that an export of them can go on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TextIO

from crawler.export.selecting import Selection
from crawler.export.texts import Tally
from crawler.query.output import Format, write
from crawler.query.reader import Row

Watch = Callable[[int, float], None]
"""Told after each step how many rows were written, and how much of the whole is done, 0 to 1."""


class Sink(Protocol):
    """What takes steps."""

    stream: TextIO
    after: int
    """The request behind which to go on."""
    rows: int
    """Rows that were there before."""
    fresh: bool
    """Nothing was written yet."""

    def keep(self, last: int, rows: int) -> None:
        """Make everything up to a request true."""


class Chunk:
    """Rows of one step, as `output.write` takes them."""

    def __init__(self, columns: tuple[str, ...], rows: Iterable[Row]) -> None:
        self.columns = columns
        self._rows = rows

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows, one in memory at a time."""
        return iter(self._rows)


def write_lines(
    sink: Sink, selection: Selection, columns: tuple[str, ...], form: Format, tally: Tally, watch: Watch, *,
    filled: Callable[[Row], Row | None] | None = None, excel_safe: bool = False,
) -> None:  # fmt: skip
    """Write the rows of a selection; *filled* makes of a selected row the one that is written, or None to leave it out."""
    if sink.fresh:
        write(Chunk(columns, ()), form, sink.stream, excel_safe=excel_safe)      # the head alone
    for step in selection.steps(sink.after):
        rows = step.rows if filled is None else (row for row in map(filled, step.rows) if row is not None)
        tally.rows += write(Chunk(columns, rows), form, sink.stream, excel_safe=excel_safe, header=False)
        sink.keep(step.last, sink.rows + tally.rows)
        watch(tally.rows, step.share)
