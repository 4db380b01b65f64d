"""Whether a regular expression answers in time: some take years over a short text, and nothing in this process could stop them."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence

import msgspec

from crawler import words
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
_LONG = ("https://example.org/" + "a" * 60, "https://example.org" + "/ab-1" * 20 + "?a=1" + "&b=2" * 10)
_REPEATS = frozenset("*+{")
"""Without one of these a pattern goes over a text in a time that its own length bounds."""
_SEARCH = r"""
import itertools, json, re, signal, sys, time
patterns, texts, budget, enough = json.load(sys.stdin.buffer)

def traps(pattern):
    plain = re.sub(r"\\([./_~-])", r"\1", pattern)
    literals = re.findall(r"[\w./~=&%-]+", re.sub(r"\[[^]]*\]|\\.|[+*?{}^$]", " ", plain))
    starts = ["", *sorted(set(literals), key=len)[-3:]]
    letters = sorted(set(re.findall(r"[\w./~%=&+-]", pattern)) | set("aA0_-"))[:40]
    units = [*(letter * 40 for letter in letters), "a1" * 20, "-a" * 20, "/a" * 20, "%20" * 15, "a=1&" * 15]
    bases = [texts[0].rstrip("/"), texts[-1].rstrip("/")]
    for base, start, unit, end in itertools.product(dict.fromkeys(bases), starts, units, ("!", "/", "")):
        between = "" if start.startswith("/") else "/"
        yield base + between + start + unit + end

for pattern in patterns:
    search = re.compile(pattern).search
    began = time.process_time()
    for text in itertools.chain(texts, traps(pattern)):
        signal.setitimer(signal.ITIMER_PROF, budget)
        search(text)
        if time.process_time() - began > enough:
            break
    signal.setitimer(signal.ITIMER_PROF, 0)
    print(end=".", flush=True)
"""
"""Writes a dot for each pattern that came through; the kernel's alarm ends it in the middle of one that does not.

Besides the texts it is given, it makes some for each pattern: what stands in the pattern, behind a text, followed by one of its letters
again and again, and by something that may not match.
"""


async def slow_one(patterns: Sequence[str], texts: Sequence[str] = ()) -> str | None:
    """Return the first pattern, of some that can be compiled, that does not get over a URL in time. Raises CrawlError.

    Tried in a process that can be killed; *texts*: URLs of the crawl, for patterns that only go far into such.
    """
    doubtful = [pattern for pattern in patterns if not _REPEATS.isdisjoint(pattern)]
    if not doubtful:
        return None
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", "-c", _SEARCH, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        raise CrawlError(f"no process can be started to try patterns: {error.strerror or error}", "Try again later.") from None
    order = msgspec.json.encode((doubtful, (*_LONG, *texts[:MOST_TEXTS]), BUDGET, ENOUGH))
    try:
        async with asyncio.timeout(DEADLINE):
            passed, _ = await process.communicate(order)
    except TimeoutError:
        said = f"{words.count(len(doubtful), 'pattern')} could not be tried within {DEADLINE:g} s"
        raise CrawlError(said, "Try again with fewer.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode == -signal.SIGPROF:
        return doubtful[len(passed)]
    if process.returncode:
        raise CrawlError(f"the process that tried patterns ended with {process.returncode}", "Try again, with more memory.")
    return None


async def refuse_slow_patterns(settings: Settings, seeds: Sequence[str]) -> None:
    """Raise WrongSettings when a pattern of the settings would hold up a crawl of these seeds, and its parsers, for good."""
    slow = await slow_one((*settings.include, *settings.exclude), seeds)
    if slow is not None:
        name = "include" if slow in settings.include else "exclude"
        raise WrongSettings(f"{name} {slow!r} takes too long over a URL", HINT)
