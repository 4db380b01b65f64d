"""Where a crawl stands, from counters that its writer keeps: the same few reads for ten URLs and for ten million."""

from __future__ import annotations

from pathlib import Path

import msgspec

from crawler.core.model import State
from crawler.folder import Holder, is_held
from crawler.query.reader import Reader, Row
from crawler.query.values import seconds, text, whole

TOP_HOSTS = 20
MOST_HOSTS_READ = 200_000
"""There is no index by what is queued: of more hosts than this, the top is the top of the first ones."""

_TIMEOUT = 10.0

_HOSTS = f"""
SELECT name, queued, delayed, done, failed, pace_ms, next_at, rest_reason, parked
FROM (SELECT * FROM host LIMIT {MOST_HOSTS_READ}) ORDER BY queued DESC, done DESC, name LIMIT {TOP_HOSTS}"""
_PARKED = f"""
SELECT count(*), coalesce(sum(queued), 0)
FROM (SELECT queued FROM host WHERE parked IS NOT NULL LIMIT {MOST_HOSTS_READ})"""
_RUN = "SELECT run_id, started_at, ended_at, outcome, version, requests, connections FROM run ORDER BY run_id DESC LIMIT 1"


class RunStatus(msgspec.Struct, frozen=True):
    """The latest run. Without an end it goes on, or it was killed: `Status.holder` tells which."""

    run_id: int
    started: float
    ended: float | None
    outcome: str | None
    """`finished`, `limit`, `stopped`, `parked` or `failed`; None while it runs, and for ever if it was killed."""
    version: str
    requests: int
    """Requests that were answered."""
    connections: int
    """Those of them that needed a new connection."""

    @property
    def clean(self) -> bool:
        """Tell whether it ended by itself."""
        return self.ended is not None


class HostStatus(msgspec.Struct, frozen=True):
    """One host and what is left there."""

    host: str
    queued: int
    delayed: int
    """Of the queued ones, those that wait for a moment of their own."""
    done: int
    failed: int
    pace: float | None
    """Seconds between two requests that the host has earned."""
    next_at: float | None
    """Earliest polite moment of the next request."""
    rest_reason: str | None
    parked: str | None


class Status(msgspec.Struct, frozen=True):
    """A snapshot of one moment. URLs of kind robots are in none of the counts."""

    database: str
    states: dict[str, int]
    """URLs by state; what is queued at a parked host counts as parked, as in the view `urls`."""
    pages: int
    errors: int
    """URLs that ended in a fault or a status of 400 and above, for good."""
    hosts: int
    """Hosts ever seen."""
    parked_hosts: int
    run: RunStatus | None
    holder: Holder | None
    """The process that crawls right now."""
    top: tuple[HostStatus, ...]
    """The top 20 hosts by queued."""
    database_bytes: int
    """The database with its write-ahead log."""
    network_down: float | None = None
    """Since when the network itself is down, in Unix seconds; None while it is up, or nobody crawls."""

    @property
    def running(self) -> bool:
        """Tell whether a process crawls right now."""
        return self.holder is not None

    @property
    def killed(self) -> bool:
        """Tell whether the latest run ended without saying so: requests of its last moments may be repeated."""
        return self.run is not None and not self.run.clean and not self.running


def read_status(path: str | Path) -> Status:
    """Read where the crawl in an output folder (or database file) stands. Raises QueryError when there is none."""
    with Reader.open(path, timeout=_TIMEOUT) as reader:
        holder = is_held(reader.file.parent)
        with reader.snapshot():
            status = _read(reader)
        # Asked before and after: a crawl that starts or ends just now must not look like one that was killed.
        holder = holder or is_held(reader.file.parent)
        return msgspec.structs.replace(status, holder=holder, network_down=status.network_down if holder is not None else None)


def _read(reader: Reader) -> Status:
    meta = {str(key): value for key, value in reader.all("SELECT key, value FROM meta WHERE key IN ('pages', 'errors', 'network_down')")}
    parked_hosts, put_off = reader.all(_PARKED)[0]
    run = reader.one(_RUN)
    return Status(
        database=str(reader.file),
        states=_states(reader, whole(put_off)),
        pages=whole(meta.get("pages")),
        errors=whole(meta.get("errors")),
        hosts=whole(reader.all("SELECT max(host_id) FROM host")[0][0]),
        parked_hosts=whole(parked_hosts),
        run=None if run is None else _run(run),
        holder=None,
        top=tuple(_host(row) for row in reader.all(_HOSTS)),
        database_bytes=_size(reader.file),
        network_down=seconds(meta.get("network_down") or None),
    )


def _states(reader: Reader, put_off: int) -> dict[str, int]:
    counts = {str(name): whole(urls) for name, urls in reader.all("SELECT name, urls FROM state ORDER BY state")}
    queued, parked = State.QUEUED.name.lower(), State.PARKED.name.lower()
    counts[queued] = counts.get(queued, 0) - put_off
    counts[parked] = counts.get(parked, 0) + put_off
    return counts


def _run(row: Row) -> RunStatus:
    run_id, started, ended, outcome, version, requests, connections = row
    begun = whole(started) / 1000
    return RunStatus(whole(run_id), begun, seconds(ended), text(outcome), str(version), whole(requests), whole(connections))


def _host(row: Row) -> HostStatus:
    name, queued, delayed, done, failed, pace, next_at, rest_reason, parked = row
    counts = (whole(queued), whole(delayed), whole(done), whole(failed))
    return HostStatus(str(name), *counts, seconds(pace), seconds(next_at) or None, text(rest_reason), text(parked))


def _size(file: Path) -> int:
    """Return the bytes of the database and its log; asking for a size opens nothing, so SQLite's locks are safe."""
    total = 0
    for part in (file, file.with_name(file.name + "-wal")):
        try:
            total += part.stat().st_size
        except OSError:
            continue
    return total
