"""Where a crawl stands and where it goes, in words. Pure."""

from __future__ import annotations

from pathlib import Path

from crawler import words
from crawler.core.forecast import Eta, Growth, NoEta, Queue, Rates, Trend, Until
from crawler.query.hosts import HostReport, HostStatus, OriginStatus
from crawler.query.status import RunStatus, Status
from crawler.text import cut, safe

HOSTS_SHOWN = 10
WHO_WAITS = 5
"""Hosts that are named as resting, and as put off."""
LONGEST_NAME = 48
"""Columns of a host's name in a table."""
WORTH_A_WORD = 60.0
"""Seconds that the slowest host takes below which it is not mentioned."""

_ENDED = {"finished": "finished", "limit": "stopped at a limit", "stopped": "stopped", "parked": "finished, but hosts are put off"}


def lines(found: Status, now: float) -> list[str]:
    """Return a status in words."""
    counts = [f"{number:,} {state}" for state, number in found.states.items() if number or state in ("queued", "done")]
    rows = [
        ("pages", f"{found.pages:,}"),
        ("URLs", " · ".join(counts)),
        ("errors", f"{found.errors:,}"),
        ("hosts", f"{found.hosts:,}{f' ({found.parked_hosts:,} put off)' if found.parked_hosts else ''}"),
        ("speed", speed(found)),
        ("frontier", "" if found.frontier is None else frontier(found.frontier)),
        ("end", end(found)),
        ("waiting", waiting(found)),
        ("wire", _wire(found.run)),
        ("disk", f"{words.size(found.database_bytes)} database"),
    ]
    text = [f"{Path(found.database).parent}: {run_words(found, now)}", *(f"  {label:8} {value}" for label, value in rows if value)]
    top = [host for host in found.top if host.queued or host.done][:HOSTS_SHOWN]
    text += ["", *_host_table(top, now)] if top else []
    shown = {host.host for host in top}
    others = [host for host in (*found.waiting.named[:WHO_WAITS], *found.waiting.parked[:WHO_WAITS]) if host.host not in shown]
    return [*text, "", *(f"  {_name(host)}  {why(host, now)}, {words.count(host.queued, 'URL')}" for host in others)] if others else text


def line(found: Status, now: float) -> str:
    """Return a status in one line, for a pipe."""
    parts = [words.count(found.pages, "page"), f"{found.states.get('queued', 0):,} queued", words.count(found.errors, "error")]
    if found.minute is not None:
        parts.append(words.rate(found.minute.pages))
    if found.frontier is not None:
        parts.append(TRENDS[found.frontier.trend])
    parts += [f"end {text}"] if (text := when(found.eta)) else []
    return f"{run_words(found, now)} · {' · '.join(parts)}"


def run_words(found: Status, now: float) -> str:
    """Say whether a crawl goes on, and how it ended where it does not."""
    run = found.run
    if run is None:
        return "no run yet"
    if found.holder is not None:
        away = "" if found.network_down is None else f"; the network is down for {words.span(max(now - found.network_down, 0))}"
        paused = "paused, " if found.paused else ""
        return f"{paused}running for {words.span(max(now - run.started, 0))} in process {found.holder.pid}{away}"
    if found.failure is not None:
        return f"the last run failed: {safe(found.failure)}; the same command goes on"
    if run.ended is None:
        return "the last run was killed; the same command goes on"
    return f"{_ENDED.get(run.outcome or '', run.outcome or 'ended')}, {words.span(max(now - run.ended, 0))} ago"


def speed(found: Status) -> str:
    """Say how fast it goes, or went."""
    parts = [] if found.minute is None or not found.running else [f"{_rates(found.minute)} in the last {words.span(found.minute.seconds)}"]
    if found.whole is not None and (not parts or found.minute is None or found.whole.seconds > found.minute.seconds):
        parts.append(f"{_rates(found.whole)} over the {'run' if found.running else 'last run'}")
    return "; ".join(parts)


def _rates(found: Rates) -> str:
    received = "" if found.bytes is None else f", {words.size(found.bytes)}/s"
    return f"{words.rate(found.pages)} pages{received}"


TRENDS = {
    Trend.CONVERGING: "converging", Trend.GROWING: "growing", Trend.STEADY: "steady", Trend.STILL: "still",
    Trend.EMPTY: "nothing waits", Trend.UNKNOWN: "too early to say",
}  # fmt: skip


def frontier(found: Growth) -> str:
    """Say where a frontier goes, and the numbers behind it."""
    moved = found.after - found.before
    change = "as many as" if moved == 0 else f"{abs(moved):,} {'more' if moved > 0 else 'fewer'} than"
    new = f"{found.found:,} new for {found.answered:,} answered"
    return f"{TRENDS[found.trend]}: {words.count(found.after, 'URL')} waiting, {change} {words.span(found.seconds)} before ({new})"


def end(found: Status) -> str:
    """Say when a crawl ends, or why nobody can say."""
    if found.eta is None or (not found.running and isinstance(found.eta, Eta) and found.eta.high == 0):
        return ""
    limited = isinstance(found.eta, Eta) and found.eta.until is not Until.END
    slow = "" if limited else _slowest(found.slowest)
    said = when(found.eta, brief=bool(slow))
    if found.network_down is not None:
        said = f"no estimate while the network is down; before that {said}"
    elif found.paused:
        said = f"no estimate while it is paused; before that {said}"
    elif not found.running and isinstance(found.eta, Eta):
        said = f"if it goes on as before, {said}"
    return f"{said}{slow}"


def when(found: Eta | NoEta | None, *, brief: bool = False) -> str:
    """Say when an end is to be expected, `in 3 min 10 s`, or why nobody can say; *brief*: without what is the least."""
    if found is None:
        return ""
    if isinstance(found, NoEta):
        bound = "" if found.at_least is None or brief else f"; {words.span(found.at_least)} at least for what is known"
        return f"no estimate: {found.why}{bound}"
    by = {Until.END: "", Until.PAGES: ", by your limit of pages", Until.TIME: ", by your limit of time"}[found.until]
    if found.high is None:
        return f"in {words.span(found.low)} at the earliest{by}"
    low, high = words.span(found.low), words.span(found.high)
    return f"in {low}{by}" if low == high else f"in {low} to {high}{by}"


def _slowest(found: Queue | None) -> str:
    if found is None or found.seconds < WORTH_A_WORD:
        return ""
    host = cut(safe(found.host), LONGEST_NAME, middle=True)
    return f"; {host} alone takes {words.span(found.seconds)} at least ({words.count(found.queued, 'URL')}, one every {found.gap:.3g} s)"


def waiting(found: Status) -> str:
    """Say how many wait, and why."""
    there = found.waiting
    parts = [f"{words.count(there.resting, 'host')} rest{'s' if there.resting == 1 else ''}"] if there.resting else []
    parts += [f"{words.count(there.delayed, 'URL')} to be tried again"] if there.delayed else []
    parts += [f"{words.count(found.parked_hosts, 'host')} put off to the next run"] if found.parked_hosts else []
    return ", ".join(parts)


def why(host: HostStatus, now: float) -> str:
    """Say why a host is not asked at once; nothing where it is."""
    if host.parked:
        return f"put off: {safe(host.parked)}"
    reason = safe(host.rest_reason or "")
    if not reason and host.crawl_delay is not None:
        reason = f"asks for {host.crawl_delay:g} s between requests"
    if host.next_at is not None and host.next_at > now + 1 and host.queued:
        return f"{reason}, next in {words.clock(host.next_at - now)}".lstrip(", ")
    return reason


def _wire(run: RunStatus | None) -> str:
    if run is None or not run.requests:
        return ""
    share = 100 * (run.requests - run.connections) / run.requests
    return f"{words.count(run.requests, 'answer')}, {share:.0f} % of them over connections that were open already"


def _host_table(hosts: list[HostStatus], now: float) -> list[str]:
    header = ("host", "queued", "done", "failed", "every", "speed", "at least", "")
    rows = [header, *(_host_row(host, now) for host in hosts)]
    used = [column for column in range(1, len(header) - 1) if any(row[column] for row in rows[1:])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return [
        "  " + "  ".join([f"{row[0]:{widths[0]}}", *(f"{row[column]:>{widths[column]}}" for column in used), row[-1]]).rstrip()
        for row in rows
    ]


def _host_row(host: HostStatus, now: float) -> tuple[str, ...]:
    rate = "" if host.answers_per_second is None else words.rate(host.answers_per_second)
    at_least = words.span(host.at_least) if host.queued and not host.parked else ""
    return (
        _name(host), f"{host.queued:,}", f"{host.done:,}", f"{host.failed:,}", f"{host.gap:.3g} s" if host.gap else "", rate, at_least,
        why(host, now),
    )  # fmt: skip


def _name(host: HostStatus) -> str:
    return cut(safe(host.host), LONGEST_NAME, middle=True)


# --- one host -----------------------------------------------------------------------------------------------------


def host_lines(found: HostReport, now: float, *, running: bool) -> list[str]:
    """Return all that is known of one host in words."""
    host = found.host
    delayed = f" ({host.delayed:,} of them for a moment of their own)" if host.delayed else ""
    unrecorded = f", {found.unrecorded:,} more refused without a row" if found.unrecorded else ""
    rows = [
        ("site", safe(found.site)),
        ("URLs", f"{host.queued:,} queued{delayed} · {host.done:,} done · {host.failed:,} failed · {host.excluded:,} excluded{unrecorded}"),
        ("pace", _pace(host)),
        ("speed", _host_speed(host)),
        ("faults", f"{words.count(found.failures, 'network fault')} one after another" if found.failures else ""),
        ("waits", why(host, now)),
        ("left", f"{words.span(host.at_least)} at least for what is known" if host.queued and not host.parked else ""),
        *(("robots", _robots(origin, now)) for origin in found.origins),
        *(("next", _url(entry.url, entry.due, now)) for entry in found.next_urls),
    ]
    state = "the crawl runs" if running else "nobody crawls"
    return [f"{safe(host.host)}: {state}", *(f"  {label:8} {value}" for label, value in rows if value)]


def host_line(found: HostReport, now: float, *, running: bool) -> str:
    """Return one host in one line, for a pipe."""
    host = found.host
    parts = [f"{host.queued:,} queued", f"{host.done:,} done", f"{host.failed:,} failed", _host_speed(host), why(host, now)]
    return f"{safe(host.host)}{'' if running else ' (nobody crawls)'} · {' · '.join(part for part in parts if part)}"


def _pace(host: HostStatus) -> str:
    if host.crawl_delay is not None:
        return f"one request every {host.gap:.3g} s: its Crawl-delay is {host.crawl_delay:g} s"
    earned = "" if host.pace is None or host.pace == host.gap else f" (it would have earned {host.pace:.3g} s)"
    return f"one request every {host.gap:.3g} s{earned}" if host.gap else "no gap between requests"


def _host_speed(host: HostStatus) -> str:
    if host.answers_per_second is None or host.bytes_per_second is None:
        return ""
    return f"{words.rate(host.answers_per_second)} answers, {words.size(host.bytes_per_second)}/s in the last minute"


def _robots(origin: OriginStatus, now: float) -> str:
    if origin.robots_at is None:
        return f"{safe(origin.origin)}: not asked yet"
    what = origin.robots_fault or (f"status {origin.robots_status}" if origin.robots_status else "no answer")
    return f"{safe(origin.origin)}: {what}, {words.span(max(now - origin.robots_at, 0))} ago"


def _url(url: str, due: float | None, now: float) -> str:
    return safe(url) if due is None else f"{safe(url)} (in {words.clock(max(due - now, 0))})"
