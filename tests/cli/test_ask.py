"""Questions to a crawl that really took place: the demo, once for this whole file."""

import io
import json
from pathlib import Path

import pytest

from crawler.archive.reading import BodyMissing, body_path
from crawler.cli import ask
from crawler.cli.main import main


@pytest.fixture(scope="module")
def crawled(tmp_path_factory):
    """Crawl a part of the demo site."""
    folder = tmp_path_factory.mktemp("demo") / "demo"
    assert main(["demo", "-o", str(folder), "-n", "25", "-q"]) == 0
    return folder


@pytest.fixture
def asked(called, crawled):
    """Ask something about it."""
    return lambda *argv: called(*argv, "-o", crawled)


def test_the_demo_crawls_and_asks(called, tmp_path):
    code, out, err = called("demo", "-o", tmp_path / "d", "-n", "10", "--progress", "off")

    assert 0 == code
    assert "Reached your limit of 10 pages" in err
    assert 3 == out.count("\n$ ")
    assert f"query progress -o {tmp_path / 'd'}" in out
    assert "\x1b" not in out


def test_a_demo_never_goes_on_with_another(made):
    from crawler.cli.demo import _fresh

    assert Path("output/demo") == _fresh(Path("output/demo"))
    made(Path("output/demo"))
    made(Path("output/demo-2"))
    assert Path("output/demo-3") == _fresh(Path("output/demo"))


def test_without_a_question_the_named_ones_are_listed(called):
    code, out, _ = called("query")

    assert 0 == code
    assert all(name in out for name in ("errors", "broken-links", "status-codes"))


def test_a_question_has_its_answer_on_standard_output_and_the_count_elsewhere(asked):
    assert (0, "n\n25\n", "1 row\n") == asked("query", "SELECT count(*) AS n FROM pages")
    assert (0, '{"n":25}\n', "1 row\n") == asked("query", "SELECT count(*) AS n FROM pages", "--json")
    code, out, err = asked("query", "SELECT status FROM pages", "--limit", "2", "--csv")
    assert (0, ["status", "200", "200"], "2 rows\n") == (code, out.splitlines(), err)


def test_a_question_may_come_from_standard_input(asked, monkeypatch):
    import io

    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT 1 AS one"))

    assert (0, "one\n1\n", "1 row\n") == asked("query", "-")


@pytest.mark.parametrize(("sql", "code", "said"), [("erorrs", 2, "Try errors"), ("DELETE FROM url", 2, "may only read"), ("SELECT", 2, "")])
def test_a_wrong_question_says_what_would_be_right(asked, sql, code, said):
    got, out, err = asked("query", sql)

    assert (code, "", True) == (got, out, said in err)
    assert err.startswith("error: ")


def test_explain_knows_a_url_or_ends_with_1(asked):
    _, url, _ = asked("query", "SELECT url FROM pages LIMIT 1", "--csv")
    url = url.splitlines()[1]

    code, out, _ = asked("explain", url)
    assert (0, url) == (code, out.splitlines()[0])
    code, out, _ = asked("explain", "https://never.example/")
    assert (1, True) == (code, "never seen" in out)
    assert url == json.loads(asked("explain", url, "--json")[1])["url"]
    assert 2 == asked("explain", "http://")[0]


def test_show_prints_the_stored_body_byte_for_byte(called, crawled):
    _, rows, _ = called("query", "SELECT url, file FROM pages LIMIT 1", "--csv", "-o", crawled)
    url, file = rows.splitlines()[1].split(",")

    code, out, _ = called("show", url, "-o", crawled)
    assert (0, (crawled / file).read_text(encoding="utf-8")) == (code, out)
    assert (0, f"{crawled / file}\n", "") == called("show", url, "--path", "-o", crawled)


def test_show_without_a_body_ends_with_1(asked):
    code, out, err = asked("show", "https://never.example/")

    assert (1, "") == (code, out)
    assert "no body of https://never.example/ is stored" in err


def test_a_database_cannot_lead_out_of_its_folder(crawled):
    for file in ("../../../etc/hostname", "/etc/hostname", "pages/nothing"):
        with pytest.raises(BodyMissing):
            body_path(crawled, file)


def test_a_body_cannot_steer_a_terminal(capsys):
    ask._print_body(io.BytesIO("<p>\x1b[2J \x9b ok\u202e\n".encode() + b"\xff\n"), raw=False)

    assert "<p>\\x1b[2J \\x9b ok\\u202e\n\ufffd\n" == capsys.readouterr().out
