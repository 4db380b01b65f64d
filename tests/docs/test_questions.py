"""Every command of docs/how-to/questions.md answers, within a second."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from crawler.cli import pages
from crawler.cli.main import main
from crawler.query.reader import Reader

PAGE = Path(__file__).parents[2] / "docs/how-to/questions.md"
GUIDE, HOST = "https://example.org/guide", "example.org"
NOT_AT_REST = {"control": 1, "diff": 2}
"""What has no answer here, and says so: no crawl runs, and there is one run only."""
SILENT = {"retry", "backup"}
"""What tells people on standard error what it does, and has no data."""


def answers() -> list[tuple[str, str]]:
    """Return question and command, as they stand on the page."""
    found = []
    for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        for entry in block.strip().split("\n\n"):
            question, *commands = entry.split("\n")
            assert question.startswith("# ")
            assert commands
            found += [(question.removeprefix("# "), command) for command in commands]
    return found


ANSWERS = answers()
RUN = [command for _, command in ANSWERS]


def test_there_are_questions_enough_and_each_is_asked_once():
    questions = {question for question, _ in ANSWERS}

    assert len(questions) >= 45
    assert len(RUN) == len(set(RUN)) + 1    # explain answers an archivist and a researcher
    assert {question for question in questions if not question.endswith("?") and "so that" not in question} == set()


@pytest.fixture
def asked(place, monkeypatch, capfdbinary):
    """Ask a command of the page, about a page and a host that this crawl knows."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "100")
    with Reader.open("output/demo") as reader:
        guide, host = reader.one("SELECT url, host FROM pages WHERE depth = 2 AND mime = 'text/html'")

    def ask(command: str) -> tuple[int, str, str]:
        program, *words = shlex.split(command.replace(GUIDE, guide).replace(HOST, host))
        assert program == "crawler"
        more = ["--timeout", "1"] if words[0] == "query" else []
        code = main([*words, *more])
        out, err = capfdbinary.readouterr()
        return code, out.decode(), err.decode()

    return ask


@pytest.mark.parametrize("command", RUN, ids=lambda command: command.removeprefix("crawler ")[:50])
def test_the_answer_is_there(command, asked):
    """Queries may take a second at most: --timeout stops them."""
    verb = command.split()[1]
    assert verb in pages.COMMANDS

    code, out, err = asked(command)
    assert NOT_AT_REST.get(verb, 0) == code, err
    if verb not in NOT_AT_REST and verb not in SILENT:
        assert out


def test_most_questions_have_an_answer_even_in_a_small_crawl(asked):
    """A column without rows is an answer too, but a page of such would not be tested at all."""
    queries = [command for command in RUN if command.startswith("crawler query ")]
    rows = [asked(command)[1].count("\n") - 1 for command in queries]

    assert sum(count > 0 for count in rows) > len(rows) / 2
