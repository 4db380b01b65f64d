"""What is never right in the code of this package, and, printed only, what is larger than we like it."""

from __future__ import annotations

import ast
import re
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "crawler"
LONG_MODULE, LONG_FUNCTION, MANY_PARAMETERS, LONG_ALL = 300, 40, 5, 15

Function = ast.FunctionDef | ast.AsyncFunctionDef

IGNORE = re.compile(r"type:\s*ignore(?P<code>\[[a-z, -]+\])?(?P<reason>\s+#\s*\S.*)?")
NOQA = re.compile(r"noqa(?P<code>:\s*[A-Z]+[0-9]+(?:,\s*[A-Z]+[0-9]+)*)?(?P<reason>\s+(?:-|#)\s*\S.*)?", re.IGNORECASE)


@cache
def sources() -> dict[str, tuple[str, ast.Module]]:
    """Return every file of the package: its text and its tree."""
    found = {}
    for file in sorted(PACKAGE.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        found[str(file.relative_to(PACKAGE.parent))] = text, ast.parse(text)
    return found


@cache
def comments() -> dict[str, dict[int, str]]:
    """Return every comment of every file, by line."""
    found = {}
    for name in sources():
        with tokenize.open(PACKAGE.parent / name) as file:
            tokens = tokenize.generate_tokens(file.readline)
            found[name] = {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}
    return found


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def parameters(function: Function) -> list[ast.arg]:
    every = function.args
    named = [*every.posonlyargs, *every.args, *every.kwonlyargs]
    return named + [one for one in (every.vararg, every.kwarg) if one is not None]


def test_every_function_says_its_types():
    wrong = [
        f"{name}:{function.lineno} {function.name}"
        for name, (_, tree) in sources().items()
        for function in functions(tree)
        if function.returns is None
        or any(one.annotation is None for one in parameters(function) if one.arg not in {"self", "cls"})
    ]

    assert wrong == []


def test_the_core_has_no_any():
    wrong = [
        f"{name}:{node.lineno}"
        for name, (_, tree) in sources().items()
        if name.startswith("crawler/core/")
        for node in ast.walk(tree)
        if (isinstance(node, ast.Name) and node.id == "Any") or (isinstance(node, ast.Attribute) and node.attr == "Any")
    ]

    assert wrong == []


def test_imports_on_first_use_have_a_reason_beside_them():
    """Outside `cli` and `__init__`, where it is the rule, an import inside a function says why it is there."""
    wrong = []
    for name, (_, tree) in sources().items():
        if name.startswith("crawler/cli/") or name.endswith("__init__.py"):
            continue
        said = comments()[name]
        for function in functions(tree):
            lazy = (node.lineno for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom))
            wrong += [f"{name}:{line}" for line in lazy if not {line, line - 1} & said.keys()]

    assert wrong == []


def test_what_is_hidden_from_the_checkers_has_a_code_and_a_reason():
    wrong = []
    for name, by_line in comments().items():
        for line, comment in by_line.items():
            for pattern in (IGNORE, NOQA):
                match = pattern.search(comment)
                if match is not None and not (match["code"] and match["reason"]):
                    wrong.append(f"{name}:{line} {comment}")

    assert wrong == []


def _is_protocol(node: ast.ClassDef) -> bool:
    return any("Protocol" in ast.unparse(base) for base in node.bases)


def _undocumented(body: list[ast.stmt], inside: str = "") -> Iterator[str]:
    for node in body:
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("_"):
            continue
        decorators = {ast.unparse(decorator) for decorator in node.decorator_list}
        overloaded = decorators & {"overload", "typing.overload"} or any(decorator.endswith(".setter") for decorator in decorators)
        if ast.get_docstring(node) is None and not overloaded:
            yield f"{node.lineno} {inside}{node.name}"
        if isinstance(node, ast.ClassDef) and not _is_protocol(node):
            yield from _undocumented(node.body, f"{inside}{node.name}.")


def test_everything_public_is_described():
    wrong = [f"{name}:1 module" for name, (_, tree) in sources().items() if ast.get_docstring(tree) is None]
    wrong += [f"{name}:{found}" for name, (_, tree) in sources().items() for found in _undocumented(tree.body)]

    assert wrong == []


def _outliers(name: str, text: str, tree: ast.Module) -> Iterator[str]:
    lines = text.count("\n") + 1
    if lines > LONG_MODULE:
        yield f"{name}: {lines} lines"
    for function in functions(tree):
        long = (function.end_lineno or function.lineno) - function.lineno + 1
        many = sum(one.arg not in {"self", "cls"} for one in parameters(function))
        if long > LONG_FUNCTION:
            yield f"{name}:{function.lineno} {function.name}: {long} lines"
        if many > MANY_PARAMETERS:
            yield f"{name}:{function.lineno} {function.name}: {many} parameters"
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__" and isinstance(node.value, ast.List):
            public = len(node.value.elts)
            if public > LONG_ALL:
                yield f"{name}: {public} public names"


def test_outliers_of_size_are_printed():
    """Aims, not limits: `pytest -s -n 0 tests/test_shape.py` shows them."""
    found = [line for name, (text, tree) in sources().items() for line in _outliers(name, text, tree)]

    print("", *found, sep="\n")  # noqa: T201 - this is all it does
    assert sources()
