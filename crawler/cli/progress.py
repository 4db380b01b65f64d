"""Where the crawl stands, for people: a live line on a terminal, a plain line now and then anywhere else.

What is drawn is decided by pure functions of a Snapshot; only the two small classes at the end touch a stream.
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from crawler import words
from crawler.cli.terminal import ProgressStyle, Voice, is_terminal
from crawler.core.metrics import Snapshot, Summary, Waiting
from crawler.hooks import Event, Notice, Progress, RunEnded, SettingsApplied, Stopping
from crawler.text import cut, safe, width

INDENT = "  "
SLOWEST_EVERY, SLOWEST_FOR = 15, 3
"""Seconds of the cycle in which the slowest thing is named, and for how many of them: one alone cannot be read."""
WORTH_NAMING = 1.0
"""Seconds of waiting below which a host is not slow but polite."""
LINE_GAP = 0.2
"""Seconds between two drawings of the live line."""
FIRST_PLAIN, NEXT_PLAIN = 10.0, 60.0
"""Seconds until the first plain line, and between two later ones."""
TRENDS = {1: " ↑", 0: "", -1: " ↓"}

Part = tuple[int, str]
"""How dispensable a part is (0 never goes), and its text."""


def line(snapshot: Snapshot, columns: int | None = None, *, goal: int | None = None, grace: float | None = None) -> str:
    """Return the progress line, cut to *columns*. *grace* is how many seconds are left until a stop drops what still runs."""
    if snapshot.stopping:
        parts = _stopping(snapshot, grace)
    elif snapshot.network_down is not None:
        parts = _away(snapshot, snapshot.network_down)
    elif _is_time_for_the_slowest(snapshot):
        parts = _waiting(snapshot)
    else:
        parts = _running(snapshot, goal)
    return _fit(parts, columns)


def _running(snapshot: Snapshot, goal: int | None) -> list[Part]:
    parts = [
        (0, words.count(snapshot.pages, "page")),
        (1, f"{snapshot.queued:,} queued{TRENDS[snapshot.trend]}"),
        (2, words.count(snapshot.errors, "error")),
        (3, words.rate(snapshot.pages_per_second)),
        (5, f"{words.size(snapshot.bytes_per_second)}/s"),
        (6, words.count(snapshot.hosts, "host")),
        (4, words.clock(snapshot.elapsed)),
    ]
    if goal:
        parts.insert(1, (7, f"{min(100 * snapshot.pages // goal, 100)} %"))
    if snapshot.eta is not None:
        parts.append((8, f"{words.clock(snapshot.eta)} left"))
    return parts


def _waiting(snapshot: Snapshot) -> list[Part]:
    return [
        (0, words.count(snapshot.pages, "page")),
        (2, f"{snapshot.queued:,} queued"),
        (4, words.count(snapshot.errors, "error")),
        (3, words.rate(snapshot.pages_per_second)),
        (1, f"waiting: {slowest(snapshot.waiting)}"),
    ]


def _away(snapshot: Snapshot, seconds: float) -> list[Part]:
    return [
        (0, f"the network is down for {words.clock(seconds)}; no URL is given up for it"),
        (1, words.count(snapshot.pages, "page")),
        (2, f"{snapshot.queued:,} queued"),
    ]


def _stopping(snapshot: Snapshot, grace: float | None) -> list[Part]:
    left = "" if grace is None else f", {max(round(grace), 0)} s left"
    return [
        (0, f"stopping: {words.count(snapshot.in_flight, 'request')} still running{left}"),
        (1, words.count(snapshot.pages, "page")),
        (2, f"{snapshot.queued:,} queued"),
    ]


def slowest(waiting: tuple[Waiting, ...]) -> str:
    """Name what is waited for longest: one host, or all that wait for the same reason."""
    first = waiting[0]
    alike = [each for each in waiting if each.why == first.why]
    if len(alike) > 1:
        return f"{len(alike)} hosts ({safe(first.why)}), the last in {words.clock(first.seconds)}"
    return f"{safe(first.host)} ({safe(first.why)}), next in {words.clock(first.seconds)}"


def _is_time_for_the_slowest(snapshot: Snapshot) -> bool:
    """Tell whether the line says who is waited for: now and then, and always while nothing else happens."""
    if not snapshot.waiting or snapshot.waiting[0].seconds < WORTH_NAMING:
        return False
    return snapshot.pages_per_second <= 0 or int(snapshot.elapsed) % SLOWEST_EVERY >= SLOWEST_EVERY - SLOWEST_FOR


def _fit(parts: list[Part], columns: int | None) -> str:
    """Leave out the most dispensable parts until the line fits, then cut what is left."""
    kept = list(parts)
    while True:
        text = INDENT + " · ".join(text for _, text in kept)
        if columns is None or width(text) <= columns:
            return text
        if len(kept) == 1:
            return cut(text, columns)
        kept.remove(max(kept))


class Display(Protocol):
    """Something that shows snapshots and lets notices pass above them."""

    def show(self, snapshot: Snapshot, grace: float | None) -> None:
        """Show a snapshot, or leave it."""

    def say(self, text: str) -> None:
        """Tell one thing, without tearing the line."""

    def close(self) -> None:
        """Leave the terminal as it was found."""


class LiveLine:
    """One line that is drawn again and again, at most five times a second."""

    def __init__(self, voice: Voice, goal: int | None) -> None:
        from rich.console import Console  # 40 ms, and only where something is drawn
        from rich.live import Live
        from rich.text import Text

        self._goal = goal
        self._drawn = -1.0
        self._text = Text
        self._console = Console(
            file=voice.stream, force_terminal=True, no_color=not voice.coloured, markup=False, highlight=False, emoji=False, soft_wrap=True
        )
        self._live = Live(
            Text(""), console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False, vertical_overflow="crop"
        )
        self._last: Snapshot | None = None

    def show(self, snapshot: Snapshot, grace: float | None) -> None:
        """Draw the line, unless it was drawn a moment ago."""
        self._last = snapshot
        if self._drawn >= 0 and snapshot.elapsed - self._drawn < LINE_GAP:
            return
        self._draw(snapshot, grace)

    def _draw(self, snapshot: Snapshot, grace: float | None) -> None:
        if self._drawn < 0:
            self._live.start()
        self._drawn = snapshot.elapsed
        # One column stays free: a terminal that has just drawn its last column wraps on the next byte.
        text = line(snapshot, self._console.width - 1, goal=self._goal, grace=grace)
        self._live.update(self._text(text, no_wrap=True, overflow="crop"), refresh=True)

    def say(self, text: str) -> None:
        """Print above the line."""
        self._console.print(self._text(safe(text)))

    def close(self) -> None:
        """Leave the last line standing and give the cursor back."""
        if self._drawn < 0:
            return
        if self._last is not None and self._last.elapsed > self._drawn:
            self._draw(self._last, None)
        self._live.stop()
        self._drawn = -1.0


class PlainLines:
    """A whole line now and then, for logs and pipes."""

    def __init__(self, voice: Voice, goal: int | None) -> None:
        self._voice = voice
        self._goal = goal
        self._due = FIRST_PLAIN

    def show(self, snapshot: Snapshot, grace: float | None) -> None:
        """Print a line when it is due."""
        if snapshot.elapsed < self._due:
            return
        self._due = (snapshot.elapsed // NEXT_PLAIN + 1) * NEXT_PLAIN
        self._voice.say(line(snapshot, goal=self._goal, grace=grace))

    def say(self, text: str) -> None:
        """Print a line."""
        self._voice.say(text)

    def close(self) -> None:
        """Nothing is held."""


class Silence:
    """Notices only."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice

    def show(self, snapshot: Snapshot, grace: float | None) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Print a line."""
        self._voice.say(text)

    def close(self) -> None:
        """Nothing is held."""


def display(voice: Voice, style: ProgressStyle, *, goal: int | None, term: str = "", shared: bool = False) -> Display:
    """Return the display for a stream. *shared* says that standard output is the same terminal, which a live line would tear."""
    if style == "auto":
        style = "line" if is_terminal(voice.stream) and term != "dumb" and not shared else "plain"
    if voice.quiet or style == "off":
        return Silence(voice)
    return LiveLine(voice, goal) if style == "line" else PlainLines(voice, goal)


class Watcher:
    """Listens to a crawl and tells a display what people want to know while it runs."""

    def __init__(self, shown: Display) -> None:
        self._shown = shown
        self._last: Snapshot | None = None
        self._deadline: float | None = None

    def __call__(self, event: Event) -> None:
        """Take one event."""
        match event:
            case Progress(snapshot):
                self._last = snapshot
                self._shown.show(snapshot, None if self._deadline is None else self._deadline - snapshot.elapsed)
            case Notice(text):
                self._shown.say(f"{INDENT}{text}")
            case SettingsApplied(allowed, refused) if allowed or refused:
                self._shown.say(f"{INDENT}{applied(allowed, refused)}")
            case Stopping(in_flight, seconds, times):
                self._deadline = seconds + (self._last.elapsed if self._last else 0.0)
                if in_flight:
                    self._shown.say(stop_line(in_flight, seconds, times))
            case RunEnded(summary):
                self._end(summary)
            case _:
                pass


    def _end(self, summary: Summary) -> None:
        """Leave a last line that says what the summary under it says."""
        if self._last is not None:
            last = msgspec.structs.replace(
                self._last, elapsed=summary.elapsed, pages=summary.pages, queued=summary.queued, waiting=(), stopping=False, eta=None
            )
            self._shown.show(last, None)
        self._shown.close()


def applied(allowed: int, refused: int) -> str:
    """Say what changed settings did to the URLs that wait."""
    parts = [f"{words.count(allowed, 'URL')} became allowed"] if allowed else []
    parts += [f"{words.count(refused, 'URL')} no longer {'is' if refused == 1 else 'are'}"] if refused else []
    return ", ".join(parts)


def stop_line(in_flight: int, seconds: float, times: int) -> str:
    """Say what a stop does, and what the next Ctrl-C would do."""
    if times > 1:
        return f"Dropping {words.count(in_flight, 'request')}; they stay queued. Ctrl-C once more ends at once, which is safe too."
    return f"Stopping: {words.count(in_flight, 'request')} still running, up to {seconds:.0f} s. Ctrl-C again to drop them."
