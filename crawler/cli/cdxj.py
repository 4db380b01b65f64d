"""`crawler cdxj`: the index of a crawl's WARC files."""

from __future__ import annotations

import click

from crawler import words
from crawler.cli import pages
from crawler.cli.errors import No
from crawler.cli.session import Session
from crawler.cli.terminal import Colour


@click.command(
    "cdxj", cls=pages.Lesson,
    examples=(
        ("cdxj", "index the WARC files of the newest crawl, also while it runs"),
        ("cdxj -o output/docs", "those of this crawl"),
    ),
)
@pages.output_flag("the crawl  [default: the newest under output/]")
@pages.voice_flags
@click.pass_obj
def cdxj(session: Session, /, output: str | None, *, color: Colour, quiet: bool, verbose: int) -> int:
    """Write the index of a crawl's WARC files anew, as warc/index.cdxj: what replay tools look URLs up in.

    A crawl that ends writes it by itself. The path of the index goes to standard output.
    """
    from crawler.archive.cdxj import INDEX, write_index  # aiofiles takes 50 ms that --help must not
    from crawler.archive.warc import FOLDER
    from crawler.query.reader import Reader

    voice = session.speak(quiet=quiet, verbose=verbose, color=color)
    folder = session.crawl_in(output)
    with Reader.open(folder):       # says what is wrong with a database of another program, or of another format
        lines = write_index(folder)
    if lines is None:
        raise No(f"{folder} has no WARC files", f"Try {session.program} SEEDS --save warc, or {session.program} export --format warc.")
    voice.say(f"{words.count(lines, 'answer')} indexed")
    click.echo(str(folder / FOLDER / INDEX))
    return 0
