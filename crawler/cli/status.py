"""`status`: how far a crawl is, at rest or while it runs."""

from __future__ import annotations

import time
from pathlib import Path

import click
import msgspec

from crawler.cli import pages, words
from crawler.cli.ask import NEWEST, asking
from crawler.cli.pages import Flag
from crawler.cli.session import Session
from crawler.cli.terminal import Colour
from crawler.query.status import HostStatus, RunStatus, Status, read_status
from crawler.text import safe

HOSTS_SHOWN = 10


@click.command(
    "status", cls=pages.Lesson,
    examples=(("status", "how far the newest crawl is"), ("status -o output/docs --json", "as JSON")),
)
@pages.output_flag(NEWEST)
@click.option("--json", "as_json", is_flag=True, cls=Flag, group=pages.TELLING, help="as JSON")
@pages.voice_flags
@click.pass_obj
def status(
    session: Session, /, output: str | None, color: Colour, *, quiet: bool, verbose: int, as_json: bool
) -> int:
    """Show how far a crawl is: counts, the last run, and what is left at each host. Works while it runs."""
    session.speak(quiet=quiet, verbose=verbose, color=color)
    with asking():
        found = read_status(session.crawl_in(output))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)))
        return 0
    for line in status_lines(found, time.time()):
        click.echo(line)
    return 0


def status_lines(found: Status, now: float) -> list[str]:
    """Return a status in words."""
    counts = [f"{number:,} {state}" for state, number in found.states.items() if number or state in ("queued", "done")]
    lines = [
        f"{Path(found.database).parent}: {_run_words(found, now)}",
        f"  pages    {found.pages:,}",
        f"  URLs     {' · '.join(counts)}",
        f"  errors   {found.errors:,}",
        f"  hosts    {found.hosts:,}{f' ({found.parked_hosts:,} put off)' if found.parked_hosts else ''}",
        *_wire(found.run),
        f"  disk     {words.size(found.database_bytes)} database",
    ]
    top = [host for host in found.top if host.queued or host.done][:HOSTS_SHOWN]
    return [*lines, "", *_host_table(top, now)] if top else lines


def _wire(run: RunStatus | None) -> list[str]:
    if run is None or not run.requests:
        return []
    share = 100 * (run.requests - run.connections) / run.requests
    return [f"  wire     {words.count(run.requests, 'answer')}, {share:.0f} % of them over connections that were open already"]


def _run_words(found: Status, now: float) -> str:
    run = found.run
    if run is None:
        return "no run yet"
    if found.holder is not None:
        away = "" if found.network_down is None else f"; the network is down for {words.span(max(now - found.network_down, 0))}"
        return f"running for {words.span(max(now - run.started, 0))} in process {found.holder.pid}{away}"
    if run.ended is None:
        return "the last run was killed; the same command goes on"
    said = {"finished": "finished", "limit": "stopped at a limit", "stopped": "stopped", "parked": "finished, but hosts are put off",
            "failed": "failed"}
    return f"{said.get(run.outcome or '', 'ended')}, {words.span(max(now - run.ended, 0))} ago"


def _host_table(hosts: list[HostStatus], now: float) -> list[str]:
    header = ("host", "queued", "done", "failed", "pace", "")
    rows = [header, *(_host_row(host, now) for host in hosts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(header))]
    return [
        "  " + "  ".join([f"{row[0]:{widths[0]}}", *(f"{row[column]:>{widths[column]}}" for column in range(1, 5)), row[5]]).rstrip()
        for row in rows
    ]


def _host_row(host: HostStatus, now: float) -> tuple[str, str, str, str, str, str]:
    pace = "" if host.pace is None else f"{host.pace:.2g} s"
    why = f"put off: {host.parked}" if host.parked else host.rest_reason or ""
    if host.next_at is not None and host.next_at > now + 1 and host.queued:
        why = f"{why}, next in {words.clock(host.next_at - now)}".lstrip(", ")
    return safe(host.host), f"{host.queued:,}", f"{host.done:,}", f"{host.failed:,}", pace, safe(why)
