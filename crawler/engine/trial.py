"""Whether a regular expression answers in time: some take years over a short text, and nothing in this process could stop them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import msgspec

DEADLINE = 5.0
"""Seconds for a process to start, and to search all texts."""
MOST_TEXTS = 500
_LONG = ("https://example.org/" + "a" * 60, "https://example.org" + "/ab-1" * 20 + "?a=1" + "&b=2" * 10)
"""Texts that look like URLs, long enough for a pattern that goes over them again and again to be found out."""
_SEARCH = """
import json, re, sys
pattern, texts = json.load(sys.stdin)
for text in texts:
    re.search(pattern, text)
"""


async def is_quick(pattern: str, texts: Sequence[str]) -> bool:
    """Tell whether a pattern that can be compiled gets over URLs in time. Runs in a process that can be killed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", "-c", _SEARCH, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        async with asyncio.timeout(DEADLINE):
            await process.communicate(msgspec.json.encode((pattern, (*_LONG, *texts[:MOST_TEXTS]))))
    except TimeoutError:
        process.kill()
        await process.wait()
        return False
    return process.returncode == 0
