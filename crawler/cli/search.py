"""`search`: find pages by their words, and put pages into the search index that are not in it."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from crawler import words
from crawler.cli import ask, pages
from crawler.cli.errors import No, Wrong
from crawler.cli.pages import Flag
from crawler.cli.session import Session
from crawler.cli.terminal import BOLD, DIM, Colour, Voice, columns, has_colour, is_terminal
from crawler.core.excerpts import Pieces
from crawler.query import search as searching
from crawler.query.errors import QueryError
from crawler.query.output import Format
from crawler.query.reader import TIMEOUT, Reader, Row
from crawler.text import cut, safe

if TYPE_CHECKING:       # it loads the parser pool, which a search does not need
    from crawler.engine.filling import Filled

LIMIT = 10
COLUMNS = ("url", "title", "snippet", "lang", "score")
MARK = "**"
"""What stands around a word that was looked for, where nothing can be bold."""
DRAWN_EVERY, SAID_EVERY = 0.2, 10.0
"""Seconds between two tellings of how far a building is, on a terminal and elsewhere."""
_INDENT = "    "


@click.command(
    "search", cls=pages.Lesson,
    examples=(
        ("search lighthouse keeper", "pages with both words, the best first"),
        ("search '\"fog signal\" -horn light*'", "words in a row, one that must not be there, and a beginning"),
        ("search 등대 --lang ko --limit 50", "pages in Korean"),
        ("search lighthouse --json | jq .url", "for a program"),
        ("search --build", "put stored pages into the index that are not in it"),
    ),
)
@click.argument("asked", metavar="WORDS...", nargs=-1)
@pages.output_flag(ask.NEWEST)
@click.option("--host", metavar="HOST", cls=Flag, group=pages.OTHER, help="pages of this host only", default_text="all hosts")
@click.option("--lang", metavar="LANG", cls=Flag, group=pages.OTHER, help="pages that name this language only, such as de or pt-BR",
              default_text="all languages")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", default=LIMIT, cls=Flag, group=pages.OTHER, help="results at most",
              default_text=str(LIMIT))
@click.option("--timeout", type=click.FloatRange(min=0.1), metavar="SECONDS", default=TIMEOUT, cls=Flag, group=pages.OTHER,
              help="seconds that the search may take", default_text=f"{TIMEOUT:g}")
@click.option("--build", is_flag=True, cls=Flag, group=pages.OTHER, help="put stored pages into the index; not while a crawl runs")
@click.option("--json", "form", flag_value="json", cls=Flag, group=pages.TELLING, help="results as JSON Lines")
@click.option("--csv", "form", flag_value="csv", cls=Flag, group=pages.TELLING, help="results as CSV")
@click.option("--tsv", "form", flag_value="tsv", cls=Flag, group=pages.TELLING, help="results as TSV",
              default_text="lines for people on a terminal, else TSV")
@pages.voice_flags
@click.pass_obj
def search(
    session: Session, /, asked: tuple[str, ...], output: str | None, form: Format | None, *, host: str | None, lang: str | None, limit: int,
    timeout: float, build: bool, color: Colour, quiet: bool, verbose: int,
) -> int:
    """Search titles and text of the pages of a crawl that keeps an index (--index text). Works while it runs.

    Ends with 1 when nothing is found.
    """
    voice = session.speak(quiet=quiet, verbose=verbose, color=color)
    way = f"{session.program} search --build" + (f" -o {output}" if output else "")
    if bool(asked) == build:
        raise Wrong("--build takes no words" if build else "no words to look for were given", f"Try {session.program} search --help.")
    folder = session.crawl_in(output)
    if build:
        return _build(voice, folder)
    shown = is_terminal(sys.stdout) and form is None
    try:
        with Reader.open(folder, timeout=timeout) as reader, reader.cancelled_by(signal.SIGINT):
            gaps = searching.has_gaps(reader)
            found = searching.search(reader, " ".join(asked), limit=limit, host=host, lang=lang)
            if shown:
                _show(found, coloured=has_colour(sys.stdout, color, os.environ))
            else:
                ask.write_rows(_Rows(found), form or "tsv", None)
    except searching.NoIndex as error:
        raise No(error.message, f"Try {way} to make one of the stored pages, or crawl with --index text.") from None
    except QueryError as error:
        raise ask.Answer(error) from None
    _tell(voice, found, gaps=gaps, way=way)
    return 0 if found.total else No.exit_code


def _tell(voice: Voice, found: searching.Results, *, gaps: bool, way: str) -> None:
    more = f", the best {len(found)} shown; see --limit" if found.total > len(found) else ""
    voice.say(f"{words.count(found.total, 'result')}{more}")
    if gaps:
        voice.say(f"Some pages are not in the index, having been stored without --index text. Try {way} when no crawl runs.")


class _Rows:
    """Results as rows."""

    columns: tuple[str, ...] = COLUMNS

    def __init__(self, found: searching.Results) -> None:
        self._found = found

    def __iter__(self) -> Iterator[Row]:
        for one in self._found:
            yield one.url, "".join(text for text, _ in one.title) or None, marked(one.excerpt), one.lang, round(one.score, 3)


def marked(pieces: Pieces) -> str:
    """Return a text with marks around the words that were looked for."""
    return "".join(f"{MARK}{text}{MARK}" if hit else text for text, hit in pieces)


def _show(found: searching.Results, *, coloured: bool) -> None:
    """Print results for people: title, URL, and the part of the page with the words."""
    width = columns()
    for number, one in enumerate(found, 1):
        head = _painted(one.title, coloured=coloured) if one.title else "(no title)"
        url = cut(safe(one.url), width - len(_INDENT), middle=True)
        lines = [f"{number:>2}  {head}", _INDENT + (f"\x1b[{DIM}m{url}\x1b[0m" if coloured else url)]
        if one.excerpt:
            lines.append(_INDENT + _painted(one.excerpt, coloured=coloured))
        click.echo("\n".join(lines) + "\n", color=coloured)


def _painted(pieces: Pieces, *, coloured: bool) -> str:
    if not coloured:
        return safe(marked(pieces))
    return "".join(f"\x1b[{BOLD}m{safe(text)}\x1b[0m" if hit else safe(text) for text, hit in pieces)


# --- building -----------------------------------------------------------------------------------------------------


def _build(voice: Voice, folder: Path) -> int:
    """Put the stored pages into the index that are not in it."""
    import asyncio

    from crawler.engine.filling import fill

    display = _Display(voice)
    try:
        filled = asyncio.run(fill(folder, processes=os.cpu_count() or 1, told=display.show))
    except KeyboardInterrupt:
        display.close()
        voice.say("Stopped. What is in the index stays there; the same command goes on.")
        raise
    display.close()
    put = filled.done - filled.unreadable
    voice.say(f"{words.count(put, 'page')} put into the index." if filled.total else "Every stored page is in the index.")
    if filled.unreadable:
        voice.say(f"{words.count(filled.unreadable, 'page')} could not be read: the stored file is not there.")
    return 0


class _Display:
    """Says how far the building is: on a terminal on one line, elsewhere on a line of its own now and then."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._live = is_terminal(voice.stream) and os.environ.get("TERM") != "dumb"
        self._due = time.monotonic() + (DRAWN_EVERY if self._live else SAID_EVERY)
        self._drawn = False

    def show(self, filled: Filled) -> None:
        """Show it, if it is time."""
        now = time.monotonic()
        if self._voice.quiet or now < self._due:
            return
        line = f"  {filled.done:,} of {words.count(filled.total, 'page')}"
        self._due = now + (DRAWN_EVERY if self._live else SAID_EVERY)
        if self._live:
            self._drawn = True
            self._voice.stream.write(f"\r{line}")      # it only grows
            self._voice.stream.flush()
        else:
            self._voice.say(line)

    def close(self) -> None:
        """Leave the last line standing."""
        if self._drawn:
            self._voice.write("")
