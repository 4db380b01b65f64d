"""What waits at each host, how quickly it may be asked, and who is waited for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import msgspec

from crawler.core import forecast
from crawler.core.forecast import MINUTE, Queue
from crawler.query.reader import Reader, Row
from crawler.query.values import seconds, text, whole, whole_or_none

MOST_HOSTS_READ = 200_000
"""There is no index by what is queued: of more hosts than this, the top is the top of the first ones."""
CANDIDATES = 500
"""Hosts with the longest queues whose Crawl-delay is looked up: one of them is the slowest, or hardly quicker."""
NAMED = 20
"""Hosts that are named one by one."""
FIRST = 5
"""URLs of one host that are named as the next ones."""
REQUESTS_READ = 5_000
"""Requests of late that are counted by host: a minute at 80 a second."""

_COLUMNS = "host_id, name, queued, delayed, done, failed, excluded, pace_ms, next_at, rest_reason, parked"
_LONGEST = f"""
SELECT {_COLUMNS} FROM (SELECT * FROM host LIMIT {MOST_HOSTS_READ}) ORDER BY queued DESC, done DESC, name LIMIT {CANDIDATES}"""
_ONE = f"SELECT {_COLUMNS} FROM host WHERE name = ?"
# An origin is a host's name with a scheme before it and perhaps a port behind it; there is no index by host (and where
# SQLite is asked for the host besides, it makes one for each question: 0.6 s on 200,000 hosts).
_DELAYS = """
WITH asked(name, host_id) AS (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?)),
  begins(scheme) AS (VALUES ('https://'), ('http://'))
SELECT host_id, max(crawl_delay_ms) FROM (
  SELECT a.host_id, o.crawl_delay_ms FROM asked a CROSS JOIN begins b CROSS JOIN origin o
    WHERE o.origin = b.scheme || a.name
  UNION ALL
  SELECT a.host_id, o.crawl_delay_ms FROM asked a CROSS JOIN begins b CROSS JOIN origin o
    WHERE o.origin > b.scheme || a.name || ':' AND o.origin < b.scheme || a.name || ';')
WHERE crawl_delay_ms IS NOT NULL GROUP BY host_id"""
_LATELY = f"""
SELECT u.host_id, count(*), coalesce(sum(f.wire_bytes), 0), min(f.at)
FROM (SELECT url_id, wire_bytes, at FROM fetch ORDER BY fetch_id DESC LIMIT {REQUESTS_READ}) f CROSS JOIN url u USING (url_id)
WHERE f.at >= ? GROUP BY u.host_id"""
_WAITING = f"""
SELECT count(*) FILTER (WHERE queued > 0 AND parked IS NULL), coalesce(sum(delayed) FILTER (WHERE parked IS NULL), 0),
  count(*) FILTER (WHERE queued > 0 AND parked IS NULL AND rest_reason IS NOT NULL AND next_at > ?)
FROM (SELECT * FROM host LIMIT {MOST_HOSTS_READ})"""
_RESTING = f"""
SELECT {_COLUMNS} FROM (SELECT * FROM host LIMIT {MOST_HOSTS_READ})
WHERE queued > 0 AND parked IS NULL AND rest_reason IS NOT NULL AND next_at > ? ORDER BY queued DESC, name LIMIT {NAMED}"""
_PARKED = f"""
SELECT {_COLUMNS} FROM (SELECT * FROM host WHERE parked IS NOT NULL LIMIT {MOST_HOSTS_READ}) ORDER BY queued DESC, name LIMIT {NAMED}"""


_ORIGINS = f"""
SELECT o.origin, o.robots_at, o.robots_status, x.name, o.crawl_delay_ms FROM origin o LEFT JOIN fault x ON x.fault = o.robots_fault
WHERE o.origin IN ('https://' || ?1, 'http://' || ?1)
  OR (o.origin > 'https://' || ?1 || ':' AND o.origin < 'https://' || ?1 || ';')
  OR (o.origin > 'http://' || ?1 || ':' AND o.origin < 'http://' || ?1 || ';') ORDER BY o.origin LIMIT {NAMED}"""
_NEXT = f"""
SELECT o.origin || u.path, u.depth, u.tries, u.due_at FROM url u JOIN origin o USING (origin_id)
WHERE u.host_id = ? AND u.state = 0 AND u.due_at IS NULL ORDER BY u.priority, u.url_id LIMIT {FIRST}"""
_DUE = f"""
SELECT o.origin || u.path, u.depth, u.tries, u.due_at FROM url u JOIN origin o USING (origin_id)
WHERE u.host_id = ? AND u.due_at IS NOT NULL ORDER BY u.due_at LIMIT {FIRST}"""


class Bounds(msgspec.Struct, frozen=True):
    """The settings in force that a forecast needs, as the folder remembers them."""

    delay: float | None = None
    robots: bool = True
    max_pages: int | None = None
    max_time: float | None = None


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
    excluded: int = 0
    crawl_delay: float | None = None
    """Seconds between two requests that its robots.txt asks for."""
    gap: float = 0.0
    """Seconds between two requests that are kept: the Crawl-delay, else the setting, else its pace."""
    answers_per_second: float | None = None
    """Requests that ended in the last minute, a second; None when nobody crawls."""
    bytes_per_second: float | None = None
    at_least: float = 0.0
    """Seconds that politeness takes for what is queued, if nothing is found any more."""


class Waiting(msgspec.Struct, frozen=True):
    """Who is waited for, and why."""

    hosts: int = 0
    """Hosts at which URLs wait, those put off left out."""
    delayed: int = 0
    """URLs that wait for a moment of their own: they are tried again."""
    resting: int = 0
    """Hosts that rest."""
    named: tuple[HostStatus, ...] = ()
    """The resting hosts with the longest queues."""
    parked: tuple[HostStatus, ...] = ()
    """The hosts put off beyond the run with the longest queues."""


class OriginStatus(msgspec.Struct, frozen=True):
    """What an origin of a host said to the request for its robots.txt."""

    origin: str
    robots_at: float | None
    """When it was read; None while it was not."""
    robots_status: int | None
    robots_fault: str | None
    crawl_delay: float | None


class NextUrl(msgspec.Struct, frozen=True):
    """A URL that waits."""

    url: str
    depth: int
    tries: int
    due: float | None
    """The moment for which it waits; None when it waits only for its turn."""


class HostReport(msgspec.Struct, frozen=True):
    """All that is known of one host's queue and pace."""

    host: HostStatus
    site: str
    unrecorded: int
    """Refused links beyond the number that gets rows."""
    failures: int
    """Network faults one after another, up to now."""
    origins: tuple[OriginStatus, ...]
    next_urls: tuple[NextUrl, ...]
    """The first that wait for their turn, and the first that wait for a moment of their own."""


class Pacing:
    """Reads hosts with the pace that is kept with each."""

    def __init__(self, reader: Reader, settings: Bounds, now: float, *, live: bool) -> None:
        self._reader = reader
        self._settings = settings
        self._now = now
        self._live = live
        self._span, self._lately = _recent(reader, now) if live else (0.0, {})

    @cached_property
    def longest(self) -> list[HostStatus]:
        """The hosts with the longest queues, the longest first."""
        return self.read(self._reader.all(_LONGEST))

    @property
    def queues(self) -> list[Queue]:
        """What waits at the hosts with the longest queues, those put off left out."""
        return [self.queue(host) for host in self.longest if host.queued and host.parked is None]

    def queue(self, host: HostStatus) -> Queue:
        """Return what waits at a host, and how quickly it may be asked."""
        return Queue(host.host, host.queued, host.gap, max((host.next_at or 0.0) - self._now, 0.0))

    def read(self, rows: Sequence[Row]) -> list[HostStatus]:
        """Return the hosts of some rows."""
        asked = msgspec.json.encode([[str(row[1]), row[0]] for row in rows]).decode()
        delays = {row[0]: seconds(row[1]) for row in self._reader.all(_DELAYS, (asked,))} if rows and self._settings.robots else {}
        return [self._host(row, delays.get(row[0])) for row in rows]

    def _host(self, row: Row, crawl_delay: float | None) -> HostStatus:
        host_id, name, queued, delayed, done, failed, excluded, pace, next_at, rest_reason, parked = row
        counts = (whole(queued), whole(delayed), whole(done), whole(failed))
        host = HostStatus(
            str(name), *counts, seconds(pace), seconds(next_at) or None, text(rest_reason), text(parked), whole(excluded), crawl_delay,
            forecast.gap(seconds(pace), crawl_delay=crawl_delay, delay=self._settings.delay),
        )
        requests, received = self._lately.get(whole(host_id), (0, 0))
        return msgspec.structs.replace(
            host,
            answers_per_second=requests / self._span if self._live else None,
            bytes_per_second=received / self._span if self._live else None,
            at_least=0.0 if host.parked else self.queue(host).seconds,
        )


def read_host(reader: Reader, name: str, now: float, *, live: bool) -> HostReport | None:
    """Return what is known of a host; None where the crawl has never met it."""
    rows = reader.all(_ONE, (name,))
    if not rows:
        return None
    host_id = rows[0][0]
    [host] = Pacing(reader, settings_of(reader), now, live=live).read(rows)
    site, unrecorded, failures = reader.all("SELECT site, unrecorded, failures FROM host WHERE host_id = ?", (host_id,))[0]
    origins = tuple(
        OriginStatus(str(origin), seconds(at), whole_or_none(status), text(fault), seconds(delay))
        for origin, at, status, fault, delay in reader.all(_ORIGINS, (name,))
    )
    waiting = [*reader.all(_NEXT, (host_id,)), *reader.all(_DUE, (host_id,))]
    urls = tuple(NextUrl(str(url), whole(depth), whole(tries), seconds(due)) for url, depth, tries, due in waiting)
    return HostReport(host, str(site), whole(unrecorded), whole(failures), origins, urls)


def settings_of(reader: Reader) -> Bounds:
    """Return the settings of the latest run, as far as they are needed; the defaults where they cannot be read."""
    row = reader.one("SELECT value FROM meta WHERE key = 'settings'")
    try:
        return Bounds() if row is None else msgspec.json.decode(str(row[0]), type=Bounds)
    except msgspec.MsgspecError:
        return Bounds()


def read_top(pacing: Pacing, most: int) -> tuple[HostStatus, ...]:
    """Return the hosts with the longest queues."""
    return tuple(pacing.longest[:most])


def read_waiting(reader: Reader, pacing: Pacing, now: float) -> Waiting:
    """Return who is waited for."""
    moment = (round(now * 1000),)
    hosts, delayed, resting = (whole(value) for value in reader.all(_WAITING, moment)[0])
    named = pacing.read(reader.all(_RESTING, moment)) if resting else []
    return Waiting(hosts, delayed, resting, tuple(named), tuple(pacing.read(reader.all(_PARKED))))


def _recent(reader: Reader, now: float) -> tuple[float, dict[int, tuple[int, int]]]:
    """Return what each host has answered lately: over so many seconds, host -> (requests, bytes)."""
    rows = reader.all(_LATELY, (round((now - MINUTE) * 1000),))
    counted = {whole(host): (whole(requests), whole(received)) for host, requests, received, _ in rows}
    started = whole(reader.all("SELECT max(started_at) FROM run")[0][0]) / 1000
    span = min(MINUTE, max(now - started, 1.0))
    if sum(requests for requests, _ in counted.values()) >= REQUESTS_READ:
        span = max(now - min(whole(row[3]) for row in rows) / 1000, 1.0)
    return span, counted
