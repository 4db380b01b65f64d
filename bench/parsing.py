"""What reading a page costs, by the page: with and without comparing its text with others.

Give files, real ones; the figures in the documentation are of four pages of Debian's documentation packages. The harvester
runs here as it does in a parser process, with the same settings of the allocator, without which each page would pay for
its memory anew.
"""

from __future__ import annotations

import os
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from crawler.core.model import FOLLOWED, REQUISITES
from crawler.core.scope import Rules, Ruleset
from crawler.parsing.config import Config
from crawler.parsing.harvest import Harvester
from crawler.parsing.process import ALLOCATION
from crawler.parsing.wire import Page

WAYS = (("links", False, False), ("links and requisites", True, False), ("links and text", False, True))
AT_ONCE = 10


def main() -> None:
    """Start again with the allocator set up as parser processes have it, unless that is so."""
    if any(os.environ.get(name) != value for name, value in ALLOCATION.items()):
        os.execve(sys.executable, [sys.executable, "-m", "bench.parsing", *sys.argv[1:]], os.environ | ALLOCATION)
    command()


@click.command(help=__doc__)
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--rounds", default=30, show_default=True, help="Rounds; the least and the median of them are shown.")
def command(files: Sequence[Path], rounds: int) -> None:
    """Print a table, a line a page."""
    click.echo(f"{'page':32}{'KiB':>8}{'links':>7}" + "".join(f"{way:>24}" for way, _, _ in WAYS) + "    ms: least (median)")
    for file in files:
        body = file.read_bytes()
        columns, links = [], 0
        for _, requisites, novelty in WAYS:
            took, links = measured(body, rounds, requisites=requisites, novelty=novelty)
            columns.append(f"{min(took):>14.3f} ({statistics.median(took):7.3f})")
        click.echo(f"{file.name[:31]:32}{len(body) / 1024:8.1f}{links:7}" + "".join(columns))


def measured(body: bytes, rounds: int, *, requisites: bool, novelty: bool) -> tuple[list[float], int]:
    """Return the milliseconds of processor time of one reading, for each round, and how many distinct links there are."""
    follow = FOLLOWED | REQUISITES if requisites else FOLLOWED
    rules = Rules((Ruleset("host", None, frozenset({"docs.test"})),), follow=follow)
    harvester = Harvester(Config(rules=rules, secret=b"k" * 16, max_links=5_000, parse_size=8 << 20, parser="lexbor", novelty=novelty))
    page = Page("https://docs.test/a/page.html", "text/html; charset=utf-8", 1, 0, body)
    took = []
    for _ in range(rounds):
        began = time.process_time()
        for _ in range(AT_ONCE):
            links = len(harvester.harvest(page).offers)
        took.append((time.process_time() - began) / AT_ONCE * 1000)
    return took, links


if __name__ == "__main__":
    main()
