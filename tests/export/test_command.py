"""`export` as people call it."""

import csv
import io
import json
import subprocess
import sys

import pytest

from crawler.cli.export import Meter
from crawler.cli.main import main
from crawler.cli.terminal import Voice


@pytest.fixture
def exported(crawl, capfd, tmp_path, monkeypatch):
    """Export the crawl; return exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*argv):
        code = main(["export", *argv, "-o", str(crawl)])
        return code, *capfd.readouterr()

    return call


def test_without_options_it_is_json_on_standard_output(exported):
    code, out, err = exported()

    assert (0, "60 pages written.\n") == (code, err)
    assert 60 == len([json.loads(line)["url"] for line in out.splitlines()])
    assert (code, out, err) == exported("--to", "-")


def test_columns_and_condition(exported):
    code, out, err = exported("--format", "csv", "--columns", "url, depth", "--where", "depth = 0")
    head, *rows = csv.reader(io.StringIO(out))

    assert (0, f"{len(rows)} pages written.\n") == (code, err)
    assert ["url", "depth"] == head
    assert {"0"} == {depth for _, depth in rows}


def test_a_mistake_in_the_condition_is_told_with_the_nearest_column(exported):
    assert (2, "", "error: --where, a condition over pages: no such column: titel\nTry title (in pages) or site (in pages).\n") == exported("--where", "titel = 1")


def test_a_file_is_added_to_with_continue_only(exported):
    assert 0 == exported("--to", "p.jsonl")[0]
    code, _, err = exported("--to", "p.jsonl")

    assert (2, "error: p.jsonl is there already\nTry --continue to add to it, --force to write it anew, or another --to.\n") == (code, err)
    assert (0, "", "0 pages added to p.jsonl.\n") == exported("--to", "p.jsonl", "--continue")


def test_what_cannot_be_added_to_says_so(exported):
    code, _, err = exported("--format", "graphml", "--to", "g.xml", "--continue")

    assert (2, "error: --format graphml is written whole and cannot be added to\nTry --force to write it anew.\n") == (code, err)


def test_a_folder_of_texts_needs_a_place(exported):
    code, _, err = exported("--format", "text")

    assert (2, "error: --format text makes files in a folder\nTry --to FOLDER, or --jsonl for lines.\n") == (code, err)


def test_a_place_that_there_is_not_is_told(exported):
    assert (2, "", "error: there is no folder missing\nTry mkdir, or another --to.\n") == exported("--to", "missing/p.jsonl")


def test_a_sitemap_of_several_hosts_is_told(exported):
    code, _, err = exported("--format", "sitemap", "--to", "sitemap.xml")

    assert 0 == code
    assert "The URLs are of more than one host" in err


def test_the_graph_goes_to_standard_output(exported):
    code, out, _ = exported("--format", "graphml")

    assert 0 == code
    assert out.startswith('<?xml version="1.0" encoding="UTF-8"?>\n<graphml')
    assert out.endswith("</graphml>\n")


def test_warc_files_go_to_a_folder(exported, tmp_path):
    assert (0, "", "5 answers written to w.\n") == exported("--format", "warc", "--to", "w", "--where", "url_id <= 5")
    assert {"export-00001.warc.gz", "index.cdxj"} == {file.name for file in (tmp_path / "w").iterdir()}
    assert (2, "", "error: w is there already\nTry --force to write it anew, or another --to.\n") == exported("--format", "warc", "--to", "w")


def test_a_reader_that_goes_away_is_no_error(crawl):
    line = f"{sys.executable} -m crawler export -o {crawl} | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], capture_output=True, text=True, check=False)

    assert done.returncode in (0, 141)
    assert "Traceback" not in done.stderr
    assert 1 == done.stdout.count("\n")


def test_progress_is_a_plain_line_now_and_then_where_nobody_looks(monkeypatch):
    said = io.StringIO()
    meter = Meter(Voice(stream=said))
    now = meter._started
    monkeypatch.setattr("crawler.cli.export.time.monotonic", lambda: now + 75)
    meter(1_200, 0.345)
    meter(1_300, 0.4)
    meter.end()

    assert "  1,200 rows · 34 % · 1:15\n" == said.getvalue()
