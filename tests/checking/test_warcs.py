"""WARC files that are cut short, changed or too long, beside rows that count on them."""

from __future__ import annotations

import gzip
import io
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crawler.checking import verify
from crawler.checking.finding import Finding, Todo, Trouble
from crawler.checking.warcs import member_problem
from crawler.cli.main import main

FILE = "warc/a-00001.warc.gz"


def record(number: int) -> bytes:
    return gzip.compress(f"WARC/1.1\r\nWARC-Type: response\r\n\r\n{'body ' * 50 * number}\r\n\r\n".encode())


RECORDS = [record(number) for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Crawl three pages, and lay a WARC file with their answers beside."""
    folder = tmp_path_factory.mktemp("whole") / "demo"
    assert main(["demo", "-o", str(folder), "-n", "3", "-q"]) == 0
    (folder / "warc").mkdir()
    (folder / FILE).write_bytes(b"".join(RECORDS))
    with closing(sqlite3.connect(folder / "crawl.db", isolation_level=None)) as db:
        db.execute("INSERT INTO warc VALUES (1, ?, ?, 1)", (FILE, sum(map(len, RECORDS))))
        at = 0
        for fetch_id, one in enumerate(RECORDS, start=1):
            db.execute("INSERT INTO warc_record VALUES (?, 1, ?, ?)", (fetch_id, at, len(one)))
            at += len(one)
    return folder


@pytest.fixture
def crawl(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "crawl"))


def found(folder):
    with Todo() as todo:
        troubles = verify(folder, todo, deep=True, at_rest=True, tell=lambda _: None)
        return [(one.trouble, one.place, one.detail) for one in troubles if isinstance(one, Finding)]


def changed(folder, sql):
    with closing(sqlite3.connect(folder / "crawl.db", isolation_level=None)) as db:
        db.execute(sql)


def kept(folder):
    with closing(sqlite3.connect(f"file:{folder / 'crawl.db'}?mode=ro", uri=True)) as db:
        return [row[0] for row in db.execute("SELECT fetch_id FROM warc_record ORDER BY 1")]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (RECORDS[0], None),
        (RECORDS[0][:-9], "is cut short"),
        (RECORDS[0][:-1] + b"\xff", "cannot be unpacked: Error -3 while decompressing data: incorrect length check"),
        (RECORDS[0] + b"\0\0", "ends before its length is up"),
        (gzip.compress(b"something else"), "is no WARC record"),
        (b"no gzip at all, but longer than a header", "cannot be unpacked: Error -3 while decompressing data: incorrect header check"),
        (gzip.compress(b"WARC/1.1\r\n" + bytes(30_000_000)), None),
    ],
    ids=["whole", "cut", "changed", "more", "other", "plain", "large"],
)
def test_a_record_is_one_whole_gzip_member(data, expected):
    assert expected == member_problem(io.BytesIO(b"before" + data), 6, len(data))


def test_whole_files_are_sound(crawl):
    assert [] == found(crawl)


def test_a_file_that_is_shorter_than_rows_count_on_is_found_and_repaired(crawl):
    short = sum(map(len, RECORDS)) - 5
    with (crawl / FILE).open("r+b") as file:
        file.truncate(short)

    assert (Trouble.WARC, FILE, f"has {short} bytes and should have {short + 5}") in found(crawl)
    assert 1 == main(["verify", "--deep", "--repair", "-o", str(crawl)])
    assert [1, 2] == kept(crawl)
    assert b"".join(RECORDS[:2]) == (crawl / FILE).read_bytes()
    assert RECORDS[2][:-5] == (crawl / "quarantine" / f"{FILE}.from-{len(RECORDS[0] + RECORDS[1])}").read_bytes()
    assert [] == found(crawl)


def test_a_changed_record_is_found_and_forgotten(crawl):
    data = bytearray((crawl / FILE).read_bytes())
    data[len(RECORDS[0]) + 20] ^= 255
    (crawl / FILE).write_bytes(data)

    assert [(Trouble.WARC, FILE)] == [one[:2] for one in found(crawl)]
    main(["verify", "--deep", "--repair", "-o", str(crawl)])
    assert [1, 3] == kept(crawl)
    assert [] == found(crawl)


def test_a_file_that_is_gone_is_forgotten_with_its_records(crawl):
    (crawl / FILE).unlink()

    assert (Trouble.WARC, FILE, "is not there, or no plain file") in found(crawl)
    main(["verify", "--repair", "-o", str(crawl)])
    assert [] == kept(crawl)
    assert [] == found(crawl)


def test_what_lies_behind_the_end_is_damage_of_a_closed_file_and_a_leftover_of_an_open_one(crawl):
    with (crawl / FILE).open("ab") as file:
        file.write(b"half a record")

    assert [(Trouble.WARC, FILE, "has 13 bytes more than were written")] == found(crawl)
    changed(crawl, "UPDATE warc SET closed = 0")
    assert [Trouble.LEFTOVER] == [one[0] for one in found(crawl)]


def test_a_repair_moves_what_lies_behind_the_end(crawl):
    with (crawl / FILE).open("ab") as file:
        file.write(b"half a record")

    main(["verify", "--repair", "-o", str(crawl)])

    size = sum(map(len, RECORDS))
    assert b"half a record" == (crawl / "quarantine" / f"{FILE}.from-{size}").read_bytes()
    assert size == (crawl / FILE).stat().st_size
    assert [] == found(crawl)
