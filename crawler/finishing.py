"""Steps that are finished, never abandoned: what runs in a thread goes on running, whoever stops waiting for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")


async def finish(step: Awaitable[T]) -> T:
    """Await a step to its end, and only then let a cancellation through.

    An abandoned file step leaks its file (aiofiles#165); an abandoned transaction stays open and takes the next one with it.
    """
    task = asyncio.ensure_future(step)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            try:
                await asyncio.wait([task])
            except asyncio.CancelledError:
                continue
        if not task.cancelled():
            task.exception()    # looked at: whoever cancels does not want it
        raise
