"""One command to a running crawl and its answer, for programs with an event loop. See `client` for those without."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import msgspec

from crawler.control import LONGEST_LINE, place
from crawler.control.client import PATIENCE, Reply, nobody, read_reply


async def ask(folder: Path, command: dict[str, object], patience: float = PATIENCE) -> Reply:
    """Send a command over a connection of its own and return its answer; *patience*: seconds for all of that.

    Raises NotRunning, Unanswered and Unwilling.
    """
    try:
        async with asyncio.timeout(patience):
            path = await asyncio.to_thread(place.found, folder)
            reader, writer = await asyncio.open_unix_connection(path, limit=LONGEST_LINE)
            try:
                writer.write(msgspec.json.encode(command) + b"\n")
                line = await reader.readline()
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except ValueError:      # longer than any answer
        line = b"?"
    except OSError as error:        # a timeout is one
        raise await asyncio.to_thread(nobody, folder, error) from None
    return read_reply(folder, line)
