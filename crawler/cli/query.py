"""`query`: SQL, and questions that have a name. Answers go to standard output, all else to standard error."""

from __future__ import annotations

import signal
import sys
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import msgspec

from crawler import words
from crawler.cli import pages
from crawler.cli.ask import NEWEST, ROWS_ON_A_TERMINAL, asking, write_rows
from crawler.cli.memory import newest
from crawler.cli.pages import Flag
from crawler.cli.session import Session
from crawler.cli.settings import find_config
from crawler.cli.terminal import Colour, columns, is_terminal
from crawler.query import named, own, question
from crawler.query.errors import QueryError
from crawler.query.guard import MAX_SQL_BYTES
from crawler.query.output import Format
from crawler.query.question import Named
from crawler.query.reader import TIMEOUT, Reader
from crawler.query.sketch import Sketch
from crawler.text import safe

OWN = "Your own"
_INDENT = 4


@click.command(
    "query", cls=pages.Lesson,
    examples=(
        ("query", "the questions that have a name"),
        ("query errors", "one of them"),
        ("query --list", "what each of them tells, with its columns"),
        ("query urls-with-status --param status=503", "one that takes a parameter"),
        ("query \"SELECT url, title FROM pages WHERE title LIKE '%guide%'\"", "SQL"),
        ("query broken-links --csv > broken.csv", "for a spreadsheet"),
        ("query pages --json | jq .url", "for a program"),
        ("query broken-links --sql", "its SQL, for another program"),
        ("query -", "SQL from standard input"),
    ),
)
@click.argument("asked", metavar="[QUESTION]", required=False)
@pages.output_flag(NEWEST)
@click.option("--list", "tell", is_flag=True, cls=Flag, group=pages.TELLING,
              help="tell what the questions answer, with columns and parameters")
@click.option("--sql", "show_sql", is_flag=True, cls=Flag, group=pages.TELLING, help="print the SQL of a question, ask nothing")
@click.option("--json", "form", flag_value="json", cls=Flag, group=pages.TELLING, help="rows as JSON Lines")
@click.option("--csv", "form", flag_value="csv", cls=Flag, group=pages.TELLING, help="rows as CSV")
@click.option("--tsv", "form", flag_value="tsv", cls=Flag, group=pages.TELLING, help="rows as TSV", default_text="a table on a terminal, "
              "else TSV")
@click.option("--table", "form", flag_value="table", cls=Flag, group=pages.TELLING, help="rows as a table")
@click.option("--excel-safe", is_flag=True, cls=Flag, group=pages.OTHER, help="write no CSV cell that a spreadsheet takes for a formula")
@click.option("--param", "pairs", multiple=True, metavar="NAME=VALUE", cls=Flag, group=pages.OTHER,
              help="value of a parameter, :NAME in SQL; may be given again")
@click.option("--queries", "files", multiple=True, metavar="FILE", cls=Flag, group=pages.OTHER,
              help="file of own questions; may be given again",
              default_text="*.sql in queries/ beside crawler.toml, or here, and in the output folder")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", cls=Flag, group=pages.OTHER, help="rows at most",
              default_text=f"{ROWS_ON_A_TERMINAL:,} on a terminal, else all")
@click.option("--timeout", type=click.FloatRange(min=0.1), metavar="SECONDS", default=TIMEOUT, cls=Flag, group=pages.OTHER,
              help="seconds that a query may take", default_text=f"{TIMEOUT:g}")
@pages.voice_flags
@click.pass_obj
def query(
    session: Session, /, asked: str | None, output: str | None, form: Format | None, *, limit: int | None, timeout: float, color: Colour,
    excel_safe: bool, quiet: bool, verbose: int, tell: bool, show_sql: bool, pairs: tuple[str, ...],
    files: tuple[str, ...],
) -> int:
    """Ask the results: SQL, the name of a question, or a table or view. It can only read, and works during a crawl."""
    voice = session.speak(quiet=quiet, verbose=verbose, color=color)
    with asking():
        questions = _Own(session, output, files)
        if tell or asked is None:
            return _tell(questions, asked, form, whole=tell, program=session.program)
        text = _from_standard_input(session) if asked == "-" else asked
        if show_sql:
            click.echo(textwrap.dedent(questions.resolve(text).sql).strip())
            return 0
        values = question.given(pairs)
        shown = is_terminal(sys.stdout)
        most = limit or (ROWS_ON_A_TERMINAL if shown and form is None else None)
        with Reader.open(session.crawl_in(output), timeout=timeout) as reader, reader.cancelled_by(signal.SIGINT):
            found = questions.resolve(text, reader)
            rows = reader.rows(found.sql, question.bound(found.sql, values, found.parameters), limit=most)
            count = write_rows(rows, form or ("table" if shown else "tsv"), columns() if shown else None, excel_safe=excel_safe)
    more = "; there may be more, see --limit" if most == count and limit is None else ""
    voice.say(f"{words.count(count, 'row')}{more}")
    return 0


def _from_standard_input(session: Session) -> str:
    if is_terminal(sys.stdin):
        session.voice.say("Reading SQL from standard input; Ctrl-D ends it.")
    return sys.stdin.read(MAX_SQL_BYTES + 1)       # what is longer is refused as too long


class _Own:
    """The questions of a user's own: a file of --queries that is none is an error, one that only lies there is told and left out."""

    def __init__(self, session: Session, output: str | None, files: tuple[str, ...]) -> None:
        self._session = session
        self._bad: QueryError | None = None
        self.queries: dict[str, Named] = {}
        for file in own.standing_files(*self._places(output)):
            try:
                self.queries.update(own.read_own([file]))
            except QueryError as error:
                self._bad = self._bad or error
        self.queries.update(own.read_own(map(Path, files)))

    def _places(self, output: str | None) -> Iterator[Path]:
        """Yield the folders in which `queries/` is looked for, the one that counts most last."""
        crawl = Path(output) if output else newest()
        if crawl is not None:
            yield crawl
        config = find_config(Path.cwd())
        yield Path() if config is None else config.parent

    def resolve(self, text: str, reader: Reader | None = None) -> Named:
        """Return what a question stands for. What nobody knows may stand in a file that could not be read: then that is told."""
        try:
            return named.resolve(text, _tables() if reader is None else reader.tables(), self.queries)
        except QueryError:
            if self._bad is not None:
                raise self._bad from None
            raise

    def tell_bad(self) -> None:
        """Tell of a file that was left out."""
        if self._bad is not None:
            self._session.voice.say(f"left out: {safe(self._bad.message)}")


def _tables() -> list[str]:
    with Sketch() as sketch:
        return sketch.tables()


# --- telling what there is ------------------------------------------------------------------------------------------


class _Told(msgspec.Struct, omit_defaults=True):
    """A question as JSON."""

    name: str
    group: str
    meaning: str
    columns: tuple[str, ...]
    parameters: tuple[dict[str, str | None], ...] = ()
    notes: str = ""


def _groups(questions: _Own) -> Iterator[tuple[str, list[Named]]]:
    questions.tell_bad()
    mine = questions.queries
    for group, names in named.GROUPS.items():
        yield group, [each for name in names if name not in mine and (each := named.find(name)) is not None]
    if mine:
        yield OWN, list(mine.values())


def _tell(questions: _Own, asked: str | None, form: Format | None, *, whole: bool, program: str) -> int:
    """Tell what questions there are: names and meanings, or all that is known of each (*whole*), or of the one that is asked for."""
    groups = list(_groups(questions))
    if asked is not None:
        wanted = questions.resolve(asked)
        groups = [(group, [each for each in members if each.name == wanted.name]) for group, members in groups]
        groups = [(group, members) for group, members in groups if members] or [("Tables and views", [wanted])]
    if form == "json":
        with Sketch() as sketch:
            for group, members in groups:
                for each in members:
                    parameters = tuple(dict(zip(("name", "default", "meaning"), one, strict=True)) for one in each.parameters)
                    told = _Told(each.name, group, each.meaning, sketch.answer(each.sql), parameters, each.notes)
                    click.echo(msgspec.json.encode(told).decode())
        return 0
    if whole:
        with Sketch() as sketch:
            for line in _long_list(groups, sketch):
                click.echo(line)
        return 0
    longest = max(len(each.name) for _, members in groups for each in members)
    click.echo("Questions with a name:")
    for group, members in groups:
        click.echo(f"\n  {group}")
        for each in members:
            click.echo(safe(f"    {each.name:{longest}}  {each.meaning}"))
    click.echo("\nOr SQL over the views pages, errors, urls, queue, links, hosts, redirects, robots, seeds and runs:")
    click.echo(f'  {program} query "SELECT status, count(*) FROM pages GROUP BY 1"')
    click.echo(f"  {program} query --list   tells of each question its columns and parameters")
    return 0


def _long_list(groups: Iterable[tuple[str, list[Named]]], sketch: Sketch) -> Iterator[str]:
    for number, (group, members) in enumerate(groups):
        yield from ("",) if number else ()
        yield f"{group}:"
        for each in members:
            yield safe(f"  {each.name}: {each.meaning}" if each.meaning else f"  {each.name}")
            try:
                yield from _indented(f"columns: {', '.join(sketch.answer(each.sql))}")
            except QueryError as error:
                yield from _indented(f"cannot be asked: {error.message}")
            for name, default, meaning in each.parameters:
                value = "must be given" if default is None else f"default {default}"
                yield from _indented(f"--param {name}=...  {meaning}{' ' if meaning else ''}({value})")
            if each.notes:
                yield from _indented(each.notes)


def _indented(text: str) -> list[str]:
    first, further = " " * _INDENT, " " * (_INDENT + 2)
    return textwrap.wrap(safe(text), pages.WIDTH, initial_indent=first, subsequent_indent=further, break_on_hyphens=False)
