"""`retry`, `requeue`, `skip`, `forget`: change what becomes of URLs, in a crawl at rest or in one that runs."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from crawler import words
from crawler.cli import pages, units
from crawler.cli.ask import asking
from crawler.cli.errors import Wrong
from crawler.cli.pages import Flag
from crawler.cli.session import Session
from crawler.cli.terminal import Colour
from crawler.core.model import Fault
from crawler.query.reader import Reader
from crawler.query.selecting import TIMEOUT, Chosen, Selection, choose
from crawler.text import safe

THE_CRAWL = "the crawl to change  [default: the newest under output/]"
TOLD_EVERY = 2.0
"""Seconds after which it is told how far a change is."""


def _conditions(command: Any) -> Any:
    """Add the options that choose URLs."""
    for words_, more in (
        (("-n", "--dry-run"), {"is_flag": True, "help": "say how many there are, and change nothing"}),
        (("--all",), {"is_flag": True, "help": "all that the command can mean, where nothing narrows it down"}),
        (("--since",), {"metavar": "TIME", "help": "whose latest request is not older: 2h, or a moment in UTC, '2026-01-31 14:05'"}),
        (("--fault",), {"multiple": True, "type": click.Choice([fault.value for fault in Fault]), "help": "whose latest request "
                        "ended in this fault; may be given again", "metavar": "FAULT"}),
        (("--host",), {"multiple": True, "metavar": "HOST", "help": "of this host; may be given again"}),
        (("--where",), {"metavar": "SQL", "help": "for which this holds: a condition over url, host, site, state, reason, rule, depth, "
                        "seen_as, tries, and status, fault, fetched, mime, title of the latest request"}),
    ):
        command = click.option(*words_, cls=Flag, group=pages.OTHER, **more)(command)
    return pages.output_flag(THE_CRAWL)(pages.voice_flags(command))


def _command(name: str, text: str, examples: tuple[tuple[str, str], ...]) -> click.Command:
    @click.command(name, cls=pages.Lesson, examples=examples, help=text)
    @_conditions
    @click.pass_obj
    def command(
        session: Session, /, output: str | None, where: str | None, host: tuple[str, ...], fault: tuple[str, ...], since: str | None,
        color: Colour, *, dry_run: bool, quiet: bool, verbose: int, **rest: bool,
    ) -> int:
        session.speak(quiet=quiet, verbose=verbose, color=color)
        moment = None if since is None else read_moment(since, time.time())
        hosts = tuple(one.strip().lower() for one in host)
        selection = Selection(name, where, hosts, fault, moment)
        if selection.is_everything and name != "retry" and not rest["all"]:
            hint = f"Try {session.program} {name} --where \"url LIKE '%/archive/%'\", --host, --since, --fault, or --all."
            raise Wrong(f"{name} needs to know which URLs", hint)
        return _change(session, session.crawl_in(output), selection, dry=dry_run)

    return command


def read_moment(text: str, now: float) -> float:
    """Return the moment that somebody means, in Unix seconds: so long ago, or a date with or without a time, in UTC."""
    try:
        return now - units.read_duration(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise Wrong(f"--since {text!r} is no moment", "Try 2h, 2026-01-31 or '2026-01-31 14:05' (UTC).") from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _change(session: Session, folder: Path, selection: Selection, *, dry: bool) -> int:
    with asking(), Reader.open(folder, timeout=TIMEOUT) as reader:
        chosen = choose(reader, selection)
    if dry:
        for line in _outline(selection.action, chosen):
            click.echo(line)
        return 0
    if not chosen.rows:
        session.voice.say("0 URLs: nothing to change")
        return 0
    from crawler.control.editing import edit

    last = time.monotonic()

    def tell(through: int) -> None:
        nonlocal last
        if time.monotonic() - last >= TOLD_EVERY:
            last = time.monotonic()
            session.voice.say(f"  {through:,} of {len(chosen.rows):,} URLs")

    changed, busy, running = edit(folder, selection.action, chosen.rows, selection.words, tell)
    session.voice.say(f"{words.count(changed, 'URL')} {_DONE[selection.action]}")
    if busy:
        session.voice.say(f"  {words.count(busy, 'URL')} left alone: being fetched right now")
    if not running and selection.action in ("retry", "requeue") and changed:
        session.voice.say(f"Try {session.program} resume -o {folder} to have them fetched.")
    return 0


_DONE = {
    "retry": "will be tried again",
    "requeue": "will be asked for again",
    "skip": "left out",
    "forget": "forgotten",
}


def _outline(action: str, chosen: Chosen) -> list[str]:
    lines = [f"{words.count(len(chosen.rows), 'URL')} would be {_DONE[action].removeprefix('will be ')}"]
    for title, counted in (("what", chosen.words), ("host", chosen.hosts)):
        lines += [f"  {number:>10,}  {title} {safe(name)}" for name, number in counted]
    return lines


retry = _command(
    "retry",
    "Try again what went wrong: all of it, or what the options choose. Works on a crawl at rest and on one that runs.\n\n"
    "Chosen are URLs whose latest request ended in a fault or a status of 400 and above. They get all their tries again.",
    (
        ("retry", "all that went wrong"),
        ('retry --where "status BETWEEN 500 AND 599"', "what servers could not answer"),
        ("retry --fault timeout --host example.org", "what timed out there"),
        ("retry --since 2h --dry-run", "how many of the last two hours there are"),
    ),
)
requeue = _command(
    "requeue",
    "Ask again for URLs that have been answered or given up, or were skipped by hand. What is stored of them stays until then.",
    (("requeue --where \"url LIKE '%/news/%'\"", "ask for the news again"), ("requeue --host example.org", "for all of a host")),
)
skip = _command(
    "skip",
    "Never ask for URLs that wait. They stay known, and requeue lets them in again.",
    (("skip --where \"url LIKE '%/calendar/%'\"", "leave a part out"), ("skip --where 'depth > 8' --dry-run", "how many lie so deep")),
)
forget = _command(
    "forget",
    "Remove every trace of URLs: what is known, what was asked, and the stored bodies that no other page shares.\n\n"
    "A link that is found later brings a forgotten URL back; skip is for what shall never be asked for. What lies in a WARC file "
    "stays there.",
    (
        ("forget --where \"url = 'https://example.org/private'\"", "one page"),
        ("forget --host old.example.org --dry-run", "a host, first counted"),
    ),
)
