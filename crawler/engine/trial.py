"""Whether a regular expression answers in time: some take years over a short text, and nothing in this process could stop them."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from collections.abc import Sequence

import msgspec

from crawler import words
from crawler.children import launch
from crawler.core.settings import Settings
from crawler.fetch.routes import WrongSettings
from crawler.folder import CrawlError

BUDGET = 1.0
"""Seconds of processor time that a pattern has for one text, however busy the machine: a page may have thousands of links."""
ENOUGH = 2.0
"""Seconds of processor time after which a pattern that was quick over every text so far is tried no longer."""
DEADLINE = 60.0
"""Seconds for everything, on a machine that hardly moves."""
MOST_TEXTS = 500
HINT = "Try a pattern without a repetition within a repetition."
_TEXTS = ("https://example.org/", "https://example.org/" + "a" * 60, "https://example.org" + "/ab-1" * 20 + "?a=1" + "&b=2" * 10)
"""Tried with every pattern, and long enough for the plainest that go over them again and again."""
_REPEATS = frozenset("*+{")
"""Without one of these a pattern goes over a text in a time that its own length bounds."""


async def slow_one(patterns: Sequence[str], texts: Sequence[str] = ()) -> str | None:
    """Return the first pattern, of some that can be compiled, that does not get over a URL in time. Raises CrawlError.

    Tried in a process that can be killed; *texts*: URLs of the crawl, for patterns that only go far into such.
    """
    doubtful = [pattern for pattern in patterns if not _REPEATS.isdisjoint(pattern)]
    if not doubtful:
        return None
    order = msgspec.json.encode((doubtful, (*_TEXTS, *texts[:MOST_TEXTS]), BUDGET, ENOUGH))
    try:
        process = await asyncio.to_thread(launch, "crawler.trying", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    except OSError as error:
        raise CrawlError(f"no process can be started to try patterns: {error.strerror or error}", "Try again later.") from None
    try:
        passed = await asyncio.to_thread(_passed, process, order)
    except subprocess.TimeoutExpired:
        said = f"{words.count(len(doubtful), 'pattern')} could not be tried within {DEADLINE:g} s"
        raise CrawlError(said, "Try again with fewer.") from None
    finally:
        process.kill()      # also when nobody waits for it any more
    if process.returncode == -signal.SIGPROF:
        return doubtful[passed]
    if process.returncode:
        raise CrawlError(f"the process that tried patterns ended with {process.returncode}", "Try again, with more memory.")
    return None


def _passed(process: subprocess.Popen[bytes], order: bytes) -> int:
    """Return how many patterns came through, once the process has ended."""
    with process:
        try:
            return len(process.communicate(order, DEADLINE)[0])
        except subprocess.TimeoutExpired:
            process.kill()
            raise


async def refuse_slow_patterns(settings: Settings, seeds: Sequence[str]) -> None:
    """Raise WrongSettings when a pattern of the settings would hold up a crawl of these seeds, and its parsers, for good."""
    slow = await slow_one((*settings.include, *settings.exclude), seeds)
    if slow is not None:
        name = "include" if slow in settings.include else "exclude"
        raise WrongSettings(f"{name} {slow!r} takes too long over a URL", HINT)
