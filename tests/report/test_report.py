"""The report of a crawl that really took place, and of one in which every text is hostile."""

from __future__ import annotations

import re
import shutil
import sqlite3
import subprocess
import tomllib
from contextlib import closing
from pathlib import Path

import lxml.html
import pytest

from crawler.cli.main import main
from crawler.folder import held
from crawler.report import charts
from crawler.report.problems import PROBLEMS, cell_of, quoted

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)
@pytest.fixture
def crawl(demo_crawl, tmp_path):
    return Path(shutil.copytree(demo_crawl, tmp_path / "crawl"))


@pytest.fixture
def called(capfd):
    def call(*argv):
        code = main([str(word) for word in argv])
        return code, *capfd.readouterr()

    return call


@pytest.fixture(scope="module")
def page(demo_crawl, tmp_path_factory):
    """Return the report of it, parsed."""
    file = tmp_path_factory.mktemp("report") / "report.html"
    assert main(["report", "--to", str(file), "-o", str(demo_crawl), "-q"]) == 0
    return lxml.html.fromstring(file.read_bytes())


@pytest.fixture(scope="module")
def hostile(hostile_crawl):
    """Make a report of a crawl whose every text wants to be markup."""
    assert main(["report", "-o", str(hostile_crawl), "-q"]) == 0
    return hostile_crawl / "report.html"


def text_of(page, xpath):
    return [" ".join(node.text_content().split()) for node in page.xpath(xpath)]


def test_it_says_where_it_is_and_what_it_counts(called, crawl, page):
    code, out, err = called("report", "-o", crawl)

    assert (0, f"{crawl / 'report.html'}\n", "") == (code, out, err)
    assert "demo stopped at a limit" == text_of(page, "//h1")[0]
    tiles = text_of(page, "//div[@class='tile']")
    assert tiles[0].startswith("pages60")
    assert 6 == len(tiles)


def test_it_has_the_pictures_that_people_want(page):
    titles = text_of(page, "//section/h2")

    expected = ["The crawl over time", "Status codes by host", "Pages by depth", "Time to the first byte", "Sizes", "Media types", "Languages"]
    assert expected == titles


def test_every_problem_has_a_command_that_shows_all_of_it(called, crawl, page):
    """Each is run as it stands there, and has as many rows as the report says."""
    import shlex

    found = [(int(re.sub(r"\D", "", number)), command) for number, command in
             zip(text_of(page, "//details//span[contains(@class, 'number')]"), text_of(page, "//code[@class='command']"), strict=True)]

    assert found
    for number, command in found:
        words = shlex.split(command)
        question = words[words.index("query") + 1]
        code, out, _ = called("query", question, "--json", "-o", crawl)
        assert (0, number) == (code, len(out.splitlines())), command


def test_ten_examples_of_each_are_shown_at_most(page):
    assert all(1 <= len(table.xpath(".//tbody/tr")) <= 10 for table in page.xpath("//details//table"))


def test_nothing_in_it_is_loaded_or_run(called, crawl, page):
    called("report", "-o", crawl)
    text = (crawl / "report.html").read_text(encoding="utf-8")

    assert [] == page.xpath("//script | //img | //iframe | //object | //embed | //form | //link[@rel != 'icon'] | //@src")
    [policy] = page.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" == policy
    assert [] == re.findall(r"@import|url\(", text)


def test_hostile_text_is_text(hostile):
    page = lxml.html.fromstring(hostile.read_bytes())

    assert [] == page.xpath("//script | //img | //b[starts-with(., 'hit')]")
    assert [] == [name for node in page.iter() for name in node.attrib if name.startswith("on")]
    links = page.xpath("//a/@href[not(starts-with(., '#'))]")
    assert links
    assert all(link.startswith(("http://", "https://")) for link in links)
    assert {"noreferrer noopener nofollow"} == set(page.xpath("//a[not(starts-with(@href, '#'))]/@rel"))
    text = page.text_content()
    assert "<script>" in text
    assert "{{7*7}}" in text
    assert "javascript:document.title=1" in text


@pytest.mark.skipif(CHROMIUM is None, reason="NO CHROMIUM: that hostile text does nothing in a real browser was not shown")
def test_hostile_text_does_nothing_in_a_browser(hostile, hostile_text, tmp_path):
    """The same browser is shown to notice: without escaping and without the policy, the title does change."""
    naked = tmp_path / "naked.html"
    naked.write_text(f"<title>x</title><body>{hostile_text}", encoding="utf-8")

    def look(path):
        profile = f"--user-data-dir={tmp_path / path.stem}"
        quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", *quiet, profile, "--dump-dom", path.as_uri()]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    looks = [look(naked), look(hostile)]        # side by side: a browser takes its time to start
    titles = [re.search(r"<title>(.*?)</title>", one.communicate(timeout=60)[0].decode(), re.DOTALL)[1] for one in looks]

    assert ["hit", "Crawl report: crawl &lt;b&gt;"] == titles


def test_it_works_beside_a_running_crawl(called, crawl):
    with held(crawl):
        code, out, _ = called("report", "-o", crawl, "--to", "-")

    assert 0 == code
    assert '<span class="badge on">running</span>' in out


def test_samples_are_drawn_when_there_are_enough_of_them(called, crawl):
    with closing(sqlite3.connect(crawl / "crawl.db", isolation_level=None)) as db:
        [(start,)] = db.execute("SELECT started_at FROM run")
        db.execute("BEGIN")
        db.execute("DELETE FROM sample")
        db.execute("INSERT INTO run (run_id, started_at, version, argv, config) VALUES (2, 1, '1', 'resume', '{}')")
        for number in range(1000):      # a day lies between the runs, and takes no room
            at = start + 10_000 * number + (86_400_000 if number >= 500 else 0)
            db.execute("INSERT INTO sample VALUES (?, ?, ?, 0, 5, 0, 0, 0, 0)", (at, 1 + number // 500, number))
        db.execute("COMMIT")

    page = lxml.html.fromstring(called("report", "-o", crawl, "--to", "-")[1])

    assert ["pages 999", "queued 5", "errors 0"] == text_of(page, "//ul[@class='key'][1]/li")[:3]
    assert ["run 2"] == text_of(page, "//span[@class='b']")
    assert text_of(page, "//span[contains(@class, 'x ')]")[-1].endswith(" h")
    [points, *_] = page.xpath("//polyline/@points")
    assert 100 < len(points.split()) <= 2 * charts.MOST_POINTS


def test_a_crawl_in_which_nothing_happened_has_a_report_too(called, crawl):
    with closing(sqlite3.connect(crawl / "crawl.db", isolation_level=None)) as db:
        db.execute("BEGIN")
        for table in ("warc_record", "sample", "link", "listing", "fetch", "body", "url", "run", "seed", "pattern", "intervention"):
            db.execute(f"DELETE FROM {table}")
        db.execute("UPDATE host SET done = 0, failed = 0")
        db.execute("UPDATE state SET urls = 0")
        db.execute("COMMIT")

    code, out, _ = called("report", "-o", crawl, "--to", "-")

    assert 0 == code
    assert "None of those that are looked for." in out
    assert "not begun" in out


@pytest.mark.parametrize(
    ("value", "text", "href"),
    [
        ("https://a.example/x", "https://a.example/x", "https://a.example/x"),
        ("javascript:alert(1)", "javascript:alert(1)", None),
        ("JavaScript:alert(1)", "JavaScript:alert(1)", None),
        ("data:text/html,x", "data:text/html,x", None),
        ("https://a.example/\u202egnp", "https://a.example/\\u202egnp", "https://a.example/\u202egnp"),
        ("a title https://x/", "a title https://x/", None),
        (None, "", None),
        (12_345, "12,345", None),
    ],
)
def test_only_web_addresses_are_links_and_nothing_turns_the_line(value, text, href):
    cell = cell_of(value)

    assert (text, href) == (cell.text, cell.href)


def test_axes_have_round_numbers():
    assert (0, 1) == charts.ticks(0)
    assert (0, 1, 2, 3) == charts.ticks(3)
    assert (0, 100, 200, 300, 400) == charts.ticks(319)
    assert (0, 5000, 10_000, 15_000) == charts.ticks(12_345)


@pytest.mark.parametrize(("number", "expected"), [(0, "0"), (950, "950"), (1500, "1.5k"), (12_345, "12k"), (2_500_000, "2.5M"), (3_000, "3k")])
def test_numbers_on_an_axis_are_short(number, expected):
    assert expected == charts.short(number)


def test_questions_are_quoted_for_a_shell():
    assert "errors" == quoted("errors")
    assert """"SELECT 1 WHERE 'a' <> 'b'\"""" == quoted("SELECT 1 WHERE 'a' <> 'b'")
    assert """'SELECT '"'"'$x'"'"''""" == quoted("SELECT '$x'")


def test_a_problem_without_a_question_of_its_own_has_one_by_name():
    from crawler.query import named

    later = {"redirect-loops"}      # named by versions to come
    assert all(problem.sql or any(map(named.find, problem.names)) or set(problem.names) <= later for problem in PROBLEMS)


def test_the_template_is_in_the_wheel():
    """hatchling takes every file of the package."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))

    assert ["crawler"] == project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert any(each.startswith("jinja2") for each in project["project"]["dependencies"])
