"""Commands that teach: a help page begins with examples, its options are in groups, and each tells its default."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from crawler.cli.options import ENV_PREFIX, Option, by_group
from crawler.cli.units import SWITCH

COMMANDS: dict[str, tuple[str, str]] = {
    "crawl": ("crawler.cli.crawl:crawl", "crawl what the seeds name, or go on where that stopped (the default)"),
    "resume": ("crawler.cli.crawl:resume", "go on with a crawl without naming its seeds again"),
    "plan": ("crawler.cli.planning:plan_command", "what a crawl would meet, from robots.txt and sitemaps alone"),
    "status": ("crawler.cli.status:status", "how far a crawl is, also while it runs"),
    "query": ("crawler.cli.query:query", "ask the results: SQL, or a question by its name"),
    "search": ("crawler.cli.search:search", "find pages by their words"),
    "explain": ("crawler.cli.ask:explain", "why a URL was, was not or will be fetched"),
    "show": ("crawler.cli.ask:show", "print the stored body of a URL"),
    "shell": ("crawler.cli.shell:shell", "look at one page at a Python prompt, as the crawler sees it"),
    "control": ("crawler.cli.control:control", "steer a crawl that runs: pause, stop, set, exclude, ..."),
    "serve": ("crawler.cli.serve:serve", "a crawl in the browser: watch it, steer it, ask it"),
    "retry": ("crawler.cli.edit:retry", "try again what went wrong"),
    "requeue": ("crawler.cli.edit:requeue", "ask again for URLs, whatever came of them"),
    "skip": ("crawler.cli.edit:skip", "never ask for URLs that wait"),
    "forget": ("crawler.cli.edit:forget", "remove every trace of URLs"),
    "report": ("crawler.cli.report:report", "one HTML file with the pictures of a crawl and its biggest problems"),
    "verify": ("crawler.cli.verify:verify", "whether a crawl is sound: database, files, digests; --repair makes it so"),
    "backup": ("crawler.cli.backup:backup", "copy a crawl, also while it runs, to a folder that is a crawl itself"),
    "diff": ("crawler.cli.diff:diff", "what changed between two runs, and what of one page"),
    "cdxj": ("crawler.cli.cdxj:cdxj", "index the WARC files of a crawl"),
    "export": ("crawler.cli.export:export", "write pages or links in a format that other programs read"),
    "config": ("crawler.cli.config:config", "the settings in force and where each comes from"),
    "doctor": ("crawler.cli.doctor:doctor", "whether this machine has what a crawl needs"),
    "demo": ("crawler.cli.demo:demo", "crawl a small site that comes along, without the internet"),
    "completion": ("crawler.cli.config:completion", "print the completion script of a shell"),
}
"""Each command's place, imported when it is asked for, and its line in the overview."""

OUTPUT_GROUP, SHAPE, TELLING, WATCHING, OTHER = "Where to, and from where", "What is written", "What is told", "In the browser", "Other"
GENERAL = (OUTPUT_GROUP, SHAPE, TELLING, WATCHING, OTHER)
WIDTH = 100

Decorator = Callable[[Any], Any]     # click's decorators take functions of any shape, and commands


class Flag(click.Option):
    """An option that knows its group on the help page, and its default in words."""

    def __init__(self, *args: Any, group: str = OTHER, default_text: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.group = group
        self.default_text = default_text

    def row(self, ctx: click.Context) -> tuple[str, str]:
        """Return what stands on the help page."""
        left, right = self.get_help_record(ctx) or ("", "")
        return left, f"{right}  [default: {self.default_text}]" if self.default_text else right


class Lesson(click.Command):
    """A command whose help begins with examples: pairs of arguments and what they do."""

    def __init__(self, *args: Any, examples: tuple[tuple[str, str], ...] = (), **kwargs: Any) -> None:
        kwargs.setdefault("context_settings", {"help_option_names": ["-h", "--help"], "max_content_width": WIDTH})
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the page: what it does, examples, options by group."""
        program = ctx.find_root().command_path
        formatter.write_usage(ctx.command_path, " ".join(self.collect_usage_pieces(ctx)))
        self.format_help_text(ctx, formatter)
        write_examples(formatter, program, self.examples)
        flags = [param for param in self.get_params(ctx) if isinstance(param, click.Option) and not param.hidden]
        groups = [group for group, _ in by_group()]
        for group in (*groups, *GENERAL):
            rows = [flag.row(ctx) for flag in flags if isinstance(flag, Flag) and flag.group == group]
            if group == OTHER:
                rows += [flag.get_help_record(ctx) or ("", "") for flag in flags if not isinstance(flag, Flag)]
            if rows:
                with formatter.section(group):
                    formatter.write_dl(rows, col_max=34)
        self.format_epilog(ctx, formatter)


def write_examples(formatter: click.HelpFormatter, program: str, examples: tuple[tuple[str, str], ...]) -> None:
    """Write commands with what they do, each on one line."""
    if not examples:
        return
    longest = max(len(words) for words, _ in examples)
    with formatter.section("Examples"):
        for words, meaning in examples:
            formatter.write(f"{'':{formatter.current_indent}}{program} {words:{longest}}   {meaning}\n")


def setting_flags(command: click.Command, wanted: Callable[[Option], bool] = lambda _: True) -> click.Command:
    """Give a command a flag for every setting, or for those that are *wanted*."""
    for group, options in by_group():
        command.params += [_flag(option, group) for option in options if wanted(option)]
    command.epilog = (
        f"Every setting can also stand in the environment ({ENV_PREFIX}MAX_PAGES=500) and in crawler.toml (max_pages = 500). "
        "The output folder remembers them, so a crawl that goes on needs none of them again."
    )
    return command


def _flag(option: Option, group: str) -> Flag:
    """Make the flag of a setting. It has no default of its own, so that "not given" can be told from "given the default"."""
    names = [*option.flags, option.field]
    if option.unit is SWITCH:
        return Flag(names, default=None, is_flag=True, help=option.help, group=group, default_text=option.default_text)
    choices = option.unit.metavar.split("|") if "|" in option.unit.metavar else []

    def complete(_ctx: click.Context, _param: click.Parameter, begun: str) -> list[str]:
        return [choice for choice in choices if choice.startswith(begun)]

    # A value is read later, together with those from elsewhere, so that all mistakes are told in the same words.
    return Flag(
        names, type=str, metavar=option.unit.metavar, multiple=option.unit.many, default=None, help=option.help,
        group=group, default_text=option.default_text, shell_complete=complete,
    )


def output_flag(meaning: str) -> Decorator:
    """Return the decorator for -o."""
    path = click.Path(file_okay=False, path_type=None)
    return click.option(
        "-o", "--output", metavar="DIR", type=path, envvar=f"{ENV_PREFIX}OUTPUT", cls=Flag, group=OUTPUT_GROUP, help=meaning,
        callback=_no_empty_folder,
    )  # fmt: skip


def _no_empty_folder(_ctx: click.Context, _param: click.Parameter, value: str | None) -> str | None:
    """Refuse `-o ""`: a variable that a script forgot to set must not mix two crawls."""
    if value == "":
        raise click.BadParameter("the name of the output folder is empty")
    return value


def config_flags(command: Any) -> Any:
    """Add --config and --no-config."""
    command = click.option("--no-config", is_flag=True, cls=Flag, group=OUTPUT_GROUP, help="read no crawler.toml")(command)
    return click.option(
        "--config", "config_file", metavar="FILE", envvar=f"{ENV_PREFIX}CONFIG", cls=Flag, group=OUTPUT_GROUP,
        help="read settings from this file", default_text="the nearest crawler.toml, here or in a folder above",
    )(command)


def voice_flags(command: Any) -> Any:
    """Add -q, -v and --color."""
    for words, more in (
        (("-v", "--verbose"), {"count": True, "help": "tell more; twice tells everything"}),
        (("-q", "--quiet"), {"is_flag": True, "help": "tell of errors only"}),
        (("--color",), {"type": click.Choice(["auto", "always", "never"]), "default": "auto", "help": "when to use colours",
                        "default_text": "auto"}),
    ):
        command = click.option(*words, cls=Flag, group=TELLING, **more)(command)
    return command


def progress_flag(command: Any) -> Any:
    """Add --progress."""
    return click.option(
        "--progress", "style", type=click.Choice(["auto", "line", "plain", "off"]), default="auto", cls=Flag, group=TELLING,
        help="a live line, a plain line a minute, or nothing", default_text="auto: a live line on a terminal",
    )(command)
