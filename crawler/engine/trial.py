"""Whether a regular expression answers in time: some take years over a short text, and nothing in this process could stop them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import msgspec

from crawler.core.settings import Settings
from crawler.fetch.routes import WrongSettings
from crawler.folder import CrawlError

BUDGET = 1.0
"""Seconds of processor time that a pattern has for all texts: on a busy machine too it is the pattern that is judged."""
DEADLINE = 60.0
"""Seconds for everything, on a machine that hardly moves."""
MOST_TEXTS = 500
HINT = "Try a pattern without a repetition within a repetition."
_LONG = ("https://example.org/" + "a" * 60, "https://example.org" + "/ab-1" * 20 + "?a=1" + "&b=2" * 10)
"""Texts that look like URLs, long enough for a pattern that goes over them again and again to be found out."""
_SEARCH = """
import json, re, signal, sys
patterns, texts, budget = json.load(sys.stdin)
for pattern in map(re.compile, patterns):
    signal.setitimer(signal.ITIMER_PROF, budget)
    for text in texts:
        pattern.search(text)
    signal.setitimer(signal.ITIMER_PROF, 0)
    print(end=".", flush=True)
"""
"""Writes a dot for each pattern that came through; the kernel's alarm ends it in the middle of one that does not."""


async def slow_one(patterns: Sequence[str], texts: Sequence[str] = ()) -> str | None:
    """Return the first pattern, of some that can be compiled, that does not get over URLs in time. Raises CrawlError.

    Tried in a process that can be killed; *texts*: further URLs to try them with.
    """
    if not patterns:
        return None
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", _SEARCH, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise CrawlError(f"no process can be started to try patterns: {error.strerror or error}", "Try again later.") from None
    order = msgspec.json.encode((patterns, (*_LONG, *texts[:MOST_TEXTS]), BUDGET))
    try:
        async with asyncio.timeout(DEADLINE):
            passed, _ = await process.communicate(order)
    except TimeoutError:
        passed = b""
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return patterns[len(passed)] if len(passed) < len(patterns) else None


async def refuse_slow_patterns(settings: Settings) -> None:
    """Raise WrongSettings when a pattern of the settings would hold up a crawl, and its parsers, for good."""
    slow = await slow_one((*settings.include, *settings.exclude))
    if slow is not None:
        name = "include" if slow in settings.include else "exclude"
        raise WrongSettings(f"{name} {slow!r} takes too long over a URL", HINT)
