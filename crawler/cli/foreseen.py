"""What a plan found out, in words. Pure."""

from __future__ import annotations

from crawler import words
from crawler.core.forecast import duration
from crawler.core.model import Fault
from crawler.engine.prospects import HostProspect, Prospect
from crawler.text import cut, safe

HOSTS_SHOWN = 40
SHOWN = 20
"""Seeds, hosts and sitemaps with trouble that are named one by one."""
LONGEST_NAME = 48
THOUSAND = 1_000

FAULTS = {
    Fault.DNS: "its name does not resolve", Fault.TLS: "bad certificate, or no TLS", Fault.CONNECT: "no connection",
    Fault.TIMEOUT: "no answer in time", Fault.RESET: "closes the connection", Fault.GUARD: "not connected to",
}  # fmt: skip


def lines(found: Prospect) -> list[str]:
    """Return a plan in words: a table of the hosts that answer, what is in the way, and the sum."""
    good = [host for host in found.hosts if host.trouble is None]
    bad = [host for host in found.hosts if host.trouble is not None]
    troubled = [f"  {_name(host)}  {words.count(len(host.seeds), 'seed')}: {trouble(host)}" for host in bad]
    barred = [
        f"  {safe(seed.url)}  {safe(seed.rule or '')}"
        for host in good for seed in host.seeds if not seed.allowed
    ]  # fmt: skip
    sitemaps = [
        f"  {safe(sitemap.url)}  {safe(sitemap.trouble)}"
        for host in good for sitemap in host.sitemaps if sitemap.trouble is not None
    ]  # fmt: skip
    sitemaps += [f"  {_name(host)}  {words.count(host.unread, 'sitemap')} not read" for host in good if host.unread]
    return [
        *_table(good),
        *_section("seeds that are not allowed", barred),
        *_section("hosts of which nothing can be asked for", troubled),
        *_section("sitemaps without an answer", sitemaps),
        *([""] if found.hosts else []),
        *_sum(found),
    ]


def _table(hosts: list[HostProspect]) -> list[str]:
    if not hosts:
        return []
    header = ("host", "seeds", "robots.txt", "every", "sitemaps", "URLs", "time")
    rows = [header, *(_row(host) for host in hosts[:HOSTS_SHOWN])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    left = {0, 2, 3, 6}
    text = [
        "  ".join(f"{cell:{'<' if column in left else '>'}{widths[column]}}" for column, cell in enumerate(row)).rstrip() for row in rows
    ]
    return [*text, f"… and {len(hosts) - HOSTS_SHOWN:,} more hosts"] if len(hosts) > HOSTS_SHOWN else text


def _row(host: HostProspect) -> tuple[str, ...]:
    robots = sorted({origin.robots for origin in host.origins}) or ["not asked"]
    read = sum(sitemap.trouble is None for sitemap in host.sitemaps)
    return _name(host), str(len(host.seeds)), ", ".join(robots), pace(host), f"{read:,}", _urls(host), time_of(host)


def _urls(host: HostProspect) -> str:
    known = f"{host.urls:,}" if host.known else f"{host.urls:,} or more"
    return f"{known} ({host.barred:,} barred)" if host.barred else known


def pace(host: HostProspect) -> str:
    """Say how often a host will be asked."""
    if host.crawl_delay is not None:
        return f"{host.gap:.3g} s (Crawl-delay)"
    if host.gap == host.fastest:
        return f"{host.gap:.3g} s" if host.gap else "no gap"
    return f"{host.gap:.3g} s, then down to {host.fastest:.3g} s"


def time_of(host: HostProspect) -> str:
    """Say how long a host takes; where nobody knows how many pages it has, how long a thousand take."""
    if host.known:
        return _range(host.low, host.high)
    fixed = None if host.gap != host.fastest else host.gap
    return f"{_range(*duration(THOUSAND, crawl_delay=host.crawl_delay, delay=fixed))} for 1,000 pages"


def _range(low: float, high: float) -> str:
    first, last = words.span(low), words.span(high)
    return first if first == last else f"{first} to {last}"


def trouble(host: HostProspect) -> str:
    """Say why nothing of a host can be asked for."""
    if host.crawl_delay is not None:
        return f"put off: {safe(host.trouble or '')}"
    failed = next((origin for origin in host.origins if origin.fault in FAULTS), None)
    if failed is None or failed.fault is None:
        return safe(host.trouble or "")
    return f"{FAULTS[failed.fault]} ({safe(failed.detail or failed.fault.value)})"


def _section(title: str, entries: list[str]) -> list[str]:
    if not entries:
        return []
    more = [f"  … and {len(entries) - SHOWN:,} more"] if len(entries) > SHOWN else []
    return ["", title, *entries[:SHOWN], *more]


def _sum(found: Prospect) -> list[str]:
    troubled = f" ({found.troubled:,} cannot be asked)" if found.troubled else ""
    forbidden = f" ({found.forbidden:,} not allowed)" if found.forbidden else ""
    parts = [
        f"{words.count(len(found.hosts), 'host')}{troubled}", f"{words.count(found.seeds, 'seed')}{forbidden}",
        words.count(found.sitemaps, "sitemap"), f"{words.count(found.urls, 'URL')}{'' if found.known else ' or more'}",
    ]  # fmt: skip
    when = _range(found.low, found.high)
    text = [f"In all {', '.join(parts)}; {when if found.known else f'{when} for those that are known'}."]
    if found.max_pages is not None:
        text.append(f"The crawl ends at {words.count(found.max_pages, 'page')}, your limit.")
    if found.ended is not None:
        text.append(f"The plan is not complete: {found.ended}.")
    return text


def _name(host: HostProspect) -> str:
    return cut(safe(host.host), LONGEST_NAME, middle=True)
