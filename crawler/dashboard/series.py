"""How a run went over time, for charts: its samples as columns."""

from __future__ import annotations

import msgspec

from crawler.query.reader import Reader
from crawler.query.values import whole

POINTS = 700
"""Points of a chart: more than that are closer to each other than a screen shows."""

_LATEST = "SELECT max(run_id) FROM run"
_EXTENT = "SELECT count(*), min(at), max(at) FROM sample WHERE run_id = ? AND at >= (SELECT started_at FROM run WHERE run_id = ?)"
_SAMPLES = """
SELECT max(at), pages, errors, queued, done, failed, wire_bytes FROM sample WHERE run_id = :run AND at BETWEEN :first AND :last
GROUP BY (at - :first) / :step ORDER BY 1"""


class Series(msgspec.Struct, frozen=True):
    """Columns of equal length. Totals of the whole crawl, but `bytes`, which are those of the run."""

    run: int | None
    at: tuple[float, ...] = ()
    """Unix seconds."""
    pages: tuple[int, ...] = ()
    errors: tuple[int, ...] = ()
    queued: tuple[int, ...] = ()
    done: tuple[int, ...] = ()
    failed: tuple[int, ...] = ()
    bytes: tuple[int, ...] = ()


def read_series(reader: Reader, run: int | None = None) -> Series:
    """Return the samples of a run, of the latest one unless told; the latest of each span where there are many."""
    run = run if run is not None else (whole(latest[0]) if (latest := reader.one(_LATEST)) is not None and latest[0] is not None else None)
    if run is None:
        return Series(None)
    count, first, last = (whole(value) for value in reader.all(_EXTENT, (run, run))[0])
    if not count:
        return Series(run)
    step = max(1, (last - first) // (POINTS - 1) + 1) if count > POINTS else 1
    rows = reader.all(_SAMPLES, {"run": run, "first": first, "last": last, "step": step})
    columns = list(zip(*([whole(value) for value in row] for row in rows), strict=True))
    return Series(run, tuple(moment / 1000 for moment in columns[0]), *columns[1:])
