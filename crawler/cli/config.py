"""`config` and `completion`: what is in force and where from, an example file, and the scripts of shells."""

from __future__ import annotations

import json
from pathlib import Path

import click
from click.shell_completion import get_completion_class

from crawler.cli import options, pages, plan, settings
from crawler.cli.errors import Wrong
from crawler.cli.memory import recall
from crawler.cli.pages import Flag
from crawler.cli.session import Session
from crawler.cli.terminal import Colour


@click.command(
    "config", cls=pages.Lesson,
    examples=(
        ("config", "all settings for the next crawl, with the place each value comes from"),
        ("config --depth 3 -o output/docs", "what a crawl there would use"),
        ("config init", "write a crawler.toml in which everything is explained"),
    ),
)
@click.argument("action", type=click.Choice(["show", "init"]), default="show")
@pages.output_flag("count what this folder remembers, too")
@click.option("--json", "as_json", is_flag=True, cls=Flag, group=pages.TELLING, help="as JSON")
@pages.config_flags
@pages.voice_flags
@click.pass_obj
def config(
    session: Session, /, action: str, output: str | None, config_file: str | None, color: Colour,
    *, no_config: bool, quiet: bool, verbose: int, as_json: bool, **flags: object,
) -> int:
    """Show the settings in force and where each comes from: flag, environment, output folder, crawler.toml or default."""
    voice = session.speak(quiet=quiet, verbose=verbose, color=color)
    if action == "init":
        return _init(session)
    file = plan.config_of(config_file, none=no_config)
    place = Path(output) if output else None
    memory = recall(place) if place else None
    effective = plan.resolve(place or Path(), flags, file, memory)
    for notice in effective.notices:
        voice.say(notice)
    rows = settings.told(effective)
    if as_json:
        click.echo(json.dumps({field: {"value": value, "origin": origin} for field, value, origin in rows}, indent=2))
        return 0
    for line in _table([("setting", "value", "from"), *rows]):
        click.echo(line)
    return 0


def _table(rows: list[tuple[str, str, str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return [f"{field:{widths[0]}}  {value:{widths[1]}}  {origin}" for field, value, origin in rows]


def _init(session: Session) -> int:
    path = Path(settings.CONFIG_FILE)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(options.template())
    except FileExistsError:
        raise Wrong(f"there is a {path} already; it was not touched", f"Try {session.program} config init in another folder.") from None
    session.voice.say(f"Wrote {path}: remove the # before a line to set it.")
    return 0


@click.command(
    "completion", cls=pages.Lesson,
    examples=(
        ("completion bash > ~/.local/share/bash-completion/completions/crawler", ""),
        ("completion zsh > ~/.zfunc/_crawler", ""),
        ("completion fish > ~/.config/fish/completions/crawler.fish", ""),
    ),
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Print the script by which a shell completes the words of `crawler`."""
    found = get_completion_class(shell)
    if found is None:
        raise Wrong(f"nothing is known about the shell {shell}", "Try bash, zsh or fish.")
    click.echo(found(ctx.find_root().command, {}, "crawler", "_CRAWLER_COMPLETE").source())
    return 0


pages.setting_flags(config)
