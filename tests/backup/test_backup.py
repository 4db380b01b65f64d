"""Copies of crawls: of one moment, whole or not there, and crawls themselves."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from crawler.backup.database import copy_database
from crawler.cli.main import main
from crawler.folder import held
from crawler.query.reader import Reader


class Gate(ThreadingHTTPServer):
    """A site of ten pages in a row, the sixth of which answers only when it may."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Answer)
        self.seed = f"http://127.0.0.1:{self.server_address[1]}/0"
        self.reached, self.go = threading.Event(), threading.Event()

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_exc):
        self.shutdown()
        self.server_close()


class Answer(BaseHTTPRequestHandler):
    def do_GET(self):
        number = self.path[1:]
        if number == "5":
            self.server.reached.set()
            self.server.go.wait(30)
        found = number.isdigit() and int(number) < 10
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        if found:
            self.wfile.write(f"<title>{number}</title><a href=/{int(number) + 1}>on</a>".encode())

    def log_message(self, *_words):
        """Say nothing."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Crawl a part of the demo site, once for this whole file."""
    folder = tmp_path_factory.mktemp("whole") / "demo"
    assert main(["demo", "-o", str(folder), "-n", "20", "-q"]) == 0
    return folder


@pytest.fixture
def crawl(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "crawl"))


@pytest.fixture
def target(tmp_path):
    return tmp_path / "backups" / "one"


@pytest.fixture
def called(capfd):
    def call(*argv):
        code = main([str(word) for word in argv])
        return code, *capfd.readouterr()

    return call


def asked(folder, sql):
    with closing(sqlite3.connect(f"file:{folder / 'crawl.db'}?mode=ro", uri=True)) as db:
        return db.execute(sql).fetchall()


def changed(folder, *statements):
    with closing(sqlite3.connect(folder / "crawl.db", isolation_level=None)) as db:
        for sql in statements:
            db.execute(sql)


def bodies(folder):
    return sorted(path.relative_to(folder) for path in (folder / "pages").rglob("*") if path.is_file())


def test_a_backup_is_a_crawl(called, whole, target):
    code, _, err = called("backup", target, "-o", whole)

    assert 0 == code
    assert f"{whole} → {target}: database " in err
    assert bodies(whole) == bodies(target)
    assert 0 == called("verify", "--deep", "-o", target)[0]
    assert "stopped at a limit" in called("status", "-o", target)[1]
    assert asked(whole, "SELECT * FROM pages") == asked(target, "SELECT * FROM pages")
    assert [] == list((target / "tmp").iterdir())


def test_others_may_not_read_it(called, whole, target):
    called("backup", target, "-o", whole)

    assert {0} == {path.stat().st_mode & 0o077 for path in (target, *target.rglob("*"))}


def test_it_can_be_read_where_nobody_may_write(called, whole, target):
    """No log has to be made beside it."""
    called("backup", target, "-o", whole)

    called("query", "SELECT count(*) FROM pages", "-o", target)

    assert {"crawl.db", "backup.json", "pages", "tmp", "LOCK"} == {path.name for path in target.iterdir()}


def test_the_same_command_copies_only_what_is_new(called, crawl, target):
    called("backup", target, "-o", crawl)
    [(file,)] = asked(crawl, "SELECT file FROM body WHERE body_id = 3")
    (target / file).unlink()
    changed(crawl, "UPDATE meta SET value = '21' WHERE key = 'pages'")

    code, _, err = called("backup", target, "-o", crawl)

    assert 0 == code
    assert f"1 file copied, {(crawl / file).stat().st_size / 1000:.1f} kB (19 were there already)" in err
    assert [("21",)] == asked(target, "SELECT value FROM meta WHERE key = 'pages'")


def test_a_file_of_the_wrong_size_is_copied_again(called, crawl, target):
    called("backup", target, "-o", crawl)
    [(file,)] = asked(crawl, "SELECT file FROM body WHERE body_id = 3")
    os.truncate(target / file, 1)

    called("backup", target, "-o", crawl)

    assert (crawl / file).read_bytes() == (target / file).read_bytes()


def test_links_take_no_room(called, whole, tmp_path):
    target = whole.parent / "linked"

    code, _, err = called("backup", target, "--link", "-o", whole)

    assert 0 == code
    assert "20 files linked" in err
    assert [(whole / file).stat().st_ino for file in bodies(whole)] == [(target / file).stat().st_ino for file in bodies(target)]
    assert 0 == called("verify", "-o", target)[0]
    shutil.rmtree(target)


def test_only_the_database_can_be_copied(called, whole, target):
    called("backup", target, "--database-only", "-o", whole)

    assert {"crawl.db", "backup.json", "LOCK"} == {path.name for path in target.iterdir()}
    assert "20" in called("query", "SELECT count(*) FROM pages", "-o", target)[1]


def test_files_that_are_lost_are_named_and_the_rest_is_copied(called, crawl, target):
    [(gone,), (short,)] = asked(crawl, "SELECT file FROM body WHERE body_id IN (2, 5) ORDER BY body_id")
    (crawl / gone).unlink()
    os.truncate(crawl / short, 1)

    code, _, err = called("backup", target, "-o", crawl)

    assert 1 == code
    assert "2 files could not be copied" in err
    assert gone in err
    assert 18 == len(bodies(target))


def test_a_link_in_place_of_a_body_is_not_followed(called, crawl, target):
    [(file,)] = asked(crawl, "SELECT file FROM body WHERE body_id = 2")
    (crawl / file).rename(crawl / "moved")
    (crawl / file).symlink_to(crawl / "moved")

    assert 1 == called("backup", target, "-o", crawl)[0]
    assert not (target / file).exists()


@pytest.mark.parametrize("where", ["inside", "around", "itself"])
def test_a_backup_within_the_crawl_is_refused(called, crawl, where):
    target = {"inside": crawl / "b", "around": crawl.parent, "itself": crawl}[where]

    code, _, err = called("backup", target, "-o", crawl)

    assert 2 == code
    assert "lie within each other" in err


def test_what_is_no_backup_is_not_touched(called, crawl, target, whole):
    target.mkdir(parents=True)
    (target / "letters.txt").write_text("mine")

    code, _, err = called("backup", target, "-o", crawl)

    assert (2, ["letters.txt"]) == (code, [path.name for path in target.iterdir()])
    assert "is not empty, and no backup" in err


def test_a_backup_of_another_crawl_is_not_touched(called, crawl, target):
    called("backup", target, "-o", crawl)
    changed(crawl, "UPDATE meta SET value = '00' WHERE key = 'secret'")

    code, _, err = called("backup", target, "-o", crawl)

    assert 2 == code
    assert "is a backup of another crawl" in err


def test_a_backup_that_was_crawled_on_is_not_overwritten(called, crawl, target):
    called("backup", target, "-o", crawl)
    changed(target, "INSERT INTO run (started_at, version, argv, config) VALUES (1, '1', 'resume', '{}')")

    code, _, err = called("backup", target, "-o", crawl)

    assert 2 == code
    assert "it was crawled on, or repaired, by itself" in err


def test_a_backup_that_somebody_crawls_in_is_left_alone(called, crawl, target):
    called("backup", target, "-o", crawl)
    with held(target):
        assert 5 == called("backup", target, "-o", crawl)[0]


KILLED = """
import os, signal, sys
from pathlib import Path
from crawler.cli.main import main
left, rename = int(sys.argv[1]), Path.rename
def once(self, target):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return rename(self, target)
Path.rename = once
main(sys.argv[2:])
"""


@pytest.mark.parametrize("after", [8])
def test_a_backup_that_is_killed_is_no_crawl_and_goes_on(called, whole, target, after):
    """The first renaming gives the note its name, those of bodies follow, the database is last."""
    command = ["backup", str(target), "-o", str(whole)]

    done = subprocess.run([sys.executable, "-c", KILLED, str(after), *command], check=False, cwd=Path(__file__).parents[2])

    assert -signal.SIGKILL == done.returncode
    assert not (target / "crawl.db").exists()
    assert 6 == called("status", "-o", target)[0]
    code, _, err = called(*command)
    assert 0 == code
    assert f"{20 - after + 1} files copied" in err
    assert "it had been cut short, and is whole now" in err
    assert 0 == called("verify", "--deep", "-o", target)[0]


def test_a_newer_copy_that_is_killed_leaves_the_older_one(called, crawl, target):
    called("backup", target, "-o", crawl)
    before = (target / "crawl.db").read_bytes()
    changed(crawl, "UPDATE meta SET value = '21' WHERE key = 'pages'")
    command = ["backup", str(target), "-o", str(crawl)]

    subprocess.run([sys.executable, "-c", KILLED, "0", *command], check=False, cwd=Path(__file__).parents[2])

    assert before == (target / "crawl.db").read_bytes()
    assert 0 == called("verify", "-o", target)[0]


def test_a_copy_of_a_database_that_is_being_written_is_of_one_moment(crawl, tmp_path):
    """A writer that commits between all steps: each of its commits adds to both sides, and the copy has as much of either."""
    changed(crawl, "CREATE TABLE left_side (x BLOB)", "CREATE TABLE right_side (x BLOB)",
            "INSERT INTO left_side SELECT randomblob(3000) FROM fetch f, fetch g, fetch h LIMIT 9000")
    steps = []
    with closing(sqlite3.connect(crawl / "crawl.db", isolation_level=None)) as writer:
        def write(done, total):
            steps.append(done)
            writer.execute("BEGIN")
            writer.execute("INSERT INTO left_side VALUES (zeroblob(5000))")
            writer.execute("INSERT INTO right_side VALUES (zeroblob(5000))")
            writer.execute("COMMIT")

        with Reader.open(crawl) as reader:
            copy_database(reader, tmp_path / "copy.db", write)
    with closing(sqlite3.connect(tmp_path / "copy.db")) as copy:
        counts = copy.execute("SELECT (SELECT count(*) FROM left_side), (SELECT count(*) FROM right_side)").fetchone()
        assert [("ok",)] == copy.execute("PRAGMA integrity_check").fetchall()

    assert (9000, 0) == counts
    assert len(steps) > 3
    assert steps == sorted(steps), "it began anew"


def test_a_backup_beside_a_running_crawl_is_sound_and_can_be_resumed(called, tmp_path, target):
    """The crawl is held in the middle, by a page that is not answered before the backup is there."""
    with Gate() as site:
        folder = tmp_path / "running"
        command = [site.seed, "-o", str(folder), "--delay", "0", "--parsers", "1", "-q"]
        crawl = subprocess.Popen([sys.executable, "-m", "crawler", *command], cwd=Path(__file__).parents[2])
        assert site.reached.wait(30)
        code = called("backup", target, "-o", folder)[0]
        checked = called("verify", "-o", folder)
        site.go.set()
        assert 0 == crawl.wait(30)
        assert (0, 0) == (code, checked[0])
        assert "not checked, while it is being crawled" in checked[1]
        assert 0 == called("verify", "--deep", "-o", target)[0]
        assert 0 < len(bodies(target)) < len(bodies(folder))
        assert 0 == called("resume", "-o", target, "-q")[0]
        assert bodies(folder) == bodies(target)
