"""Compares crawlers on the same site: speed, cost, and whether what they stored is whole and right.

Every run gets a folder of its own, and none is deleted before the last has ended: on some file systems creating files
is slow just after many were deleted. The crawlers take turns, so that a busy moment of the machine does not hit one
of them alone.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.checks import Found, Reference, on_host, read_truth
from bench.content import Shape, path_of
from bench.measure import run
from bench.peers import PEERS, Job, Peer
from bench.results import HEAD, Run, keep, row
from bench.running import ROOT, Site, serving
from bench.table import table


def say(text: str) -> None:
    """Tell whoever waits how far it is."""
    print(text, file=sys.stderr, flush=True)


def installed(names: Sequence[str], programs: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Return program and version of each crawler that is there; say how to install the others."""
    there: dict[str, tuple[str, str]] = {}
    for name in names:
        peer = PEERS[name]
        given = programs.get(name) or programs.get(name.partition("-")[0])
        program = given or (shutil.which(peer.program) if peer.program else sys.executable)
        version = program and probe(program, peer)
        if program and version:
            there[name] = program, version
        else:
            say(f"{name} is missing{f' for {program}' if program else ''}; install it with: {peer.install}")
    return there


def probe(program: str, peer: Peer) -> str | None:
    """Return the version of an installed crawler."""
    try:
        answer = subprocess.run(
            [program, *peer.probe], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return (answer.stdout.strip() or "?").splitlines()[0]


def crawl(name: str, program: str, site: Site, folder: Path, options: argparse.Namespace) -> Run:
    """Run one crawler once."""
    peer = PEERS[name]
    folder.mkdir(parents=True)
    job = Job(program, site.urls, folder, options.concurrency.get(name, peer.concurrency))
    site.requests()  # what was asked before this run is not its own
    before = site.cpu()
    environment = os.environ | {"PYTHONPATH": str(ROOT)} if peer.in_tree else None
    cost = run(
        peer.command(job), folder=folder, log=folder / "output.txt", environment=environment, limit=options.limit
    )
    after = site.cpu()
    if cost.exit_code not in peer.good_exits:
        say(f"{name} ended with {cost.exit_code}: {_tail(folder / 'output.txt')}")
    used = None if before is None or after is None else after - before
    return Run(name, job, cost, site.requests(), used)


def _tail(file: Path) -> str:
    lines = file.read_text(errors="replace").strip().splitlines()
    return lines[-1] if lines else "(no output)"


def check(run_: Run, reference: Reference) -> Found:
    """Compare what a run stored with what the site serves."""
    try:
        return reference.check(PEERS[run_.name].stored(run_.job))
    except Exception as trouble:  # whatever a crawler leaves behind must not end the measurement of the others
        say(f"{run_.name}: cannot read what it stored: {trouble!r}")
        return Found(0, frozenset(), 0)


@contextmanager
def opened(options: argparse.Namespace, folder: Path) -> Iterator[tuple[Site, frozenset[str] | None]]:
    """Open the site that is asked for, with what it is known to hold."""
    kind, _, what = options.site.partition(":")
    if kind not in ("folder", "synthetic"):
        yield Site((options.site,)), read_truth(options.truth, options.site) if options.truth else None
        return
    arguments = [kind, what] if kind == "folder" else [kind, "--pages", what]
    arguments += ["--hosts", str(options.hosts), "--latency", str(options.latency), "--start", options.start, "--warm"]
    with serving(arguments, folder / "access.log") as site:
        if options.truth:
            yield site, read_truth(options.truth, site.urls[0])
        elif kind == "synthetic":
            paths = [path_of(number) for number in range(Shape(int(what), hosts=options.hosts).per_host)]
            yield site, frozenset().union(*(on_host(paths, url) for url in site.urls))
        else:
            yield site, None


def compare(options: argparse.Namespace, folder: Path) -> str:
    """Run every crawler and return the table."""
    there = installed(options.peers, options.python)
    if not there:
        raise SystemExit("none of the crawlers is installed")
    creating = file_cost(folder / "files")
    runs: list[Run] = []
    with opened(options, folder) as (site, known):
        for turn in range(options.runs):
            for name in _rotated(list(there), turn):
                say(f"run {turn + 1} of {options.runs}: {name}")
                runs.append(crawl(name, there[name][0], site, folder / f"{name}-{turn}", options))
                time.sleep(options.pause)
        say("checking what was stored")
        reference = Reference()
        found = [check(run_, reference) for run_ in runs]
    truth = frozenset().union(*(one.pages for one in found)) if known is None else known
    by_name = {name: [place for place, run_ in enumerate(runs) if run_.name == name] for name in there}
    rows = [row([runs[i] for i in places], [found[i] for i in places], truth) for places in by_name.values()]
    if options.json:
        keep(options.json, options.site, there, runs, found)
    common = frozenset.intersection(*(one.pages for one in found))
    source = "known to exist" if known is not None else "found by any"
    notes = [
        f"{len(common):,} pages found by all; missing and extra are counted against the {len(truth):,} {source}.",
        f"Medians of {options.runs}. peak MB: proportional size (PSS) of all processes. server: its share of one core.",
        f"Creating a file of 10 kB took {creating * 1e6:.0f} us before the first run.",
    ]
    for name, (_, version) in there.items():
        at_once = options.concurrency.get(name, PEERS[name].concurrency)
        notes.append(f"{PEERS[name].label}: {version.rstrip('.')}; {at_once} at once.")
    return table(HEAD, rows, markdown=options.markdown) + "\n\n" + "\n".join(notes)


def file_cost(folder: Path) -> float:
    """Return the seconds it takes to create a small file, so that a slow file system does not go unnoticed."""
    folder.mkdir()
    begun = time.perf_counter()
    for number in range(500):
        (folder / str(number)).write_bytes(b"x" * 10_000)
    return (time.perf_counter() - begun) / 500


def _rotated(names: list[str], turn: int) -> list[str]:
    turn %= len(names)
    return names[turn:] + names[:turn]


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE, got {text!r}")
    return name, str(Path(value).absolute()) if os.sep in value else value


def _names(text: str) -> list[str]:
    names = text.split(",")
    if unknown := [name for name in names if name not in PEERS]:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; there are {', '.join(PEERS)}")
    return names


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare", description=__doc__.partition("\n")[0])
    parser.add_argument("--site", required=True, help="folder:PATH, synthetic:PAGES, or the URL of a served site")
    parser.add_argument("--start", default="/", metavar="PATH", help="where the crawl of a folder starts (default /)")
    parser.add_argument("--hosts", type=int, default=1, metavar="N", help="spread a synthetic site over N hosts")
    parser.add_argument(
        "--latency", type=float, default=0.0, metavar="SECONDS", help="the server waits before it answers"
    )
    parser.add_argument(
        "--peers", type=_names, default=list(PEERS), metavar="NAME,...", help=f"of {', '.join(PEERS)} (default all)"
    )
    parser.add_argument(
        "--python",
        type=_pair,
        action="append",
        default=[],
        metavar="NAME=PATH",
        help="interpreter (or program) of a crawler",
    )
    parser.add_argument(
        "--concurrency", type=_pair, action="append", default=[], metavar="NAME=N", help="requests at once of a crawler"
    )
    parser.add_argument("--runs", type=int, default=3, metavar="N")
    parser.add_argument(
        "--limit", type=float, default=900.0, metavar="SECONDS", help="a run is killed after that (default 900)"
    )
    parser.add_argument("--pause", type=float, default=0.5, metavar="SECONDS", help="between runs")
    parser.add_argument("--truth", type=Path, metavar="FILE", help="JSON whose key pages lists the paths of all pages")
    parser.add_argument("--tmp", type=Path, metavar="DIR", help="where the crawls are stored meanwhile")
    parser.add_argument("--keep", action="store_true", help="do not delete them at the end")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="append each run's figures to FILE")
    options = parser.parse_args()
    options.python = dict(options.python)
    options.concurrency = {name: int(number) for name, number in options.concurrency}
    return options


def main() -> int:
    """Compare, print, clean up."""
    options = arguments()
    folder = Path(tempfile.mkdtemp(prefix="bench-", dir=options.tmp))
    try:
        print(compare(options, folder))
    finally:
        if options.keep:
            say(f"kept in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
