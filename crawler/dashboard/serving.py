"""Serving the pages: on a socket that listens already, until told to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web_protocol import RequestPayloadError

from crawler.dashboard.address import Bound
from crawler.dashboard.app import make_app

LONGEST_LINE = 128 * 1024
"""Bytes of the first line of a request. The longest URL that may be asked for has 8,192 characters, of which each can come as 12 bytes."""
SHUTDOWN = 1.0
"""Seconds that answers on their way have at the end, and as many again once they are called off."""

log = logging.getLogger("crawler.dashboard.http")


def _is_ours(record: logging.LogRecord) -> bool:
    """Tell whether a record is about trouble of ours: whoever sends what is no HTTP gets 400, and nobody else need hear of it."""
    return record.exc_info is None or not isinstance(record.exc_info[1], HttpProcessingError | RequestPayloadError)


log.addFilter(_is_ours)


@asynccontextmanager
async def served(folder: Path, bound: Bound, token: str) -> AsyncIterator[None]:
    """Serve the crawl in a folder for the length of the block."""
    app = await asyncio.to_thread(make_app, folder, hosts=bound.hosts, token=token)
    runner = web.AppRunner(
        app, access_log=None, logger=log, shutdown_timeout=SHUTDOWN, handler_cancellation=True, max_line_size=LONGEST_LINE
    )
    await runner.setup()
    try:
        await web.SockSite(runner, bound.sock).start()
        yield
    finally:
        await runner.cleanup()
