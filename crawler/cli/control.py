"""`control`: steer a crawl that runs, over the socket in its output folder."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from crawler import words
from crawler.cli import inputs, options, pages
from crawler.cli.errors import Wrong
from crawler.cli.inputs import BadSeeds
from crawler.cli.options import BY_FIELD
from crawler.cli.pages import Flag
from crawler.cli.session import Session
from crawler.cli.terminal import Colour
from crawler.control import seeding
from crawler.control.client import Reply, connected
from crawler.core.seeds import Seed, nearest
from crawler.text import safe

VERBS = {
    "status": "where it stands (the default)",
    "pause": "ask for nothing further; what is in flight lands",
    "resume": "go on after a pause",
    "stop": "stop, as Ctrl-C does; --now drops what is in flight",
    "set": "change settings, as: set delay=2s concurrency=16",
    "seed": "add seeds: URLs, or files with one a line",
    "exclude": "leave out what matches a regular expression, and what waits of it",
    "park": "put hosts off beyond this run",
    "free": "ask hosts again at once that rest or were put off",
}


class _Control(pages.Lesson):
    """The command with its verbs on the help page."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what can be said to a crawl."""
        with formatter.section("What can be said"):
            formatter.write_dl(list(VERBS.items()))
        super().format_epilog(ctx, formatter)


@click.command(
    "control", cls=_Control,
    examples=(
        ("control pause", "ask for nothing further for now"),
        ("control set delay=2s max_pages=5000", "change the pace and a limit"),
        ("control exclude '/archive/'", "leave a part out from now on"),
        ("control seed https://example.org/new/", "crawl this too"),
        ("control park slow.example.org", "put a host off until the next run"),
    ),
    epilog="Every change is recorded: see crawler query interventions. Settings that are changed hold for the next run too.",
)
@click.argument("verb", default="status")
@click.argument("words_", metavar="[WORDS]...", nargs=-1)
@pages.output_flag("the crawl that runs  [default: the newest under output/]")
@click.option("--now", is_flag=True, cls=Flag, group=pages.OTHER, help="with stop: drop what is in flight")
@click.option("--json", "as_json", is_flag=True, cls=Flag, group=pages.TELLING, help="the answer as JSON")
@pages.voice_flags
@click.pass_obj
def control(
    session: Session, /, verb: str, words_: tuple[str, ...], output: str | None, color: Colour, *, now: bool, as_json: bool, quiet: bool,
    verbose: int,
) -> int:
    """Steer a crawl that runs: pause, resume, stop, other settings, more seeds, less of something.

    Ends with 1 when no crawl runs there, and with 2 when it refuses, with nothing changed.
    """
    session.speak(quiet=quiet, verbose=verbose, color=color)
    commands = _commands(verb, words_, now=now, program=session.program)
    folder = session.crawl_in(output)
    with connected(folder) as ask:
        for command in commands:
            reply = ask(command)
            if as_json:
                click.echo(msgspec.json.encode(reply).decode())
            elif verb == "status":
                for line in _lines(folder, reply):
                    click.echo(line)
            else:
                session.voice.say(safe(reply.text))
    return 0


def _commands(verb: str, given: tuple[str, ...], *, now: bool, program: str) -> list[dict[str, object]]:
    """Turn words into what is sent. Raises Wrong."""
    if verb not in VERBS:
        meant = nearest(verb, VERBS)
        raise Wrong(f"{verb!r} means nothing to a crawl", f"Did you mean {meant}?" if meant else f"Try {program} control --help.")
    if verb in ("status", "pause", "resume", "stop"):
        if given:
            raise Wrong(f"{verb} takes no further words, but there is {given[0]!r}", f"Try {program} control {verb}.")
        return [{"command": verb, "now": now}] if verb == "stop" else [{"command": verb}]
    if not given:
        raise Wrong(f"{verb} needs to know what", f"Try {program} control --help.")
    match verb:
        case "set":
            return [{"command": "set", "settings": dict(_setting(word) for word in given)}]
        case "seed":
            return list(seeding(_seeds(given)))
        case "exclude":
            return [{"command": "exclude", "pattern": word} for word in given]
        case _:
            return [{"command": verb, "host": word} for word in given]


def _setting(word: str) -> tuple[str, object]:
    name, equals, text = word.partition("=")
    field = name.strip().replace("-", "_")
    if not equals:
        raise Wrong(f"{word!r} is no setting", "Try one like delay=2s.")
    option = BY_FIELD.get(field)
    if option is None:
        meant = nearest(field, BY_FIELD)
        raise Wrong(f"there is no setting {name!r}", f"Did you mean {meant}?" if meant else "Try crawler config for all of them.")
    try:
        return field, msgspec.to_builtins(options.read(option, text))
    except ValueError as error:
        raise Wrong(f"{field} must be {error}, got {text!r}", "Try crawler crawl --help for what a setting can be.") from None


def _seeds(given: tuple[str, ...]) -> tuple[Seed, ...]:
    found = inputs.read(given)
    if found.bad:
        raise BadSeeds(found.bad)
    return found.seeds


def _lines(folder: Path, reply: Reply) -> list[str]:
    seen = reply.snapshot
    lines = [f"{folder}: {reply.text}"]
    if seen is not None:
        lines += [
            f"  pages        {seen.pages:,}, {seen.pages_per_second:.1f} a second",
            f"  received     {words.size(seen.bytes_per_second)} a second",
            f"  waiting      {seen.queued:,} URLs",
            f"  in flight    {words.count(seen.in_flight, 'request')} to {words.count(seen.hosts, 'host')}",
        ]
    told = {name: BY_FIELD[name].shown(value) for name, value in reply.settings.items() if name in BY_FIELD}
    return [*lines, *(f"  {name:12} {value}" for name, value in told.items())]
