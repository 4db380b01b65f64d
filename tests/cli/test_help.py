"""Help pages teach: examples first, every option with its meaning, and nothing heavy is loaded for them."""

import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

import crawler
from crawler.cli.main import commands
from crawler.cli.options import OPTIONS
from crawler.cli.pages import COMMANDS, Flag, Lesson

ENVIRON = {**os.environ, "PYTHONPATH": str(Path(crawler.__file__).parent.parent)}
HEAVY = ("aiohttp", "bs4", "lxml", "rich", "selectolax", "publicsuffixlist", "crawler.engine")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches(name, called):
    code, out, _ = called(name, "--help")

    assert 0 == code
    assert out.index("Examples:") < out.index("Options" if "\nOptions:" in out else "--help")
    command = commands.get_command(click.Context(commands), name)
    assert isinstance(command, Lesson)
    assert command.examples
    assert all(param.help for param in command.params if isinstance(param, click.Option))
    assert all(isinstance(param, Flag | click.Argument) or param.name == "offline" for param in command.params)


@pytest.mark.parametrize("name", ["crawl", "resume", "config"])
def test_every_setting_stands_on_the_page_with_its_default(name, called):
    _, out, _ = called(name, "--help")
    flat = " ".join(out.split())

    for option in OPTIONS:
        assert all(flag in out for words in option.flags for flag in words.split("/")), option.field
        assert " ".join(f"[default: {option.default_text}]".split()) in flat, option.field


def test_the_overview_names_every_command(called):
    code, out, _ = called("--help")

    assert 0 == code
    assert all(f"\n  {name} " in out for name in COMMANDS)
    assert out.index("Examples:") < out.index("Commands:")


@pytest.mark.parametrize("argv", [["--help"], ["crawl", "--help"], ["status"], ["query", "errors"], ["explain", "https://a.example/"]])
def test_nothing_heavy_is_loaded_for_a_question(argv):
    script = (
        "import sys; from crawler.cli.main import main; code = main(sys.argv[1:]); "
        f"print([name for name in {HEAVY!r} if name in sys.modules], code, file=sys.stderr)"
    )

    done = subprocess.run([sys.executable, "-c", script, *argv], capture_output=True, text=True, check=True, env=ENVIRON)

    assert done.stderr.splitlines()[-1].startswith("[] ")


def test_the_version(called):
    from crawler import __version__

    assert (0, f"crawler {__version__}\n", "") == called("--version")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_completion_script_is_printed(shell, called):
    code, out, _ = called("completion", shell)

    assert (0, True) == (code, "_CRAWLER_COMPLETE" in out)
