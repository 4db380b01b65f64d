"""`export`: what a crawl knows, in a format that other programs read."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import click

from crawler import words
from crawler.cli import pages
from crawler.cli.pages import Flag
from crawler.cli.session import Session
from crawler.cli.terminal import Colour, Voice, is_terminal
from crawler.export.cursor import Wish
from crawler.export.errors import ExportError
from crawler.export.exporting import Target
from crawler.export.exporting import export as write
from crawler.export.formats import FORMATS, Kind
from crawler.export.texts import Tally
from crawler.folder import CrawlError
from crawler.query.errors import QueryError
from crawler.query.reader import TIMEOUT, Reader

REDRAWN, FIRST_PLAIN, NEXT_PLAIN = 0.2, 10.0, 60.0
"""Seconds between two drawings of the live line, until the first plain line, and between two plain lines."""
QUIET_FOR = 1.0
"""Seconds for which nothing is worth telling."""


class Unanswered(CrawlError):
    """A condition that is none, or a database that cannot be read, with the exit code that says why."""

    def __init__(self, error: QueryError) -> None:
        super().__init__(error.message, error.hint)
        self.exit_code = error.exit_code


class Meter:
    """Tells how far an export is: a live line on a terminal, now and then a plain one elsewhere."""

    def __init__(self, voice: Voice) -> None:
        self._voice = voice
        self._live = is_terminal(voice.stream) and not voice.quiet
        self._started = time.monotonic()
        self._next = self._started + (QUIET_FOR if self._live else FIRST_PLAIN)
        self._drawn = False
        self.rows = 0

    def __call__(self, rows: int, share: float) -> None:
        """Take in how many rows are written, and how much of the whole is done, 0 to 1."""
        self.rows = rows
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (REDRAWN if self._live else NEXT_PLAIN)
        line = f"  {words.count(rows, 'row')} · {100 * share:.0f} % · {words.clock(now - self._started)}"
        if self._live:
            self._voice.stream.write(f"\r{line}\x1b[K")
            self._voice.stream.flush()
            self._drawn = True
        else:
            self._voice.say(line)

    def end(self) -> None:
        """Take the live line away."""
        if self._drawn:
            with contextlib.suppress(OSError, ValueError):
                self._voice.stream.write("\r\x1b[K")
                self._voice.stream.flush()
            self._drawn = False


@click.command(
    "export", cls=pages.Lesson,
    examples=(
        ("export > pages.jsonl", "a JSON object a page"),
        ("export --format csv --columns url,title,status --to pages.csv", "some columns, for a spreadsheet"),
        ("export --to pages.jsonl --continue", "add what came since the last time"),
        ("export --format markdown --to texts --where \"lang = 'ko'\"", "the main texts of pages in Korean"),
        ("export --format sitemap --to sitemap.xml", "for search engines"),
        ("export --format edges --where \"kind = 'a'\" > edges.tsv", "who links to whom"),
    ),
)
@pages.output_flag("the crawl to export  [default: the newest under output/]")
@click.option("--to", "to", metavar="FILE|DIR|-", cls=Flag, group=pages.OUTPUT_GROUP, help="where to write it; - is standard output",
              default_text="standard output")
@click.option("--continue", "going_on", is_flag=True, cls=Flag, group=pages.OUTPUT_GROUP,
              help="add what came since the last export to the same file or folder; begin it if it is not there")
@click.option("--force", is_flag=True, cls=Flag, group=pages.OUTPUT_GROUP, help="write anew what is there already")
@click.option("--format", "kind", cls=Flag, group=pages.SHAPE, help="the format", default_text="jsonl", default="jsonl",
              type=click.Choice(list(FORMATS)))
@click.option("--where", metavar="SQL", cls=Flag, group=pages.SHAPE,
              help="a condition over the view pages, such as \"status = 200 AND lang = 'ko'\"; over links for graphml and edges")
@click.option("--columns", metavar="NAME,...", cls=Flag, group=pages.SHAPE,
              help="columns of pages, in this order; sha256 of the body is one too", default_text="all of the view pages")
@click.option("--body", is_flag=True, cls=Flag, group=pages.SHAPE, help="with a column body: the decoded text of what is stored")
@click.option("--text", is_flag=True, cls=Flag, group=pages.SHAPE, help="with a column text: the main text of the page (extra text)")
@click.option("--distinct", is_flag=True, cls=Flag, group=pages.SHAPE,
              help="leave out pages whose text is that of an earlier page, or nearly")
@click.option("--excel-safe", is_flag=True, cls=Flag, group=pages.SHAPE, help="write no CSV cell that a spreadsheet takes for a formula")
@click.option("--jsonl", is_flag=True, cls=Flag, group=pages.SHAPE,
              help="markdown and text as a JSON object a page, not as a folder of files")
@click.option("--base", metavar="URL", cls=Flag, group=pages.SHAPE, help="where the files of a sitemap with an index will be served",
              default_text="the root of the site")
@click.option("--timeout", type=click.FloatRange(min=0.1), metavar="SECONDS", default=TIMEOUT, cls=Flag, group=pages.OTHER,
              help="seconds that one step of the query may take", default_text=f"{TIMEOUT:g}")
@pages.voice_flags
@click.pass_obj
def export(
    session: Session, /, output: str | None, to: str | None, kind: Kind, where: str | None, columns: str | None, base: str | None, *,
    going_on: bool, force: bool, body: bool, text: bool, distinct: bool, excel_safe: bool, jsonl: bool, timeout: float,
    color: Colour, quiet: bool, verbose: int,
) -> int:  # fmt: skip
    """Write what a crawl knows in a format that other programs read. Works during a crawl.

    Memory does not grow with the number of pages. An export into a file that was stopped, or killed, goes on with --continue.
    """
    voice = session.speak(quiet=quiet, verbose=verbose, color=color)
    folder = session.crawl_in(output)
    path = None if to in (None, "-") else Path(to or "")
    wish = Wish(
        format=kind, where=where, columns=_split(columns), body=body, text=text, distinct=distinct, excel_safe=excel_safe, jsonl=jsonl,
        base=base,
    )
    target = Target(path, going_on, force)
    if path is not None and not path.absolute().parent.is_dir():
        raise ExportError(f"there is no folder {path.parent}", "Try mkdir, or another --to.")
    with _told(voice, resumable=path is not None and FORMATS[kind].grows) as meter, \
            Reader.open(folder, timeout=timeout) as reader:
        tally = write(folder, reader, kind, wish, target, watch=meter)
    for line in _summary(tally, kind, target):
        voice.say(line)
    return 0


@contextlib.contextmanager
def _told(voice: Voice, *, resumable: bool) -> Iterator[Meter]:
    """Show progress; turn errors of the reader into those of a command; say how to go on after Ctrl-C."""
    meter = Meter(voice)
    try:
        yield meter
    except QueryError as error:
        raise Unanswered(error) from None
    except KeyboardInterrupt:
        meter.end()
        more = "; the same command with --continue goes on" if resumable else ""
        voice.say(f"Stopped after {words.count(meter.rows, 'row')}{more}.")
        raise
    finally:
        meter.end()


def _split(columns: str | None) -> tuple[str, ...] | None:
    return None if columns is None else tuple(name.strip() for name in columns.split(","))


def _summary(tally: Tally, kind: Kind, target: Target) -> Iterator[str]:
    noun = {"graphml": "link", "edges": "link", "sitemap": "URL", "warc": "answer"}.get(kind, "page")
    done = "added" if target.going_on else "written"
    yield f"{words.count(tally.rows, noun)} {done}{f' to {target.path}' if target.path is not None else ''}."
    if tally.missing:
        yield f"  {words.count(tally.missing, 'stored body is', 'stored bodies are')} not there: was the folder copied without pages/?"
    if tally.empty:
        yield f"  {words.count(tally.empty, 'page has', 'pages have')} no main text that could be found."
    if noun == "link" and not tally.rows:
        yield "  A crawl with --links first or none keeps no link graph."
    yield from (f"  {note}" for note in tally.notes)
