"""Time, as the shells need it: one source for what is stored and what is waited for.

Moments are Unix seconds. They come from the monotonic clock plus an offset taken once, so that a wall clock that is set
back or jumps in mid-crawl can neither bring two requests closer together nor put one off for years.
"""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where `now` comes from."""

    def now(self) -> float:
        """Return the moment, in Unix seconds."""


class SystemClock:
    """The machine's time; never runs backwards within a process."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        """Return the moment, in Unix seconds."""
        return time.monotonic() + self._offset
