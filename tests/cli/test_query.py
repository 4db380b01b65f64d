"""Questions with names, with values, and of one's own, asked through the command."""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from crawler.query import named

BIG = "-- name: big\n-- pages of more than so many bytes\n-- param: least = 5 bytes\nSELECT :least AS least, url FROM seeds;\n"


@pytest.fixture
def crawl(made):
    return made(Path("output/docs"))


@pytest.fixture
def asked(called, crawl):
    return lambda *argv: called("query", *argv, "-o", crawl)


# --- what there is ------------------------------------------------------------------------------------------------


def test_the_list_tells_of_each_question_its_columns_and_its_values(called):
    code, out, _ = called("query", "--list")

    assert 0 == code
    assert set(named.names()) <= {line.strip().partition(":")[0] for line in out.splitlines()}
    assert "  redirects: URLs that send elsewhere\n    columns: url, status, target, target_state\n" in out
    assert "    --param status=...  the HTTP status (default 404)\n" in out
    assert "    --param url=...  the URL, as the view urls shows it (must be given)\n" in out
    assert all(len(line) <= 140 for line in out.splitlines())


def test_the_list_of_one_question_is_that_one(called):
    code, out, _ = called("query", "noindex", "--list")

    assert (0, "Search engines:\n  noindex: pages that ask not to be indexed\n    columns: url, title\n") == (code, out)


def test_the_list_is_there_for_programs(called):
    code, out, _ = called("query", "--list", "--json")
    told = {each["name"]: each for each in map(json.loads, out.splitlines())}

    assert (0, set(named.names())) == (code, set(told))
    assert ["url", "status", "at", "linked_from"] == told["urls-with-status"]["columns"]
    assert [{"name": "status", "default": "404", "meaning": "the HTTP status"}] == told["urls-with-status"]["parameters"]


def test_a_question_that_there_is_not_is_told_with_the_nearest(called):
    for flag in ("--list", "--sql"):
        code, out, err = called("query", "nonidex", flag)
        assert (2, "", True) == (code, out, "Try noindex" in err)


def test_the_sql_of_a_question_needs_no_crawl_and_runs_as_it_is(called, crawl):
    import sqlite3

    for name in ("errors", "long-titles", "hosts"):
        code, sql, _ = called("query", name, "--sql")
        assert 0 == code
        with sqlite3.connect(f"file:{crawl}/crawl.db?mode=ro", uri=True) as db:
            db.execute(sql, {"length": None} if ":length" in sql else {})
        db.close()


# --- values -------------------------------------------------------------------------------------------------------


def test_values_are_bound_as_numbers_or_text(asked):
    assert "integer\ttext\treal\ttext\n" == asked(
        "SELECT typeof(:a), typeof(:b), typeof(:c), typeof(:d)", "--param", "a=-7", "--param", "b=007", "--param", ":c=1.5", "--param", "d="
    )[1].splitlines(keepends=True)[1]
    hostile = "'; DELETE FROM url; --"
    assert f'{{"x":"{hostile}"}}\n' == asked("SELECT :x AS x", "--param", f"x={hostile}", "--json")[1]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("SELECT :x", "--param", "y=1"), "the query has no parameter y\nTry --param x=...."),
        (("SELECT 1", "--param", "y=1"), "the query has no parameter y\nTry it without --param."),
        (("SELECT :x, ':z' -- :w",), "the query needs a value for x\nTry --param x=...."),
        (("links-to",), "the query needs a value for url\nTry --param url=...."),
        (("SELECT ?",), "the query has a ? for a value, which has no name\nTry :name in its place, and --param name=value."),
        (("SELECT :x", "--param", "x"), "a parameter is written name=value, got 'x'\nTry --param status=404."),
        (("SELECT :x", "--param", "x=1", "--param", "x=2"), "the parameter x is given twice\nTry it once."),
        (("long-titles", "--param", "lenght=9"), "the query has no parameter lenght\nTry --param length=...."),
    ],
    ids=range(8),
)
def test_values_that_are_missing_or_wrong_are_told(asked, argv, said):
    assert (2, "", f"error: {said}\n") == asked(*argv)


# --- of one's own -------------------------------------------------------------------------------------------------


def test_questions_of_ones_own_come_from_a_file(asked):
    Path("mine.sql").write_text(BIG, encoding="utf-8")

    assert "5\thttps://a.example/" == asked("big", "--queries", "mine.sql")[1].splitlines()[1]
    assert "9\thttps://a.example/" == asked("BIG", "--queries", "mine.sql", "--param", "least=9")[1].splitlines()[1]
    assert "SELECT :least AS least, url FROM seeds\n" == asked("big", "--queries", "mine.sql", "--sql")[1]
    out = asked("big", "--queries", "mine.sql", "--list")[1]
    assert out == (
        "Your own:\n  big: pages of more than so many bytes\n    columns: least, url\n    --param least=...  bytes (default 5)\n"
    )


@pytest.mark.parametrize("place", ["queries", "output/docs/queries"])
def test_questions_of_ones_own_that_lie_in_their_folder_need_not_be_named(called, crawl, place):
    Path(place).mkdir(exist_ok=True)
    (Path(place) / "a.sql").write_text(BIG, encoding="utf-8")

    code, out, _ = called("query", "big")
    assert (0, "5\thttps://a.example/") == (code, out.splitlines()[1])
    assert "big" in called("query")[1]


def test_they_lie_beside_crawler_toml_where_there_is_one(called, crawl, monkeypatch):
    Path("crawler.toml").touch()
    Path("queries").mkdir()
    Path("queries/a.sql").write_text(BIG, encoding="utf-8")
    Path("deep/down").mkdir(parents=True)
    monkeypatch.chdir("deep/down")

    assert 0 == called("query", "big", "-o", Path("../../output/docs"))[0]


def test_a_bad_file_that_lies_there_keeps_nobody_from_other_questions(called, crawl):
    Path("queries").mkdir()
    Path("queries/bad.sql").write_text("SELECT 1", encoding="utf-8")

    assert 0 == called("query", "seeds")[0]
    code, out, err = called("query")
    assert (0, True, "left out: queries/bad.sql, line 1: a query without a name\n") == (code, "errors" in out, err)
    code, _, err = called("query", "unknown-one")
    assert (2, "error: queries/bad.sql, line 1: a query without a name\nTry a line '-- name: some-name' before each query.\n") == (code, err)


def test_a_file_that_is_named_has_to_be_good(asked):
    assert (2, "", "error: cannot read none.sql: no such file or directory\nTry another --queries.\n") == asked("seeds", "--queries", "none.sql")


def test_what_lies_there_can_only_read(called, crawl):
    Path("queries").mkdir()
    Path("queries/a.sql").write_text("-- name: evil\nATTACH 'x.db' AS x;\n-- name: worse\nDELETE FROM url;\n-- name: worst\nSELECT load_extension('x');\n",
                                        encoding="utf-8")

    for name, word in (("evil", "ATTACH"), ("worse", "DELETE"), ("worst", "the function load_extension()")):
        code, out, err = called("query", name)
        assert (2, "", True) == (code, out, f"{word} is refused: a query may only read" in err)
    assert 3 == called("query", "--list")[1].count("    cannot be asked: ")
    assert not Path("x.db").exists()


# --- hostile ------------------------------------------------------------------------------------------------------

HOSTILE = (
    "ATTACH '(scratch)' AS s",
    "VACUUM INTO 'copy.db'",
    "PRAGMA query_only = 0",
    "PRAGMA journal_mode = DELETE",
    "SELECT length(randomblob(900000000))",
    "SELECT load_extension('x')",
    "SELECT writefile('x', 'y')",
    "CREATE TABLE x (y)",
    "SELECT 1; DELETE FROM url",
    "BEGIN IMMEDIATE",
    "REINDEX",
    "SELECT " + "1+" * 600_000 + "1",
)


@pytest.mark.parametrize("sql", HOSTILE, ids=lambda sql: sql[:30])
def test_hostile_statements_are_refused_by_the_command_too(asked, crawl, monkeypatch, sql):
    """Also from standard input; no file is made, and no byte of the crawl changes."""
    before = (crawl / "crawl.db").read_bytes()
    monkeypatch.setattr("sys.stdin", io.StringIO(sql))
    files = {path for path in Path().rglob("*") if not path.name.endswith(("-shm", "-wal"))}

    code, out, err = asked("-")
    assert (2, "") == (code, out)
    assert err.startswith("error: ")
    assert before == (crawl / "crawl.db").read_bytes()
    assert files == {path for path in Path().rglob("*") if not path.name.endswith(("-shm", "-wal"))}


def test_a_query_without_end_ends_at_its_time_limit(asked):
    endless = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c"

    code, out, err = asked(endless, "--timeout", "0.1")
    assert (1, "", True) == (code, out, "took longer than 0.1 s" in err)


def test_a_query_is_cancelled_by_ctrl_c(crawl):
    """It ends at once, with the code of the signal and without a traceback."""
    endless = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"
    argv = [sys.executable, "-m", "crawler", "query", endless, "-o", str(crawl), "--tsv"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()       # it has begun
        process.send_signal(signal.SIGINT)
        draining = threading.Thread(target=process.stdout.read)
        draining.start()
        began = time.monotonic()
        assert 130 == process.wait(timeout=20)
        assert time.monotonic() - began < 10
        draining.join()
        assert b"Traceback" not in process.stderr.read()
