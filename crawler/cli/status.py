"""`status`: how far a crawl is and where it goes, at rest or while it runs, once or again and again."""

from __future__ import annotations

import functools
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import click
import msgspec

from crawler.cli import pages
from crawler.cli.ask import NEWEST, asking
from crawler.cli.errors import SIGNALLED, Wrong
from crawler.cli.pages import Flag
from crawler.cli.session import Session
from crawler.cli.terminal import Colour, Voice, is_terminal
from crawler.query import standing
from crawler.query.status import Status, read_host_status, read_status
from crawler.text import cut

EVERY = 2.0
"""Seconds between two looks of `--watch`."""
SHORTEST = 0.1


class Look(msgspec.Struct, frozen=True):
    """What one look at a crawl showed."""

    running: bool
    lines: tuple[str, ...]
    """For a terminal."""
    line: str
    """For a pipe."""
    value: object
    """For a program."""


class Screen(Protocol):
    """Where looks are shown."""

    def show(self, look: Look) -> None:
        """Show a look in the place of the one before, or after it."""

    def close(self) -> None:
        """Leave the last one standing."""


@click.command(
    "status", cls=pages.Lesson,
    examples=(
        ("status", "how far the newest crawl is, and where it goes"),
        ("status --watch", "the same again every two seconds, until the crawl ends"),
        ("status --host example.org", "one host: its queue, its pace, what it waits for"),
        ("status -o output/docs --json", "as JSON"),
    ),
)
@pages.output_flag(NEWEST)
@click.option("--watch", "every", type=float, is_flag=False, flag_value=EVERY, metavar="[SECONDS]", cls=Flag, group=pages.TELLING,
              help="look again and again until the crawl ends", default_text=f"off; without a number every {EVERY:g} seconds")
@click.option("--host", metavar="NAME", cls=Flag, group=pages.TELLING, help="one host in detail")
@click.option("--json", "as_json", is_flag=True, cls=Flag, group=pages.TELLING, help="as JSON; with --watch a line each time")
@pages.voice_flags
@click.pass_obj
def status(
    session: Session, /, output: str | None, every: float | None, host: str | None, color: Colour, *, quiet: bool, verbose: int,
    as_json: bool,
) -> int:
    """Show how far a crawl is and where it goes: counts, speed, whether the frontier shrinks, when it may end, who is waited for.

    Works while it runs.
    """
    voice = session.speak(quiet=quiet, verbose=verbose, color=color)
    if every is not None and not SHORTEST <= every < float("inf"):
        raise Wrong(f"--watch must be {SHORTEST:g} seconds or more, got {every:g}", "Try --watch 5.")
    folder = session.crawl_in(output)
    look = functools.partial(look_at, folder) if host is None else functools.partial(look_at_host, folder, host.lower())
    if every is None:
        with asking():
            found = look()
        if as_json:
            click.echo(msgspec.json.format(msgspec.json.encode(found.value)))
        else:
            click.echo("\n".join(found.lines))
        return 0
    try:
        return watch(look, screen(voice, as_json=as_json), every, say=voice.say)
    except KeyboardInterrupt:
        return SIGNALLED + signal.SIGINT


def look_at(folder: Path) -> Look:
    """Look at a crawl. Raises QueryError."""
    found, now = read_status(folder), time.time()
    return Look(found.running, tuple(standing.lines(found, now)), standing.line(found, now), found)


def look_at_host(folder: Path, name: str) -> Look:
    """Look at one host of a crawl. Raises QueryError."""
    (found, running), now = read_host_status(folder, name), time.time()
    lines = standing.host_lines(found, now, running=running)
    return Look(running, tuple(lines), standing.host_line(found, now, running=running), found)


def watch(
    look: Callable[[], Look], shown: Screen, every: float, *, say: Callable[[str], None], pause: Callable[[float], None] = time.sleep
) -> int:
    """Look again and again until nobody crawls any more, and say so."""
    try:
        while True:
            with asking():
                found = look()
            shown.show(found)
            if not found.running:
                break
            pause(every)
    finally:
        shown.close()
    say(_last_word(found))
    return 0


def _last_word(found: Look) -> str:
    if isinstance(found.value, Status):
        return f"Nobody crawls: {standing.run_words(found.value, time.time())}."
    return "Nobody crawls."


def screen(voice: Voice, *, as_json: bool) -> Screen:
    """Return where to show looks: a terminal is drawn anew, anything else gets a line each time."""
    if as_json:
        return Lines(lambda look: msgspec.json.encode(look.value).decode())
    return Redrawn(voice) if is_terminal(sys.stdout) else Lines(lambda look: look.line)


class Lines:
    """A line for each look, on standard output."""

    def __init__(self, text: Callable[[Look], str]) -> None:
        self._text = text

    def show(self, look: Look) -> None:
        """Print it at once, for whoever reads the pipe."""
        click.echo(self._text(look))
        sys.stdout.flush()

    def close(self) -> None:
        """Nothing is held."""


class Redrawn:
    """A terminal on which each look takes the place of the one before, in one go."""

    def __init__(self, voice: Voice) -> None:
        from rich.console import Console  # 40 ms, and only where something is drawn
        from rich.live import Live
        from rich.text import Text

        self._text = Text
        self._console = Console(
            file=sys.stdout, force_terminal=True, no_color=not voice.coloured, markup=False, highlight=False, emoji=False
        )
        self._live = Live(
            Text(""), console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False, vertical_overflow="crop"
        )
        self._drawn = False

    def show(self, look: Look) -> None:
        """Draw it, as much of it as there is room for."""
        if not self._drawn:
            self._live.start()
            self._drawn = True
        # One column stays free: a terminal that has just drawn its last column wraps on the next byte.
        width, height = self._console.width - 1, max(self._console.height - 1, 1)
        text = "\n".join(cut(line, width) for line in look.lines[:height])
        self._live.update(self._text(text, no_wrap=True, overflow="crop"), refresh=True)

    def close(self) -> None:
        """Leave the last one standing and give the cursor back."""
        if self._drawn:
            self._live.stop()
            self._drawn = False
