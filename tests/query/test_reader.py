"""A reader reads whatever a crawl has written, and does nothing else."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import warnings
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crawler.query.errors import NO_ACCESS, NOTHING_HERE, UNUSABLE, WRONG_QUERY, QueryError
from crawler.query.guard import _DESCRIBING
from crawler.query.reader import FORMAT, Reader

ENDLESS = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT max(x) FROM c"


def failure(reader: Reader, sql: str, parameters: tuple[object, ...] = ()) -> QueryError:
    """Return the error that a query ends in."""
    with pytest.raises(QueryError) as caught:
        deque(reader.rows(sql, parameters), maxlen=0)   # type: ignore[arg-type] # a test may ask with anything
    return caught.value


def content(folder: Path) -> dict[str, str]:
    """Return all files of a folder with the digests of their bytes, the readers' own scratch file aside."""
    files = sorted(each for each in folder.iterdir() if each.is_file() and not each.name.endswith("-shm"))
    return {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in files}


# --- opening ------------------------------------------------------------------------------------------------------


def test_the_folder_and_the_file_are_the_same_crawl(crawl: Path, database: Path) -> None:
    """A person names the folder, a program the file."""
    for path in (crawl, database, str(crawl)):
        with Reader.open(path) as reader:
            assert database == reader.file
            assert [("https://site.example/", "done")] == reader.all("SELECT url, state FROM urls WHERE url_id = 1")


def test_a_path_with_the_signs_of_uris_is_opened(crawl: Path) -> None:
    """Nothing in a folder's name is taken for a parameter of the connection."""
    odd = crawl.rename(crawl.parent / "100%25 ?mode=rwc#x 한")
    with Reader.open(odd) as reader:
        assert [(14,)] == reader.all("SELECT count(*) FROM url")


def test_no_crawl_there(crawl: Path, tmp_path: Path) -> None:
    """A wrong folder is told with the crawls beside it, and nothing is created."""
    with pytest.raises(QueryError, match="holds no crawl") as caught:
        Reader.open(crawl.parent)
    assert UNUSABLE == caught.value.exit_code
    assert f"Try -o {crawl}." == caught.value.hint
    with pytest.raises(QueryError, match="there is no") as caught:
        Reader.open(tmp_path / "nowhere")
    assert UNUSABLE == caught.value.exit_code
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("bytes_in_it", [b"", b"<html>no database</html>" * 100])
def test_a_file_that_is_no_database(tmp_path: Path, bytes_in_it: bytes) -> None:
    """Any file may bear the name."""
    (tmp_path / "crawl.db").write_bytes(bytes_in_it)
    with pytest.raises(QueryError) as caught:
        Reader.open(tmp_path)
    assert UNUSABLE == caught.value.exit_code
    assert {"crawl.db": hashlib.sha256(bytes_in_it).hexdigest()} == content(tmp_path)


@pytest.mark.parametrize(("pragma", "words"), [("application_id = 7", "no database of a crawl"), ("user_version = 5", "format 5")])
def test_other_databases_and_newer_formats_are_refused_untouched(crawl: Path, database: Path, pragma: str, words: str) -> None:
    """What this version does not know, it leaves alone."""
    with sqlite3.connect(database) as db:
        db.execute(f"PRAGMA {pragma}")
    db.close()
    before = content(crawl)
    with pytest.raises(QueryError, match=words) as caught:
        Reader.open(crawl)
    assert UNUSABLE == caught.value.exit_code
    assert before["crawl.db"] == content(crawl)["crawl.db"]


def test_a_damaged_database(crawl: Path, database: Path) -> None:
    """Damage is named, with what is left to do."""
    with database.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (database.stat().st_size - 4096))
    with pytest.raises(QueryError, match="damaged") as caught, Reader.open(crawl) as reader:
        reader.all("SELECT * FROM url")
    assert (UNUSABLE, "Try a copy of the folder, or --fresh to start anew beside it.") == (caught.value.exit_code, caught.value.hint)


# --- beside a writer ----------------------------------------------------------------------------------------------


def test_what_a_crawl_commits_is_seen_and_snapshots_stand_still(writer: sqlite3.Connection, reader: Reader) -> None:
    """Each query sees one moment; a snapshot makes several queries see the same."""
    writer.execute("UPDATE host SET done = 100 WHERE host_id = 1")
    assert (100,) == reader.one("SELECT done FROM hosts WHERE host = 'site.example'")
    with reader.snapshot():
        assert (100,) == reader.one("SELECT done FROM host WHERE host_id = 1")
        writer.execute("UPDATE host SET done = 101 WHERE host_id = 1")
        assert (100,) == reader.one("SELECT done FROM host WHERE host_id = 1")
    assert (101,) == reader.one("SELECT done FROM host WHERE host_id = 1")


def test_a_writer_in_another_thread_is_never_disturbed(database: Path, crawl: Path) -> None:
    """Counters and rows that change in one transaction never disagree, whatever the two do at the same time."""
    written = threading.Semaphore(0)

    def crawl_on() -> None:
        with contextlib.closing(sqlite3.connect(database, isolation_level=None)) as writer:
            for number in range(200):
                writer.execute("BEGIN IMMEDIATE")
                writer.execute("INSERT INTO meta VALUES (?, 'x')", (f"page {number}",))
                writer.execute("UPDATE state SET urls = urls + 1 WHERE state = 1")
                writer.execute("COMMIT")
                written.release()

    sql = "SELECT (SELECT count(*) FROM meta WHERE key LIKE 'page %'), (SELECT urls FROM state WHERE state = 1)"
    with ThreadPoolExecutor(1) as pool:
        crawling = pool.submit(crawl_on)
        seen = []
        for _ in range(200):
            assert written.acquire(timeout=20)
            with Reader.open(crawl) as reader:
                seen += reader.all(sql)
        crawling.result()
    pages = [int(str(first)) for first, _ in seen]
    assert pages == [int(str(second)) - 7 for _, second in seen]
    assert pages == sorted(pages)
    assert 200 == pages[-1]


def test_a_killed_crawl_is_read_without_folding_its_log(crawl: Path, writer: sqlite3.Connection, tmp_path: Path) -> None:
    """What a killed crawl leaves, crawl.db and its log, is read and stays as it is: only the crawl may checkpoint."""
    writer.execute("INSERT INTO meta VALUES ('late', '1')")
    left = tmp_path / "left"
    left.mkdir()
    subprocess.run(["cp", crawl / "crawl.db", crawl / "crawl.db-wal", left], check=True)   # not here: it would free the writer's locks
    before = content(left)
    assert {"crawl.db", "crawl.db-wal"} == before.keys()
    with Reader.open(left) as reader:
        assert ("1",) == reader.one("SELECT value FROM meta WHERE key = 'late'")
    assert before == content(left)


def test_locks_of_a_writer_in_this_process_survive(crawl: Path, database: Path, writer: sqlite3.Connection) -> None:
    """A reader that opened the file by itself would free them on closing (sqlite.org/howtocorrupt.html 2.2)."""
    writer.execute("BEGIN IMMEDIATE")
    with Reader.open(crawl) as reader:
        reader.all("SELECT count(*) FROM url")
    code = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('PRAGMA journal_mode = DELETE')"
    other = subprocess.run([sys.executable, "-c", code, database], capture_output=True, text=True, check=False)
    writer.execute("ROLLBACK")
    assert "database is locked" in other.stderr


def in_a_folder_that_may_not_be_written(folder: Path, look: object) -> int:
    """Run *look* in a child that may read *folder* and not write to it; return how it ended."""
    folder.chmod(0o555)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)     # of a fork beside threads: the child runs no code of theirs
        child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setuid(65_534)
            os._exit(look())    # type: ignore[operator] # a function without arguments
        finally:
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture
def public() -> object:
    """Return a folder that other users of the machine can reach."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_a_crawl_in_a_folder_that_may_not_be_written(database: Path, public: Path) -> None:
    """A finished crawl on a read-only disk can be read; one that still has a log cannot, and says so."""
    shutil.copy(database, public)
    (public / "crawl.db").chmod(0o644)

    def finished() -> int:
        with Reader.open(public) as reader:
            return 0 if reader.all("SELECT count(*) FROM url") == [(14,)] else 1

    def unfinished() -> int:
        try:
            Reader.open(public)
        except QueryError as error:
            return 0 if (error.exit_code, "a copy of the folder" in error.hint) == (NO_ACCESS, True) else 1
        return 2

    assert in_a_folder_that_may_not_be_written(public, finished) == 0
    public.chmod(0o755)
    (public / "crawl.db-wal").write_bytes(b"\x37\x7f\x06\x82" + bytes(60))
    assert in_a_folder_that_may_not_be_written(public, unfinished) == 0


# --- attacks ------------------------------------------------------------------------------------------------------

WRITES = [
    ("INSERT INTO meta VALUES ('a', 'b')", "INSERT"),
    ("UPDATE url SET state = 0", "UPDATE"),
    ("DELETE FROM url", "DELETE"),
    ("REPLACE INTO meta VALUES ('secret', '00')", "REPLACE"),
    ("WITH x AS (SELECT 1) INSERT INTO meta SELECT 'a', 'b'", "INSERT"),
    ("INSERT INTO meta VALUES ('a', 'b') RETURNING key", "INSERT"),
    ("CREATE TABLE t (x)", "CREATE"),
    ("CREATE TEMP TABLE t (x)", "CREATE"),
    ("CREATE TEMP VIEW t AS SELECT 1", "CREATE"),
    ("CREATE TEMP TRIGGER t AFTER INSERT ON meta BEGIN SELECT 1; END", "CREATE"),
    ("CREATE VIRTUAL TABLE temp.t USING fts5 (x)", "CREATE"),
    ("DROP TABLE url", "DROP"),
    ("ALTER TABLE url RENAME TO urn", "ALTER"),
    ("CREATE INDEX i ON url (path)", "CREATE"),
    ("REINDEX", "REINDEX"),
    ("ANALYZE", "ANALYZE"),
    ("VACUUM", "VACUUM"),
    ("VACUUM INTO '{away}'", "VACUUM"),
    ("ATTACH '{away}' AS away", "ATTACH"),
    ("ATTACH ':memory:' AS away", "ATTACH"),
    ("-- look\n /* here */ ATTACH 'file:{away}?mode=rwc' AS away", "ATTACH"),
    ("DETACH main", "DETACH"),
    ("BEGIN", "BEGIN"),
    ("COMMIT", "COMMIT"),
    ("SAVEPOINT s", "SAVEPOINT"),
    ("EXPLAIN ATTACH '{away}' AS away", "ATTACH"),
    ("PRAGMA query_only = 0", "PRAGMA query_only"),
    ("PRAGMA writable_schema = ON", "PRAGMA writable_schema"),
    ("PRAGMA journal_mode = DELETE", "PRAGMA journal_mode"),
    ("PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA wal_checkpoint"),
    ("PRAGMA user_version = 9", "PRAGMA user_version"),
    ("PRAGMA application_id(9)", "PRAGMA application_id"),
    ("PRAGMA temp_store_directory = '/tmp'", "PRAGMA temp_store_directory"),
    ("PRAGMA mmap_size = 1000000000", "PRAGMA mmap_size"),
    ("PRAGMA optimize", "PRAGMA optimize"),
    ("SELECT * FROM pragma_optimize", "this table-valued function"),
    ("SELECT * FROM pragma_journal_mode", "this table-valued function"),
    ("SELECT * FROM dbstat", "this table-valued function"),
    ("SELECT load_extension('{away}')", "the function load_extension()"),
    ("SELECT fts3_tokenizer('simple')", "the function fts3_tokenizer()"),
    ("SELECT sqlite_log(1, 'x')", "the function sqlite_log()"),
]


@pytest.mark.parametrize(("sql", "what"), WRITES)
def test_all_but_reading_is_refused(crawl: Path, reader: Reader, tmp_path: Path, sql: str, what: str) -> None:
    """One clear sentence, no file anywhere, no byte changed, and the reader goes on."""
    before = content(crawl)
    away = tmp_path / "away.db"
    error = failure(reader, sql.format(away=away))
    assert (f"{what} is refused: a query may only read", WRONG_QUERY) == (error.message, error.exit_code)
    assert not away.exists()
    assert before["crawl.db"] == content(crawl)["crawl.db"]
    assert [(14,)] == reader.all("SELECT count(*) FROM url")


@pytest.mark.parametrize("pragma", sorted(_DESCRIBING))
@pytest.mark.parametrize("argument", ["", "(url)", "('url_fingerprint')", " = 1", "('nothing')"])
def test_pragmas_that_describe_change_nothing(crawl: Path, reader: Reader, pragma: str, argument: str) -> None:
    """Whatever their argument: it is taken for a name."""
    before = content(crawl)
    schema = reader.all("SELECT * FROM sqlite_schema")
    deque(reader.rows(f"PRAGMA {pragma}{argument}"), maxlen=0)
    assert schema == reader.all("SELECT * FROM sqlite_schema")
    assert before["crawl.db"] == content(crawl)["crawl.db"]


def test_what_is_useful_is_allowed(reader: Reader) -> None:
    """JSON, the schema, plans, and the columns of a table as a table."""
    assert [(2,)] == reader.all("SELECT count(*) FROM json_each('[1, 2]')")
    assert [("host",)] == reader.all("SELECT value FROM ruleset, json_tree(options) WHERE atom IS NOT NULL")
    assert ("url_id",) == reader.one("SELECT name FROM pragma_table_info('urls')")
    assert reader.all("EXPLAIN QUERY PLAN SELECT * FROM urls")
    assert [(FORMAT,)] == reader.all("PRAGMA user_version")
    assert [("DONE,QUEUED",)] == reader.all("SELECT group_concat(upper(name)) FROM (SELECT name FROM state WHERE state < 2 ORDER BY name)")


def test_an_endless_query_ends_at_its_time_limit(crawl: Path) -> None:
    """The limit is the reader's, and said."""
    with Reader.open(crawl, timeout=0.05) as reader:
        error = failure(reader, ENDLESS)
        assert ("the query took longer than 0.05 s", NOTHING_HERE) == (error.message, error.exit_code)
        assert [(1,)] == reader.all("SELECT 1"), "the next query has its own time"


def test_steps_that_are_slow_are_looked_at_often_enough(crawl: Path) -> None:
    """Ten million random bytes a step take long, so that the clock must be asked after few steps."""
    slow = ENDLESS.replace("max(x)", "sum(length(randomblob(9000000)))")
    with Reader.open(crawl, timeout=0.05) as reader:
        assert "the query took longer than 0.05 s" == failure(reader, slow).message


def test_time_that_rows_wait_for_their_reader_does_not_count(crawl: Path) -> None:
    """Whoever pages through a result may take his time; only SQLite's own is bounded."""
    with Reader.open(crawl, timeout=0.2) as reader:
        rows = iter(reader.rows("WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT x FROM c"))
        next(rows)
        done = threading.Event()
        done.wait(0.3)
        assert (2,) == next(rows)
        rows.close()


def test_a_signal_cancels(crawl: Path) -> None:
    """Also from within a step that never returns a row; what the signal did before is put back."""
    before = signal.getsignal(signal.SIGALRM)
    with Reader.open(crawl) as reader, reader.cancelled_by(signal.SIGALRM):
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        error = failure(reader, ENDLESS)
    assert ("the query was stopped", 128 + signal.SIGALRM) == (error.message, error.exit_code)
    assert before == signal.getsignal(signal.SIGALRM)


def test_another_thread_cancels_between_rows(reader: Reader) -> None:
    """Cancelling stops a result that is being read, and everything after it."""
    rows = iter(reader.rows("SELECT * FROM url"))
    next(rows)
    thread = threading.Thread(target=reader.cancel)
    thread.start()
    thread.join()
    with pytest.raises(QueryError, match="stopped"):
        next(rows)
    assert "the query was stopped" == failure(reader, ENDLESS).message


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT length(randomblob(900000000))",
        "SELECT hex(randomblob(9000000))",
        "SELECT replace(hex(zeroblob(1000000)), '0', 'xxxxxxxxxx')",
        "WITH RECURSIVE c (x) AS (SELECT 'x' UNION ALL SELECT x || x FROM c) SELECT length(x) FROM c",
    ],
)
def test_values_have_a_largest_size(reader: Reader, sql: str) -> None:
    """Ten million bytes, so that nothing fills the memory."""
    error = failure(reader, sql)
    assert ("a value or the query is larger than the limit", WRONG_QUERY) == (error.message, error.exit_code)


def test_a_huge_query_and_pattern(reader: Reader) -> None:
    """What is compiled and matched has a largest size too."""
    assert WRONG_QUERY == failure(reader, f"SELECT {'1+' * 1_000_000}1").exit_code
    assert "pattern too complex" in failure(reader, "SELECT 'a' LIKE ?", ("%a" * 1_000,)).message


def test_a_million_rows_in_constant_memory(crawl: Path) -> None:
    """Rows stream; measured in a process of its own, by its highest resident size."""
    code = """
import resource, sys
from collections import deque
from crawler.query.guard import _DESCRIBING
from crawler.query.reader import FORMAT, Reader
with Reader.open(sys.argv[1], timeout=600) as reader:
    sql = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT {}) SELECT x, 'row' FROM c"
    deque(reader.rows(sql.format(1000)), maxlen=0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    deque(reader.rows(sql.format(int(sys.argv[2]))), maxlen=0)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    ran = subprocess.run([sys.executable, "-c", code, crawl, str(10**6)], capture_output=True, text=True, check=True)
    grown = int(ran.stdout) * (1 if sys.platform == "darwin" else 1024)
    assert grown < 4_000_000      # four bytes a row, where a kept row would take a hundred


def test_a_crafted_view_gets_no_more_leave(database: Path, crawl: Path) -> None:
    """A database is data: what its views call is under the same guard."""
    with sqlite3.connect(database) as db:
        db.execute("CREATE VIEW trap AS SELECT load_extension('x') AS a")
        db.execute("CREATE VIEW pit AS WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x FROM c) SELECT max(x) AS b FROM c")
    db.close()
    with Reader.open(crawl, timeout=0.05) as reader:
        assert failure(reader, "SELECT * FROM trap").message
        assert "longer than 0.05 s" in failure(reader, "SELECT * FROM pit").message


# --- rows ---------------------------------------------------------------------------------------------------------


def test_a_limit_tells_that_there_was_more(reader: Reader) -> None:
    """The cap is exact, and known to have cut."""
    rows = reader.rows("SELECT url_id FROM url ORDER BY 1", limit=3)
    assert ("url_id",) == rows.columns
    assert [(1,), (2,), (3,)] == list(rows)
    assert rows.truncated
    rows = reader.rows("SELECT url_id FROM url", limit=14)
    assert 14 == len(list(rows))
    assert not rows.truncated


def test_text_that_is_no_text_is_read(database: Path, crawl: Path) -> None:
    """A robots.txt may hold any bytes."""
    with sqlite3.connect(database) as db:
        db.execute("UPDATE origin SET robots_txt = x'41ff42' WHERE origin_id = 1")
    db.close()
    with Reader.open(crawl) as reader:
        assert [("A\ufffdB",)] == reader.all("SELECT text FROM robots WHERE origin = 'https://site.example'")
        assert [(b"A\xffB",)] == reader.all("SELECT robots_txt FROM origin WHERE origin_id = 1")


# --- mistakes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "message", "hint"),
    [
        ("SELECT stauts FROM pages", "no such column: stauts", "Try status (in pages)."),
        ("SELECT p.titel FROM pages p", "no such column: p.titel", "Try title (in pages) or site (in pages)."),
        ("SELECT crawl_delay FROM pages", "no such column: crawl_delay", "Try crawl_delay_ms (in robots, origin)."),
        ("SELECT * FROM page", "no such table: page", "Try pages."),
        ("SELECT * FROM main.hots", "no such table: main.hots", "Try hosts or host or robots."),
        ("SELECT zzzzz FROM seeds", "no such column: zzzzz", "Try one of url, options, source, line."),
        ("SELECT zzzzz", "no such column: zzzzz", "Try PRAGMA table_info(urls) for the columns of a table or view."),
        ("SELECT * FROM zzzzz", "no such table: zzzzz", None),
        ("SELCT 1", "syntax error near 'SELCT' (line 1, column 1)", None),
        ("SELECT * FROM url url url", "syntax error near 'url'", None),
        ("SELECT 1\nFRM url", "syntax error near 'url' (line 2, column 5)", None),
        ("SELECT (1", "the query ends too early", None),
        ("SELECT median(1)", "no such function: median", None),
        ("SELECT 1; SELECT 2", "there is more than one statement", None),
        ("", "the query is empty", None),
        ("-- nothing", "the query is empty", None),
    ],
)
def test_mistakes_are_told_with_the_nearest_right_thing(reader: Reader, sql: str, message: str, hint: str | None) -> None:
    """What is wrong, where, and what to try."""
    error = failure(reader, sql)
    assert (message, WRONG_QUERY) == (error.message, error.exit_code)
    assert hint in (None, error.hint)
    assert error.hint.startswith("Try ")


@pytest.mark.parametrize("sql", ["SELECT ?", "SELECT '\x00'", "SELECT '\udc80'"])
def test_queries_that_are_no_text(reader: Reader, sql: str) -> None:
    """Nothing that can be typed ends in a traceback."""
    error = failure(reader, sql)
    assert WRONG_QUERY == error.exit_code
    assert error.message.startswith("SQLite says: ")
    assert "the list" in error.hint


def test_a_reader_says_what_it_is(reader: Reader, database: Path) -> None:
    """For an operator, in one line."""
    assert f"<Reader of {database}, 30 s a query>" == repr(reader)
