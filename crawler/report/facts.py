"""The numbers of a report: each from a few bounded queries, as of one moment."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from crawler.core.model import KIND_CODE, Kind
from crawler.query import named
from crawler.query.reader import Reader, Row
from crawler.query.values import text, whole
from crawler.report import charts
from crawler.report.charts import Bar, Chart, Stack
from crawler.text import safe

ROBOTS = KIND_CODE[Kind.ROBOTS]
HOSTS_SHOWN, TYPES_SHOWN, DEPTHS_SHOWN, SEEDS_SHOWN, RUNS_SHOWN = 10, 8, 12, 5, 10
FEW_SAMPLES = 6
"""Samples below which the requests themselves tell more of how it went."""

CLASSES = ("2xx", "3xx", "4xx", "5xx", "fault")

_CLASS = """CASE WHEN f.status BETWEEN 200 AND 299 THEN 0 WHEN f.status BETWEEN 300 AND 399 THEN 1 WHEN f.status BETWEEN 400 AND 499 THEN 2
  WHEN f.status >= 500 THEN 3 ELSE 4 END"""
_STATUSES = f"""
SELECT u.host_id, {_CLASS} AS class, count(*) AS urls FROM fetch f CROSS JOIN url u ON u.url_id = f.url_id AND u.fetch_id = f.fetch_id
WHERE u.kind <> {ROBOTS} GROUP BY 1, 2"""
_BY_HOST = f"""
WITH each AS ({_STATUSES}), top AS (SELECT host_id, sum(urls) AS urls FROM each GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {HOSTS_SHOWN})
SELECT h.name, e.class, e.urls FROM top t JOIN each e USING (host_id) JOIN host h USING (host_id)
ORDER BY t.urls DESC, t.host_id, e.class"""
_LANGUAGES = f"""
SELECT lower(f.lang), count(*) AS pages FROM url u JOIN fetch f ON f.fetch_id = u.page_id
WHERE u.kind <> {ROBOTS} AND f.mime IN ('text/html', 'application/xhtml+xml') GROUP BY 1 ORDER BY 2 DESC, 1"""
_TIMES = "SELECT ttfb_ms, count(*) FROM fetch WHERE ttfb_ms IS NOT NULL GROUP BY 1 ORDER BY 1"
_TIME_STEPS = (5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
_SIZE_STEPS = (1_000, 4_000, 16_000, 64_000, 256_000, 1_000_000, 4_000_000)
_SIZES = f"""
SELECT CASE {" ".join(f"WHEN bytes < {step} THEN {at}" for at, step in enumerate(_SIZE_STEPS))} ELSE {len(_SIZE_STEPS)} END,
  count(*), sum(bytes) FROM body GROUP BY 1 ORDER BY 1"""
_RUNS = f"""
SELECT run_id, started_at, ended_at, outcome, version, argv, requests, config FROM run ORDER BY 1 DESC LIMIT {RUNS_SHOWN}"""
_SAMPLES = """
SELECT run_id, at, pages, queued, errors FROM (
  SELECT *, row_number() OVER o AS n, count(*) OVER () AS all_of_them, lead(run_id) OVER o IS NOT run_id AS last FROM sample
  WINDOW o AS (ORDER BY at))
WHERE last OR n % max(1, all_of_them / ?) = 0 ORDER BY at"""
"""So many of them, and the last of each run."""
_REQUESTS = f"""
WITH wide AS (SELECT max(1000, sum(span) / ?) AS ms FROM (SELECT max(at) - min(at) AS span FROM fetch GROUP BY run_id))
SELECT f.run_id, max(f.at), sum(u.page_id IS f.fetch_id AND u.kind <> {ROBOTS}),
  sum(u.fetch_id IS f.fetch_id AND u.kind <> {ROBOTS} AND (f.fault IS NOT NULL OR coalesce(f.status >= 400, 0)))
FROM fetch f JOIN url u USING (url_id), wide GROUP BY f.run_id, f.at / ms ORDER BY 2"""


class Columns(NamedTuple):
    """A histogram and what it comes to."""

    bars: tuple[Bar, ...]
    said: str


class Facts(NamedTuple):
    """All that a report shows besides the problems."""

    tiles: tuple[tuple[str, str, str], ...]
    over_time: Chart | None
    statuses: tuple[Stack, ...]
    kinds: tuple[str, ...]
    """Kinds of answers that there are."""
    more_hosts: int
    depths: Columns
    times: Columns
    sizes: Columns
    types: tuple[Bar, ...]
    languages: tuple[Bar, ...]
    seeds: tuple[str, ...]
    more_seeds: int
    runs: tuple[tuple[str, ...], ...]
    """Number, begin, time, outcome, answers, version, arguments; the latest first."""
    settings: tuple[tuple[str, str], ...]
    """Of the latest run, those that are not the default."""


def read_facts(reader: Reader) -> Facts:
    """Read the numbers. Raises QueryError when one of them cannot be had in time."""
    hosts = _by_host(reader)
    stored = reader.all(_SIZES)
    runs = reader.all(_RUNS)
    seeds = whole(reader.all("SELECT count(*) FROM seed")[0][0])
    return Facts(
        tiles=_tiles(reader, sum(whole(size) for *_, size in stored)),
        over_time=_over_time(reader),
        statuses=hosts,
        kinds=tuple(kind for kind in CLASSES if any(part.kind == kind for host in hosts for part in host.parts)),
        more_hosts=max(whole(reader.all("SELECT count(*) FROM host WHERE done > 0 OR failed > 0")[0][0]) - len(hosts), 0),
        depths=_depths(reader),
        times=_times(reader),
        sizes=_sizes(stored),
        types=_shares([(text(row[0]) or "not said", whole(row[1])) for row in reader.all(_named("types"))]),
        languages=_shares([(text(row[0]) or "not said", whole(row[1])) for row in reader.all(_LANGUAGES)]),
        seeds=tuple(safe(str(url)) for (url,) in reader.all(f"SELECT url FROM seed ORDER BY line LIMIT {SEEDS_SHOWN}")),
        more_seeds=max(seeds - SEEDS_SHOWN, 0),
        runs=tuple(map(_run, runs)),
        settings=_settings(runs[0][-1]) if runs else (),
    )


def _run(row: Row) -> tuple[str, ...]:
    run_id, started, ended, outcome, version, argv, requests, _ = row
    lasted = "" if ended is None else charts.span((whole(ended) - whole(started)) / 1000)
    told = (str(run_id), moment(started), lasted, outcome or "runs, or was killed", f"{whole(requests):,}", version, argv)
    return tuple(safe(str(each)) for each in told)


def _settings(config: object) -> tuple[tuple[str, str], ...]:
    try:
        found = msgspec.json.decode(str(config), type=dict[str, object])
    except msgspec.DecodeError:
        return ()
    return tuple((safe(name), safe(_value(value))) for name, value in found.items())


def _value(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_value, value))
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _named(name: str) -> str:
    found = named.find(name)
    return "" if found is None else found.sql


def _tiles(reader: Reader, stored: int) -> tuple[tuple[str, str, str], ...]:
    states = {str(name): whole(number) for name, number in reader.all("SELECT name, urls FROM state")}
    meta = {str(key): whole(value) for key, value in reader.all("SELECT key, value FROM meta WHERE key IN ('pages', 'errors')")}
    [(seconds, requests)] = reader.all("""
        SELECT sum(coalesce(ended_at, (SELECT max(at) FROM fetch f WHERE f.run_id = run.run_id), started_at) - started_at) / 1000.0,
          sum(requests) FROM run""")
    worked = float(str(seconds or 0))
    pace = f"{whole(requests) / worked:,.1f} answers a second" if worked >= 1 else ""
    hosts = whole(reader.all("SELECT count(*) FROM host WHERE done > 0 OR failed > 0")[0][0])
    return (
        ("pages", f"{meta.get('pages', 0):,}", f"{size(stored)} stored"),
        ("URLs known", f"{sum(states.values()):,}", f"{states.get('excluded', 0):,} left out on purpose"),
        ("waiting", f"{states.get('queued', 0):,}", "nothing is left" if not states.get("queued") else "still to be fetched"),
        ("errors", f"{meta.get('errors', 0):,}", "faults, and statuses of 400 and above"),
        ("hosts", f"{hosts:,}", "that answered or failed"),
        ("time", charts.span(worked), pace),
    )


def _over_time(reader: Reader) -> Chart | None:
    """Return how it went, by the crawl's own notes; by its requests where there are too few of these."""
    rows = reader.all(_SAMPLES, (charts.MOST_POINTS,))
    if len(rows) >= FEW_SAMPLES:
        moments, breaks = _worked(rows)
        series = [(kind, [whole(row[at]) for row in rows]) for kind, at in (("pages", 2), ("queued", 3), ("errors", 4))]
        return charts.chart(moments, series, breaks)
    rows = reader.all(_REQUESTS, (charts.MOST_POINTS,))
    moments, breaks = _worked(rows)
    return charts.chart(moments, [(kind, _running([whole(row[at]) for row in rows])) for kind, at in (("pages", 2), ("errors", 3))], breaks)


def _running(numbers: Sequence[int]) -> list[int]:
    total, sums = 0, []
    for number in numbers:
        total += number
        sums.append(total)
    return sums


def _worked(rows: Sequence[Row]) -> tuple[list[float], list[tuple[str, float]]]:
    """Return moments as seconds of work, the time between two runs left out, and where further runs begin."""
    moments: list[float] = []
    breaks: list[tuple[str, float]] = []
    run, last, now = None, 0, 0.0
    for run_id, at, *_ in rows:
        if run is not None and run_id != run:
            breaks.append((f"run {run_id!s}", now))
        elif run is not None:
            now += max(whole(at) - last, 0) / 1000
        run, last = run_id, whole(at)
        moments.append(now)
    return moments, breaks


def _by_host(reader: Reader) -> tuple[Stack, ...]:
    found: dict[str, dict[str, int]] = {}
    for name, code, urls in reader.all(_BY_HOST):
        found.setdefault(safe(str(name)), {})[CLASSES[whole(code)]] = whole(urls)
    return charts.stacks([(name, [(kind, parts.get(kind, 0)) for kind in CLASSES]) for name, parts in found.items()])


def _depths(reader: Reader) -> Columns:
    rows = [(whole(row[0]), whole(row[2])) for row in reader.all(_named("depths"))]
    shown = [(str(depth), pages) for depth, pages in rows if depth < DEPTHS_SHOWN]
    deeper = sum(pages for depth, pages in rows if depth >= DEPTHS_SHOWN)
    if deeper:
        shown.append((f"{DEPTHS_SHOWN}+", deeper))
    while shown and not shown[-1][1]:
        shown.pop()
    return Columns(charts.bars(shown), "Links from a seed to a page")


def _times(reader: Reader) -> Columns:
    rows = [(whole(ms), whole(number)) for ms, number in reader.all(_TIMES)]
    counts = [0] * (len(_TIME_STEPS) + 1)
    for ms, number in rows:
        counts[sum(ms >= step for step in _TIME_STEPS)] += number
    labels = [*(_ms(step) for step in _TIME_STEPS), "longer"]
    if not rows:
        return Columns((), "Nothing was answered")
    said = f"Half of the answers began within {_ms(_share(rows, 0.5))}, 95 % within {_ms(_share(rows, 0.95))}. Up to …"
    return Columns(charts.bars(_trimmed(labels, counts)), said)


def _share(rows: Sequence[tuple[int, int]], share: float) -> int:
    """Return the value that so much of all lies at or below."""
    left = share * sum(number for _, number in rows)
    for value, number in rows:
        left -= number
        if left <= 0:
            return value
    return rows[-1][0]


def _ms(ms: int) -> str:
    return f"{ms / 1000:g} s" if ms >= 1000 else f"{ms} ms"


def _sizes(stored: Sequence[Row]) -> Columns:
    counts = [0] * (len(_SIZE_STEPS) + 1)
    for at, number, _ in stored:
        counts[whole(at)] = whole(number)
    labels = [*(size(step) for step in _SIZE_STEPS), "larger"]
    total, number = sum(whole(row[2]) for row in stored), sum(counts)
    said = f"{number:,} different bodies, {size(total / number)} on average. Up to …" if number else "Nothing is stored"
    return Columns(charts.bars(_trimmed(labels, counts)) if number else (), said)


def _trimmed(labels: Sequence[str], counts: Sequence[int]) -> list[tuple[str, int]]:
    """Leave out the empty ends of a histogram."""
    full = [at for at, number in enumerate(counts) if number]
    return list(zip(labels, counts, strict=True))[full[0] : full[-1] + 1] if full else []


def _shares(rows: Sequence[tuple[str, int]]) -> tuple[Bar, ...]:
    total = sum(number for _, number in rows) or 1
    shown = [(safe(label), number) for label, number in rows[:TYPES_SHOWN]]
    rest = sum(number for _, number in rows[TYPES_SHOWN:])
    if rest:
        shown.append((f"{len(rows) - TYPES_SHOWN} others", rest))
    return charts.bars(shown, [f"{100 * number / total:.0f} %" for _, number in shown])


def size(amount: float) -> str:
    """Return bytes: `18.6 MB`."""
    for unit, name in ((10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if amount >= unit:
            return f"{amount / unit:.1f}".rstrip("0").rstrip(".") + f" {name}"
    return f"{amount:.0f} B"


def moment(ms: object) -> str:
    """Return a stored moment in UTC."""
    return "" if ms is None else time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(whole(ms) / 1000))
