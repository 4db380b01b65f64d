"""The figures of each crawl, and how they are summed up."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench.checks import Found
from bench.measure import Cost
from bench.peers import PEERS, Job
from bench.running import Requests
from bench.table import figure

HEAD = (
    "crawler",
    "wall s",
    "pages",
    "pages/s",
    "CPU ms/page",
    "peak MB",
    "requests",
    "twice",
    "missing",
    "extra",
    "wrong",
    "server",
)


@dataclass(frozen=True, slots=True)
class Run:
    """One crawl of one crawler."""

    name: str
    job: Job
    cost: Cost
    requests: Requests
    server_cpu: float | None  # seconds


def row(runs: Sequence[Run], found: Sequence[Found], truth: frozenset[str]) -> list[str]:
    """Return the figures of one crawler: medians over its runs, the worst run for what is wrong."""
    wall = median(run_.cost.wall for run_ in runs)
    pages = median(len(one.pages) for one in found)
    cpu = median(run_.cost.cpu for run_ in runs)
    logged = runs[0].server_cpu is not None
    walls = sorted(run_.cost.wall for run_ in runs)
    return [
        PEERS[runs[0].name].label,
        f"{wall:.2f}" + (f" ({walls[0]:.2f}-{walls[-1]:.2f})" if len(walls) > 1 else ""),
        figure(pages),
        figure(pages / wall),
        figure(cpu * 1000 / pages if pages else None, 2),
        figure(max(run_.cost.tree_bytes for run_ in runs) / 1e6 or None),
        figure(median(run_.requests.total for run_ in runs) if logged else None),
        figure(max(run_.requests.twice for run_ in runs) if logged else None),
        figure(max(len(truth - one.pages) for one in found)),
        figure(max(len(one.pages - truth) for one in found)),
        figure(max(one.wrong for one in found)),
        f"{median((run_.server_cpu or 0) / run_.cost.wall for run_ in runs):.0%}" if logged else "-",
    ]


def keep(file: Path, site: str, there: dict[str, tuple[str, str]], runs: Sequence[Run], found: Sequence[Found]) -> None:
    """Append the figures of every run to a file, one JSON object a line."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    with file.open("a", encoding="utf-8") as lines:
        for run_, one in zip(runs, found, strict=True):
            record = {
                "at": int(time.time()),
                "machine": machine,
                "site": site,
                "crawler": run_.name,
                "version": there[run_.name][1],
                "concurrency": run_.job.concurrency,
                "exit": run_.cost.exit_code,
                "wall": round(run_.cost.wall, 3),
                "cpu": round(run_.cost.cpu, 3),
                "peak_bytes": run_.cost.tree_bytes,
                "bodies": one.bodies,
                "pages": len(one.pages),
                "wrong": one.wrong,
                "requests": run_.requests.total,
                "twice": run_.requests.twice,
            }
            lines.write(json.dumps(record) + "\n")
