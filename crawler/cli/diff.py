"""`diff`: what changed between two runs of a crawl, and what of one page."""

from __future__ import annotations

import difflib
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import click

from crawler import words
from crawler.archive.reading import BodyMissing, open_body
from crawler.cli import pages
from crawler.cli.ask import NEWEST, ROWS_ON_A_TERMINAL, Answer, write_rows
from crawler.cli.errors import No, Wrong
from crawler.cli.pages import Flag
from crawler.cli.session import Session
from crawler.cli.terminal import Colour, Voice, columns, is_terminal
from crawler.query import difference
from crawler.query.difference import Differences, Span, Version
from crawler.query.errors import QueryError
from crawler.query.output import Format
from crawler.query.reader import TIMEOUT, Reader, Row
from crawler.text import safe

MOST_BYTES = 8 * 1024 * 1024
"""Bytes of a body that are compared."""
MOST_LINES = 20_000
"""Lines of a body that are compared: beyond them it takes minutes."""


@click.command(
    "diff", cls=pages.Lesson,
    examples=(
        ("diff", "what the last run changed"),
        ("diff 1 3", "what changed from the end of run 1 to the end of run 3"),
        ("diff --csv > changes.csv", "for a spreadsheet"),
        ("diff https://example.org/news", "what that page says now and did not say before"),
        ("diff 1 3 https://example.org/news --source", "the same in its source, over more runs"),
    ),
)
@click.argument("words", metavar="[RUN1 RUN2] [URL]", nargs=-1)
@pages.output_flag(NEWEST)
@click.option("--source", is_flag=True, cls=Flag, group=pages.OTHER, help="compare a page as it was sent, not what it says")
@click.option("--json", "form", flag_value="json", cls=Flag, group=pages.TELLING, help="rows as JSON Lines")
@click.option("--csv", "form", flag_value="csv", cls=Flag, group=pages.TELLING, help="rows as CSV")
@click.option("--tsv", "form", flag_value="tsv", cls=Flag, group=pages.TELLING, help="rows as TSV", default_text="a table on a terminal, "
              "else TSV")
@click.option("--timeout", type=click.FloatRange(min=0.1), metavar="SECONDS", default=TIMEOUT, cls=Flag, group=pages.OTHER,
              help="seconds that the comparison may take", default_text=f"{TIMEOUT:g}")
@pages.voice_flags
@click.pass_obj
def diff(
    session: Session, /, words: tuple[str, ...], output: str | None, form: Format | None, *, source: bool, timeout: float, color: Colour,
    quiet: bool, verbose: int,
) -> int:
    """Show which pages are new, changed, gone or moved between the ends of two runs, or what changed in one page.

    The runs are the last two where none is named; 0 stands for before the first. Works during a crawl.
    """
    voice = session.speak(quiet=quiet, verbose=verbose, color=color)
    first, second, url = _asked(words, session)
    folder = session.crawl_in(output)
    try:
        with Reader.open(folder, timeout=timeout) as reader, reader.cancelled_by(signal.SIGINT):
            between = difference.span(reader, first, second)
            if url is None:
                return _tell(Differences(reader, between), between, form, voice)
            found = difference.versions(reader, url, between)
    except QueryError as error:
        raise Answer(error) from None
    return _compare(folder, *found, between, source=source, voice=voice)


def _asked(words: tuple[str, ...], session: Session) -> tuple[int | None, int | None, str | None]:
    """Return the runs and the URL that are meant."""
    runs = [int(word) for word in words if word.isascii() and word.isdigit() and len(word) < 10]
    others = [word for word in words if not (word.isascii() and word.isdigit() and len(word) < 10)]
    if len(runs) not in (0, 2) or len(others) > 1:
        raise Wrong("diff takes two runs, or none, and one URL at most", f"Try {session.program} diff, or {session.program} diff 1 2.")
    return (runs[0], runs[1], next(iter(others), None)) if runs else (None, None, next(iter(others), None))


def _tell(found: Differences, between: Span, form: Format | None, voice: Voice) -> int:
    shown = is_terminal(sys.stdout)
    rows = _First(found) if shown and form is None else found
    write_rows(rows, form or ("table" if shown else "tsv"), columns() if shown else None)
    counts = [f"{found.counts[change]:,} {change}" for change in (*difference.CHANGES, "unchanged")]
    voice.say(f"run {between.first} to run {between.second}: {', '.join(counts)}")
    return 0


class _First:
    """So many rows as a person reads; the others are counted alone."""

    def __init__(self, rows: Differences) -> None:
        self.columns: tuple[str, ...] = rows.columns
        self._rows = rows

    def __iter__(self) -> Iterator[Row]:
        for number, row in enumerate(self._rows):
            if number < ROWS_ON_A_TERMINAL:
                yield row


def _compare(
    folder: Path, url: str, before: Version | None, now: Version | None, between: Span, *, source: bool, voice: Voice
) -> int:
    """Print the unified diff of a page; of one that was none, or is none any more, all of it."""
    if before is None and now is None:
        raise No(f"{safe(url)} was no page at the end of either run", "Try crawler explain for what is known of it.")
    if before is not None and now is not None and (before.fetch_id == now.fetch_id or before.body_id == now.body_id):
        voice.say(f"{safe(url)} did not change from run {between.first} to run {between.second}")
        return 0
    old, new = _lines(folder, before, source=source), _lines(folder, now, source=source)
    shown = is_terminal(sys.stdout)
    count = 0
    for line in difflib.unified_diff(old, new, url, url, _utc(before), _utc(now), lineterm=""):
        count += 1
        click.echo(safe(line.replace("\t", "    ")) if shown else line)
    if not count:
        voice.say(f"{safe(url)} says the same; its source differs, see --source")
    return 0


def _utc(version: Version | None) -> str:
    if version is None:
        return "none"
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(version.at))} UTC, run {version.run_id}"


def _lines(folder: Path, version: Version | None, *, source: bool) -> list[str]:
    from crawler.query import lines  # the parser takes a while to load, and a list of changes does without

    if version is None:
        return []
    if version.file is None:
        raise No("the body of that page was not kept", "Try a page that is not marked noindex, or crawl without --obey-noindex.")
    try:
        with open_body(folder, version.file, version.offset, version.length) as file:
            body = file.read(MOST_BYTES)
    except BodyMissing as error:
        raise No(str(error), "Try another copy of the folder.") from None
    if not lines.is_text(version.mime, body):
        raise No(f"that page is no text but {safe(version.mime or 'unknown')}", f"Try comparing the files: {folder / version.file}")
    found = (lines.source_lines if source else lines.text_lines)(body, version.mime, version.charset)
    if len(found) > MOST_LINES:
        raise No(f"that page has more than {words.count(MOST_LINES, 'line')}", f"Try comparing the files: {folder / version.file}")
    return found
