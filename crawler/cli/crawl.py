"""`crawl` and `resume`: from a plan to a crawl that people can watch and stop, and to the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shlex
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from crawler import signals
from crawler.cli import closing, events, inputs, opening, pages, plan, progress
from crawler.cli.closing import FailOn, Way
from crawler.cli.errors import SIGNALLED, Wrong
from crawler.cli.inputs import Inputs
from crawler.cli.logs import CrawlLog
from crawler.cli.loops import loop_factory
from crawler.cli.pages import Flag
from crawler.cli.plan import Plan
from crawler.cli.serve import bind, listen_flags, secret_url
from crawler.cli.session import Session
from crawler.cli.terminal import Colour, ProgressStyle, is_terminal
from crawler.core.metrics import Summary
from crawler.dashboard.address import Bound
from crawler.folder import BEGAN, FAILED, CrawlError
from crawler.hooks import Event, Hooks, RunEnded, RunStarted
from crawler.version import __version__

if TYPE_CHECKING:
    from crawler.engine import Crawler

log = logging.getLogger("crawler.cli")

LAST_STOP = 3
"""The stop that does not wait for anything any more (design law 10)."""
SHOW_CURSOR = "\x1b[?25h\n"


class Dashboard(msgspec.Struct, frozen=True):
    """The crawl in the browser: where it listens, and what a change has to bring."""

    bound: Bound
    token: str


class Show(msgspec.Struct, frozen=True):
    """How a crawl is shown, and when it counts as failed."""

    style: ProgressStyle = "auto"
    fail_on: FailOn | None = None
    way: Way = Way("crawler", ())
    dashboard: Dashboard | None = None


class Telling:
    """Everything that listens to one crawl, opened before it and closed after it."""

    def __init__(self, session: Session, outline: Plan, show: Show) -> None:
        self.session, self.outline = session, outline
        self.started: RunStarted | None = None
        shared = session.json and is_terminal(sys.stdout)
        goal = outline.effective.settings.max_pages
        self.display = progress.display(session.voice, show.style, goal=goal, term=os.environ.get("TERM", ""), shared=shared)
        self.log = CrawlLog(verbose=session.voice.verbose, say=self.display.say)
        self.lines: events.EventLines | None = None
        self.dashboard = show.dashboard

    def listen(self, hooks: Hooks, stop: Callable[[int], None]) -> None:
        """Subscribe. A reader of --json that went away stops the crawl, as it would stop any program in a pipe."""
        hooks.subscribe(self._begin)
        hooks.subscribe(progress.Watcher(self.display))
        if self.session.json:
            self.lines = events.EventLines(sys.stdout.buffer, lambda: stop(signal.SIGPIPE))
            hooks.subscribe(self.lines)

    def _begin(self, event: Event) -> None:
        """Say the first words, and write the log from now on: the folder is ours."""
        if isinstance(event, RunEnded):
            log.info("run ended: %s, %d pages in all", event.summary.outcome, event.summary.pages)
        if isinstance(event, RunStarted):
            self.started = event
            self.log.open(self.outline.output)
            log.info("%scrawler %s, %d pages done, %d waiting", BEGAN, __version__, event.pages, event.queued)
            for line in opening.lines(event, self.outline.effective, __version__):
                self.display.say(line)
            if self.dashboard is not None:
                self.display.say(f"  watch it at {secret_url(self.dashboard.bound, self.dashboard.token)}")

    def end_of_dashboard(self, code: int) -> None:
        """Say that nobody can watch the crawl any more, and what helps."""
        self.dashboard = None       # its address is of no use to anybody
        again = f"{self.session.program} serve {shlex.quote(str(self.outline.output))}"
        how = f"killed by signal {-code}" if code < 0 else f"exit code {code}"
        self.display.say(f"warning: the dashboard has ended, {how}; the crawl goes on, and {again} shows it again")

    def close(self) -> None:
        """Leave terminal, log and pipe in order."""
        self.display.close()
        self.log.close()
        if self.lines is not None:
            self.lines.close()


def conduct(session: Session, outline: Plan, show: Show, opened: AbstractAsyncContextManager[Inputs] | None = None) -> int:
    """Run one crawl from its first to its last word and return the exit code.

    *opened* is entered in the event loop of the crawl and says what to crawl: the demo serves its site in there.
    """
    session.folder = outline.output
    telling = Telling(session, outline, show)
    seeds = opened if opened is not None else contextlib.nullcontext(outline.inputs)
    try:
        with asyncio.Runner(loop_factory=loop_factory(outline.effective.settings)) as runner:
            summary = runner.run(_drive(telling, seeds))
    except CrawlError as error:
        log.error("%s%s", FAILED, error.message)  # noqa: TRY400 - what people have to know, no bug
        raise
    finally:
        telling.close()
    resumed = telling.started is not None and telling.started.resumed
    for line in closing.lines(summary, msgspec.structs.replace(show.way, resumed=resumed)):
        session.voice.say(line)
    return closing.exit_code(summary, show.fail_on)


async def _drive(telling: Telling, opened: AbstractAsyncContextManager[Inputs]) -> Summary:
    """Crawl in the running loop, with signals turned into stops."""
    async with opened as found:
        crawler = _make(telling, found)
        with _stopped_by_signals(crawler.stop, telling.session):
            async with _watched(telling):
                return await crawler.run()


@contextlib.asynccontextmanager
async def _watched(telling: Telling) -> AsyncIterator[None]:
    """Have the crawl served in the browser while the block runs, where that is wanted."""
    if telling.dashboard is None:
        yield
        return
    from crawler.dashboard.beside import served_beside  # only for those who watch

    folder, dashboard = telling.outline.output, telling.dashboard
    async with served_beside(folder, dashboard.bound, dashboard.token, died=telling.end_of_dashboard):
        yield


def _make(telling: Telling, found: Inputs) -> Crawler:
    from crawler.control.server import serve
    from crawler.engine import Crawler  # aiohttp and bs4 take 200 ms that `--help` must not

    hooks = Hooks()
    outline = telling.outline
    crawler = Crawler(
        outline.effective.settings, output=outline.output, seeds=found.seeds, sources=found.sources, hooks=hooks, argv=telling.session.argv,
        door=lambda steering: serve(outline.output, steering),
    )  # fmt: skip
    telling.listen(hooks, crawler.stop)
    return crawler


@contextlib.contextmanager
def _stopped_by_signals(stop: Callable[[int], None], session: Session) -> Iterator[None]:
    """Turn signals into stops while the block runs. What the parent ignores (nohup, a shell's background) stays ignored."""
    loop = asyncio.get_running_loop()
    stops = 0

    def heard(signum: int) -> None:
        nonlocal stops
        stops += 1
        if stops >= LAST_STOP:
            end_at_once(signum, session)
        stop(signum)

    caught = signals.heeded()
    for signum in caught:
        loop.add_signal_handler(signum, heard, signum)
    try:
        yield
    finally:
        for signum in caught:
            loop.remove_signal_handler(signum)


def end_at_once(signum: int, session: Session) -> None:
    """End the process now. What is committed is safe, and the rest is asked again."""
    if is_terminal(session.voice.stream):
        session.voice.write(SHOW_CURSOR)
    os._exit(SIGNALLED + signum)


def running_flags(command: Callable[..., int]) -> Callable[..., int]:
    """Add what both commands have besides settings."""
    flags = (
        listen_flags,
        click.option("--serve", is_flag=True, cls=Flag, group=pages.WATCHING, help="show the crawl in the browser while it runs"),
        click.option("--dry-run", is_flag=True, cls=Flag, group=pages.OTHER, help="say what would be done, and do nothing"),
        click.option("--fail-on", metavar="errors=N[%]", cls=Flag, group=pages.OTHER, help="end with 8 when there were more errors",
                     default_text="never; single pages that fail are normal"),
        click.option("--json", "as_json", is_flag=True, cls=Flag, group=pages.TELLING, help="tell events as JSON Lines on standard output"),
        pages.progress_flag,
    )
    for flag in flags:
        command = flag(command)
    voiced: Callable[..., int] = pages.voice_flags(pages.config_flags(command))
    return voiced


@click.command(
    "crawl", cls=pages.Lesson,
    examples=(
        ("seeds.txt", "crawl what the file names; the same command again goes on"),
        ("https://example.org/ -n 50", "crawl one site, at most 50 pages, into output/example.org/"),
        ("seeds.txt --depth 2 --max-time 2h", "stay near the seeds, stop after two hours"),
        ("seeds.txt --exclude '/archive/' --delay 2s", "leave a part out, and ask each host every two seconds"),
        ("seeds.txt --fresh", "start anew; the old results are kept under another name"),
        ("seeds.txt --json | jq .url", "give events to another program"),
    ),
)
@click.argument("words", metavar="SEEDS...", nargs=-1)
@pages.output_flag("folder for the results  [default: output/<name of the first seed file or host>]")
@click.option("--fresh", is_flag=True, cls=Flag, group=pages.OUTPUT_GROUP, help="rename the crawl that is there, and start anew")
@running_flags
@click.pass_obj
def crawl(
    session: Session, /, words: tuple[str, ...], output: str | None, *, config_file: str | None, style: ProgressStyle,
    fail_on: str | None, color: Colour, no_config: bool, fresh: bool, quiet: bool, verbose: int, as_json: bool, dry_run: bool,
    serve: bool, listen: str | None, allow_host: tuple[str, ...], **flags: object,
) -> int:
    """Crawl what SEEDS name: files with one URL a line (also .gz), URLs, or - for standard input.

    If the output folder holds this crawl already, it goes on where it stopped; a line that was added to a seed file is added
    to the crawl. Ctrl-C stops it, and nothing is lost.
    """
    voice, session.json = session.speak(quiet=quiet, verbose=verbose, color=color), as_json
    _refuse_misplaced_commands(words, session)
    limit = closing.read_fail_on(fail_on) if fail_on else None
    given = Path(output) if output else None
    outline = plan.for_crawl(words, given, flags, plan.config_of(config_file, none=no_config), fresh=fresh, voice=voice)
    if dry_run:
        return _tell_plan(outline)
    dashboard = _dashboard(session, listen, allow_host, wanted=serve)
    plan.put_aside(outline)
    repeatable = inputs.STDIN not in words
    way = _way(session, outline, words if repeatable else ("resume",), named=given is not None, fresh=repeatable)
    return conduct(session, outline, Show(style, limit, way, dashboard))


@click.command(
    "resume", cls=pages.Lesson,
    examples=(
        ("resume", "go on with the newest crawl under output/"),
        ("resume -o output/docs --concurrency 16", "go on with this one, under other settings"),
    ),
)
@pages.output_flag("the crawl to go on with  [default: the newest under output/]")
@running_flags
@click.pass_obj
def resume(
    session: Session, /, output: str | None, *, config_file: str | None, style: ProgressStyle, fail_on: str | None, color: Colour,
    no_config: bool, quiet: bool, verbose: int, as_json: bool, dry_run: bool, serve: bool, listen: str | None,
    allow_host: tuple[str, ...], **flags: object,
) -> int:
    """Go on with a crawl where it stopped, without naming its seeds again."""
    session.speak(quiet=quiet, verbose=verbose, color=color)
    session.json = as_json
    limit = closing.read_fail_on(fail_on) if fail_on else None
    given = Path(output) if output else None
    outline = plan.for_resume(given, flags, plan.config_of(config_file, none=no_config))
    if dry_run:
        return _tell_plan(outline)
    dashboard = _dashboard(session, listen, allow_host, wanted=serve)
    way = _way(session, outline, ("resume",), named=given is not None, fresh=False)
    return conduct(session, outline, Show(style, limit, way, dashboard))


def _dashboard(session: Session, listen: str | None, names: tuple[str, ...], *, wanted: bool) -> Dashboard | None:
    """Listen, before anything is begun: --listen and --allow-host mean --serve too."""
    if not (wanted or listen is not None or names):
        return None
    bound, token = bind(listen, names, session.voice)
    if session.voice.quiet:     # it was asked for, and nobody could know it
        click.echo(secret_url(bound, token), err=True)
    return Dashboard(bound, token)


def _refuse_misplaced_commands(words: tuple[str, ...], session: Session) -> None:
    """Raise Wrong where no seed is named, or a command stands behind an option."""
    if not words:
        raise Wrong("nothing to crawl was named", f"Try {session.program} seeds.txt, or {session.program} resume to go on.")
    for word in words:
        if word in pages.COMMANDS and inputs.kind_of(word) is None:
            raise Wrong(f"{word} is a command, and a command comes first", f"Try {session.program} {word} ...")


def _tell_plan(outline: Plan) -> int:
    for line in plan.dry_run(outline):
        click.echo(line)
    return 0


def _way(session: Session, outline: Plan, words: tuple[str, ...], *, named: bool, fresh: bool) -> Way:
    place = ("-o", str(outline.output)) if named else ()
    return Way(session.program, words, place, str(outline.output), outline.effective.settings.max_pages, fresh=fresh)


pages.setting_flags(crawl)
pages.setting_flags(resume)
