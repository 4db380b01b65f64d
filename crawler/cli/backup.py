"""`backup`: a copy of a crawl that is a crawl itself."""

from __future__ import annotations

import time
from pathlib import Path

import click

from crawler import words
from crawler.backup import Done, back_up
from crawler.cli import pages
from crawler.cli.ask import Answer
from crawler.cli.errors import No
from crawler.cli.pages import Flag
from crawler.cli.patience import Patience
from crawler.cli.session import Session
from crawler.cli.terminal import Colour
from crawler.query.errors import QueryError


@click.command(
    "backup", cls=pages.Lesson,
    examples=(
        ("backup /backups/docs", "copy the newest crawl, or what is new in it since the last time"),
        ("backup snapshot --link", "the same on one disk: bodies are hard links and take no room"),
        ("backup facts --database-only", "without the bodies"),
    ),
)
@click.argument("target")
@pages.output_flag("the crawl to copy  [default: the newest under output/]")
@click.option("--link", is_flag=True, cls=Flag, group=pages.OTHER, help="make hard links of bodies instead of copies: same disk only")
@click.option("--database-only", is_flag=True, cls=Flag, group=pages.OTHER, help="leave the bodies out")
@pages.voice_flags
@click.pass_obj
def backup(
    session: Session, /, target: str, output: str | None, color: Colour, *, link: bool, database_only: bool, quiet: bool, verbose: int
) -> int:
    """Copy a crawl as of one moment, also while it runs. The copy can be asked, verified and crawled on like any other.

    The same command again copies only what is new, and goes on with a backup that was cut short. Ends with 1 when files are
    not there or not as they were stored.
    """
    voice = session.speak(quiet=quiet, verbose=verbose, color=color)
    folder = session.crawl_in(output)
    with Patience(voice) as patience:
        try:
            done = back_up(
                folder, Path(target), link=link, database_only=database_only, now=time.time,
                tell=lambda stage, so_far, total, is_bytes: patience.tell(stage, so_far, total, is_bytes=is_bytes),
            )  # fmt: skip
        except QueryError as error:
            raise Answer(error) from None
    voice.say(told(folder, target, done, link=link, database_only=database_only))
    if done.bodies.lost_count:
        some = "\n".join(f"  {file}" for file in done.bodies.lost)
        raise No(
            f"{words.count(done.bodies.lost_count, 'file')} could not be copied: not there, or not as stored\n{some}",
            f"Try {session.program} verify, which tells more; the backup has all the rest.",
        )
    return 0


def told(folder: Path, target: str, done: Done, *, link: bool, database_only: bool) -> str:
    """Return what was done, in words."""
    database = f"database {words.size(done.database_bytes)}"
    if database_only:
        return f"{folder} → {target}: {database}, no bodies"
    how = "linked" if link else f"copied, {words.size(done.bodies.bytes)}"
    there = f" ({done.bodies.there:,} were there already)" if done.bodies.there else ""
    before = "; it had been cut short, and is whole now" if done.continued else ""
    return f"{folder} → {target}: {database}, {words.count(done.bodies.copied, 'file')} {how}{there}{before}"
