"""Parquet, with pyarrow where it is installed (`pip install steadycrawl[parquet]`): typed columns, row groups of bounded size."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

from crawler.export.lines import Watch
from crawler.export.selecting import Selection
from crawler.export.texts import Tally
from crawler.query.reader import Row, Value

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

GROUP_ROWS = 20_000
GROUP_BYTES = 32 << 20
"""A row group ends with whichever comes first: readers hold one in memory, and so does the writer."""

_MOMENTS = frozenset({"fetched", "checked"})
_FLAGS = frozenset({"reused", "truncated", "noindex", "nofollow"})
_NUMBERS = frozenset({
    "url_id", "status", "bytes", "wire_bytes", "dns_ms", "connect_ms", "tls_ms", "ttfb_ms", "total_ms", "links", "depth", "offset",
    "length", "body_id", "simhash",
})  # fmt: skip


def write_parquet(
    file: BinaryIO, selection: Selection, columns: tuple[str, ...], tally: Tally, watch: Watch, filled: Callable[[Row], Row | None]
) -> None:
    """Write the rows of a selection as Parquet."""
    import pyarrow as pa  # an extra, and 200 ms to load: only for this format
    import pyarrow.parquet as pq  # an extra too

    # Rows are made to columns in small pieces, as Python's values take ten times the room.
    schema = pa.schema([(name, _type_of(name)) for name in columns])
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        group = _Group(schema, writer)
        for step in selection.steps():
            for row in map(filled, step.rows):
                if row is not None:
                    group.add(row)
                    tally.rows += 1
            group.settle()
            watch(tally.rows, step.share)
        group.write()


class _Group:
    """A row group that is being filled."""

    def __init__(self, schema: pa.Schema, writer: ParquetWriter) -> None:
        self._schema, self._writer = schema, writer
        self._rows: list[Row] = []
        self._batches: list[pa.RecordBatch] = []
        self._count = self._bytes = self._waiting = 0

    def add(self, row: Row) -> None:
        """Take a row in."""
        self._rows.append(row)
        self._count += 1
        self._waiting += sum(len(value) for value in row if isinstance(value, str))
        if self._bytes + self._waiting >= GROUP_BYTES or self._count >= GROUP_ROWS:
            self.write()

    def settle(self) -> None:
        """Turn rows into columns."""
        import pyarrow as pa  # loaded already

        if self._rows:
            arrays = [
                pa.array(map(_convert(field.name), values), field.type)
                for field, values in zip(self._schema, zip(*self._rows, strict=True), strict=True)
            ]
            self._batches.append(pa.record_batch(arrays, schema=self._schema))
        self._rows = []
        self._bytes, self._waiting = self._bytes + self._waiting, 0

    def write(self) -> None:
        """End the group."""
        import pyarrow as pa  # loaded already

        self.settle()
        if self._batches:
            self._writer.write_table(pa.Table.from_batches(self._batches), row_group_size=GROUP_ROWS)
        self._batches = []
        self._count = self._bytes = 0


def _type_of(name: str) -> pa.DataType:
    import pyarrow as pa  # loaded already

    if name in _MOMENTS:
        return pa.timestamp("s", tz="UTC")
    if name in _FLAGS:
        return pa.bool_()
    return pa.int64() if name in _NUMBERS else pa.string()


def _convert(name: str) -> Callable[[Value], object]:
    if name in _MOMENTS:
        return _moment
    return _flag if name in _FLAGS else _same


def _moment(value: Value) -> datetime | None:
    return datetime.fromisoformat(value).replace(tzinfo=UTC) if isinstance(value, str) else None


def _flag(value: Value) -> bool | None:
    return None if value is None else bool(value)


def _same(value: Value) -> Value:
    return value
