"""What a report calls a problem: how many there are, ten of them, and the command that shows them all."""

from __future__ import annotations

import shlex
from typing import NamedTuple

from crawler.query import named
from crawler.query.errors import QueryError
from crawler.query.reader import Reader, Value
from crawler.query.values import whole
from crawler.text import safe

EXAMPLES = 10
MOST_COUNTED = 100_000
"""Rows after which counting ends: beyond it, the exact number changes nothing."""
LONGEST = 300
"""Characters of one cell."""
SLOW_MS = 2_000


class Problem(NamedTuple):
    """A question whose rows are problems. The first of its names that there is has the answer, else its own SQL."""

    title: str
    names: tuple[str, ...]
    advice: str
    columns: tuple[str, ...] = ()
    """The columns worth showing; all when none are named."""
    sql: str = ""
    serious: bool = False
    grouped: str = ""
    """SQL over the rows of the question, where ten of them would say the same thing ten times."""


PROBLEMS: tuple[Problem, ...] = (
    Problem("Broken links", ("broken-links",), "Links that lead to an error; the targets with most of them.", serious=True,
            grouped="SELECT dst AS target, status, fault, count(*) AS links, min(src) AS linked_on FROM ({}) "
                    "GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1"),
    Problem("Errors", (), "URLs that ended in a fault or a status of 400 and above.", (),
            "SELECT url, status, fault, detail, tries FROM errors WHERE state <> 'queued'", serious=True),
    Problem("Redirect loops", ("redirect-loops",), "Redirects that come back to where they began.", serious=True),
    Problem("Redirect chains", ("redirect-chains", "redirects"), "URLs that send elsewhere; a link could lead there at once."),
    Problem("Slow pages", (), f"The first byte came after more than {SLOW_MS / 1000:g} s.", (),
            f"SELECT url, ttfb_ms, total_ms FROM pages WHERE ttfb_ms > {SLOW_MS} ORDER BY ttfb_ms DESC"),
    Problem("Missing titles", ("missing-titles",), "HTML pages without a title.", ("url", "status")),
    Problem("Duplicates", ("duplicates",), "The same bytes under several URLs.", ("example", "copies", "bytes")),
    Problem("Near-duplicates", ("near-duplicates",), "Pages whose text is nearly that of an earlier page."),
    Problem("Blocked by robots.txt", (), "URLs that robots.txt asks crawlers to leave alone.", (),
            "SELECT url, rule, seen_on FROM urls WHERE reason = 'robots'"),
    Problem("Traps", ("traps",), "URL patterns without end that were damped or left out.",
            ("pattern", "damped", "pages", "left_out", "rule")),
    Problem("Cut pages", ("truncated",), "Pages of which only the beginning was kept, or not all links counted."),
    Problem("Left out by noindex", ("noindex",), "Pages that ask not to be indexed."),
)  # fmt: skip


class Cell(NamedTuple):
    """A value, and the address that it is a link to."""

    text: str
    href: str | None
    number: bool


class Shown(NamedTuple):
    """A problem with what was found of it."""

    title: str
    advice: str
    serious: bool
    number: int
    more: bool
    """There are more than were counted."""
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    command: str
    failed: str = ""
    """Why it could not be found out."""


def read_problems(reader: Reader, program: str, place: tuple[str, ...]) -> tuple[list[Shown], list[str]]:
    """Return the problems that there are, and the titles of those that there are none of."""
    found: list[Shown] = []
    clean: list[str] = []
    for problem in PROBLEMS:
        question = next(filter(named.find, problem.names), "") or problem.sql
        if not question:
            continue        # a question that this version does not know
        shown = _read(reader, problem, question, " ".join([program, "query", quoted(question), *map(shlex.quote, place)]))
        if shown.number or shown.failed:
            found.append(shown)
        else:
            clean.append(problem.title)
    return found, clean


def quoted(question: str) -> str:
    """Return a question as a shell takes it; SQL with text in it is easier to read between double quotes."""
    return f'"{question}"' if "'" in question and not set(question) & set('"$`\\!') else shlex.quote(question)


def _read(reader: Reader, problem: Problem, question: str, command: str) -> Shown:
    named_query = named.find(question)
    sql = question if named_query is None else named_query.sql
    start = (problem.title, problem.advice, problem.serious)
    try:
        count = whole(reader.all(f"SELECT count(*) FROM (SELECT 1 FROM ({sql}) LIMIT {MOST_COUNTED + 1})")[0][0])
        if not count:
            return Shown(*start, 0, False, (), (), command)
        rows = reader.rows(problem.grouped.format(sql) if problem.grouped else sql, limit=EXAMPLES)
        keep = [at for at, name in enumerate(rows.columns) if not problem.columns or name in problem.columns]
        keep.sort(key=lambda at: problem.columns.index(rows.columns[at]) if problem.columns else at)
        cells = tuple(tuple(cell_of(row[at]) for at in keep) for row in rows)
        columns = tuple(rows.columns[at].replace("_", " ") for at in keep)
    except QueryError as error:
        return Shown(*start, 0, False, (), (), command, error.message)
    return Shown(*start, min(count, MOST_COUNTED), count > MOST_COUNTED, columns, cells, command)


def cell_of(value: Value) -> Cell:
    """Return a value as it is shown. Only http and https are links: a `javascript:` address stays text."""
    if value is None:
        return Cell("", None, False)
    if isinstance(value, int | float):
        return Cell(f"{value:,}", None, True)
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    is_link = text.startswith(("http://", "https://")) and not any(char.isspace() for char in text)
    shown = safe(text)
    return Cell(shown if len(shown) <= LONGEST else shown[:LONGEST] + "…", text if is_link else None, False)
