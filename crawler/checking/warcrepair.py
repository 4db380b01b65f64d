"""Making a damaged WARC file one that readers accept: rows count on whole records only, and what comes after them is set aside."""

from __future__ import annotations

from pathlib import Path

from crawler.checking.bodies import size_of
from crawler.checking.quarantine import Quarantine
from crawler.checking.warcs import member_problem
from crawler.frontier.writing import Writer

_RECORDS = "SELECT fetch_id, offset, length FROM warc_record WHERE warc_id = ?"


async def repair_warcs(root: Path, writer: Writer, quarantine: Quarantine) -> int:
    """Forget records that are not whole and cut off broken ends; return how many ends were set aside."""
    moved = 0
    files = list(await writer.db.execute_fetchall("SELECT warc_id, file, bytes, closed FROM warc"))
    for warc_id, file, size, closed in files:
        found = size_of(root, file)
        good, bad = await _sorted(root / file, writer, warc_id, found)
        end = max(good, default=0) if 0 <= found < size else size
        if found > end and (closed or found < size):
            quarantine.keep_end(file, end)
            moved += 1
        async with writer.transaction():
            await writer.db.executemany("DELETE FROM warc_record WHERE fetch_id = ?", [(each,) for each in bad])
            if found < 0:
                await writer.db.execute("DELETE FROM warc WHERE warc_id = ?", (warc_id,))
            elif found < size:
                await writer.db.execute("UPDATE warc SET bytes = ?, closed = 1 WHERE warc_id = ?", (end, warc_id))
    return moved


async def _sorted(path: Path, writer: Writer, warc_id: int, found: int) -> tuple[list[int], list[int]]:
    """Return where the whole records of a file end, and the requests whose records are not whole."""
    rows = await writer.db.execute_fetchall(_RECORDS, (warc_id,))
    if found < 0:
        return [], [row[0] for row in rows]
    good: list[int] = []
    bad: list[int] = []
    with path.open("rb") as warc:
        for fetch_id, offset, length in rows:
            if offset + length > found or member_problem(warc, offset, length) is not None:
                bad.append(fetch_id)
            else:
                good.append(offset + length)
    return good, bad
