"""The recipes of docs/how-to/friends.md, run as they stand there beside a crawl that has written and not tidied up.

Programs that are not installed are skipped, by name. All of them:
pip install datasette sqlite-utils pandas pyarrow duckdb==1.5.5 duckdb-extension-sqlite-scanner==1.5.5
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/how-to/friends.md").read_text(encoding="utf-8")
PROGRAMS = {"sqlite3", "datasette", "sqlite-utils"}
PACKAGES = {"pandas", "duckdb", "pyarrow", "duckdb_extension_sqlite_scanner"}
COMMIT = 1_999_999_999_999
"""The moment of a sample that is only in the write-ahead log."""
BROKEN = """UPDATE fetch SET status = 404 WHERE fetch_id =
  (SELECT fetch_id FROM url JOIN link ON dst_id = url_id WHERE src_id <> dst_id AND page_id IS NOT NULL LIMIT 1)"""
"""So that there is an error and a broken link, whatever the few pages were."""


def recipes() -> list[tuple[str, str, str]]:
    """Return section, language and text of every block."""
    found = []
    for section in PAGE.split("\n## ")[1:]:
        found += [(section.partition("\n")[0], *block) for block in re.findall(r"```(sh|python)\n(.*?)```", section, re.DOTALL)]
    return found


def name(recipe: tuple[str, str, str]) -> str:
    at = [each for each in recipes() if each[0] == recipe[0]].index(recipe)
    return f"{recipe[0]}-{at + 1}"


def is_there(what: str) -> bool:
    if what in PROGRAMS:
        return shutil.which(what, path=PATH) is not None
    return importlib.util.find_spec(what) is not None


PATH = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])


def needs(*wanted: str) -> None:
    if missing := [each for each in wanted if not is_there(each)]:
        pytest.skip(f"not installed: {', '.join(missing)}; see the top of this file")


def needed(language: str, text: str) -> list[str]:
    """Return what a recipe calls."""
    if language == "python":
        wanted = {each for each in PACKAGES if re.search(rf"\b{each}\b", text)}
    else:
        wanted = {each for each in PROGRAMS if re.search(rf"(^|\| |^  ){each}\b(?!-)", text, re.MULTILINE)}
    return sorted(wanted | ({"pyarrow"} if "parquet" in text else set()))


@pytest.fixture(scope="module")
def beside(place, tmp_path_factory):
    """Return a folder with a copy of the crawl and a writer beside it, which holds a commit in the log."""
    folder = tmp_path_factory.mktemp("beside")
    shutil.copytree(place / "output/demo", folder / "output/demo")
    (folder / "docs").symlink_to(ROOT / "docs")
    (folder / "bin").mkdir()
    crawler = folder / "bin/crawler"
    crawler.write_text(f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} -m crawler "$@"\n', encoding="utf-8")
    crawler.chmod(0o755)
    with closing(sqlite3.connect(folder / "output/demo/crawl.db")) as writer:
        writer.execute("PRAGMA wal_autocheckpoint = 0")
        writer.execute("INSERT INTO sample SELECT ?, run_id, 1, 2, 3, 4, 5, 6, 7 FROM run", (COMMIT,))
        writer.execute(BROKEN)
        writer.commit()
        yield folder


@pytest.fixture
def run(beside):
    """Run a recipe; the database under the log must stay as it is, byte for byte."""

    def run(language: str, text: str) -> str:
        database = beside / "output/demo/crawl.db"
        before = hashlib.sha256(database.read_bytes()).digest()
        words = [sys.executable, "-W", "error::UserWarning", "-c", text] if language == "python" else ["sh", "-euc", text]
        env = {**os.environ, "PATH": f"{beside / 'bin'}{os.pathsep}{PATH}"}
        done = subprocess.run(words, cwd=beside, env=env, capture_output=True, text=True, timeout=60, check=False)
        assert 0 == done.returncode, done.stderr
        assert before == hashlib.sha256(database.read_bytes()).digest()
        assert (beside / "output/demo/crawl.db-wal").stat().st_size > 0
        return done.stdout

    return run


def asked(beside: Path, sql: str) -> list[tuple]:
    with closing(sqlite3.connect(f"file:{beside}/output/demo/crawl.db?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()


@pytest.mark.parametrize("recipe", recipes(), ids=name)
def test_a_recipe_works_beside_a_crawl_that_writes(recipe, run, beside):
    _, language, text = recipe
    needs(*needed(language, text))

    out = run(language, text.replace("--open", "--get /"))
    files = [word for word in re.findall(r"(?:> |--to |\.once )(\S+)", text) if (beside / word).suffix]
    assert out or files
    assert [] == [file for file in files if not (beside / file).stat().st_size]


def test_every_section_of_the_page_has_recipes():
    assert ["sqlite3", "Datasette", "sqlite-utils", "pandas", "DuckDB"] == list(dict.fromkeys(section for section, _, _ in recipes()))


def test_sqlite3_sees_what_is_committed_and_writes_whole_files(run, beside):
    needs("sqlite3")
    run("sh", recipes()[1][2])

    assert f"{COMMIT}\n" == run("sh", "sqlite3 -readonly output/demo/crawl.db 'SELECT max(at) FROM sample'")
    assert asked(beside, "SELECT count(*) FROM errors") == [(len(json.loads((beside / "errors.json").read_text())),)]


def test_datasette_sees_what_is_committed_but_not_when_told_that_nothing_changes(run):
    needs("datasette")
    question = "crawl.db --get '/crawl.json?sql=select+max(at)+as+at+from+sample&_shape=arrayfirst'"

    assert [COMMIT] == json.loads(run("sh", f"datasette output/demo/{question}"))
    assert [COMMIT] > json.loads(run("sh", f"datasette -i output/demo/{question}"))


DATASETTE = """
import asyncio, json, sys
from datasette.app import Datasette

async def ask(names):
    meta = json.load(open("docs/datasette.json"))
    shut = {"default_allow_sql": False, "allow_download": False}
    opened = Datasette(["output/demo/crawl.db"], metadata=meta, settings=shut)
    await opened.invoke_startup()
    found = meta["databases"]["crawl"]
    pages = [*(f"/crawl/{name}" for name in names), *(f"/crawl/{name}" for name in found["queries"]), "/crawl"]
    pages += ["/crawl/url?_labels=off", "/crawl/fetch?_labels=off", "/crawl/link?_labels=off"]
    shut = ["/crawl/meta", "/crawl/cookie", "/crawl.json?sql=select+1", "/crawl.db"]
    print(json.dumps([{page: code for page in group if (code := (await opened.client.get(page)).status_code) != wanted}
        for group, wanted in ((pages, 200), (shut, 403))]))

asyncio.run(ask(sys.argv[1:] or json.loads(NAMES)))
"""


def test_datasette_shows_every_view_and_named_query_and_closes_what_is_secret(run, beside):
    needs("datasette")
    views = [row[0] for row in asked(beside, "SELECT name FROM sqlite_schema WHERE type = 'view'")]

    out = run("python", f"NAMES = {json.dumps(views)!r}\n{DATASETTE}")
    assert [{}, {}] == json.loads(out.splitlines()[-1])


def test_sqlite_utils_would_tidy_up_and_so_gets_a_copy():
    """It opens what it reads for writing: no recipe gives it the crawl itself."""
    given = [text for section, _, text in recipes() if section == "sqlite-utils"]

    assert given
    assert not any(re.search(r"sqlite-utils[^|\n]*output/demo", text) for text in given)


def test_tables_of_other_programs_have_all_pages(run, beside):
    needs("duckdb", "pandas", "pyarrow", "duckdb_extension_sqlite_scanner")
    expected = asked(beside, "SELECT count(*), sum(bytes) FROM pages")
    attach = next(text for section, _, text in recipes() if section == "DuckDB" and "ATTACH" in text).partition("\npages =")[0]
    run("sh", next(text for section, _, text in recipes() if section == "DuckDB").replace("--to", "--force --to"))

    for source in ("'pages.parquet'", "'pages.csv'", "sqlite_query('crawl', 'SELECT * FROM pages')"):
        out = run("python", f'{attach}\nprint(db.sql("SELECT count(*), sum(bytes::BIGINT)::BIGINT FROM {source}").fetchall())')
        assert f"{expected}\n" == out
