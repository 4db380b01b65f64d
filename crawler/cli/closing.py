"""What a run came to: the words at its end, the commands to go on with, and the exit code. Pure."""

from __future__ import annotations

import re
import shlex

import msgspec

from crawler import words
from crawler.cli.errors import SIGNALLED, Wrong
from crawler.core.metrics import Summary
from crawler.text import safe

FINISHED, NOTHING_FETCHED, PARKED, TOO_MUCH_FAILED = 0, 3, 7, 8
MOST_HOSTS = 5
"""Hosts that are named one by one; the rest is counted."""

Row = tuple[str, str, str]
"""A label, what there is, and the command that tells more."""


class Way(msgspec.Struct, frozen=True):
    """How a person goes on: the program as it was called, what it was given, and the folder when it must be named."""

    program: str
    words: tuple[str, ...]
    """The command line that goes on with this crawl, without its settings, which the folder remembers."""
    place: tuple[str, ...] = ()
    """`-o DIR`, where the newest crawl under output/ would not be meant."""
    output: str = ""
    max_pages: int | None = None
    resumed: bool = False
    fresh: bool = True
    """The command line can be repeated with --fresh: it names its seeds."""

    def again(self, *more: str) -> str:
        """Return the command that goes on."""
        return shlex.join([*self.program.split(), *self.words, *self.place, *more])

    def ask(self, *question: str) -> str:
        """Return the command that asks something about this crawl."""
        return shlex.join([*self.program.split(), *question, *self.place])


class FailOn(msgspec.Struct, frozen=True):
    """When a run with errors ends with 8: beyond a count, or a share of what was asked for."""

    most: float
    share: bool

    def reached(self, summary: Summary) -> bool:
        """Tell whether a run had more errors than it may."""
        errors = sum(times for _, times in summary.errors)
        asked = errors + summary.run_pages + summary.unchanged
        return errors > (self.most * asked if self.share else self.most)


def read_fail_on(text: str) -> FailOn:
    """Read `errors=5%` or `errors=10`."""
    match = re.fullmatch(r"errors\s*=\s*(\d+(?:\.\d+)?)\s*(%?)", text.strip())
    if match is None:
        raise Wrong(f"--fail-on must be errors=N or errors=N%, got {text!r}", "Try --fail-on errors=5%.")
    return FailOn(float(match[1]) / (100 if match[2] else 1), bool(match[2]))


def exit_code(summary: Summary, fail_on: FailOn | None = None) -> int:
    """Return what the process ends with. Single pages that fail do not change it."""
    if summary.outcome == "stopped":
        return SIGNALLED + (summary.signal or 2)
    if summary.outcome == "failed" or (summary.pages == 0 and (summary.errors or summary.parked) and summary.outcome != "limit"):
        return NOTHING_FETCHED
    if fail_on is not None and fail_on.reached(summary):
        return TOO_MUCH_FAILED
    return PARKED if summary.outcome == "parked" else FINISHED


def lines(summary: Summary, way: Way) -> list[str]:
    """Return the last words of a run: one sentence, then what there is to know and to do."""
    if _was_finished_before(summary, way):
        return _finished_before(summary, way)
    rows = [*_recrawled(summary, way), *_trouble(summary, way), *_next(summary, way)]
    return [_sentence(summary), *_aligned(rows)]


def _was_finished_before(summary: Summary, way: Way) -> bool:
    """Tell whether there was nothing to do. The moment of a run that finds its work done looks like no other."""
    nothing = not (summary.run_pages or summary.queued or summary.errors or summary.unchanged or summary.gone)
    return way.resumed and summary.outcome == "finished" and nothing


def _finished_before(summary: Summary, way: Way) -> list[str]:
    rows: list[Row] = [("look", "", way.ask("query", "pages")), ("", "", way.ask("status"))]
    if not summary.recrawl:
        rows.append(("again", "", f"{way.again('--recrawl', '1d')}   (asks again what was last asked more than a day ago)"))
    if way.fresh:
        rows.append(("anew", "", f"{way.again('--fresh')}   (keeps the old folder under another name)"))
    left = "nothing is old enough to be asked again" if summary.recrawl else "nothing is waiting"
    return [f"{way.output} is finished: {words.count(summary.pages, 'page')}, {left}.", *_aligned(rows)]


def _sentence(summary: Summary) -> str:
    pages, errors = words.count(summary.pages, "page"), words.count(_errors(summary), "error")
    waiting = words.count(summary.queued, "URL") + " waiting"
    took, received = words.span(summary.elapsed), words.size(summary.bytes)
    if exit_code(summary) == NOTHING_FETCHED:
        put_off = f", {words.count(len(summary.parked), 'host')} put off" if summary.parked else ""
        return f"Nothing could be fetched in {took}: {errors}{put_off}."
    if summary.outcome == "stopped":
        dropped = f" {words.count(summary.dropped, 'request')} dropped, still queued." if summary.dropped else ""
        return f"Stopped. {pages} saved, {waiting}.{dropped} Nothing is lost."
    if summary.outcome == "limit":
        limit = summary.limit or "this run"
        return f"Reached your limit of {limit} in {took} ({received}, {words.count(summary.run_pages, 'page')} saved, {errors}, {waiting})."
    if summary.outcome == "parked":
        hosts = words.count(len(summary.parked), "host")
        return f"Finished for now in {took}: {pages} ({received}), {errors}, {hosts} put off."
    left = f", {waiting}" if summary.queued else ""
    return f"Finished in {took}: {pages} ({received}), {errors}{left}."


def _recrawled(summary: Summary, way: Way) -> list[Row]:
    if not summary.recrawl:
        return []
    new = summary.run_pages - summary.changed
    parts = [(summary.unchanged, "unchanged"), (summary.changed, "changed"), (summary.gone, "gone or moved"), (new, "new")]
    return [("recrawl", ", ".join(f"{number:,} {what}" for number, what in parts if number) or "nothing old enough", way.ask("diff"))]


def _errors(summary: Summary) -> int:
    return sum(times for _, times in summary.errors)


def _trouble(summary: Summary, way: Way) -> list[Row]:
    rows: list[Row] = []
    if summary.errors:
        rows.append(("errors", _tally(summary.errors), way.ask("query", "errors")))
    if summary.skipped:
        rows.append(("skipped", _tally(summary.skipped), way.ask("query", "excluded")))
    if summary.insecure:
        rows.append(("INSECURE", f"the certificates of {words.listed(list(map(safe, summary.insecure)))} were not checked", ""))
    for name, why, urls in summary.parked[:MOST_HOSTS]:
        rows.append(("put off", f"{safe(name)}: {safe(why)}, {words.count(urls, 'URL')}", ""))
    if len(summary.parked) > MOST_HOSTS:
        rows.append(("", f"and {len(summary.parked) - MOST_HOSTS:,} more hosts", way.ask("query", "parked")))
    return rows


def _tally(pairs: tuple[tuple[str, int], ...]) -> str:
    return words.listed([f"{times:,} × {safe(word)}" for word, times in pairs])  # noqa: RUF001 - the sign that is meant


def _next(summary: Summary, way: Way) -> list[Row]:
    """Return the command to go on with."""
    match summary.outcome:
        case "limit":
            reached = way.max_pages is not None and summary.pages >= way.max_pages
            more = ("-n", str(2 * way.max_pages)) if reached and way.max_pages else ()
            return [("continue", "", way.again(*more))]
        case "stopped":
            return [("continue", "", way.again())]
        case "parked":
            return [("later", "", way.again())]
        case "failed":
            return [("again", "", way.again())]
        case _:
            if summary.pages:
                return [("look", "", way.ask("query", "pages"))]
            return [("anew", "", way.again("--fresh"))] if way.fresh else []


def _aligned(rows: list[Row]) -> list[str]:
    """Lay rows out in columns; the middle one is left out where nothing is in it."""
    label_width = max((len(label) for label, _, _ in rows), default=0) + 3
    text_width = max((len(text) for _, text, command in rows if command), default=0)
    text_width += 3 if text_width else 0
    return [f"  {label:{label_width}}{text:{text_width}}{command}".rstrip() for label, text, command in rows]
