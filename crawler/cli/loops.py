"""Which event loop a crawl runs in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from crawler.cli.errors import Wrong
from crawler.core.settings import Settings


def loop_factory(settings: Settings) -> Callable[[], asyncio.AbstractEventLoop]:
    """Return how the event loop is made. Raises Wrong when the one that was asked for is not there."""
    if settings.loop == "asyncio":
        return asyncio.new_event_loop
    try:
        import uvloop  # an extra
    except ImportError:
        if settings.loop == "uvloop":
            raise Wrong("the event loop uvloop is not installed", "Try pip install 'steadycrawl[speed]', or --loop auto.") from None
        return asyncio.new_event_loop
    made: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return made
