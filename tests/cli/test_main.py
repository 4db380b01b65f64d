"""The entrance: which command is meant, what a process ends with, and that a crawl is told what was asked for."""

import asyncio
import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import types
from pathlib import Path

import msgspec
import pytest

import crawler
from crawler.cli import crawl as crawl_command
from crawler.cli import doctor, events, logs
from crawler.core.metrics import Snapshot, Summary
from crawler.core.settings import Settings
from crawler.folder import InUse, NewerFormat, NotACrawl, StorageError, held
from crawler.hooks import Notice, PageStored, Progress, RequestFailed, RunEnded, RunStarted, Stopping

SUMMARY = Summary(outcome="finished", elapsed=1.0, pages=3, run_pages=3, bytes=300, queued=0, errors=())
SNAPSHOT = Snapshot(
    elapsed=0.5, pages=1, run_pages=1, queued=2, errors=0, bytes=1, pages_per_second=1.0, bytes_per_second=1.0, hosts=1, in_flight=1,
    trend=0,
)  # fmt: skip
PAGE = PageStored("https://a.example/", 200, "text/html", 100, "pages/x", 0, "T\x1b")


@pytest.fixture
def engine(monkeypatch):
    """Put a crawler in place of the real one: it notes what it is given, and does what the test says."""
    monkeypatch.chdir(Path.cwd())
    Path("seeds.txt").write_text("https://a.example/\n", encoding="utf-8")
    fake = types.SimpleNamespace(made=[], stops=[], summary=SUMMARY, error=None, act=None, resumed=False)

    class Crawler:
        def __init__(self, settings, *, output, seeds, sources, hooks, argv, door):
            self.settings, self.output, self.seeds, self.sources, self.argv = settings, output, seeds, sources, argv
            self.hooks = hooks
            self.stopped = asyncio.Event()
            fake.made.append(self)

        def stop(self, signum):
            fake.stops.append(signum)
            self.stopped.set()

        async def run(self):
            if isinstance(fake.error, Exception):
                raise fake.error
            self.output.mkdir(parents=True, exist_ok=True)
            await self.hooks.send(RunStarted(str(self.output), fake.resumed, 0, len(self.seeds), True, 0, len(self.seeds), 0))
            await self.hooks.send(Progress(SNAPSHOT))
            await self.hooks.send(PAGE)
            if fake.act:
                await fake.act(self)
            await self.hooks.send(RunEnded(fake.summary))
            return fake.summary

    monkeypatch.setitem(sys.modules, "crawler.engine", types.SimpleNamespace(Crawler=Crawler))
    monkeypatch.setitem(sys.modules, "crawler.control.server", types.SimpleNamespace(serve=None))
    return fake


# --- which command ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "argv",
    [
        ["seeds.txt"],
        ["crawl", "seeds.txt"],
        ["-n", "5", "seeds.txt"],
        ["seeds.txt", "-n", "5"],
        ["--no-robots", "seeds.txt", "-c8"],
        ["https://a.example/"],
    ],
)
def test_a_first_word_that_is_no_command_is_a_seed(engine, called, argv):
    code, out, _ = called(*argv)

    assert (0, "") == (code, out)
    assert ["https://a.example/"] == [seed.url for seed in engine.made[0].seeds]


@pytest.mark.parametrize(
    ("argv", "said", "hint"),
    [
        ([], "nothing to crawl was named", "Try "),
        (["crawl"], "nothing to crawl was named", "Try "),
        (["stauts"], '"stauts" is neither a command nor a file nor a URL', "Did you mean "),
        (["seedz.txt"], "there is no file seedz.txt", "Did you mean seeds.txt?"),
        (["seeds.txt", "--dephth", "3"], "there is no option --dephth", "Did you mean --depth?"),
        (["seeds.txt", "--progress", "loud"], "invalid value for '--progress'", "Try "),
        (["seeds.txt", "-n"], "option '-n' requires an argument", "Try "),
        (["-o", "x", "status"], "status is a command, and a command comes first", "Try "),
        (["seeds.txt", "--depth", "deep"], "depth must be a whole number, got 'deep' (--depth)", "Try "),
        (["seeds.txt", "--config", "no.toml"], "cannot read no.toml", "Try "),
        (["seeds.txt", "--fail-on", "luck"], "--fail-on must be", "Try "),
        (["-"], "seeds from standard input have no name", "Try -o output/NAME."),
        (["htp://a.example/"], "htp://a.example/ is no usable URL", "Try "),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_says_what_to_try(engine, called, argv, said, hint):
    code, out, err = called(*argv)

    assert (2, "", []) == (code, out, engine.made)
    assert err.startswith(f"error: {said}")
    assert any(line.startswith(hint) for line in err.splitlines()[1:])
    assert "Traceback" not in err


def test_bad_seeds_stop_before_anything_is_fetched(engine, called):
    Path("seeds.txt").write_text("https://a.example/\nhtp://b/\n", encoding="utf-8")

    code, _, err = called("seeds.txt")
    assert (2, []) == (code, engine.made)
    assert "   2 | htp://b/" in err

    code, _, err = called("seeds.txt", "--skip-bad-seeds")
    assert (0, 1) == (code, len(engine.made))
    assert "1 line left out" in err


def test_a_file_without_urls_is_told(engine, called):
    Path("seeds.txt").write_text("# nothing\n", encoding="utf-8")

    code, _, err = called("seeds.txt")

    assert (2, True) == (code, "seeds.txt names no URL" in err)


# --- what the crawl is given ------------------------------------------------------------------------------------


def test_the_crawl_gets_settings_place_sources_and_a_clean_command_line(engine, called, monkeypatch):
    monkeypatch.setenv("CRAWLER_TRIES", "5")
    Path("crawler.toml").write_text('timeout = "30s"\n', encoding="utf-8")

    called("seeds.txt", "-n", "5", "-H", "https://h.test Cookie: s=1", "--header=X-A: b", "--auth", "http://h.test bearer abc", "-o", "there", "--user-agent", "x http://u:p@h/")

    [made] = engine.made
    headers, auth = ("https://h.test Cookie: s=1", "X-A: b"), ("http://h.test bearer abc",)
    assert Settings(max_pages=5, tries=5, timeout=30.0, headers=headers, auth=auth, user_agent="x http://u:p@h/") == made.settings
    assert Path("there") == made.output
    assert ["seeds.txt"] == [source.name for source in made.sources]
    assert (
        "seeds.txt", "-n", "5", "-H", "https://h.test Cookie: ***", "--header=X-A: b", "--auth", "http://h.test bearer ***", "-o", "there",
        "--user-agent", "x http://***@h/",
    ) == made.argv  # fmt: skip


def test_no_config_reads_no_file(engine, called):
    Path("crawler.toml").write_text("tries = 9\n", encoding="utf-8")

    called("seeds.txt", "--no-config")

    assert Settings() == engine.made[0].settings


def test_a_folder_is_remembered_and_changes_are_told(engine, called, made):
    made(Path("output/seeds"), settings={"depth": 3, "concurrency": 8})
    engine.resumed = True

    _, _, err = called("seeds.txt", "--depth", "4")

    assert Settings(depth=4, concurrency=8) == engine.made[0].settings
    assert "changed since last run: depth 3 → 4" in err


def test_other_seeds_are_refused_unless_they_are_added(engine, called, made):
    made(Path("output/docs"))
    Path("other.txt").write_text("https://b.example/\n", encoding="utf-8")

    code, _, err = called("other.txt", "-o", "output/docs")
    assert (2, []) == (code, engine.made)
    assert "output/docs is a crawl of seeds.txt, not of other.txt" in err
    assert "--add-seeds" in err

    assert 0 == called("other.txt", "-o", "output/docs", "--add-seeds")[0]
    assert engine.made[0].settings.add_seeds


def test_resume_goes_on_with_the_newest_crawl(engine, called, made):
    made(Path("output/docs"), settings={"depth": 3})

    assert 0 == called("resume", "-c", "2")[0]

    [crawl] = engine.made
    assert (Path("output/docs"), (), Settings(depth=3, concurrency=2)) == (crawl.output, crawl.seeds, crawl.settings)


def test_resume_without_a_crawl_ends_with_6(engine, called):
    assert 6 == called("resume")[0]
    assert 6 == called("resume", "-o", "nowhere")[0]


def test_fresh_keeps_the_old_folder_under_another_name(engine, called, made):
    made(Path("output/seeds"))

    assert 0 == called("seeds.txt", "--fresh")[0]

    kept = [folder.name for folder in Path("output").iterdir() if folder.name != "seeds"]
    assert (1, True) == (len(kept), kept[0].startswith("seeds.20"))
    assert Path("output", kept[0], "crawl.db").is_file()
    assert not Path("output/seeds/crawl.db").exists()


def test_fresh_leaves_a_crawl_alone_that_is_running(engine, called, made):
    with held(made(Path("output/seeds"))):
        code, _, err = called("seeds.txt", "--fresh")

    assert (5, []) == (code, engine.made)
    assert "is being crawled by process" in err
    assert Path("output/seeds/crawl.db").is_file()


@pytest.mark.parametrize("flags", [[], ["--fresh"]])
def test_pages_are_not_strewn_among_other_files(engine, called, flags):
    Path("mine").mkdir()
    Path("mine/letter.txt").touch()

    code, _, err = called("seeds.txt", "-o", "mine", *flags)

    assert (6, []) == (code, engine.made)
    assert "mine holds no crawl, but other files (letter.txt)" in err
    assert 2 == called("seeds.txt", "-o", "seeds.txt")[0]


def test_a_dry_run_does_nothing_and_says_what_it_would(engine, called, made):
    made(Path("output/seeds"), settings={"depth": 3})

    code, out, _ = called("seeds.txt", "--depth", "4", "--dry-run")
    assert (0, []) == (code, engine.made)
    assert [
        "would go on with output/seeds", "1 seed", "  https://a.example/", "settings that are not the default", "  depth = 4   (--depth)",
        "changed since last run: depth 3 → 4",
    ] == out.splitlines()  # fmt: skip

    assert "would put output/seeds aside as output/seeds.20" in called("seeds.txt", "--fresh", "--dry-run")[1]
    assert "would start a crawl in output/a.example" in called("https://a.example/", "--dry-run")[1]
    assert Path("output/seeds/crawl.db").is_file()


# --- how it ends ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (StorageError("cannot write", "Try freeing space."), 4),
        (InUse("in use", "Try later."), 5),
        (NotACrawl("no crawl", "Try -o."), 6),
        (NewerFormat("newer", "Try the newer version."), 6),
    ],
)
def test_troubles_of_the_folder_have_their_codes(engine, called, error, code):
    engine.error = error

    assert (code, "", f"error: {error.message}\n{error.hint}\n") == called("seeds.txt")


def test_a_bug_is_one_line_for_people_and_a_traceback_in_the_log(engine, called):
    async def act(_crawler):
        raise ZeroDivisionError("of all things")

    engine.act = act

    code, _, err = called("seeds.txt")

    assert 70 == code
    assert "error: internal error: ZeroDivisionError: of all things" in err
    assert "output/seeds/crawl.log" in err
    assert "Traceback" not in err
    last = json.loads(Path("output/seeds/crawl.log").read_text(encoding="ascii").splitlines()[-1])
    assert ("critical", True) == (last["level"], "in act" in last["trace"])


def test_a_bug_before_there_is_a_folder_leaves_its_traceback_elsewhere(engine, called, monkeypatch, tmp_path):
    monkeypatch.setattr(logs.tempfile, "tempdir", str(tmp_path))
    engine.error = ZeroDivisionError("early")

    code, _, err = called("seeds.txt")

    [left] = tmp_path.glob("crawler-*.log")
    assert (70, True) == (code, str(left) in err)
    assert "early" in left.read_text(encoding="utf-8")


def test_the_summary_decides_the_code(engine, called):
    engine.summary = msgspec.structs.replace(SUMMARY, errors=(("404", 1),))
    assert 8 == called("seeds.txt", "--fail-on", "errors=0")[0]
    engine.summary = msgspec.structs.replace(SUMMARY, outcome="parked", parked=(("a.example", "w", 1),))
    assert 7 == called("seeds.txt")[0]


def test_quiet_tells_nothing_but_errors(engine, called):
    assert (0, "", "") == called("seeds.txt", "-q")


def test_verbose_tells_what_the_log_is_told(engine, called):
    assert "  info: run begins:" in called("seeds.txt", "-v")[2]


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_and_the_code_tells_which(engine, called, signum):
    async def act(fake):
        os.kill(os.getpid(), signum)
        await fake.stopped.wait()
        await fake.hooks.send(Stopping(3, 10.0, 1))

    engine.act = act
    engine.summary = msgspec.structs.replace(SUMMARY, outcome="stopped", signal=int(signum), queued=7)

    code, _, err = called("seeds.txt")

    assert (128 + signum, [signum]) == (code, engine.stops)
    assert "Stopping: 3 requests still running" in err
    assert "Stopped. 3 pages saved, 7 URLs waiting. Nothing is lost.\n  continue   " in err
    assert err.rstrip().endswith("seeds.txt")


def test_the_third_signal_ends_at_once(engine, called, monkeypatch):
    ended = []

    async def act(fake):
        for _ in range(3):
            fake.stopped.clear()
            os.kill(os.getpid(), signal.SIGINT)
            await fake.stopped.wait()

    monkeypatch.setattr(crawl_command.os, "_exit", ended.append)
    engine.act = act

    called("seeds.txt")

    assert ([130], 3) == (ended, len(engine.stops))


def test_what_the_parent_ignores_stays_ignored(engine, called):
    caught = []

    async def act(_fake):
        loop = asyncio.get_running_loop()
        caught.append(loop.remove_signal_handler(signal.SIGHUP))

    engine.act = act
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        called("seeds.txt")
    finally:
        signal.signal(signal.SIGHUP, before)

    assert [False] == caught


# --- streams ----------------------------------------------------------------------------------------------------


def test_json_is_one_event_a_line_on_standard_output(engine, called):
    code, out, err = called("seeds.txt", "--json")

    lines = [json.loads(line) for line in out.splitlines()]
    assert (0, ["start", "progress", "page", "summary"]) == (code, [line["type"] for line in lines])
    assert {1} == {line["v"] for line in lines}
    assert ("T\x1b", 3) == (lines[2]["title"], lines[3]["pages"])
    assert "Finished in" in err


def test_json_ends_with_fatal_when_a_run_cannot_go_on(engine, called):
    engine.error = InUse("in use", "Try later.")

    code, out, _ = called("seeds.txt", "--json")

    assert {"v": 1, "type": "fatal", "message": "in use", "hint": "Try later.", "code": 5} == json.loads(out)
    assert 5 == code


def test_only_some_events_have_lines():
    assert events.encode(Notice("x")) is None
    assert b'"type":"error"' in events.encode(RequestFailed("https://a.example/", 404, None, None, final=True))


def test_a_reader_that_went_away_is_told_once_and_writing_ends():
    reading, writing = os.pipe()
    os.close(reading)
    broken = []

    async def write(lines):
        for _ in range(3):
            await lines(PAGE)
            await lines(RunEnded(SUMMARY))

    with open(writing, "wb", buffering=0) as stream, asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:  # noqa: PTH123 - a pipe
        lines = events.EventLines(stream, lambda: broken.append(True))
        runner.run(write(lines))
        lines.close()

    assert [True] == broken


def test_a_closed_pipe_is_no_error():
    done = subprocess.run(
        ["/bin/bash", "-c", f"'{sys.executable}' -m crawler query | head -1; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(crawler.__file__).parent.parent)}, check=True,
    )  # fmt: skip

    assert "Questions with a name:" == done.stdout.splitlines()[0]
    assert done.stdout.splitlines()[1] in {"0", "141"}
    assert "" == done.stderr


def redirected(words: str) -> subprocess.CompletedProcess[str]:
    """Run the program with its streams as a shell was told."""
    return subprocess.run(
        ["/bin/bash", "-c", f"exec '{sys.executable}' -m crawler {words}"], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(crawler.__file__).parent.parent)}, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("closed", [">&-", "<&- >&- 2>&-"])
def test_a_crawl_whose_streams_are_closed_from_the_start_runs(closed):
    """A database whose number is 1 would be written to as if it were the terminal, and the event loop aborted."""
    done = redirected(f"crawl http://127.0.0.1:1/ --max-time 0.5s -o out {closed}")

    assert done.stdout == ""
    assert ("Reached your limit" in done.stderr) is (closed == ">&-")
    with contextlib.closing(sqlite3.connect("out/crawl.db")) as database:
        assert [("limit",)] == database.execute("SELECT outcome FROM runs").fetchall()


@pytest.mark.parametrize(("target", "why"), [(">&-", "Bad file descriptor"), ("> /dev/full", "No space left on device")])
def test_what_cannot_be_written_to_standard_output_is_no_success(target, why, demo_crawl):
    done = redirected(f"query pages -o {demo_crawl} {target}")

    assert (4, f"error: cannot write to standard output: {why}") == (done.returncode, done.stderr.splitlines()[0])
    assert "Traceback" not in done.stderr


def test_the_program_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "crawler", "stauts"], capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(Path(crawler.__file__).parent.parent)}, check=False,
    )  # fmt: skip

    assert (2, "", "Did you mean python -m crawler status?") == (done.returncode, done.stdout, done.stderr.splitlines()[1])


# --- the other commands -----------------------------------------------------------------------------------------


def test_config_names_the_origin_of_every_value(called, made, monkeypatch):
    monkeypatch.setenv("CRAWLER_TRIES", "5")
    Path("crawler.toml").write_text("\nmax-links = 7\n", encoding="utf-8")
    made(Path("output/docs"), settings={"depth": 3})

    code, out, _ = called("config", "-c", "2", "-o", "output/docs")

    rows = {line.split("  ")[0].strip(): line.split() for line in out.splitlines()}
    assert 0 == code
    assert ["2", "--concurrency"] == rows["concurrency"][1:]
    assert ["5", "CRAWLER_TRIES"] == rows["tries"][1:]
    assert ["3", "output/docs"] == rows["depth"][1:]
    assert ["7", "crawler.toml,", "line", "2"] == rows["max_links"][1:]
    assert {"value": "3", "origin": "output/docs"} == json.loads(called("config", "-o", "output/docs", "--json")[1])["depth"]


def test_config_init_writes_an_example_and_overwrites_nothing(called):
    assert 0 == called("config", "init")[0]
    assert "# max_pages = " in Path("crawler.toml").read_text(encoding="utf-8")
    assert 2 == called("config", "init")[0]
    assert 0 == called("config")[0]


def test_the_doctor_looks_at_everything_and_says_what_is_bad(called):
    code, out, _ = called("doctor", "--offline")

    assert code in {0, 1}
    assert all(word in out for word in ("Python", "SQLite", "aiohttp", "libxml2", "open files", "disk", "clock"))
    assert "DNS" not in out
    assert ["bad", "bad", "note", "ok"] == [
        doctor._files(100).grade, doctor._sqlite((3, 34, 1)).grade, doctor._sqlite((3, 40, 1)).grade, doctor._sqlite((3, 52, 0)).grade,
    ]  # fmt: skip
    assert "bad" == doctor._time(0.0).grade


@pytest.mark.parametrize(("answer", "grade"), [("192.0.2.1", "ok"), (OSError("no network"), "note")])
def test_the_doctor_looks_a_name_up(answer, grade):
    def look_up(_name):
        if isinstance(answer, OSError):
            raise answer
        return answer

    assert grade == doctor._dns(look_up).grade


@pytest.mark.parametrize("argv", [["status"], ["query", "errors"], ["explain", "https://a.example/"], ["show", "https://a.example/"]])
def test_a_question_without_a_crawl_ends_with_6(called, argv):
    code, out, err = called(*argv)
    assert (6, "") == (code, out)
    assert "there is no crawl under output/ yet" in err
    Path("mine").mkdir()
    assert "mine holds no crawl" in called(*argv, "-o", "mine")[2]


def test_commands_are_suggested_the_way_that_the_program_was_called(tmp_path, monkeypatch):
    """In a virtual environment that is not activated the bare name would not be found."""
    from crawler.cli.session import program_name

    program = tmp_path / ".venv" / "bin" / "crawler"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [str(program)])
    monkeypatch.setenv("PATH", "/nowhere")
    assert ".venv/bin/crawler" == program_name()
    monkeypatch.setenv("PATH", str(program.parent))
    assert "crawler" == program_name()
    monkeypatch.setattr("sys.argv", ["/x/crawler/__main__.py"])
    assert "python -m crawler" == program_name()


@pytest.mark.parametrize(("place", "code", "text"), [("", 2, "output folder is empty"), ("x" * 300, 4, "file name too long")])
def test_an_output_folder_that_cannot_be_is_one_clear_error(tmp_path, monkeypatch, capsys, place, code, text):
    monkeypatch.chdir(tmp_path)
    from crawler.cli.main import main

    assert code == main(["http://127.0.0.1:9/", "-o", place])
    error = capsys.readouterr().err
    assert text in error
    assert "bug" not in error
