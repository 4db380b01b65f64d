"""The status of a crawl, from its counters."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from crawler.core.forecast import Eta, NoEta, Queue, Trend, Until
from crawler.folder import FAILED, LOG_FILE, held
from crawler.query.errors import QueryError
from crawler.query.hosts import HostStatus, NextUrl, OriginStatus
from crawler.query.status import TOP_HOSTS, RunStatus, read_host_status, read_status

START = 1_790_000_000.0


def test_a_crawl_that_was_killed(crawl: Path, database: Path) -> None:
    """Its last run has no end, and nobody holds the folder."""
    status = read_status(crawl)
    assert str(database) == status.database
    assert {"queued": 2, "done": 7, "failed": 1, "excluded": 1, "parked": 2} == status.states
    assert (5, 2, 3, 1) == (status.pages, status.errors, status.hosts, status.parked_hosts)
    assert RunStatus(2, START + 100, None, None, "1.0", 0, 0) == status.run
    assert (False, True) == (status.running, status.killed)
    assert database.stat().st_size <= status.database_bytes


def test_the_top_hosts_are_those_with_most_to_do(crawl: Path) -> None:
    """With their pace and what they wait for; seconds, not milliseconds."""
    first, second, third = read_status(crawl, START).top
    waits = {"crawl_delay": 2.0, "gap": 2.0, "at_least": 2.5}
    assert HostStatus("site.example", 2, 1, 7, 1, 0.5, START + 0.5, "answered 503", None, **waits) == first
    assert HostStatus("other.example", 1, 0, 0, 0, None, START, None, "does not answer", gap=1.0) == second
    assert HostStatus("out.example", 0, 0, 0, 0, None, None, None, None, excluded=1, gap=1.0) == third


def test_no_more_than_twenty_hosts(crawl: Path, writer: sqlite3.Connection) -> None:
    """However many there are."""
    rows = [(number, f"h{number}.example", "example", number) for number in range(10, 100)]
    writer.executemany("INSERT INTO host (host_id, name, site, queued) VALUES (?, ?, ?, ?)", rows)
    status = read_status(crawl)
    assert 99 == status.hosts
    assert [f"h{number}.example" for number in range(99, 99 - TOP_HOSTS, -1)] == [host.host for host in status.top]


def test_a_crawl_that_runs(crawl: Path) -> None:
    """Whoever holds the folder crawls: its run has no end because it goes on."""
    with held(crawl):
        status = read_status(crawl)
    assert (True, False) == (status.running, status.killed)
    assert status.holder is not None


def test_a_crawl_that_ended(crawl: Path, writer: sqlite3.Connection) -> None:
    """Its run says how."""
    writer.execute("UPDATE run SET ended_at = started_at + 1000, outcome = 'finished' WHERE run_id = 2")
    status = read_status(crawl)
    assert status.run is not None
    assert ("finished", True, START + 101) == (status.run.outcome, status.run.clean, status.run.ended)
    assert (False, False) == (status.running, status.killed)


def test_a_crawl_that_has_hardly_begun(crawl: Path, writer: sqlite3.Connection) -> None:
    """Zeros, and no run yet; counters that someone damaged are zeros too."""
    for table in ("run", "host", "url"):
        writer.execute(f"DELETE FROM {table}")
    writer.execute("UPDATE meta SET value = 'many' WHERE key = 'pages'")
    writer.execute("DELETE FROM meta WHERE key = 'errors'")
    status = read_status(crawl)
    assert (0, 0, 0, None, ()) == (status.pages, status.errors, status.hosts, status.run, status.top)
    assert not status.killed


def test_nothing_there(tmp_path: Path) -> None:
    """Said like by every other look."""
    with pytest.raises(QueryError, match="holds no crawl"):
        read_status(tmp_path)


# --- where it goes ------------------------------------------------------------------------------------------------

AGO = 100.0
"""Seconds between the start of the second run and START."""


def sample(writer: sqlite3.Connection, seconds: float, *, pages: int, queued: int, done: int, received: int = 0, run: int = 2) -> None:
    """Note how the run stood so many seconds after it began."""
    row = (round((START + AGO + seconds) * 1000), run, pages, 0, queued, done, 0, 0, received)
    writer.execute("INSERT INTO sample VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)


def shrink(writer: sqlite3.Connection, *, until: int = 600) -> None:
    """Let a run answer two URLs a second and find one, from 1,000 on."""
    for second in range(0, until + 1, 10):
        sample(writer, second, pages=second, queued=1_000 - second, done=2 * second, received=1_000 * second)
    writer.execute("UPDATE state SET urls = ? WHERE name = 'queued'", (1_000 - until,))
    writer.execute("UPDATE state SET urls = ? WHERE name = 'done'", (2 * until,))
    writer.execute("UPDATE state SET urls = 0 WHERE name = 'failed'")
    writer.execute("UPDATE meta SET value = ? WHERE key = 'pages'", (until,))


def test_rates_are_read_from_the_samples_of_the_latest_run(crawl: Path, writer: sqlite3.Connection) -> None:
    """Those of the run before say nothing about it."""
    sample(writer, -50, pages=90_000, queued=7, done=90_000, run=1)
    shrink(writer)
    status = read_status(crawl)
    assert status.minute is not None
    assert status.whole is not None
    assert (60, 1, 2, 1_000) == (status.minute.seconds, status.minute.pages, status.minute.answers, status.minute.bytes)
    assert (600, 1, 2, 1_000) == (status.whole.seconds, status.whole.pages, status.whole.answers, status.whole.bytes)


def test_a_running_crawl_is_judged_by_how_it_stands_now(crawl: Path, writer: sqlite3.Connection) -> None:
    """Its counters are newer than its last sample. One URL of 400 waits at a parked host, so 399 are to come."""
    shrink(writer)
    writer.execute("UPDATE state SET urls = 390 WHERE name = 'queued'")
    writer.execute("UPDATE state SET urls = 1220 WHERE name = 'done'")
    with held(crawl):
        status = read_status(crawl, START + AGO + 610)
    assert status.frontier is not None
    assert (Trend.CONVERGING, 390, 300) == (status.frontier.trend, status.frontier.after, status.frontier.seconds)
    assert Eta(389 / 2, 389, Until.END) == status.eta


def test_the_slowest_host_is_found_by_its_crawl_delay(crawl: Path, writer: sqlite3.Connection) -> None:
    """Its queue times its delay is what the crawl takes at least, also where the delay was said at another port."""
    shrink(writer)
    writer.execute("INSERT INTO host (host_id, name, site, queued, pace_ms) VALUES (8, 'slow.example', 'slow.example', 101, 200)")
    writer.execute("INSERT INTO host (host_id, name, site, queued, pace_ms) VALUES (9, 'slow.example.org', 'example.org', 1, 200)")
    rows = [(8, 8, "http://slow.example:8080", 30_000), (9, 9, "http://slow.example.org", 59_000)]
    writer.executemany("INSERT INTO origin (origin_id, host_id, origin, crawl_delay_ms) VALUES (?, ?, ?, ?)", rows)
    status = read_status(crawl, START + AGO + 600)
    assert Queue("slow.example", 101, 30.0) == status.slowest
    assert Eta(3_000, 3_000, Until.END) == status.eta
    assert [30.0] == [host.gap for host in status.top if host.host == "slow.example"]
    writer.execute("INSERT INTO meta VALUES ('settings', '{\"robots\": false}')")
    assert Queue("slow.example", 101, 0.2) == read_status(crawl, START + AGO + 600).slowest


def test_limits_of_the_run_are_known(crawl: Path, writer: sqlite3.Connection) -> None:
    """As the folder remembers its settings; the time counts only while it runs."""
    shrink(writer)
    writer.execute("INSERT INTO meta VALUES ('settings', '{\"max_pages\": 700, \"max_time\": 630}')")
    assert Eta(100, 100, Until.PAGES) == read_status(crawl, START + AGO + 600).eta
    with held(crawl):
        assert Eta(30, 30, Until.TIME) == read_status(crawl, START + AGO + 600).eta
    writer.execute("UPDATE meta SET value = 'broken' WHERE key = 'settings'")
    assert Eta(199.5, 399, Until.END) == read_status(crawl, START + AGO + 600).eta


def test_without_samples_nothing_is_foretold(crawl: Path) -> None:
    status = read_status(crawl, START)
    assert (None, None, None, NoEta("it is too early to say", 2.5)) == (status.minute, status.whole, status.frontier, status.eta)


def test_who_waits_and_why(crawl: Path) -> None:
    """A host that rests, a URL that is to be tried again, a host that is put off."""
    waiting = read_status(crawl, START).waiting
    assert (1, 1, 1) == (waiting.hosts, waiting.delayed, waiting.resting)
    assert [("site.example", "answered 503")] == [(host.host, host.rest_reason) for host in waiting.named]
    assert [("other.example", "does not answer")] == [(host.host, host.parked) for host in waiting.parked]
    assert 0 == read_status(crawl, START + 1).waiting.resting


def test_a_running_crawl_tells_the_speed_of_each_host(crawl: Path, writer: sqlite3.Connection) -> None:
    """Twelve requests within its last minute, all at one host; the run began long before, then 24 seconds before."""
    writer.execute("UPDATE run SET started_at = 0")
    with held(crawl):
        first, second, _ = read_status(crawl, START + 13).top
    assert (12 / 60, 76_228 / 60) == (first.answers_per_second, first.bytes_per_second)
    assert 0.0 == second.answers_per_second
    writer.execute("UPDATE run SET started_at = ?", (round((START - 11) * 1000),))
    with held(crawl):
        assert 12 / 24 == read_status(crawl, START + 13).top[0].answers_per_second
    assert None is read_status(crawl, START + 13).top[0].answers_per_second


def test_one_host_in_detail(crawl: Path) -> None:
    found, running = read_host_status(crawl, "site.example", START)
    assert not running
    assert ("site.example", 2, 2.0) == (found.host.host, found.host.queued, found.host.gap)
    assert (OriginStatus("https://site.example", START, 200, None, 2.0),) == found.origins
    assert (
        NextUrl("https://site.example/queued", 2, 0, None), NextUrl("https://site.example/retry", 2, 1, START + 60),
    ) == found.next_urls  # fmt: skip
    with pytest.raises(QueryError, match=r"never met the host nowhere\.example"):
        read_host_status(crawl, "nowhere.example")


def test_a_pause_is_told_until_it_ends(crawl: Path, writer: sqlite3.Connection) -> None:
    row = "INSERT INTO intervention (run_id, at, command, argument) VALUES (?, 0, ?, '{}')"
    writer.execute(row, (1, "pause"))
    with held(crawl):
        assert not read_status(crawl).paused
        writer.execute(row, (2, "pause"))
        assert read_status(crawl).paused
        writer.execute(row, (2, "resume"))
        assert not read_status(crawl).paused


# --- how it ended -------------------------------------------------------------------------------------------------


def log(folder: Path, *texts: str) -> None:
    """Write the log of a crawl."""
    lines = ["", "{", "7", *(json.dumps({"level": "info", "text": text}) for text in texts), '{"text": "cut o']
    (folder / LOG_FILE).write_text("\n".join(lines))


@pytest.mark.parametrize("outcome", [None, "failed"])
def test_a_run_that_failed_is_no_run_that_was_killed(crawl: Path, writer: sqlite3.Connection, outcome: str | None) -> None:
    """On a full disk the database cannot say so; the log does."""
    writer.execute("UPDATE run SET outcome = ? WHERE run_id = 2", (outcome,))
    log(crawl, "run begins: crawler", f"{FAILED}no space left on device")
    status = read_status(crawl)
    assert ("no space left on device", False) == (status.failure, status.killed)


def test_the_failure_of_an_earlier_run_is_none_of_the_latest(crawl: Path) -> None:
    log(crawl, f"{FAILED}no space left on device", "run begins: crawler")
    assert (None, True) == ((status := read_status(crawl)).failure, status.killed)


def test_a_log_that_is_no_plain_file_is_not_read(crawl: Path) -> None:
    """A pipe would be waited for, for ever."""
    import os

    os.mkfifo(crawl / LOG_FILE)
    assert read_status(crawl).killed


# --- its cost -----------------------------------------------------------------------------------------------------


def test_no_table_of_urls_is_walked_through(crawl: Path, writer: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten million URLs must cost no more than ten: of each statement the plan is looked at."""
    from crawler.query.reader import Reader

    asked: list[tuple[str, tuple]] = []
    rows = Reader.rows

    def noting(self, sql, parameters=(), *, limit=None):
        asked.append((sql, tuple(parameters)))
        return rows(self, sql, parameters, limit=limit)

    monkeypatch.setattr(Reader, "rows", noting)
    with held(crawl):
        read_status(crawl, START + 13)
        read_host_status(crawl, "site.example", START + 13)
    plans = {sql: [row[3] for row in writer.execute(f"EXPLAIN QUERY PLAN {sql}", values)] for sql, values in asked}
    walked = [(sql, step) for sql, steps in plans.items() for step in steps
              if "AUTOMATIC" in step or (step.startswith("SCAN") and step.split()[1] in ("u", "url", "o", "origin"))]
    assert len(plans) > 12
    assert walked == []
