"""Where a crawl stands and where it goes, from counters and samples that its writer keeps.

The same few reads for ten URLs and for ten million: no table of URLs is ever walked through, and of everything that has a row
for each host the first ones count.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from crawler.core.forecast import LATELY, MINUTE, Eta, Growth, NoEta, Point, Queue, Rates, eta, judged, rates, slowest
from crawler.core.model import State
from crawler.folder import Holder, is_held
from crawler.query.ending import failure_of
from crawler.query.errors import NOTHING_HERE, QueryError
from crawler.query.hosts import MOST_HOSTS_READ, HostReport, HostStatus, Pacing, Waiting, read_host, read_top, read_waiting, settings_of
from crawler.query.reader import Reader, Row
from crawler.query.values import seconds, text, whole, whole_or_none
from crawler.text import encodable

TOP_HOSTS = 20
TIMEOUT = 10.0
SAMPLES_READ = round(LATELY / 10) + 30
"""The last ones of a run: enough to judge its frontier by."""

_PARKED = f"""
SELECT count(*), coalesce(sum(queued), 0)
FROM (SELECT queued FROM host WHERE parked IS NOT NULL LIMIT {MOST_HOSTS_READ})"""
_RUN = "SELECT run_id, started_at, ended_at, outcome, version, requests, connections FROM run ORDER BY run_id DESC LIMIT 1"
_SAMPLES = """
SELECT at, pages, queued, done, failed, wire_bytes FROM sample WHERE run_id = ? AND at >= ? ORDER BY at {order} LIMIT {limit}"""
_PAUSED = """
SELECT command FROM intervention WHERE run_id = ? AND command IN ('pause', 'resume') ORDER BY intervention_id DESC LIMIT 1"""


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
    paused: bool = False
    """Somebody has let the running crawl pause."""
    failure: str | None = None
    """Why the latest run failed; None where it did not, or did not say."""
    minute: Rates | None = None
    """Rates over the last minute of the latest run."""
    whole: Rates | None = None
    """Rates over all of the latest run."""
    frontier: Growth | None = None
    """What became of the frontier lately, and the verdict; None while there are no two samples."""
    eta: Eta | NoEta | None = None
    """When it ends, or why nobody can say; None when no run is there to tell from."""
    slowest: Queue | None = None
    """The host that takes longest by politeness alone: what is queued there, at its pace."""
    waiting: Waiting = Waiting()
    """Who is waited for, and why."""

    @property
    def running(self) -> bool:
        """Tell whether a process crawls right now."""
        return self.holder is not None

    @property
    def killed(self) -> bool:
        """Tell whether the latest run ended without saying so: requests of its last moments may be repeated."""
        return self.run is not None and not self.run.clean and not self.running and self.failure is None


def read_status(path: str | Path, now: float | None = None) -> Status:
    """Read where the crawl in an output folder (or database file) stands. Raises QueryError when there is none."""
    with Reader.open(path, timeout=TIMEOUT) as reader:
        folder = reader.file.parent
        holder = is_held(folder)
        with reader.snapshot():
            # Asked before and after: a crawl that starts or ends just now must not look like one that was killed.
            status = _read(reader, time.time() if now is None else now, holder, folder)
    return status


def read_host_status(path: str | Path, name: str, now: float | None = None) -> tuple[HostReport, bool]:
    """Read all that is known of one host, and whether a process crawls right now. Raises QueryError where it was never met."""
    with Reader.open(path, timeout=TIMEOUT) as reader, reader.snapshot():
        live = is_held(reader.file.parent) is not None
        found = read_host(reader, name, time.time() if now is None else now, live=live)
    if found is None:
        raise QueryError(f"the crawl has never met the host {name}", "Try status for the hosts with most to do.", NOTHING_HERE)
    return found, live


def _read(reader: Reader, now: float, holder: Holder | None, folder: Path) -> Status:
    meta = {str(key): value for key, value in reader.all("SELECT key, value FROM meta WHERE key IN ('pages', 'errors', 'network_down')")}
    parked_hosts, put_off = (whole(value) for value in reader.all(_PARKED)[0])
    row = reader.one(_RUN)
    run = None if row is None else _run(row)
    holder = holder or is_held(folder)
    states = _states(reader, put_off)
    status = Status(
        database=encodable(str(reader.file)),
        states=states,
        pages=whole(meta.get("pages")),
        errors=whole(meta.get("errors")),
        hosts=whole(reader.all("SELECT max(host_id) FROM host")[0][0]),
        parked_hosts=parked_hosts,
        run=run,
        holder=holder,
        top=(),
        database_bytes=_size(reader.file),
        network_down=None if holder is None else seconds(meta.get("network_down") or None),
        failure=None if holder is not None or run is None or run.outcome not in (None, "failed") else failure_of(folder),
    )
    return _with_future(reader, status, now, put_off)


def _with_future(reader: Reader, status: Status, now: float, put_off: int) -> Status:
    settings = settings_of(reader)
    pacing = Pacing(reader, settings, now, live=status.running)
    waiting = read_waiting(reader, pacing, now)
    candidates = pacing.queues
    top = read_top(pacing, TOP_HOSTS)
    worst = slowest(candidates)
    if status.run is None:
        return msgspec.structs.replace(status, top=top, slowest=worst, waiting=waiting)
    points = _points(reader, status, now, put_off)
    open_queue = status.states.get(State.QUEUED.name.lower(), 0)
    return msgspec.structs.replace(
        status,
        top=top,
        paused=status.running and (reader.one(_PAUSED, (status.run.run_id,)) or ("",))[0] == "pause",
        minute=rates(points, MINUTE),
        whole=rates(points),
        frontier=judged(points),
        eta=eta(
            points, waiting=open_queue, bound=0.0 if worst is None else worst.seconds,
            pages_left=None if settings.max_pages is None else settings.max_pages - status.pages,
            time_left=None if settings.max_time is None or not status.running else status.run.started + settings.max_time - now,
        ),
        slowest=worst,
        waiting=waiting,
    )  # fmt: skip


def _points(reader: Reader, status: Status, now: float, put_off: int) -> list[Point]:
    """Return the samples of the latest run: its first, its last ones, and how it stands now, while it runs."""
    run = status.run
    if run is None:
        return []
    parameters = (run.run_id, round(run.started * 1000))
    first = reader.all(_SAMPLES.format(order="ASC", limit=1), parameters)
    last = reader.all(_SAMPLES.format(order="DESC", limit=SAMPLES_READ), parameters)
    points = [_point(row) for row in (*first, *reversed(last))]
    points = [point for number, point in enumerate(points) if number == 0 or point.at > points[0].at]
    if status.running and points and now > points[-1].at:
        count = {state: status.states.get(state.name.lower(), 0) for state in (State.QUEUED, State.DONE, State.FAILED)}
        points.append(Point(now, status.pages, count[State.QUEUED] + put_off, count[State.DONE], count[State.FAILED]))
    return points


def _point(row: Row) -> Point:
    at, pages, queued, done, failed, wire_bytes = row
    return Point(whole(at) / 1000, whole(pages), whole(queued), whole(done), whole(failed), whole_or_none(wire_bytes))


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


def _size(file: Path) -> int:
    """Return the bytes of the database and its log; asking for a size opens nothing, so SQLite's locks are safe."""
    total = 0
    for part in (file, file.with_name(file.name + "-wal")):
        try:
            total += part.stat().st_size
        except OSError:
            continue
    return total
