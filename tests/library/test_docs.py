"""The code of docs/how-to/library.md is run, block after block, as a notebook would run it."""

from __future__ import annotations

import ast
import inspect
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs/how-to/library.md"
BLOCKS = re.findall(r"```python\n(.*?)```(?:\n\n```\n(.*?)```)?", PAGE.read_text(encoding="utf-8"), re.DOTALL)
QUICK = "delay=0, parsers=1, min_free=0, "


async def test_the_code_of_the_page_runs(site, capsys):
    """`example.org` is the test's own site, and is not waited for; output that the page shows is what is printed."""
    names: dict[str, object] = {}
    told = []
    for source, shown in BLOCKS:
        if "import pandas" in source:
            continue
        await run(source, site, names)
        told.append(capsys.readouterr().out)
        assert shown in (told[-1], "")

    assert {f"{site.url}page/{number}": 5 for number in range(30)} | {site.url: 31} == names["words"]
    assert f"finished 31 pages\n{site.url} 31 words\n" == told[0]
    assert 31 == len(told[1].splitlines())
    assert "stopped\n" in told


@pytest.mark.skipif(find_spec("pandas") is None, reason="pandas is not installed: its recipe is NOT tested here")
async def test_the_recipe_for_pandas_runs(site):
    names: dict[str, object] = {}
    for source, _ in BLOCKS:
        if 'output/example")\n' in source or "import pandas" in source:
            await run(source, site, names)

    frame = names["frame"]
    assert 31 == len(frame)
    assert ["Start"] == list(frame[frame.depth == 0].title)
    assert {True} == set(frame.text.str.startswith("<title>"))


async def run(source: str, site, names: dict[str, object]) -> None:
    """Run one cell."""
    source = source.replace("https://example.org/", site.url).replace("delay=0.5", "delay=0").replace('"200ms"', "0")
    if "**" not in source:
        source = re.sub(r"output=(\"output/[a-z]+\")(?=[,)])", rf"{QUICK}output=\1", source)
    compiled = compile(source, str(PAGE), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    answer = eval(compiled, names)
    if inspect.isawaitable(answer):
        await answer
