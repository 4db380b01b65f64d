"""The rings of docs/design.md: a module imports lower ranks only, and the core knows nothing of the world."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "crawler"

RANKS: tuple[frozenset[str], ...] = tuple(
    map(
        frozenset,
        (
            {
                "core.model", "core.secrets", "core.simhash", "core.srcset", "core.css", "core.surt", "core.tracking", "core.gunzip", "core.traps", "version",
                "text", "words",
            },
            {
                "core.settings", "core.likeness", "core.revisits", "core.manifest", "core.headers", "core.tokens",
                "core.calendar", "core.pace",
            },
            {"core.urls", "core.encodings", "core.excerpts"},
            {"core.robots", "core.targets", "core.folds", "core.documents", "core.patterns", "core.markup", "core.soup", "core.whole"},
            {"core.page", "core.xhtml", "core.sitemap", "core.feeds"},
            {"core.scope", "core.policy", "core.outage", "core.parse", "core.metrics"},
            {"core.inhand", "core.seeds"},
            {"core.schedule"},
            {"core.forecast", "clock", "hooks", "folder", "finishing", "children", "signals", "trying"},
            {"fetch", "parsing", "archive", "frontier"},
            {"engine"},
            {"query", "demo", "control"},
            {"checking", "report", "export"},
            {"backup"},
            {"dashboard"},
            {"cli"},
            {"library"},
            {"__main__", ""},
        ),
    )
)
"""Lowest first; the empty name is the package's own `__init__`. `core` itself is empty and may be imported by anyone."""

FORBIDDEN_IN_CORE = frozenset(
    {"asyncio", "aiohttp", "aiofiles", "aiosqlite", "sqlite3", "socket", "time", "random", "os", "pathlib", "logging"}
)

# Importing the package itself adds no dependency: its `__init__` has always run already, and it imports `version` alone.
PACKAGE_ITSELF = "crawler"


@cache
def modules() -> dict[str, Path]:
    """Return every module of the package with its file."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        name = ".".join(("crawler", *file.relative_to(PACKAGE).with_suffix("").parts))
        found[name.removesuffix(".__init__")] = file
    return found


def unit_of(module: str) -> str:
    """Return what has a rank: a module of the core, another package, or a module at the top."""
    parts = module.split(".")[1:]
    return ".".join(parts[:2]) if parts[:1] == ["core"] else ".".join(parts[:1])


def rank_of(unit: str) -> int:
    """Return the rank of a unit; a new one has to be given its place in RANKS."""
    found = [rank for rank, units in enumerate(RANKS) if unit in units]
    assert len(found) == 1, f"{unit or 'crawler'} needs exactly one place in RANKS"
    return found[0]


def imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield (line, module) for every import, those in functions too; those for type checkers only are left out."""
    unseen = {inner for node in ast.walk(tree) if _for_types_only(node) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if node in unseen:
            continue
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield node.lineno, inner if inner in modules() else node.module


def _for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in {"TYPE_CHECKING", "typing.TYPE_CHECKING"}


@cache
def edges() -> dict[str, list[tuple[int, str]]]:
    """Return for each module what it imports of this package: (line, module)."""
    return {
        name: [(line, target) for line, target in imports(ast.parse(file.read_text(encoding="utf-8"))) if target.split(".")[0] == "crawler"]
        for name, file in modules().items()
    }


def test_every_module_has_its_rank():
    units = {unit_of(name) for name in modules()} - {"core"}

    assert units == set().union(*RANKS)


def test_imports_go_to_lower_ranks_only():
    wrong = []
    for name, targets in edges().items():
        here = unit_of(name)
        for line, target in targets:
            there = unit_of(target)
            if there in {here, "core"} or target == PACKAGE_ITSELF:
                continue
            if here == "core" or rank_of(there) >= rank_of(here):
                wrong.append(f"{name}, line {line}: imports {target}")

    assert wrong == []


def test_the_package_itself_imports_only_its_version():
    assert [target for _, target in edges()["crawler"]] == ["crawler.version"]


def test_there_is_no_circle_of_imports():
    todo = {name: {target for _, target in targets} - {name, PACKAGE_ITSELF} for name, targets in edges().items()}
    while free := {name for name, targets in todo.items() if not targets & todo.keys()}:
        todo = {name: targets for name, targets in todo.items() if name not in free}

    assert todo == {}


def test_the_core_knows_nothing_of_the_world():
    wrong = [
        f"{name}, line {line}: imports {target}"
        for name, file in modules().items()
        if name.startswith("crawler.core")
        for line, target in imports(ast.parse(file.read_text(encoding="utf-8")))
        if target.split(".")[0] in FORBIDDEN_IN_CORE
    ]

    assert wrong == []


FRESH = """
import importlib, sys
kept = set(sys.modules)
for name in sys.argv[1:]:
    for loaded in set(sys.modules) - kept:
        if loaded.split(".")[0] == "crawler":
            del sys.modules[loaded]
    importlib.import_module(name)
"""


def test_every_module_can_be_the_first_to_be_imported():
    """One interpreter that forgets this package before each module: as strict as one process a module, and much faster."""
    names = [name for name in modules() if name != "crawler.__main__"]
    done = subprocess.run([sys.executable, "-c", FRESH, *names], cwd=PACKAGE.parent, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("name", ["crawler.cli.main", "crawler.core.settings"])
def test_what_starts_first_loads_nothing_heavy(name: str):
    """`--help` answers at once: no HTTP client, no HTML parser, no database driver before they are needed."""
    code = f"import sys, {name}; print(*sorted({{'aiohttp', 'bs4', 'lxml', 'selectolax', 'aiosqlite', 'rich'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=PACKAGE.parent, capture_output=True, text=True, check=True)

    assert done.stdout.strip() == ""
