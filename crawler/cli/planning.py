"""`plan`: what a crawl would meet, found out from robots.txt and sitemaps alone.

`crawl --dry-run` is the other half, which asks nobody: see `crawler.cli.plan`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from crawler import signals, words
from crawler.cli import inputs, pages, plan
from crawler.cli.closing import FINISHED, NOTHING_FETCHED
from crawler.cli.errors import SIGNALLED, Wrong
from crawler.cli.inputs import BadSeeds
from crawler.cli.loops import loop_factory
from crawler.cli.memory import recall
from crawler.cli.pages import Flag
from crawler.cli.progress import FIRST_PLAIN, NEXT_PLAIN
from crawler.cli.session import Session
from crawler.cli.settings import ConfigFile
from crawler.cli.terminal import Colour, Voice, columns, is_terminal
from crawler.core.scope import Options
from crawler.core.seeds import Seed
from crawler.core.settings import Settings
from crawler.folder import NotACrawl
from crawler.query.reader import Reader
from crawler.text import cut

if TYPE_CHECKING:
    from crawler.engine.planning import Planner
    from crawler.engine.prospects import Prospect

DRAWN_EVERY = 0.2


@click.command(
    "plan", cls=pages.Lesson,
    examples=(
        ("plan seeds.txt", "what the hosts of these seeds allow, list, and how long that takes"),
        ("plan seeds.txt --delay 2", "the same at another pace; all settings of crawl count"),
        ("plan -o output/docs", "the seeds and settings of a crawl that is there"),
        ("plan seeds.txt --json", "as JSON"),
    ),
)
@click.argument("words", metavar="[SEEDS...]", nargs=-1)
@pages.output_flag("a crawl whose settings count, and whose seeds if none are named  [default: none]")
@click.option("--json", "as_json", is_flag=True, cls=Flag, group=pages.TELLING, help="as JSON")
@pages.config_flags
@pages.voice_flags
@click.pass_obj
def plan_command(
    session: Session, /, words: tuple[str, ...], output: str | None, *, config_file: str | None, color: Colour, no_config: bool,
    quiet: bool, verbose: int, as_json: bool, **flags: object,
) -> int:
    """Ask the hosts of the seeds for robots.txt and sitemaps, and say what a crawl would meet there. Nothing is written.

    Tells for each host whether its seeds are allowed, at which pace it will be asked, what its sitemaps list and the time that
    takes, and which hosts do not answer. Ends with 3 when no seed may be asked for.
    """
    voice = session.speak(quiet=quiet, verbose=verbose, color=color)
    seeds, settings = _given(words, output, flags, plan.config_of(config_file, none=no_config), voice)
    with asyncio.Runner(loop_factory=loop_factory(settings)) as runner:
        found, signum = runner.run(_drive(settings, seeds, voice))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        from crawler.cli import foreseen

        click.echo("\n".join(foreseen.lines(found)))
    if signum is not None:
        return SIGNALLED + signum
    return FINISHED if found.forbidden < found.seeds else NOTHING_FETCHED


def _given(
    named: tuple[str, ...], output: str | None, flags: plan.Flags, file: ConfigFile | None, voice: Voice
) -> tuple[list[Seed], Settings]:
    """Return the seeds and the settings in force. Raises CrawlError for all that is wrong with them."""
    place = Path(output) if output else None
    memory = None if place is None else recall(place)
    if place is not None and memory is None:
        raise NotACrawl(f"{place} holds no crawl", "Try plan without -o: it needs no folder.")
    settings = plan.resolve(place or Path(), flags, file, memory).settings
    if not named:
        if place is None:
            raise Wrong("nothing to plan was named", "Try plan with a seed file, a URL, or -o for a crawl that is there.")
        return _remembered(place), settings
    found = inputs.read(named, voice=voice)
    if found.bad and not settings.skip_bad_seeds:
        raise BadSeeds(found.bad)
    if not found.seeds:
        raise Wrong(f"{words.listed(list(named))} names no URL", "Try adding one a line, like https://example.org/")
    return list(found.seeds), settings


def _remembered(place: Path) -> list[Seed]:
    with Reader.open(place) as reader:
        rows = reader.all("SELECT s.url, r.options, s.source, s.line FROM seed s JOIN ruleset r USING (ruleset)")
    return [
        Seed(str(url), msgspec.json.decode(str(options), type=Options), str(source), int(str(line))) for url, options, source, line in rows
    ]


async def _drive(settings: Settings, seeds: list[Seed], voice: Voice) -> tuple[Prospect, int | None]:
    """Make the plan; a signal ends it, and what is known by then is told. Returns that signal too."""
    from crawler.engine.planning import Planner  # aiohttp takes 200 ms that `--help` must not

    planner = Planner(settings, seeds)
    heard: list[int] = []
    loop = asyncio.get_running_loop()
    caught = signals.heeded()

    def stop(signum: int) -> None:
        heard.append(signum)
        planner.stop()
        for each in caught:     # the next one ends it the hard way
            loop.remove_signal_handler(each)

    for signum in caught:
        loop.add_signal_handler(signum, stop, signum)
    try:
        async with _told(planner, voice):
            return await planner.run(), heard[0] if heard else None
    finally:
        for signum in caught:
            loop.remove_signal_handler(signum)


@contextlib.asynccontextmanager
async def _told(planner: Planner, voice: Voice) -> AsyncIterator[None]:
    """Tell how far the plan is while the block runs: a live line on a terminal, a plain line now and then anywhere else."""
    live = is_terminal(voice.stream) and os.environ.get("TERM") != "dumb"
    telling = asyncio.create_task(_tell(planner, voice, live=live)) if not voice.quiet else None
    try:
        yield
    finally:
        if telling is not None:
            telling.cancel()
            await asyncio.wait([telling])
            if live:
                voice.stream.write("\r\x1b[K")
                voice.stream.flush()


async def _tell(planner: Planner, voice: Voice, *, live: bool) -> None:
    started, due = time.monotonic(), FIRST_PLAIN
    while True:
        await asyncio.sleep(DRAWN_EVERY)
        at = planner.progress()
        passed = time.monotonic() - started
        text = (
            f"  asking for robots.txt and sitemaps: {words.count(at.asked, 'answer')} of {words.count(at.hosts, 'host')} · "
            f"{words.count(at.sitemaps, 'sitemap')} · {words.count(at.urls, 'URL')} · {words.clock(passed)}"
        )
        if live:
            voice.stream.write(f"\r{cut(text, columns() - 1)}\x1b[K")
            voice.stream.flush()
        elif passed >= due:
            due += NEXT_PLAIN
            voice.say(text)


pages.setting_flags(plan_command)
