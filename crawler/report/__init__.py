"""One HTML file that shows a crawl: self-contained, without scripts, nothing in it is fetched from anywhere.

Whatever came from the wire is text here: the template escapes every value, and the file forbids itself to load anything.
"""

from __future__ import annotations

import os
from pathlib import Path

from crawler.query.reader import Reader
from crawler.query.status import RunStatus, Status, read_status
from crawler.report import charts
from crawler.report.facts import moment, read_facts
from crawler.report.problems import read_problems
from crawler.version import __version__

TIMEOUT = 20.0
"""Seconds that one question may take: a picture that is missing is better than a report that never comes."""
STATES = {"finished": "finished", "limit": "stopped at a limit", "stopped": "stopped", "parked": "finished, some hosts are put off",
          "failed": "failed"}  # fmt: skip


def render(folder: Path, *, program: str, place: tuple[str, ...], now: float) -> str:
    """Return the report of a crawl as HTML. *program* and *place* (`-o DIR`, or nothing) are for the commands that it names.

    Raises QueryError when there is no crawl, or none that this version can read.
    """
    import jinja2  # 60 ms that no other command should wait for

    status = read_status(folder)
    with Reader.open(folder, timeout=TIMEOUT) as reader, reader.snapshot():
        facts = read_facts(reader)
        problems, clean = read_problems(reader, program, place)
    pages = jinja2.Environment(
        loader=jinja2.PackageLoader("crawler.report", ""), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    pages.globals["short"] = charts.short
    return pages.get_template("page.html").render(
        name=os.path.realpath(folder).rpartition("/")[2], state=_state(status), running=status.running, made=moment(now * 1000),
        version=__version__, facts=facts, problems=problems, clean=clean,
    )


def write(text: str, path: Path) -> None:
    """Write a report whole or not at all. Raises OSError."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8", errors="replace")
    part.replace(path)


def _state(status: Status) -> str:
    if status.running:
        return "running"
    run: RunStatus | None = status.run
    if run is None:
        return "not begun"
    return "was killed; the same command goes on" if status.killed else STATES.get(run.outcome or "", "ended")
