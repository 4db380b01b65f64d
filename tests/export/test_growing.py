"""An export that goes on: what came since is added, what was half written vanishes, and a wrong one is refused."""

import fcntl
import json
import resource
import subprocess
import sys
import tracemalloc
from pathlib import Path

import msgspec
import pytest

from crawler.export import selecting
from crawler.export.cursor import Wish
from crawler.export.errors import ExportError
from crawler.export.exporting import Target, export
from crawler.export.selecting import Selection
from crawler.folder import StorageError
from crawler.query.reader import Reader


@pytest.fixture
def run(tmp_path):
    """Export a crawl to a file."""

    def export_it(folder, kind="jsonl", *, name="out", going_on=True, force=False, watch=lambda *_: None, **wish):
        wish = {"columns": ("url_id",), **wish} if kind in ("jsonl", "csv") else wish
        with Reader.open(folder) as reader:
            target = Target(tmp_path / name, going_on, force)
            return export(folder, reader, kind, Wish(format=kind, **wish), target, watch=watch).rows

    return export_it


def numbers(path):
    return [json.loads(line)["url_id"] for line in path.read_bytes().splitlines()]


def test_what_came_since_is_added_and_a_page_that_was_fetched_anew_comes_again(growing, added, answered, run, tmp_path):
    folder, db = growing

    assert 10 == run(folder)
    assert 0 == run(folder)
    added(db, 11, 13)
    answered(db, 14, 2, 2)
    answered(db, 15, 3, None, status=304)
    assert 4 == run(folder)
    assert [*range(1, 11), 11, 12, 13, 2] == numbers(tmp_path / "out")


def test_a_csv_has_its_head_once(growing, added, run, tmp_path):
    folder, db = growing
    run(folder, "csv")
    added(db, 11, 11)
    run(folder, "csv")

    assert ["url_id", *map(str, range(1, 12))] == (tmp_path / "out").read_text(encoding="utf-8").splitlines()


def test_edges_of_a_redirect_come_too(growing, added, run, tmp_path):
    folder, db = growing
    first = run(folder, "edges")
    added(db, 11, 11)
    db.execute("UPDATE url SET page_id = NULL WHERE url_id = 11")
    db.execute("INSERT INTO link VALUES (11, 1, 1, 0)")

    assert (30, 1) == (first, run(folder, "edges"))
    assert 1 + 30 + 1 == (tmp_path / "out").read_bytes().count(b"\n")


def test_half_a_line_of_an_export_that_was_killed_vanishes(growing, added, run, tmp_path):
    folder, db = growing
    run(folder)
    added(db, 11, 11)
    with (tmp_path / "out").open("ab") as file:
        file.write(b'{"url_id":11}\n{"url_')
    run(folder)

    assert [*range(1, 12)] == numbers(tmp_path / "out")


def test_a_page_that_is_fetched_anew_while_it_is_exported_is_not_missed(growing, answered, run, tmp_path, monkeypatch):
    """It moves behind what was known at the beginning; a second round meets it."""
    monkeypatch.setattr(selecting, "STEP", 4)
    folder, db = growing

    def fetch_anew(rows, _share):
        if rows == 4:
            answered(db, 11, 9, 9)

    run(folder, watch=fetch_anew)
    assert [1, 2, 3, 4, 5, 6, 7, 8, 10, 9] == numbers(tmp_path / "out")


def test_the_log_of_a_running_crawl_can_be_folded_meanwhile(growing, added, run, monkeypatch):
    monkeypatch.setattr(selecting, "STEP", 2)
    folder, db = growing
    folded = []

    def fold(rows, _share):
        added(db, 100 + rows, 100 + rows)
        folded.append(db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone())

    assert 15 == run(folder, watch=fold)
    assert {(0, 0, 0)} == set(folded)


# --- what is refused ----------------------------------------------------------------------------------------------


@pytest.fixture
def refused(run):
    """Return what is said to an export that is refused."""

    def export_it(*args, **kwargs):
        with pytest.raises(ExportError) as error:
            run(*args, **kwargs)
        return error.value.message

    return export_it


def test_a_file_that_is_there_is_not_overwritten_unless_that_is_said(growing, run, refused, tmp_path):
    folder, _ = growing
    out = tmp_path / "out"
    run(folder, going_on=False)
    before = out.read_bytes()

    assert f"{out} is there already" == refused(folder, going_on=False)
    assert before == out.read_bytes()
    run(folder, going_on=False, force=True, where="url_id = 3")
    assert [3] == numbers(out)


def test_only_the_same_export_of_the_same_crawl_goes_on(growing, made, run, refused, tmp_path):
    folder, _ = growing
    out = tmp_path / "out"
    run(folder)
    before = out.read_bytes()

    other = made(tmp_path / "other", 12, secret="11" * 16)
    assert f"{out}.cursor belongs to an export of another crawl" == refused(other)
    assert f"{out}.cursor belongs to an export with no --where, and now it is --where 1" == refused(folder, where="1")
    assert f"{out}.cursor belongs to an export with --columns url_id, and now it is --columns url" == refused(folder, columns=("url",))
    assert f"{out}.cursor belongs to an export with --format jsonl, and now it is --format csv" == refused(folder, "csv")
    assert before == out.read_bytes()


def test_a_file_that_does_not_fit_its_cursor_is_refused(growing, run, refused, tmp_path):
    folder, _ = growing
    out, cursor = tmp_path / "out", tmp_path / "out.cursor"
    out.write_bytes(b"mine\n")

    assert f"{out} has no cursor beside it (out.cursor)" == refused(folder)
    run(folder, force=True)
    whole = out.read_bytes()
    out.write_bytes(whole[:-1])
    assert f"{out} is shorter ({len(whole) - 1} bytes) than out.cursor says ({len(whole)} bytes)" == refused(folder)
    out.unlink()
    assert f"{out} is gone, and out.cursor is still there" == refused(folder)
    cursor.write_bytes(b"{")
    assert f"{cursor} is no cursor of an export (Input data was truncated)" == refused(folder)


def test_a_crawl_that_gave_its_numbers_to_other_requests_is_refused(growing, added, run, refused, tmp_path):
    folder, db = growing
    run(folder)
    db.execute("DELETE FROM fetch WHERE fetch_id > 8")
    db.execute("UPDATE url SET page_id = NULL, fetch_id = NULL WHERE url_id > 8")
    assert 0 == run(folder)

    added(db, 11, 11)
    db.execute("UPDATE fetch SET fetch_id = 10 WHERE fetch_id = 11")
    db.execute("UPDATE url SET fetch_id = 10, page_id = 10 WHERE url_id = 11")
    (tmp_path / "out.cursor").write_text((tmp_path / "out.cursor").read_text().replace('"last": 8', '"last": 10'))
    assert f"the crawl has forgotten requests that {tmp_path / 'out.cursor'} counts on" == refused(folder)


def test_two_exports_do_not_write_the_same_file(growing, refused, run, tmp_path):
    folder, _ = growing
    run(folder)
    with (tmp_path / "out").open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert f"another export is writing {tmp_path / 'out'}" == refused(folder)


def test_a_disk_that_takes_no_more_is_told_and_the_export_goes_on_later(growing, run, tmp_path, monkeypatch):
    monkeypatch.setattr(selecting, "STEP", 2)
    folder, _ = growing
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, before[1]))
    try:
        with pytest.raises(StorageError) as told:
            run(folder, columns=None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert f"cannot write to {tmp_path / 'out'}: file too large" == told.value.message
    run(folder, columns=None)
    assert [*range(1, 11)] == numbers(tmp_path / "out")


def test_a_file_that_is_written_whole_appears_at_the_end_or_not_at_all(growing, run, tmp_path, monkeypatch):
    folder, _ = growing

    def stop(*_progress):
        raise KeyboardInterrupt

    before = sorted(tmp_path.iterdir())
    for kind in ("graphml", "sitemap"):
        with pytest.raises(KeyboardInterrupt):
            run(folder, kind, going_on=False, watch=stop)
    assert before == sorted(tmp_path.iterdir())


# --- folders ------------------------------------------------------------------------------------------------------


def texts_in(path):
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in path.rglob("*.txt")}


def test_a_folder_of_texts_goes_on_and_a_page_that_changed_is_replaced(growing, added, answered, run, refused, tmp_path):
    pytest.importorskip("trafilatura", reason="the extra `text` is not installed")
    folder, db = growing
    out = tmp_path / "texts"

    assert 4 == run(folder, "text", name="texts", where="mime = 'text/plain'")
    before = texts_in(out)
    assert f"{out} is there already" == refused(folder, "text", name="texts", going_on=False, where="mime = 'text/plain'")
    assert "--where" in refused(folder, "text", name="texts")

    added(db, 11, 13)
    db.execute("INSERT INTO body VALUES (99, x'00', 3, 'pages/new.txt', NULL, NULL)")
    (folder / "pages" / "new.txt").write_bytes(b"Anew")
    answered(db, 14, 4, 99)
    assert 2 == run(folder, "text", name="texts", where="mime = 'text/plain'")
    after = texts_in(out)
    assert 5 == len(after)
    assert ["Anew"] == [after[name].decode().split("\n---\n")[1].strip() for name in before if after[name] != before[name]]
    assert not (out / ".part").exists()


# --- killed, and in constant memory -------------------------------------------------------------------------------


MANY = pytest.mark.long


@pytest.mark.parametrize(
    ("kind", "wish", "calls"),
    [
        ("csv", '{"columns": ["url_id", "title"], "where": "url_id % 5"}', 251),
        pytest.param("jsonl", "{}", 97, marks=MANY),
        pytest.param("csv", "{}", 89, marks=MANY),
        pytest.param("edges", "{}", 83, marks=MANY),
    ],
)
def test_an_export_that_is_killed_again_and_again_is_the_same_to_the_last_byte(made, tmp_path, kind, wish, calls):
    folder = made(tmp_path / "crawl", 40)
    with Reader.open(folder) as reader:
        export(folder, reader, kind, msgspec.convert({"format": kind, **json.loads(wish)}, Wish), Target(tmp_path / "whole"))
    killing = [sys.executable, Path(__file__).with_name("killed.py"), folder, kind, tmp_path / "out", wish, str(calls)]
    done = subprocess.run(killing, capture_output=True, text=True, check=False, timeout=100)

    assert ("", 0) == (done.stderr, done.returncode)
    assert int(done.stdout) > 10
    assert (tmp_path / "whole").read_bytes() == (tmp_path / "out").read_bytes()


def peak(folder, pages):
    """Return the most memory that Python held while so many pages went by."""
    with Reader.open(folder) as reader:
        selection = Selection(reader, "pages", ("url", "title", "file"), f"url_id <= {pages}")
        tracemalloc.start()
        try:
            assert pages == sum(len(step.rows) for step in selection.steps())
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()


def test_more_pages_take_no_more_memory(made, tmp_path, monkeypatch):
    monkeypatch.setattr(selecting, "STEP", 100)
    folder = made(tmp_path / "crawl", 2_000, links=0)
    small, large = peak(folder, 300), peak(folder, 2_000)

    assert large < small * 1.2


MEASURED = """
import re, resource, sys
from pathlib import Path
from crawler.export.cursor import Wish
from crawler.export.exporting import Target, export
from crawler.query.reader import Reader
folder, kind, where, target = sys.argv[1:]
with Reader.open(folder) as reader:
    rows = export(Path(folder), reader, kind, Wish(format=kind, where=where), Target(Path(target))).rows
if sys.platform == "linux":      # what getrusage says there begins with what the parent had
    print(rows, 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]))
else:
    print(rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.fixture(scope="module")
def large(made, tmp_path_factory):
    """Return a crawl of 100,000 pages with 20 links each."""
    return made(tmp_path_factory.mktemp("large") / "crawl", 100_000, links=20)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet", "sitemap", "graphml", "edges"])
def test_a_hundred_thousand_pages_are_exported_in_the_memory_of_a_few(large, tmp_path, kind):
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="the extra `parquet` is not installed")
    key = "src_id" if kind in ("graphml", "edges") else "url_id"
    found = {}
    for pages in (5_000, 100_000):
        argv = [sys.executable, "-c", MEASURED, large, kind, f"{key} <= {pages}", tmp_path / str(pages)]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        found[pages] = tuple(map(int, done.stdout.split()))
    rows, memory = found[100_000]
    print(f"\n{kind}: {rows:,} rows, {memory / 1e6:.0f} MB at most; 5,000 pages: {found[5_000][1] / 1e6:.0f} MB")  # noqa: T201 - figures for docs

    assert rows > 60_000
    assert memory < found[5_000][1] + (100 << 20 if kind == "parquet" else 25 << 20)
