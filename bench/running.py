"""The site under measurement: a process of its own, its access log read from where the last reading ended."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.measure import cpu_of

ROOT = Path(__file__).resolve().parent.parent
_LOG_DELAY = 0.3  # seconds until a request is surely in the log; the server writes it ten times a second


@dataclass(frozen=True, slots=True)
class Requests:
    """What a server was asked for between two moments."""

    first: float | None = None  # monotonic seconds of the first request, robots.txt included
    last: float | None = None
    total: int = 0
    twice: int = 0  # requests beyond the first for the same URL, robots.txt left out


@dataclass(slots=True)
class Site:
    """A site that can be crawled; only one of ours has a log and a process."""

    urls: tuple[str, ...]  # start URLs, one per host
    pid: int | None = None
    log: Path | None = None
    _read: int = field(default=0)  # bytes of the log already read

    def requests(self) -> Requests:
        """Count the requests since the last call."""
        if self.log is None:
            return Requests()
        time.sleep(_LOG_DELAY)
        lines = list(self._news())
        if not lines:
            return Requests()
        asked = Counter((host, target) for _, host, target, _, _ in lines if target != "/robots.txt")
        moments = [float(at) for at, *_ in lines]
        return Requests(min(moments), max(moments), len(lines), asked.total() - len(asked))

    def wait_for_request(self, limit: float) -> bool:
        """Wait until there is a request that was not yet counted; say whether one came."""
        end = time.monotonic() + limit
        while self.log is not None and time.monotonic() < end:
            if self.log.stat().st_size > self._read:
                return True
            time.sleep(0.01)
        return False

    def cpu(self) -> float | None:
        """Return the CPU seconds that the server has used."""
        return None if self.pid is None else cpu_of(self.pid)

    def _news(self) -> Iterator[list[str]]:
        assert self.log is not None
        with self.log.open("rb") as log:
            log.seek(self._read)
            news = log.read()
        whole = news[: news.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.decode().splitlines():
            yield line.split("\t")


@contextmanager
def serving(arguments: Sequence[str], log: Path) -> Iterator[Site]:
    """Run ``python -m bench.site`` with *arguments* until the block ends."""
    log.touch()
    command = [sys.executable, "-m", "bench.site", *arguments, "--log", str(log)]
    hosts = int(arguments[arguments.index("--hosts") + 1]) if "--hosts" in arguments else 1
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            urls = tuple(server.stdout.readline().strip() for _ in range(hosts))
            if not all(urls):
                raise SystemExit(f"the benchmark's server did not start: {' '.join(command)}")
            yield Site(urls, server.pid, log, log.stat().st_size)
        finally:
            server.terminate()
