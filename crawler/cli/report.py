"""`report`: one HTML file that shows a crawl."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from crawler.cli import pages
from crawler.cli.ask import NEWEST, Answer
from crawler.cli.pages import Flag
from crawler.cli.session import Session
from crawler.cli.terminal import Colour
from crawler.folder import storage_error
from crawler.query.errors import QueryError

STANDARD_OUTPUT = "-"


@click.command(
    "report", cls=pages.Lesson,
    examples=(
        ("report", "write report.html into the folder of the newest crawl"),
        ("report --to friday.html", "to another file"),
        ("report --to - > friday.html", "to standard output"),
    ),
)
@pages.output_flag(NEWEST)
@click.option("--to", "target", metavar="FILE", cls=Flag, group=pages.OTHER, help="the file to write; - is standard output",
              default_text="report.html in the crawl's folder")
@pages.voice_flags
@click.pass_obj
def report(
    session: Session, /, output: str | None, target: str | None, color: Colour, *, quiet: bool, verbose: int
) -> int:
    """Write one HTML file that shows a crawl: how it went, what it found, what is wrong. It loads nothing and runs no script.

    Works while the crawl runs. Prints where the file is.
    """
    session.speak(quiet=quiet, verbose=verbose, color=color)
    folder = session.crawl_in(output)
    from crawler import report as reporting  # jinja2 comes with it

    try:
        text = reporting.render(folder, program=session.program, place=("-o", output) if output else (), now=time.time())
    except QueryError as error:
        raise Answer(error) from None
    if target == STANDARD_OUTPUT:
        sys.stdout.write(text)
        return 0
    path = Path(target) if target else folder / "report.html"
    try:
        reporting.write(text, path)
    except OSError as error:
        raise storage_error(path, error) from error
    click.echo(path)
    return 0
