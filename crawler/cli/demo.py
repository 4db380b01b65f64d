"""`demo`: the whole thing in twenty seconds and without the internet, on a site that comes along."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click

from crawler.cli import ask, crawl, pages, settings
from crawler.cli.closing import Way
from crawler.cli.inputs import Inputs
from crawler.cli.memory import OUTPUTS
from crawler.cli.pages import Flag
from crawler.cli.plan import Plan
from crawler.cli.session import Session
from crawler.cli.settings import Effective
from crawler.cli.terminal import Colour, ProgressStyle, columns, is_terminal
from crawler.core.scope import Options
from crawler.core.seeds import Seed, Source
from crawler.query import named
from crawler.query.reader import Reader

DELAY = "100ms"
"""Between two requests to one host: the demo's hosts are this machine, and nobody wants to watch a second pass."""
SITE_PACE = 0.1
"""The demo site waits, and asks to be waited for, a tenth of what it would by itself."""
LOOPBACK = "127.0.0.0/8"
QUESTIONS = ("progress", "errors", "redirects")
ROWS = 8


@click.command("demo", cls=pages.Lesson, examples=(("demo", "crawl the demo site into output/demo"), ("demo -n 100", "a part of it")))
@pages.output_flag("folder for the results  [default: output/demo, or output/demo-2 and so on]")
@click.option("-n", "--max-pages", type=click.IntRange(min=1), metavar="N", cls=Flag, group=pages.OTHER, help="pages to store at most")
@pages.progress_flag
@pages.voice_flags
@click.pass_obj
def demo(
    session: Session, /, output: str | None, max_pages: int | None, style: ProgressStyle, color: Colour, *, quiet: bool, verbose: int
) -> int:
    """Serve a small site on this machine, crawl it, and ask three questions about the result. Nothing leaves this machine."""
    voice = session.speak(quiet=quiet, verbose=verbose, color=color)
    place = Path(output) if output else _fresh(OUTPUTS / "demo")
    voice.say("A small site about lighthouses is served on this machine; it has everything that makes crawling hard.")
    outline = Plan(place, _settings(max_pages), Inputs((), (), ()), None)
    place_flag = ("-o", str(place)) if output else ()
    way = Way(session.program, ("resume",), place_flag, str(place), fresh=False)
    code = crawl.conduct(session, outline, crawl.Show(style, way=way), _served())
    if code == 0:
        _ask(session, place, place_flag)
    return code


def _fresh(place: Path) -> Path:
    """Return a name that nothing bears yet: a demo never goes on with another one, whose site is gone."""
    names = (place if number == 1 else place.with_name(f"{place.name}-{number}") for number in range(1, 10_000))
    return next(name for name in names if not name.exists())


def _settings(max_pages: int | None) -> Effective:
    """Return settings that are quick, and allow what a crawl of the internet must not: this machine's own addresses."""
    flags: dict[str, object] = {"delay": DELAY, "allow_net": [LOOPBACK], "contact": "nobody@localhost", "index": "text"}
    if max_pages is not None:
        flags["max_pages"] = str(max_pages)
    return settings.resolve(flags, {})


@asynccontextmanager
async def _served() -> AsyncIterator[Inputs]:
    """Serve the site in the event loop of the crawl, and say where it is."""
    from crawler.demo.site import DemoSite  # aiohttp's server takes 100 ms that --help must not

    async with DemoSite.start(pace=SITE_PACE) as site:
        seeds = tuple(Seed(url, Options(), "demo", line) for line, url in enumerate(site.seeds, start=1))
        yield Inputs(seeds, (), (Source("demo", hashlib.sha256("\n".join(site.seeds).encode()).hexdigest()),))


def _ask(session: Session, place: Path, place_flag: tuple[str, ...]) -> None:
    """Ask the questions, show command and answer, and say how to go on."""
    way = Way(session.program, (), place_flag)
    width = columns() if is_terminal(sys.stdout) else None
    with Reader.open(place) as reader:
        for name in QUESTIONS:
            click.echo(f"\n$ {way.ask('query', name)}")
            ask.write_rows(reader.rows(named.resolve(name, reader.tables()).sql, limit=ROWS), "table", width)
    session.voice.say("")
    session.voice.say("Go on with:")
    for question in (("status",), ("query",), ("query", "broken-links"), ("query", "SELECT url, title FROM pages LIMIT 10")):
        session.voice.say(f"  {way.ask(*question)}")
    session.voice.say(f"  {session.program} https://example.org/ -n 20      a first site of your own")
