"""`verify`: is a crawl's folder sound, and what can be made so."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import click
import msgspec

from crawler import words
from crawler.checking import Checked, Stage
from crawler.checking import verify as check
from crawler.checking.database import INDEX_TROUBLE
from crawler.checking.finding import NOTICES, Finding, Repaired, Todo, Trouble
from crawler.cli import pages
from crawler.cli.ask import NEWEST, Answer
from crawler.cli.errors import No
from crawler.cli.pages import Flag
from crawler.cli.patience import Patience
from crawler.cli.session import Session
from crawler.cli.terminal import Colour
from crawler.folder import CrawlError, InUse, StorageError, held
from crawler.query.errors import QueryError
from crawler.text import safe

SHOWN = 20
"""Findings of one kind that people are shown; programs get all."""
NAMES = {
    Trouble.DATABASE: ("line of SQLite's about damage", "lines of SQLite's about damage"),
    Trouble.REFERENCE: ("broken reference", "broken references"),
    Trouble.COUNTER: ("wrong counter", "wrong counters"),
    Trouble.MISSING: ("missing body", "missing bodies"),
    Trouble.SIZE: ("body of a wrong size", "bodies of a wrong size"),
    Trouble.CONTENT: ("body with wrong bytes", "bodies with wrong bytes"),
    Trouble.ODD: ("body that is no file", "bodies that are no files"),
    Trouble.UNREADABLE: ("unreadable file", "unreadable files"),
    Trouble.WARC: ("broken WARC file or record", "broken WARC files or records"),
    Trouble.ORPHAN: ("orphan", "orphans"),
    Trouble.LEFTOVER: ("leftover", "leftovers"),
    Trouble.MODE: ("loose permission", "loose permissions"),
}


@click.command(
    "verify", cls=pages.Lesson,
    examples=(
        ("verify", "check the newest crawl: database, counters, files"),
        ("verify --deep", "read every body too and compare its digest"),
        ("verify --repair", "make it sound; nothing is deleted"),
    ),
)
@pages.output_flag(NEWEST)
@click.option("--deep", is_flag=True, cls=Flag, group=pages.OTHER, help="read every body and every WARC record, and compare digests")
@click.option("--repair", "mend", is_flag=True, cls=Flag, group=pages.OTHER,
              help="move damaged and alien files to quarantine/, queue pages whose body is lost, count anew")
@click.option("--json", "as_json", is_flag=True, cls=Flag, group=pages.TELLING, help="findings as JSON Lines, the last line is the summary")
@pages.voice_flags
@click.pass_obj
def verify(
    session: Session, /, output: str | None, color: Colour, *, deep: bool, mend: bool, as_json: bool, quiet: bool, verbose: int
) -> int:
    """Check that a crawl is sound: its database, the files of its pages, what lies there besides.

    Ends with 1 when something is damaged, also when it was repaired: run it again to see what is left. It only reads, unless
    --repair is given. Works beside a running crawl, for what can be checked then.
    """
    voice = session.speak(quiet=quiet, verbose=verbose, color=color)
    folder = session.crawl_in(output)
    telling = _AsJson() if as_json else _AsText(folder)
    with contextlib.ExitStack() as stack:
        at_rest = _hold(folder, stack, mend=mend)
        patience = stack.enter_context(Patience(voice))
        todo = stack.enter_context(Todo())

        def tell(stage: Stage) -> None:
            patience.tell(stage.name, stage.done, stage.total, is_bytes=stage.is_bytes)

        for found in _found(folder, todo, deep=deep, at_rest=at_rest, tell=tell):
            patience.clear()
            telling.tell(found)
        patience.clear()
        if not any(number for trouble, number in todo.counts.items() if trouble not in NOTICES):
            return 0
        if mend:
            from crawler.checking.repair import repair

            patience.tell("repairing")
            done = asyncio.run(repair(folder, todo, now=time.time(), reindex=_can_be_mended(folder, todo, telling.lines)))
            patience.clear()
            telling.tell(done)
            voice.say("Try verify again to see what is left, and the crawl's own command to fetch what is queued.")
        else:
            place = f" -o {shlex.quote(output)}" if output else ""
            voice.say(f"Try {session.program} verify --repair{place}: lost pages are queued, bad files moved, none deleted.")
    return No.exit_code


def _found(folder: Path, todo: Todo, *, deep: bool, at_rest: bool, tell: Callable[[Stage], None]) -> Iterator[Finding | Checked]:
    try:
        yield from check(folder, todo, deep=deep, at_rest=at_rest, tell=tell)
    except QueryError as error:
        raise Answer(error) from None


def _hold(folder: Path, stack: contextlib.ExitStack, *, mend: bool) -> bool:
    """Hold the folder so that nothing changes under the check; return whether it is at rest. A repair insists on it."""
    try:
        stack.enter_context(held(folder))
    except InUse:
        if mend:
            raise
        return False
    except StorageError:
        if mend:
            raise
        # A copy on a medium that is read-only: nobody crawls into that.
    return True


def _can_be_mended(folder: Path, todo: Todo, lines: list[str]) -> bool:
    """Return whether new indexes heal the database. Raises CrawlError for damage that only a backup heals."""
    if todo.counts[Trouble.DATABASE] and not all(map(INDEX_TROUBLE.search, lines)):
        hint = "Try a backup of it, or --fresh to start anew beside it."
        raise Beyond(f"the database of {folder} is damaged; nothing was repaired", hint)
    if not (folder / "pages").is_dir() or (folder / "pages").is_symlink():
        hint = f"Try mounting the disk it is on. If it is gone for good: mkdir {folder / 'pages'}, then verify --repair queues all pages."
        raise Beyond(f"{folder / 'pages'} is no folder; nothing was repaired", hint)
    return bool(todo.counts[Trouble.DATABASE])


class Beyond(CrawlError):
    """What cannot be repaired here."""

    exit_code = 6


class _AsJson:
    """Everything, one JSON object a line."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def tell(self, found: Finding | Checked | Repaired) -> None:
        if isinstance(found, Finding) and found.trouble is Trouble.DATABASE:
            self.lines.append(found.detail)
        click.echo(msgspec.json.encode({"v": 1, **msgspec.to_builtins(found)}))


class _AsText:
    """The first findings of each kind, and at the end what it comes to."""

    def __init__(self, folder: Path) -> None:
        self.lines: list[str] = []
        self._folder = folder
        self._counts: Counter[Trouble] = Counter()

    def tell(self, found: Finding | Checked | Repaired) -> None:
        match found:
            case Finding():
                self._find(found)
            case Checked():
                for line in summary(self._folder, found, self._counts):
                    click.echo(line)
            case Repaired():
                click.echo(f"Repaired: {'; '.join(repaired(found))}.")

    def _find(self, found: Finding) -> None:
        if found.trouble is Trouble.DATABASE:
            self.lines.append(found.detail)
        self._counts[found.trouble] += 1
        if self._counts[found.trouble] <= SHOWN:
            whose = f"  ({found.url})" if found.url else ""
            click.echo(f"{found.trouble:10} {safe(found.place)}: {safe(found.detail)}{safe(whose)}")


def summary(folder: Path, checked: Checked, counts: Counter[Trouble]) -> list[str]:
    """Return what a check came to, in words."""
    lines = [f"{trouble:10} and {number - SHOWN:,} more; --json lists all" for trouble, number in counts.items() if number > SHOWN]
    damage = [_many(trouble, number) for trouble, number in counts.items() if trouble not in NOTICES]
    notices = [_many(trouble, number) for trouble, number in counts.items() if trouble in NOTICES]
    lines.append(f"{folder}: {'damaged: ' + ', '.join(damage) if damage else 'sound'}{'; ' + ', '.join(notices) if notices else ''}")
    read = "each was read and has its digest" if checked.deep else "each has its file, of the right size"
    if damage:
        read = "read" if checked.deep else "looked at, not read"
    lines.append(f"  {words.count(checked.bodies, 'body', 'bodies')}, {words.size(checked.bytes)}: {read}")
    if checked.left_out:
        why = "" if checked.at_rest else ", while it is being crawled"
        lines.append(f"  not checked{why}: {', '.join(checked.left_out)}")
    return lines


def _many(trouble: Trouble, number: int) -> str:
    return words.count(number, *NAMES[trouble])


def repaired(done: Repaired) -> list[str]:
    """Return what a repair did, in words."""
    said = []
    if done.indexed:
        said.append("the indexes were built anew")
    if done.hosts:
        said.append(f"{words.count(done.hosts, 'host')} made again")
    if done.moved:
        said.append(f"{words.count(done.moved, 'file')} moved to quarantine/")
    if done.forgotten:
        said.append(f"{words.count(done.forgotten, 'body', 'bodies')} forgotten")
    if done.queued:
        said.append(f"{words.count(done.queued, 'URL')} queued")
    if done.counted:
        said.append("counters counted anew")
    return said or ["nothing of this can be repaired here"]
