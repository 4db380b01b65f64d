"""Retry, requeue, skip and forget: by the running crawl if there is one, else by this process, which holds the folder meanwhile."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from crawler.control.client import connected
from crawler.folder import DATABASE, held, is_held

AT_ONCE = 2_000
"""URLs in one command to a running crawl, or in one transaction at rest."""


def edit(folder: Path, action: str, rows: Sequence[int], why: str, tell: Callable[[int], None]) -> tuple[int, int, bool]:
    """Change URLs by their rows; return (changed, busy, whether a crawl runs there). *tell* hears how many are through.

    Raises InUse when somebody holds the folder who is no crawl, and what the two ways raise.
    """
    if is_held(folder) is not None:
        return (*_running(folder, action, rows, why, tell), True)
    with held(folder):
        return (*asyncio.run(_at_rest(folder, action, rows, why, tell)), False)


def _running(folder: Path, action: str, rows: Sequence[int], why: str, tell: Callable[[int], None]) -> tuple[int, int]:
    changed = busy = 0
    with connected(folder) as ask:
        for start in range(0, len(rows), AT_ONCE):
            some = list(rows[start : start + AT_ONCE])
            reply = ask({"command": "urls", "action": action, "rows": some, "why": why})
            changed, busy = changed + (reply.urls or 0), busy + reply.busy
            tell(start + len(some))
    return changed, busy


async def _at_rest(folder: Path, action: str, rows: Sequence[int], why: str, tell: Callable[[int], None]) -> tuple[int, int]:
    from crawler.frontier import editing  # aiosqlite takes 30 ms that a dry run must not
    from crawler.frontier.sqlite import SqliteFrontier

    changed = busy = 0
    async with SqliteFrontier.open(folder / DATABASE) as frontier:
        await editing.remove_forgotten(frontier, folder)
        for start in range(0, len(rows), AT_ONCE):
            some = rows[start : start + AT_ONCE]
            async with frontier.exclusive():
                edited = await editing.edit(frontier, editing.Action(action), some)
            changed, busy = changed + edited.changed, busy + edited.busy
            tell(start + len(some))
        async with frontier.exclusive():
            await editing.note(frontier, action, {"why": why}, changed, now=time.time())
        await editing.remove_forgotten(frontier, folder)
        await frontier.writer.db.execute_fetchall("PRAGMA wal_checkpoint(TRUNCATE)")
    return changed, busy
