"""What somebody who looks at a running crawl wants to see beyond its numbers: hosts, requests in flight, what came of late."""

from __future__ import annotations

import resource
import sys
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from crawler.core.metrics import Flying, Recent, View
from crawler.core.model import Request
from crawler.core.schedule import Schedule
from crawler.hooks import Hooks, PageStored, RequestFailed

MOST_HOSTS = 100
MOST_FLYING = 100
RECENT = 50
"""Pages, and likewise faults, that are remembered to be shown."""
LONGEST_URL, LONGEST_TEXT = 2_000, 300
"""Characters that are shown: a look fits into one answer (LONGEST_LINE of crawler.control) whatever servers send."""


class Lookout:
    """Remembers what is shown and nowhere written down. Bounded; costs a few microseconds a page."""

    def __init__(self, hooks: Hooks | None) -> None:
        """Remember nothing of late without *hooks*: where nobody can look, no event need be made for it."""
        self._flying: dict[int, tuple[float, Request]] = {}
        self._pages: deque[Recent] = deque(maxlen=RECENT)
        self._faults: deque[Recent] = deque(maxlen=RECENT)
        self._lags: deque[float] = deque([0.0], maxlen=25)
        if hooks is not None:
            hooks.on_page.append(self._stored)
            hooks.on_failure.append(self._failed)

    def left(self, worker: int, request: Request, now: float) -> None:
        """Note that a worker has begun a visit."""
        self._flying[worker] = now, request

    def landed(self, worker: int) -> None:
        """Note that a worker's visit has ended."""
        self._flying.pop(worker, None)

    def late(self, seconds: float) -> None:
        """Note by how much a task that wanted to wake up did so later."""
        self._lags.append(max(0.0, seconds))

    async def _stored(self, page: PageStored) -> None:
        title = (page.title or "")[:LONGEST_TEXT] or None
        self._pages.appendleft(Recent(time.time(), page.url[:LONGEST_URL], page.status, title, page.bytes))

    async def _failed(self, failed: RequestFailed) -> None:
        url, detail = failed.url[:LONGEST_URL], (failed.detail or "")[:LONGEST_TEXT] or None
        self._faults.appendleft(Recent(time.time(), url, failed.status, detail, fault=failed.fault, final=failed.final))

    def view(self, schedule: Schedule, wrong: Mapping[str, int], now: float, held: int) -> View:
        """Return what there is to see; *held* is the `memory` of this process, *wrong* what ended URLs in this run."""
        flying = sorted(self._flying.values(), key=lambda entry: entry[0])[:MOST_FLYING]
        return View(
            tuple(schedule.views(now, MOST_HOSTS)),
            tuple(Flying(request.url[:LONGEST_URL], request.host, now - since, request.tries) for since, request in flying),
            tuple(self._pages), tuple(self._faults), dict(wrong), max(self._lags), held,
        )  # fmt: skip


def memory() -> int:
    """Return the bytes of memory that this process holds; where the system does not tell, the most it ever held."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * resource.getpagesize()
    except (OSError, IndexError, ValueError):
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024
