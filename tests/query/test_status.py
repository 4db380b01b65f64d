"""The status of a crawl, from its counters."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from crawler.folder import held
from crawler.query.errors import QueryError
from crawler.query.status import TOP_HOSTS, HostStatus, RunStatus, read_status

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
    first, second, third = read_status(crawl).top
    assert HostStatus("site.example", 2, 1, 7, 1, 0.5, START + 0.5, "answered 503", None) == first
    assert HostStatus("other.example", 1, 0, 0, 0, None, START, None, "does not answer") == second
    assert HostStatus("out.example", 0, 0, 0, 0, None, None, None, None) == third


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
