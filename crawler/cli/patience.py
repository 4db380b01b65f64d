"""Progress of what takes its time and is no crawl: on standard error, after the first second, with an estimate where there is one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Self

from crawler import words
from crawler.cli.terminal import Voice, columns, is_terminal
from crawler.text import cut

FIRST, LIVE, PLAIN = 1.0, 0.2, 10.0
"""Seconds until the first word, between two drawings on a terminal, and between two lines anywhere else."""
ENOUGH = 0.02
"""Share that must be done before what is left can be guessed."""


class Patience:
    """Tells how far something is. A context manager, which leaves no half line behind."""

    def __init__(self, voice: Voice, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._voice = voice
        self._clock = clock
        self._live = is_terminal(voice.stream)
        self._started = self._stage_started = clock()
        self._next = self._started + FIRST
        self._stage = ""
        self._drawn = False

    def tell(self, stage: str, done: int = 0, total: int = 0, *, is_bytes: bool = False) -> None:
        """Say that *done* of *total* is behind us; a total of 0 is one that nobody knows."""
        now = self._clock()
        if stage != self._stage:
            self._stage, self._stage_started = stage, now
        if self._voice.quiet or now < self._next:
            return
        self._next = now + (LIVE if self._live else PLAIN)
        text = f"  {line(stage, done, total, now - self._stage_started, is_bytes=is_bytes)}"
        if self._live:
            self._voice.stream.write(f"\r\x1b[K{cut(text, columns() - 1)}")
            self._voice.stream.flush()
            self._drawn = True
        else:
            self._voice.say(text)

    def clear(self) -> None:
        """Take the live line away, before something else is printed."""
        if self._drawn:
            self._voice.stream.write("\r\x1b[K")
            self._voice.stream.flush()
            self._drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.clear()


def line(stage: str, done: int, total: int, seconds: float, *, is_bytes: bool) -> str:
    """Return how far a stage is, and how long the rest takes if it goes on like this."""
    amount: Callable[[int], str] = words.size if is_bytes else "{:,}".format
    parts = [stage]
    if done or total:
        parts.append(f"{amount(min(done, total) if total else done)}{f' of {amount(total)}' if total else ''}")
    if total and seconds > 0 and done:
        share = min(done / total, 1)
        parts.append(f"{100 * share:.0f} %")
        if ENOUGH <= share < 1:
            parts.append(f"{words.clock(seconds / share - seconds)} left")
    return " · ".join(parts)
