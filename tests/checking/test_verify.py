"""Damage of every kind to a crawl that really took place; each is found, and repaired without deleting anything."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crawler.checking import verify
from crawler.checking.finding import Todo, Trouble
from crawler.cli.main import main
from crawler.folder import held


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Crawl a part of the demo site, once for this whole file."""
    folder = tmp_path_factory.mktemp("whole") / "demo"
    assert main(["demo", "-o", str(folder), "-n", "20", "-q"]) == 0
    return folder


@pytest.fixture
def crawl(whole, tmp_path):
    """Return a copy that may be damaged."""
    return Path(shutil.copytree(whole, tmp_path / "crawl", symlinks=True))


@pytest.fixture
def bodies(crawl):
    """Return the stored files, smallest row first."""
    return [crawl / file for (file,) in asked(crawl, "SELECT file FROM body ORDER BY body_id")]


@pytest.fixture
def called(capfd):
    def call(*argv):
        code = main([str(word) for word in argv])
        return code, *capfd.readouterr()

    return call


def asked(folder, sql, *parameters):
    with closing(sqlite3.connect(f"file:{folder / 'crawl.db'}?mode=ro", uri=True)) as db:
        return db.execute(sql, parameters).fetchall()


def changed(folder, *statements):
    with closing(sqlite3.connect(folder / "crawl.db", isolation_level=None)) as db:
        for sql in statements:
            db.execute(sql)


def found(folder, **more):
    """Return what a check finds: (trouble, place)."""
    with Todo() as todo:
        findings = list(verify(folder, todo, **{"deep": False, "at_rest": True, "tell": lambda _: None, **more}))
    return sorted((one.trouble, one.place) for one in findings[:-1])


def names(folder, *paths):
    return [str(path.relative_to(folder)) for path in paths]


def flipped(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def test_a_crawl_that_ended_well_is_sound(called, whole):
    code, out, err = called("verify", "--deep", "-o", whole)

    assert (0, "") == (code, err)
    assert f"{whole}: sound\n" in out
    assert "each was read and has its digest" in out


def test_a_changed_byte_is_found_by_the_digest_alone(crawl, bodies):
    flipped(bodies[3])

    assert [] == found(crawl)
    assert [(Trouble.CONTENT, *names(crawl, bodies[3]))] == found(crawl, deep=True)


def test_a_cut_file_a_missing_one_and_one_too_many_are_found(crawl, bodies):
    os.truncate(bodies[0], 10)
    bodies[1].unlink()
    stray = bodies[2].with_name("stray.html")
    stray.write_text("nobody's")

    expected = [(Trouble.MISSING, *names(crawl, bodies[1])), (Trouble.ORPHAN, *names(crawl, stray)), (Trouble.SIZE, *names(crawl, bodies[0]))]
    assert expected == found(crawl)


def test_a_second_copy_under_another_name_is_an_orphan(crawl, bodies):
    """Its digest is one that a row has; its name is not."""
    twin = bodies[0].with_name(f"other-{bodies[0].name[-37:]}")
    shutil.copy(bodies[0], twin)

    assert [(Trouble.ORPHAN, *names(crawl, twin))] == found(crawl)


def test_an_orphan_whose_name_is_no_text_is_found_and_moved(called, crawl):
    stray = os.fsencode(crawl / "pages") + b"/\xff\xfe"
    os.close(os.open(stray, os.O_CREAT | os.O_WRONLY))

    code, out, _ = called("verify", "--repair", "-o", crawl)

    assert 1 == code
    assert "1 orphan" in out
    assert (crawl / "quarantine" / "pages" / os.fsdecode(b"\xff\xfe")).exists()
    assert [] == found(crawl)


def test_a_link_in_place_of_a_file_is_not_followed(crawl, bodies, tmp_path):
    """Not even when what it leads to has the right bytes: it lies elsewhere, and whoever put it there can change it."""
    moved = tmp_path / "elsewhere"
    bodies[0].rename(moved)
    bodies[0].symlink_to(moved)

    assert [(Trouble.ODD, *names(crawl, bodies[0]))] == found(crawl, deep=True)


def test_a_folder_that_is_a_link_is_not_entered(crawl, bodies, tmp_path):
    host = bodies[0].parents[1]
    elsewhere = tmp_path / "host"
    host.rename(elsewhere)
    host.symlink_to(elsewhere)
    inside = [file for file in names(crawl, *bodies) if file.startswith(f"pages/{host.name}/")]

    troubles = found(crawl, deep=True)

    assert [(Trouble.ODD, file) for file in sorted(inside)] == [one for one in troubles if one[0] == Trouble.ODD]
    assert [(Trouble.ORPHAN, f"pages/{host.name}")] == [one for one in troubles if one[0] != Trouble.ODD]


def test_a_name_that_leads_out_of_the_folder_is_not_looked_at(crawl):
    changed(crawl, "UPDATE body SET file = '../../../etc/passwd' WHERE body_id = 1")

    assert (Trouble.ODD, "../../../etc/passwd") in found(crawl, deep=True)


def test_wrong_counters_are_found_and_named(called, crawl):
    changed(crawl, "UPDATE host SET queued = queued + 3 WHERE host_id = 1", "UPDATE state SET urls = 0 WHERE state = 1",
            "UPDATE meta SET value = '7' WHERE key = 'pages'", "UPDATE meta SET value = '900' WHERE key = 'errors'")
    [(host,)] = asked(crawl, "SELECT name FROM host WHERE host_id = 1")

    assert [(Trouble.COUNTER, host), (Trouble.COUNTER, "meta"), (Trouble.COUNTER, "meta"), (Trouble.COUNTER, "state")] == found(crawl)
    out = called("verify", "-o", crawl)[1]
    assert "meta: pages is 7 and should be 20\n" in out
    assert "4 wrong counters" in out


def test_a_host_that_is_missing_is_made_again(called, crawl):
    before = asked(crawl, "SELECT host_id, name, site, queued, done FROM host ORDER BY 1")
    changed(crawl, "DELETE FROM host WHERE host_id = 1")
    assert {Trouble.REFERENCE} == {trouble for trouble, _ in found(crawl)}

    called("verify", "--repair", "-o", crawl)

    assert before == asked(crawl, "SELECT host_id, name, site, queued, done FROM host ORDER BY 1")
    assert [] == found(crawl)


def test_a_body_row_that_is_missing_queues_its_page(called, crawl):
    changed(crawl, "DELETE FROM body WHERE body_id = 2")
    [(url,)] = asked(crawl, "SELECT url FROM pages WHERE body_id = 2")

    called("verify", "--repair", "-o", crawl)

    assert [("queued",)] == asked(crawl, "SELECT state FROM urls WHERE url = ?", url)
    assert [] == found(crawl)


def test_an_index_that_lacks_rows_is_built_anew(called, crawl):
    with closing(sqlite3.connect(crawl / "crawl.db", isolation_level=None)) as db:
        [row] = db.execute("SELECT type, name, tbl_name, rootpage, sql FROM sqlite_schema WHERE name = 'fetch_url'")
        db.execute("PRAGMA writable_schema = ON")
        db.execute("DELETE FROM sqlite_schema WHERE name = 'fetch_url'")
    changed(crawl, "INSERT INTO fetch (url_id, run_id, at) VALUES (1, 1, 0)")
    with closing(sqlite3.connect(crawl / "crawl.db", isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", row)
    assert {Trouble.DATABASE} == {trouble for trouble, _ in found(crawl, deep=True)}

    code, out, _ = called("verify", "--deep", "--repair", "-o", crawl)

    assert 1 == code
    assert "the indexes were built anew" in out
    assert [] == found(crawl, deep=True)


def test_a_damaged_database_is_told_and_left_alone(called, crawl):
    with (crawl / "crawl.db").open("r+b") as file:
        file.seek(4096 * 12)
        file.write(b"\xff" * 4096 * 8)
    before = (crawl / "crawl.db").read_bytes()

    code, out, err = called("verify", "--repair", "-o", crawl)

    assert 6 == code
    assert "damaged" in out
    assert "nothing was repaired" in err
    assert before == (crawl / "crawl.db").read_bytes()


def test_what_is_no_database_ends_with_6(called, tmp_path):
    (tmp_path / "crawl.db").write_bytes(b"no database at all, but long enough to be one" * 100)

    assert 6 == called("verify", "-o", tmp_path)[0]


def test_leftovers_and_loose_permissions_are_no_damage(called, crawl):
    (crawl / "tmp" / "7").write_text("half a page")
    (crawl / "crawl.db").chmod(0o644)

    code, out, _ = called("verify", "-o", crawl)

    assert 0 == code
    assert "sound; " in out
    assert {(Trouble.LEFTOVER, "tmp/7"), (Trouble.MODE, "crawl.db")} == set(found(crawl))


def test_what_was_announced_and_not_committed_is_a_leftover(crawl):
    """A run that is killed between the two: the next one deletes it by itself."""
    name = f"pages/a.example/00/page-{'0' * 32}.html"
    (crawl / name).parent.mkdir(parents=True)
    (crawl / name).write_text("x")
    (crawl / "tmp" / "intent").write_text(f"{name}\n")

    assert [(Trouble.LEFTOVER, name)] == found(crawl)


def test_beside_a_running_crawl_what_is_left_out_is_said_and_nothing_is_repaired(called, crawl, bodies):
    bodies[0].unlink()
    (crawl / "pages" / "soon").write_text("a row may follow")
    with held(crawl):
        code, out, _ = called("verify", "-o", crawl)
        refused = called("verify", "--repair", "-o", crawl)[0]

    assert (1, 5) == (code, refused)
    assert "1 missing body" in out
    assert "orphan" not in out
    assert "not checked, while it is being crawled: files below pages/ that no row names, leftovers in tmp/" in out


def test_pages_that_are_not_there_at_all_are_not_given_up(called, crawl):
    """A disk that is not mounted must not cost every page."""
    (crawl / "pages").rename(crawl / "mounted-elsewhere")

    code, _, err = called("verify", "--repair", "-o", crawl)

    assert 6 == code
    assert "is no folder; nothing was repaired" in err
    assert [(20,)] == asked(crawl, "SELECT count(*) FROM pages")


def test_what_an_earlier_repair_moved_is_kept(called, crawl):
    for _ in range(2):
        (crawl / "pages" / "stray").write_text("x")
        called("verify", "--repair", "-o", crawl)

    assert {"stray", "stray.1"} == {path.name for path in (crawl / "quarantine" / "pages").iterdir()}


def test_findings_are_json_lines_with_a_summary_at_the_end(called, crawl, bodies):
    bodies[0].unlink()
    [(url,)] = asked(crawl, "SELECT url FROM pages WHERE body_id = 1")

    code, out, _ = called("verify", "--json", "-o", crawl)

    first, last = map(json.loads, out.splitlines())
    assert 1 == code
    assert ("finding", "missing", names(crawl, bodies[0])[0], url) == (first["event"], first["trouble"], first["place"], first["url"])
    assert ("summary", len(bodies), True) == (last["event"], last["bodies"], last["at_rest"])


def test_people_are_shown_the_first_of_many(called, crawl):
    for number in range(25):
        (crawl / "pages" / f"stray-{number:02}").write_text("x")

    out = called("verify", "-o", crawl)[1]

    assert 20 == out.count("belongs to no page")
    assert "and 5 more; --json lists all" in out


def test_a_repair_is_remembered(called, crawl, bodies):
    bodies[0].unlink()

    called("verify", "--repair", "-o", crawl)

    [(command, argument, urls)] = asked(crawl, "SELECT command, argument, urls FROM interventions")
    assert ("repair", 1, 1) == (command, json.loads(argument)["forgotten"], urls)
