"""`explain`, `show`: questions about one URL of a crawl that may be running. Answers go to standard output."""

from __future__ import annotations

import contextlib
import io
import shutil
import sys
import time
from collections.abc import Iterator
from typing import BinaryIO

import click
import msgspec

from crawler.archive.reading import BodyMissing, body_path, open_body
from crawler.cli import pages
from crawler.cli.errors import No, Wrong
from crawler.cli.pages import Flag
from crawler.cli.session import Session
from crawler.cli.terminal import Colour, is_terminal
from crawler.folder import CrawlError
from crawler.query import explain as explaining
from crawler.query import wording
from crawler.query.errors import QueryError
from crawler.query.output import Format, Rows, write
from crawler.query.reader import Reader
from crawler.text import safe

ROWS_ON_A_TERMINAL = 1_000
"""Rows after which a person is told that there are more, rather than shown them."""
NEWEST = "the crawl to ask  [default: the newest under output/]"


class Answer(CrawlError):
    """A question that had no answer, with the exit code that says why."""

    def __init__(self, error: QueryError) -> None:
        super().__init__(error.message, error.hint)
        self.exit_code = error.exit_code


@contextlib.contextmanager
def asking() -> Iterator[None]:
    """Turn the errors of the reader into errors of a command."""
    try:
        yield
    except QueryError as error:
        raise Answer(error) from None


def write_rows(rows: Rows, form: Format, width: int | None, *, excel_safe: bool = False) -> int:
    """Write rows to standard output and return how many."""
    count = write(rows, form, sys.stdout, width=width, excel_safe=excel_safe)
    sys.stdout.flush()
    return count


# --- explain, show ------------------------------------------------------------------------------------------------


@click.command("explain", cls=pages.Lesson, examples=(("explain https://example.org/page", "why it was, was not or will be fetched"),))
@click.argument("url")
@pages.output_flag(NEWEST)
@click.option("--json", "as_json", is_flag=True, cls=Flag, group=pages.TELLING, help="as JSON")
@pages.voice_flags
@click.pass_obj
def explain(
    session: Session, /, url: str, output: str | None, color: Colour, *, quiet: bool, verbose: int, as_json: bool
) -> int:
    """Tell all that is known of a URL: spelling, scope, robots.txt, state, requests, and how the crawl came to it.

    Ends with 1 when the crawl has never seen it.
    """
    session.speak(quiet=quiet, verbose=verbose, color=color)
    with asking(), Reader.open(session.crawl_in(output)) as reader:
        found = explaining.explain(reader, url)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        for line in wording.lines(found, time.time(), whole=verbose > 0):
            click.echo(line)
    if found.url is None:
        return Wrong.exit_code
    return 0 if found.known is not None else No.exit_code


@click.command(
    "show", cls=pages.Lesson,
    examples=(("show https://example.org/page > page.html", "the stored body"), ("show https://example.org/page --path", "where it lies")),
)
@click.argument("url")
@pages.output_flag(NEWEST)
@click.option("--path", "path_only", is_flag=True, cls=Flag, group=pages.OTHER, help="print the path of the stored file")
@click.option("--force", is_flag=True, cls=Flag, group=pages.OTHER, help="print it on a terminal as it is, escape sequences and all")
@pages.voice_flags
@click.pass_obj
def show(
    session: Session, /, url: str, output: str | None, color: Colour, *, path_only: bool, force: bool, quiet: bool, verbose: int
) -> int:
    """Print the stored body of a URL, byte for byte. On a terminal what could steer it is shown as escapes."""
    session.speak(quiet=quiet, verbose=verbose, color=color)
    folder = session.crawl_in(output)
    with asking(), Reader.open(folder) as reader:
        found = explaining.explain(reader, url)
    if found.url is None:
        raise Wrong(f"{url} is no usable URL: {found.problem}", "Try it as your browser shows it.")
    stored = None if found.known is None else found.known.stored
    if stored is None or stored.file is None:
        raise No(f"no body of {found.url} is stored", f"Try {session.program} explain {found.url}")
    try:
        if path_only:
            click.echo(body_path(folder, stored.file))
            return 0
        with open_body(folder, stored.file, stored.offset, stored.length) as body:
            _print_body(body, raw=force or not is_terminal(sys.stdout))
    except BodyMissing as error:
        raise No(str(error), "Try another copy of the folder, or crawl it again.") from None
    return 0


def _print_body(body: BinaryIO, *, raw: bool) -> None:
    if raw:
        sys.stdout.flush()
        shutil.copyfileobj(body, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    for line in io.TextIOWrapper(body, encoding="utf-8", errors="replace"):
        click.echo(safe(line.rstrip("\n").replace("\t", "    ")))
