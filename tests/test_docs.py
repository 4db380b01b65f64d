"""The pages of docs/ say what the code says: every command, option, setting, column, event, word and exit code is there."""

from __future__ import annotations

import ast
import importlib
import re
import sqlite3
from functools import cache
from pathlib import Path

import click
import pytest

from crawler.cli import pages
from crawler.cli.options import GROUPS, OPTIONS
from crawler.core import policy
from crawler.core.model import FAULT_MEANINGS, KINDS, STATE_MEANINGS, Fault, Reason
from crawler.fetch import faults
from crawler.hooks import Event, Progress, RunEnded
from crawler.query import facts
from crawler.query.deciding import WORDS as DECIDING
from crawler.query.named import GROUPS as QUESTION_GROUPS
from crawler.query.named import NAMED
from crawler.query.question import names_in
from crawler.query.sketch import Sketch
from crawler.version import __version__

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *DOCS.rglob("*.md")])

FIRST = "python3 -m venv .venv && .venv/bin/pip install -q . && .venv/bin/crawler demo"
SECOND = "python3 -m venv .venv && .venv/bin/pip install -q -e '.[test]' && .venv/bin/python -m pytest"


@cache
def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def section(page: str, heading: str) -> str:
    """Return what stands under a heading, up to the next one of its level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    lines = text_of(page).split("\n")
    start = lines.index(heading) + 1
    end = next((at for at in range(start, len(lines)) if re.match(rf"#{{1,{level}}} ", lines[at])), len(lines))
    return "\n".join(lines[start:end])


def rows(text: str) -> list[list[str]]:
    """Return the cells of every row of every table, heads and rules left out."""
    found: list[list[str]] = []
    for line in text.split("\n"):
        if not line.startswith("|"):
            continue
        if re.fullmatch(r"\|(?: *-+ *\|)+", line):
            found.pop()     # the head is what came just before
            continue
        found.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
    return found


def told(text: str) -> dict[str, list[str]]:
    """Return the rows of the tables of a text by their first word in backticks, or their whole first cell."""
    return {match[1] if (match := re.match(r"`([^`]+)`", row[0])) else row[0]: row[1:] for row in rows(text)}


# --- README -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("mark", "command"), [("first", FIRST), ("second", SECOND)])
def test_the_readme_has_its_commands(mark: str, command: str):
    """They are taken from there and run in a fresh clone, so their form matters."""
    assert f"<!-- {mark} command -->\n```sh\n{command}\n```\n" in text_of("README.md")


def test_the_version_is_that_of_the_package():
    named = set(re.findall(r"(?:steadycrawl/|crawler )(\d+\.\d+\.\d+)", "".join(text_of(str(page.relative_to(ROOT))) for page in PAGES)))

    assert named == {__version__}
    assert f"## {__version__}" in text_of("CHANGELOG.md")


# --- commands and settings ----------------------------------------------------------------------------------------

COMMANDS = "docs/reference/commands.md"


@cache
def command(name: str) -> click.Command:
    module, _, attribute = pages.COMMANDS[name][0].partition(":")
    found: click.Command = getattr(importlib.import_module(module), attribute)
    return found


@pytest.mark.parametrize("name", pages.COMMANDS)
def test_every_command_is_described(name: str):
    text = section(COMMANDS, f"### {name}")
    common = section(COMMANDS, "### Options of all commands but `completion`")
    settings = {flag for option in OPTIONS for flag in option.flags[0].split("/")} | {flag for option in OPTIONS for flag in option.flags}
    inherited = section(COMMANDS, "### crawl") if name == "resume" else ""
    flags = {flag for param in command(name).params if isinstance(param, click.Option) for flag in (*param.opts, *param.secondary_opts)}
    if name in {"crawl", "resume", "config", "plan", "shell"}:
        assert "[settings](#settings)" in text
        flags -= settings

    assert {flag for flag in flags if f"`{flag}`" not in text + common + inherited} == set()
    assert f"| [`{name}`](#{name}) |" in section(COMMANDS, "## Commands")


def test_no_command_is_described_that_there_is_not():
    titles = re.findall(r"^### ([a-z]+)$", section(COMMANDS, "## Commands"), re.MULTILINE)

    assert sorted(titles) == sorted(pages.COMMANDS)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.field)
def test_every_setting_is_described(option):
    """Flags, unit, meaning, default, variable and key, word for word as the program's own help says them."""
    flags, meaning, default, places = next(row for row in rows(section(COMMANDS, "## Settings")) if row[-1].endswith(f"`{option.key}`"))
    named = [flag for spelling in option.flags for flag in spelling.split("/")]
    unit = option.unit.metavar.replace("|", "\\|")

    assert flags == ", ".join(f"`{flag}`" for flag in named) + (f" {unit}" if unit else "")
    assert meaning == option.help + ("" if option.remembered else " (this run only)")
    assert default == option.default_text
    assert places == f"`{option.env}`, `{option.key}`"


def test_settings_stand_in_their_groups():
    titles = re.findall(r"^### (.+)$", section(COMMANDS, "## Settings"), re.MULTILINE)

    assert titles == list(GROUPS)


# --- exit codes ---------------------------------------------------------------------------------------------------


def test_every_exit_code_is_described():
    """The codes of errors are read from the classes; the others from where they are made."""
    codes = {"0", "3", "7", "8", "70", "129", "130", "141", "143"}
    for file in (ROOT / "crawler").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "exit_code" and isinstance(node.value, ast.Constant):
                codes.add(str(node.value.value))

    assert set(told(text_of("docs/reference/exit-codes.md"))) == codes


# --- events -------------------------------------------------------------------------------------------------------


def test_every_event_and_field_is_described():
    page = "docs/reference/events.md"
    unwritten = told(section(page, "## Events that are not written"))
    for event in Event.__args__:
        tag = event.__struct_config__.tag
        fields = event.__struct_fields__
        if event is Progress or event is RunEnded:
            inner = event.__annotations__[fields[0]]
            fields = getattr(importlib.import_module("crawler.core.metrics"), inner).__struct_fields__
        if tag in unwritten:
            assert unwritten[tag][0] == ", ".join(f"`{field}`" for field in fields)
        else:
            assert list(told(section(page, f"## `{tag}`"))) == list(fields), tag


def test_the_fatal_event_is_described():
    from crawler.cli.events import fatal
    from crawler.folder import CrawlError

    fields = re.findall(r'"(\w+)":', fatal(CrawlError("", ""), 1).decode())

    assert [*told(section("docs/reference/events.md", "## `fatal`"))] == [field for field in fields if field not in {"v", "type"}]


# --- faults, reasons, states --------------------------------------------------------------------------------------

WORDS = "docs/reference/faults.md"


def test_every_fault_is_described_in_the_words_of_the_code():
    found = {row[0].strip("`"): row[1] for row in rows(section(WORDS, "## Faults").partition("\n### ")[0])}

    assert found == {fault.value: meaning for fault, meaning in FAULT_MEANINGS.items()}


def test_every_row_from_exceptions_to_faults_is_told_in_order():
    known = {f"`{fault.value}`" for fault in Fault}
    table = [row for row in rows(section(WORDS, "### From the HTTP client's exceptions to faults")) if row[2] in known]
    expected: list[tuple[str, str]] = []
    for kind, applies, fault in faults.FAULTS:
        expected.append((kind.__name__, f"`{fault.value}`"))
        assert (applies is None) == (applies not in {faults._refused, faults._certificate, faults._slow_handshake})
    named = [(name, row[2]) for row in table for name in re.findall(r"`(?:[a-z_]+\.)*([A-Za-z]+)`", row[0])]

    assert named == expected


def test_every_cure_is_told():
    found = {}
    for row in rows(section(WORDS, "### Cures")):
        tries = None if row[1] == "as set" else int(row[1].partition(";")[0])
        found[row[0].strip("`")] = (tries, row[2] or None, row[3] == "yes")
    expected: dict[str, tuple[int | None, str | None, bool]] = {
        str(key): (cure.tries, None if cure.tries == 1 else f"{cure.wait:g}", cure.whole_host) for key, cure in policy.CURES.items()
    }
    expected["any other status of 400 and above"] = (1, None, False)

    assert found == expected


def test_every_reason_is_described():
    assert list(told(section(WORDS, "## Reasons"))) == [reason.value for reason in Reason]


def test_every_state_is_described_in_the_words_of_the_code():
    found = told(section(WORDS, "## States"))

    assert found == {state.name.lower(): [str(int(state)), meaning] for state, meaning in STATE_MEANINGS.items()}


def test_every_kind_is_described():
    assert list(told(section(WORDS, "## Kinds"))) == [kind.value for kind in KINDS]


# --- the database -------------------------------------------------------------------------------------------------


@cache
def database() -> sqlite3.Connection:
    db = sqlite3.connect(":memory:")
    db.executescript((ROOT / "crawler/frontier/schema.sql").read_text(encoding="utf-8"))
    return db


def schema(kind: str) -> dict[str, list[str]]:
    """Return the columns of every table or view, in order, computed ones too."""
    names = [row[0] for row in database().execute("SELECT name FROM sqlite_schema WHERE type = ? AND name NOT LIKE 'sqlite_%'", (kind,))]
    return {name: [row[1] for row in database().execute(f"PRAGMA table_xinfo({name})")] for name in names}


@pytest.mark.parametrize(("kind", "heading"), [("view", "## Views"), ("table", "## Tables")])
def test_every_table_view_and_column_is_described(kind: str, heading: str):
    page = "docs/database.md"
    titles = re.findall(r"^### `(\w+)`$", section(page, heading), re.MULTILINE)
    described = {}
    for title in titles:
        inside = rows(section(page, f"### `{title}`"))
        described[title] = [name for row in inside for name in re.findall(r"`(\w+)`", row[0])]
        assert all(row[1] for row in inside), f"a column of {title} has no meaning"

    assert described == schema(kind)


def test_every_named_query_is_in_the_recipes():
    """With its columns, under the heading of its group."""
    with Sketch() as sketch:
        expected = {query.name: [query.meaning, ", ".join(sketch.answer(query.sql)), query.notes] for query in NAMED}
    for group, names in QUESTION_GROUPS.items():
        found = {row[0].strip("`"): row[1:] for row in rows(section("docs/how-to/query.md", f"### {group}"))}
        assert found == {name: expected[name] for name in names}
    assert sorted(named for row in rows(section("docs/how-to/query.md", "## Named queries")) for named in [row[0].strip("`")]) == sorted(expected)


def test_every_field_of_an_explanation_is_described():
    """Object by object, in order; and every word that decides besides reasons and faults."""
    page = "docs/reference/explain.md"
    objects = {
        "## The explanation": facts.Explanation, "## `decision`": facts.Decision, "## `bounds`": facts.Bounds, "## `known`": facts.Known,
        "## `known.path`": facts.Step, "## `known.attempts`": facts.Attempt, "## `known.redirects`": facts.Hop, "## `known.stored`": facts.Stored,
        "## `known.listed`": facts.Listed, "## `host`": facts.HostFacts, "## `robots`": facts.RobotsFacts,
    }  # fmt: skip
    found = {heading: list(told(section(page, heading))) for heading in objects}

    assert found == {heading: list(struct.__struct_fields__) for heading, struct in objects.items()}
    assert {word: cells[0] for word, cells in told(section(page, "## Words that decide")).items()} == DECIDING



@pytest.mark.parametrize("page", [page for page in PAGES if "```sql" in page.read_text(encoding="utf-8")], ids=lambda page: page.name)
def test_recipes_in_sql_are_understood(page: Path):
    """Each is prepared on an empty database: tables and columns exist and the SQL is right."""
    for recipe in re.findall(r"```sql\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL):
        database().execute(f"EXPLAIN {recipe}", dict.fromkeys(names_in(recipe)))


# --- all pages ----------------------------------------------------------------------------------------------------

OPTION = re.compile(r"(?<![\w-])(--[a-z][a-z-]+)")
FOREIGN = {"--site", "--start", "--python", "--pages", "--port", "--version", "--max"}
FOREIGN |= {"--metadata", "--setting", "--open", "--get", "--nl", "--pk"}
"""Options of other programs that the pages call."""


def test_pages_name_only_options_that_there_are():
    known = {flag for name in pages.COMMANDS for param in command(name).params for flag in (*param.opts, *param.secondary_opts)}
    known |= {"--help"} | FOREIGN
    unknown = {f"{page.name}: {flag}" for page in PAGES for flag in OPTION.findall(page.read_text(encoding="utf-8")) if flag not in known}

    assert unknown == set()


def test_links_between_pages_lead_somewhere():
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if "://" in target:
                continue
            name, _, anchor = target.partition("#")
            there = (page.parent / name).resolve() if name else page
            if not there.exists() or (anchor and anchor not in _anchors(there)):
                broken.append(f"{page.name}: {target}")

    assert broken == []


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


PRIVATE_PATH = re.compile(r"(?<![\w.])/(?:work|root|home|Users|workspace|mnt|opt|private)/\S*|(?<![\w.])~/\S*|[A-Z]:\\Users")


def test_pages_name_no_path_of_one_machine():
    found = [f"{page.name}: {match}" for page in PAGES for match in PRIVATE_PATH.findall(page.read_text(encoding="utf-8"))]

    assert found == []


def test_the_design_names_every_rank():
    """The table of rings in docs/design.md is that of tests/test_layers.py."""
    tree = ast.parse((ROOT / "tests/test_layers.py").read_text(encoding="utf-8"))
    ranks = next(node.value for node in tree.body if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "RANKS")
    sets = [ast.literal_eval(node) for node in ast.walk(ranks) if isinstance(node, ast.Set)]
    table = [re.findall(r"`([\w.]+)`", row[1]) for row in rows(section("docs/design.md", "## Rings"))]

    assert [{"" if name == "__init__" else name for name in row} for row in table] == sets


# --- signals ------------------------------------------------------------------------------------------------------


def test_every_signal_is_described_with_its_event():
    from crawler.hooks import SIGNALS

    found = {}
    for row in rows(text_of("docs/how-to/hooks.md")):
        found |= dict(zip(re.findall(r"`(\w+)`", row[0]), re.findall(r"`(\w+)`", row[1]), strict=True))

    assert {name: event.__struct_config__.tag for event, name in SIGNALS.items()} == found
