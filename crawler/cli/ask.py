"""`query`, `explain`, `show`: questions to a crawl that may be running. Answers go to standard output."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import signal
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import click
import msgspec

from crawler.archive.reading import BodyMissing, body_path, open_body
from crawler.cli import pages, words
from crawler.cli.errors import No, Wrong
from crawler.cli.memory import newest
from crawler.cli.pages import Flag
from crawler.cli.session import Session
from crawler.cli.terminal import Colour, columns, is_terminal
from crawler.folder import CrawlError
from crawler.query import explain as explaining
from crawler.query import named, wording
from crawler.query import own as own_files
from crawler.query.audits import Named
from crawler.query.errors import QueryError
from crawler.query.output import Format, Rows, write
from crawler.query.reader import TIMEOUT, Reader
from crawler.text import safe

ROWS_ON_A_TERMINAL = 1_000
"""Rows after which a person is told that there are more, rather than shown them."""
_WHOLE = re.compile(r"-?\d{1,18}", re.ASCII)
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


# --- query --------------------------------------------------------------------------------------------------------


@click.command(
    "query", cls=pages.Lesson,
    examples=(
        ("query --list", "the questions that have a name, each explained"),
        ("query errors", "one of them"),
        ("query \"SELECT url, title FROM pages WHERE title LIKE '%guide%'\"", "SQL"),
        ("query broken-links --csv > broken.csv", "for a spreadsheet"),
        ("query pages --json | jq .url", "for a program"),
        ("query -", "SQL from standard input"),
        ("query errors --sql", "the SQL of a question"),
        ("query 'SELECT url FROM pages WHERE lang = :lang' --param lang=ko", "with a value from elsewhere"),
    ),
)
@click.argument("question", required=False)
@pages.output_flag(NEWEST)
@click.option("--json", "form", flag_value="json", cls=Flag, group=pages.TELLING, help="rows as JSON Lines")
@click.option("--csv", "form", flag_value="csv", cls=Flag, group=pages.TELLING, help="rows as CSV")
@click.option("--tsv", "form", flag_value="tsv", cls=Flag, group=pages.TELLING, help="rows as TSV", default_text="a table on a terminal, "
              "else TSV")
@click.option("--table", "form", flag_value="table", cls=Flag, group=pages.TELLING, help="rows as a table")
@click.option("--list", "listing", is_flag=True, cls=Flag, group=pages.OTHER, help="explain the questions that have a name")
@click.option("--sql", "sql_only", is_flag=True, cls=Flag, group=pages.OTHER, help="print the SQL of the question, and do not ask it")
@click.option("--queries", multiple=True, metavar="FILE", cls=Flag, group=pages.OTHER, help="questions of your own: SQL behind lines "
              "'-- name: some-name'; may be given again", default_text="*.sql in queries/ here and in the output folder")
@click.option("--param", "params", multiple=True, metavar="NAME=VALUE", cls=Flag, group=pages.OTHER, help="a value for :NAME in the "
              "SQL; may be given again")
@click.option("--excel-safe", is_flag=True, cls=Flag, group=pages.OTHER, help="write no CSV cell that a spreadsheet takes for a formula")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", cls=Flag, group=pages.OTHER, help="rows at most",
              default_text=f"{ROWS_ON_A_TERMINAL:,} on a terminal, else all")
@click.option("--timeout", type=click.FloatRange(min=0.1), metavar="SECONDS", default=TIMEOUT, cls=Flag, group=pages.OTHER,
              help="seconds that a query may take", default_text=f"{TIMEOUT:g}")
@pages.voice_flags
@click.pass_obj
def query(
    session: Session, /, question: str | None, output: str | None, form: Format | None, *, limit: int | None, timeout: float, color: Colour,
    excel_safe: bool, quiet: bool, verbose: int, listing: bool, sql_only: bool, queries: tuple[str, ...], params: tuple[str, ...],
) -> int:
    """Ask the results: SQL, the name of a question, or a table or view. It can only read, and works during a crawl.

    A question of your own stands in a file, behind a line `-- name: some-name`; comment lines below that say what it means.
    """
    voice = session.speak(quiet=quiet, verbose=verbose, color=color)
    values = dict(map(_parameter, params))
    if question is None or listing:
        with asking():
            return _tell_questions(session.program, own_queries(queries, output), closely=listing, word=question)
    if question == "-":
        if is_terminal(sys.stdin):
            voice.say("Reading SQL from standard input; Ctrl-D ends it.")
        question = sys.stdin.read()
    with asking():
        own = own_queries(queries, output)
        known = named.find(question, own)
        if sql_only and known is not None:      # needs no crawl
            click.echo(textwrap.dedent(known.sql).strip())
            return 0
    shown = is_terminal(sys.stdout)
    most = limit or (ROWS_ON_A_TERMINAL if shown and form is None else None)
    with asking(), Reader.open(session.crawl_in(output), timeout=timeout) as reader, reader.cancelled_by(signal.SIGINT):
        sql = named.resolve(question, reader.tables(), own)
        if sql_only:
            click.echo(sql)
            return 0
        rows = reader.rows(sql, values, limit=most)
        count = write_rows(rows, form or ("table" if shown else "tsv"), columns() if shown else None, excel_safe=excel_safe)
    more = "; there may be more, see --limit" if most == count and limit is None else ""
    voice.say(f"{words.count(count, 'row')}{more}")
    return 0


def _parameter(text: str) -> tuple[str, str | int]:
    """Return name and value; what looks like a whole number is one, so that it compares as one."""
    name, equals, value = text.partition("=")
    if not equals or not name.strip().isidentifier():
        raise Wrong(f"--param {text!r} is no parameter", "Try one like --param lang=ko, for :lang in the SQL.")
    return name.strip(), int(value) if _WHOLE.fullmatch(value) else value


def own_queries(files: tuple[str, ...], output: str | None) -> dict[str, Named]:
    """Return the queries of files that were named, and of those that stand where they are always read."""
    crawl = Path(output) if output else newest()
    places = [Path(), *([crawl] if crawl is not None else [])]
    return own_files.read_own([*own_files.standing_files(*places), *map(Path, files)])


def write_rows(rows: Rows, form: Format, width: int | None, *, excel_safe: bool = False) -> int:
    """Write rows to standard output and return how many."""
    count = write(rows, form, sys.stdout, width=width, excel_safe=excel_safe)
    sys.stdout.flush()
    return count


def _tell_questions(program: str, own: dict[str, Named], *, closely: bool, word: str | None) -> int:
    """Print the questions that have a name; *closely*: with notes, and only the one that was named."""
    every = [*own.values(), *(each for each in named.NAMED if each.name not in own)]
    if word is not None:
        one = named.find(word, own)
        if one is None:
            raise Wrong(f"there is no question named {word!r}", f"Try {program} query --list.")
        every = [one]
    longest = max(len(each.name) for each in every)
    if not closely:
        click.echo("Questions with a name:")
    for each in every:
        click.echo(f"  {safe(each.name):{longest}}  {safe(each.meaning)}")
        if closely and each.notes:
            for line in textwrap.wrap(each.notes, 92 - longest):
                click.echo(f"  {'':{longest}}  {line}")
    if not closely:
        click.echo("\nOr SQL over the views pages, errors, urls, queue, links, hosts, redirects, robots, seeds, runs, samples, ...:")
        click.echo(f'  {program} query "SELECT status, count(*) FROM pages GROUP BY 1"')
    return 0


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
        for line in wording.lines(found, time.time()):
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
